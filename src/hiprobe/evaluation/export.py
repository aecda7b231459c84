"""Export hidden states and frame scores as plain arrays for other programs.

It reads what is stored and runs no model.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import localize, video
from hiprobe.datasets import bare_name, listing
from hiprobe.disk.atomic import replacing
from hiprobe.errors import LabelError, StoreError, UsageError, counted
from hiprobe.probe import Probe
from hiprobe.store import find_states, load_states, precision, state_files
from hiprobe.store.given_states import INDEX, OWN
from hiprobe.types import HiddenStates, Video

Array = NDArray[np.float64]


def export_states(store: Path, out: Path) -> int:
    """Write all hidden states of the folder `store` into one NPZ and return the number of entries.

    An entry `K` has the arrays `K/values` (segments, sites, width) and `K/starts` and `K/ends`
    (segments,) in seconds: `store.read_given_states` reads it. The array `index` is JSON and gives
    for each entry the video's digest, the recipe, the sites, the precision, the duration and the
    gaps. Only one entry is in memory at a time. Raises UsageError for another suffix, and
    StoreError if the store is empty or the file cannot be written.
    """
    if out.suffix.lower() != ".npz":
        raise UsageError(
            f"cannot write hidden states as {out.suffix or 'a file without suffix'}",
            where=out,
            cure="give a .npz",
        )
    if (store / ".store").is_dir():
        raise UsageError(
            "this is a results folder, not a store", where=store, cure=f"give {store / '.store'}"
        )
    if not store.is_dir():
        raise UsageError("no such folder", where=store, cure="give the .store folder of a run")
    files = state_files(store)
    if not files:
        raise StoreError(
            "the store holds no hidden states", where=store, cure="give the .store folder of a run"
        )
    with (
        replacing(out) as temporary,
        zipfile.ZipFile(temporary, "x", allowZip64=True) as archive,
    ):
        _fill(archive, {f"{number:05d}": file for number, file in enumerate(files)})
    return len(files)


def _fill(archive: zipfile.ZipFile, files: Mapping[str, Path]) -> None:
    index = {}
    for key, file in files.items():
        found = load_states(file)
        index[key] = _described(found, precision(file))
        for name, values in (
            ("values", found.values),
            ("starts", found.starts),
            ("ends", found.ends),
        ):
            _write(archive, f"{key}/{name}", values)
    _write(archive, INDEX, np.array(json.dumps({"schema": OWN, "entries": index}, sort_keys=True)))


def _write(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    # ZipInfo has a fixed date, so equal states give equal bytes.
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)


def _described(found: HiddenStates, dtype: str) -> dict[str, Any]:
    return {
        "video": found.video_id,
        "recipe": found.recipe.to_json(),
        "sites": [site.to_json() for site in found.sites],
        "dtype": dtype,
        "duration": found.duration,
        "gaps": [asdict(gap) for gap in found.gaps],
        "damaged_packets": found.damaged_packets,
        "sources": found.sources,
    }


def export_scores(
    videos: Iterable[Video], probe: Probe, store: Path, *, raw: bool = False
) -> dict[str, Array]:
    """Score every frame of `videos` with `probe` and return scores (frames,) by name.

    Names are those of the videos, without the suffix. A frame without hidden states gets NaN. The
    hidden states come from the folder `store`, so no model is needed. Scores are smoothed unless
    `raw` is set.

    Raises StoreError if a video has no hidden states for this probe, LabelError if several videos
    have the same name, UsageError if a video was read in several precisions, and the errors of
    `video.frame_times`.
    """
    videos = list(videos)
    names = [bare_name(one.name) for one in videos]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise LabelError(
            f"names that several videos share: {listing(twice)}",
            cure="give each video its own name, or export them one at a time",
        )
    dtypes = sorted({precision(file) for file in state_files(store)})
    at = {
        name: _found(store, one.path, probe, dtypes)
        for name, one in zip(names, videos, strict=True)
    }
    lacking = [name for name, found in at.items() if found is None]
    if lacking:
        raise StoreError(
            f"without hidden states for this probe: {len(lacking)} of {counted(len(at), 'video')}, "
            f"{listing(lacking)}",
            where=store,
            cure="run hiprobe detect or extract on them first",
        )
    return {
        name: _by_frame(one.path, probe, found, raw)
        for (name, found), one in zip(at.items(), videos, strict=True)
        if found is not None
    }


def _found(store: Path, path: str, probe: Probe, dtypes: Iterable[str]) -> HiddenStates | None:
    """Return the stored states of a video at the probe's sites, or None.

    Raises UsageError if the store holds them in several precisions.
    """
    digest = video.digest(path)
    found = {
        dtype: one
        for dtype in dtypes
        if (one := find_states(store, digest, probe.recipe, probe.sites, dtype)) is not None
    }
    if len(found) > 1:
        raise UsageError(
            f"the store holds its hidden states in several precisions: {', '.join(found)}",
            where=path,
            cure="keep a separate store for each precision",
        )
    return next(iter(found.values()), None)


def _by_frame(path: str | Path, probe: Probe, found: HiddenStates, raw: bool) -> Array:
    made, _ = localize.localize(
        found.starts, found.ends, probe.score(found), found.gaps, probe.localization
    )
    return made.at(video.frame_times(path), smoothed=not raw)
