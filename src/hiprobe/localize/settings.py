"""The settings that turn scores into events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from hiprobe.ranges import require

Rule = Literal["calibrated", "fixed", "adaptive"]

RULES = ("calibrated", "fixed", "adaptive")


@dataclass(frozen=True)
class Localization:
    """The settings that turn scores into events; part of a probe file.

    - `sigma`: width of the Gaussian smoothing, in segments (1.5 as in HeadHunt-VAD).
    - `rule`: `fixed` uses `threshold` as given, `calibrated` as found when the probe was fitted,
      `adaptive` follows the scores with `kappa`, `warmup` and `lag`: see `RunningThreshold`.
    - `merge_s`: events less than this many seconds apart are merged.
    - `min_s`: events shorter than this many seconds are dropped.

    All defaults except `sigma` are our own. Raises ValueError for a setting out of range.

    >>> Localization(rule="fixed", threshold=0.65).with_threshold(0.7).threshold
    0.7
    """

    sigma: float = 1.5
    rule: Rule = "calibrated"
    threshold: float | None = None
    kappa: float = 3.0
    warmup: int = 20
    lag: int = 12
    merge_s: float = 2.0
    min_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sigma", "kappa", "warmup", "lag", "merge_s", "min_s"):
            require(name, getattr(self, name))
        if self.threshold is not None:
            require("threshold", self.threshold)
        if self.rule not in RULES:
            raise ValueError(f"the rule must be one of {RULES}, got {self.rule!r}")
        if self.rule == "fixed" and self.threshold is None:
            raise ValueError("the fixed rule needs a threshold")

    def with_threshold(self, threshold: float) -> Localization:
        """Return the same settings with this threshold."""
        return replace(self, threshold=threshold)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Localization:
        """Build settings from the values of `to_json`; raises TypeError or ValueError."""
        return cls(**values)
