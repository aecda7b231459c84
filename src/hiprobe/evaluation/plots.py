"""An evaluation as PNG pictures: ROC, precision-recall, histograms, timelines. Knows no video file and no data set."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hiprobe.datasets import FrameLabels
from hiprobe.evaluation import Detection
from hiprobe.metrics import Pair, roc_auc
from hiprobe.report.picture import BLUE, GREY, INK, ORANGE, VERMILION, printable, value_range
from hiprobe.store import write_atomic

Array = NDArray[np.float64]
Truth = Mapping[str, FrameLabels]

CASES = 3  # of each kind of timeline
BINS = 40
POINTS = 2000  # of one curve: a picture has no more columns
COLOURS = {"smoothed scores": BLUE, "scores": BLUE, "raw scores": GREY}


def write_plots(
    folder: Path,
    truth: Truth,
    scores: Mapping[str, Array],
    *,
    raw: Mapping[str, Array] | None = None,
    found: Mapping[str, Detection] | None = None,
) -> list[Path]:
    """Writes roc.png, pr.png, histogram.png and timelines.png into `folder`: labels and scores (frames,) by video.

    Frames whose score is NaN are left out, except that a timeline shows the hole. Raises StoreError, and LabelError
    for scores of one class.
    """
    kinds = {"scores": scores} if raw is None else {"smoothed scores": scores, "raw scores": raw}
    pooled = {name: _pooled(truth, values) for name, values in kinds.items()}
    curves_png(pooled, folder / "roc.png", folder / "pr.png")
    histogram_png(pooled, folder / "histogram.png")
    timelines_png(truth, scores, folder / "timelines.png", found=found)
    return [folder / f"{name}.png" for name in ("roc", "pr", "histogram", "timelines")]


def _pooled(truth: Truth, scores: Mapping[str, Array]) -> Pair:
    """The labels and scores of all frames that have one."""
    labels = np.concatenate([truth[name] for name in sorted(scores)])
    values = np.concatenate([scores[name] for name in sorted(scores)])
    known = ~np.isnan(values)
    return labels[known], values[known]


def curves_png(pooled: Mapping[str, Pair], roc: Path, pr: Path) -> None:
    """The ROC and the precision-recall curve of each score over all frames, with the areas and what chance gives."""
    from sklearn.metrics import auc, precision_recall_curve, roc_curve

    figures = [
        Figure(figsize=(5.2, 5.0), dpi=150, facecolor="white", layout="constrained")
        for _ in range(2)
    ]
    one, other = (figure.subplots() for figure in figures)
    for name, (labels, scores) in pooled.items():
        alarms, hits, _ = roc_curve(labels, scores)
        _line(one, alarms, hits, f"{name}: area {auc(alarms, hits):.4f}", COLOURS[name])
        precision, recall, _ = precision_recall_curve(labels, scores)
        area = f"{name}: area {auc(recall, precision):.4f} (trapezoid)"
        _line(other, recall[::-1], precision[::-1], area, COLOURS[name])
    base = float(np.mean(next(iter(pooled.values()))[0]))
    _line(one, np.array([0, 1]), np.array([0, 1]), "chance: 0.5", INK, dashed=True)
    _line(
        other,
        np.array([0, 1]),
        np.array([base, base]),
        f"all alike: precision {base:.4f}",
        INK,
        dashed=True,
    )
    _dress(one, "false positive rate", "true positive rate", "ROC over all frames")
    _dress(other, "recall", "precision", "precision and recall over all frames")
    _save(figures[0], roc)
    _save(figures[1], pr)


def _line(axes: Axes, x: Array, y: Array, label: str, colour: str, *, dashed: bool = False) -> None:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    axes.plot(
        x[keep],
        y[keep],
        color=colour,
        lw=1 if dashed else 1.8,
        ls="--" if dashed else "-",
        label=label,
    )


def histogram_png(pooled: Mapping[str, Pair], out: Path) -> None:
    """How the scores of normal and of anomalous frames are spread, each class scaled to its own number of frames."""
    figure = Figure(
        figsize=(5.2 * len(pooled), 3.6), dpi=150, facecolor="white", layout="constrained"
    )
    for axes, (name, (labels, scores)) in zip(
        figure.subplots(1, len(pooled), squeeze=False)[0], pooled.items(), strict=True
    ):
        low, high = float(scores.min()), float(scores.max())
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for label, word, colour in ((0, "normal", BLUE), (1, "anomalous", VERMILION)):
            share = np.histogram(scores[labels == label], edges)[0] / max(
                int((labels == label).sum()), 1
            )
            axes.stairs(
                share,
                edges,
                fill=True,
                color=colour,
                alpha=0.5,
                label=f"{word}: {(labels == label).sum():,}",
            )
        _dress(axes, name, "share of the frames", f"{name} by class")
    _save(figure, out)


def timelines_png(
    truth: Truth,
    scores: Mapping[str, Array],
    out: Path,
    *,
    found: Mapping[str, Detection] | None = None,
) -> None:
    """Score, truth and predicted events over time: the videos with the best and the worst ROC-AUC within the video.

    Below them the normal videos that score highest. Over seconds where `found` gives times, else over frames.
    """
    rows = cases(truth, scores)
    limits = value_range(np.concatenate([scores[name] for _, name in rows]))
    figure = Figure(
        figsize=(11, 1.35 * len(rows) + 0.6), dpi=110, facecolor="white", layout="constrained"
    )
    for axes, (title, name) in zip(
        figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True
    ):
        _timeline(axes, truth[name], scores[name], found[name] if found else None)
        axes.set_ylim(limits)
        axes.set_title(
            f"{title}: {printable(name)}", loc="left", size=8.5, color=INK, parse_math=False
        )
    figure.supxlabel("seconds" if found else "frames", size=9, color=INK)
    figure.legend(
        handles=[
            Line2D([], [], color=BLUE, label="score"),
            Patch(color=ORANGE, alpha=0.35, label="truth"),
            *([Patch(color=VERMILION, label="alarm")] if found else []),
        ],
        loc="outside upper right",
        ncols=3,
        frameon=False,
        fontsize=8,
    )
    _save(figure, out)


def cases(truth: Truth, scores: Mapping[str, Array], each: int = CASES) -> list[tuple[str, str]]:
    """(why, video name) of the best and the worst `each` videos with both classes, and of the loudest normal ones."""
    pairs = {
        name: (truth[name][~np.isnan(values)], values[~np.isnan(values)])
        for name, values in scores.items()
    }
    within = {name: roc_auc(*pair) for name, pair in pairs.items() if len(np.unique(pair[0])) == 2}
    ranked = sorted(within, key=lambda name: (-within[name], name))
    half = min(each, (len(ranked) + 1) // 2)
    best, worst = ranked[:half], ranked[half:][-each:]
    peaks = {
        name: float(values.max())
        for name, (labels, values) in pairs.items()
        if len(values) and not labels.any()
    }
    loud = sorted(peaks, key=lambda name: (-peaks[name], name))[:each]
    return [
        *((f"best, AUC {within[name]:.3f}", name) for name in best),
        *((f"worst, AUC {within[name]:.3f}", name) for name in worst),
        *((f"normal, highest score {peaks[name]:.3f}", name) for name in loud),
    ] or [("all", min(scores))]


def _timeline(axes: Axes, labels: FrameLabels, scores: Array, detection: Detection | None) -> None:
    place = np.arange(len(scores)) if detection is None else detection.times
    ends = np.append(place, len(scores) if detection is None else detection.end)
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        axes.axvspan(ends[first], ends[last], color=ORANGE, alpha=0.35, lw=0)
    axes.step(ends, np.append(scores, scores[-1:]), where="post", color=BLUE, lw=1.2)
    for event in detection.events if detection else ():
        axes.axvspan(event.start, event.end, ymin=0, ymax=0.06, color=VERMILION, lw=0)
    axes.set_xlim(float(ends[0]), float(ends[-1]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _dress(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x, size=9, color=INK)
    axes.set_ylabel(y, size=9, color=INK)
    axes.set_title(title, loc="left", size=10, weight="bold", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E3E7EB", lw=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8)


def _save(figure: Figure, out: Path) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    write_atomic(out, data.getvalue())
