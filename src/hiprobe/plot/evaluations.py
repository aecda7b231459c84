"""Figures of an evaluation: ROC, precision and recall, histograms, timelines.

Every function returns a matplotlib Figure, which a notebook shows and `savefig` writes. Labels and
scores are arrays (frames,) by video name, as `hiprobe.evaluation` has them. Knows no video file and
no data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hiprobe.datasets import FrameLabels
from hiprobe.errors import LabelError
from hiprobe.metrics import RATES, Pair, roc_auc
from hiprobe.report.curves import value_range
from hiprobe.report.fonts import choose_fonts
from hiprobe.report.picture import BLUE, GREY, INK, ORANGE, VERMILION, save_png
from hiprobe.report.texts import printable

if TYPE_CHECKING:
    from hiprobe.evaluation import Detection

Array = NDArray[np.float64]
Truth = Mapping[str, FrameLabels]

CASES = 3  # of each kind of timeline
BINS = 40
POINTS = 2000  # of one curve: a picture has no more columns
COLOURS = {"smoothed scores": BLUE, "scores": BLUE, "raw scores": GREY}
OTHER_COLOURS = (BLUE, VERMILION, GREY, ORANGE)


def pooled(truth: Truth, scores: Mapping[str, Array]) -> Pair:
    """Join the labels and the scores of all frames that have a score.

    Args:
        truth: labels, 1 where a frame is anomalous, uint8 (frames,) by video name.
        scores: scores (frames,) by video name; NaN where a frame was not scored.

    Returns:
        Labels and scores, both (scored frames,), the videos in the order of their names.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> truth = {"a.mp4": np.array([0, 1, 1], np.uint8)}
        >>> labels, scores = plot.pooled(truth, {"a.mp4": np.array([0.1, 0.8, np.nan])})
        >>> labels.tolist(), scores.tolist()
        ([0, 1], [0.1, 0.8])
    """
    labels = np.concatenate([truth[name] for name in sorted(scores)])
    values = np.concatenate([scores[name] for name in sorted(scores)])
    known = ~np.isnan(values)
    return labels[known], values[known]


def roc(pairs: Mapping[str, Pair]) -> Figure:
    """Draw the ROC curve of each set of scores, with its area, and the diagonal of chance.

    Args:
        pairs: labels and scores, both (frames,), by the name shown in the legend.

    Raises:
        LabelError: the labels hold one class only.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> pair = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
        >>> figure = plot.roc({"scores": pair})
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['scores: area 0.7500', 'chance: 0.5']
    """
    from sklearn.metrics import auc, roc_curve

    figure, axes = _square()
    for index, (name, (labels, scores)) in enumerate(pairs.items()):
        _check_classes(name, labels)
        alarms, hits, _ = roc_curve(labels, scores)
        _line(axes, alarms, hits, f"{name}: area {auc(alarms, hits):.4f}", _colour(name, index))
    _dashed(axes, (0, 1), "chance: 0.5")
    _label_axes(axes, "false positive rate", "true positive rate", "ROC over all frames")
    return figure


def precision_recall(pairs: Mapping[str, Pair]) -> Figure:
    """Draw precision over recall of each set of scores, with the area under it (trapezoids).

    The dashed line is the precision of calling every frame anomalous.

    Args:
        pairs: labels and scores, both (frames,), by the name shown in the legend.

    Raises:
        LabelError: the labels hold one class only.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> pair = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
        >>> figure = plot.precision_recall({"scores": pair})
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['scores: area 0.7917 (trapezoid)', 'all alike: precision 0.5000']
    """
    from sklearn.metrics import auc, precision_recall_curve

    figure, axes = _square()
    for index, (name, (labels, scores)) in enumerate(pairs.items()):
        _check_classes(name, labels)
        precision, recall, _ = precision_recall_curve(labels, scores)
        area = f"{name}: area {auc(recall, precision):.4f} (trapezoid)"
        _line(axes, recall[::-1], precision[::-1], area, _colour(name, index))
    base = float(np.mean(next(iter(pairs.values()))[0]))
    _dashed(axes, (base, base), f"all alike: precision {base:.4f}")
    _label_axes(axes, "recall", "precision", "precision and recall over all frames")
    return figure


def false_alarm_curve(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Draw recall over false alarms per hour (FROC) of each set of events, as steps.

    At each number of false alarms per hour the line is at the highest recall of a threshold that
    keeps to it, as `metrics.Froc.recall_at` has it. The axis is linear up to 1, then logarithmic.

    Args:
        curves: false alarms per hour and recall, both (thresholds,), by the name in the legend.

    Example:
        >>> from hiprobe import plot
        >>> figure = plot.false_alarm_curve({"scores": ([0.0, 2.0], [0.25, 0.75])})
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['scores: 0.25 at 1 per hour']
    """
    figure = Figure(figsize=(6.4, 4.2), dpi=150, facecolor="white", layout="constrained")
    axes, right = figure.subplots(), max(RATES)
    for index, (name, (false, recall)) in enumerate(curves.items()):
        rates, best = _best_recalls(false, recall)
        at_one = best[np.searchsorted(rates, 1.0, "right") - 1]
        label = f"{name}: {at_one:.2f} at 1 per hour"
        axes.step(
            np.append(rates, max(right, rates[-1])),
            np.append(best, best[-1]),
            where="post",
            color=OTHER_COLOURS[index % len(OTHER_COLOURS)],
            lw=1.8,
            label=label,
        )
    axes.set_xscale("symlog", linthresh=1.0, linscale=1.0)
    axes.set_xlim(0, right)
    axes.set_xticks([0, *RATES], [f"{rate:g}" for rate in (0, *RATES)])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    title = "true events found, over false alarms per hour"
    _label_axes(axes, "false alarms per hour", "recall (tIoU 0.1)", title)
    return figure


