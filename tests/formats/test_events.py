"""Events in every format: times, odd names and words, no events; read back by other programs' rules."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import av
import jsonschema
import numpy as np
import pytest
from tests.support.finished_folder import (
    EVENTS,
    ODD,
    TIMES,
    Finished,
    as_json,
    make,
    videos_of,
)

from hiprobe import formats
from hiprobe.errors import LabelError, UsageError
from hiprobe.formats import VideoClock, VideoEvents
from hiprobe.formats._times import frames_on_screen, nominal_frames
from hiprobe.formats._words import label_of

SCHEMAS = Path(__file__).parent / "schemas"
EVENT_FORMATS = tuple(sorted(formats.writers("events")))
PLAIN = 'fight, "loud" =1+1 <b> & é漢 --> x'
SAID = "one person hits; another = #1 \\ {x}\ufffd"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return make(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def videos(finished: Finished) -> list[VideoEvents]:
    return videos_of(finished)


def text(name: str, videos: list[VideoEvents]) -> str:
    written = formats.load(name, "events").write_events(videos)
    assert isinstance(written, str)
    return written


def span(line: Any) -> tuple[float, float]:
    return line["start"], line["end"]


def checked(name: str, values: object) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    return values


def test_the_formats_are_these() -> None:
    assert (
        *("activitynet", "csv", "cvat", "edl", "ffmetadata", "fiftyone", "label_studio", "otio"),
        *("srt", "webvtt", "youtube"),
    ) == EVENT_FORMATS
    assert sorted(formats.writers("scores")) == ["npy", "parquet"]
    with pytest.raises(UsageError, match=r"elan is only read, not written; choose activitynet"):
        formats.writes("elan")
    with pytest.raises(UsageError, match="there is no format"):
        formats.writes("word")


@pytest.mark.parametrize("name", EVENT_FORMATS)
def test_no_text_is_lost_and_none_breaks_a_line(name: str, videos: list[VideoEvents]) -> None:
    written = text(name, videos[:1])
    assert "\r" not in written
    if name != "csv":  # where a quoted cell keeps what it is given
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", written)
    words = written.encode().decode("utf-8")  # no half of a character
    for part in ("fight", "loud", "fall"):
        assert part in words


@pytest.mark.parametrize("name", EVENT_FORMATS)
def test_a_video_without_events_is_valid(name: str, videos: list[VideoEvents]) -> None:
    written = text(name, videos[1:])
    quiet = {"webvtt": "WEBVTT\n", "srt": "", "youtube": "0:00 no event\n"}
    assert quiet.get(name, written) == written
    if formats.load(name, "events").suffix in (".json", ".otio"):
        as_json(written)


CAPTIONS = [
    (0.45, 1.6, f"{PLAIN} (score 0.90)", SAID),
    (3.2, 4.75, "demoted, log-odds -1.5: event (score 0.60)", ""),
    (8.0, 9.0, "fall (score 0.75)", "a person falls"),
]


@pytest.mark.parametrize("name", ["webvtt", "srt"])
def test_captions_are_read_by_ffmpeg(name: str, videos: list[VideoEvents], tmp_path: Path) -> None:
    """FFmpeg's own readers, through PyAV, are independent of what wrote the file."""
    path = tmp_path / f"a{formats.load(name, 'events').suffix}"
    path.write_text(text(name, videos[:1]), "utf-8")
    with av.open(str(path)) as file:
        found = [
            (float(p.pts * p.time_base), float((p.pts + p.duration) * p.time_base), bytes(p))
            for p in file.demux()
            if p.size
        ]
    assert [(start, end) for start, end, _ in found] == [one[:2] for one in CAPTIONS]
    for (_, _, data), (_, _, head, said) in zip(found, CAPTIONS, strict=True):
        shown = (
            data.decode()
            .replace("<\u2060", "<")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
        )
        wanted = f"{head}\n{said}".strip()
        assert shown.strip() == (wanted.replace("-->", "->") if name == "srt" else wanted)


def test_a_table_has_a_row_for_each_event(videos: list[VideoEvents]) -> None:
    rows = list(csv.DictReader(io.StringIO(text("csv", videos), newline="")))
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [
        (event.start, event.end) for event in EVENTS
    ]
    assert {row["video_name"] for row in rows} == {ODD}


def test_activitynet_is_truth_and_detections_at_once(videos: list[VideoEvents]) -> None:
    values = checked("activitynet", as_json(text("activitynet", videos)))
    key = ODD.removesuffix(".mp4")
    assert list(values["database"]) == list(values["results"]) == [key, "quiet"]
    assert [tuple(one["segment"]) for one in values["database"][key]["annotations"]] == [
        (event.start, event.end) for event in EVENTS
    ]
    assert [one["score"] for one in values["results"][key]] == [0.9, 0.6, 0.75]
    twins = [VideoEvents(name, 1.0, ()) for name in ("a.mp4", "a.mkv", "b.mp4")]
    both = json.loads(text("activitynet", twins))
    assert list(both["database"]) == ["a.mp4", "a.mkv", "b"]
    three = [VideoEvents(name, 1.0, ()) for name in ("a.mp4", "a.mkv", "a.mp4.mov")]
    assert len(json.loads(text("activitynet", three))["database"]) == 3


