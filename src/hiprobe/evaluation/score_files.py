"""Score files: one number a frame under each video's name, as JSON, NPZ or CSV. Knows no truth and no metric."""

from __future__ import annotations

import csv
import io
import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets._frames import MOST_FRAMES, annotation_name, listing
from hiprobe.errors import LabelError, UsageError
from hiprobe.store import write_atomic

Array = NDArray[np.float64]

COLUMNS = ("video", "start_frame", "end_frame", "score")
_UNREADABLE = (
    ValueError,
    OverflowError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    csv.Error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_scores(path: str | Path) -> dict[str, Array]:
    """The score float64 (frames,) of each video by its name without folder and suffix, from a JSON, NPZ or CSV file.

    JSON and NPZ: an array of numbers, one a frame, under each name. CSV: `video,start_frame,end_frame,score`, frames
    from 0, `end_frame` exclusive, each frame in one row. Raises UsageError for another kind of file, LabelError for
    one that is empty, malformed, pickled, of more than 2**27 frames, names a video twice, or leaves a frame out.
    """
    path = Path(path)
    reader = {".json": _read_json, ".npz": _read_npz, ".csv": _read_csv}.get(path.suffix.lower())
    if reader is None:
        raise UsageError("not a score file", where=path, cure="give a .json, .npz or .csv")
    try:
        if not path.stat().st_size:
            raise LabelError("the file is empty", where=path)
        found = reader(path)
    except OSError as error:
        raise LabelError(f"cannot be read: {error.strerror or error}", where=path) from error
    except _UNREADABLE as error:
        raise LabelError(
            f"cannot be read as {path.suffix[1:].upper()}: {error}",
            where=path,
            cure="plain arrays of numbers are needed, one score a frame",
        ) from error
    if not found:
        raise LabelError("the file holds no scores", where=path)
    return _by_name(found, path)


def _by_name(found: Sequence[tuple[str, Array]], path: Path) -> dict[str, Array]:
    scores = {annotation_name(name): values for name, values in found}
    if len(scores) < len(found):
        seen = [annotation_name(name) for name, _ in found]
        twice = {name for name in seen if seen.count(name) > 1}
        raise LabelError(
            f"{len(twice)} videos are named more than once: {listing(twice)}", where=path
        )
    return scores


def _read_json(path: Path) -> list[tuple[str, Array]]:
    # as pairs: a dict would keep the last of two equal names and say nothing
    found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Object)
    if not isinstance(found, _Object):
        raise ValueError("the outermost value is no object")
    return [(name, _numbers(name, np.array(values))) for name, values in found]


class _Object(list[tuple[str, Any]]):
    """A JSON object, told apart from an array of pairs."""


