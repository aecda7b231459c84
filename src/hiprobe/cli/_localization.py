"""The options that say how scores become events: threshold, smoothing, length, merging."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli._options import check_range

if TYPE_CHECKING:
    from hiprobe.localize import Localization
    from hiprobe.probe import Probe

Threshold = Annotated[
    float | None,
    typer.Option(help="The smoothed score from which on a segment is anomalous."),
]
Sigma = Annotated[
    float | None,
    typer.Option(help="Width of the Gaussian that smooths scores, in segments; 0 for none."),
]
MinLength = Annotated[
    float | None,
    typer.Option("--min-length", help="Drop events shorter than this, in seconds."),
]
Merge = Annotated[
    float | None,
    typer.Option(help="Merge events that are less than this apart, in seconds."),
]


@dataclass(frozen=True)
class EventOptions:
    """The values of these options, None where one was not given."""

    threshold: float | None = None
    sigma: float | None = None
    min_length: float | None = None
    merge: float | None = None

    def over(self, base: Localization) -> Localization:
        """Return `base` with what was given; raises UsageError for a value out of range."""
        self._check()
        given = {"sigma": self.sigma, "min_s": self.min_length, "merge_s": self.merge}
        changes = {name: value for name, value in given.items() if value is not None}
        if self.threshold is not None:
            changes |= {"rule": "fixed", "threshold": self.threshold}  # type: ignore[dict-item]
        return replace(base, **changes)  # type: ignore[arg-type]

    def _check(self) -> None:
        for option, name, value in (
            ("--threshold", "threshold", self.threshold),
            ("--sigma", "sigma", self.sigma),
            ("--min-length", "min_s", self.min_length),
            ("--merge", "merge_s", self.merge),
        ):
            if value is not None:
                check_range(option, name, value)

    def over_probe(self, probe: Probe) -> Localization:
        """Do what `over` does, and say if the threshold was calibrated with other settings."""
        from hiprobe.cli._terminal import warn

        base = probe.localization
        used = self.over(base)
        if used != base and used.rule == "calibrated" and used.threshold is not None:
            warn(
                f"the threshold {used.threshold:.3f} was calibrated with {_described(base)}; "
                f"it is used with {_described(used)}"
            )
        return used


def _described(settings: Localization) -> str:
    return (
        f"sigma {settings.sigma:g}, minimum length {settings.min_s:g} s, "
        f"merging {settings.merge_s:g} s"
    )