def _best_recalls(false: Sequence[float], recall: Sequence[float]) -> tuple[Array, Array]:
    """Return rates from 0 on in rising order, and the highest recall at each or a lower rate."""
    order = np.argsort(false, kind="stable")
    rates = np.append(0.0, np.asarray(false, np.float64)[order])
    return rates, np.maximum.accumulate(np.append(0.0, np.asarray(recall, np.float64)[order]))


def score_histogram(pairs: Mapping[str, Pair]) -> Figure:
    """Draw histograms of the scores of normal and of anomalous frames, a panel for each set.

    Each class is scaled to its own number of frames.

    Args:
        pairs: labels and scores, both (frames,), by the name shown as the panel's title.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> pair = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
        >>> figure = plot.score_histogram({"scores": pair})
        >>> figure.axes[0].get_title(loc="left")
        'scores by class'
    """
    figure = Figure(
        figsize=(5.2 * len(pairs), 3.6), dpi=150, facecolor="white", layout="constrained"
    )
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (name, (labels, scores)) in zip(panels, pairs.items(), strict=True):
        low, high = float(scores.min()), float(scores.max())
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for label, word, colour in ((0, "normal", BLUE), (1, "anomalous", VERMILION)):
            of_class = scores[labels == label]
            share = np.histogram(of_class, edges)[0] / max(len(of_class), 1)
            words = f"{word}: {len(of_class):,}"
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.5, label=words)
        _label_axes(axes, name, "share of the frames", f"{name} by class")
    return figure


def timelines(
    truth: Truth, scores: Mapping[str, Array], *, found: Mapping[str, Detection] | None = None
) -> Figure:
    """Draw scores, true and predicted events over time, for the videos of `typical_videos`.

    Args:
        truth: labels, 1 where a frame is anomalous, uint8 (frames,) by video name.
        scores: scores (frames,) by video name; NaN leaves a gap.
        found: the predicted events by video name, with frame times in seconds. The time axis is in
            seconds where it is given, else in frames.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> truth = {"a.mp4": np.array([0, 0, 1, 1], np.uint8)}
        >>> figure = plot.timelines(truth, {"a.mp4": np.array([0.1, 0.2, 0.8, 0.7])})
        >>> figure.axes[0].get_title(loc="left")
        'best, AUC 1.000: a.mp4'
    """
    rows = typical_videos(truth, scores)
    limits = value_range(np.concatenate([scores[name] for _, name in rows]))
    figure = Figure(
        figsize=(11, 1.35 * len(rows) + 0.6), dpi=110, facecolor="white", layout="constrained"
    )
    panels = figure.subplots(len(rows), squeeze=False)[:, 0]
    for axes, (title, name) in zip(panels, rows, strict=True):
        _timeline(axes, truth[name], scores[name], found[name] if found else None)
        axes.set_ylim(limits)
        words = f"{title}: {printable(name)}"
        axes.set_title(words, loc="left", size=8.5, color=INK, parse_math=False)
    figure.supxlabel("seconds" if found else "frames", size=9, color=INK)
    _timeline_legend(figure, alarms=bool(found))
    choose_fonts(figure)  # of the names of videos
    return figure


