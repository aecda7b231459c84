"""Measure alerts of a watcher on labelled videos: how soon they come, and how many are withdrawn.

Every video is watched as a camera, by the shipped probe or another one; the next segment comes once
the watcher has nothing left to do, so the figures are those of a machine that is fast enough, and
seconds are seconds of video. Run:
`python -m experiments.alert_lives FOLDER [--split SPLIT] [--probe FILE] [--store STORE]`, where
FOLDER has a `labels.csv`, such as `runs/alarms` (`python -m experiments.long_videos`). Segments
whose states are in STORE are not read again; the check always asks the model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from experiments.tables import Table
from hiprobe import backbones, datasets, embedded, video
from hiprobe.backbones import Backbone
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.live_items import LiveSegment, SourceCounts, Status
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.store import find_states
from hiprobe.types import Event, FloatArray, Recipe, Segment, Site, Video

AT = 1e9  # Unix time at which every video begins


@dataclass
class PatientCamera:
    """A file, of which the next segment comes once the watcher is idle."""

    camera: Camera
    recipe: Recipe
    watchers: list[Watcher]
    counts: SourceCounts = field(default_factory=SourceCounts)
    shown_s: float = 0.0
    closed: bool = False

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        for one in video.segments(self.camera.url, self.recipe):
            yield LiveSegment(self.camera.name, one, AT + one.start)
            while not self.closed and not self._is_done(one.end):
                time.sleep(0.002)
        yield Status(self.camera.name, "ended", "", AT)

    def _is_done(self, end: float) -> bool:
        (watcher,) = self.watchers
        scores = watcher.scores(self.camera.name)
        done = bool(scores) and scores[-1][0] >= AT + end - 1e-6 and not watcher.busy
        self.shown_s = end if done else self.shown_s
        return done

    def close(self) -> None:
        self.closed = True


@dataclass
class AlertTimes:
    """An alert: its event, when it was told, in seconds of video, and how it ended."""

    new: float
    provisional: bool
    span: tuple[float, float]
    confirmed: float | None = None
    withdrawn: bool = False


@dataclass
class KnownStates:
    """The model, of which the segments of one video are not asked for again."""

    model: Backbone
    sites: tuple[Site, ...]
    values: FloatArray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> FloatArray:
        """Return the states of segments of the video; other windows are read."""
        stride = recipe.segment_s if recipe else 0.0
        known = all(abs(one.start - one.index * stride) < 1e-6 for one in segments)
        if tuple(sites) != self.sites or not known:
            return self.model.read(segments, sites, recipe)
        return self.values[[one.index for one in segments]]


def known_states(one: Video, model: Backbone, probe: Probe, store: Path | None) -> Backbone:
    """Return the model, or one that knows the states of a video if they are in the store."""
    if store is None:
        return model
    kept = find_states(store, video.digest(one.path), probe.recipe, probe.sites, "float32")
    if kept is None:
        return model
    return cast(Backbone, KnownStates(model, probe.sites, np.asarray(kept.at(probe.sites))))


def watched(one: Video, model: Backbone, probe: Probe) -> list[AlertTimes]:
    """Watch one video; return its alerts in the order in which they were raised."""
    found: dict[str, AlertTimes] = {}
    watchers, seen = list[Watcher](), list[float]()

    def tell(alert: Alert) -> None:
        now = seen[-1] if seen else 0.0
        span = (alert.start - AT, alert.end - AT)
        known = found.setdefault(alert.id, AlertTimes(now, alert.provisional, span))
        known.span, known.withdrawn = span, alert.type == "withdrawn"
        if alert.verification.result == "confirmed" and known.confirmed is None:
            known.confirmed = now

    def observe(live: LiveSegment, _: float) -> None:
        seen.append(live.segment.end)

    def opened(camera: Camera, recipe: Recipe, record: object) -> PatientCamera:
        return PatientCamera(camera, recipe, watchers)

    options = WatcherOptions(
        looks=LookOptions(explain=False, where=False),
        localization=replace(probe.localization, refine=False),
        record=False,
        observe=observe,
        open_source=opened,
    )
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch((Camera("video", one.path, cooldown_s=0.0),), state=Path(folder))
        with Watcher(watch, model, probe, options, Outlets(tell=tell)) as watcher:
            watchers.append(watcher)
            watcher.start()
            watcher.wait()
    return list(found.values())


def is_true(alert: AlertTimes, events: Sequence[Event]) -> bool:
    """Tell whether an alert touches a true event."""
    return any(alert.span[0] < one.end and alert.span[1] > one.start for one in events)


def delays(
    alerts: Sequence[AlertTimes], events: Sequence[Event], segment_s: float, *, verified: bool
) -> list[float]:
    """Return for each true event the seconds from the end of its first whole segment to its alert.

    Events that no alert touches in time are left out.
    """
    found = []
    for event in events:
        first = np.ceil(event.start / segment_s - 1e-9) * segment_s + segment_s
        told = [one.confirmed if verified else one.new for one in alerts if is_true(one, [event])]
        times = [time_s for time_s in told if time_s is not None]
        if times:
            found.append(float(min(times) - first))
    return found


def lives_table(
    videos: Sequence[Video], model: Backbone, probe: Probe, store: Path | None = None
) -> Table:
    """Return what a receiver is told that waits for the check, and one that does not."""
    every = [(one, watched(one, known_states(one, model, probe, store), probe)) for one in videos]
    hours = sum(video.info(one.path).duration or 0.0 for one in videos) / 3600
    rows = []
    for verified in (False, True):
        told = [
            (one, [a for a in alerts if not verified or a.confirmed is not None])
            for one, alerts in every
        ]
        alerts = [alert for _, some in told for alert in some]
        early = [one for one in alerts if one.provisional]
        false = sum(not is_true(a, one.events or ()) for one, some in told for a in some)
        times = [
            delay
            for one, some in told
            for delay in delays(some, one.events or (), probe.recipe.segment_s, verified=verified)
        ]
        events = sum(len(one.events or ()) for one in videos)
        rows.append(
            (
                "after the check" if verified else "at once",
                f"{len(alerts)}",
                f"{false / hours:.1f}",
                f"{sum(a.withdrawn for a in early)} of {len(early)}",
                f"{len(times)} of {events}",
                f"{np.median(times):.1f}",
                f"{np.quantile(times, 0.95):.1f}",
            )
        )
    columns = ("told", "alerts", "false an hour", "withdrawn", "events", "delay, s", "95 %")
    note = (
        f"{len(videos)} videos, {hours:.1f} h. The delay is from the end of the first segment that "
        "lies wholly in an event to its alert, in seconds of video, without the time that the "
        "model takes; below 0 the alert came during a segment in which the event began."
    )
    return Table("Alerts", columns, tuple(rows), note)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--split")
    parser.add_argument("--first", type=int, help="so many videos only")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--probe", default=str(embedded.PROBE))
    parser.add_argument("--model", default="embedded")
    given = parser.parse_args()
    model, probe = backbones.load(given.model), Probe.load(given.probe)
    videos = list(datasets.load("folder", given.folder, given.split))[: given.first]
    print(lives_table(videos, model, probe, given.store).to_markdown())


if __name__ == "__main__":
    main()
