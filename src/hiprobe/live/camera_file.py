"""The TOML file of a watcher: its keys and their types, and errors that name file, key and cure.

Knows no stream; `cameras` says what the values mean.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hiprobe import sinks
from hiprobe.disk.regular import read_regular
from hiprobe.errors import UsageError
from hiprobe.hub import HubPlace
from hiprobe.live.address import kind_of
from hiprobe.live.cameras import (
    STATE,
    Camera,
    ClipSettings,
    SeverityRule,
    SinkEntry,
    Watch,
)
from hiprobe.live.regions import Regions
from hiprobe.live.schedules import EXAMPLE, Schedule

FILE_BYTES = 1 << 20
SINK_SETTINGS = ("types", "min_severity", "wait", "wait_s", "explain_s")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
Made = TypeVar("Made")


class Table(BaseModel):
    """A table of the file. A key that it does not name is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class HighTable(Table):
    """The values of `severity` that are not a word."""

    above: float | None = None
    schedule: list[str] | str | None = None


class CameraDefaults(Table):
    """The keys of `[defaults]`: those of every camera that has no key of its own."""

    place: str | None = None
    schedule: list[str] | str | None = None
    cooldown_s: float | None = None
    severity: Literal["medium", "high"] | HighTable | None = None
    ignore: list[list[list[float]]] | None = None
    threshold: float | None = None
    still: Literal["read", "skip"] | None = None
    clips: bool | None = None
    transport: Literal["tcp", "udp"] | None = None
    offline_after_s: float | None = None
    frozen_after_s: float | None = None


class CameraTable(CameraDefaults):
    """The keys of a `[[camera]]`."""

    name: str
    url: str
    speed: float | None = None


class SinkTable(Table):
    """The keys of a `[[sink]]`."""

    name: str | None = None
    sink: str
    target: str
    types: list[str] | None = None
    min_severity: str | None = None
    wait: str | None = None
    wait_s: float | None = None
    explain_s: float | None = None
    parts: dict[str, dict[str, Any]] | None = None
    options: dict[str, Any] | None = None


class ClipTable(Table):
    """The keys of `[clips]`."""

    before_s: float | None = None
    after_s: float | None = None
    keep_days: float | None = None
    keep_unreviewed_days: float | None = None
    keep_gb: float | None = None


class WatchTable(Table):
    """The keys of the whole file."""

    camera: list[CameraTable]
    sink: list[SinkTable] = Field(default_factory=list)
    defaults: CameraDefaults = Field(default_factory=CameraDefaults)
    clips: ClipTable = Field(default_factory=ClipTable)
    state: str = STATE
    probe: str | None = None
    model: str | None = None
    timezone: str | None = None


def read_watch(path: Path) -> Watch:
    """Read the file; raises UsageError."""
    given = _parsed(path)
    try:
        table = WatchTable.model_validate(given)
    except ValidationError as error:
        raise _wrong_key(path, given, error) from None  # the cause would show values
    zone = _zone(path, table.timezone)
    cameras = tuple(_camera(path, table, index, zone) for index in range(len(table.camera)))
    clips = _made(path, "clips", lambda: ClipSettings(**_set_keys(table.clips)))
    return _made(
        path,
        "",
        lambda: Watch(
            cameras,
            tuple(_sink(path, one) for one in table.sink),
            path.parent / table.state,
            None if table.probe is None else _probe(path, table.probe),
            table.model,
            clips,
        ),
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path, FILE_BYTES).decode())
    except FileNotFoundError as error:
        raise UsageError("no such file", where=path, cure="check the path") from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path) from error
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8 text", where=path, cure="save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        cure = "correct it; texts need quotes"
        raise UsageError(f"not valid TOML: {error}", where=path, cure=cure) from error


def _made(path: Path, key: str, make: Callable[[], Made]) -> Made:
    """Return what `make` returns; its ValueError or UsageError becomes one that names the key."""
    at = f"{key}: " if key else ""
    try:
        return make()
    except UsageError as error:
        raise UsageError(f"{at}{error.reason}", where=path, cure=error.cure) from None
    except ValueError as error:
        raise UsageError(f"{at}{error}", where=path, cure="correct it") from None


def _camera(path: Path, table: WatchTable, index: int, zone: tzinfo | None) -> Camera:
    own = table.camera[index]
    keys = _set_keys(table.defaults) | _set_keys(own)
    place = f"camera {own.name[:80]!r}"

    def read(key: str, make: Callable[[Any], Made]) -> None:
        if key in keys:
            keys[key] = _made(path, f"{place}: {key}", lambda: make(keys[key]))

    read("url", lambda url: _address(url, path))
    read("schedule", lambda texts: _schedule(texts, zone))
    read("severity", lambda given: _severity(given, zone))
    read("ignore", Regions.parse)
    return _made(path, place, lambda: Camera(**keys))


def _set_keys(table: Table) -> dict[str, Any]:
    """Return the values of the keys that are in the file."""
    return {key: getattr(table, key) for key in sorted(table.model_fields_set)}


