"""Read hidden states of several videos from one file, as `hiprobe export` and other tools write it.

docs/states.md defines the file, an NPZ or a safetensors file. It may come from a stranger: nothing
is unpickled, and every number is checked. Knows no labels in words and no models.
"""

from __future__ import annotations

import hashlib
import os
import re
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hiprobe import environment
from hiprobe.disk.regular import open_regular
from hiprobe.disk.safetensors_header import read_header, strict_json
from hiprobe.errors import StoreError
from hiprobe.ranges import in_range
from hiprobe.store.states import INVALID, map_array, timed
from hiprobe.types import EXTERNAL, SEGMENT_S, Gap, HiddenStates, LabelArray, Recipe, Site

OWN = "hiprobe.export/1"  # states that hiprobe read
OTHER = "hiprobe.given_states/1"  # states that another tool read
INDEX = "index"  # the description, in an NPZ
ARRAYS = ("values", "starts", "ends", "labels")
MOST_BYTES = 1 << 38  # 256 GiB, of the file and of what an archive unpacks to
_DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8"},
    **{"I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1"},
    "BF16": "<u2",  # numpy has no bfloat16: widened below
}
_TOOL = re.compile(r"[A-Za-z][\w.+-]{0,30}( [\w.+-]{1,30})?")
_UNREADABLE = (
    *INVALID,
    EOFError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_RECIPE = frozenset({"model", "prompts", "revision", "segment_s", "frames", "size"})
_CURE = "docs/states.md has the format"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class GivenStates:
    """The hidden states of one video, its `name` in the file, and its labels if they are there.

    `labels` (segments,) are 1 anomalous, 0 normal and -1 left out. `tool` names what read them,
    None for hiprobe.

    >>> one = GivenStates("cam1/0900", None, np.array([0, 1], np.int8), "vllm 0.11")
    >>> one.labels.tolist()
    [0, 1]
    """

    name: str
    states: HiddenStates
    labels: LabelArray | None = None
    tool: str | None = None


def read_given_states(path: str | os.PathLike[str]) -> list[GivenStates]:
    """Read all videos of a file of hidden states, in the order of their names.

    Arrays of a safetensors file are memory-mapped, those of an NPZ are in memory; bfloat16 becomes
    float32. A recipe of another tool names its model `external:...`, so that a probe fitted on it
    cannot be mistaken for one of hiprobe's own states. Raises StoreError, which names the file and
    the video, for a file that is not of the format.

    >>> import json
    >>> times = np.arange(4) * 2.0
    >>> about = {"schema": OTHER, "sites": ["residual/layer20/prompt0"], "tool": "my-script"}
    >>> about["recipe"] = {"model": "org/model", "prompts": ["Anything odd?"], "frames": 8}
    >>> arrays = {"a/values": np.zeros((3, 1, 16)), "a/starts": times[:-1], "a/ends": times[1:]}
    >>> np.savez("states.npz", index=json.dumps(about), **arrays)
    >>> one = read_given_states("states.npz")[0]
    >>> one.name, one.states.values.shape, one.states.recipe.model, one.states.recipe.segment_s
    ('a', (3, 1, 16), 'external:org/model', 2.0)
    """
    path = Path(path)
    try:
        text, arrays = _contents(path)
        about = strict_json(text)
        if not isinstance(about, dict) or about.get("schema") not in (OWN, OTHER):
            got = about.get("schema") if isinstance(about, dict) else type(about).__name__
            raise ValueError(f"the schema must be {OTHER!r} or {OWN!r}, got {str(got)[:80]!r}")
        return [
            _one(path, name, about, found)
            for name, found in sorted(_by_video(arrays, path).items())
        ]
    except _UNREADABLE as error:
        raise environment.or_refused(error, _damaged(path, error)) from error


def _damaged(path: Path, error: Exception, name: str | None = None) -> StoreError:
    kind = f"{type(error).__name__}: " if isinstance(error, LookupError | TypeError) else ""
    at = "" if name is None else f"video {name!r}: "
    said = error.strerror if isinstance(error, OSError) and error.strerror else error
    return StoreError(f"not a file of hidden states: {at}{kind}{said}", where=path, cure=_CURE)


def _contents(path: Path) -> tuple[str, Arrays]:
    """Return the description and the arrays of a file."""
    with open_regular(path, MOST_BYTES) as file:
        if path.suffix.lower() == ".npz":
            return _read_npz(file)
        if path.suffix.lower() == ".safetensors":
            return _read_safetensors(file)
    raise ValueError(f"the name must end in .npz or .safetensors, got {path.suffix!r}")


def _read_npz(file: BinaryIO) -> tuple[str, Arrays]:
    if not zipfile.is_zipfile(file):
        raise ValueError("not an NPZ archive (pickles are never read)")
    # Unpacking an entry stops at the size it states, so the stated sizes can be trusted.
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        names = [entry.filename for entry in archive.infolist()]
    if size > MOST_BYTES:
        raise ValueError(f"it unpacks to {size:,} bytes, more than {MOST_BYTES:,}")
    if len(set(names)) < len(names):
        raise ValueError("an array is there twice")
    file.seek(0)
    with np.load(file, allow_pickle=False) as found:
        if INDEX not in found.files:
            raise ValueError(f"there is no array {INDEX!r} with the description")
        arrays = {name: np.asarray(found[name]) for name in found.files}
    text = arrays.pop(INDEX)
    if text.dtype.kind != "U" or text.size != 1:
        raise ValueError(f"the array {INDEX!r} must be one text, got {text.dtype} {text.shape}")
    return str(text.item()), arrays


def _read_safetensors(file: BinaryIO) -> tuple[str, Arrays]:
    described, body = read_header(file, os.fstat(file.fileno()).st_size)
    text = described.pop("__metadata__", {}).get("hiprobe")
    if not isinstance(text, str):
        raise ValueError("the metadata has no entry 'hiprobe' with the description")
    return text, {name: _mapped(file, body, entry, name) for name, entry in described.items()}


def _mapped(file: BinaryIO, body: int, entry: Mapping[str, Any], name: str) -> NDArray[Any]:
    found = map_array(file, body, entry, name, _DTYPES)
    if entry["dtype"] != "BF16":
        return found
    # The upper half of a float32 has the bits of a bfloat16.
    return (np.asarray(found).astype(np.uint32) << 16).view(np.float32)


def _by_video(arrays: Arrays, path: Path) -> dict[str, Arrays]:
    """Return the arrays of each video; without a name before them, they are of one video."""
    found: dict[str, Arrays] = {}
    for name, values in arrays.items():
        video, _, part = name.rpartition("/")
        if part not in ARRAYS:
            raise ValueError(f"the array {name[:80]!r} is none of NAME/{', NAME/'.join(ARRAYS)}")
        found.setdefault(video or path.stem, {})[part] = values
    if not found:
        raise ValueError("it holds no video")
    return found


def _one(path: Path, name: str, about: Mapping[str, Any], arrays: Arrays) -> GivenStates:
    try:
        own = about.get("entries", {}).get(name, {})
        described = {**{key: about[key] for key in ("recipe", "sites") if key in about}, **own}
        lacking = [
            *(key for key in ("recipe", "sites") if key not in described),
            *(f"array {key}" for key in ARRAYS[:3] if key not in arrays),
        ]
        if lacking:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        states = _states(described, arrays, foreign=about["schema"] == OTHER)
        labels = _labels(arrays["labels"], states) if "labels" in arrays else None
        tool = _tool(about.get("tool")) if about["schema"] == OTHER else None
        return GivenStates(name, states, labels, tool)
    except _UNREADABLE as error:
        raise environment.or_refused(error, _damaged(path, error, name)) from error


def _states(described: Mapping[str, Any], arrays: Arrays, *, foreign: bool) -> HiddenStates:
    values, times = arrays["values"], [_times(arrays[key], key) for key in ("starts", "ends")]
    if values.dtype.kind != "f":
        raise ValueError(f"values must be floating-point numbers, got {values.dtype}")
    starts, ends = times
    sites = tuple(
        Site.parse(one) if isinstance(one, str) else Site.from_json(one)
        for one in described["sites"]
    )
    if len(set(sites)) < len(sites):
        raise ValueError("a site is there twice")
    recipe = described["recipe"]
    return timed(
        HiddenStates(
            _video_id(described.get("video"), values, times),
            _external(recipe, starts, ends) if foreign else Recipe.from_json(recipe),
            sites,
            starts,
            ends,
            values,
            described.get("duration", float(ends[-1]) if ends.size else 0.0),
            tuple(Gap(**gap) for gap in described.get("gaps", ())),
            described.get("damaged_packets", 0),
            tuple(described.get("sources", ())),
            described.get("group"),
        )
    )


def _times(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise ValueError(f"{name} must be a number for each segment, got shape {values.shape}")
    return np.array(values, np.float64)


def _video_id(given: Any, values: NDArray[Any], times: list[NDArray[np.float64]]) -> str:
    """Return the digest of the video, or of its states if it is not stated."""
    if given is not None:
        if not isinstance(given, str) or not re.fullmatch("[0-9a-f]{64}", given):
            raise ValueError(f"video must be a SHA-256 in hex, got {str(given)[:80]!r}")
        return given
    digest = hashlib.sha256(np.ascontiguousarray(values).data)
    for part in times:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _external(
    given: Mapping[str, Any], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> Recipe:
    """Return the recipe of states that another tool read; the length of a segment is measured."""
    unknown = sorted(set(given) - _RECIPE)
    lacking = sorted({"model", "prompts", "frames"} - set(given))
    if unknown or lacking:
        raise ValueError(f"the recipe lacks {lacking} and has the unknown {unknown}")
    model = given["model"]
    if not isinstance(model, str) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model):
        raise ValueError(f"the model must be a name such as org/name, got {str(model)[:80]!r}")
    lengths = {} if "segment_s" in given else {"segment_s": _usual_length(starts, ends)}
    return Recipe.from_json({**lengths, **given, "model": f"{EXTERNAL}{model}"})


def _usual_length(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> float:
    """Return the median length of the segments; that of hiprobe if there is none to be seen."""
    usual = float(np.median(ends - starts)) if starts.shape == ends.shape != (0,) else np.nan
    return round(usual, 6) if in_range("segment_s", usual) else SEGMENT_S  # `timed` tells why


def _labels(values: NDArray[Any], states: HiddenStates) -> LabelArray:
    if values.dtype.kind not in "iu" or values.shape != states.starts.shape:
        raise ValueError(
            f"labels must be a whole number for each of {len(states.starts)} segments, got "
            f"{values.dtype} of shape {values.shape}"
        )
    if not np.isin(values, (-1, 0, 1)).all():
        raise ValueError("a label must be 1 (anomalous), 0 (normal) or -1 (left out)")
    return np.asarray(values, np.int8)


def _tool(given: Any) -> str:
    if not isinstance(given, str) or not _TOOL.fullmatch(given):
        raise ValueError(f"tool must be a name such as 'vllm 0.11', got {str(given)[:80]!r}")
    return given
