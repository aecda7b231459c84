"""Check a format: what it writes of events and scores, and that it reads back what it wrote."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from hiprobe import formats
from hiprobe.checks.promises import Broken, lacking, refusal, run_checks, title
from hiprobe.formats import FrameScores, LabelledVideo, VideoClock, VideoEvents
from hiprobe.formats._documents import parse_xml

_HOSTILE = ("fall", '=1, "x"', "one\r\n\r\ntwo", "a --> b", "<b>&é漢;", "\x07\u2028", "")
_SPANS = ((0.0, 1.6), (3.2, 4.75), (9.0, 10.0))
_NEEDS = ("nothing", "rate", "frames")


def _line(number: int, text: str) -> dict[str, Any]:
    start, end = _SPANS[number % len(_SPANS)]
    return {
        "schema": "hiprobe.event/2",
        "id": f"{number:032x}",
        "video": {"name": "front/0900.mp4", "digest": "0" * 64, "duration": 10.0, "recorded": None},
        "start": start,
        "end": end,
        "peak_time": start,
        "peak_score": 0.75 if number else None,
        "threshold": 0.5,
        "severity": "low" if number == 1 else "medium",
        "verification": {"result": "confirmed", "log_odds": 1.5 if number else None},
        "box": [0.25, 0.25, 0.5, 0.5] if number else None,
        "label": text or None,
        "explanation": text or None,
        "model": {"id": "m", "revision": None, "sites": []},
        "probe": "p",
    }


class FormatTrial:
    """A format, and videos with events at their ends, with hostile words, and without any."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    @cached_property
    def clock(self) -> VideoClock:
        """Frames that come at two rates."""
        times = np.concatenate([np.arange(50) / 10, 5 + np.arange(25) / 5])
        return VideoClock(7.5, 64, 48, times)

    def video(self, *texts: str) -> VideoEvents:
        """Make a video with an event of each text, as far as it is given what it needs."""
        clock = None if self.plugin.needs == "nothing" else self.clock
        if clock is not None and self.plugin.needs == "rate":
            clock = VideoClock(clock.fps, clock.width, clock.height)
        lines = [_line(number, text) for number, text in enumerate(texts)]
        return VideoEvents("front/0900.mp4", 10.0, lines, clock)

    def written(self, *texts: str) -> str:
        """Write one video with an event of each text."""
        found: str = self.plugin.write_events([self.video(*texts)])
        return found

    def parsed(self, text: str) -> Any:
        """Parse what was written as `hiprobe` parses a file of labels."""
        return json.loads(text) if self.plugin.label_suffix == ".json" else parse_xml(text.encode())


def check_format(plugin: Any) -> list[str]:
    """Check a format, given by name or as an object; returns the promises it keeps.

    What it can do decides what is checked: write events, write scores, read labels. Raises
    BrokenPromise for the first promise it breaks, UsageError for a name that is not found.

    >>> check_format("srt")[:2]
    ['it writes or reads something', 'it says what it needs']
    """
    found = formats.find_format(plugin) if isinstance(plugin, str) else plugin
    checks = [_it_writes_or_reads_something]
    checks += _EVENTS if hasattr(found, "write_events") else ()
    checks += _SCORES if hasattr(found, "write_frame_scores") else ()
    checks += _LABELS if hasattr(found, "read_labels") else ()
    return run_checks(title("format", plugin), FormatTrial(found), checks)


def _it_writes_or_reads_something(trial: FormatTrial) -> Broken | None:
    kinds = [*formats.WRITERS.values(), formats.LABELS]
    missing = [lacking(trial.plugin, members) for members in kinds]
    return None if None in missing else missing[0]


def _it_says_what_it_needs(trial: FormatTrial) -> Broken | None:
    needs, suffix = trial.plugin.needs, trial.plugin.suffix
    if needs not in _NEEDS:
        return Broken(f"needs is {needs!r}", f"name one of {', '.join(_NEEDS)}")
    if not suffix.startswith(".") or not isinstance(trial.plugin.one_file, bool):
        return Broken(
            f"suffix is {suffix!r}, one_file {trial.plugin.one_file!r}",
            "give a suffix with its dot, and True or False",
        )
    return None