def typical_videos(
    truth: Truth, scores: Mapping[str, Array], each: int = CASES
) -> list[tuple[str, str]]:
    """Choose the videos that `timelines` draws, as (why it is chosen, video name) pairs.

    These are the `each` best and worst by the ROC-AUC of their own frames, of the videos with both
    classes, and the `each` normal videos with the highest scores.

    Example:
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> truth = {"a.mp4": np.array([0, 1], np.uint8), "b.mp4": np.array([0, 0], np.uint8)}
        >>> plot.typical_videos(truth, {name: np.array([0.1, 0.9]) for name in truth})
        [('best, AUC 1.000', 'a.mp4'), ('normal, highest score 0.900', 'b.mp4')]
    """
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


def write_plots(
    folder: Path,
    truth: Truth,
    scores: Mapping[str, Array],
    *,
    raw: Mapping[str, Array] | None = None,
    found: Mapping[str, Detection] | None = None,
) -> list[Path]:
    """Write roc.png, pr.png, histogram.png and timelines.png into `folder`.

    Args:
        folder: created if it does not exist.
        truth: labels, 1 where a frame is anomalous, uint8 (frames,) by video name.
        scores: scores (frames,) by video name; NaN where a frame was not scored.
        raw: scores before smoothing, drawn beside the others.
        found: the predicted events by video name, for the timelines.

    Returns:
        The four files.

    Raises:
        LabelError: the labels of the scored frames hold one class only.
        StoreError: a file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from hiprobe import plot
        >>> truth = {"a.mp4": np.array([0, 0, 1, 1], np.uint8)}
        >>> scores = {"a.mp4": np.array([0.1, 0.2, 0.8, 0.7])}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in plot.write_plots(Path(folder), truth, scores)]
        ['roc.png', 'pr.png', 'histogram.png', 'timelines.png']
    """
    kinds = {"scores": scores} if raw is None else {"smoothed scores": scores, "raw scores": raw}
    pairs = {name: pooled(truth, values) for name, values in kinds.items()}
    figures = {
        "roc": roc(pairs),
        "pr": precision_recall(pairs),
        "histogram": score_histogram(pairs),
        "timelines": timelines(truth, scores, found=found),
    }
    for name, figure in figures.items():
        save_png(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, 5.0), dpi=150, facecolor="white", layout="constrained")
    return figure, figure.subplots()


def _check_classes(name: str, labels: NDArray[np.integer]) -> None:
    if len(np.unique(labels)) < 2:
        raise LabelError(
            f"the labels of {name!r} hold one class only", cure="add normal or anomalous frames"
        )


def _colour(name: str, index: int) -> str:
    return COLOURS.get(name, OTHER_COLOURS[index % len(OTHER_COLOURS)])


def _line(axes: Axes, x: Array, y: Array, label: str, colour: str) -> None:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    axes.plot(x[keep], y[keep], color=colour, lw=1.8, ls="-", label=label)


def _dashed(axes: Axes, heights: tuple[float, float], label: str) -> None:
    axes.plot([0, 1], heights, color=INK, lw=1, ls="--", label=label)


def _timeline(axes: Axes, labels: FrameLabels, scores: Array, detection: Detection | None) -> None:
    place = np.arange(len(scores)) if detection is None else detection.times
    ends = np.append(place, len(scores) if detection is None else detection.end)
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        axes.axvspan(ends[first], ends[last], color=ORANGE, alpha=0.35, lw=0)
    axes.step(ends, np.append(scores, scores[-1:]), where="post", color=BLUE, lw=1.2)
    alarms = [event for event in detection.events if not event.demoted] if detection else []
    for event in alarms:
        axes.axvspan(event.start, event.end, ymin=0, ymax=0.06, color=VERMILION, lw=0)
    axes.set_xlim(float(ends[0]), float(ends[-1]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)


def _timeline_legend(figure: Figure, *, alarms: bool) -> None:
    signs = [
        Line2D([], [], color=BLUE, label="score"),
        Patch(color=ORANGE, alpha=0.35, label="truth"),
        *([Patch(color=VERMILION, label="alarm")] if alarms else []),
    ]
    figure.legend(handles=signs, loc="outside upper right", ncols=3, frameon=False, fontsize=8)


def _label_axes(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x, size=9, color=INK)
    axes.set_ylabel(y, size=9, color=INK)
    axes.set_title(title, loc="left", size=10, weight="bold", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E3E7EB", lw=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8)
