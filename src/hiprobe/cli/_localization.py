"""The options that say how scores become events: threshold, smoothing, extension, merging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli._options import check_range
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.localize import Localization
    from hiprobe.probe import Probe

Threshold = Annotated[
    float | None,
    typer.Option(help="The smoothed score from which on a segment is anomalous."),
]
Named = Annotated[
    str | None,
    typer.Option(
        "--localization",
        metavar="NAME",
        help="Begin with the settings of this name: default, or paper for what is known of the "
        "paper's. The other options come on top.",
    ),
]
SmoothingKind = Annotated[
    str | None,
    typer.Option(
        "--smoothing",
        metavar="KIND",
        help="How scores are smoothed: gaussian, causal (looks back only), median or none.",
    ),
]
Sigma = Annotated[
    float | None,
    typer.Option(help="Width of the smoothing, in segments; 0 for none."),
]
Extend = Annotated[
    float | None,
    typer.Option(
        help="Extend events over the neighbouring segments whose score is at least this share of "
        "the threshold; 1 extends nothing."
    ),
]
MinLength = Annotated[
    float | None,
    typer.Option("--min-length", help="Drop events shorter than this, in seconds."),
]
Merge = Annotated[
    float | None,
    typer.Option(help="Merge events that are less than this apart, in seconds."),
]
Refine = Annotated[
    bool | None,
    typer.Option(
        "--refine/--no-refine",
        help="Read more windows around the start and end of each event, to find them more exactly. "
        "Default: as the probe says.",
    ),
]


Confirm = Annotated[
    float | None,
    typer.Option(
        metavar="LOG-ODDS",
        help="An event is an alarm from these log-odds of yes against no on. Default: as the probe "
        "says.",
    ),
]


@dataclass(frozen=True)
class EventOptions:
    """The values of these options, None where one was not given."""

    threshold: float | None = None
    sigma: float | None = None
    min_length: float | None = None
    merge: float | None = None
    named: str | None = None
    smoothing: str | None = None
    extend: float | None = None
    refine: bool | None = None
    confirm: float | None = None

    def over(self, base: Localization) -> Localization:
        """Return `base` with what was given; raises UsageError for a value out of range.

        Settings by name keep the rule and the threshold of `base`.
        """
        self._check()
        changes: dict[str, Any] = {
            "sigma": self.sigma,
            "min_s": self.min_length,
            "merge_s": self.merge,
            "smoothing": self.smoothing,
            "extend": self.extend,
            "refine": self.refine,
            "confirm": self.confirm,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        if self.threshold is not None:
            from hiprobe.probe.threshold import GIVEN

            changes |= {
                "rule": "fixed",
                "threshold": self.threshold,
                "threshold_from": GIVEN,
            }
        begin = base if self.named is None else base.named(self.named).with_rule_of(base)
        return replace(begin, **changes)

    def _check(self) -> None:
        from hiprobe.localize import LOCALIZATIONS, SMOOTHINGS

        for option, name, value in (
            ("--threshold", "threshold", self.threshold),
            ("--confirm", "threshold", self.confirm),
            ("--sigma", "sigma", self.sigma),
            ("--extend", "extend", self.extend),
            ("--min-length", "min_s", self.min_length),
            ("--merge", "merge_s", self.merge),
        ):
            if value is not None:
                check_range(option, name, value)
        _check_name("--localization", self.named, tuple(LOCALIZATIONS))
        _check_name("--smoothing", self.smoothing, SMOOTHINGS)

    def over_probe(self, probe: Probe) -> Localization:
        """Do what `over` does, and say if the threshold was calibrated with other settings."""
        from hiprobe.cli._terminal import warn

        base = probe.localization
        used = self.over(base)
        # Neither has a part in finding the threshold.
        same = replace(used, refine=base.refine, confirm=base.confirm) == base
        if not same and used.rule == "calibrated" and used.threshold is not None:
            warn(
                f"the threshold {used.threshold:.3f} was calibrated with {_described(base)}; "
                f"it is used with {_described(used)}"
            )
        return used


def _check_name(option: str, value: str | None, names: tuple[str, ...]) -> None:
    if value is not None and value not in names:
        known = f"{', '.join(names[:-1])} or {names[-1]}"
        raise UsageError(f"{option} must be {known}, got {value!r}")


def _described(settings: Localization) -> str:
    """Describe the settings in words; smoothing, extension and refinement unless as by default."""
    return ", ".join(_parts(settings))


def _parts(settings: Localization) -> Iterator[str]:
    usual = settings.named("default")
    if settings.smoothing != usual.smoothing:
        yield "no smoothing" if settings.smoothing == "none" else f"{settings.smoothing} smoothing"
    yield f"sigma {settings.sigma:g}"
    if settings.extend != usual.extend:
        yield f"extension to {settings.extend:g} of the threshold"
    yield f"minimum length {settings.min_s:g} s"
    yield f"merging {settings.merge_s:g} s"
    if settings.refine != usual.refine:
        yield "refined boundaries" if settings.refine else "boundaries as read"