def _address(url: str, path: Path) -> str:
    """Return the address with what it names of the environment; raises UsageError."""
    whole = _WHOLE.fullmatch(url)
    if whole:
        url = _from_environment(whole[1])
    else:
        url = _VARIABLE.sub(lambda found: quote(_from_environment(found[1]), safe=""), url)
    return _beside(path, url) if kind_of(url) == "file" else url


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"the environment variable {name} is not set", cure=f"set {name}")
    return value


def _schedule(texts: list[str] | str, zone: tzinfo | None) -> Schedule:
    return Schedule.parse([texts] if isinstance(texts, str) else texts, zone)


def _severity(given: str | HighTable, zone: tzinfo | None) -> SeverityRule:
    if isinstance(given, str):
        return SeverityRule(always=given == "high")
    times = None if given.schedule is None else _schedule(given.schedule, zone)
    if given.above is None and times is None:
        raise ValueError('it needs above = SCORE or schedule = ["22:00-06:00"]')
    return SeverityRule(above=given.above, schedule=times)


def _sink(path: Path, table: SinkTable) -> SinkEntry:
    given = _set_keys(table)
    settings = {key: given[key] for key in SINK_SETTINGS if key in given}
    name, options = table.name or table.sink, dict(table.options or {})
    plugin = _made(path, f"sink {name[:80]!r}", lambda: sinks.load(table.sink))
    places = {"target": table.target, **options}
    for key in sinks.paths_of(plugin):
        if isinstance(places.get(key), str):
            places[key] = _beside(path, places[key])
    target = places.pop("target")
    return SinkEntry(name, table.sink, target, settings, table.parts or {}, places)


def _beside(path: Path, given: str) -> str:
    """Return a path of the file, which is relative to the folder of the file."""
    return os.fspath(path.parent / given) if given and "\0" not in given else given


def _probe(path: Path, given: str) -> str:
    """Return a probe of the hub as it is, and else a path beside the file."""
    beside = _beside(path, given)
    return given if HubPlace.parse(given) and not os.path.lexists(beside) else beside


def _zone(path: Path, name: str | None) -> tzinfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"timezone: there is no time zone {name!r:.80}",
            where=path,
            cure='write one like "Europe/Berlin", or leave it out for that of this machine',
        ) from error


_EXPECTED = {
    "string_type": "a text in quotes",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_EXPECTED_OF = {
    "severity": '"medium", "high", or a table with above or schedule',
    "schedule": f'a list of texts like "{EXAMPLE}"',
    "ignore": "a list of regions, each a list of corners [x, y]",
}
_EXAMPLES = {
    "camera": '[[camera]] with name = "yard" and url = "rtsp://..."',
    "name": 'name = "yard"',
    "url": 'url = "rtsp://..."',
    "sink": 'sink = "jsonl"',
    "target": 'target = "alerts.jsonl"',
}
_TABLES: dict[str, type[Table]] = {
    "camera": CameraTable,
    "sink": SinkTable,
    "defaults": CameraDefaults,
    "clips": ClipTable,
}


def _wrong_key(path: Path, given: Mapping[str, Any], error: ValidationError) -> UsageError:
    """Return the error for the first key that is wrong; a value may be secret and is not shown."""
    found = error.errors(include_url=False)
    first = min(found, key=lambda one: one["type"] != "extra_forbidden")
    kind, (where, key) = first["type"], _place(given, first["loc"])
    if kind == "extra_forbidden":
        reason, cure = f"there is no key {key!r:.80}", f"use one of {_known(first['loc'])}"
    elif kind == "missing":
        reason = "there is no [[camera]]" if key == "camera" else f"the key {key} is missing"
        cure = f"add {_EXAMPLES.get(key, key)}"
    else:
        stated = _EXPECTED.get(kind) or first.get("ctx", {}).get("expected", "another value")
        reason, cure = f"{key} must be {_EXPECTED_OF.get(key, stated)}", "correct it"
    return UsageError(where + reason, where=path, cure=cure)


def _place(given: Mapping[str, Any], loc: tuple[int | str, ...]) -> tuple[str, str]:
    """Return the table of a wrong key, for the beginning of a line, and the key."""
    if len(loc) < 2:
        return "", str(loc[0]) if loc else "the file"
    if not isinstance(loc[1], int):
        return f"[{loc[0]}]: ", str(loc[1])
    table = given[str(loc[0])][loc[1]]
    named = table.get("name") if isinstance(table, dict) else None
    title = repr(named)[:80] if isinstance(named, str) else f"{loc[1] + 1}"
    if len(loc) < 3:
        return "", f"{loc[0]} {title}"
    return f"{loc[0]} {title}: ", str(loc[-1] if "HighTable" in loc else loc[2])


def _known(loc: tuple[int | str, ...]) -> str:
    """Return the keys of the table in which the key at `loc` is unknown."""
    table = WatchTable if len(loc) < 2 else _TABLES.get(str(loc[0]), WatchTable)
    table = HighTable if "HighTable" in loc else table
    return ", ".join(sorted(table.model_fields, key=lambda key: key not in _EXAMPLES))
