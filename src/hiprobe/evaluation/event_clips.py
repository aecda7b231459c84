"""Cut the events of a results folder out of their videos. No model runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe import video
from hiprobe.errors import HiProbeError
from hiprobe.evaluation.finished_videos import Sources, check_new, event_lines, place_below
from hiprobe.formats import VideoEvents
from hiprobe.types import Result

SUFFIX = ".mp4"


@dataclass(frozen=True)
class ClipOptions:
    """How events are cut: into which folder, exactly or at keyframes, with seconds around them."""

    folder: Path
    exact: bool = False
    around_s: float = 0.0
    demoted: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class EventClip:
    """A clip that was asked for: its file, its event, and the span that it has, in seconds.

    `error` says why there is none; `span` is None then.
    """

    place: Path
    line: dict[str, Any]
    span: tuple[float, float] | None = None
    error: HiProbeError | None = None


def cut_events(
    results: Sequence[Result], sources: Sources, options: ClipOptions
) -> Iterator[EventClip]:
    """Cut every alarm out of its video, and yield each clip once it is written.

    A clip is called after its video and the seconds of its event. Raises UsageError if a file is
    there already; the error of one clip is yielded, and the others follow.
    """
    wanted = list(_wanted(results, options))
    check_new([clip.place for _, clip in wanted], overwrite=options.overwrite)
    for result, clip in wanted:
        line = clip.line
        start = max(0.0, line["start"] - options.around_s)
        end = min(max(result.duration, line["end"]), line["end"] + options.around_s)
        try:
            path = sources.path(result)
            span = video.cut_clip(path, start, end, clip.place, exact=options.exact)
            yield EventClip(clip.place, line, span)
        except HiProbeError as error:
            yield EventClip(clip.place, line, error=error)


def _wanted(results: Sequence[Result], options: ClipOptions) -> Iterator[tuple[Result, EventClip]]:
    """Yield each event with a place that no other event has."""
    taken: set[Path] = set()
    for result in results:
        stem = VideoEvents(result.name, 0.0, ()).stem
        for line in event_lines(result, demoted=options.demoted):
            name = f"{stem}_{line['start']:.1f}-{line['end']:.1f}"
            names = (f"{name}{'' if n == 1 else f'_{n}'}" for n in range(1, len(taken) + 2))
            places = (place_below(options.folder, one, SUFFIX) for one in names)
            place = next(place for place in places if place not in taken)
            taken.add(place)
            yield result, EventClip(place, line)
