"""What the labels of a fit mean: options to words, checks, and warnings about what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from hiprobe.errors import LabelError

if TYPE_CHECKING:
    from hiprobe.datasets import LabelCounts, LabelWords
    from hiprobe.types import Video

MOST_NAMED = 10  # short events that the warning names


def label_words(normal: Sequence[str] | None, anomaly: Sequence[str] | None) -> LabelWords | None:
    """Return the meanings of --normal-label and --anomaly-label, None if neither is given."""
    from hiprobe.datasets import LabelWords

    return LabelWords(normal or (), anomaly or ()) if normal or anomaly else None


def check_normal(clips: Sequence[Video], method: str, words: LabelWords | None) -> None:
    """Raise LabelError if the method needs normal videos, and the labels leave that open.

    It does if no video is normal and a whole video is an anomaly: its label may be a word for
    normal. Where every event has its times, the rest of the videos is normal.
    """
    from hiprobe import methods
    from hiprobe.probe.calibration import CLASSES

    if 0 not in CLASSES[methods.load(method).LABELS] or any(one.events == () for one in clips):
        return
    whole = {
        event.label or "anomalous"
        for one in clips
        for event in one.events or ()
        if (event.start, event.end) == (0.0, inf)
        and not (words is not None and words.is_given(event.label))
    }
    if whole:
        raise LabelError(
            f"no video is labelled normal, and whole videos are labelled {_named(whole)}",
            cure="put normal videos into normal/ or label them `normal`; or say what a label means "
            "with --normal-label TEXT or --anomaly-label TEXT",
        )


def warn_of_short(counts: LabelCounts, segment_s: float) -> None:
    """Warn of the events that fill half of no segment, each with its file and times."""
    from hiprobe.cli._terminal import warn
    from hiprobe.datasets import listing

    if counts.short:
        named = listing([str(one) for one in counts.short], MOST_NAMED)
        warn(
            f"too short to fill half of a segment ({segment_s:g} s): {named}; "
            "the segment that holds most of such an event counts as anomalous"
        )


def warn_of_few(counts: LabelCounts, method: str) -> None:
    """Warn of a class that `method` fits on with some videos, but too few to rely on a probe."""
    from hiprobe import methods
    from hiprobe.cli._terminal import warn
    from hiprobe.probe.calibration import CLASSES, ENOUGH

    named = (counts.normal, "normal"), (counts.anomalous, "anomalous")
    fitted = sorted(CLASSES[methods.load(method).LABELS])
    few = [f"{named[c][0]} {named[c][1]}" for c in fitted if 0 < named[c][0] < ENOUGH]
    if few:
        warn(
            f"too few videos to rely on a probe of them ({', '.join(few)}); "
            f"label at least {ENOUGH} of each class"
        )


def warn_of_copies(clips: Sequence[Video]) -> None:
    """Warn of clips with the same content; raise LabelError where their labels differ."""
    from hiprobe import pipeline
    from hiprobe.cli._terminal import warn

    for paths in pipeline.check_copies(clips):
        warn(f"the same content, which stays in one fold: {', '.join(paths)}")


def _named(labels: set[str]) -> str:
    from hiprobe.datasets import listing

    return listing([repr(label) for label in labels])
