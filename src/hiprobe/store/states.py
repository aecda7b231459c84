"""Hidden states on disk, one safetensors file for each video, recipe, precision and set of sites.

The file is `STORE/<recipe>/<video>/<dtype>-<sites>.safetensors`, named by digests. Knows no models
and no video formats.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hiprobe import environment
from hiprobe.disk.atomic import disk_errors, write_atomic
from hiprobe.disk.regular import open_regular
from hiprobe.disk.safetensors_header import read_header
from hiprobe.errors import StoreError
from hiprobe.ranges import require, require_all
from hiprobe.types import Controls, Gap, HiddenStates, Recipe, Site, VideoFacts, digest_json

SCHEMA = "hiprobe.states/3"
VIDEO_DIGITS = 32  # of a digest, in the name of a folder
MEASURED = ("motion", "motion_p95", "brightness")
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
INVALID = (  # what reading a damaged file may raise
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def save_states(store: Path, states: HiddenStates, dtype: str, kept_as: str = "") -> Path:
    """Store the states of one video, read by a model in precision `dtype`; returns the file.

    `kept_as` names a reading that left windows out: only who asks for that name finds it. Raises
    StoreError if it cannot be written.
    """
    from safetensors.numpy import save

    header = {
        "schema": SCHEMA,
        "video": states.video_id,
        "recipe": states.recipe.to_json(),
        "dtype": dtype,
        "sites": [site.to_json() for site in states.sites],
        "duration": states.duration,
        "gaps": [asdict(gap) for gap in states.gaps],
        "damaged_packets": states.damaged_packets,
        "sources": states.sources,
        "file": None if states.controls is None else asdict(states.controls.facts),
    }
    path = (
        states_folder(store, states.video_id, states.recipe)
        / f"{dtype}-{sites_key(states.sites)}{_ending(kept_as)}"
    )
    arrays = {
        "values": np.ascontiguousarray(states.values),
        "starts": np.ascontiguousarray(states.starts),  # safetensors passes over strides
        "ends": np.ascontiguousarray(states.ends),
        **_control_arrays(states.controls),
    }
    write_atomic(path, save(arrays, {"hiprobe": json.dumps(header, sort_keys=True)}))
    return path


def find_states(
    store: Path,
    video_id: str,
    recipe: Recipe,
    sites: Iterable[Site],
    dtype: str,
    kept_as: str = "",
) -> HiddenStates | None:
    """Find stored states that have all of `sites`, memory-mapped; None if there are none.

    `kept_as` is the name of a reading that left windows out. Raises StoreError for a damaged file.
    """
    wanted, ending = set(sites), _ending(kept_as)
    for path in sorted(states_folder(store, video_id, recipe).glob(f"{dtype}-*{ending}")):
        states = load_states(path)
        if (states.video_id, states.recipe) != (video_id, recipe):
            raise StoreError("the file holds another video or recipe", where=path, cure="delete it")
        if wanted <= set(states.sites):
            return states
    return None


def _ending(kept_as: str) -> str:
    """Return how the name of a file ends; one that left windows out is not found as a whole one."""
    return f".{kept_as}.in-part" if kept_as else ".safetensors"


def kept_states(store: Path, video_id: str, recipe: Recipe) -> list[HiddenStates]:
    """List all stored states of one video and recipe, in any precision, most sites first.

    Raises StoreError for a damaged file.
    """
    found = [
        load_states(path)
        for path in sorted(states_folder(store, video_id, recipe).glob("*.safetensors"))
    ]
    sound = [states for states in found if (states.video_id, states.recipe) == (video_id, recipe)]
    return sorted(sound, key=lambda states: -len(states.sites))


def state_files(store: Path) -> list[Path]:
    """List the files of hidden states in `store`, sorted."""
    return sorted(
        path
        for path in store.glob("*/*/*.safetensors")
        if not any(part.startswith(".") for part in path.relative_to(store).parts)
    )


def precision(path: Path) -> str:
    """Return the precision in which the states at `path` were read; it is part of the name."""
    return path.name.rpartition("-")[0]


def load_states(path: Path) -> HiddenStates:
    """Load one file of hidden states, `values` memory-mapped.

    Raises StoreError if it is damaged, EnvironmentFailed if the machine refuses memory or files.
    """
    try:
        header, arrays = map_arrays(path)
        sites = tuple(Site.from_json(site) for site in header["sites"])
        gaps = tuple(Gap(**gap) for gap in header["gaps"])
        if header["schema"] != SCHEMA:
            raise ValueError(f"the schema must be {SCHEMA!r}, got {header['schema']!r}")
        starts, ends = np.array(arrays["starts"]), np.array(arrays["ends"])
        return timed(
            HiddenStates(
                header["video"],
                Recipe.from_json(header["recipe"]),
                sites,
                starts,
                ends,
                arrays["values"],
                header["duration"],
                gaps,
                header["damaged_packets"],
                tuple(header["sources"]),
                controls=_controls(header["file"], arrays),
            )
        )
    except INVALID as error:
        damaged = StoreError(
            f"not valid hidden states: {error}", where=path, cure="delete it and extract again"
        )
        raise environment.or_refused(error, damaged) from error


def describe(path: Path) -> tuple[str, str, str, int, int]:
    """Return video digest, recipe digest, dtype, number of sites and number of segments of a file.

    Raises StoreError if it is damaged.
    """
    states = load_states(path)
    return (
        states.video_id,
        states.recipe.digest,
        path.name.partition("-")[0],
        *states.values.shape[1::-1],
    )


def timed(states: HiddenStates) -> HiddenStates:
    """Return `states`; raises ValueError for times that cannot be true, as a file may hold any."""
    require("duration", states.duration)
    require("damaged packets", states.damaged_packets)
    require("number of sites", len(states.sites))
    require_all("start", [*states.starts.tolist(), *(gap.start for gap in states.gaps)])
    require_all("end", [*states.ends.tolist(), *(gap.end for gap in states.gaps)])
    if not (states.ends > states.starts).all() or not (np.diff(states.starts) > 0).all():
        raise ValueError("the segments are not in time order")
    return states


def map_arrays(path: Path) -> tuple[Mapping[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return the header and the arrays of a safetensors file, memory-mapped."""
    with open_regular(path) as file:
        described, body = read_header(file, os.fstat(file.fileno()).st_size)
        arrays = {
            name: map_array(file, body, described[name], name)
            for name in ("values", "starts", "ends", *(set(MEASURED) & set(described)))
        }
    return json.loads(described["__metadata__"]["hiprobe"]), arrays


