"""One camera that is watched: how its scores become alerts, and how it is doing.

Knows no source and no model.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.live.alert import CameraState, State
from hiprobe.live.cameras import Camera
from hiprobe.live.live_items import LiveSegment, SourceCounts
from hiprobe.live.scoring import HowRead, Read, score_values
from hiprobe.live.status import CameraReport
from hiprobe.live.track import CameraTrack, Happening, Rules
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.probe.causal_rule import causal_settings
from hiprobe.types import HiddenStates

SCORES = 400  # kept for people to look at: more than ten minutes


@dataclass(frozen=True)
class OwnLevel:
    """What a camera has of its own instead of the probe's: a threshold, or a level of the check.

    A threshold that was learned is one of the scores of the `probe` with this digest only.
    """

    threshold: float | None = None
    confirm: float | None = None
    source: str = ""
    probe: str | None = None

    def over(self, settings: Localization, probe: Probe) -> Localization:
        """Return the settings with what the camera has of its own."""
        if self.confirm is not None:
            settings = replace(settings, confirm=self.confirm)
        if self.threshold is None or self.probe not in (None, probe.digest):
            return settings
        return replace(settings, rule="fixed").with_threshold(self.threshold, self.source or None)


@dataclass(frozen=True)
class ProbeRules:
    """A probe, and how its scores become alerts. Raises ProbeError without a causal threshold."""

    probe: Probe
    rules: Rules

    @classmethod
    def of(cls, probe: Probe, settings: Localization | None, own: OwnLevel) -> ProbeRules:
        """Return the rules of a probe for a camera; `settings` are its own unless given."""
        final = own.over(settings or probe.localization, probe)
        return cls(probe, Rules(causal_settings(probe, final), final))


def rules_of(
    camera: Camera, probe: Probe, settings: Localization | None, levels: Mapping[str, OwnLevel]
) -> ProbeRules:
    """Return the rules of a probe for a camera, which may have a level of its own.

    Raises ProbeError for a probe that cannot raise alerts.
    """
    own = levels.get(camera.name, OwnLevel())
    if camera.threshold is not None:
        own = OwnLevel(camera.threshold, own.confirm, "the camera's own")
    return ProbeRules.of(probe, settings, own)


class WatchedCamera:
    """A camera, its track, and its counts.

    `scores` are the newest ones as (Unix time of the end of the segment, score of the causal rule,
    its threshold).
    """

    def __init__(self, camera: Camera, by: ProbeRules, segment_s: float) -> None:
        self.camera, self.by = camera, by
        self.track = CameraTrack(by.rules, segment_s, camera.cooldown_s, camera.speed)
        self.scores: deque[tuple[float, float, float]] = deque(maxlen=SCORES)
        self.ended = False
        self._report = CameraReport(camera.name, camera.place, since=time.time())

    @property
    def probe(self) -> Probe:
        """The probe whose scores count."""
        return self.by.probe

    @property
    def final(self) -> Localization:
        """The settings of the offline rule."""
        return self.by.rules.final

    @property
    def causal(self) -> Localization:
        """The settings of the rule that raises alerts."""
        return self.by.rules.causal

    @property
    def watching(self) -> bool:
        """Whether it is watched when its schedule says so."""
        return self._report.watching

    def is_due(self, wall: float) -> bool:
        """Tell whether it is watched at the Unix time `wall`."""
        return self.watching and self.camera.schedule.applies(wall)

    def push(self, live: LiveSegment, read: Read, raw: float) -> list[Happening]:
        """Add the next segment with its states and its score; return what happens."""
        happened = self.track.push(live.segment, raw, live.wall, read.values)
        newest = self.track.life.newest
        assert newest is not None, "a segment was pushed"
        end = live.wall + (live.segment.end - live.segment.start) / self.camera.speed
        seen = live.wall + float(live.segment.times[-1] - live.segment.start) / self.camera.speed
        now = time.time()
        self.scores.append((end, newest.smoothed, newest.threshold))
        self._counted(read.source)
        self._report = replace(
            self._report,
            segments=self._report.segments + 1,
            lag_s=max(0.0, now - seen),
            scored_at=now,
            score=newest.smoothed,
            threshold=newest.threshold,
        )
        return happened

    def leave_out(self, *, lost: bool = False) -> list[Happening]:
        """Take note of a segment that is not scored: the run ends there. Return what happens."""
        old = self._report
        if lost:
            self._report = replace(old, lost=old.lost + 1)
        else:
            self._report = replace(old, unwatched=old.unwatched + 1, unwatched_at=time.time())
        return self.track.end_run()

    def watch(self, wanted: bool) -> None:
        """Watch it from now on, or do not."""
        self._report = replace(self._report, watching=wanted)

    def change(self, state: State, detail: str, wall: float) -> CameraState:
        """Take note of a change of its state; return the message about it."""
        self._report = replace(self._report, state=state, detail=detail, since=wall)
        self.ended = self.ended or state == "ended"
        return self.told()

    def told(self) -> CameraState:
        """Return the message about its state."""
        one = self._report
        return CameraState(one.name, one.state, one.since, one.place, one.detail, one.watching)

    def scores_by(self, probe: Probe) -> list[float]:
        """Return the scores of another probe for what is kept of the current run.

        A probe of other sites gets none. Raises ProbeError if a score is not finite.
        """
        kept = self.track.states(_described(self.probe))
        same = kept is not None and probe.sites == self.probe.sites
        return score_values(probe, list(kept.values)) if kept is not None and same else []

    def swap(self, by: ProbeRules, scores: Sequence[float]) -> list[Happening]:
        """Go over to another probe, with what `scores_by` gave for it; return what happens."""
        self.by = by
        return self.track.restart(by.rules, scores)

    def states_between(self, start: float, end: float) -> HiddenStates | None:
        """Return the states kept of a span of the camera's clock; None without any."""
        return self.track.states_between(start, end, _described(self.probe))

    def report(self, counts: SourceCounts | None) -> CameraReport:
        """Return how it is doing; `counts` are those of its source."""
        counts = counts or SourceCounts()
        return replace(
            self._report,
            dropped=counts.dropped,
            open_alerts=len(self.track.life.alerts),
            rested=self.track.life.rested,
            frames_bytes=self.track.frames.bytes,
            connections=counts.connections,
            damaged=counts.damaged,
        )

    def _counted(self, source: HowRead) -> None:
        old, repeated, carried = self._report, source == "repeated", source == "carried"
        counts = (old.repeated + repeated, old.carried + carried)
        self._report = replace(old, repeated=counts[0], carried=counts[1])


def _described(probe: Probe) -> HiddenStates:
    """Return states of no segment at the probe's sites."""
    none = np.empty(0)
    values = np.empty((0, len(probe.sites), probe.width), np.float32)
    return HiddenStates("", probe.recipe, probe.sites, none, none, values, 0.0)
