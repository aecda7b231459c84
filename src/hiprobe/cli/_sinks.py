"""`--sink NAME=TARGET`: the events of a whole command, written to sinks found by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.errors import StoreError, UsageError
from hiprobe.plugins import FAILURES

if TYPE_CHECKING:
    from hiprobe.sinks import Plugin
    from hiprobe.types import Result


class SinkOutput:
    """The sinks that `--sink` options name, found before any work begins.

    They get the alarms, and with `demoted` the demoted events too.

    Raises UsageError for an option that is not NAME=TARGET, an unknown sink, and two options with
    one target, of which the second would overwrite the first.
    """

    def __init__(self, options: Sequence[str], *, demoted: bool = False) -> None:
        self._demoted, self._left_out = demoted, 0
        self._sinks = [(option, *_parse(option)) for option in options]
        self._lines: dict[str, list[dict[str, Any]]] = {}
        places = [_place(target) for _, _, target in self._sinks]
        for place, (_, _, target) in zip(places, self._sinks, strict=True):
            if places.count(place) > 1:
                raise UsageError(
                    f"two --sink options write to {target}", cure="give each its own target"
                )

    def check(self, inputs: Iterable[str | Path], out: str | Path) -> None:
        """Raise UsageError for a target that is an input, a file of the results, or no file."""
        taken = {_place(str(path)) for path in inputs}
        for option, _, target in self._sinks:
            reason = "" if "://" in target else _refusal(Path(target), taken, Path(out))
            if reason:
                raise UsageError(f"--sink {option}: {reason}", cure="name a new file as TARGET")

    def add(self, result: Result) -> None:
        """Keep the events of one result, finished now or by an earlier command."""
        from hiprobe.sinks import event_line

        events = result.events if self._demoted else result.alarms
        if self._sinks and events:
            self._lines[result.name] = [event_line(result, event) for event in events]
        self._left_out += len(result.events) - len(events)

    def write(self, names: Iterable[str]) -> None:
        """Write all events to each sink, in the order of the videos' `names`.

        A line on standard error says how many demoted events they did not get. Raises StoreError,
        also for any failure of a sink from outside: the results are kept.
        """
        from hiprobe.cli._terminal import warn
        from hiprobe.report.texts import left_out

        lines = [line for name in names for line in self._lines.get(name, ())]
        for option, plugin, target in self._sinks:
            try:
                with plugin.open(target) as sink:
                    for line in lines:
                        sink.write(line)
            except FAILURES as error:
                raise StoreError(
                    f"--sink {option} failed: {type(error).__name__}: {error}",
                    cure="repair the sink and give the command again; the results are kept",
                ) from error
        if self._sinks and self._left_out:
            warn(f"--sink: {left_out(self._left_out, len(lines))}")


def _parse(option: str) -> tuple[Plugin, str]:
    from hiprobe import sinks

    name, _, target = option.partition("=")
    if not name or not target:
        raise UsageError(
            f"--sink must be NAME=TARGET, got {option!r}", cure="write --sink jsonl=events.jsonl"
        )
    return sinks.load(name), target


def _place(target: str) -> str:
    """Return a target so that two spellings of one file are equal."""
    return target if "://" in target else str(Path(target).resolve())


def _refusal(target: Path, taken: set[str], out: Path) -> str:
    """Return why a file may not be a target, or an empty text."""
    from hiprobe.store import MANIFEST

    place, folder = target.resolve(), out.resolve()
    if str(place) in taken:
        return "the target is an input of this command"
    inside = place.relative_to(folder).parts if place.is_relative_to(folder) else ()
    if len(inside) > 1 or inside in ((MANIFEST,),) or any(name.startswith(".") for name in inside):
        return f"the target is among the results in {out}"
    if target.exists() and not target.is_file():
        return "the target is not a regular file"
    parent = next(one for one in place.parents if one.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        return f"no file can be made in {parent}"
    return ""