def frames_of(start: float, end: float) -> tuple[int, int]:
    """The frames that appear in a span, found without our own rule; the end is exclusive."""
    inside = [i for i, time in enumerate(TIMES) if start <= time < end]
    if not inside:
        inside = [max(i for i, time in enumerate(TIMES) if time <= start)]
    return inside[0], inside[-1] + 1


def test_fiftyone_counts_the_frames_of_a_variable_rate_from_1(videos: list[VideoEvents]) -> None:
    values = checked("fiftyone", as_json(text("fiftyone", videos)))
    found = values["labels"][ODD.removesuffix(".mp4")]
    wanted = [frames_of(event.start, event.end) for event in EVENTS]
    assert [tuple(one["support"]) for one in found] == [(a + 1, b) for a, b in wanted]
    assert found[-1]["support"][1] == len(TIMES)  # the event touches the end
    assert values["labels"]["quiet"] == []
    with pytest.raises(LabelError, match=r"a: FiftyOne leaves out suffixes.*rename"):
        text("fiftyone", [VideoEvents(f"a.{end}", 1.0, ()) for end in ("mp4", "mkv")])


def test_cvat_tracks_are_on_screen_in_these_frames(videos: list[VideoEvents]) -> None:
    root = ElementTree.fromstring(text("cvat", videos[:1]).encode())
    assert root.findtext("meta/task/source") == ODD
    assert root.findtext("meta/task/size") == str(len(TIMES))
    tracks = root.findall("track")
    assert [one.get("label") for one in tracks] == [PLAIN, "anomaly", "fall"]
    for track, event in zip(tracks, EVENTS, strict=True):
        boxes = [(int(box.get("frame", "")), box.get("outside")) for box in track]
        first, end = frames_of(event.start, event.end)
        closing = [(end, "1")] if end < len(TIMES) else []  # none at the end of the video
        assert boxes == [*dict.fromkeys([(first, "0"), (end - 1, "0")]), *closing]
    box = tracks[0][0]
    assert [box.get(side) for side in ("xtl", "ytl", "xbr", "ybr")] == [
        "16.00", "32.00", "48.00", "48.00",
    ]  # fmt: skip
    assert [tracks[1][0].get(side) for side in ("xtl", "xbr")] == ["0.00", "64.00"]
    odd = VideoEvents("\x01\ufffe.mp4", 1.0, (), videos[1].clock)
    assert ElementTree.fromstring(text("cvat", [odd]).encode()).findtext("meta/task/source")


def test_label_studio_counts_by_a_constant_rate_from_1(videos: list[VideoEvents]) -> None:
    tasks = checked("label_studio", as_json(text("label_studio", videos)))
    address = urlsplit(tasks[0]["data"]["video"])
    assert unquote(parse_qs(address.query)["d"][0]) == ODD
    fps = tasks[0]["data"]["fps"]
    regions = tasks[0]["predictions"][0]["result"]
    for region, event in zip(regions, EVENTS, strict=True):
        ((first, last),) = (tuple(one.values()) for one in region["value"]["ranges"])
        assert (first - 1) / fps <= event.start < first / fps
        assert (last - 1) / fps < event.end <= last / fps + 1e-9
    assert regions[0]["value"]["timelinelabels"] == [PLAIN]
    assert tasks[1]["predictions"][0] == {"model_version": "hiprobe", "score": 0.0, "result": []}


def cuts(written: str) -> list[list[str]]:
    return [line.split()[-4:] for line in written.splitlines() if re.match(r"\d{3} ", line)]


def seconds(code: str, base: int) -> float:
    hours, minutes, rest, frames = map(int, code.split(":"))
    return hours * 3600 + minutes * 60 + rest + frames / base


def test_an_edl_has_timecodes_that_editing_programs_know(videos: list[VideoEvents]) -> None:
    written = text("edl", videos[:1])
    assert written.startswith(f"TITLE: {ODD} (25 fps)\nFCM: NON-DROP FRAME\n")
    found = cuts(written)
    for event, (start, end, *_) in zip(EVENTS, found, strict=True):
        assert seconds(start, 25) <= event.start < seconds(start, 25) + 0.04
        assert seconds(end, 25) - 0.04 < event.end <= seconds(end, 25) + 1e-9
    assert [one[2] for one in found] == ["00:00:00:00", *(one[3] for one in found[:-1])]
    quiet = VideoEvents("a.mp4", 3700.0, [videos[0].lines[0]], VideoClock(29.97, 64, 64))
    (cut,) = cuts(text("edl", [quiet]))
    assert cut[:2] == ["00:00:00:13", "00:00:01:18"]  # frames 13 to 48 of 29.97 a second
    many = VideoEvents("a.mp4", 9.0, [videos[0].lines[0]] * 1000, VideoClock(25.0, 64, 64))
    with pytest.raises(
        LabelError, match=r"a\.mp4: an EDL counts up to 999 events, got 1000; write"
    ):
        text("edl", [many])


