"""The type and the range of every number that may come from a file or a command line: `RANGES`.

A probe, a model folder, a recording or a result may come from a stranger. Each number in it is
checked here, when it is loaded, before anything is computed or allocated from it. Numbers only:
knows no file and no other module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

# A picture counts for this long: a window is a gap if no frame came within this time before its
# end. So a camera that takes one picture a minute works, and no file states hours of windows.
STALE_S = 60.0
FINITE = 1e300  # leaves room for sums
HIGHEST = 1e15  # no score is higher; a page can still draw it
LATEST_S = 1e9  # no recording lasts 31 years


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, that are whole if `whole`; `unit` is their unit.

    >>> Range(1, 1024, whole=True).holds(2.5), Range(0.0, 60.0).holds(2.5)
    (False, True)
    """

    low: float
    high: float
    unit: str = ""
    whole: bool = False

    def holds(self, value: Any) -> bool:
        """Tell whether `value` is such a number: neither True nor False, finite, in the range."""
        kind = Integral if self.whole else Real
        number = isinstance(value, kind) and not isinstance(value, bool)
        return number and bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        if self.high == FINITE:
            return "a finite number"
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:.10g} to {self.high:.10g}{self.unit and ' ' + self.unit}"


def _whole(low: int, high: int, unit: str = "") -> Range:
    return Range(low, high, unit, whole=True)


RANGES: Mapping[str, Range] = {
    # a recipe
    "segment_s": Range(0.01, STALE_S, "seconds"),
    "frames": _whole(1, 1024, "in a segment"),
    "height": _whole(1, 16384, "pixels"),
    "width": _whole(1, 16384, "pixels"),
    "bytes of a window": _whole(1, 2**30),  # the decoder has 4 GiB and works ahead
    "number of prompts": _whole(1, 64),
    # a probe and its sites
    "number of sites": _whole(1, 2**20),
    "layer": _whole(0, 4095),
    "head": _whole(0, 4095),
    "prompt": _whole(0, 63),
    "vector width": _whole(1, 2**20),
    # from scores to events
    "sigma": Range(0.0, 1000.0, "segments"),
    "kappa": Range(0.0, 1e6, "deviations"),
    "warmup": _whole(1, 1_000_000, "segments"),
    "lag": _whole(1, 1_000_000, "segments"),
    "threshold": Range(-HIGHEST, HIGHEST),
    "extend": Range(0.01, 1.0, "of the threshold"),
    "every": _whole(1, 64, "windows"),
    "merge_s": Range(0.0, 86400.0, "seconds"),
    "min_s": Range(0.0, 86400.0, "seconds"),
    "checked segments": _whole(1, 5, "around the peak of an event"),
    "false alarms per day": Range(1e-6, 86400.0),
    # hidden states, results, and what a probe says of itself
    "statement": Range(-FINITE, FINITE),
    "score": Range(-HIGHEST, HIGHEST),
    "start": Range(0.0, LATEST_S, "seconds"),
    "end": Range(0.0, LATEST_S, "seconds"),
    "peak": Range(0.0, LATEST_S, "seconds"),
    "duration": Range(0.0, LATEST_S, "seconds"),
    "damaged packets": _whole(0, 2**53),
    "extra windows": _whole(0, 2**53),
    "pixel value": Range(0.0, 255.0),
    # recordings of another system
    "padding": Range(0.0, 60.0, "seconds"),
    "wait": Range(0.0, 600.0, "seconds"),
    "file bytes": _whole(0, 2**60),
    # a camera file
    "cooldown_s": Range(0.0, 86400.0, "seconds"),
    "speed": Range(0.01, 1000.0, "times real time"),
    "offline_after_s": Range(0.5, 3600.0, "seconds"),
    "frozen_after_s": Range(1.0, 86400.0, "seconds"),
    "before_s": Range(0.0, 300.0, "seconds"),
    "after_s": Range(0.0, 300.0, "seconds"),
    "keep_days": Range(0.01, 36500.0, "days"),
    "keep_unreviewed_days": Range(0.01, 36500.0, "days"),
    "keep_gb": Range(0.001, 1e6, "GB"),
    # a recording
    "frame rate": Range(1e-6, 1000.0, "frames a second"),
    "pixel aspect": Range(0.01, 100.0),
    # a model folder
    "explain_span_s": Range(0.01, 86400.0, "seconds"),
    "blocks": _whole(1, 4096),
    "operations per second": Range(1.0, 1e18),
    "heads": _whole(1, 4096),
    "model width": _whole(1, 2**20),
    "pixels": _whole(1, 2**31),
    "patch": _whole(1, 1024, "pixels"),
    "tokens": _whole(1, 2**24),
    "resampling filter": _whole(1, 3),
    "factor": Range(0.0, 1e6),
    "divisor": Range(1e-6, 1e6),
}


def in_range(name: str, value: Any) -> bool:
    """Tell whether `value` is of the type and in the range of the number `name`.

    >>> in_range("frames", 16), in_range("frames", 2.5), in_range("sigma", float("nan"))
    (True, False, False)
    """
    return RANGES[name].holds(value)


def require(name: str, value: Any, what: str | None = None) -> None:
    """Raise ValueError unless `in_range(name, value)`; `what` names the number, by default `name`.

    >>> require("frames", True)
    Traceback (most recent call last):
    ValueError: frames must be a whole number from 1 to 1024 in a segment, got True
    """
    if not in_range(name, value):
        raise ValueError(f"{what or name} must be {RANGES[name]}, got {_brief(value)}")


def require_all(name: str, values: Any) -> None:
    """Raise ValueError unless each of `values`, a list or an array, is `in_range` of `name`."""
    for value in getattr(values, "tolist", lambda: values)():
        require(name, value)


def _brief(value: Any) -> str:
    """Return `value` as text of at most 80 characters, whatever it is."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return ascii(value)[:80]
