"""Figures of one result and of one probe: timeline, heat over the picture, curves over layers.

They are the pictures that the command line writes. Knows no video file and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hiprobe.probe import Probe
from hiprobe.probe.curves import saliency_curves
from hiprobe.report.heat import HeatMap, heat_map
from hiprobe.report.picture import INK, VERMILION, Thumbnail, layers_figure, timeline_figure
from hiprobe.types import Event, Result

INCHES = 6.0  # the width of a frame with its heat
RED = (0.84, 0.37, 0.0)


def timeline(result: Result, thumbnails: Sequence[Thumbnail] = ()) -> Figure:
    """Draw the scores, threshold, alarms and gaps of one video over time, as `timeline.png`.

    Args:
        result: a result with scores.
        thumbnails: (time in seconds, frame uint8 (height, width, 3)) pairs to show above;
            `report.peak_frames` reads those of the events.

    Raises:
        ValueError: the result has no scores.

    Example:
        >>> import numpy as np
        >>> from hiprobe import Result, Scores, plot
        >>> starts, values = np.array([0.0, 1.6]), np.array([0.1, 0.2])
        >>> scores = Scores(starts, starts + 1.6, values, values, np.full(2, 0.5))
        >>> figure = plot.timeline(Result("a.mp4", "0" * 64, "done", 3.2, scores))
        >>> figure.axes[0].get_ylabel()
        'anomaly score'
    """
    return timeline_figure(result, thumbnails)


def layer_curves(probe: Probe) -> Figure:
    """Draw the saliency of each layer, as `hiprobe layers` does, from what `fit` found.

    Args:
        probe: a probe whose method selects its layer.

    Raises:
        ProbeError: the probe has no curves.

    Example:
        >>> from hiprobe import Probe, embedded, plot
        >>> figure = plot.layer_curves(Probe.load(embedded.PROBE))
        >>> figure.axes[0].get_title(loc="left")
        'KL divergence'
    """
    return layers_figure(saliency_curves(probe, Path("the probe")))


def heat(event: Event, frame: NDArray[np.uint8]) -> Figure:
    """Draw where in the picture the score of an event comes from, over a frame of the video.

    Args:
        event: an event with `heat` or `box`, as `detect` with `where=True` gives it.
        frame: uint8 (height, width, 3); `report.peak_frames` reads those of a result.

    Raises:
        ValueError: the event has neither heat nor box.

    Example:
        >>> import numpy as np
        >>> from hiprobe import Event, plot
        >>> event = Event(0.0, 1.6, heat=((0.0, 2.0), (1.0, -1.0)))
        >>> figure = plot.heat(event, np.zeros((90, 160, 3), np.uint8))
        >>> figure.axes[0].get_title(loc="left")
        'Where the score comes from: strongest at the upper right.'
    """
    found = heat_map(event)
    if found is None:
        raise ValueError("the event has no heat; give where=True to detect")
    height, width = frame.shape[:2]
    figure = Figure((INCHES, INCHES * height / width + 0.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(frame)
    for patch in _patches(found, width, height):
        axes.add_patch(patch)
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    axes.set_title(found.caption, loc="left", size=9, color=INK)
    return figure


def _patches(found: HeatMap, width: int, height: int) -> list[Rectangle]:
    """Return a filled cell for each part of the heat, and the outline of the box."""
    wide, tall = width / found.columns, height / found.rows
    cells = [
        Rectangle((cell.x * wide, cell.y * tall), wide, tall, color=(*RED, cell.opacity), lw=0)
        for cell in found.cells
    ]
    if found.box is None:
        return cells
    x, y, across, down = found.box
    corner, size = (x * width, y * height), (across * width, down * height)
    return [*cells, Rectangle(corner, *size, fill=False, edgecolor=VERMILION, lw=2)]
