"""The options for a number of false alarms per day, which normal footage sets a level by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import check_range
from hiprobe.cli._videos import find_videos
from hiprobe.errors import HiProbeError, UsageError, VideoError, counted

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.cli._detection import DetectionRequest
    from hiprobe.cli._passed import PassedOver
    from hiprobe.cli._videos import Found
    from hiprobe.localize import Localization
    from hiprobe.pipeline import NormalFootage
    from hiprobe.probe import Probe
    from hiprobe.probe.false_alarm_rate import FalseAlarmRate
    from hiprobe.types import Video

FalseAlarms = Annotated[
    float | None,
    typer.Option(
        "--false-alarms-per-day",
        metavar="N",
        help="Set the level of the model's check, or the threshold if events are not checked, so "
        "that normal footage supports at most N false alarms per day.",
    ),
]
Normal = Annotated[
    Path | None,
    typer.Option(
        "--normal",
        help="Footage of this camera without anomalies, for --false-alarms-per-day: a folder or a "
        "video.",
    ),
]
NAMED = 3  # videos that a warning names


@dataclass(frozen=True)
class FalseAlarmOptions:
    """The values of both options, None where one was not given."""

    per_day: float | None = None
    folder: Path | None = None

    def check(self, threshold: float | None, confirm: float | None) -> None:
        """Raise UsageError for a number out of range, or for what does not go together."""
        if self.per_day is None:
            if self.folder is not None:
                raise UsageError(
                    "--normal is for --false-alarms-per-day", cure="add it, or leave --normal out"
                )
            return
        check_range("--false-alarms-per-day", "false alarms per day", self.per_day)
        for option, value in (("--threshold", threshold), ("--confirm", confirm)):
            if value is not None:
                raise UsageError(
                    f"{option} and --false-alarms-per-day both decide which events are alarms",
                    cure="give one",
                )

    def check_detect(self, threshold: float | None, confirm: float | None, ray: str | None) -> None:
        """Do what `check` does, and raise UsageError for what `detect` lacks."""
        self.check(threshold, confirm)
        if self.per_day is not None and self.folder is None:
            raise UsageError(
                "--false-alarms-per-day needs footage of this camera without anomalies",
                cure="add --normal FOLDER",
            )
        if self.per_day is not None and ray is not None:
            raise UsageError(
                "--false-alarms-per-day does not go together with --ray",
                cure="set the threshold of the probe with hiprobe fit --false-alarms-per-day",
            )


def find_normal(folder: Path, seen: PassedOver) -> list[Video]:
    """Find the videos of normal footage; warn of those that labels beside them call anomalous."""
    found = find_videos([str(folder)], seen).videos
    if not found:
        raise UsageError("there is no video of normal footage", where=folder)
    _warn("are labelled as anomalous", _labelled(folder, found))
    return found


@dataclass(frozen=True)
class NormalReading:
    """The videos of normal footage, the store for their states, and those that cannot be read."""

    videos: Sequence[Video]
    store: Path
    lost: list[str] = field(default_factory=list)

    def rate(
        self, per_day: float, model: Backbone, probe: Probe, settings: Localization
    ) -> tuple[FalseAlarmRate, Sequence[Video]]:
        """Find what gives so many false alarms per day; also return the videos scored."""
        from hiprobe import pipeline

        footage = self.score(model, probe, settings)
        reading = pipeline.Reading(model, self.store)
        return pipeline.rate_for(per_day, footage, reading, probe, settings), footage.videos

    def score(self, model: Backbone, probe: Probe, settings: Localization) -> NormalFootage:
        """Score the videos with the probe, smoothed as in `settings`; show the progress."""
        from hiprobe import pipeline
        from hiprobe.cli._progress import bar
        from hiprobe.cli._terminal import complain, warn

        with bar(_run.seconds(one.path for one in self.videos)) as progress:

            def failed(path: str, error: HiProbeError) -> None:
                complain(error)
                self.lost.append(path)
                progress.end(path)

            reading = pipeline.Reading(model, self.store, progress, failed)
            scored = pipeline.score_normal(self.videos, reading, probe, settings)
        copies = len(self.videos) - len(scored.videos) - len(self.lost)
        if copies:
            warn(f"{counted(copies, 'video')} of --normal left out: the same content as another")
        _warn("are among those that the probe was fitted on", _fitted(scored.videos, probe))
        return scored


def set_in_probe(per_day: float, normal: NormalReading, model: Backbone, probe: Probe) -> Probe:
    """Return the probe with the level of its check, or the threshold, for the normal footage."""
    from hiprobe.probe.false_alarm_rate import with_rate

    return with_rate(probe, normal.rate(per_day, model, probe, probe.localization)[0])


def set_for_run(
    per_day: float, normal: NormalReading, model: Backbone, asked: DetectionRequest, found: Found
) -> DetectionRequest:
    """Return the request with the level of the check, or the threshold, and say it.

    `found` has the videos to detect in, which must not be the normal footage.
    """
    from hiprobe.disk.regular import refuse_links

    refuse_links(asked.out, normal.store)
    settings = asked.localization
    probe = asked.probe if asked.verify else replace(asked.probe, verification=None)
    rate, scored = normal.rate(per_day, model, probe, settings)
    _warn("are also among the videos to detect in", _shared(scored, found.videos))
    say_rate(rate)
    if rate.of_check:
        source = f"as the probe says; the level of the check: {rate.source}"
        changes: dict[str, Any] = {"confirm": rate.threshold, "threshold_from": source}
    else:
        changes = {"rule": "fixed", "threshold": rate.threshold, "threshold_from": rate.source}
    return replace(asked, localization=replace(settings, **changes))


def say_rate(rate: FalseAlarmRate) -> None:
    """Say the level or threshold and what the footage shows, on standard error."""
    from hiprobe.cli._terminal import err, markup, warn

    err.print(f"[bold]{rate.named}[/]: {markup(str(rate))}", soft_wrap=True)
    if rate.doubt:
        warn(rate.doubt)


def _warn(what: str, videos: Sequence[Video]) -> None:
    from hiprobe.cli._terminal import warn
    from hiprobe.datasets import listing

    if videos:
        names = listing([one.name for one in videos], NAMED)
        warn(f"videos of --normal {what}, so the figure cannot be relied on: {names}")


def _labelled(folder: Path, videos: Sequence[Video]) -> list[Video]:
    """Return the videos that labels in the folder call anomalous."""
    from hiprobe import datasets

    if not ((folder / "labels.csv").is_file() or (folder / "abnormal").is_dir()):
        return []
    clips = datasets.load("folder", folder)
    wrong = {os.path.realpath(one.path) for one in clips if one.events}
    return [one for one in videos if os.path.realpath(one.path) in wrong]


def _fitted(videos: Sequence[Video], probe: Probe) -> list[Video]:
    return [one for one in videos if one.id in probe.fitted_videos]


def _shared(normal: Sequence[Video], videos: Sequence[Video]) -> list[Video]:
    """Return the normal videos whose content is among `videos`; hashes files of equal size only."""
    from hiprobe import video

    sizes = {_size(one.path) for one in normal}
    digests = set()
    for one in videos:
        if _size(one.path) in sizes:
            with suppress(VideoError):  # reported when its turn comes
                digests.add(video.digest(one.path))
    return [one for one in normal if one.id in digests]


def _size(path: str) -> int | None:
    """Return the size of a file; None for a folder of pictures, or if it cannot be read."""
    try:
        return None if os.path.isdir(path) else os.stat(path).st_size
    except OSError:
        return None
