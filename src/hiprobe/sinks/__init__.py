"""Write events and alerts where other programs read them. One file is one sink, found by its name.

Knows no model and no video, only results and messages. `event_line` is the one place that makes the
published form of an event; that of an alert is made by `live/alert.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from hiprobe import plugins
from hiprobe.disk.atomic import write_atomic
from hiprobe.formats._numbers import number as number
from hiprobe.sinks._settings import TYPES as TYPES
from hiprobe.sinks._settings import Live as Live
from hiprobe.sinks._settings import SinkSettings as SinkSettings
from hiprobe.sinks._targets import shown_target as shown_target
from hiprobe.types import Event, Result, Scores, digest_json, unicode

SCHEMA = "hiprobe.event/2"
ALERT_SCHEMA = "hiprobe.alert/1"
# What only a watcher sends, and no outbox keeps: the newest state counts, an older one is dropped.
SCORE_SCHEMA = "hiprobe.score/1"
CAMERA_SCHEMA = "hiprobe.camera/1"
SCHEMAS = (SCHEMA, ALERT_SCHEMA, SCORE_SCHEMA, CAMERA_SCHEMA)
Line = Mapping[str, Any]
Target = str | PathLike[str]
NO_OPTIONS: Mapping[str, Any] = {}
MEMBERS = ("open", "schemas", "network")


class Sink(Protocol):
    r"""Takes messages until it is closed, by hand or at the end of a `with` block.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "events.jsonl"
    >>> with load("jsonl").open(target) as sink:
    ...     sink.write({"schema": "hiprobe.event/2", "start": 1.6, "end": 4.8})
    >>> target.read_text()
    '{"schema": "hiprobe.event/2", "start": 1.6, "end": 4.8}\n'
    """

    def write(self, line: Line) -> None:
        """Take one message; a sink with `network` returns once the receiver has it.

        Raises SinkFailed if that cannot be done now, and the caller tries again later; UsageError
        if the receiver refuses this message, whatever it is sent after.
        """
        ...

    def close(self) -> None:
        """Write what is left; no more messages follow."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Plugin(Protocol):
    """Opens a sink: a file of this folder, or any object with these members.

    `schemas` are the schemas of the messages that it takes, and `network` says that it hands each
    message to another program at once, where file sinks make one file of all of them. It may also
    have `settings`, the SinkSettings of a watcher that says nothing, and `parts`: SinkSettings by
    the name of a part of the receiver with settings of its own. Its messages then go to
    `write_part(part, line)` of the opened sink. A watcher also uses these, if there are any:
    `check_target(target, options)` raises UsageError for what can never work, before anything is
    opened; `paths` are the options that name a file, with "target" if that does, which are relative
    to the camera file; `reach()` of the opened sink raises SinkFailed if nobody answers there.
    """

    @property
    def schemas(self) -> tuple[str, ...]:
        """The schemas of the messages that the sink takes."""
        ...

    @property
    def network(self) -> bool:
        """Whether messages are sent one by one, and not written as one file."""
        ...

    def open(
        self, target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
    ) -> Sink:
        """Open the sink for `target`: a path, an address, or whatever else the sink writes to.

        The target of a network sink may be `env:NAME`, the environment variable that holds it.
        `options` are the sink's own, and `live` is given by a watcher. An address that cannot be
        reached now is no error here but in `write`. Raises UsageError for a target or options that
        can never work.
        """
        ...


class TextFile:
    """A sink that keeps its lines in memory and writes one whole file when it is closed.

    After an exception in the `with` block no file is written. `render` makes the text of the lines.
    """

    def __init__(self, target: Target, render: Callable[[Sequence[Line]], str]) -> None:
        self.path, self._render = Path(target), render
        self._lines: list[Line] = []

    def write(self, line: Line) -> None:
        """Keep a line for the file."""
        self._lines.append(line)

    def close(self) -> None:
        """Write the file, whole or not at all; raises StoreError."""
        write_atomic(self.path, self._render(self._lines).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def names() -> tuple[str, ...]:
    """Return the sinks that can be loaded by name alone, sorted.

    >>> {"csv", "jsonl", "webvtt"} <= set(names())
    True
    """
    return plugins.names(__path__, __name__)


def load(name: str) -> Plugin:
    """Import the sink `name`: a plug-in or `module:attribute`; raises UsageError if there is none.

    >>> load("webvtt").__name__
    'hiprobe.sinks.webvtt'
    """
    found: Plugin = plugins.load(sys.modules[__name__], "sink", name, MEMBERS)
    return found


def settings_of(plugin: Plugin, part: str = "") -> SinkSettings:
    """Return the settings of a sink, or of a part of it, unless a watcher is told otherwise.

    >>> settings_of(load("jsonl")).wait
    'none'
    """
    found = parts_of(plugin)[part] if part else getattr(plugin, "settings", SinkSettings())
    return found


def parts_of(plugin: Plugin) -> Mapping[str, SinkSettings]:
    """Return the parts of a sink's receiver that have settings of their own, by name.

    >>> sorted(parts_of(load("mqtt")))
    ['alarm']
    """
    found: Mapping[str, SinkSettings] = getattr(plugin, "parts", {})
    return found


def paths_of(plugin: Plugin) -> tuple[str, ...]:
    """Return the options of a sink that name a file, and "target" if that does.

    >>> paths_of(load("jsonl"))
    ('target',)
    """
    found: tuple[str, ...] = getattr(plugin, "paths", ())
    return found


def event_line(result: Result, event: Event) -> dict[str, Any]:
    """Make the published form of an event: JSON values in a fixed order.

    Times are in seconds and numbers have 6 decimals. It contains no time of day and no folder.
    Raises KeyError if the result's provenance lacks `model` or `probe`, and ValueError if the event
    has no finite end.
    """
    model, probe = result.provenance["model"], result.provenance["probe"]
    start, end = number(event.start), number(event.end)
    if start is None or end is None:
        raise ValueError(f"an event to publish must have finite times, got {event}")
    return {
        "schema": SCHEMA,
        "id": digest_json([unicode(result.name), result.video_id, probe, start, end])[:32],
        "video": {
            "name": unicode(result.name),
            "digest": result.video_id,
            "duration": number(result.duration),
            "recorded": result.recorded,
        },
        "start": start,
        "end": end,
        "peak_time": number(event.peak),
        "peak_score": number(event.score),
        "threshold": number(threshold_at(result.scores, event)),
        "severity": event.severity,
        "verification": {
            "result": event.verification.result,
            "log_odds": number(event.verification.log_odds),
        },
        "box": None if event.box is None else [number(value) for value in event.box],
        "label": event.label and unicode(event.label),
        "explanation": event.explanation and unicode(event.explanation),
        "model": {
            "id": model["id"],
            "revision": model["revision"],
            "sites": [str(site) for site in model["sites"]],
        },
        "probe": probe,
    }


def threshold_at(scores: Scores | None, event: Event) -> float | None:
    """Return the threshold of the segment with the event's peak; None if there are no scores.

    An event without a peak is looked up by its start.
    """
    if scores is None or not len(scores.starts):
        return None
    time = event.start if event.peak is None else event.peak
    index = int(np.searchsorted(scores.starts, time + 1e-9, side="right")) - 1
    return float(scores.threshold[max(0, index)])