def _read_npz(path: Path) -> list[tuple[str, Array]]:
    if not zipfile.is_zipfile(path):
        raise ValueError("no NPZ archive (a pickle is not read)")
    with zipfile.ZipFile(path) as archive:  # reads no more of an entry than the size that it states
        _few(sum(entry.file_size for entry in archive.infolist()) // 8)
    with np.load(path, allow_pickle=False) as arrays:
        return [(name, _numbers(name, np.asarray(arrays[name]))) for name in arrays.files]


def _few(frames: int) -> None:
    if frames > MOST_FRAMES:
        raise ValueError(f"{frames:,} frames, more than {MOST_FRAMES:,}")


def _numbers(name: str, values: NDArray[Any]) -> Array:
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise ValueError(f"{name} is not one number a frame, but {values.dtype} {values.shape}")
    return values.astype(np.float64)


def _read_csv(path: Path) -> list[tuple[str, Array]]:
    spans: dict[str, list[tuple[int, int, float]]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise LabelError(
                f"the first line must name the columns {','.join(COLUMNS)}", where=path
            )
        for row in reader:
            if None in row:  # as a decimal comma makes one
                raise LabelError(
                    "a row has more cells than the first line", where=f"{path}:{reader.line_num}"
                )
            name, *cells = (row[column] or "" for column in COLUMNS)
            spans.setdefault(annotation_name(name.strip()), []).append(
                _span(cells, f"{path}:{reader.line_num}")
            )
    return _frames({name: sorted(rows) for name, rows in spans.items()}, path)


def _span(cells: Sequence[str], where: str) -> tuple[int, int, float]:
    try:
        start, end, score = int(cells[0]), int(cells[1]), float(cells[2])
    except ValueError as error:
        raise LabelError(f"a row is {','.join(COLUMNS)}: {error}", where=where) from error
    if not 0 <= start < end:
        raise LabelError(f"frames {start} to {end} are no span", where=where)
    return start, end, score


def _frames(
    spans: Mapping[str, Sequence[tuple[int, int, float]]], path: Path
) -> list[tuple[str, Array]]:
    """One score a frame; raises LabelError with the number of frames in no row, or in two."""
    _few(sum(max(row[1] for row in rows) for rows in spans.values()))
    found = {name: _missed(rows) for name, rows in spans.items()}
    for what, side in (("in no row", 0), ("in more than one row", 1)):
        videos = [f"{name} ({missed[side]})" for name, missed in found.items() if missed[side]]
        if videos:
            total = sum(missed[side] for missed in found.values())
            raise LabelError(
                f"{total} frames of {len(videos)} videos are {what}: {listing(videos)}", where=path
            )
    return [
        (name, np.repeat([row[2] for row in rows], [row[1] - row[0] for row in rows]))
        for name, rows in spans.items()
    ]


def _missed(rows: Sequence[tuple[int, int, float]]) -> tuple[int, int]:
    """How many frames before the last one lie in no row, and how often a row repeats one; rows sorted by start."""
    starts, ends = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    reached = np.append(0, np.maximum.accumulate(ends)[:-1])
    return int((starts - reached).clip(0).sum()), int(
        (np.minimum(ends, reached) - starts).clip(0).sum()
    )


def write_scores(path: str | Path, scores: Mapping[str, Array]) -> None:
    """Writes scores (frames,) by video name so that `read_scores` gives the same numbers, NaN for a frame not scored.

    The kind follows the suffix: `.npz`, `.json` or `.csv`, there a row for each run of equal scores. Raises UsageError
    for another one, LabelError for a name that would not be read back, StoreError.
    """
    path = Path(path)
    writer = {".json": _json, ".npz": _npz, ".csv": _csv}.get(path.suffix.lower())
    if writer is None:
        raise UsageError("scores are written as .json, .npz or .csv", where=path)
    odd = [name for name in scores if not _comes_back(name, path.suffix.lower())]
    if odd:
        raise LabelError(
            f"{len(odd)} names hold a folder, a suffix or what this kind of file does not keep: "
            f"{listing(odd)}",
            where=path,
            cure="rename the videos, or write JSON",
        )
    write_atomic(
        path, writer({name: np.asarray(scores[name], np.float64) for name in sorted(scores)})
    )


def _comes_back(name: str, kind: str) -> bool:
    """Whether a file of that kind gives the name back: CSV loses spaces at its ends, only JSON keeps any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        if kind != ".json":
            return False
    return annotation_name(name) == name and (kind != ".csv" or name.strip() == name)


def _json(scores: Mapping[str, Array]) -> bytes:
    return (json.dumps({name: values.tolist() for name, values in scores.items()}) + "\n").encode()


def _npz(scores: Mapping[str, Array]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in scores.items():
            with archive.open(
                zipfile.ZipInfo(f"{name}.npy"), "w"
            ) as file:  # a fixed date: same scores, same bytes
                np.lib.format.write_array(file, values, allow_pickle=False)
    return data.getvalue()


def _csv(scores: Mapping[str, Array]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, values in scores.items():
        bits = values.view(np.int64)  # as bits: a NaN equals itself, and -0.0 is not 0.0
        for start, end in pairwise(
            [*np.flatnonzero(np.diff(bits, prepend=~bits[:1])), len(values)]
        ):
            writer.writerow([name, start, end, repr(float(values[start]))])
    return text.getvalue().encode()
