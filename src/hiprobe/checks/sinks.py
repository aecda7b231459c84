"""Check a sink: what it does with messages, hostile text, an exception, and a dead receiver."""

from __future__ import annotations

import copy
import json
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from hiprobe import sinks
from hiprobe.checks.promises import Broken, lacking, refusal, run_checks, title
from hiprobe.errors import SinkFailed, UsageError
from hiprobe.live.alert import Alert, CameraState, score_line
from hiprobe.sinks import ALERT_SCHEMA, SCHEMA, SCHEMAS, Line, Live
from hiprobe.types import Verification

_HOSTILE = (
    "a person falls",
    "=1+1",
    "one\r\n\r\ntwo",
    "</script><script>alert(1)</script>",
    "00:00.000 --> 99:00.000\n\nWEBVTT",
    "\x00\x1b[31m\u2028\u202e\ufffd",
    "",
)
_TOLD_WITHIN_S = 30.0  # that a receiver cannot be reached
PASSWORD = "not-to-be-shown"


class SinkTrial:
    """A sink's plug-in and where it writes: to `target`, or to new files below `folder`.

    `unreachable` is an address of its kind that nobody answers.
    """

    def __init__(
        self, plugin: Any, target: str | None, folder: Path, unreachable: str | None = None
    ) -> None:
        self.plugin, self.unreachable = plugin, unreachable
        self._target, self.live = target, Live(folder)

    @property
    def has_target(self) -> bool:
        """Whether the author gave a target, at which no file is expected."""
        return self._target is not None

    def target(self, name: str) -> str:
        """Where to write: the author's target, or the file `name` that does not exist yet."""
        return self._target or str(self.live.folder / name / "events.out")

    def written(self, name: str, lines: list[Line]) -> bytes | None:
        """Write `lines` in a `with` block: the bytes of the file, None if the sink makes none."""
        target = Path(self.target(name))
        with self.plugin.open(self.target(name)) as sink:
            for one in lines:
                sink.write(one)
        return target.read_bytes() if self._target is None and target.is_file() else None

    def sent(self, name: str, lines: list[Line]) -> None:
        """Write `lines` as a watcher does, to the sink and to each of its parts."""
        with self.plugin.open(self.target(name), {}, self.live) as sink:
            for one in lines:
                sink.write(one)
                for part in sinks.parts_of(self.plugin) if one["schema"] == ALERT_SCHEMA else ():
                    sink.write_part(part, one)

    def takes(self, schema: str) -> bool:
        """Whether the sink takes messages of a schema."""
        return schema in self.plugin.schemas

    def message(self) -> Line:
        """Return a message that the sink takes."""
        return _alerts()[0] if self.takes(ALERT_SCHEMA) else _line()

    @cached_property
    def unreached(self) -> tuple[BaseException | None, float]:
        """Write to the address that nobody answers: the exception, and after how many seconds."""
        began = time.monotonic()
        with self.plugin.open(self.unreachable, {}, self.live) as sink:
            try:
                sink.write(self.message())
            except (SinkFailed, UsageError, OSError) as error:
                return error, time.monotonic() - began
        return None, time.monotonic() - began

    @cached_property
    def writes_files(self) -> bool:
        """Whether the sink makes a file of events at its target."""
        return (
            not self.has_target
            and self.takes(SCHEMA)
            and self.written("kind", [_line()]) is not None
        )


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


def _alerts(text: str = "a person falls") -> list[Line]:
    """Return the messages of two alerts as they are published: one of each type."""
    known: dict[str, Any] = {"peak": 11.0, "score": 0.7, "threshold": 0.6, "label": text}
    known |= {"explanation": text, "verification": Verification("confirmed", 1.25)}
    known |= {"box": (0.25, 0.5, 0.25, 0.25), "snapshot": "gone.jpg"}
    made = [
        Alert("a1", "new", "yard 1/2", 10.0, 11.6, sequence=1),
        Alert("a1", "update", "yard 1/2", 10.0, 13.2, sequence=2, **known),
        Alert("a1", "end", "yard 1/2", 10.0, 12.4, sequence=3, provisional=False, **known),
        Alert("a2", "new", "door", 20.0, 21.6, severity="high", sequence=1),
        Alert("a2", "withdrawn", "door", 20.0, 21.6, severity="low", sequence=2),
    ]
    return [one.line() for one in made]


def check_sink(
    sink: Any, target: str | None = None, *, unreachable: str | None = None
) -> list[str]:
    """Check a sink, given by name or as an object; return the promises it keeps.

    Without `target` it writes files in a temporary folder; a sink that does not write files needs a
    target. For a network sink give an address that nobody answers as `unreachable`, with
    `not-to-be-shown` as its password. Raises BrokenPromise for the first promise it breaks,
    UsageError for an unknown name.

    >>> check_sink("jsonl")[:2]
    ['it has every member', 'it says which messages it takes']
    """
    found = sinks.load(sink) if isinstance(sink, str) else sink
    with tempfile.TemporaryDirectory(prefix="hiprobe-checks-") as folder:
        trial = SinkTrial(found, target, Path(folder), unreachable)
        name = title("sink", sink)
        kept = run_checks(name, trial, _CHECKS)
        for takes, checks in ((SCHEMA, _OF_EVENTS), (ALERT_SCHEMA, _OF_ALERTS)):
            kept += run_checks(name, trial, checks if trial.takes(takes) else ())
        kept += run_checks(name, trial, _OF_FILES if trial.writes_files else ())
        reaches_out = found.network and unreachable is not None
        return kept + run_checks(name, trial, _OF_NETWORK if reaches_out else ())


