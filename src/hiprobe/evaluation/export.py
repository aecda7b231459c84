"""Hidden states and scores by frame as plain arrays, for other people's code. Runs no model."""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import localize, store, video
from hiprobe.datasets import annotation_name, listing
from hiprobe.errors import LabelError, StoreError, UsageError
from hiprobe.probe import Probe
from hiprobe.types import HiddenStates

Array = NDArray[np.float64]

SCHEMA = "hiprobe.export/1"
INDEX = "index"


def export_states(kept: Path, out: Path) -> int:
    """Writes all hidden states of the folder `kept` into one NPZ and gives the number of entries.

    An entry `K` has arrays `K/values` (segments, sites, width), `K/starts` and `K/ends` (segments,) in seconds. The
    array `index` is JSON: of each entry the video's digest, the recipe, the sites, the precision, duration and gaps.
    Values go through memory a part at a time. Raises UsageError for another suffix, StoreError.
    """
    if out.suffix.lower() != ".npz":
        raise UsageError("hidden states are written as .npz", where=out)
    files = store.state_files(kept)
    if not files:
        raise StoreError(
            "holds no hidden states", where=kept, cure="give the .store folder of a run"
        )
    temporary = out.parent / f".{out.name[:40]}.{secrets.token_hex(8)}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "x", allowZip64=True) as archive:
            _fill(archive, {f"{number:05d}": file for number, file in enumerate(files)})
        os.replace(temporary, out)
    except OSError as error:
        raise StoreError(
            f"cannot write: {error.strerror}", where=out, cure="free disk space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return len(files)


def _fill(archive: zipfile.ZipFile, files: Mapping[str, Path]) -> None:
    index = {}
    for key, file in files.items():
        found = store.load_states(file)
        index[key] = _described(found, store.precision(file))
        for name, values in (
            ("values", found.values),
            ("starts", found.starts),
            ("ends", found.ends),
        ):
            _write(archive, f"{key}/{name}", values)
    _write(
        archive, INDEX, np.array(json.dumps({"schema": SCHEMA, "entries": index}, sort_keys=True))
    )


def _write(archive: zipfile.ZipFile, name: str, values: NDArray[Any]) -> None:
    with archive.open(
        zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True
    ) as file:  # a fixed date: same bytes
        np.lib.format.write_array(file, values, allow_pickle=False)


def _described(found: HiddenStates, dtype: str) -> dict[str, Any]:
    return {
        "video": found.video_id,
        "recipe": found.recipe.to_json(),
        "sites": [asdict(site) for site in found.sites],
        "dtype": dtype,
        "duration": found.duration,
        "gaps": [asdict(gap) for gap in found.gaps],
        "skipped": found.skipped,
    }


def export_scores(
    paths: Iterable[str | Path], probe: Probe, kept: Path, *, raw: bool = False
) -> dict[str, Array]:
    """The score (frames,) that `probe` gives each frame of the videos at `paths`, by bare name; NaN where none is.

    From the hidden states in `kept`, without a model; smoothed unless `raw`. Raises StoreError where a video has none
    for this probe, LabelError for videos of one name, and the errors of `video.frame_times`.
    """
    paths = list(paths)
    names = [annotation_name(str(path)) for path in paths]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise LabelError(f"{len(twice)} names are shared by several videos: {listing(twice)}")
    dtypes = sorted({store.precision(file) for file in store.state_files(kept)})
    at = {
        name: _found(kept, str(path), probe, dtypes)
        for name, path in zip(names, paths, strict=True)
    }
    lacking = [name for name, found in at.items() if found is None]
    if lacking:
        raise StoreError(
            f"{len(lacking)} of {len(at)} videos have no hidden states for this probe: {listing(lacking)}",
            where=kept,
            cure="run hiprobe detect or extract on them first",
        )
    return {
        name: _by_frame(path, probe, found, raw)
        for (name, found), path in zip(at.items(), paths, strict=True)
        if found is not None
    }


def _found(kept: Path, path: str, probe: Probe, dtypes: Iterable[str]) -> HiddenStates | None:
    """The kept states of a video at the probe's sites; raises UsageError where there are some of several precisions."""
    digest = video.digest(path)
    found = {
        dtype: one
        for dtype in dtypes
        if (one := store.find_states(kept, digest, probe.recipe, probe.sites, dtype)) is not None
    }
    if len(found) > 1:
        raise UsageError(
            f"read in several precisions: {', '.join(found)}",
            where=path,
            cure="keep one store for each",
        )
    return next(iter(found.values()), None)


def _by_frame(path: str | Path, probe: Probe, found: HiddenStates, raw: bool) -> Array:
    made, _ = localize.localize(
        found.starts, found.ends, probe.score(found), found.gaps, probe.localization
    )
    return made.at(video.frame_times(path), smoothed=not raw)
