"""Keep rendered clips in shards outside the work tree, and read them again.

A shard is a safetensors file of many clips with a JSON file beside it: its SHA-256, and the digest
of the renderer's sources. Knows no model and no words.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from training.segments import FRAMES

Array = NDArray[Any]
WORLD = Path(__file__).parent / "world"
OPEN_SHARDS = 4096


class _Act(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def box(self) -> Array: ...
    @property
    def on(self) -> Array: ...
    @property
    def people(self) -> int: ...
    @property
    def vehicles(self) -> int: ...


class _Footage(Protocol):
    @property
    def data(self) -> bytes: ...
    @property
    def acts(self) -> Sequence[_Act]: ...
    @property
    def trace(self) -> Array | None: ...


@dataclass(frozen=True)
class StoredAct:
    """One act of a stored clip: what `training.world.clips.Shown` holds."""

    state: str
    kind: str
    box: Array
    on: Array
    people: int
    vehicles: int


@dataclass(frozen=True)
class Stored:
    """One stored clip: what `training.world.clips.Footage` holds."""

    data: bytes
    acts: list[StoredAct]
    trace: Array | None = None


@dataclass(frozen=True)
class Entry:
    """What stands beside a shard: the clips `first` to `first + clips` drawn from `seed`.

    `states` are those that its clips show, `size` its bytes.
    """

    name: str
    sha256: str
    renderer: str
    seed: int
    first: int
    clips: int
    size: int
    states: list[str]


class ShardError(ValueError):
    """Raised for shards that must not be used: damaged, or made by an older renderer."""


def home() -> Path:
    """Return the folder of runs and clips: HIPROBE_RUNS or ~/.cache/hiprobe-training."""
    named = os.environ.get("HIPROBE_RUNS")
    return Path(named) if named else Path.home() / ".cache" / "hiprobe-training"


def renderer_digest(folder: Path = WORLD) -> str:
    """Return the SHA-256 of the renderer: its sources and their data files."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".safetensors", ".json", ".npz"):
            total.update(str(path.relative_to(folder)).encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def shard_name(seed: int, first: int, renderer: str) -> str:
    """Return the name of a shard's file."""
    return f"clips-{seed:06d}-{first:09d}-{renderer[:8]}.safetensors"


def write(
    folder: Path, clips: Sequence[_Footage], *, seed: int, first: int, renderer: str
) -> Entry:
    """Write a shard and its entry, the entry last, so that a shard with an entry is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    name = shard_name(seed, first, renderer)
    part = folder / f".{name}.{os.getpid()}.tmp"
    save_file(_pack(clips), part)
    digest, size = _sha256(part), part.stat().st_size
    os.replace(part, folder / name)
    states = sorted({act.state for clip in clips for act in clip.acts})
    entry = Entry(name, digest, renderer, seed, first, len(clips), size, states)
    write_atomically(folder / f"{name}.json", (json.dumps(asdict(entry)) + "\n").encode())
    return entry


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees either the old one or all of the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _pack(clips: Sequence[_Footage]) -> dict[str, Array]:
    acts = [act for clip in clips for act in clip.acts]
    traces = [b"" if c.trace is None else zlib.compress(c.trace.tobytes(), 6) for c in clips]
    labels = [[act.state, act.kind, int(act.people), int(act.vehicles)] for act in acts]
    frames = len(acts[0].on) if acts else 8
    return {
        "data": np.frombuffer(b"".join(clip.data for clip in clips), np.uint8),
        "data_ends": np.cumsum([len(clip.data) for clip in clips], dtype=np.int64),
        "traces": np.frombuffer(b"".join(traces), np.uint8),
        "trace_ends": np.cumsum([len(one) for one in traces], dtype=np.int64),
        "act_ends": np.cumsum([len(clip.acts) for clip in clips], dtype=np.int64),
        "labels": np.frombuffer(json.dumps(labels).encode(), np.uint8),
        "boxes": np.array([act.box for act in acts], np.float32).reshape(-1, frames, 4),
        "on": np.array([act.on for act in acts], np.uint8).reshape(-1, frames),
    }


def entries(folder: Path) -> list[Entry]:
    """List the finished shards of a folder, by name."""
    return [Entry(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def usable(folder: Path, renderer: str, *, mixed: bool = False) -> list[Entry]:
    """List the finished shards and check each one's digest once.

    Raises ShardError if there is none, one is damaged, or one was made by another renderer and not
    `mixed`.
    """
    found = entries(folder)
    if not found:
        raise ShardError(f"no clips in {folder}: run python -m training.prepare")
    old = [entry.name for entry in found if entry.renderer != renderer]
    if old and not mixed:
        raise ShardError(
            f"{len(old)} of {len(found)} shards in {folder} were made by another renderer: "
            f"delete {', '.join(old[:5])}{' ...' if len(old) > 5 else ''}, or give --mixed"
        )
    for entry in found:
        check(folder / entry.name, entry.sha256)
    return found


@cache
def check(path: Path, sha256: str) -> None:
    """Raise ShardError if a shard does not have this digest."""
    if not path.is_file() or _sha256(path) != sha256:
        raise ShardError(f"{path} is damaged: delete it and {path.name}.json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Shard:
    """An open shard."""

    def __init__(self, path: Path) -> None:
        opening: Any = safe_open
        self._file = opening(str(path), "np")
        read: Callable[[str], Array] = self._file.get_tensor
        self._data_ends, self._act_ends = read("data_ends"), read("act_ends")
        self._labels = json.loads(read("labels").tobytes())
        self._boxes, self._on = read("boxes"), read("on").astype(bool)
        self._data = self._file.get_slice("data")
        known = "traces" in self._file.keys()  # noqa: SIM118 (not a mapping)
        self._traces = read("traces") if known else np.zeros(0, np.uint8)
        self._trace_ends = read("trace_ends") if known else np.zeros_like(self._data_ends)

    def __len__(self) -> int:
        return len(self._data_ends)

    def clip(self, index: int) -> Stored:
        """Read one clip."""
        begin = int(self._data_ends[index - 1]) if index else 0
        data = self._data[begin : int(self._data_ends[index])]
        first = int(self._act_ends[index - 1]) if index else 0
        rows = range(first, int(self._act_ends[index]))
        acts = [self._act(row) for row in rows]
        return Stored(np.asarray(data).tobytes(), acts, self._trace(index))

    def _trace(self, index: int) -> Array | None:
        begin = int(self._trace_ends[index - 1]) if index else 0
        packed = self._traces[begin : int(self._trace_ends[index])].tobytes()
        if not packed:
            return None
        cells = np.frombuffer(zlib.decompress(packed), np.int8)
        side = round((len(cells) / (FRAMES * 3)) ** 0.5)
        return cells.reshape(FRAMES, side, side, 3)

    def _act(self, row: int) -> StoredAct:
        state, kind, people, vehicles = self._labels[row]
        return StoredAct(state, kind, self._boxes[row], self._on[row], people, vehicles)


@lru_cache(OPEN_SHARDS)
def shard(path: Path) -> Shard:
    """Open a shard; one that is open already is returned."""
    return Shard(path)


def order(seed: int, epoch: int, shards: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return (shard, row) of all clips of some (shard, clips), in the order of an epoch."""
    rows = [(name, row) for name, clips in shards for row in range(clips)]
    turned = np.random.default_rng([seed, epoch]).permutation(len(rows))
    return [rows[index] for index in turned]
