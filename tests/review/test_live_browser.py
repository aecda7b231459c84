"""The page of a watcher in a real browser: alerts as they come, keys, a phone, accessibility."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.page_watcher import BEGAN, PageWatcher, raise_alert, watched
from tests.support.review_folder import Made, Page, made_states

from hiprobe.review.live_session import LiveSession

AXE = Path(__file__).parents[1] / "support" / "vendored" / "axe.min.js"


def opened(tab: Any, page: Page, query: str = "") -> Any:
    tab.goto(f"{page.address}/{query}")
    tab.wait_for_selector("body[data-ready][data-connected]")
    return tab


def said(tab: Any, text: str) -> None:
    tab.wait_for_function(
        "text => document.getElementById('said').textContent.includes(text)", arg=text
    )


def listed(tab: Any) -> list[str]:
    rows = tab.locator("#alerts .row").all()
    return [row.get_attribute("data-id") for row in rows if row.is_visible()]


def current(tab: Any) -> str:
    return str(tab.locator("#alerts .row[aria-current]").get_attribute("data-id"))


def test_alerts_come_by_themselves_and_change_where_they_are(
    tab: Any, live_page: Page, watcher: PageWatcher, made: Made
) -> None:
    raise_alert(watcher, 0)
    opened(tab, live_page)
    assert current(tab) == "a0"
    raise_alert(watcher, 1, type="new", provisional=True, clip=None, explanation=None)
    said(tab, "New alert: ")
    assert listed(tab) == ["a1", "a0"]
    assert tab.locator(".tile.alarm").get_attribute("data-camera") == "front door"
    assert "provisional" in tab.locator("#alert-a1").inner_text()
    raise_alert(watcher, 1)
    tab.wait_for_selector("#alert-a1 >> text=a person falls")
    assert listed(tab) == ["a1", "a0"]
    assert current(tab) == "a0"  # what somebody looks at stays
    tab.wait_for_function("() => !document.querySelector('.tile.alarm')")
    assert tab.complaints == []


def test_the_curve_and_the_picture_of_a_tile_follow_the_camera(
    tab: Any, live_page: Page, watcher: PageWatcher, made: Made
) -> None:
    opened(tab, live_page)
    assert tab.locator(".tile").count() == 2
    watcher.run("yard", made_states("1" * 64, (), 0, 7), every_s=0.1)
    tab.wait_for_selector(".tile[data-camera=yard] .score-line")
    first = tab.locator(".tile[data-camera=yard] .score-line").get_attribute("points")
    tab.wait_for_function(
        "first => document.querySelector('.score-line').getAttribute('points') !== first", arg=first
    )
    words = tab.locator(".tile[data-camera=yard] svg").get_attribute("aria-label")
    assert re.fullmatch(
        r"yard: score of the last ten minutes: [\d.]+ now, [\d.]+ at most, threshold [\d.]+", words
    )
    tab.wait_for_function("() => document.querySelector('.tile img').naturalWidth > 0")
    assert "0.4 s behind" in tab.locator(".tile[data-camera=yard]").inner_text()
    assert tab.complaints == []


def test_alerts_are_judged_by_key_and_the_probe_follows(
    tab: Any, live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    for number in range(3):
        raise_alert(watcher, number, dimension=4)
    opened(tab, live_page)
    assert current(tab) == "a2"
    tab.keyboard.press("r")
    said(tab, "true alarm: yard. Now ")
    assert current(tab) == "a1"
    tab.keyboard.press("f")
    said(tab, "false alarm: front door. Now ")
    assert current(tab) == "a0"
    tab.keyboard.press("n")
    said(tab, "This is the last alert.")
    tab.keyboard.press("p")
    assert current(tab) == "a1"
    tab.keyboard.press("r")
    said(tab, "It is judged already: false alarm. Press again to replace it.")
    tab.keyboard.press("r")
    said(tab, "true alarm: front door, was false alarm. Now ")
    assert [one.kind for one in live.judgements.standing()] == [
        "true_alarm",
        "false_alarm",
        "true_alarm",
    ]
    tab.wait_for_selector("#refitted")
    tab.wait_for_selector("#probe-said >> text=The probe was refitted and is in use after")
    tab.wait_for_selector("[data-act=restore]")
    tab.keyboard.press("u")
    said(tab, "undone: true alarm, front door a1.")
    tab.wait_for_selector("#alert-a1 .chip[data-kind=false_alarm]")
    tab.keyboard.press("a")
    said(tab, "acknowledged: yard.")
    tab.wait_for_selector("#alert-a0 >> text=seen")
    assert tab.complaints == []


def test_a_probe_is_restored_by_a_button(
    tab: Any, live_page: Page, watcher: PageWatcher, made: Made
) -> None:
    raise_alert(watcher, 0, dimension=4)
    opened(tab, live_page)
    tab.keyboard.press("r")
    tab.wait_for_selector("#refitted")
    assert watcher.probe.digest != made.probe.digest
    tab.get_by_role("button", name="Restore the one before").click()
    said(tab, f"probe {made.probe.digest[:12]} is in use again")
    assert watcher.probe.digest == made.probe.digest
    tab.wait_for_selector("#live-probe >> text=is in use again")


def test_a_clip_is_played_by_key(tab: Any, live_page: Page, watcher: PageWatcher) -> None:
    raise_alert(watcher, 0)
    opened(tab, live_page)
    tab.wait_for_function("() => document.getElementById('video')?.readyState >= 2")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => Math.abs(video.currentTime - 1) < 0.05 && !video.seeking")
    tab.keyboard.press(" ")
    tab.wait_for_function("() => !video.paused && video.currentTime > 1.2")
    tab.keyboard.press(" ")
    tab.wait_for_function("() => video.paused")


def test_an_alert_is_deleted_only_when_that_is_confirmed(
    tab: Any, live_page: Page, watcher: PageWatcher
) -> None:
    alert = raise_alert(watcher, 0)
    raise_alert(watcher, 1)
    opened(tab, live_page, "?alert=a0")
    assert current(tab) == "a0"
    tab.get_by_role("button", name="Delete…").click()
    tab.get_by_role("button", name="Keep it").click()
    assert (watcher.folder / str(alert.clip)).exists()
    tab.get_by_role("button", name="Delete…").click()
    tab.get_by_role("button", name="Delete", exact=True).click()
    said(tab, "deleted: yard.")
    assert listed(tab) == ["a1"]
    assert not (watcher.folder / str(alert.clip)).exists()
    assert tab.locator("#video").count() == 0


def test_demoted_and_withdrawn_alerts_are_shown_on_demand(
    tab: Any, live_page: Page, watcher: PageWatcher
) -> None:
    raise_alert(watcher, 2)
    raise_alert(watcher, 1, severity="low")
    raise_alert(watcher, 0, type="withdrawn", provisional=True)
    opened(tab, live_page)
    assert listed(tab) == ["a2"]
    assert "2 demoted" in tab.locator("#lows").inner_text()
    tab.keyboard.press("d")
    assert listed(tab) == ["a2", "a1", "a0"]
    tab.keyboard.press("n")
    assert current(tab) == "a1"
    tab.keyboard.press("d")
    assert listed(tab) == ["a2", "a1"]  # the chosen one stays


def test_a_lost_connection_is_said_and_made_up_for(
    tab: Any, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    raise_alert(watcher, 0)
    with watched(live) as page:
        opened(tab, page)
    tab.wait_for_selector("#lost:not([hidden])")
    tab.keyboard.press("r")
    said(tab, "Nothing was changed")
    assert live.judgements.all() == []


def test_a_filter_keeps_other_alerts_away(tab: Any, live_page: Page, watcher: PageWatcher) -> None:
    raise_alert(watcher, 0)
    opened(tab, live_page, "?camera=yard")
    raise_alert(watcher, 1)
    raise_alert(watcher, 2)
    tab.wait_for_selector("#alert-a2")
    assert listed(tab) == ["a2", "a0"]


def test_words_of_a_model_run_nothing(tab: Any, live_page: Page, watcher: PageWatcher) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    opened(tab, live_page)
    raise_alert(watcher, 0, explanation=attack, label=attack)
    tab.wait_for_selector("#alert-a0 .words:has-text('onerror')")
    assert attack in tab.locator("#alert-a0 .words").inner_text()
    assert "owned" not in tab.title()
    assert {url.split("/")[2] for url in tab.asked} == {f"127.0.0.1:{live_page.port}"}
    assert tab.complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_fits_and_passes_axe(
    tab: Any, live_page: Page, watcher: PageWatcher, made: Made, scheme: str, width: int
) -> None:
    """All WCAG 2 A and AA rules of axe-core, which runs outside of the page's script policy."""
    watcher.run("yard", made_states("1" * 64, (), 0, 7), every_s=0.1)
    raise_alert(watcher, 0, severity="low")
    raise_alert(watcher, 1, severity="high", box=(0.2, 0.3, 0.4, 0.3), label="fall")
    raise_alert(watcher, 2, type="new", provisional=True, clip=None)
    live_page.post("/live/alerts/a1/judge", kind="true_alarm")
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    opened(tab, live_page, "?alert=a1")
    tab.keyboard.press("d")
    tab.wait_for_selector(".score-line")
    tab.wait_for_selector("#refitted")
    tab.wait_for_function("() => document.getElementById('video')?.readyState >= 2")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate(AXE.read_text("utf-8"))
    rules = "runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
    found = tab.evaluate(f"axe.run({{{rules}, resultTypes: ['violations']}})")
    wrong = [(rule["id"], rule["nodes"][0]["html"][:160]) for rule in found["violations"]]
    assert wrong == [], json.dumps(wrong, indent=1)


def test_times_are_those_of_whoever_looks(
    browser: Any, live_page: Page, watcher: PageWatcher
) -> None:
    raise_alert(watcher, 0)
    tab = browser.new_page(timezone_id="Asia/Tokyo", locale="en-GB")
    opened(tab, live_page)
    text = tab.locator("#alert-a0 time").inner_text()
    assert text == "18/11/2026, 20:06:40", BEGAN
    tab.close()
