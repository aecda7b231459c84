"""Hidden states and results on disk: atomic, keyed by digest, resumable. Knows no model and no video format.

Hidden states of one video, recipe and precision lie in `ROOT/<recipe>/<video>/<dtype>-<sites>.safetensors`.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from hiprobe.errors import StoreError
from hiprobe.types import Gap, HiddenStates, Recipe, Result, Site, digest_json

SCHEMA = "hiprobe.states/1"
MANIFEST = "manifest.jsonl"
STEM_BYTES = 200  # of a folder's name: with the digest and a suffix it must stay below the 255 of a file system
NOTE_REST = 20  # a manifest is rewritten in at most a twentieth of the time
_HEADER_CAP = 64 * 2**20
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_UNSOUND = (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the whole new one; raises StoreError."""
    # Not named by process id: in a container every run has the same one, and a killed run leaves its file behind.
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # as readable as the umask allows
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:  # also when interrupted
            temporary.unlink(missing_ok=True)


def place_also(source: Path, path: Path) -> None:
    """Puts the file `source` also at `path`, whole or not at all: a hard link, or a copy where the disk has no such.

    Raises StoreError.
    """
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            try:
                os.link(source.resolve(), temporary)
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(source, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """What the disk refuses is a StoreError that names `path`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write: {error.strerror}", where=path, cure="free disk space or choose -o") from error


def save_states(root: Path, states: HiddenStates, dtype: str) -> Path:
    """Keeps the states of one video, read by a model that ran in precision `dtype`; raises StoreError."""
    from safetensors.numpy import save

    header = {"schema": SCHEMA, "video": states.video_id, "recipe": states.recipe.to_json(), "dtype": dtype,
              "sites": [asdict(site) for site in states.sites], "duration": states.duration,
              "gaps": [asdict(gap) for gap in states.gaps],
              "skipped": states.skipped}
    path = states_folder(root, states.video_id, states.recipe) / f"{dtype}-{_sites_key(states.sites)}.safetensors"
    arrays = {"values": np.ascontiguousarray(states.values), "starts": states.starts, "ends": states.ends}
    write_atomic(path, save(arrays, {"hiprobe": json.dumps(header, sort_keys=True)}))
    return path


def find_states(root: Path, video_id: str, recipe: Recipe, sites: Iterable[Site], dtype: str) -> HiddenStates | None:
    """The kept states that hold all of `sites`, memory-mapped; None if there are none. Raises StoreError if damaged."""
    wanted = set(sites)
    for path in sorted(states_folder(root, video_id, recipe).glob(f"{dtype}-*.safetensors")):
        states = load_states(path)
        if (states.video_id, states.recipe) != (video_id, recipe):
            raise StoreError("the file holds another video or recipe", where=path, cure="delete it")
        if wanted <= set(states.sites):
            return states
    return None


def kept_states(root: Path, video_id: str, recipe: Recipe) -> list[HiddenStates]:
    """All that is kept of one video and recipe, in any precision, most sites first; raises StoreError if damaged."""
    found = [load_states(path) for path in sorted(states_folder(root, video_id, recipe).glob("*.safetensors"))]
    sound = [states for states in found if (states.video_id, states.recipe) == (video_id, recipe)]
    return sorted(sound, key=lambda states: -len(states.sites))


def state_files(root: Path) -> list[Path]:
    """The files of hidden states in `root`, of all recipes, videos and precisions, in a fixed order."""
    return sorted(root.glob("*/*/*.safetensors"))


def precision(path: Path) -> str:
    """The precision in which the model ran whose states are kept at `path`: it stands in the file's name."""
    return path.name.rpartition("-")[0]


def load_states(path: Path) -> HiddenStates:
    """One file of hidden states, `values` memory-mapped; raises StoreError for anything that is not a sound one."""
    try:
        header, arrays = _map(path)
        sites = tuple(Site(**site) for site in header["sites"])
        gaps = tuple(Gap(**gap) for gap in header["gaps"])
        if header["schema"] != SCHEMA:
            raise ValueError(f"schema {header['schema']!r}, not {SCHEMA!r}")
        starts, ends = np.array(arrays["starts"]), np.array(arrays["ends"])
        return _timed(HiddenStates(header["video"], Recipe.from_json(header["recipe"]), sites, starts, ends,
                                   arrays["values"], float(header["duration"]), gaps, int(header["skipped"])))
    except _UNSOUND as error:
        raise StoreError(f"no sound hidden states: {error}", where=path, cure="delete it and extract again") from error


def describe(path: Path) -> tuple[str, str, str, int, int]:
    """Video digest, recipe digest, dtype, number of sites and of segments of a file of states; raises StoreError."""
    states = load_states(path)
    return states.video_id, states.recipe.digest, path.name.partition("-")[0], *states.values.shape[1::-1]


def _timed(states: HiddenStates) -> HiddenStates:
    """`states`, if its times are times: a file may hold any number there."""
    gaps = [time for gap in states.gaps for time in (gap.start, gap.end)]
    if not np.isfinite([states.duration, *gaps, *states.starts, *states.ends]).all():
        raise ValueError("a time is not finite")
    if not (states.ends > states.starts).all() or not (np.diff(states.starts) > 0).all():
        raise ValueError("its segments do not follow each other in time")
    return states


def _map(path: Path) -> tuple[Mapping[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The header and the arrays of a safetensors file, mapped and not read: its format is a length, JSON, bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, _HEADER_CAP):
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        described = json.loads(file.read(length))
    arrays = {}
    for name in ("values", "starts", "ends"):
        entry = described[name]
        first, last = entry["data_offsets"]
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
        if last - first != dtype.itemsize * math.prod(shape) or 8 + length + last > size or min(first, *shape) < 0:
            raise ValueError(f"array {name} lies outside the file")
        empty = 0 in shape
        arrays[name] = np.zeros(shape, dtype) if empty else np.memmap(path, dtype, "r", 8 + length + first, shape)
    return json.loads(described["__metadata__"]["hiprobe"]), arrays


def states_folder(root: Path, video_id: str, recipe: Recipe) -> Path:
    """Where the states of a video by one recipe lie, in any precision."""
    return root / recipe.digest[:16] / video_id[:32]


def _sites_key(sites: Iterable[Site]) -> str:
    return digest_json([str(site) for site in sites])[:12]


def result_folder(out: Path, result: Result) -> Path:
    """Where the files of one result go: `OUT/<stem>-<digest8>`, a very long stem cut."""
    stem = Path(result.path).stem
    if len(os.fsencode(stem)) > STEM_BYTES:
        stem = os.fsencode(stem)[:STEM_BYTES].decode("utf-8", "ignore")
    return out / f"{stem}-{result.video_id[:8]}"


def note(out: Path, results: Iterable[Result]) -> Path:
    """Enters results into `OUT/manifest.jsonl`, one line a video; a video entered before gets its line replaced.

    A failure of a path that had no content to digest is forgotten once a file of that name has some. Several
    processes may enter into one manifest. Raises StoreError if it is damaged or cannot be written.
    """
    path = out / MANIFEST
    with alone(path):
        lines = {_line_key(line): line for line in _manifest(path)}
        for result in results:
            line = _manifest_line(out, result)
            lines.pop((line["name"], ""), None)
            lines[_line_key(line)] = line
        # ASCII only, so that no name inside can end a line for any reader.
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines.values()).encode())
    return path


