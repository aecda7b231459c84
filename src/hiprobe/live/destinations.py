"""The sinks of a watcher: what is sent where, and how each is doing. Knows no thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hiprobe import sinks
from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks import ALERT_SCHEMA, Live, Plugin, Sink, SinkSettings

PART = "."  # between the name of a sink and its part


@dataclass(frozen=True)
class Destination:
    """A sink of a watcher: what is sent where, and when.

    `name` is the sink's own in the outbox and in reports; `sink` is the plug-in. `settings`, those
    of `SinkSettings`, replace those of the plug-in, and `parts` those of its parts. Raises
    UsageError for a plug-in that takes no alerts, and for settings that are not valid.

    >>> phone = Destination("phone", "apprise", "ntfy://topic", {"min_severity": "high"})
    >>> phone.routes()["phone"].min_severity, phone.routes()["phone"].wait
    ('high', 'verified')
    """

    name: str
    sink: str
    target: str = field(repr=False)  # it may hold a password
    settings: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.name or PART in self.name:
            raise UsageError(f"a sink's name must not be empty or hold a dot, got {self.name!r}")
        if ALERT_SCHEMA not in self.plugin.schemas:
            raise UsageError(
                f"the sink {self.sink} takes no alerts", cure="use it with hiprobe detect --sink"
            )
        self.routes()

    @property
    def plugin(self) -> Plugin:
        """The plug-in; raises UsageError if there is none of this name."""
        return sinks.load(self.sink)

    @property
    def shown(self) -> str:
        """The address as people may see it."""
        return sinks.shown_target(self.target)

    def routes(self, verified: bool = True, explained: bool = True) -> dict[str, SinkSettings]:
        """Return the settings of the sink and its parts by their names in the outbox.

        Without `verified` no alert is ever checked, so that none waits for it; without `explained`
        none waits for words.
        """
        plugin = self.plugin
        known = sinks.parts_of(plugin)
        wrong = set(self.parts) - set(known)
        if wrong:
            raise UsageError(f"the sink {self.sink} has no part {min(wrong)!r}")
        routes = {self.name: sinks.settings_of(plugin).changed(self.settings)}
        for part, settings in known.items():
            routes[f"{self.name}{PART}{part}"] = settings.changed(self.parts.get(part, {}))
        waits: dict[str, Any] = {} if verified else {"wait": "none"}
        waits |= {} if explained else {"explain_s": 0.0}
        return {route: settings.changed(waits) for route, settings in routes.items()}

    def check(self) -> None:
        """Raise UsageError for a target or options that can never be used, if the sink can tell.

        Nothing is sent, and nothing is connected to.
        """
        check = getattr(self.plugin, "check_target", None)
        if check is None:
            return
        try:
            check(self.target, self.options)
        except UsageError as error:
            where = error.where if error.where is not None else f"sink {self.name}"
            raise UsageError(error.reason, where=where, cure=error.cure) from error

    def opened(self, live: Live) -> Sink | None:
        """Open the sink, None if it cannot be opened now.

        Raises UsageError for a target or options that can never be used.
        """
        try:
            return self.plugin.open(self.target, self.options, live)
        except (SinkFailed, OSError):
            return None


@dataclass(frozen=True)
class SinkState:
    """The state of one sink: whether it works, and what waits for it.

    `reason` says why it fails, None if it does not; `waiting` messages are not delivered yet, the
    first of them since `oldest` (Unix time); `delivered`, `failures` and `refused` count since the
    start.
    """

    name: str
    sink: str
    address: str
    reason: str | None = None
    waiting: int = 0
    oldest: float | None = None
    delivered: int = 0
    failures: int = 0
    refused: int = 0


def check_sink_names(destinations: Sequence[Destination]) -> None:
    """Raise UsageError for two sinks of one name.

    >>> check_sink_names([Destination("log", "jsonl", "alerts.jsonl")])
    """
    names = [one.name for one in destinations]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"two sinks are named {twice[0]!r}", cure="give each its own name")
