"""The main path of the review page once more, in Firefox: judge by keys, refit, a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.review.test_browser import of_two_events
from tests.support.firefox import PROGRAM, Firefox, firefox
from tests.support.review_folder import Made, make, served

from hiprobe.review.session import Session

LISTED = "[...document.querySelectorAll('#events .row[data-found=\"1\"]')]"
SAID = "document.getElementById('said').textContent.includes(arguments[0])"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    # WebM, as Debian's Firefox plays H.264 only if libavcodec is installed.
    return make(tmp_path_factory.mktemp("firefox"), ("a.mp4", "b.webm"))


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Firefox]:
    if PROGRAM is None:
        pytest.skip("no firefox is installed: the page is not tried in it")
    with firefox(tmp_path / "profile") as tab:
        yield tab


def opened(tab: Firefox, address: str) -> None:
    tab.open(address)
    tab.wait("document.body.dataset.ready === '1'")


def spans(tab: Firefox) -> list[tuple[float, float]]:
    rows = tab.run(f"{LISTED}.map(row => [+row.dataset.start, +row.dataset.end])")
    return [(start, end) for start, end in rows]


def test_the_main_path_in_firefox(tab: Firefox, made: Made) -> None:
    session = made.session()
    with served(session) as page:
        digest = made.ids["b.webm"]
        address = f"{page.address}/v/{digest}?threshold={of_two_events(session, digest)}"
        judge_by_keys(tab, address, session, digest)
        keys_are_listed(tab)
        refit(tab, page.address, session, made)
        fits_a_phone(tab, page.address, digest)


def judge_by_keys(tab: Firefox, address: str, session: Session, digest: str) -> None:
    opened(tab, address)
    tab.wait("document.getElementById('video')?.readyState >= 2")
    events = spans(tab)
    tab.wait(
        "Math.abs(document.getElementById('video').currentTime - arguments[0]) < .1", events[0][0]
    )
    tab.run("document.getElementById('video').focus()")  # only its own keys are the player's
    for number, _ in enumerate(events, 1):
        tab.press("f")
        tab.wait("document.querySelectorAll('#events .chip').length === arguments[0]", number)
    tab.wait(SAID, f"No event of this video is left to judge ({len(events)} judged)")
    tab.press("r")
    tab.wait(SAID, "is judged already: false alarm. Press again to replace it.")
    stored = session.judgements.standing(digest)
    assert [(j.start, j.end, j.kind) for j in stored] == [(*span, "false_alarm") for span in events]
    tab.press("u")
    tab.wait(SAID, "undone: false alarm")
    assert tab.run("document.activeElement.id") == "video"
    assert not tab.run("Boolean(document.fullscreenElement)")
    opened(tab, address)  # the one that was undone is open again
    assert tab.run(f"{LISTED}.findIndex(row => row.ariaCurrent === 'true')") == len(events) - 1


def keys_are_listed(tab: Firefox) -> None:
    tab.run("document.getElementById('plot').focus()")
    for close in ("Escape", "?", "Enter"):
        tab.press("?")
        tab.wait("document.getElementById('keys').open")
        tab.press(close)
        tab.wait("!document.getElementById('keys').open")
        assert tab.run("document.activeElement.id") == "plot"


def refit(tab: Firefox, address: str, session: Session, made: Made) -> None:
    for video_id, truth in made.truth.items():
        session.judgements.judge([(video_id, t.start, t.end) for t in truth], "missed", "ann")
        session.judgements.judge([(video_id, 25.5, 30.0)], "normal", "ann")
    tab.open(f"{address}/probes")
    tab.wait("document.querySelector('a[href=\"/labels.csv\"]')")
    tab.run("document.querySelector('[hx-post=\"/refit\"] button').click()")
    tab.wait("document.querySelector('.proposal h3')")
    text = tab.run("document.querySelector('.proposal').innerText")
    assert "confirmed" in text
    assert "would be found" in text
    tab.run("document.querySelector('.proposal .strong').click()")
    tab.wait("document.querySelector('tr[aria-current]')?.innerText.includes('refit')")
    assert session.needed_probe().digest != made.probe.digest


def fits_a_phone(tab: Firefox, address: str, digest: str) -> None:
    tab.resize(390, 844)
    for path in ("/", f"/v/{digest}", "/moments", "/probes", "/layers", "/run"):
        tab.open(address + path)
        assert tab.run("document.documentElement.scrollWidth") <= 390, path
