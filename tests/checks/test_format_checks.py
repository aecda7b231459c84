"""Every check of a format fails for one that breaks its promise; ours keep them all."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tests.checks.test_checks_can_fail import promise_of

from hiprobe import checks, formats
from hiprobe.checks import formats as format_checks
from hiprobe.formats import LabelledSpan, LabelledVideo


def texts(videos: Any) -> list[str]:
    return [line["label"] or "event" for one in videos for line in one.lines]


def read(document: Any, where: str) -> Any:
    spans = tuple(LabelledSpan(label, 0.0, 1.0) for label in document["labels"])
    if not all(document["labels"]):
        raise formats.LabelError("an event without a label", where=where)
    yield LabelledVideo(("a.mp4",), spans)


SOUND: dict[str, Any] = {
    "suffix": ".json",
    "one_file": True,
    "needs": "nothing",
    "write_events": lambda videos: json.dumps({"labels": texts(videos)}),
    "write_frame_scores": lambda videos: videos[0].raw.tobytes(),
    "label_suffix": ".json",
    "recognizes": lambda document: isinstance(document, dict) and "labels" in document,
    "read_labels": read,
}
FAULTY: dict[str, dict[str, Any]] = {
    "it writes or reads something": {"write_events": None, "label_suffix": None, "suffix": None},
    "it says what it needs": {"needs": "the video"},
    "it writes text": {"write_events": lambda videos: b"bytes"},
    "events change what is written": {"write_events": lambda videos: "nothing"},
    "a video without events is written too": {
        "write_events": lambda videos: json.dumps({"labels": texts(videos)}) if texts(videos) else None
    },
    "no text of an event changes the others": {
        "write_events": lambda videos: f'{{"labels": ["{chr(34).join(texts(videos))}"]}}'
    },
    "it writes the same again": {
        "write_events": lambda videos: json.dumps({"labels": [*texts(videos), str(id(object()))],
                                                   "at": next(TIMES)})
    },
    "it writes the scores of frames": {"write_frame_scores": lambda videos: "text"},
    "it recognizes no other file": {"recognizes": lambda document: True},
    "it reads what it wrote": {"read_labels": lambda document, where: iter(())},
    "it refuses labels that are not valid": {
        "read_labels": lambda document, where: iter(
            [LabelledVideo(("a",), tuple(LabelledSpan(x, 0, 1) for x in document["labels"]))]
        )
    },
}  # fmt: skip
TIMES = iter(range(1_000_000))


def a_format(**changes: Any) -> Any:
    members = {**SOUND, **changes}
    return SimpleNamespace(**{name: one for name, one in members.items() if one is not None})


def test_a_sound_format_keeps_every_promise() -> None:
    assert checks.check_format(a_format()) == list(FAULTY)


@pytest.mark.parametrize("promise", FAULTY)
def test_a_faulty_format_gets_an_error_that_names_the_promise(promise: str) -> None:
    changes = FAULTY[promise]
    if "suffix" in changes:
        changes = {**changes, "write_frame_scores": None}
    assert promise_of(lambda: checks.check_format(a_format(**changes))) == promise


def test_every_check_has_a_faulty_format() -> None:
    written = {
        name.strip("_").replace("_", " ")
        for name, value in vars(format_checks).items()
        if name.startswith("_") and getattr(value, "__annotations__", {}).get("trial")
    }
    assert written == set(FAULTY)


@pytest.mark.parametrize("name", formats.names())
def test_our_formats_keep_every_promise(name: str) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    assert checks.check_format(name) == checks.check_format(formats.find_format(name))
