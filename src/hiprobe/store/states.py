"""Hidden states and results on disk: atomic, keyed by digest, resumable. Knows no model and no video format.

Hidden states of one video, recipe and precision lie in `STORE/<recipe>/<video>/<dtype>-<sites>.safetensors`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import StoreError
from hiprobe.safetensors_header import read_header
from hiprobe.store.files import write_atomic
from hiprobe.types import Gap, HiddenStates, Recipe, Site, digest_json

SCHEMA = "hiprobe.states/1"
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_UNSOUND = (
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def save_states(store: Path, states: HiddenStates, dtype: str) -> Path:
    """Keeps the states of one video, read by a model that ran in precision `dtype`; raises StoreError."""
    from safetensors.numpy import save

    header = {
        "schema": SCHEMA,
        "video": states.video_id,
        "recipe": states.recipe.to_json(),
        "dtype": dtype,
        "sites": [asdict(site) for site in states.sites],
        "duration": states.duration,
        "gaps": [asdict(gap) for gap in states.gaps],
        "skipped": states.skipped,
    }
    path = (
        states_folder(store, states.video_id, states.recipe)
        / f"{dtype}-{_sites_key(states.sites)}.safetensors"
    )
    arrays = {
        "values": np.ascontiguousarray(states.values),
        "starts": states.starts,
        "ends": states.ends,
    }
    write_atomic(path, save(arrays, {"hiprobe": json.dumps(header, sort_keys=True)}))
    return path


def find_states(
    store: Path, video_id: str, recipe: Recipe, sites: Iterable[Site], dtype: str
) -> HiddenStates | None:
    """The kept states that hold all of `sites`, memory-mapped; None if there are none. Raises StoreError if damaged."""
    wanted = set(sites)
    for path in sorted(states_folder(store, video_id, recipe).glob(f"{dtype}-*.safetensors")):
        states = load_states(path)
        if (states.video_id, states.recipe) != (video_id, recipe):
            raise StoreError("the file holds another video or recipe", where=path, cure="delete it")
        if wanted <= set(states.sites):
            return states
    return None


def kept_states(store: Path, video_id: str, recipe: Recipe) -> list[HiddenStates]:
    """All that is kept of one video and recipe, in any precision, most sites first; raises StoreError if damaged."""
    found = [
        load_states(path)
        for path in sorted(states_folder(store, video_id, recipe).glob("*.safetensors"))
    ]
    sound = [states for states in found if (states.video_id, states.recipe) == (video_id, recipe)]
    return sorted(sound, key=lambda states: -len(states.sites))


def state_files(store: Path) -> list[Path]:
    """The files of hidden states in `store`, of all recipes, videos and precisions, in a fixed order."""
    return sorted(store.glob("*/*/*.safetensors"))


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
        return _timed(
            HiddenStates(
                header["video"],
                Recipe.from_json(header["recipe"]),
                sites,
                starts,
                ends,
                arrays["values"],
                float(header["duration"]),
                gaps,
                int(header["skipped"]),
            )
        )
    except _UNSOUND as error:
        raise StoreError(
            f"no sound hidden states: {error}", where=path, cure="delete it and extract again"
        ) from error


def describe(path: Path) -> tuple[str, str, str, int, int]:
    """Video digest, recipe digest, dtype, number of sites and of segments of a file of states; raises StoreError."""
    states = load_states(path)
    return (
        states.video_id,
        states.recipe.digest,
        path.name.partition("-")[0],
        *states.values.shape[1::-1],
    )


def _timed(states: HiddenStates) -> HiddenStates:
    """`states`, if its times are times: a file may hold any number there."""
    gaps = [time for gap in states.gaps for time in (gap.start, gap.end)]
    if not np.isfinite([states.duration, *gaps, *states.starts, *states.ends]).all():
        raise ValueError("a time is not finite")
    if not (states.ends > states.starts).all() or not (np.diff(states.starts) > 0).all():
        raise ValueError("its segments do not follow each other in time")
    return states


def _map(path: Path) -> tuple[Mapping[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The header and the arrays of a safetensors file, mapped and not read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        described, body = read_header(file, size)
    arrays = {}
    for name in ("values", "starts", "ends"):
        entry = described[name]
        first, last = entry["data_offsets"]
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
        if (
            last - first != dtype.itemsize * math.prod(shape)
            or body + last > size
            or min(first, *shape) < 0
        ):
            raise ValueError(f"array {name} lies outside the file")
        empty = 0 in shape
        arrays[name] = (
            np.zeros(shape, dtype) if empty else np.memmap(path, dtype, "r", body + first, shape)
        )
    return json.loads(described["__metadata__"]["hiprobe"]), arrays


def states_folder(store: Path, video_id: str, recipe: Recipe) -> Path:
    """Where the states of a video by one recipe lie, in any precision."""
    return store / recipe.digest[:16] / video_id[:32]


def _sites_key(sites: Iterable[Site]) -> str:
    return digest_json([str(site) for site in sites])[:12]
