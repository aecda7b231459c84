"""Turn seconds into milliseconds and frames. Arrays and numbers only.

Programs count frames in two ways. Annotation tools such as CVAT count the pictures that they
decode, which have any times: `frames_on_screen`. Editing programs, and tools that play a video in a
browser, count by a constant rate: `nominal_frame` and `nominal_frames`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from hiprobe.types import FloatArray

EPSILON_S = 1e-6  # times of published events have 6 decimals


def milliseconds(line: Mapping[str, Any]) -> tuple[int, int]:
    """Return the span of an event in milliseconds, rounded outward but not below 0.

    >>> milliseconds({"start": 1.6004, "end": 4.8001})
    (1600, 4801)
    """
    start, end = (round(line[key] * 1000, 3) for key in ("start", "end"))
    return max(0, math.floor(start)), math.ceil(end)


def frames_on_screen(times: FloatArray, start: float, end: float) -> tuple[int, int]:
    """Return the frames, from 0 and the end exclusive, that appear from `start` to `end` seconds.

    `times` (frames,) are those at which the frames appear. A span in which none appears is the
    frame on screen.

    >>> frames_on_screen(np.array([0.0, 0.1, 0.5, 0.6]), 0.1, 0.55)
    (1, 3)
    >>> frames_on_screen(np.array([0.0, 0.1, 0.5, 0.6]), 0.2, 0.4)
    (1, 2)
    """
    first, last = (int(np.searchsorted(times, at - EPSILON_S)) for at in (start, end))
    if last <= first:
        first = max(0, int(np.searchsorted(times, start + EPSILON_S, side="right")) - 1)
    return first, max(last, first + 1)


def nominal_frame(fps: float, at: float) -> int:
    """Return the frame of a constant rate, from 0, that is on screen at a time in seconds.

    >>> nominal_frame(30.0, 4.1), nominal_frame(25.0, 1.59)
    (123, 39)
    """
    return math.floor((max(0.0, at) + EPSILON_S) * fps)


def nominal_frames(fps: float, start: float, end: float, duration: float) -> tuple[int, int]:
    """Return the frames of a constant rate, the end exclusive, that a span in seconds touches.

    It lies inside the video and has at least one frame.

    >>> nominal_frames(25.0, 1.6, 4.81, 10.0), nominal_frames(25.0, 9.99, 10.0, 10.0)
    ((40, 121), (249, 250))
    """
    frames = max(1, math.ceil((duration - EPSILON_S) * fps))
    first = min(frames - 1, nominal_frame(fps, start))
    return first, min(frames, max(first + 1, math.ceil((end - EPSILON_S) * fps)))
