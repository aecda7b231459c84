"""`--sink NAME=TARGET`: the events of a whole command, written to sinks found by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.sinks import Plugin
    from hiprobe.types import Result


class SinkOutput:
    """The sinks that `--sink` options name, found before any work begins.

    Raises UsageError for an option that is not NAME=TARGET, an unknown sink, and two options with
    one target, of which the second would overwrite the first.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._sinks = [_parse(option) for option in options]
        self._lines: dict[str, list[dict[str, Any]]] = {}
        targets = [target for _, target in self._sinks]
        for target in targets:
            if targets.count(target) > 1:
                raise UsageError(
                    f"two --sink options write to {target}", cure="give each its own target"
                )

    def add(self, result: Result) -> None:
        """Keep the events of one result, finished now or by an earlier command."""
        from hiprobe.sinks import event_line

        if self._sinks and result.events:
            self._lines[result.path] = [event_line(result, event) for event in result.events]

    def write(self, paths: Iterable[str | Path]) -> None:
        """Write all events to each sink, in the order of the videos' `paths`; raises StoreError."""
        lines = [line for path in paths for line in self._lines.get(str(path), ())]
        for plugin, target in self._sinks:
            with plugin.open(target) as sink:
                for line in lines:
                    sink.write(line)


def _parse(option: str) -> tuple[Plugin, str]:
    from hiprobe import sinks

    name, _, target = option.partition("=")
    if not name or not target:
        raise UsageError(
            f"--sink must be NAME=TARGET, got {option!r}", cure="write --sink jsonl=events.jsonl"
        )
    return sinks.load(name), target