def _control_arrays(controls: Controls | None) -> dict[str, np.ndarray[Any, Any]]:
    return {} if controls is None else {name: getattr(controls, name) for name in MEASURED}


def _controls(
    facts: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> Controls | None:
    """Return the controls of a file; None if it has none. Raises an error of `_INVALID`."""
    if facts is None:
        return None
    return Controls(VideoFacts(**facts), *(np.array(arrays[name]) for name in MEASURED))


def map_array(
    file: BinaryIO,
    body: int,
    entry: Mapping[str, Any],
    name: str,
    dtypes: Mapping[str, str] = _DTYPES,
) -> np.ndarray[Any, Any]:
    """Map one array of a safetensors file whose tensors begin at byte `body`, as `entry` says.

    `dtypes` are the allowed ones. Raises an error of `INVALID`.
    """
    first, last = entry["data_offsets"]
    dtype, shape = np.dtype(dtypes[entry["dtype"]]), tuple(entry["shape"])
    if (
        last - first != dtype.itemsize * math.prod(shape)
        or body + last > os.fstat(file.fileno()).st_size
        or min(first, *shape) < 0
    ):
        raise ValueError(f"array {name} is outside the file or of another size than stated")
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(file, dtype, "r", body + first, shape)


def states_folder(store: Path, video_id: str, recipe: Recipe) -> Path:
    """Return the folder of the states of a video and recipe, in any precision."""
    return store / recipe.digest[:16] / video_id[:VIDEO_DIGITS]


def delete_states(store: Path, video_id: str) -> None:
    """Delete all states of a video, of any recipe; raises StoreError if the disk refuses."""
    for folder in store.glob(f"*/{video_id[:VIDEO_DIGITS]}"):
        with disk_errors(folder):
            shutil.rmtree(folder)


def sites_key(sites: Iterable[Site]) -> str:
    """Return a short digest of the sites, for the name of a file."""
    return digest_json([str(site) for site in sites])[:12]
