"""Labels made with other programs: what they mean, where the videos are, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.finished_folder import EVENTS, ODD, QUIET, TIMES, Finished, make, videos_of

from hiprobe import datasets, formats
from hiprobe.datasets import LabelWords
from hiprobe.errors import HiProbeError, LabelError, UsageError
from hiprobe.formats import _documents
from hiprobe.types import Video

KEY = ODD.removesuffix(".mp4")
Load = Callable[..., dict[str, list[tuple[float, float, str]]]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return make(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def load(finished: Finished, tmp_path: Path) -> Load:
    """A function that writes labels to a file and loads them, with the videos of `finished`."""

    def read(name: str, content: Any, **options: Any) -> dict[str, list[tuple[float, float, str]]]:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text, "utf-8")
        found = datasets.load("folder", tmp_path / name, videos=finished.cams, **options)
        return spans(found)

    return read


def spans(videos: Iterator[Video]) -> dict[str, list[tuple[float, float, str]]]:
    return {
        one.name: [
            (
                round(event.start, 9),
                round(event.end, 9) if event.end < math.inf else math.inf,
                event.label or "",
            )
            for event in one.events or ()
        ]
        for one in videos
    }


def refused(load: Load, name: str, content: Any, words: str) -> None:
    with pytest.raises(LabelError, match=words) as caught:
        load(name, content)
    assert str(caught.value).isprintable()
    assert name in str(caught.value)


# -- ActivityNet


def activitynet(**entries: Any) -> dict[str, Any]:
    return {"version": "1.3", "taxonomy": [], "database": entries}


def annotation(start: float = 1.0, end: float = 2.0, label: str = "fight") -> dict[str, Any]:
    return {"segment": [start, end], "label": label}


def test_activitynet_round_trip(load: Load, finished: Finished) -> None:
    written = formats.load("activitynet", "events").write_events(videos_of(finished))
    found = load("a.json", written)
    assert [one[:2] for one in found[ODD]] == [(one.start, one.end) for one in EVENTS]
    assert found[QUIET] == []


def test_activitynet_subsets_are_splits_and_testing_says_nothing(load: Load) -> None:
    entries = {
        KEY: {"subset": "training", "annotations": [annotation()]},
        "uiet": {"subset": "testing", "annotations": []},
        "quiet": {"subset": "validation", "annotations": []},
    }
    assert load("a.json", activitynet(**entries)) == {ODD: [(1.0, 2.0, "fight")], QUIET: []}
    assert list(load("a.json", activitynet(**entries), split="training")) == [ODD]
    prefixed = {"uiet": {"annotations": [annotation()]}}
    refused(
        load,
        "a.json",
        activitynet(**prefixed),
        r"video uiet, annotation 1: there is no file .*uiet",
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, r"video quiet: it has no list of annotations"),
        ({"annotations": [[]]}, r"video quiet, annotation 1: an annotation needs a label"),
        ({"annotations": [annotation(2, 1)]}, "must end after its start at 2, got end 1"),
        ({"annotations": [annotation(-1)]}, "must be a number from 0 to 1000000000, got '-1'"),
        ({"annotations": [annotation(1, 1e12)]}, "must be a number from 0"),
        ({"annotations": [{"segment": [True, 2], "label": "x"}]}, "must be a number.*True"),
        ({"annotations": [annotation(), annotation(label="no helmet")]}, "annotation 2.*may mean"),
    ],
)
def test_activitynet_that_is_not_valid(load: Load, entry: Any, words: str) -> None:
    refused(load, "a.json", activitynet(quiet=entry), words)


# -- Label Studio


def task(*results: Any, video: str = "/data/upload/1/0a1b2c3d-quiet.mp4", **more: Any) -> Any:
    made = {"id": 1, "result": list(results), "was_cancelled": False}
    return {"id": 7, "data": {"video": video, "fps": 25, **more}, "annotations": [made]}


def timeline(start: int, end: int, label: str = "fight") -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"type": "timelinelabels", "from_name": "e", "to_name": "video", "value": value}


def test_label_studio_frames_are_those_of_its_rate(load: Load) -> None:
    assert load("a.json", [task(timeline(1, 25), timeline(26, 26))]) == {
        QUIET: [(0.0, 1.0, "fight"), (1.0, 1.04, "fight")]
    }


def test_label_studio_round_trip(load: Load, finished: Finished) -> None:
    written = json.loads(formats.load("label_studio", "events").write_events(videos_of(finished)))
    for one in written:  # as if every prediction was submitted
        one["annotations"] = one.pop("predictions")
    fps = written[0]["data"]["fps"]
    found = load("a.json", written)
    for (start, end, _), event in zip(found[ODD], EVENTS, strict=True):
        assert event.start - 1 / fps < start <= event.start
        assert event.end <= end + 1e-9 < event.end + 1 / fps + 1e-9
    assert found[QUIET] == []


def test_label_studio_regions_of_other_kinds(load: Load) -> None:
    sound = {"type": "labels", "value": {"start": 0.5, "end": 1.5, "channel": 0, "labels": ["cry"]}}
    boxes = {
        "type": "videorectangle",
        "value": {
            "labels": ["fall"],
            "sequence": [
                {"frame": 6, "enabled": True}, {"frame": 10, "enabled": False},
                {"frame": 26, "enabled": True},
            ],
        },
    }  # fmt: skip
    rating = {"type": "rating", "value": {"rating": 4}}
    assert load("a.json", [task(sound, boxes, rating)]) == {
        QUIET: [(0.2, 0.4, "fall"), (0.5, 1.5, "cry"), (1.0, math.inf, "fall")]
    }
    choice = {"type": "choices", "value": {"choices": ["normal"]}}
    assert load("a.json", [task(choice)]) == {QUIET: []}


def region(kind: str, *ranges: tuple[int, int], **value: Any) -> dict[str, Any]:
    """A result of the region r1; without ranges it has no times."""
    times = {"ranges": [{"start": start, "end": end} for start, end in ranges]} if ranges else {}
    return {"id": "r1", "type": kind, "value": {**times, **value}}


def box(*keyframes: tuple[int, bool], labels: tuple[str, ...] = ("fall",)) -> dict[str, Any]:
    sequence = [{"frame": frame, "enabled": enabled} for frame, enabled in keyframes]
    return {"type": "videorectangle", "value": {"sequence": sequence, "labels": [*labels]}}


def test_label_studio_regions_without_a_label_are_events(load: Load) -> None:
    for one in (
        region("timelinelabels", (26, 50), timelinelabels=[]),
        region("timelinelabels", (26, 50)),
        {"type": "labels", "value": {"start": 1.0, "end": 2.0}},
        box((26, True), (50, False), labels=()),
    ):
        assert load("a.json", [task(one)]) == {QUIET: [(1.0, 2.0, "event")]}


@pytest.mark.parametrize(
    ("more", "labels"),
    [
        (region("choices", (26, 50), choices=["high"]), ["fight", "high"]),
        (region("rating", (26, 50), rating=4), ["fight"]),
        (region("number", (26, 50), number=4), ["fight"]),
        (region("textarea", (26, 50), text=["two men"]), ["fight"]),
        (region("taxonomy", (26, 50), taxonomy=[["a", "b"], ["c"]]), ["fight", "b", "c"]),
    ],
)
def test_label_studio_results_about_a_region_have_its_times(
    load: Load, more: dict[str, Any], labels: list[str]
) -> None:
    labelled = region("timelinelabels", (26, 50), timelinelabels=["fight"])
    found = load("a.json", [task(labelled, more)])
    assert found == {QUIET: [(1.0, 2.0, label) for label in labels]}


def test_label_studio_choices_without_times_are_about_the_whole_video(load: Load) -> None:
    for one in (
        region("choices", choices=["fight"]),
        region("taxonomy", taxonomy=[["a", "fight"]]),
    ):
        assert load("a.json", [task(one)]) == {QUIET: [(0.0, math.inf, "fight")]}
    assert load("a.json", [task(region("choices", choices=[]))]) == {QUIET: []}
    assert load("a.json", [task(region("choices", sequence=[], choices=["high"]))]) == {QUIET: []}


def test_label_studio_boxes_are_seen_from_an_enabled_keyframe(load: Load) -> None:
    twice = box((26, True), (30, False), (40, False))
    assert load("a.json", [task(twice)]) == {QUIET: [(1.0, 1.2, "fall")]}
    unsorted = box((30, False), (26, True))
    assert load("a.json", [task(unsorted)]) == {QUIET: [(1.0, 1.2, "fall")]}
    assert load("a.json", [task(box((1, False)))]) == {QUIET: []}


def test_label_studio_relations_are_passed_over(load: Load) -> None:
    arrow = {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right"}
    assert load("a.json", [task(timeline(1, 25), arrow)]) == {QUIET: [(0.0, 1.0, "fight")]}


def test_label_studio_takes_the_ground_truth_or_the_newest(load: Load) -> None:
    one = task()
    one["annotations"] = [
        {"result": [timeline(1, 5)], "updated_at": "2026-11-01"},
        {"result": [timeline(6, 10)], "updated_at": "2026-11-03"},
        {"result": [timeline(11, 15)], "updated_at": "2026-11-04", "was_cancelled": True},
    ]
    assert load("a.json", [one])[QUIET] == [(0.2, 0.4, "fight")]
    one["annotations"][0]["ground_truth"] = True
    assert load("a.json", [one])[QUIET] == [(0.0, 0.2, "fight")]
    assert load("a.json", [one, {**task(video=ODD), "annotations": []}]).keys() == {QUIET}
    refused(load, "a.json", [{**one, "annotations": []}], "no labelled video is in it")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({**task(), "annotations": 3}, "task 7: its annotations must be a list"),
        ({**task(), "annotations": [5]}, 'an annotation has no result; export as "JSON"'),
        (task({"type": 3}), "a region has no type or no value"),
        (task(region("choices", choices="fight")), "its choices must be a list of names, got 'fi"),
        (task(region("choices", choices=[3])), r"its choices must be a list of names, got '\[3\]'"),
        (task(region("videorectangle", sequence=[3])), "a keyframe must be an object"),
        (task(timeline(9, 3)), "must end after its start"),
        (task(timeline(1, 2), fps=0), "does not say at how many frames a second; add"),
        ({**task(timeline(1, 2)), "data": {"video": "quiet.mp4"}}, "frames a second"),
        ({**task(timeline(1, 2)), "data": {"fps": 25}}, "its data names no video"),
    ],
)
def test_label_studio_that_is_not_valid(load: Load, one: Any, words: str) -> None:
    refused(load, "a.json", [one], words)


# -- CVAT


def cvat(body: str = "", meta: str = "") -> str:
    task = f"<task><id>3</id><source>{QUIET}</source><subset>Train</subset>{meta}</task>"
    return f"<annotations><version>1.1</version><meta>{task}</meta>{body}</annotations>"


def track(*boxes: tuple[int, int], label: str = "fall") -> str:
    inside = "".join(f'<box frame="{at}" outside="{out}" keyframe="1"/>' for at, out in boxes)
    return f'<track id="0" label="{label}">{inside}</track>'


def test_cvat_round_trip(load: Load, finished: Finished) -> None:
    written = formats.load("cvat", "events").write_events(videos_of(finished)[:1])
    found = load("a.xml", written)[ODD]
    for (start, end, _), event in zip(found, EVENTS, strict=True):
        shown = [time for time in TIMES if event.start <= time < event.end]
        later = [time for time in TIMES if time >= event.end]
        assert (start, end) == (shown[0], later[0] if later else math.inf)
    written = formats.load("cvat", "events").write_events(videos_of(finished)[1:])
    assert load("a.xml", written) == {QUIET: []}


def test_cvat_tracks_that_come_back_and_frames_with_tags(load: Load) -> None:
    boxes = track((0, 0), (5, 1), (10, 0), (11, 0), (12, 0))
    assert load("a.xml", cvat(boxes), split="Train")[QUIET] == [
        (0, 0.2, "fall"),
        (0.4, 0.52, "fall"),
    ]
    tags = "".join(f'<image id="{at}"><tag label="fire"/></image>' for at in (25, 26, 30, 49))
    assert load("a.xml", cvat(tags))[QUIET] == [
        (1.0, 1.08, "fire"), (1.2, 1.24, "fire"), (1.96, math.inf, "fire"),
    ]  # fmt: skip
    every = "<frame_filter>step=5</frame_filter>"
    assert load("a.xml", cvat(tags, every))[QUIET] == [
        (1.0, 1.4, "fire"), (49 / 25, math.inf, "fire"),
    ]  # fmt: skip


def test_cvat_project_with_two_tasks(load: Load) -> None:
    tasks = "".join(
        f"<task><id>{n}</id><source>{name}</source></task>"
        for n, name in ((1, QUIET), (2, "dé &quot;1&quot;, a'b.mp4"))
    )
    body = track((0, 0), (1, 1)).replace("<track", '<track task_id="2"')
    text = (
        f"<annotations><meta><project><tasks>{tasks}</tasks></project></meta>{body}</annotations>"
    )
    assert load("a.xml", text) == {QUIET: [], ODD: [(0.0, 0.1, "fall")]}
    refused(load, "a.xml", text.replace('"2"', '"9"'), "a track belongs to no task")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (cvat(track((-1, 0))), "track 0: frame must be a number from 0"),
        (cvat(track((1, 0)).replace('label="fall"', "")), "a track has no label"),
        (cvat(track((100, 0), (120, 1))), "the frames 100 to 120 are not in a video of 50"),
        (cvat(track((1, 0), (90, 1))), "the frames 1 to 90 are not in a video of 50; the labels"),
        (
            cvat().replace("<source>quiet.mp4</source>", ""),
            'does not name the video; keep "source"',
        ),
        ("<annotations/>", "it describes no task; export it as CVAT"),
    ],
)
def test_cvat_that_is_not_valid(load: Load, text: str, words: str) -> None:
    refused(load, "a.xml", text, words)


# -- ELAN


def elan(
    tiers: str, media: str = 'RELATIVE_MEDIA_URL="./quiet.mp4"', units: str = "milliseconds"
) -> str:
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="s{n}" TIME_VALUE="{at}"/>'
        for n, at in enumerate((250, 1500, 900))
    )
    header = (
        f'<HEADER TIME_UNITS="{units}"><MEDIA_DESCRIPTOR MIME_TYPE="video/mp4" {media}/></HEADER>'
    )
    order = f'<TIME_ORDER>{slots}<TIME_SLOT TIME_SLOT_ID="s3"/></TIME_ORDER>'
    return f"<ANNOTATION_DOCUMENT>{header}{order}{tiers}</ANNOTATION_DOCUMENT>"


def tier(first: int, last: int, text: str, attributes: str = "") -> str:
    inner = f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="s{first}" TIME_SLOT_REF2="s{last}">'
    value = f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>"
    return f'<TIER TIER_ID="what" {attributes}><ANNOTATION>{inner}{value}</ANNOTATION></TIER>'


def test_elan_annotations_of_tiers_without_a_parent(load: Load) -> None:
    assert load("a.eaf", elan(tier(0, 1, " a\n fall ")))[QUIET] == [(0.25, 1.5, "a fall")]
    assert load("a.eaf", elan(tier(0, 2, "")))[QUIET] == [(0.25, 0.9, "what")]
    assert load("a.eaf", elan(tier(0, 1, "x", 'PARENT_REF="y"'))) == {QUIET: []}
    assert load("a.eaf", elan(tier(0, 1, "Normal"))) == {QUIET: []}
    shifted = elan(tier(0, 2, "x"), 'MEDIA_URL="file:///C:/v/quiet.mp4" TIME_ORIGIN="500"')
    assert load("a.eaf", shifted)[QUIET] == [(0.75, 1.4, "x")]
    assert load("quiet.eaf", elan(tier(0, 2, "x"), ""))[QUIET] == [(0.25, 0.9, "x")]


def test_a_folder_of_elan_files(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(elan(tier(0, 1, "fall")))
    media = 'RELATIVE_MEDIA_URL="./front/d%C3%A9%20%221%22,%20a\'b.mp4"'
    (tmp_path / "b.eaf").write_text(elan("", media))
    found = spans(datasets.load("folder", tmp_path, videos=finished.cams))
    assert found == {QUIET: [(0.25, 1.5, "fall")], ODD: []}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (elan(tier(1, 0, "x")), "annotation a1: the event must end after its start at 1.5"),
        (elan(tier(0, 3, "x")), "annotation a1: it has no start or no end; give it both"),
        (elan(tier(0, 9, "x")), "it has no start or no end"),
        (elan("", units="PAL-frames"), "its times are in PAL-frames, expected milliseconds"),
        (elan("").replace("250", "soon"), "it has no start|no file|normal"),
    ],
)
def test_elan_that_is_not_valid(load: Load, text: str, words: str) -> None:
    if "soon" in text:
        text = text.replace("</ANNOTATION_DOCUMENT>", f"{tier(0, 1, 'x')}</ANNOTATION_DOCUMENT>")
        words = "a time in milliseconds must be a number from 0 to 1000000000, got 'soon'"
    refused(load, "a.eaf", text, words)


# -- what all have in common


def test_words_say_what_a_label_means(load: Load) -> None:
    labels = activitynet(quiet={"annotations": [annotation(label="no helmet")]})
    assert load("a.json", labels, words=LabelWords(normal=("no helmet",))) == {QUIET: []}
    found = load("a.json", labels, words=LabelWords(anomaly=("No Helmet",)))
    assert found[QUIET] == [(1.0, 2.0, "no helmet")]
    with pytest.raises(UsageError, match=r"a\.json: there is no label 'mask'"):
        load("a.json", labels, words=LabelWords(anomaly=("mask", "no helmet")))


def test_only_videos_below_the_folder_are_found(
    load: Load, finished: Finished, tmp_path: Path
) -> None:
    outside = tmp_path / "secret.mp4"
    outside.write_bytes((finished.cams / QUIET).read_bytes())
    for name in (str(outside), f"../{tmp_path.name}/secret.mp4", "file:///etc/passwd", "..", "/"):
        with pytest.raises(LabelError, match="there is no file"):
            load("a.xml", cvat().replace(QUIET, name))
    assert load("a.xml", cvat().replace(QUIET, "/elsewhere/front/quiet.mp4")) == {QUIET: []}
    assert load("a.xml", cvat().replace(QUIET, "C:\\videos\\quiet.mp4")) == {QUIET: []}


def test_two_videos_of_one_name_need_a_path(tmp_path: Path) -> None:
    for place in ("a/0900.mp4", "b/0900.mp4"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    path = tmp_path / "l.json"
    path.write_text(json.dumps(activitynet(**{"0900": {"annotations": []}})))
    with pytest.raises(LabelError, match=r"video 0900: 2 videos could be 0900: .*keep one"):
        list(datasets.load("folder", path))
    path.write_text(json.dumps(activitynet(**{"x/b/0900": {"annotations": []}})))
    assert [one.name for one in datasets.load("folder", path)] == ["b/0900.mp4"]


def test_labels_of_two_videos_do_not_land_on_one(tmp_path: Path) -> None:
    (tmp_path / "cam1").mkdir()
    (tmp_path / "cam1/0900.mp4").touch()
    path = tmp_path / "l.json"

    def write(*videos: str) -> None:
        found = [task(timeline(1, 25), video=f"/data/local-files/?d={one}") for one in videos]
        path.write_text(json.dumps(found))

    for videos in (("cam1/0900.mp4", "cam2/0900.mp4"), ("cam2/0900.mp4", "0900.mp4")):
        write(*videos)
        with pytest.raises(LabelError) as caught:
            list(datasets.load("folder", path))
        assert str(caught.value) == (
            f"{path}: task 7: the labels of {videos[0]} and of {videos[1]} both match the video "
            f"{tmp_path / 'cam1/0900.mp4'}; take out the labels of the other video, or write one "
            "name if both mean it"
        )
    write("elsewhere/cam1/0900.mp4")
    assert [one.name for one in datasets.load("folder", path)] == ["cam1/0900.mp4"]
    write("cam1/0900.mp4", "./cam1/0900.mp4")
    assert [len(one.events or ()) for one in datasets.load("folder", path)] == [2]
    write("cam1/1000.mp4", "cam2/1000.mp4")
    with pytest.raises(LabelError, match="there is no file"):
        list(datasets.load("folder", path))


DOCTYPE = '<!DOCTYPE annotations [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE annotations [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
HOSTILE = {
    "entities": ("a.xml", DOCTYPE + cvat(track((0, 0), label="&b;"))),
    "another file": ("a.eaf", OUTSIDE + elan(tier(0, 1, "&x;"))),
    "dtd": ("a.xml", '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + cvat()),
    "deep": ("a.xml", "<a>" * 100_000),
    "many": ("a.xml", f"<annotations>{'<a/>' * 1001}</annotations>"),
    "deep JSON": ("a.json", "[" * 100_000),
    "not XML": ("a.eaf", "labels"),
    "not JSON": ("a.json", "{"),
    "twice": ("a.json", '{"database": {}, "database": {}}'),
    "NaN": ("a.json", '{"database": {"a": {"annotations": [NaN]}}}'),
    "huge number": ("a.json", f'{{"database": {{"a": {"9" * 5000}}}}}'),
    "empty": ("a.json", ""),
    "bytes": ("a.json", "\udcff"),
    "another kind": ("a.json", '{"images": []}'),
    "another XML": ("a.xml", "<svg/>"),
    "nothing": ("a.json", "[]"),
    "null": ("a.json", "null"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_labels_are_an_error_on_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "many":
        monkeypatch.setattr(_documents, "MOST_ELEMENTS", 1000)
    file, text = HOSTILE[name]
    (tmp_path / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LabelError) as caught:
        list(datasets.load("folder", tmp_path / file))
    assert str(tmp_path / file) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_file_of_labels_is_a_regular_one_of_at_most_64_mib(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(
        HiProbeError, match=r"a\.json: cannot be read: the file has 67,108,865 bytes"
    ):
        formats.read_label_file(path)
    with pytest.raises(HiProbeError, match="cannot be read: No such file"):
        formats.read_label_file(tmp_path / "b.json")
