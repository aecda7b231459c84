"""What a sink gets of the alerts, and what a watcher gives a sink. Knows no sink and no message."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from hiprobe.errors import UsageError
from hiprobe.types.events import SEVERITIES, Severity

Wait = Literal["verified", "none"]
TYPES = ("new", "update", "end", "withdrawn")
WAITS = ("verified", "none")


@dataclass(frozen=True)
class SinkSettings:
    """Which messages of an alert a sink gets, and when.

    `types` are the types of messages. An alert below `min_severity` is not sent; once a sink has
    been told of an alert it also gets what follows, so that it learns of a later check. With `wait`
    "verified" an alert is held until the model has checked it, but for at most `wait_s` seconds,
    and from then until it is explained, but for at most `explain_s` seconds more; the first message
    is then its newest state. Raises UsageError for a value that is not valid.

    >>> phone = SinkSettings(types=("new",), min_severity="medium", wait="verified")
    >>> phone.takes("medium"), phone.takes("low")
    (True, False)
    """

    types: tuple[str, ...] = TYPES
    min_severity: Severity = "low"
    wait: Wait = "none"
    wait_s: float = 30.0
    explain_s: float = 8.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        wrong = [one for one in self.types if one not in TYPES]
        if wrong or not self.types:
            _refuse("types", f"one or more of {', '.join(TYPES)}", wrong or "none")
        if self.min_severity not in SEVERITIES:
            _refuse("min_severity", f"one of {', '.join(SEVERITIES)}", self.min_severity)
        if self.wait not in WAITS:
            _refuse("wait", f"one of {', '.join(WAITS)}", self.wait)
        for name in ("wait_s", "explain_s"):
            if not _is_span(getattr(self, name)):
                _refuse(name, "a number of seconds from 0 to 3600", getattr(self, name))

    def takes(self, severity: str) -> bool:
        """Tell whether an alert of this severity is sent."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.min_severity)

    def changed(self, given: Mapping[str, Any]) -> SinkSettings:
        """Return these settings with the ones `given`; raises UsageError for an unknown name.

        >>> SinkSettings().changed({"wait": "verified"}).wait
        'verified'
        """
        check_names("setting", given, [one.name for one in fields(self)])
        values = dict(given)
        if isinstance(values.get("types"), str):
            _refuse("types", "a list", values["types"])
        return replace(self, **values)


def _is_span(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 3600  # type: ignore[operator,arg-type]


def _refuse(name: str, expected: str, got: object) -> None:
    raise UsageError(f"{name} of a sink must be {expected}, got {str(got)[:80]}")


def check_names(kind: str, given: Mapping[str, Any], known: list[str] | tuple[str, ...]) -> None:
    """Raise UsageError for the first name in `given` that is not `known`.

    >>> check_names("option", {"template": "a.j2"}, ["template"])
    """
    wrong = [name for name in given if name not in known]
    if wrong:
        raise UsageError(
            f"a sink has no {kind} {wrong[0]!r}",
            cure=f"use {', '.join(known)}" if known else "leave it out: this sink has none",
        )


@dataclass(frozen=True)
class Live:
    """What a watcher gives a sink when it opens it.

    `folder` holds the clips and snapshots that messages name. `switch(camera, on)` pauses or
    resumes a camera on behalf of the receiver; it is called from a thread of the sink and returns
    at once.

    >>> live = Live(Path("state"), switch=lambda camera, on: print(camera, on))
    >>> live.switch("yard", False)
    yard False
    """

    folder: Path
    switch: Callable[[str, bool], None] | None = None