def _it_writes_text(trial: FormatTrial) -> Broken | None:
    found: object = trial.written("fall", "fight", "fire")
    if not isinstance(found, str) or not found:
        return Broken(f"it writes {found!s:.40}", "return the text of the whole file")
    return None


def _events_change_what_is_written(trial: FormatTrial) -> Broken | None:
    if trial.written("fall", "fight", "fire") == trial.written():
        return Broken("three events leave no trace", "write every event")
    return None


def _a_video_without_events_is_written_too(trial: FormatTrial) -> Broken | None:
    found: object = trial.written()
    return None if isinstance(found, str) else Broken(f"it writes {found!s:.40}", "return a text")


def _no_text_of_an_event_changes_the_others(trial: FormatTrial) -> Broken | None:
    for text in _HOSTILE:
        found = trial.written("fall", text, "fight")
        found.encode()
        if found.count("fight") < trial.written("fall", "fire", "fight").count("fight"):
            return Broken(f"the text {text!r} loses an event", "escape it, or write it on one line")
        if trial.plugin.suffix == ".json":
            json.loads(found)
        if trial.plugin.suffix == ".xml":
            parse_xml(found.encode())
    return None


def _it_writes_the_same_again(trial: FormatTrial) -> Broken | None:
    if trial.written("fall", "fight") != trial.written("fall", "fight"):
        return Broken("a second time it writes something else", "leave out the time of day")
    return None


def _it_writes_the_scores_of_frames(trial: FormatTrial) -> Broken | None:
    values = np.array([0.25, np.nan, 0.75])
    video = FrameScores("front/0900.mp4", np.arange(3) / 10, values, values)
    found: object = trial.plugin.write_frame_scores([video])
    if not isinstance(found, bytes) or not found:
        return Broken(f"it writes {found!s:.40}", "return the bytes of the whole file")
    return None


def _it_recognizes_no_other_file(trial: FormatTrial) -> Broken | None:
    odd: Any = {} if trial.plugin.label_suffix == ".json" else Element("other")
    others = [odd, None, [], [1]] if trial.plugin.label_suffix == ".json" else [odd]
    taken = [one for one in others if trial.plugin.recognizes(one) and one != []]
    return Broken(f"it recognizes {taken[0]!s:.40}", "look at what is in it") if taken else None


def _it_reads_what_it_wrote(trial: FormatTrial) -> Broken | None:
    if not hasattr(trial.plugin, "write_events"):
        return None
    document = trial.parsed(trial.written("fall", "fight"))
    if not trial.plugin.recognizes(document):
        return None  # it writes for people to correct, and reads what they made of it
    found = list(trial.plugin.read_labels(document, "labels"))
    if not found or not all(isinstance(one, LabelledVideo) for one in found):
        return Broken(f"it reads {found!s:.60}", "yield a LabelledVideo for each video")
    labels = [span.label for one in found for span in one.spans]
    return None if len(labels) == 2 else Broken(f"of 2 events it reads {labels}", "read them all")


def _it_refuses_labels_that_are_not_valid(trial: FormatTrial) -> Broken | None:
    if not hasattr(trial.plugin, "write_events"):
        return None
    text = trial.written("fall")
    document = trial.parsed(text.replace("fall", ""))
    if not trial.plugin.recognizes(document):
        return None
    return refusal(
        lambda: list(trial.plugin.read_labels(document, "labels")), "an event without a label"
    )


_EVENTS = (
    _it_says_what_it_needs,
    _it_writes_text,
    _events_change_what_is_written,
    _a_video_without_events_is_written_too,
    _no_text_of_an_event_changes_the_others,
    _it_writes_the_same_again,
)
_SCORES = (_it_writes_the_scores_of_frames,)
_LABELS = (
    _it_recognizes_no_other_file,
    _it_reads_what_it_wrote,
    _it_refuses_labels_that_are_not_valid,
)
