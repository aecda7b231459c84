"""The review page in a real browser: mouse, keys, a narrow screen, accessibility rules."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import ATTACK, HOSTILE, Made, Page, served

from hiprobe.probe import Probe
from hiprobe.review.session import Session

AXE = Path(__file__).parents[1] / "support" / "vendored" / "axe.min.js"
SHOWS = """wanted => { const c = document.createElement('canvas').getContext('2d');
           c.drawImage(video, 0, 0, 8, 8);
           return Math.abs(c.getImageData(4, 4, 1, 1).data[1] - wanted) <= 5; }"""


def opened(tab: Any, page: Page, digest: str, query: str = "") -> Any:
    tab.goto(f"{page.address}/v/{digest}{query}")
    tab.wait_for_selector("body[data-ready]")
    tab.wait_for_function("() => document.getElementById('video')?.readyState >= 2")
    return tab


def settled(tab: Any, seconds: float) -> None:
    tab.wait_for_function(
        "t => Math.abs(video.currentTime - t) < 0.03 && !video.seeking && video.readyState >= 2",
        arg=seconds,
    )


def shown(tab: Any, second: int) -> None:
    """Wait for the picture of this second, which is painted shortly after the seek has ended."""
    tab.wait_for_function(SHOWS, arg=40 + 6 * second)


def said(tab: Any, text: str) -> None:
    tab.wait_for_function(
        "text => document.getElementById('said').textContent.includes(text)", arg=text
    )


def spans(tab: Any) -> list[tuple[float, float]]:
    rows = "[...document.querySelectorAll('#events .row[data-found=\"1\"]')]"
    return [
        tuple(pair)
        for pair in tab.evaluate(f"{rows}.map(row => [+row.dataset.start, +row.dataset.end])")
    ]


def of_two_events(session: Session, digest: str) -> float:
    """A threshold at which the video has two events or more."""
    entry = session.entry(digest)
    assert entry is not None
    shown = session.shown(entry)
    return float(next(t for t in np.linspace(0.5, 0.01, 99) if len(session.events(shown, t)) >= 2))


def across(tab: Any, seconds: float) -> tuple[float, float]:
    """The position on the screen where the curve shows this time."""
    box = tab.locator("#plot .u-over").bounding_box()
    return box["x"] + box["width"] * seconds / 30, box["y"] + box["height"] * 0.25


def test_playing_moves_the_playhead_and_marks_the_event(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"])
    start, end = spans(tab)[0]
    assert tab.evaluate("video.duration") == pytest.approx(30, abs=0.2)
    tab.evaluate(
        "from => { video.muted = true; video.playbackRate = 8;"
        " video.currentTime = from; video.play(); }",
        start - 1,
    )
    tab.wait_for_selector("#events .row:first-child[aria-current=true]")
    tab.wait_for_function("end => video.currentTime > end", arg=end)
    tab.evaluate("video.pause()")
    left = tab.evaluate("parseFloat(document.getElementById('playhead').style.left)")
    wide = tab.locator("#plot .u-over").bounding_box()["width"]
    assert left / wide * 30 == pytest.approx(tab.evaluate("video.currentTime"), abs=0.4)
    assert tab.complaints == []


def test_clicks_and_keys_seek(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"], "?t=3")
    settled(tab, 3)
    tab.mouse.click(*across(tab, 21))
    tab.wait_for_function("() => Math.abs(video.currentTime - 21) < 0.15 && !video.seeking")
    shown(tab, int(tab.evaluate("video.currentTime")))
    assert "score" in tab.locator("#plot").get_attribute("aria-valuetext")
    before = tab.evaluate("video.currentTime")
    tab.keyboard.press("ArrowRight")
    settled(tab, before + 1)
    tab.locator("#plot").focus()
    tab.keyboard.press("Home")
    settled(tab, 0)
    tab.keyboard.press("n")
    settled(tab, spans(tab)[0][0])
    said(tab, "Event 1 of")
    assert tab.locator("#events .row[aria-current]").count() == 1


def test_a_moment_in_the_address_is_shown_when_the_player_comes_late(
    tab: Any, page: Page, made: Made
) -> None:
    """The player is sent last and htmx settles late, as on a busy machine."""
    held: list[Any] = []
    tab.route("**/player", lambda route: held.append(route))
    tab.add_init_script(
        "addEventListener('DOMContentLoaded', () => { htmx.config.defaultSettleDelay = 1000; })"
    )
    tab.goto(f"{page.address}/v/{made.ids['b.mp4']}?t=3")
    tab.wait_for_selector("body[data-ready]")
    held[0].continue_()
    tab.wait_for_function("() => document.getElementById('video')?.readyState >= 2")
    settled(tab, 3)


def test_the_threshold_is_dragged_and_the_events_follow(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"])
    before, handle = spans(tab), tab.locator("#handle").bounding_box()
    over = tab.locator("#plot .u-over").bounding_box()
    low = float(tab.locator("#handle").get_attribute("aria-valuenow"))
    assert handle["y"] + handle["height"] / 2 == pytest.approx(
        over["y"] + over["height"] * (1 - low), abs=2
    )
    tab.mouse.move(over["x"] + 300, handle["y"] + handle["height"] / 2)
    tab.mouse.down()
    for share in (0.2, 0.5, 0.96):
        tab.mouse.move(over["x"] + 320, over["y"] + over["height"] * share)
    tab.mouse.up()
    said(tab, "at threshold 0.0")
    value = float(tab.locator("#handle").get_attribute("aria-valuenow"))
    assert value == pytest.approx(0.04, abs=0.01)
    lower = spans(tab)
    assert sum(b - a for a, b in lower) > sum(b - a for a, b in before)
    tab.locator("#handle").focus()
    tab.keyboard.press("End")
    said(tab, "0 events at threshold 1.000")
    assert spans(tab) == []
    assert "no score reaches the threshold" in tab.locator("#events").inner_text()
    tab.reload()
    tab.wait_for_selector("body[data-ready]")
    assert spans(tab) == []  # a threshold that is tried survives a reload
    tab.locator("#reset-threshold").click()
    said(tab, "at threshold")
    assert spans(tab) == before
    assert tab.complaints == []


def test_dragging_over_the_curve_zooms_in(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"], "?t=0")
    tab.mouse.move(*across(tab, 10))
    tab.mouse.down()
    tab.mouse.move(*across(tab, 15), steps=4)
    with tab.expect_response(re.compile(r"curve\.json")) as asked:
        tab.mouse.up()
    start, end = (float(value) for value in re.findall(r"=([\d.]+)", asked.value.url))
    assert (start, end) == (pytest.approx(10, abs=0.2), pytest.approx(15, abs=0.2))
    assert tab.evaluate("video.currentTime") == 0  # the drag was not taken for a click
    with tab.expect_response(re.compile(r"curve\.json")):
        tab.locator("#zoom-all").click()


def test_hovering_shows_the_moment(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"])
    tab.mouse.move(*across(tab, 20))
    with tab.expect_response(re.compile(r"/preview/[0-9a-f]{64}/25\.jpg")) as picture:
        tab.mouse.move(*across(tab, 25))
    assert picture.value.status == 200
    assert tab.locator("#hover").inner_text().startswith("0:2")
    tab.mouse.move(5, 5)
    tab.locator("#hover").wait_for(state="hidden")


def test_judging_by_keys_survives_undo_and_reload(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]
    opened(tab, page, digest, f"?threshold={of_two_events(session, digest)}")
    found = spans(tab)
    tab.keyboard.press("r")
    said(tab, "true alarm: ")
    tab.keyboard.press("f")  # the next event is chosen now
    said(tab, "false alarm: ")
    standing = [(j.start, j.kind, j.who) for j in session.judgements.standing(digest)]
    assert standing == [(found[0][0], "true_alarm", "ann"), (found[1][0], "false_alarm", "ann")]
    tab.keyboard.press("u")
    said(tab, "undone: false alarm")
    assert [j.kind for j in session.judgements.standing(digest)] == ["true_alarm"]
    for key, seconds in (("[", 26.0), ("]", 28.0)):
        tab.evaluate(f"video.currentTime = {seconds}")
        settled(tab, seconds)
        tab.wait_for_function(
            "t => +document.getElementById('plot').getAttribute('aria-valuenow') === t", arg=seconds
        )
        tab.keyboard.press(key)
    tab.keyboard.press("m")
    said(tab, "missed: 26.0 to 28.0 s")
    tab.reload()
    tab.wait_for_selector("body[data-ready]")
    chips = tab.locator("#events .chip").all_inner_texts()
    assert sorted(chips) == ["missed", "true alarm"]
    assert [(j.start, j.end, j.kind) for j in session.judgements.standing(digest)][1] == (
        26.0,
        28.0,
        "missed",
    )
    assert tab.complaints == []


def test_keys_pressed_faster_than_the_server_answers_act_in_order(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    """The first answer is delayed until all keys are pressed."""
    digest, held = made.ids["b.mp4"], []
    # Before the page is there: Chromium may let a request of a page pass that was there already.
    tab.route("**/judge", lambda route: route.continue_() if held else held.append(route))
    opened(tab, page, digest, f"?threshold={of_two_events(session, digest)}")
    (first, _), (second, _) = spans(tab)[:2]
    with tab.expect_request("**/judge"):
        tab.keyboard.down("r")
    tab.keyboard.down("r")  # a key held down judges once
    tab.keyboard.up("r")
    for key in "fu":
        tab.keyboard.press(key)
    held[0].continue_()
    said(tab, "undone: ")
    stored = [(j.kind, j.start, bool(j.undone_at)) for j in session.judgements.all()]
    assert stored == [("true_alarm", first, False), ("false_alarm", second, True)]
    assert tab.locator("#events .chip").all_inner_texts() == ["true alarm"]


def test_the_page_opens_at_the_first_event_that_nobody_judged(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]
    query = f"?threshold={of_two_events(session, digest)}"
    opened(tab, page, digest, query)
    (first, end), (second, _) = spans(tab)[:2]
    assert current(tab) == first
    settled(tab, first)
    session.judgements.judge([(digest, first, end)], "true_alarm", "ann")
    opened(tab, page, digest, query)
    assert current(tab) == second


def test_keys_judge_each_event_once_and_say_when_none_is_left(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    """The list opens the video; `f`, then `r`: both used to hit the last event."""
    digest = made.ids["b.mp4"]
    opened(tab, page, digest, f"?threshold={of_two_events(session, digest)}")
    events = spans(tab)
    tab.keyboard.press("n")  # the second one first: the keys come back to the first one
    for _ in events:
        before = len(session.judgements.all())
        tab.keyboard.press("f")
        tab.wait_for_function(
            "n => document.querySelectorAll('#events .chip').length === n", arg=before + 1
        )
    said(tab, f"No event of this video is left to judge ({len(events)} judged). Press n for ")
    assert tab.locator("#said").is_visible()
    assert tab.locator("#said").get_attribute("aria-live") == "polite"
    stored = sorted((j.start, j.end) for j in session.judgements.all())
    assert stored == events
    for key, words in (("r", "is judged already: false alarm. Press again"), ("f", "is judged")):
        tab.keyboard.press(key)
        said(tab, words)
    assert sorted((j.start, j.end) for j in session.judgements.all()) == events
    tab.keyboard.press("r")
    said(tab, "Press again to replace it")
    tab.keyboard.press("r")  # a second time: on purpose
    said(tab, "true alarm: ")
    said(tab, ", was false alarm. No event of this video is left")
    assert [j.kind for j in session.judgements.all()][-1] == "true_alarm"
    tab.keyboard.press("n")
    tab.wait_for_url(lambda address: digest not in address)
    assert tab.complaints == []


def test_with_the_focus_in_the_player_only_its_own_keys_are_left_to_it(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]
    opened(tab, page, digest)
    start = spans(tab)[0][0]
    settled(tab, start)
    tab.locator("#video").focus()
    tab.keyboard.press("f")
    said(tab, "false alarm: ")
    assert tab.evaluate("document.activeElement.id") == "video"
    assert not tab.evaluate("Boolean(document.fullscreenElement)")
    tab.keyboard.press("u")
    said(tab, "undone: false alarm")
    tab.keyboard.press("?")
    assert tab.locator("#keys").is_visible()
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") == "video"
    tab.evaluate("video.muted = true")
    tab.keyboard.press(" ")
    tab.wait_for_function("() => !video.paused")
    tab.keyboard.press(" ")
    tab.wait_for_function("() => video.paused")
    assert [j.undone_by for j in session.judgements.all()] == ["ann"]


@pytest.mark.parametrize("path", ["/", "/moments", "/probes"])
def test_the_list_of_keys_is_opened_and_closed_by_keyboard(
    tab: Any, page: Page, made: Made, path: str
) -> None:
    tab.goto(page.address + path)
    tab.locator("nav a").nth(2).focus()
    for close in ("Escape", "?", "Enter"):
        tab.keyboard.press("?")
        assert tab.locator("#keys").is_visible()
        assert "true alarm" in tab.locator("#keys").inner_text()
        tab.keyboard.press(close)  # Enter: the button has the focus
        tab.locator("#keys").wait_for(state="hidden")
        assert tab.evaluate("document.activeElement.textContent") == "Probes"
    tab.locator("#show-keys").click()
    assert tab.locator("#keys").is_visible()
    assert tab.complaints == []


def test_on_a_phone_events_come_before_the_tools_and_tables_fit(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    opened(tab, page, made.ids["b.mp4"])
    events, tools = (tab.locator(one).bounding_box() for one in ("#events", "#controls"))
    assert events["y"] + events["height"] <= tools["y"]
    session.keep(made.probe, "ann", "given")
    tab.goto(page.address + "/probes")
    cells = "[...document.querySelectorAll('.stacked td')].map(c => c.getBoundingClientRect())"
    assert tab.evaluate(f"{cells}.every(box => box.left >= 0 && box.right <= 390)")
    heads = "[...document.querySelectorAll('.stacked td')].map(c => c.dataset.head)"
    assert tab.evaluate(heads)[:3] == ["probe", "when, who", "how"]


def test_a_stretch_that_was_no_alarm_is_not_offered_as_one(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    offered = "[...document.querySelectorAll('.bulk [name=kind]')].map(b => b.value)"
    for query, kinds in (
        ("order=worst", ["true_alarm", "false_alarm"]),
        ("order=random", ["anomalous", "normal"]),
    ):
        tab.goto(f"{page.address}/moments?{query}")
        assert tab.evaluate(offered) == kinds
    rows = tab.locator("#moments .row")
    for k in range(rows.count()):
        rows.nth(k).locator("input[name=span]").check()
    tab.get_by_role("button", name="anomalous").click()
    said(tab, "missed: ")
    for one in session.judgements.standing():
        entry = session.entry(one.video)
        assert entry is not None
        events = session.shown(entry).events
        inside = any(e.start <= one.start and one.end <= e.end for e in events)
        assert one.kind == ("true_alarm" if inside else "missed")


def current(tab: Any) -> float:
    return float(tab.locator("#events .row[aria-current]").get_attribute("data-start"))


def test_a_refused_judgement_is_reported_and_not_shown(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    opened(tab, page, made.ids["b.mp4"])
    with sqlite3.connect(session.judgements.path) as db:
        db.execute("ALTER TABLE judgement RENAME TO elsewhere")
    tab.keyboard.press("r")
    said(tab, "StoreError: ")
    tab.keyboard.press("]")  # later messages follow
    said(tab, "span to")
    assert tab.locator("#events .chip").count() == 0
    assert tab.locator("#events .row").first.get_attribute("aria-current") == "true"


def test_an_up_to_date_page_gets_only_the_rows_that_changed(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]
    opened(tab, page, digest, f"?threshold={of_two_events(session, digest)}")
    (first, _), (second, end) = spans(tab)[:2]
    with tab.expect_response("**/judge") as answer:
        tab.keyboard.press("r")
    said(tab, "true alarm: ")
    assert answer.value.text().count("<li") == 1
    # Another reviewer at the same time.
    session.judgements.judge([(digest, second, end)], "false_alarm", "bob")
    with tab.expect_response("**/undo") as answer:
        tab.keyboard.press("u")
    said(tab, "undone: true alarm")
    assert answer.value.text().count("<li") == len(spans(tab))
    assert tab.locator("#events .chip").all_inner_texts() == ["false alarm"]
    tab.keyboard.press("p")
    assert current(tab) == first


def test_a_judgement_without_a_server_is_reported_as_not_saved(
    tab: Any, session: Session, made: Made
) -> None:
    with served(session) as page:
        opened(tab, page, made.ids["b.mp4"])
    tab.keyboard.press("r")
    said(tab, "Nothing was changed")
    assert tab.locator("#events .chip").count() == 0
    assert session.judgements.all() == []


def test_many_moments_are_judged_at_once(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    tab.goto(f"{page.address}/moments")
    count = tab.locator("#moments input[name=span]").count()
    tab.locator("#all").check()
    assert tab.locator("#chosen").inner_text() == f"{count} selected"
    tab.get_by_role("button", name="true alarm", exact=True).click()
    said(tab, f"true alarm: {count} spans")
    tab.wait_for_selector("text=No moment matches the filter.")
    assert len(session.judgements.standing()) == count
    tab.get_by_role("button", name="Undo").click()
    said(tab, "undone: true alarm")
    assert tab.locator("#moments input[name=span]").count() == count


def test_refit_asks_then_replaces_and_brings_back(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    for video_id, truth in made.truth.items():
        session.judgements.judge(
            [(video_id, event.start, event.end) for event in truth], "missed", "ann"
        )
        session.judgements.judge([(video_id, 25.5, 30.0)], "normal", "ann")
    tab.goto(f"{page.address}/probes")
    tab.get_by_role("button", name="Refit").click()
    tab.wait_for_selector(".proposal h3")
    text = tab.locator(".proposal").inner_text()
    before, after = (
        [float(number) for number in re.findall(r"[01]\.\d{3}", cell)]
        for cell in tab.locator(".compare td").all_inner_texts()
    )
    assert after[0] > before[0]
    assert before[1] <= before[0] <= before[2]
    assert after[1] <= after[0] <= after[2]
    assert "16 videos" in text
    assert re.search(r"[1-9]\d* events? appear", text)
    tab.get_by_role("button", name="Keep the current probe").click()
    assert tab.locator(".proposal").count() == 0
    assert Probe.load(made.probe_path).digest == made.probe.digest
    tab.get_by_role("button", name="Refit").click()
    tab.get_by_role("button", name="Use this probe").click()
    tab.wait_for_selector("tr[aria-current]:has-text('refit')")
    assert Probe.load(made.probe_path).digest == session.needed_probe().digest != made.probe.digest
    opened(tab, page, made.ids["c.mp4"])
    assert any(a < 24 and b > 18 for a, b in spans(tab))
    tab.goto(f"{page.address}/probes")
    tab.get_by_role("button", name="Use again").click()
    tab.wait_for_selector("tr[aria-current]:has-text('given')")
    assert Probe.load(made.probe_path).digest == made.probe.digest
    assert tab.complaints == []


def test_similar_segments_are_found_and_judged(
    tab: Any, page: Page, made: Made, session: Session
) -> None:
    opened(tab, page, made.ids["b.mp4"], "?t=19")
    tab.locator("#similar").click()
    tab.wait_for_selector(".neighbours .tiles li")
    for k in range(2):
        tab.locator(".neighbours input[name=span]").nth(k).check()
    tab.get_by_role("button", name="anomalous").click()
    said(tab, "missed: 2 spans")
    assert [j.kind for j in session.judgements.standing()] == ["missed", "missed"]


def test_keeping_a_threshold_asks_first(tab: Any, page: Page, made: Made, session: Session) -> None:
    opened(tab, page, made.ids["b.mp4"], "?threshold=0.25")
    tab.locator("#keep-threshold").click()
    tab.wait_for_selector(".proposal h3")
    assert session.needed_probe().digest == made.probe.digest
    tab.get_by_role("button", name="Use this probe").click()
    tab.wait_for_selector("tr[aria-current]:has-text('threshold 0.250')")
    assert session.needed_probe().localization.threshold == pytest.approx(0.25)


def test_a_file_that_browsers_cannot_play_is_copied_and_played(
    tab: Any, page: Page, made: Made
) -> None:
    opened(tab, page, made.ids["d.avi"])
    tab.evaluate("video.currentTime = 12.5")
    settled(tab, 12.5)
    shown(tab, 12)


def test_what_was_not_scored_is_marked(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids[HOSTILE], "?t=15")
    assert "0:13.5 – 0:16.5: 2 damaged packets" in tab.locator("[role=note]").inner_text()
    tab.wait_for_function(
        "() => document.getElementById('readout').textContent.includes('not scored')"
    )


def test_hostile_text_is_shown_as_text_and_no_request_leaves_the_page(
    tab: Any, page: Page, made: Made
) -> None:
    opened(tab, page, made.ids[HOSTILE])
    assert tab.locator("h1").inner_text() == HOSTILE
    assert ATTACK in tab.locator("#events .words").first.inner_text()
    for path in ("/", "/moments", "/run", "/layers", "/probes"):
        tab.goto(page.address + path)
        assert "owned" not in tab.title()
    assert {url.split("/")[2] for url in tab.asked} == {f"127.0.0.1:{page.port}"}
    assert tab.complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_view_fits_and_passes_axe(
    tab: Any, page: Page, made: Made, session: Session, scheme: str, width: int
) -> None:
    """All WCAG 2 A and AA rules of axe-core, which runs outside of the page's script policy."""
    session.judgements.judge([(made.ids[HOSTILE], 4.5, 9.0)], "true_alarm", "ann")
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    for path in ("/", f"/v/{made.ids[HOSTILE]}", "/moments", "/layers", "/probes", "/run"):
        tab.goto(page.address + path)
        if path.startswith("/v/"):
            tab.wait_for_selector("body[data-ready]")
            tab.locator("#similar").click()
            tab.wait_for_selector(".neighbours")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path
        tab.evaluate(AXE.read_text("utf-8"))
        rules = "runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
        found = tab.evaluate(f"axe.run({{{rules}, resultTypes: ['violations']}})")
        wrong = [(rule["id"], rule["nodes"][0]["html"][:160]) for rule in found["violations"]]
        assert wrong == [], (path, json.dumps(wrong, indent=1))


def test_every_control_is_reached_with_the_tab_key(tab: Any, page: Page, made: Made) -> None:
    opened(tab, page, made.ids["b.mp4"])
    seen = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(
            tab.evaluate(
                "document.activeElement.id || document.activeElement.dataset.act"
                " || document.activeElement.textContent.trim()"
            )
        )
    for name in (
        "Skip to content",
        "video",
        "undo",
        "true_alarm",
        "false_alarm",
        "plot",
        "handle",
        "zoom-in",
        "mark-start",
    ):
        assert name in seen, name