def _it_has_every_member(trial: SinkTrial) -> Broken | None:
    return lacking(trial.plugin, sinks.MEMBERS)


def _it_says_which_messages_it_takes(trial: SinkTrial) -> Broken | None:
    schemas, network = trial.plugin.schemas, trial.plugin.network
    if not isinstance(schemas, tuple) or not schemas or not set(schemas) <= set(SCHEMAS):
        return Broken(f"its schemas are {schemas}", f"give a tuple of some of {', '.join(SCHEMAS)}")
    if not isinstance(network, bool):
        return Broken(f"network is {network!r}", "set it to True or False")
    return None


def _it_opens_something_to_write_and_close(trial: SinkTrial) -> Broken | None:
    sink = trial.plugin.open(trial.target("members"))
    parts = ("write_part",) if sinks.parts_of(trial.plugin) else ()
    broken = lacking(sink, ("write", "close", "__enter__", "__exit__", *parts))
    if broken is None:
        sink.close()
    return broken


def _it_leaves_a_line_as_it_is(trial: SinkTrial) -> Broken | None:
    given = dict(trial.message(), label="=1\r\n")
    before = copy.deepcopy(given)
    trial.written("same", [given])
    if json.dumps(given) != json.dumps(before):
        return Broken("write changed the line it was given", "work on a copy")
    return None


def _it_takes_every_event_line(trial: SinkTrial) -> Broken | None:
    trial.written("every", [_bare(), *(_line(text) for text in _HOSTILE)])
    return None


def _it_takes_every_alert_message(trial: SinkTrial) -> Broken | None:
    trial.sent("alerts", [line for text in _HOSTILE for line in _alerts(text)])
    return None


def _it_takes_scores_and_states_if_it_says_so(trial: SinkTrial) -> Broken | None:
    state = CameraState("door", "offline", 10.0, place="hall", detail="no packets for 15 s")
    lines = [state.line(), score_line("door", 11.6, 0.25, 0.5)]
    trial.sent("states", [line for line in lines if trial.takes(line["schema"])])
    return None


def _it_refuses_an_option_that_it_does_not_have(trial: SinkTrial) -> Broken | None:
    target = trial.target("options")
    return refusal(
        lambda: trial.plugin.open(target, {"no_such_option": 1}, trial.live), "an unknown option"
    )


def _its_settings_are_sink_settings(trial: SinkTrial) -> Broken | None:
    own = [sinks.settings_of(trial.plugin), *sinks.parts_of(trial.plugin).values()]
    wrong = [one for one in own if not isinstance(one, sinks.SinkSettings)]
    return Broken(f"its settings are {wrong[0]!r}", "make them SinkSettings") if wrong else None


def _an_alert_is_in_the_file_when_write_returns(trial: SinkTrial) -> Broken | None:
    target = Path(trial.target("at once"))
    if trial.plugin.network or trial.has_target:
        return None
    with trial.plugin.open(str(target), {}, trial.live) as sink:
        sink.write(_alerts()[0])
        early = target.read_bytes() if target.is_file() else b""
        sink.write(_alerts()[1])
        if not early or not target.read_bytes().startswith(early):
            return Broken("the file does not grow with each alert", "append if `live` is given")
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


def _a_receiver_that_is_away_is_a_failure_with_a_name(trial: SinkTrial) -> Broken | None:
    error, took = trial.unreached
    if not isinstance(error, SinkFailed):
        return Broken(f"write raised {type(error).__name__}", "raise SinkFailed from write")
    if took > _TOLD_WITHIN_S:
        return Broken(f"write took {took:.0f} s", f"give up within {_TOLD_WITHIN_S:.0f} s")
    return None


def _an_error_shows_no_password(trial: SinkTrial) -> Broken | None:
    shown, error = "", trial.unreached[0]
    while error is not None:
        shown, error = f"{shown} {error!r}", error.__cause__
    if PASSWORD in shown:
        return Broken("an error shows the password", "use sinks.shown_target, and `from None`")
    return None


_CHECKS = (
    _it_has_every_member,
    _it_says_which_messages_it_takes,
    _it_opens_something_to_write_and_close,
    _it_leaves_a_line_as_it_is,
)
_OF_EVENTS = (_it_takes_every_event_line,)
_OF_ALERTS = (
    _it_takes_every_alert_message,
    _it_takes_scores_and_states_if_it_says_so,
    _it_refuses_an_option_that_it_does_not_have,
    _its_settings_are_sink_settings,
    _an_alert_is_in_the_file_when_write_returns,
)
_OF_FILES = (
    _it_writes_a_file_without_events,
    _the_same_lines_make_the_same_bytes,
    _its_file_is_utf8,
    _nothing_is_written_before_it_is_closed,
    _an_exception_leaves_the_file_as_it_was,
    _it_leaves_no_other_file,
)
_OF_NETWORK = (
    _a_receiver_that_is_away_is_a_failure_with_a_name,
    _an_error_shows_no_password,
)
