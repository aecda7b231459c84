"""Check a sink: what it does with event lines, hostile text, an exception, and no line at all."""

from __future__ import annotations

import copy
import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from hiprobe import sinks
from hiprobe.checks.promises import Broken, lacking, run_checks, title
from hiprobe.sinks import SCHEMA, Line

_HOSTILE = (
    "a person falls",
    "=1+1",
    "one\r\n\r\ntwo",
    "</script><script>alert(1)</script>",
    "00:00.000 --> 99:00.000\n\nWEBVTT",
    "\x00\x1b[31m\u2028\u202e\ufffd",
    "",
)


class SinkTrial:
    """A sink's plug-in and where it writes: to `target`, or to new files below `folder`."""

    def __init__(self, plugin: Any, target: str | None, folder: Path) -> None:
        self.plugin = plugin
        self._target, self._folder = target, folder

    def target(self, name: str) -> str:
        """Where to write: the author's target, or the file `name` that does not exist yet."""
        return self._target or str(self._folder / name / "events.out")

    def written(self, name: str, lines: list[Line]) -> bytes | None:
        """Write `lines` in a `with` block: the bytes of the file, None if the sink makes none."""
        target = Path(self.target(name))
        with self.plugin.open(str(target)) as sink:
            for one in lines:
                sink.write(one)
        return target.read_bytes() if self._target is None and target.is_file() else None

    @cached_property
    def writes_files(self) -> bool:
        """Whether the sink makes a file at its target."""
        return self._target is None and self.written("kind", [_line()]) is not None


def _line(text: str | None = "a person falls", start: float = 1.6) -> dict[str, Any]:
    """Return an event as it is published, with `text` wherever free text is allowed."""
    return {
        "schema": SCHEMA,
        "id": f"{int(start * 10):032x}",
        "video": {"name": "shop.mp4", "digest": "9c" * 32, "duration": 9.6, "recorded": None},
        "start": start,
        "end": start + 3.2,
        "peak_time": start + 1.0,
        "peak_score": 0.7,
        "threshold": 0.6,
        "severity": "medium",
        "verification": {"result": "confirmed", "log_odds": 1.25},
        "box": [0.25, 0.5, 0.25, 0.25],
        "label": text,
        "explanation": text,
        "model": {"id": "embedded", "revision": None, "sites": ["residual/layer3/prompt0"]},
        "probe": "5f" * 32,
    }


def _bare() -> dict[str, Any]:
    """Return an event of which only the span is known."""
    names = ("peak_time", "peak_score", "threshold", "box", "label", "explanation")
    asked = {"result": "not_checked", "log_odds": None}
    return {**_line(), **dict.fromkeys(names), "verification": asked}


def check_sink(sink: Any, target: str | None = None) -> list[str]:
    """Check a sink, given by name or as an object with `open`; return the promises it keeps.

    Without `target` it writes files in a temporary folder; a sink that does not write files needs a
    target. Raises BrokenPromise for the first promise it breaks, UsageError for an unknown name.

    >>> check_sink("jsonl")[:3]
    ['it has every member', 'it opens something to write and close', 'it takes every event line']
    """
    found = sinks.load(sink) if isinstance(sink, str) else sink
    with tempfile.TemporaryDirectory(prefix="hiprobe-checks-") as folder:
        trial = SinkTrial(found, target, Path(folder))
        kept = run_checks(title("sink", sink), trial, _CHECKS)
        more = _OF_FILES if trial.writes_files else ()
        return kept + run_checks(title("sink", sink), trial, more)


def _it_has_every_member(trial: SinkTrial) -> Broken | None:
    return lacking(trial.plugin, ("open",))


def _it_opens_something_to_write_and_close(trial: SinkTrial) -> Broken | None:
    sink = trial.plugin.open(trial.target("members"))
    broken = lacking(sink, ("write", "close", "__enter__", "__exit__"))
    if broken is None:
        sink.close()
    return broken


def _it_takes_every_event_line(trial: SinkTrial) -> Broken | None:
    trial.written("every", [_bare(), *(_line(text) for text in _HOSTILE)])
    return None


def _it_leaves_a_line_as_it_is(trial: SinkTrial) -> Broken | None:
    given = _line("=1\r\n")
    before = copy.deepcopy(given)
    trial.written("same", [given])
    if json.dumps(given) != json.dumps(before):
        return Broken("write changed the line it was given", "work on a copy")
    return None


def _it_writes_a_file_without_events(trial: SinkTrial) -> Broken | None:
    if trial.written("none", []) is None:
        return Broken(
            "no file is written if there are no lines", "write an empty table or list on close"
        )
    return None


def _the_same_lines_make_the_same_bytes(trial: SinkTrial) -> Broken | None:
    lines: list[Line] = [_line(text, start) for start, text in enumerate(_HOSTILE)]
    if trial.written("one", lines) != trial.written("two", lines):
        return Broken("two files of the same lines differ", "write no clock time and no target")
    return None


def _its_file_is_utf8(trial: SinkTrial) -> Broken | None:
    data = trial.written("text", [_line(text) for text in _HOSTILE]) or b""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return Broken(str(error), "encode text as UTF-8")
    return None


def _nothing_is_written_before_it_is_closed(trial: SinkTrial) -> Broken | None:
    target = Path(trial.target("early"))
    sink = trial.plugin.open(str(target))
    sink.write(_line())
    early = target.exists()
    sink.close()
    if early:
        return Broken("the file is there before close", "keep the lines and write on close")
    return None


def _an_exception_leaves_the_file_as_it_was(trial: SinkTrial) -> Broken | None:
    before, target = trial.written("failed", [_line()]), Path(trial.target("failed"))
    try:
        with trial.plugin.open(str(target)) as sink:
            sink.write(_line("another", start=5.0))
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    if not target.is_file() or target.read_bytes() != before:
        return Broken("a half-written file replaced it", "do not write after an exception")
    return None


def _it_leaves_no_other_file(trial: SinkTrial) -> Broken | None:
    trial.written("alone", [_line()])
    target = Path(trial.target("alone"))
    other = sorted(path.name for path in target.parent.iterdir() if path != target)
    return (
        Broken(f"it left {', '.join(other)}", "remove what it made on the way") if other else None
    )


_CHECKS = (
    _it_has_every_member,
    _it_opens_something_to_write_and_close,
    _it_takes_every_event_line,
    _it_leaves_a_line_as_it_is,
)
_OF_FILES = (
    _it_writes_a_file_without_events,
    _the_same_lines_make_the_same_bytes,
    _its_file_is_utf8,
    _nothing_is_written_before_it_is_closed,
    _an_exception_leaves_the_file_as_it_was,
    _it_leaves_no_other_file,
)