def test_otio_has_a_clip_for_each_event(videos: list[VideoEvents]) -> None:
    values = checked("otio", as_json(text("otio", videos[:1])))
    (track,) = values["tracks"]["children"]
    for clip, event in zip(track["children"], EVENTS, strict=True):
        start, length = (clip["source_range"][key] for key in ("start_time", "duration"))
        fps = start["rate"]
        assert start["value"] / fps <= event.start < (start["value"] + 1) / fps
        end = start["value"] + length["value"]
        assert (end - 1) / fps < event.end <= end / fps + 1e-9
        assert end <= clip["media_reference"]["available_range"]["duration"]["value"]
        marked = clip["markers"][0]["marked_range"]["start_time"]["value"]
        assert start["value"] <= marked < end
    assert unquote(track["children"][0]["media_reference"]["target_url"]) == ODD
    checked("otio", as_json(text("otio", videos[1:])))


def test_otio_marks_the_frame_at_the_peak(videos: list[VideoEvents]) -> None:
    line = {**videos[0].lines[0], "start": 4.0, "end": 5.0, "peak_time": 4.1}
    video = VideoEvents("a.mp4", 9.0, [line], VideoClock(30.0, 64, 64))
    (clip,) = as_json(text("otio", [video]))["tracks"]["children"][0]["children"]  # type: ignore[index]
    assert clip["markers"][0]["marked_range"]["start_time"]["value"] == 123  # 4.1 s at 30 a second


def test_chapters_cover_the_video_and_are_read_by_ffmpeg(
    videos: list[VideoEvents], tmp_path: Path
) -> None:
    path = tmp_path / "a.ffmeta"
    path.write_text(text("ffmetadata", videos[:1]), "utf-8")
    with av.open(str(path), format="ffmetadata") as file:
        found = [
            (float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]),
             one["metadata"]["title"])
            for one in file.chapters()
        ]  # fmt: skip
        assert file.metadata["title"] == ODD
    assert [one[:2] for one in found] == [
        (0, 0.45), (0.45, 1.6), (1.6, 3.2), (3.2, 4.75), (4.75, 8), (8, 9),
    ]  # fmt: skip
    assert [one[2] for one in found[1::2]] == [
        f"{PLAIN}: {SAID}", "anomaly", "fall: a person falls",
    ]  # fmt: skip


def test_lines_of_chapters_begin_at_zero_and_lose_no_event(videos: list[VideoEvents]) -> None:
    lines = text("youtube", videos[:1]).splitlines()
    assert [line.split()[0] for line in lines] == ["0:00", "0:02", "0:03", "0:05", "0:08"]
    first, last = videos[0].lines[0], {**videos[0].lines[2], "start": 3725.0, "end": 3726.0}
    crowded = VideoEvents("a.mp4", 3725.5, [first, {**first, "label": "second"}, last])
    lines = text("youtube", [crowded]).splitlines()
    assert "fight" in lines[0]
    assert "; second" in lines[0]  # in the same second, so in the same chapter
    assert lines[-1].startswith("1:02:05 fall")


def test_frames_of_a_span() -> None:
    times = np.array([0.0, 0.5, 1.0, 1.5])
    for start, end, wanted in (
        (0.0, 2.0, (0, 4)), (0.5, 1.0, (1, 2)), (0.6, 0.9, (1, 2)), (1.9, 2.0, (3, 4)),
        (0.4999999, 0.9999999, (1, 2)), (1.2, 1.6, (3, 4)),
    ):  # fmt: skip
        assert frames_on_screen(times, start, end) == wanted, (start, end)
    assert nominal_frames(25.0, 0.0, 0.001, 10.0) == (0, 1)
    assert nominal_frames(25.0, 9.999, 10.0, 10.0) == (249, 250)
    assert nominal_frames(25.0, 10.0, 10.5, 10.0) == (249, 250)
    assert nominal_frames(1.0, 0.2, 0.4, 0.5) == (0, 1)


def test_a_format_that_needs_the_video_says_so() -> None:
    with pytest.raises(LabelError, match=r"a\.mp4: this format needs the video itself"):
        text("edl", [VideoEvents("a.mp4", 1.0, ())])
    assert label_of({"label": " \n"}) == "anomaly"
