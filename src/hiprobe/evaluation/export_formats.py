"""Write the events, or the scores of each frame, of a results folder in a format. No model runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hiprobe import formats, video
from hiprobe.disk.atomic import write_atomic
from hiprobe.errors import UsageError
from hiprobe.evaluation.finished_videos import (
    Sources,
    check_new,
    event_lines,
    finished_videos,
    place_below,
)
from hiprobe.formats import FrameScores, VideoClock, VideoEvents
from hiprobe.types import Result, unicode


@dataclass(frozen=True)
class Export:
    """What to write, and where: a file, or a folder for a format with one file per video.

    With `demoted` the events that the model rejected are written too. Existing files in a folder
    are kept unless `overwrite`.
    """

    format: str
    target: Path
    demoted: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """The files written, the number of videos in them, and what is not in them.

    `unread` counts videos without a result, `demoted` the events that were left out.
    """

    files: tuple[Path, ...]
    videos: int
    unread: int
    demoted: int


def export_format(out: Path, wanted: Export, sources: Sources) -> Exported:
    """Write the results in the folder `out` in a format, each file whole or not at all.

    Raises UsageError for an unknown format, a folder without results and files that are there,
    MissingVideo if a format needs a video that is not found, StoreError if a file cannot be
    written, and the errors of `video.frame_times`.
    """
    what = formats.writes(wanted.format)
    format_ = formats.load(wanted.format, what)
    results, unread = finished_videos(out)
    places = _places(format_, wanted.target, results)
    if not format_.one_file:
        check_new(places, overwrite=wanted.overwrite)
    for place, some in places.items():
        if what == "scores":
            data = format_.write_frame_scores([_scores(one, sources) for one in some])
        else:
            text = format_.write_events([_events(one, format_, wanted, sources) for one in some])
            data = text.encode("utf-8", "replace")
        write_atomic(place, data)
    out_of = 0 if wanted.demoted or what == "scores" else sum(len(one.demoted) for one in results)
    return Exported(tuple(places), len(results), unread, out_of)


def _places(format_: Any, target: Path, results: Sequence[Result]) -> Mapping[Path, list[Result]]:
    """Return what goes into which file."""
    single = len(results) == 1 and target.suffix.lower() == format_.suffix and not target.is_dir()
    if format_.one_file or single:
        return {target: list(results)}
    if target.is_file():
        raise UsageError(
            f"{len(results)} videos make as many files", where=target, cure="give -o a folder"
        )
    names = formats.short_names([one.name for one in results])
    places = [place_below(target, name, format_.suffix) for name in names]
    return {place: [one] for place, one in zip(places, results, strict=True)}


def _events(result: Result, format_: Any, wanted: Export, sources: Sources) -> VideoEvents:
    lines = event_lines(result, demoted=wanted.demoted)
    known = VideoEvents(unicode(result.name), result.duration, tuple(lines))
    if format_.needs == "nothing":
        return known
    path = sources.path(result)
    return replace(known, clock=_clock(path, result, every=format_.needs == "frames"))


def _clock(path: str, result: Result, *, every: bool) -> VideoClock:
    facts = video.info(path)
    times = video.frame_times(path) if every or facts.fps is None else None
    fps = facts.fps
    if fps is None and times is not None:
        fps = len(times) / max(result.duration, 1e-3)
    return VideoClock(float(fps or 1.0), facts.width, facts.height, times)


def _scores(result: Result, sources: Sources) -> FrameScores:
    times, scores = video.frame_times(sources.path(result)), result.scores
    assert scores is not None  # a stored result has them
    raw, smoothed = (scores.at(times, smoothed=kind) for kind in (False, True))
    return FrameScores(unicode(result.name), times, raw, smoothed)
