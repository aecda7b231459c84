"""PNG pictures of a result and of the saliency of layers. Knows no video file and no page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from numpy.typing import NDArray

from hiprobe.errors import counted
from hiprobe.report.curves import TICKS_S, curve, needed_scores, unread_spans, value_range
from hiprobe.report.fonts import STAND_IN, choose_fonts
from hiprobe.report.texts import clock, count, left_out, printable, two
from hiprobe.store import write_atomic
from hiprobe.types import Event, Result, Scores, unicode

Thumbnail = tuple[float, NDArray[np.uint8]]

# Okabe and Ito's palette, which people with common forms of colour blindness can tell apart.
BLUE, ORANGE, VERMILION, GREY, INK = "#0072B2", "#E69F00", "#D55E00", "#8A929B", "#1B2430"
WIDTH, LEFT, RIGHT, PLOT, STRIP, ROW = 11.0, 0.62, 0.25, 2.5, 0.95, 0.235  # inches
CAPTIONS = 8
NO_LETTER = f"{STAND_IN}: a letter that no font of this machine has; report.html shows it"
DENSE = 800  # a curve of more points is drawn with a thin line


def timeline_png(result: Result, out: Path, *, thumbnails: Sequence[Thumbnail] = ()) -> None:
    """Draw one video: scores, threshold, alarms and gaps over time, and thumbnails above.

    Demoted events are not drawn; a line says how many there are.

    Args:
        result: a result with scores.
        out: the PNG file to write.
        thumbnails: (time in seconds, frame uint8 (height, width, 3)) pairs. Where there is no room
            for all, those with the highest scores are shown.

    Raises:
        ValueError: the result has no scores.
        StoreError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from hiprobe import Result, Scores, report
        >>> starts = np.array([0.0, 1.6])
        >>> values = np.array([0.1, 0.2])
        >>> scores = Scores(starts, starts + 1.6, values, values, np.full(2, 0.5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = Result("a.mp4", "0" * 64, "done", 3.2, scores)
        ...     report.timeline_png(result, Path(folder) / "a.png")
        ...     (Path(folder) / "a.png").read_bytes()[1:4]
        b'PNG'
    """
    save_png(timeline_figure(result, thumbnails), out)


def timeline_figure(result: Result, thumbnails: Sequence[Thumbnail]) -> Figure:
    """Draw the picture of `timeline_png`; raises ValueError if the result has no scores."""
    captions, shown = _captions(result), _of_alarms(thumbnails, result)
    below = 0.72 + ROW * len(captions)
    height = below + PLOT + 0.6 + (STRIP if shown else 0)
    figure = Figure(figsize=(WIDTH, height), dpi=150, facecolor="white")
    axes = figure.add_axes(
        (LEFT / WIDTH, below / height, 1 - (LEFT + RIGHT) / WIDTH, PLOT / height)
    )
    _draw_scores(axes, result)
    _draw_events(axes, result.alarms)
    _draw_strip(figure, axes, _ranked(shown, needed_scores(result)))
    _draw_captions(figure, captions, below)
    figure.text(
        LEFT / WIDTH,
        1 - 0.2 / height,
        _headline(result),
        va="center",
        size=12,
        weight="bold",
        color=INK,
        parse_math=False,
    )
    if choose_fonts(figure):
        figure.text(LEFT / WIDTH, 0.09 / height, NO_LETTER, va="center", size=7, color=GREY)
    return figure


def _headline(result: Result) -> str:
    name = printable(unicode(result.name))
    short = name if len(name) <= 70 else f"{name[:40]}…{name[-28:]}"
    return f"{short}   ·   {count(len(result.alarms), len(result.demoted))}" + (
        "   ·   partial" if result.status == "partial" else ""
    )


def _draw_scores(axes: Axes, result: Result) -> None:
    times, values, run = curve(needed_scores(result))
    lifts = np.flatnonzero(np.diff(run)) + 1  # a NaN breaks the line between two runs
    raw, smoothed, threshold = np.insert(values, lifts, np.nan, axis=0).T
    x = np.insert(times, lifts, np.nan)
    wide = 2.4 if len(x) < DENSE else 1.0
    axes.plot(
        x, smoothed, color=BLUE, lw=wide, label="smoothed score", zorder=4, solid_joinstyle="round"
    )
    axes.plot(x, raw, color=GREY, lw=wide / 3, label="raw score", zorder=3)
    axes.plot(x, threshold, color=VERMILION, lw=1.3, ls=(0, (5, 3)), label="threshold", zorder=3)
    for k, (start, end) in enumerate(unread_spans(needed_scores(result))):
        label = "_" if k else "not read"
        axes.axvspan(start, end, facecolor="#EEF1F4", lw=0, zorder=1, label=label)
    for k, gap in enumerate(needed_scores(result).lost):
        axes.axvspan(
            gap.start,
            gap.end,
            facecolor="#F0F2F4",
            edgecolor=GREY,
            hatch="////",
            lw=0,
            zorder=1,
            label="_" if k else "not scored",
        )
    _label_axes(axes, max(result.duration, float(times.max(initial=1e-3))), value_range(values))


def _label_axes(axes: Axes, duration: float, limits: tuple[float, float]) -> None:
    axes.set(xlim=(0, duration), ylim=limits)
    axes.set_ylabel("anomaly score", color=INK)
    axes.xaxis.set_major_locator(
        MultipleLocator(next((s for s in TICKS_S if duration / s <= 14), duration / 10))
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, 0)))
    axes.grid(axis="y", color="#E3E7EB", lw=0.7)
    _plain_frame(axes)
    axes.legend(
        loc="upper right",
        bbox_to_anchor=(1, -0.1),
        ncols=5,
        frameon=False,
        fontsize=8.5,
        handlelength=1.8,
    )


def _plain_frame(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9AA3AB")
    axes.tick_params(colors="#4A5560", labelsize=9)


def _draw_events(axes: Axes, events: Sequence[Event]) -> None:
    low, right = axes.get_xlim()
    per_inch = (right - low) / (WIDTH - LEFT - RIGHT)
    free = low
    for n, event in enumerate(events, 1):
        axes.axvspan(event.start, min(event.end, right), color=ORANGE, alpha=0.28, lw=0, zorder=2)
        axes.axvline(event.start, color="#B87900", lw=1, zorder=2)
        following = events[n].start if n < len(events) else right
        words = printable(event.label or event.explanation or "")
        text = _shorten(f"{n}  {words}".strip(), (following - event.start) / per_inch)
        if text and event.start >= free:
            axes.annotate(
                text,
                (event.start, 1.0),
                (2, 3),
                xycoords=("data", "axes fraction"),
                size=9,
                weight="bold",
                textcoords="offset points",
                color="#7A5000",
                parse_math=False,
                annotation_clip=False,
                zorder=5,
                bbox={"facecolor": "white", "lw": 0, "pad": 1},
            )
            free = event.start + 0.085 * len(text) * per_inch


def _shorten(text: str, inches: float) -> str:
    room = min(40, int(inches / 0.085))  # inches of an average bold 9 pt letter
    number = text.split(" ")[0]
    return (
        text
        if len(text) <= room
        else f"{text[: room - 1].rstrip()}…"
        if room >= len(number) + 6
        else number
    )


def _captioned(events: Sequence[Event]) -> list[tuple[int, Event]]:
    numbered = list(enumerate(events, 1))
    best = sorted(numbered, key=lambda item: -(item[1].score or 0.0))[:CAPTIONS]
    return sorted(best, key=lambda item: item[0])


def _captions(result: Result) -> list[str]:
    """Return the lines below the curve: the best alarms, and what is left out."""
    chosen, total = _captioned(result.alarms), len(result.alarms)
    lines = [_caption(n, event) for n, event in chosen]
    if len(chosen) < total:
        lines.append(f"and {counted(total - len(chosen), 'more event')}, none with a higher score")
    said = left_out(len(result.demoted), total)
    return [*lines, said] if said else lines


def _of_alarms(thumbnails: Sequence[Thumbnail], result: Result) -> list[Thumbnail]:
    """Leave out the thumbnails that show a demoted event."""
    spans = [(event.start, event.end) for event in result.demoted]
    return [one for one in thumbnails if not any(a <= one[0] < b for a, b in spans)]


def _draw_captions(figure: Figure, lines: Sequence[str], below: float) -> None:
    height = figure.get_figheight()
    for row, line in enumerate(lines):
        figure.text(
            LEFT / WIDTH,
            (below - 0.72 - ROW * row) / height,
            line,
            va="center",
            size=9,
            color=INK,
            parse_math=False,
        )


def _caption(n: int, event: Event) -> str:
    words = ": ".join(printable(part) for part in (event.label, event.explanation) if part)
    line = f"{n}   {clock(event.start)} – {clock(event.end)}   {two(event.score)}   {words}"
    return line if len(line) <= 150 else f"{line[:149].rstrip()}…"


def _ranked(thumbnails: Sequence[Thumbnail], scores: Scores) -> list[Thumbnail]:
    values = np.nan_to_num(scores.at(np.array([time for time, _ in thumbnails])), nan=-np.inf)
    return [thumbnails[k] for k in np.argsort(-values, kind="stable")]


def _draw_strip(figure: Figure, axes: Axes, thumbnails: Sequence[Thumbnail]) -> None:
    right, height = axes.get_xlim()[1], figure.get_figheight()
    inside, tall = WIDTH - LEFT - RIGHT, STRIP - 0.2
    wide = max((tall * frame.shape[1] / frame.shape[0] for _, frame in thumbnails), default=1.0)
    shown = sorted(thumbnails[: int(inside / (wide + 0.06))], key=lambda item: item[0])
    bottom = axes.get_position().y1 + 0.3 / height
    places = _spread([time / right * inside - wide / 2 for time, _ in shown], wide + 0.06, inside)
    for place, (time, frame) in zip(places, shown, strict=True):
        picture = figure.add_axes(((LEFT + place) / WIDTH, bottom, wide / WIDTH, tall / height))
        picture.imshow(frame, aspect="equal")
        picture.set(xticks=[], yticks=[])
        picture.spines[:].set_color("#B87900")
        axes.annotate(
            "",
            (time, 1),
            ((LEFT + place + wide / 2) / WIDTH, bottom),
            annotation_clip=False,
            xycoords=("data", "axes fraction"),
            textcoords="figure fraction",
            arrowprops={
                "arrowstyle": "-",
                "color": "#B87900",
                "lw": 0.9,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _spread(lefts: Sequence[float], wide: float, room: float) -> list[float]:
    """Move boxes of width `wide`, given left to right, apart and into [0, room]."""
    places: list[float] = []
    for left in lefts:
        places.append(max(left, places[-1] + wide if places else 0.0))
    for k in reversed(range(len(places))):
        places[k] = min(places[k], (places[k + 1] if k + 1 < len(places) else room) - wide)
    return places


def layers_png(curves: Mapping[str, Any], out: Path) -> None:
    """Draw the saliency of each layer: KL, LDR and entropy, their sum S, and the AUC.

    Args:
        curves: lists (layers,) named `layers`, `kl`, `ldr`, `entropy` and `saliency`, the layer
            `chosen`, and for the first three `<name>_null_mean` and `<name>_null_std` under
            shuffled labels. `auc`, `auc_low` and `auc_high` if folds were scored.
            `hiprobe.probe.curves` makes it.
        out: the PNG file to write.

    Raises:
        KeyError: a curve is missing.
        StoreError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from hiprobe import report
        >>> curves = dict.fromkeys(("kl", "ldr", "entropy", "saliency"), [0.1, 0.9, 0.4])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = Path(folder) / "layers.png"
        ...     report.layers_png({"layers": [0, 1, 2], "chosen": 1, **curves}, out)
        ...     out.read_bytes()[1:4]
        b'PNG'
    """
    save_png(layers_figure(curves), out)


def layers_figure(curves: Mapping[str, Any]) -> Figure:
    """Draw the picture of `layers_png`; raises KeyError if a curve is missing."""
    figure = Figure(figsize=(WIDTH, 6.0), dpi=150, facecolor="white", layout="constrained")
    grid = figure.add_gridspec(2, 6)
    names = {
        "kl": "KL divergence",
        "ldr": "local discriminant ratio",
        "entropy": "histogram entropy",
    }
    for k, (key, name) in enumerate(names.items()):
        _draw_metric(figure.add_subplot(grid[0, 2 * k : 2 * k + 2]), curves, key, name)
    has_auc = curves.get("auc") is not None
    name = "saliency S = z(KL) + z(LDR) − z(H)"
    _draw_metric(figure.add_subplot(grid[1, : 3 if has_auc else 6]), curves, "saliency", name)
    if has_auc:
        _draw_metric(
            figure.add_subplot(grid[1, 3:]),
            curves,
            "auc",
            "AUC, out of fold, 95 % interval over videos",
        )
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    return figure


def _draw_metric(axes: Axes, curves: Mapping[str, Any], key: str, name: str) -> None:
    layers, values = np.asarray(curves["layers"]), np.asarray(curves[key], dtype=float)
    chosen = int(curves["chosen"])
    axes.axvline(chosen, color=ORANGE, lw=5, alpha=0.45, zorder=1)
    if f"{key}_null_mean" in curves:
        mean, std = (
            np.asarray(curves[f"{key}_null_{part}"], dtype=float) for part in ("mean", "std")
        )
        axes.fill_between(
            layers,
            mean - std,
            mean + std,
            color=GREY,
            alpha=0.35,
            lw=0,
            zorder=2,
            label="labels shuffled, mean ± std",
        )
        axes.plot(layers, mean, color=GREY, lw=1, zorder=2)
    bars = None
    if None not in curves.get(f"{key}_low", [None]):
        bars = [values - curves[f"{key}_low"], np.asarray(curves[f"{key}_high"]) - values]
    axes.errorbar(
        layers,
        values,
        yerr=bars,
        color=BLUE,
        lw=2,
        marker="o",
        ms=3.5,
        capsize=2.5,
        elinewidth=1,
        zorder=3,
        label="as labelled",
    )
    axes.plot(
        [chosen],
        values[layers == chosen],
        "D",
        color=VERMILION,
        ms=8,
        zorder=4,
        label=f"chosen: layer {chosen}",
    )
    axes.set_title(name, loc="left", size=10, weight="bold", color=INK)
    axes.set_xlabel("layer", size=9, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#E3E7EB", lw=0.7)
    _plain_frame(axes)


def save_png(figure: Figure, out: Path) -> None:
    """Write a figure as PNG, the same bytes each time; raises StoreError."""
    choose_fonts(figure)
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    write_atomic(out, data.getvalue())
