"""Read and write score files: one number per frame for each video, as JSON, NPZ or CSV.

It knows no truth and no metric.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets import MOST_FRAMES, annotation_name, bare_name, listing
from hiprobe.disk.regular import JSON_BYTES, open_regular, read_regular
from hiprobe.errors import LabelError, UsageError, counted
from hiprobe.store import write_atomic

Array = NDArray[np.float64]
T = TypeVar("T")

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
    """Read a score file and return float64 scores (frames,) by video name.

    Names lose their video suffix. JSON and NPZ hold an array of numbers, one per frame,
    under each name. CSV has the columns `video,start_frame,end_frame,score`; frames count from 0,
    `end_frame` is exclusive, and each frame is in exactly one row. The format is our own.

    Raises UsageError for another kind of file, and LabelError for a file that is empty, malformed,
    pickled, has more than 2**27 frames, names a video twice or leaves a frame out.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scores.json"
    ...     _ = path.write_text('{"a.mp4": [0.1, 0.1, 0.8]}')
    ...     {name: scores.tolist() for name, scores in read_scores(path).items()}
    {'a': [0.1, 0.1, 0.8]}
    """
    path = Path(path)
    reader = {".json": _read_json, ".npz": _read_npz, ".csv": _read_csv}.get(path.suffix.lower())
    if reader is None and not path.exists():
        raise UsageError(
            "there is no such score file or result folder", where=path, cure="check the path"
        )
    if reader is None:
        raise UsageError("not a score file", where=path, cure="give a .json, .npz or .csv")
    try:
        found = reader(path)
    except OSError as error:
        raise LabelError(f"cannot be read: {error.strerror or error}", where=path) from error
    except _UNREADABLE as error:
        raise LabelError(
            f"cannot be read as {path.suffix[1:].upper()}: {error}",
            where=path,
            cure="write plain arrays of numbers, one score per frame",
        ) from error
    if not found:
        raise LabelError("the file holds no scores", where=path)
    return by_bare_name(found, path)


def by_bare_name(found: Sequence[tuple[str, T]], path: Path) -> dict[str, T]:
    """Return what is given for each name, by the name without its suffix.

    Raises LabelError for a name that is given more than once.
    """
    scores = {bare_name(name): values for name, values in found}
    if len(scores) < len(found):
        seen = [bare_name(name) for name, _ in found]
        twice = {name for name in seen if seen.count(name) > 1}
        raise LabelError(
            f"videos named more than once: {listing(twice)}",
            where=path,
            cure="give each video one array or one set of rows; the suffix does not count",
        )
    return scores


def match_names(scores: Mapping[str, T], known: Collection[str]) -> dict[str, T]:
    """Return the scores, or what else is given by name, under the names that are `known`.

    A name that is not known means the one video whose name has the same last part, if only one
    known name and one given name have it: other programs may add or leave out the folder.

    >>> match_names({"Abuse/Abuse001": np.zeros(2)}, ["Abuse001"])
    {'Abuse001': array([0., 0.])}
    """
    ours, theirs = (Counter(annotation_name(name) for name in names) for names in (known, scores))
    whole = {annotation_name(name): name for name in known}

    def meant(name: str) -> str:
        last = annotation_name(name)
        single = name not in known and ours[last] == theirs[last] == 1
        return whole[last] if single else name

    return {meant(name): values for name, values in scores.items()}


def _read_json(path: Path) -> list[tuple[str, Array]]:
    # Read pairs: a dict would silently keep only the last of two equal names.
    found = json.loads(_text(path), object_pairs_hook=_Object)
    if not isinstance(found, _Object):
        raise ValueError("the outermost value must be an object")
    return [(name, _numbers(name, np.array(values))) for name, values in found]


class _Object(list[tuple[str, Any]]):
    """A JSON object as pairs; the class distinguishes it from an array of pairs."""


def _read_npz(path: Path) -> list[tuple[str, Array]]:
    with open_regular(path, 8 * MOST_FRAMES) as file:
        _check_empty(os.fstat(file.fileno()).st_size, path)
        if not zipfile.is_zipfile(file):
            raise ValueError("not an NPZ archive (pickles are never read)")
        # Unpacking an entry stops at the size it states, so the stated sizes can be trusted.
        with zipfile.ZipFile(file) as archive:
            _check_frames(sum(entry.file_size for entry in archive.infolist()) // 8)
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return [(name, _numbers(name, np.asarray(arrays[name]))) for name in arrays.files]


def _text(path: Path) -> str:
    data = read_regular(path, JSON_BYTES)
    _check_empty(len(data), path)
    return data.decode("utf-8-sig")


def _check_empty(size: int, path: Path) -> None:
    if not size:
        raise LabelError("the file is empty", where=path)


def _check_frames(frames: int) -> None:
    if frames > MOST_FRAMES:
        raise ValueError(f"it has {frames:,} frames, more than {MOST_FRAMES:,}")


def _numbers(name: str, values: NDArray[Any]) -> Array:
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise ValueError(
            f"{name} must be one number per frame, got {values.dtype} of shape {values.shape}"
        )
    return values.astype(np.float64)


def _read_csv(path: Path) -> list[tuple[str, Array]]:
    spans: dict[str, list[tuple[int, int, float]]] = {}
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise LabelError(f"the first line must name the columns {','.join(COLUMNS)}", where=path)
    for row in reader:
        if None in row:
            raise LabelError(
                "a row has more cells than the first line",
                where=f"{path}:{reader.line_num}",
                cure="quote a name with a comma, and write decimals with a point",
            )
        name, *cells = (row[column] or "" for column in COLUMNS)
        spans.setdefault(bare_name(name.strip()), []).append(
            _span(cells, f"{path}:{reader.line_num}")
        )
    return _frames({name: sorted(rows) for name, rows in spans.items()}, path)


def _span(cells: Sequence[str], where: str) -> tuple[int, int, float]:
    try:
        start, end, score = int(cells[0]), int(cells[1]), float(cells[2])
    except ValueError as error:
        raise LabelError(f"a row must be {','.join(COLUMNS)}: {error}", where=where) from error
    if not 0 <= start < end:
        raise LabelError(
            f"start_frame must be at least 0 and below end_frame, got {start} and {end}",
            where=where,
        )
    return start, end, score


def _frames(
    spans: Mapping[str, Sequence[tuple[int, int, float]]], path: Path
) -> list[tuple[str, Array]]:
    """Return one score per frame; raise LabelError for frames in no row or in several."""
    _check_frames(sum(max(row[1] for row in rows) for rows in spans.values()))
    found = {name: _count_faults(rows) for name, rows in spans.items()}
    for what, side in (("in no row", 0), ("in more than one row", 1)):
        videos = [f"{name} ({missed[side]})" for name, missed in found.items() if missed[side]]
        if videos:
            total = sum(missed[side] for missed in found.values())
            raise LabelError(
                f"{counted(total, 'frame')} of {counted(len(videos), 'video')} {what}: "
                f"{listing(videos)}",
                where=path,
                cure="put each frame of a video in exactly one row",
            )
    return [
        (name, np.repeat([row[2] for row in rows], [row[1] - row[0] for row in rows]))
        for name, rows in spans.items()
    ]


def _count_faults(rows: Sequence[tuple[int, int, float]]) -> tuple[int, int]:
    """Count the frames that no row holds, and how often a row repeats a frame.

    `rows` are sorted by start.
    """
    starts, ends = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    reached = np.append(0, np.maximum.accumulate(ends)[:-1])
    return int((starts - reached).clip(0).sum()), int(
        (np.minimum(ends, reached) - starts).clip(0).sum()
    )


def write_scores(path: str | Path, scores: Mapping[str, Array]) -> None:
    """Write scores (frames,) by video name to a file that `read_scores` reads back bit for bit.

    NaN means that a frame has no score. The suffix gives the format: `.npz`, `.json` or `.csv`,
    where a CSV has one row for each run of equal scores. Raises UsageError for another suffix,
    LabelError for a name that would not be read back unchanged, and StoreError if the file cannot
    be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scores.csv"
    ...     write_scores(path, {"a": np.array([0.1, 0.1, 0.8])})
    ...     print(path.read_text(), end="")
    video,start_frame,end_frame,score
    a,0,2,0.1
    a,2,3,0.8
    """
    path = Path(path)
    writer = {".json": _json, ".npz": _npz, ".csv": _csv}.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"cannot write scores as {path.suffix or 'a file without suffix'}",
            where=path,
            cure="give a .json, .npz or .csv",
        )
    odd = [name for name in scores if not _is_read_back(name, path.suffix.lower())]
    if odd:
        raise LabelError(
            f"{len(odd)} names hold a suffix or characters that this kind of file "
            f"does not keep: {listing(odd)}",
            where=path,
            cure="rename the videos, or write JSON",
        )
    write_atomic(
        path, writer({name: np.asarray(scores[name], np.float64) for name in sorted(scores)})
    )


def _is_read_back(name: str, kind: str) -> bool:
    """Return whether a file of that kind gives the name back unchanged.

    CSV loses spaces at both ends of a name; only JSON keeps bytes that are not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        if kind != ".json":
            return False
    return bare_name(name) == name and (kind != ".csv" or name.strip() == name)


def _json(scores: Mapping[str, Array]) -> bytes:
    return (json.dumps({name: values.tolist() for name, values in scores.items()}) + "\n").encode()


def _npz(scores: Mapping[str, Array]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in scores.items():
            # ZipInfo has a fixed date, so equal scores give equal bytes.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
    return data.getvalue()


def _csv(scores: Mapping[str, Array]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, values in scores.items():
        # Compare bits: there a NaN equals itself, and -0.0 differs from 0.0.
        bits = values.view(np.int64)
        edges = [*np.flatnonzero(np.diff(bits, prepend=~bits[:1])), len(values)]
        for start, end in pairwise(edges):
            writer.writerow([name, start, end, repr(float(values[start]))])
    return text.getvalue().encode()
