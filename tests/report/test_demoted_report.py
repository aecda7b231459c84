"""Demoted events, the model's check and heat maps in the files of a report and in a browser."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.test_index_page import Rows, a_line, unread, write
from tests.report.test_report import (
    a_result,
    browser,
    clip,
    embedded_data,
    opened,
    settled,
    tab,
    thumbnails,
)

from hiprobe import report
from hiprobe.types import Event, Result, Verification

__all__ = ["browser", "clip", "tab"]  # fixtures
HEAT = ((0.0, 0.5, 0.0, -0.4), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 0.01))


def with_demoted(*, alarms: bool = True) -> Result:
    """A confirmed alarm with heat, a rejected event, and an alarm that was not checked."""
    first, last = a_result().events
    checked = dataclasses.replace(
        first,
        verification=Verification("confirmed", 2.14),
        heat=HEAT,
        box=(0.5, 1 / 3, 0.25, 1 / 3),
    )
    low = Event(
        10.5, 13.5, 12.0, 0.71, severity="low", verification=Verification("rejected", -1.53)
    )
    return a_result(events=(checked, low, last) if alarms else (low,))


def frames() -> list[tuple[float, Any]]:
    return [*thumbnails(), (12.0, np.full((90, 160, 3), 60, np.uint8))]


def test_subtitles_leave_demoted_events_out_and_say_how_many(tmp_path: Path) -> None:
    report.write_report(with_demoted(), None, tmp_path, frames())
    subtitles = (tmp_path / "events.vtt").read_text()
    assert subtitles.count("-->") == 2
    assert "00:00:10.500" not in subtitles
    note = "NOTE 1 more event was rejected by the model's own check; --show-demoted lists it\n\n"
    assert subtitles.startswith(f"WEBVTT\n\n{note}")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["severity"] for event in events] == ["medium", "low", "medium"]


def test_the_picture_is_that_of_the_alarms_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the line, the picture has the same bytes as that of a result without the event."""
    from hiprobe.report import picture

    result = with_demoted()
    monkeypatch.setattr(picture, "left_out", lambda *_: "")
    monkeypatch.setattr(picture, "count", lambda *numbers: str(numbers[0]))
    report.timeline_png(result, tmp_path / "a.png", thumbnails=frames())
    alone = dataclasses.replace(result, events=result.alarms)
    report.timeline_png(alone, tmp_path / "b.png", thumbnails=thumbnails())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    monkeypatch.undo()
    report.timeline_png(result, tmp_path / "c.png", thumbnails=frames())
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_demoted_events_are_folded_below_the_alarms(tab: Any, tmp_path: Path, clip: Path) -> None:
    report.write_report(with_demoted(), clip, tmp_path, frames())
    opened(tab, tmp_path / "report.html")
    shown = tab.locator("#events tbody tr").all_inner_texts()
    assert len(shown) == 2
    assert "confirmed by the model (log-odds +2.1)" in shown[0]
    assert "not checked" in shown[1]
    assert tab.locator(".summary").inner_text().split("\n")[1] == "2 events, 1 demoted"
    row = tab.locator("#demoted tbody tr")
    assert not row.is_visible()
    tab.keyboard.press("n")
    tab.keyboard.press("n")
    settled(tab, 21.0)  # the keys pass the demoted event over
    tab.get_by_text("Demoted: the model's own check rejected this event").click()
    assert "rejected by the model (log-odds -1.5)" in row.inner_text()
    row.get_by_role("button").click()
    settled(tab, 10.5)
    assert row.get_attribute("aria-current") == "true"
    assert tab.complaints == []


def test_the_heat_covers_the_frame_and_says_where_it_is_strongest(
    tab: Any, tmp_path: Path, clip: Path
) -> None:
    report.write_report(with_demoted(), clip, tmp_path, frames())
    opened(tab, tmp_path / "report.html")
    where = tab.locator("#events .where")
    assert where.count() == 1
    assert where.locator("svg").bounding_box() == where.locator("img").bounding_box()
    frame, strongest = (
        tab.locator(name).bounding_box()
        for name in (".where img", ".heat rect[fill-opacity='0.5']")
    )
    # Third column of four, second row of three.
    assert (strongest["x"] - frame["x"]) / frame["width"] == pytest.approx(0.5, abs=0.01)
    assert (strongest["y"] - frame["y"]) / frame["height"] == pytest.approx(1 / 3, abs=0.01)
    assert where.locator("rect[fill-opacity]").count() == 2  # none for nothing, or for less
    caption = "Where the score comes from: strongest at the centre."
    assert where.locator("figcaption").inner_text() == caption
    box = tab.locator(".heat .box").bounding_box()
    assert box["width"] / frame["width"] == pytest.approx(0.25, abs=0.03)
    assert tab.complaints == []


def test_without_an_alarm_the_page_does_not_say_that_no_score_was_high(tmp_path: Path) -> None:
    report.write_report(with_demoted(alarms=False), None, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "No event was found" not in page
    assert "<strong>No alarm.</strong> The model's own check rejected every event" in page
    assert embedded_data(page)["events"] == []
    assert embedded_data(page)["demoted"] == [[10.5, 13.5]]


def test_frames_are_read_of_alarms_before_demoted_events(clip: Path) -> None:
    low = [Event(k, k + 0.5, k + 0.25, 0.9, severity="low") for k in np.arange(0, 14, 1.0)]
    result = dataclasses.replace(with_demoted(), path=str(clip))
    result = dataclasses.replace(result, events=(*low, *result.alarms[1:]))
    times = [time for time, _ in report.peak_frames(result)]
    assert (len(times), times[0]) == (12, 22.5)


def test_videos_with_alarms_come_before_those_with_demoted_events_only(tmp_path: Path) -> None:
    lines = [
        a_line("demoted.mp4", margin=0.9, peak=0.99, demoted=2),
        a_line("weak.mp4", margin=0.1, peak=0.6, events=1, demoted=1),
        a_line("quiet.mp4", margin=-0.5, peak=0.1),
        unread("broken.mp4"),
    ]
    page = write(tmp_path / "out", lines)[0]
    assert Rows(page).names == ["broken.mp4", "weak.mp4", "demoted.mp4", "quiet.mp4"]
    text = page.read_text("utf-8")
    assert "1 event, 3 demoted" in text
    assert 'class="number">demoted</th>' in text
