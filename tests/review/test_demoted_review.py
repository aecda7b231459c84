"""Demoted events on the review page, in a real browser: the switch, the keys, the labels, heat."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.review.test_browser import AXE, opened, said, spans
from tests.support.review_folder import Made, Page, make, served

from hiprobe import store
from hiprobe.review import views
from hiprobe.review.label_table import label_table
from hiprobe.review.session import Session
from hiprobe.store.results import read_result, save_result
from hiprobe.types import Event, Result, Verification

HEAT = ((0.0, 0.0), (0.9, 0.3))
LOW = Event(18.0, 24.0, 21.0, 0.9, "smoke", severity="low",
            verification=Verification("rejected", -1.53), heat=HEAT)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two videos of one alarm each; the second one has a demoted event too."""
    made = make(tmp_path_factory.mktemp("demoted"), ("b.mp4", "c.mp4"))
    folder = next(made.out.glob("c-*"))
    result = read_result(folder)
    save_result(folder, replace(result, events=(*result.events, LOW)), {})
    return made


@pytest.fixture
def made(base: Made, tmp_path: Path) -> Made:
    out = tmp_path / "out"
    shutil.copytree(base.out, out)
    return replace(base, out=out, probe_path=out / base.probe_path.name)


@pytest.fixture
def session(made: Made) -> Session:
    return made.session()


@pytest.fixture
def page(session: Session) -> Iterator[Page]:
    with served(session) as page:
        yield page


def kinds(session: Session) -> list[tuple[float, str]]:
    with sqlite3.connect(session.judgements.path) as db:
        rows = db.execute("SELECT start, kind FROM judgement WHERE undone_at IS NULL ORDER BY id")
        return list(rows.fetchall())


def test_keys_work_on_shown_events_and_a_confirmed_one_is_an_alarm(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    opened(tab, page, made.ids["c.mp4"])
    (alarm,) = spans(tab)
    assert tab.locator("#events-head h2").inner_text() == "1 event"
    assert tab.locator("#events-head label").inner_text().strip() == "1 demoted"
    tab.keyboard.press("r")
    said(tab, "No event of this video is left to judge")
    assert kinds(session) == [(alarm[0], "true_alarm")]
    tab.keyboard.press("d")
    said(tab, "1 demoted event is shown below the others.")
    assert spans(tab) == [alarm, (18.0, 24.0)]
    assert "rejected by the model (log-odds -1.5)" in tab.locator(".row.low").inner_text()
    tab.keyboard.press("n")
    tab.keyboard.press("r")
    said(tab, "No event of this video is left to judge (2 judged)")
    assert kinds(session)[-1] == (18.0, "true_alarm")
    assert tab.locator("#events-head h2").inner_text() == "2 events"
    assert tab.locator("#events-head label").count() == 0
    tab.reload()
    tab.wait_for_selector("body[data-ready]")
    assert spans(tab) == [alarm, (18.0, 24.0)]
    tab.keyboard.press("u")
    said(tab, "undone: true alarm")
    assert tab.locator("#events-head label input").is_checked()  # the address has kept the switch
    tab.locator("#events-head label input").uncheck()
    said(tab, "Demoted events are hidden.")
    assert spans(tab) == [alarm]
    assert tab.complaints == []


def test_the_heat_covers_the_picture_of_the_event(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["c.mp4"], "?demoted=1")
    where = tab.locator(".row.low .where")
    where.scroll_into_view_if_needed()
    tab.wait_for_function("() => document.querySelector('.where img').naturalWidth > 0")
    frame = where.locator("img").bounding_box()
    assert where.locator("svg").bounding_box() == pytest.approx(frame, abs=0.5)
    assert frame["width"] / frame["height"] == pytest.approx(160 / 90, abs=0.05)
    strongest = where.locator("rect[fill-opacity='0.5']").bounding_box()
    assert strongest["x"] == pytest.approx(frame["x"], abs=0.5)
    assert strongest["y"] == pytest.approx(frame["y"] + frame["height"] / 2, abs=0.5)
    assert "strongest at the lower left" in where.inner_text()
    tab.evaluate(AXE.read_text())
    found = tab.evaluate("async () => (await axe.run()).violations.map(v => v.id)")
    assert found == []
    assert tab.complaints == []


def test_demoted_events_of_all_videos_are_listed_on_demand(
    page: Page, session: Session, made: Made
) -> None:
    assert [row.demoted for row in views.moments(session)] == [False, False]
    rows = views.moments(session, demoted=True)
    assert [row.demoted for row in rows] == [False, False, True]
    status, _, body = page.get("/moments?demoted=true")
    assert (status, body.count(b'class="row low"')) == (200, 1)
    span = f"{made.ids['c.mp4']}:18.0:24.0"
    assert page.post("/moments/judge", kind="true_alarm", span=span)[0] == 200
    assert kinds(session) == [(18.0, "true_alarm")]


def test_videos_with_alarms_come_first_and_demoted_events_are_counted(
    session: Session, made: Made
) -> None:
    folder = next(made.out.glob("c-*"))
    result = read_result(folder)
    save_result(folder, only_demoted(result), {})
    found = views.cards(session)
    assert [(card.entry.name, card.events, card.demoted) for card in found if card.score] == [
        ("b.mp4", 1, 0),
        ("c.mp4", 0, 2),
    ]
    assert found[1].score == pytest.approx(result.scores.peak if result.scores else 0)
    assert [card.entry.name for card in views.cards(session, only="demoted")] == ["c.mp4"]
    assert [card.entry.name for card in views.cards(session, only="open")] == ["b.mp4"]


def only_demoted(result: Result) -> Result:
    return replace(result, events=tuple(replace(one, severity="low") for one in result.events))


def test_labels_wait_for_demoted_events_and_hold_the_confirmed_ones(
    session: Session, made: Made
) -> None:
    digest = made.ids["c.mp4"]
    entry = session.entry(digest)
    assert entry is not None
    alarm = session.shown(entry).events[0]
    session.judgements.judge([(digest, alarm.start, alarm.end)], "false_alarm", "ann")
    (left_out,) = label_table(session).left_out
    assert left_out.why == "1 event is not judged, 1 of them demoted"
    session.judgements.judge([(digest, 18.0, 24.0)], "true_alarm", "ann")
    assert label_table(session).rows == (("cam/c.mp4", "smoke", 18.0, 24.0),)


def test_a_demoted_event_stays_demoted_at_another_threshold_unless_it_holds_an_alarm(
    session: Session, made: Made
) -> None:
    folder = next(made.out.glob("c-*"))
    result = read_result(folder)
    save_result(folder, only_demoted(replace(result, events=result.events[:1])), {})
    entry = session.entry(made.ids["c.mp4"])
    assert entry is not None
    shown = session.shown(entry)
    peak = float(shown.events[0].score or 0)
    (moved,) = session.events(shown, 0.9 * peak)
    assert (moved.severity, moved.end <= shown.events[0].end) == ("low", True)
    save_result(folder, result, {})
    (all_of_it,) = session.events(session.shown(entry), -1.0)
    assert all_of_it.severity == "medium"
    assert store.read_manifest(made.out)
