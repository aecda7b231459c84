"""Scores of a benchmark's frames against its truth, beside what a score without any localisation would get.

Knows frame labels, score files and metrics: no video, no model, no data set by name.
"""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets._frames import FrameLabels, listed, video_name
from hiprobe.errors import LabelError, UsageError
from hiprobe.metrics import Pair, Pooled, Ranking, frame_auc, macro_auc, roc_auc

Array = NDArray[np.float64]
FrameScores = Mapping[str, Array]

COLUMNS = ("video", "start_frame", "end_frame", "score")
LIBRARIES = ("hiprobe", "numpy", "scipy")
_UNREADABLE = (OSError, ValueError, EOFError, MemoryError, NotImplementedError, RecursionError, RuntimeError, csv.Error,
               zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Row:
    """The figures of one score; the last two are None where no abnormal video has a normal frame.

    `pooled`: over all frames. `abnormal_auc`: ROC-AUC over the frames of the videos with an anomalous frame.
    `macro_auc`: mean over the videos with both classes of the ROC-AUC within the video.
    """

    name: str
    pooled: Pooled
    abnormal_auc: float | None
    macro_auc: float | None


@dataclass(frozen=True)
class ClassRow:
    """ROC-AUC over the frames of the `videos` of one class: `auc` of them alone, `auc_with_normal` with normal videos.

    Papers report either as "per-class AUC". None where the frames are of one class only.
    """

    name: str
    videos: int
    auc: float | None
    auc_with_normal: float | None


@dataclass(frozen=True)
class Report:
    """What an evaluation found. `rows`: the scores, then the controls on the same frames.

    `low` and `high` are the ends of the 95 % intervals of the scores' pooled figures, None without a bootstrap.
    `mixed` counts the videos with both classes, `provenance` holds digests, seed and versions.
    """

    videos: int
    abnormal: int
    mixed: int
    frames: int
    positives: int
    rows: tuple[Row, ...]
    low: Pooled | None = None
    high: Pooled | None = None
    classes: tuple[ClassRow, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        rows = [{**asdict(row), "pooled": row.pooled._asdict()} for row in self.rows]
        ends = {name: end._asdict() if end else None for name, end in (("low", self.low), ("high", self.high))}
        return {**{key: getattr(self, key) for key in ("videos", "abnormal", "mixed", "frames", "positives")},
                "rows": rows, **ends, "classes": [asdict(row) for row in self.classes],
                "provenance": dict(self.provenance)}

    def to_markdown(self) -> str:
        """As Markdown: the figures, the classes, and what is needed to get them again."""
        head = (f"{self.videos} videos, {self.abnormal} with an anomalous frame, {self.mixed} with both classes; "
                f"{self.frames:,} frames, {self.positives:,} anomalous.")
        titles = ("score", "ROC-AUC", "AP (step)", "AP (trapezoid)", "AUC, abnormal videos",
                  f"within-video AUC, mean of {self.mixed}")
        blocks = [head, _table(titles, [self._cells(row) for row in self.rows])]
        if self.low and self.high:
            blocks.append(f"In brackets: 95 % intervals, {self.provenance['bootstrap']} draws of whole videos.")
        if self.classes:
            blocks.append(_table(("class", "videos", "AUC, its videos", "AUC, its and normal videos"), [
                (row.name, str(row.videos), _cell(row.auc), _cell(row.auc_with_normal)) for row in self.classes]))
        blocks.append("\n".join(f"- {key}: {_plain(value)}" for key, value in self.provenance.items()))
        return "\n\n".join(blocks) + "\n"

    def _cells(self, row: Row) -> tuple[str, ...]:
        low, high = (self.low, self.high) if row is self.rows[0] else (None, None)
        spans = [f" [{a:.4f}, {b:.4f}]" for a, b in zip(low, high, strict=True)] if low and high else ["", "", ""]
        pooled = [f"{value:.4f}{span}" for value, span in zip(row.pooled, spans, strict=True)]
        return (row.name, *pooled, _cell(row.abnormal_auc), _cell(row.macro_auc))


def evaluate(truth: Mapping[str, FrameLabels], scores: FrameScores, *,
             categories: Mapping[str, Sequence[str]] | None = None, seed: int = 0, bootstrap: int = 1000,
             about: Mapping[str, Any] | None = None) -> Report:
    """The figures of `scores` (frames,) per video against `truth` (frames,) per video, with controls and intervals.

    `categories` gives the classes of each video, `("normal",)` for none; a video of several counts in each. `about`
    goes into the provenance. Raises LabelError, with every video that is missing, extra, of another length or not
    finite counted, for one class only, and for a bootstrap of fewer than two videos.
    """
    if bootstrap < 0:
        raise UsageError(f"bootstrap={bootstrap}", cure="give the number of draws, 0 for no intervals")
    _check(truth, scores, categories)
    # adding 0 makes -0.0 the 0.0 that it equals, so that equal scores have one digest
    pairs = {name: (truth[name], np.asarray(scores[name], np.float64) + 0.0) for name in sorted(truth)}
    ranking = Ranking(list(pairs.values()))
    low, high = ranking.interval(resamples=bootstrap, seed=seed) if bootstrap else (None, None)
    rows = [_row("scores", pairs, ranking), *(_row(name, made) for name, made in _controls(pairs))]
    return Report(len(pairs), sum(bool(labels.any()) for labels in truth.values()), sum(map(_mixed, pairs.values())),
                  sum(map(len, truth.values())), sum(int(labels.sum()) for labels in truth.values()), tuple(rows),
                  low, high, _classes(pairs, categories or {}),
                  {**(about or {}), **_provenance(truth, pairs, seed, bootstrap)})


def centre_prior(frames: int) -> Array:
    """A Gaussian (frames,) over the whole video, without any model.

    Frame i of n gets exp(-0.5 ((i - (n - 1) / 2) / (0.25 n))^2), a width some published methods multiply scores by.
    """
    place = np.arange(frames) - (frames - 1) / 2
    return np.asarray(np.exp(-0.5 * (place / (0.25 * frames)) ** 2))


def _controls(pairs: Mapping[str, Pair]) -> Iterator[tuple[str, dict[str, Pair]]]:
    """What no model is needed for, on the same frames: our own choice of three."""
    label = {name: np.full(len(labels), float(labels.any())) for name, (labels, _) in pairs.items()}
    prior = {name: centre_prior(len(labels)) for name, (labels, _) in pairs.items()}
    for title, made in (("perfect video label", label), ("centre prior", prior),
                        ("perfect video label x centre prior", {name: label[name] * prior[name] for name in pairs})):
        yield title, {name: (pairs[name][0], made[name]) for name in pairs}


def _row(name: str, pairs: Mapping[str, Pair], ranking: Ranking | None = None) -> Row:
    abnormal = [pair for pair in pairs.values() if pair[0].any()]
    mixed = any(map(_mixed, abnormal))
    return Row(name, (ranking or Ranking(list(pairs.values()))).pooled(), frame_auc(abnormal) if mixed else None,
               macro_auc(abnormal) if mixed else None)


def _mixed(pair: Pair) -> bool:
    return bool(pair[0].any() and not pair[0].all())


def _classes(pairs: Mapping[str, Pair], categories: Mapping[str, Sequence[str]]) -> tuple[ClassRow, ...]:
    kinds = sorted({kind for name in categories for kind in categories[name]} - {"normal"})
    of = {kind: [pairs[name] for name in pairs if kind in categories.get(name, ())] for kind in [*kinds, "normal"]}
    return tuple(ClassRow(kind, len(of[kind]), _auc(of[kind]), _auc(of[kind] + of["normal"]))
                 for kind in kinds if of[kind])


def _auc(pairs: Sequence[Pair]) -> float | None:
    labels, scores = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return roc_auc(labels, scores) if _mixed((labels, scores)) else None


def _check(truth: Mapping[str, FrameLabels], scores: FrameScores,
           categories: Mapping[str, Sequence[str]] | None) -> None:
    """Raises LabelError, naming and counting all that keeps the videos from being evaluated together."""
    if not truth:
        raise LabelError("no video to evaluate")
    both = sorted(truth.keys() & scores.keys())
    odd = [name for name in both if np.shape(scores[name]) != truth[name].shape]
    bad = {name: int((~np.isfinite(scores[name])).sum()) for name in both}
    lost = {name: count for name, count in bad.items() if count}
    faults = {
        f"of {len(truth)} videos have no scores": truth.keys() - scores.keys(),
        "scored videos are not in the truth": scores.keys() - truth.keys(),
        "videos have another number of frames": [
            f"{name} ({truth[name].size} in the truth, {np.size(scores[name])} scored)" for name in odd],
        f"videos have scores that are not finite, {sum(lost.values())} frames in all": [
            f"{name} ({count})" for name, count in lost.items()],
        "videos have no class": truth.keys() - categories.keys() if categories else (),
    }
    lines = [f"{len(names)} {fault}: {listed(names)}" for fault, names in faults.items() if names]
    if lines:
        raise LabelError("; ".join(lines), cure="every frame of every video needs one score, by the same rule")


def _provenance(truth: Mapping[str, FrameLabels], pairs: Mapping[str, Pair], seed: int, bootstrap: int,
                ) -> dict[str, Any]:
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    return {"truth": digest(truth), "scores": digest({name: scores for name, (_, scores) in pairs.items()}),
            "seed": seed, "bootstrap": bootstrap, "versions": versions}


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256, in hex, of named arrays: their names in order, types, shapes and values, whatever file held them."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        total.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        total.update(values.data)
    return total.hexdigest()


def read_scores(path: str | Path) -> dict[str, Array]:
    """The score float64 (frames,) of each video by its name without folder and suffix, from a JSON, NPZ or CSV file.

    JSON and NPZ: an array of numbers, one a frame, under each name. CSV: `video,start_frame,end_frame,score`, frames
    from 0, `end_frame` exclusive, each frame in one row. Raises UsageError for another kind of file, LabelError for
    one that is empty, malformed, pickled, names a video twice, or leaves a frame out.
    """
    path = Path(path)
    reader = {".json": _read_json, ".npz": _read_npz, ".csv": _read_csv}.get(path.suffix.lower())
    if reader is None:
        raise UsageError("not a score file", where=path, cure="give a .json, .npz or .csv")
    try:
        if not path.stat().st_size:
            raise LabelError("the file is empty", where=path)
        found = reader(path)
    except _UNREADABLE as error:
        raise LabelError(f"cannot be read as {path.suffix[1:].upper()}: {error}", where=path,
                         cure="plain arrays of numbers are needed, one score a frame") from error
    if not found:
        raise LabelError("the file holds no scores", where=path)
    return _by_name(found, path)


def _by_name(found: Sequence[tuple[str, Array]], path: Path) -> dict[str, Array]:
    scores = {video_name(name): values for name, values in found}
    if len(scores) < len(found):
        seen = [video_name(name) for name, _ in found]
        twice = {name for name in seen if seen.count(name) > 1}
        raise LabelError(f"{len(twice)} videos are named more than once: {listed(twice)}", where=path)
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
    with np.load(path, allow_pickle=False) as arrays:
        return [(name, _numbers(name, np.asarray(arrays[name]))) for name in arrays.files]


def _numbers(name: str, values: NDArray[Any]) -> Array:
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise ValueError(f"{name} is not one number a frame, but {values.dtype} {values.shape}")
    return values.astype(np.float64)


def _read_csv(path: Path) -> list[tuple[str, Array]]:
    spans: dict[str, list[tuple[int, int, float]]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise LabelError(f"the first line must name the columns {','.join(COLUMNS)}", where=path)
        for row in reader:
            name, *cells = (row[column] or "" for column in COLUMNS)
            spans.setdefault(video_name(name.strip()), []).append(_span(cells, f"{path}:{reader.line_num}"))
    return _frames({name: sorted(rows) for name, rows in spans.items()}, path)


def _span(cells: Sequence[str], where: str) -> tuple[int, int, float]:
    try:
        start, end, score = int(cells[0]), int(cells[1]), float(cells[2])
    except ValueError as error:
        raise LabelError(f"a row is {','.join(COLUMNS)}: {error}", where=where) from error
    if not 0 <= start < end:
        raise LabelError(f"frames {start} to {end} are no span", where=where)
    return start, end, score


def _frames(spans: Mapping[str, Sequence[tuple[int, int, float]]], path: Path) -> list[tuple[str, Array]]:
    """One score a frame; raises LabelError with the number of frames in no row, or in two."""
    found = {name: _missed(rows) for name, rows in spans.items()}
    for what, side in (("in no row", 0), ("in more than one row", 1)):
        videos = [f"{name} ({missed[side]})" for name, missed in found.items() if missed[side]]
        if videos:
            total = sum(missed[side] for missed in found.values())
            raise LabelError(f"{total} frames of {len(videos)} videos are {what}: {listed(videos)}", where=path)
    return [(name, np.repeat([row[2] for row in rows], [row[1] - row[0] for row in rows]))
            for name, rows in spans.items()]


def _missed(rows: Sequence[tuple[int, int, float]]) -> tuple[int, int]:
    """How many frames before the last one lie in no row, and how often a row repeats one; rows sorted by start."""
    starts, ends = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    reached = np.append(0, np.maximum.accumulate(ends)[:-1])
    return int((starts - reached).clip(0).sum()), int((np.minimum(ends, reached) - starts).clip(0).sum())


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _cell(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _plain(value: Any) -> str:
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, Mapping) else str(value)
