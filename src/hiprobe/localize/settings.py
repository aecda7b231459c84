"""The settings that turn scores into events, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from hiprobe.ranges import require

Rule = Literal["calibrated", "fixed", "adaptive", "raised"]
Smoothing = Literal["gaussian", "causal", "median", "none"]

RULES = ("calibrated", "fixed", "adaptive", "raised")
LONGEST_TEXT = 500
SMOOTHINGS = ("gaussian", "causal", "median", "none")


@dataclass(frozen=True)
class Localization:
    """The settings that turn scores into events; part of a probe file.

    - `sigma`: width of the smoothing, in segments; 0 for none. HeadHunt-VAD has 1.5.
    - `rule`: `fixed` uses `threshold` as given, `calibrated` as found when the probe was fitted,
      `adaptive` follows the scores with `kappa`, `warmup` and `lag`: see `RunningThreshold`;
      `raised` is `threshold` or what is unusual for this camera, the higher: `RaisedThreshold`.
    - `merge_s`: events less than this many seconds apart are merged.
    - `min_s`: events shorter than this many seconds are dropped.
    - `smoothing`: `gaussian`, `causal`, `median` or `none`: see `Smoother`.
    - `extend`: an event starts at the threshold and is extended both ways while the score is at
      least this share of it: see `EventTracker`. 1.0 extends nothing.
    - `refine`: whether the windows around each boundary are read again more finely. It changes
      nothing here, as it needs the video.
    - `confirm`: the log-odds from which the model's check confirms an event; None for those of the
      probe. It changes nothing here, as it needs the model.
    - `threshold_from`: where the threshold comes from, in words; not compared.

    All defaults are our own; docs/data/alarms.md has the figures. `named("paper")` is what is known
    of the paper: the rule and the smoothing of its sibling HeadHunt-VAD. Raises ValueError for a
    setting out of range.

    >>> Localization(rule="fixed", threshold=0.65).with_threshold(0.7).threshold
    0.7
    """

    sigma: float = 1.0
    rule: Rule = "calibrated"
    threshold: float | None = None
    kappa: float = 3.0
    warmup: int = 20
    lag: int = 12
    merge_s: float = 2.0
    min_s: float = 1.0
    smoothing: Smoothing = "gaussian"
    extend: float = 0.9
    refine: bool = True
    confirm: float | None = None
    threshold_from: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("sigma", "kappa", "warmup", "lag", "merge_s", "min_s", "extend"):
            require(name, getattr(self, name))
        if self.threshold is not None:
            require("threshold", self.threshold)
        if self.confirm is not None:
            require("threshold", self.confirm, "confirm")
        if self.rule not in RULES:
            raise ValueError(f"the rule must be one of {RULES}, got {self.rule!r}")
        if self.rule in ("fixed", "raised") and self.threshold is None:
            raise ValueError(f"the {self.rule} rule needs a threshold")
        said = self.threshold_from
        if said is not None and not (isinstance(said, str) and len(said) <= LONGEST_TEXT):
            raise ValueError(f"threshold_from must be a short text, got {str(said)[:80]!r}")
        if self.smoothing not in SMOOTHINGS:
            raise ValueError(f"the smoothing must be one of {SMOOTHINGS}, got {self.smoothing!r}")
        if not isinstance(self.refine, bool):
            raise ValueError(f"refine must be true or false, got {self.refine!r}")

    def with_threshold(self, threshold: float, source: str | None = None) -> Localization:
        """Return the same settings with this threshold, and where it comes from, in words."""
        return replace(self, threshold=threshold, threshold_from=source)

    def with_rule_of(self, other: Localization) -> Localization:
        """Return the same settings with the rule and the threshold of `other`."""
        names = ("rule", "threshold", "kappa", "warmup", "lag", "threshold_from")
        return replace(self, **{name: getattr(other, name) for name in names})

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Localization:
        """Build settings from the values of `to_json`; raises TypeError or ValueError.

        Each setting must be there: a default that changed would change what a file means.
        """
        lacking = [one.name for one in fields(cls) if one.name not in values]
        if lacking:
            raise ValueError(f"the localization lacks {', '.join(lacking)}")
        return cls(**values)

    @classmethod
    def named(cls, name: str) -> Localization:
        """Return the settings of this name in `LOCALIZATIONS`; raises ValueError for another name.

        >>> Localization.named("paper").sigma
        1.5
        """
        if name not in LOCALIZATIONS:
            raise ValueError(f"the settings must be one of {tuple(LOCALIZATIONS)}, got {name!r}")
        return LOCALIZATIONS[name]


LOCALIZATIONS: Mapping[str, Localization] = {
    "default": Localization(),
    # As far as HeadHunt-VAD states them: sigma and one threshold with the best F1, both found there
    # on validation videos with frame annotations. Every value is given here, so that a new default
    # does not change it.
    "paper": Localization(
        sigma=1.5,
        rule="calibrated",
        kappa=3.0,
        warmup=20,
        lag=12,
        merge_s=2.0,
        min_s=1.0,
        smoothing="gaussian",
        extend=1.0,
        refine=False,
    ),
}
