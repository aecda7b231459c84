"""`--sink NAME=TARGET`: the events of a whole command, written to sinks found by name."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.errors import HiProbeError, SinkFailed, StoreError, UsageError, counted
from hiprobe.plugins import FAILURES

if TYPE_CHECKING:
    from hiprobe.sinks import Plugin, Sink
    from hiprobe.types import Result

TRIES, RETRY_S = 5, 30.0  # at the end of a command, for a receiver that did not answer before


@dataclass
class GivenSink:
    """One `--sink` option; `shown` is the option without a password.

    A network sink is open during the command; `left` are events that it could not deliver yet, and
    `refused` the errors of those that the receiver does not want.
    """

    shown: str
    plugin: Plugin
    target: str
    sink: Sink | None = None
    left: deque[dict[str, Any]] = field(default_factory=deque)
    refused: list[UsageError] = field(default_factory=list)

    def send(self) -> None:
        """Send what is left to a network sink, in order; stop at the first that fails."""
        while self.left and self.sink is not None:
            try:
                self.sink.write(self.left[0])
            except UsageError as error:
                self.refused.append(error)
            self.left.popleft()

    def send_again(self) -> None:
        """Send what is left, with a few pauses; raises SinkFailed."""
        import stamina

        stamina.instrumentation.set_on_retry_hooks(())  # it would log each pause
        for attempt in stamina.retry_context(on=SinkFailed, attempts=TRIES, timeout=RETRY_S):
            with attempt:
                self.send()

    def close(self) -> None:
        """Close the sink if it is open."""
        if self.sink is not None:
            self.sink.close()
            self.sink = None


class SinkOutput:
    """The sinks that `--sink` options name, found before any work begins.

    They get the alarms, and with `demoted` the demoted events too. File sinks get those of all
    results at the end; a network sink gets those of new results, as each result is there.

    Raises UsageError for an option that is not NAME=TARGET, an unknown sink, one that takes no
    events, and two options with one target, of which the second would overwrite the first.
    """

    def __init__(self, options: Sequence[str], *, demoted: bool = False) -> None:
        self._demoted, self._left_out = demoted, 0
        self._sinks = [_parse(option) for option in options]
        self._lines: dict[str, list[dict[str, Any]]] = {}
        places = [_place(one.target) for one in self._sinks]
        for place, one in zip(places, self._sinks, strict=True):
            if places.count(place) > 1:
                raise UsageError(
                    f"two --sink options write to {_shown(one.target)}",
                    cure="give each its own target",
                )

    @property
    def _network(self) -> list[GivenSink]:
        return [one for one in self._sinks if one.plugin.network]

    def check(self, inputs: Iterable[str | Path], out: str | Path) -> None:
        """Open network sinks, and raise UsageError for an address that cannot be used.

        Also for a file that is an input, one of the results, or no file.
        """
        taken = {_place(str(path)) for path in inputs}
        for one in self._sinks:
            if one.plugin.network:
                _check_installed()
                one.sink = one.plugin.open(one.target)
                continue
            reason = (
                "" if "://" in one.target else target_refusal(Path(one.target), taken, Path(out))
            )
            if reason:
                raise UsageError(f"--sink {one.shown}: {reason}", cure="name a new file as TARGET")

    def add(self, result: Result, *, new: bool = True) -> None:
        """Keep the events of one result for file sinks, and send those of a `new` one."""
        from hiprobe.sinks import event_line

        events = result.events if self._demoted else result.alarms
        if self._sinks and events:
            self._lines[result.name] = [event_line(result, event) for event in events]
        self._left_out += len(result.events) - len(events)
        if new:
            for one in self._network:
                _send(one, self._lines.get(result.name, ()))

    def write(self, names: Iterable[str]) -> None:
        """Write all events to each file sink, in the order of the videos' `names`.

        Network sinks get what they could not deliver before. A line on standard error says how many
        demoted events were left out. Raises StoreError, also for any failure of a sink from
        outside, and SinkFailed for events that were not delivered: the results are kept.
        """
        from hiprobe.cli._terminal import warn
        from hiprobe.report.texts import left_out

        lines = [line for name in names for line in self._lines.get(name, ())]
        for one in self._sinks:
            if not one.plugin.network:
                _write_file(one, lines)
        if self._sinks and self._left_out:
            warn(f"--sink: {left_out(self._left_out, len(lines))}")
        for one in self._network:
            _end(one)


def _check_installed() -> None:
    try:
        import stamina  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"this sink needs {error.name}", cure="pip install 'hiprobe[alerts]'"
        ) from error


def _send(one: GivenSink, lines: Sequence[dict[str, Any]]) -> None:
    """Send events, or say once that they wait until the end of the command."""
    from hiprobe.cli._terminal import warn

    waited = bool(one.left)
    one.left.extend(lines)
    if waited:  # a receiver that is down gets another chance at the end
        return
    try:
        one.send()
    except (HiProbeError, *FAILURES) as error:
        warn(f"--sink {one.shown} failed, and is tried again at the end: {_said(error)}")


def _end(one: GivenSink) -> None:
    """Send what is left, and close the sink; raises SinkFailed if events were not delivered."""
    why: BaseException | None = None
    try:
        if one.left:
            one.send_again()
    except (HiProbeError, *FAILURES) as error:
        why = error
    one.close()
    lost, why = len(one.left) + len(one.refused), why or next(iter(one.refused), None)
    if why is not None:
        raise SinkFailed(
            f"--sink {one.shown}: {counted(lost, 'event')} not delivered: {_said(why)}",
            cure="repair the receiver and do these videos with --again; the results are kept",
        ) from why


def _write_file(one: GivenSink, lines: Sequence[dict[str, Any]]) -> None:
    try:
        with one.plugin.open(one.target) as sink:
            for line in lines:
                sink.write(line)
    except FAILURES as error:
        raise StoreError(
            f"--sink {one.shown} failed: {_said(error)}",
            cure="repair the sink and give the command again; the results are kept",
        ) from error


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, HiProbeError) else f"{type(error).__name__}: {error}"


def _parse(option: str) -> GivenSink:
    from hiprobe import sinks

    name, _, target = option.partition("=")
    if not name or not target:
        raise UsageError(
            f"--sink must be NAME=TARGET, got {_shown(option)!r}",
            cure="write --sink jsonl=events.jsonl",
        )
    plugin = sinks.load(name)
    if sinks.SCHEMA not in plugin.schemas:
        raise UsageError(
            f"the sink {name} takes no events of detect, only alerts", cure="use it with watch"
        )
    return GivenSink(f"{name}={_shown(target)}", plugin, target)


def _shown(target: str) -> str:
    """Return a target without a password, for messages."""
    from hiprobe.sinks import shown_target

    return shown_target(target)


def _place(target: str) -> str:
    """Return a target so that two spellings of one file are equal."""
    return target if "://" in target else str(Path(target).resolve())


def target_refusal(target: Path, taken: set[str], out: Path) -> str:
    """Return why a file may not be a target, or an empty text.

    `taken` are the inputs, resolved, and `out` is the folder of results.
    """
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
