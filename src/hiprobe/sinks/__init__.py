"""Where events go: one file per sink, found by its name. Knows no model and no video, only results and lines.

A sink is a module (or object) with `open(target)`, which gives something with `.write(line)` and `.close()`.
`event_line` is the one place where the published form of an event is made.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from hiprobe import plugins
from hiprobe.store import write_atomic
from hiprobe.types import Event, Result, Scores, digest_json

SCHEMA = "hiprobe.event/1"
Line = Mapping[str, Any]
Target = str | PathLike[str]


class Sink(Protocol):
    """Takes event lines, and is closed when there are no more: by the end of a `with`, or by hand."""

    def write(self, line: Line) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Plugin(Protocol):
    """What `load` gives: something that opens a sink."""

    def open(self, target: Target) -> Sink: ...


class TextFile:
    """A sink that holds its lines in memory and writes one whole file when closed, or none after an exception."""

    def __init__(self, target: Target, render: Callable[[Sequence[Line]], str]) -> None:
        self.path, self._render = Path(target), render
        self._lines: list[Line] = []

    def write(self, line: Line) -> None:
        """Keep a line for the file."""
        self._lines.append(line)

    def close(self) -> None:
        """Write the file, atomically; raises StoreError."""
        write_atomic(self.path, self._render(self._lines).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def names() -> tuple[str, ...]:
    """The sinks of this folder, sorted."""
    return plugins.names(__path__)


def load(name: str) -> Plugin:
    """The sink called `name`: a file of this folder, or `module:attribute`; raises UsageError if there is none."""
    return plugins.load(sys.modules[__name__], "sink", name, ("open",))  # type: ignore[no-any-return]


def event_line(result: Result, event: Event) -> dict[str, Any]:
    """The published form of an event: JSON values in a fixed order, times in seconds, numbers to 6 decimals.

    Holds no clock time and no folder. Raises KeyError if the result's provenance lacks `model` or `probe`, and
    ValueError if the event has no finite end.
    """
    model, probe = result.provenance["model"], result.provenance["probe"]
    start, end = number(event.start), number(event.end)
    if start is None or end is None:
        raise ValueError(f"an event to publish needs finite times: {event}")
    return {
        "schema": SCHEMA,
        "id": digest_json([result.video_id, probe, start, end])[:32],
        "video": {
            "name": display_name(result.path),
            "digest": result.video_id,
            "duration": number(result.duration),
        },
        "start": start,
        "end": end,
        "peak_time": number(event.peak),
        "peak_score": number(event.score),
        "threshold": number(threshold_at(result.scores, event)),
        "label": unicode(event.label),
        "explanation": unicode(event.explanation),
        "model": {
            "id": model["id"],
            "revision": model["revision"],
            "sites": [str(site) for site in model["sites"]],
        },
        "probe": probe,
    }


def threshold_at(scores: Scores | None, event: Event) -> float | None:
    """The threshold of the segment that holds the event's peak (its start if it has none); None without scores."""
    if scores is None or not len(scores.starts):
        return None
    time = event.start if event.peak is None else event.peak
    index = int(np.searchsorted(scores.starts, time + 1e-9, side="right")) - 1
    return float(scores.threshold[max(0, index)])


def number(value: float | None) -> float | None:
    """A float of 6 decimals without a negative zero; None for None, NaN and infinity, which JSON has no word for."""
    return None if value is None or not math.isfinite(value) else round(float(value), 6) + 0.0


def unicode(text: str | None) -> str | None:
    """Text that UTF-8 can hold: the lone surrogates of an undecodable file name become U+FFFD."""
    return None if text is None else re.sub("[\ud800-\udfff]", "\ufffd", text)


def display_name(path: str) -> str:
    """The file's name without its folder; of an address only the host, as the rest may hold a password."""
    if "://" in path:
        return re.split("[/?#]", path.partition("://")[2].rpartition("@")[2])[0]
    return unicode(Path(path).name) or path
