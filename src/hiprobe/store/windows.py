"""Hidden states of single windows of a video, which a refinement or a verification has read.

The file is `<dtype>-<sites>.windows` beside the states of the whole video: the same recipe, but a
grid of its own. It has the layout of safetensors. Knows no models and no video formats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import environment
from hiprobe.disk.atomic import write_atomic
from hiprobe.errors import StoreError
from hiprobe.ranges import require_all
from hiprobe.store.states import INVALID, map_arrays, sites_key, states_folder
from hiprobe.types import FloatArray, Recipe, Site

WINDOWS_SCHEMA = "hiprobe.windows/1"
Window = tuple[float, float]  # start and end, in seconds


@dataclass(frozen=True)
class WindowsKey:
    """What the windows of one file have in common; `dtype` is the precision of the model."""

    video_id: str
    recipe: Recipe
    sites: tuple[Site, ...]
    dtype: str

    def path(self, store: Path) -> Path:
        """Return the file in `store`."""
        folder = states_folder(store, self.video_id, self.recipe)
        return folder / f"{self.dtype}-{sites_key(self.sites)}.windows"

    @property
    def header(self) -> dict[str, Any]:
        """What the file says of itself, as JSON values."""
        return {
            "schema": WINDOWS_SCHEMA,
            "video": self.video_id,
            "recipe": self.recipe.to_json(),
            "dtype": self.dtype,
            "sites": [site.to_json() for site in self.sites],
        }


def find_windows(store: Path, key: WindowsKey) -> dict[Window, FloatArray]:
    """Find the stored values (sites, width) of single windows, by their exact start and end.

    Raises StoreError for a damaged file.
    """
    path = key.path(store)
    if not path.exists():
        return {}
    try:
        header, arrays = map_arrays(path)
        if header != key.header:
            raise ValueError(f"it is of another kind or video: {str(header)[:80]}")
        return _by_window(arrays, len(key.sites))
    except INVALID as error:
        damaged = StoreError(
            f"not valid states of windows: {error}", where=path, cure="delete it and run again"
        )
        raise environment.or_refused(error, damaged) from error


def save_windows(store: Path, key: WindowsKey, fresh: Mapping[Window, FloatArray]) -> Path:
    """Add the values (sites, width) of windows to those that are stored; return the file.

    If two processes add at once, the later one wins, and the windows of the other are read again
    when they are needed. Raises StoreError.
    """
    from safetensors.numpy import save

    known = {**find_windows(store, key), **fresh}
    windows = sorted(known)
    arrays = {
        "values": np.stack([known[window] for window in windows]),
        "starts": np.array([start for start, _ in windows]),
        "ends": np.array([end for _, end in windows]),
    }
    path, header = key.path(store), json.dumps(key.header, sort_keys=True)
    write_atomic(path, save(arrays, {"hiprobe": header}))
    return path


def _by_window(arrays: Mapping[str, FloatArray], sites: int) -> dict[Window, FloatArray]:
    """Return the values by window; raise ValueError for what cannot be true."""
    starts, ends, values = (np.array(arrays[name]) for name in ("starts", "ends", "values"))
    if values.ndim != 3 or values.shape[1] != sites:
        raise ValueError(f"values must be (windows, {sites}, width), got {values.shape}")
    require_all("start", starts.tolist())
    require_all("end", ends.tolist())
    if not (ends > starts).all() or not np.isfinite(values).all():
        raise ValueError("a window must end after its start, and its values must be finite")
    return dict(zip(zip(starts.tolist(), ends.tolist(), strict=True), values, strict=True))