class Notes:
    """Enters results into a manifest as they come: at once while it is short, in batches where rewriting takes time.

    So that a run's cost stays proportional to its length, a rewrite waits until 20 times as long as the last one took
    has passed. The end of a `with` enters the rest; what a killed run has not entered, its next one does.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._next = out, 0.0
        self._waiting: list[Result] = []

    def add(self, results: Iterable[Result]) -> None:
        """Enters results, now or later; raises StoreError."""
        self._waiting += results
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Enters what waits; raises StoreError."""
        began = time.monotonic()
        note(self._out, self._waiting)
        self._waiting = []
        self._next = began + NOTE_REST * (time.monotonic() - began)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None, /) -> None:
        with suppress(StoreError) if kind else nullcontext():  # the first failure is the one to tell
            if self._waiting:
                self.flush()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keeps other processes from rewriting `path` meanwhile; the lock ends with this process, however it ends."""
    with _refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with _refusal(path):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _manifest(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"no sound manifest: {error}", where=path, cure="delete it or choose another -o") from error
    if not all(isinstance(line, dict) for line in lines):
        raise StoreError("no sound manifest: a line is no object", where=path, cure="delete it or choose another -o")
    return lines


def _line_key(line: Mapping[str, Any]) -> tuple[str, str]:
    return str(line.get("name")), str(line.get("digest") or "")


def _manifest_line(out: Path, result: Result) -> dict[str, Any]:
    scored = result.scores is not None
    name, folder = (_utf8(text) for text in (Path(result.path).name, result_folder(out, result).name))
    return {"name": name, "digest": result.video_id or None, "status": result.status,
            "duration": round(result.duration, 3), "segments": len(result.scores.starts) if result.scores else 0,
            "events": len(result.events), "gaps": len(result.scores.gaps) if result.scores else 0,
            "reason": result.reason, "folder": folder if scored else None}


def _utf8(name: str) -> str:
    """A file's name as text: bytes of it that are no UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
