"""What one sink is sent of an alert, message by message. Pure rules: no database, no clock.

A sink is a *route*: it has settings, and per alert it is `unseen`, `held` or `told`. It is held for
the check, and then a moment for the explanation, which comes after it. The first message that a
route sends of an alert is of type `new`, whatever the watcher's message was, and holds the newest
state; so a phone that waits for the check gets one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hiprobe.sinks import SinkSettings

Line = Mapping[str, Any]
Knows = Literal["unseen", "held", "told"]
LAST = ("end", "withdrawn")


@dataclass(frozen=True)
class Decision:
    """What happens with a message: `send` these lines in order, or `hold` this one.

    It is held for `within_s` seconds more at most. Both empty means that the route is not told, and
    forgets what it held.
    """

    send: tuple[Line, ...] = ()
    hold: Line | None = None
    within_s: float = 0.0


def decide(settings: SinkSettings, knows: Knows, line: Line, held: Line | None = None) -> Decision:
    """Decide what a route does with the next message `line` of an alert; `held` is what it holds.

    >>> phone = SinkSettings(types=("new",), wait="verified")
    >>> message = {"type": "new", "severity": "medium", "sequence": 1,
    ...            "verification": {"result": "not_checked"}, "explanation": None}
    >>> decide(phone, "unseen", message).hold == message
    True
    >>> checked = message | {"type": "update", "sequence": 2,
    ...                      "verification": {"result": "confirmed"}, "explanation": "a fall"}
    >>> [(one["type"], one["sequence"]) for one in decide(phone, "held", checked, message).send]
    [('new', 1)]
    """
    if knows == "told":
        return Decision(_wanted(settings, line))
    if settings.wait == "verified" and not is_checked(line):
        return Decision(hold=_as_new(line, held), within_s=settings.wait_s)
    if settings.wait == "verified" and settings.explain_s > 0 and not is_explained(line):
        return Decision(hold=_as_new(line, held), within_s=settings.explain_s)
    return Decision(_first(settings, line, held))


def release(settings: SinkSettings, held: Line) -> Decision:
    """Decide what a route does with the message it holds once the time to wait is over."""
    return Decision(_first(settings, held, held))


def is_checked(line: Line) -> bool:
    """Tell whether no check of the alert is to be waited for any more."""
    return line["verification"]["result"] != "not_checked" or line["type"] in LAST


def is_explained(line: Line) -> bool:
    """Tell whether no explanation is to be waited for any more: one that is rejected gets none."""
    return bool(line["explanation"]) or line["severity"] == "low" or line["type"] in LAST


def _wanted(settings: SinkSettings, line: Line) -> tuple[Line, ...]:
    return (line,) if line["type"] in settings.types else ()


def _first(settings: SinkSettings, line: Line, held: Line | None) -> tuple[Line, ...]:
    """Return what a route is told first of an alert: nothing if it is withdrawn or too low."""
    if not settings.takes(line["severity"]):
        return ()
    if "new" not in settings.types:
        return _wanted(settings, line)
    if line["type"] == "withdrawn":
        return ()
    last = _wanted(settings, line) if line["type"] in LAST else ()
    return (_as_new(line, held), *last)


def _as_new(line: Line, held: Line | None) -> Line:
    """Return the message as the first that a route sends of the alert, under a number of its own.

    An alert that is over needs two: `new` and `end`. The number before the end's is free, as the
    route has sent nothing yet.
    """
    if held is not None:
        return {**line, "type": "new", "sequence": held["sequence"]}
    before = line["sequence"] - (line["type"] in LAST)
    return {**line, "type": "new", "sequence": before}
