"""Let a camera find its own level from a time in which nothing happens.

The same rule as `fit --false-alarms-per-day`: of events that the offline rule finds, those above
low severity count. Knows no command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.backbones import Backbone
from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import JSON_BYTES, read_regular
from hiprobe.errors import LabelError, StoreError
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.live_items import LiveSegment
from hiprobe.live.watched_camera import OwnLevel
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.localize import Localization, localize
from hiprobe.pipeline import ignore
from hiprobe.probe import Probe
from hiprobe.probe.false_alarm_rate import (
    HOURS_A_DAY,
    FalseAlarmRate,
    check_footage,
    highest_mean,
    level_for_rate,
    threshold_for_rate,
)
from hiprobe.types import Scores

LEVELS, SCHEMA = "levels.json", "hiprobe.levels/1"
LOOK_S = 0.5  # how often it is looked whether the time is over


def fewest_per_day(hours: float) -> float:
    """Return the lowest number of false alarms per day that so many hours can support.

    >>> round(fewest_per_day(72.0), 2)
    1.0
    """
    return highest_mean(0) / hours * HOURS_A_DAY * (1 + 1e-9)


def check_time(wanted: float, hours: float) -> None:
    """Raise LabelError if no footage of so many hours can support `wanted` false alarms per day."""
    if wanted < fewest_per_day(hours) * (1 - 1e-6):
        needed = fewest_per_day(1.0) / wanted
        raise LabelError(
            f"{hours:.3g} hours cannot show less than {fewest_per_day(hours):.3g} false alarms per "
            f"day, {wanted:g} are wanted",
            cure=f"learn for {needed:.3g} hours or longer",
        )


@dataclass
class _Observed:
    """What was seen of one camera: its segments with their scores, and the events at their end."""

    spans: list[tuple[float, float, float]] = field(default_factory=list)
    odds: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end, _ in self.spans)

    def see(self, live: LiveSegment, raw: float) -> None:
        self.spans.append((live.segment.start, live.segment.end, raw))

    def tell(self, alert: Alert) -> None:
        if alert.type == "end" and alert.verification.log_odds is not None:
            self.odds.append(alert.verification.log_odds)

    def scores(self, settings: Localization) -> Scores:
        starts, ends, raw = np.array(self.spans, np.float64).reshape(-1, 3).T
        rule = replace(settings, rule="fixed", threshold=0.0)
        return localize(starts, ends, raw, (), rule)[0]


@dataclass(frozen=True)
class Learning:
    """What is to be learned: at most `wanted` false alarms per day, from `hours` of a camera."""

    camera: Camera
    wanted: float
    hours: float


def learn(
    asked: Learning,
    state: Path,
    model: Backbone,
    probe: Probe,
    options: WatcherOptions,
    report: Callable[[str], object] = ignore,
) -> FalseAlarmRate:
    """Watch a camera for some hours without raising alerts; return the level that was found.

    It holds the state folder meanwhile. Raises LabelError if the time is too short for what is
    wanted, also if less of it could be scored, and the errors of `Watcher`.
    """
    check_time(asked.wanted, asked.hours)
    observed, one = _Observed(), replace(asked.camera, cooldown_s=0.0, threshold=None)
    quiet = replace(
        options,
        looks=LookOptions(explain=False, where=False),
        levels={},
        record=False,
        observe=observed.see,
    )
    outlets = Outlets(tell=observed.tell, report=report)
    with Watcher(Watch((one,), state=state), model, probe, quiet, outlets) as watcher:
        watcher.start()
        while observed.seconds < asked.hours * 3600 and not watcher.wait(LOOK_S):
            pass
    settings = options.localization or probe.localization
    found = _rate(observed, asked.wanted, probe, settings)
    if not found.supported:
        raise LabelError(found.doubt, where=f"camera {one.name}", cure="learn for longer")
    return found


def _rate(
    observed: _Observed, wanted: float, probe: Probe, settings: Localization
) -> FalseAlarmRate:
    scores = observed.scores(settings)
    if probe.verification is None:
        return threshold_for_rate(wanted, [scores], settings)
    check_footage([scores])
    least = probe.verification.at(settings.confirm).threshold
    return level_for_rate(wanted, observed.odds, scores.scored_s / 3600, least)


def level_of(rate: FalseAlarmRate, probe: Probe) -> OwnLevel:
    """Return what a camera has of its own by a rate that was found with a probe."""
    if rate.of_check:
        return OwnLevel(confirm=rate.threshold, source=rate.source)
    return OwnLevel(threshold=rate.threshold, source=rate.source, probe=probe.digest)


def load_levels(state: Path) -> dict[str, OwnLevel]:
    """Return what the cameras of a state folder have learned, by name; raises StoreError.

    >>> load_levels(Path("no-such-folder"))
    {}
    """
    path = state / LEVELS
    if not path.exists():
        return {}
    try:
        values = json.loads(read_regular(path, JSON_BYTES))
        if values["schema"] != SCHEMA:
            raise ValueError(f"the schema must be {SCHEMA}")
        return {str(name): OwnLevel(**_checked(one)) for name, one in values["cameras"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(
            f"not a valid list of levels: {error}", where=path, cure="delete it and learn again"
        ) from error


def keep_level(state: Path, camera: str, level: OwnLevel) -> None:
    """Keep what a camera has learned, beside that of others; raises StoreError."""
    cameras = {**load_levels(state), camera: level}
    kept = {"schema": SCHEMA, "cameras": {name: asdict(one) for name, one in cameras.items()}}
    write_atomic(state / LEVELS, json.dumps(kept, indent=1).encode())


def _checked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("threshold", "confirm"):
        if values[name] is not None:
            Localization(rule="fixed", threshold=float(values[name]))
    return values


def parse_duration(text: str) -> float:
    """Return the hours of a text such as `2h`, `90min` or `3d`; raises ValueError.

    >>> parse_duration("2h"), parse_duration("90min"), parse_duration("3d")
    (2.0, 1.5, 72.0)
    """
    for unit, hours in (("min", 1 / 60), ("h", 1.0), ("d", 24.0), ("s", 1 / 3600)):
        number = text.strip().removesuffix(unit)
        if number != text.strip():
            value = float(number) * hours
            if not 0 < value <= 24 * 365:
                break
            return value
    raise ValueError(f"a time must be like 2h, 90min or 3d, got {text[:40]!r}")
