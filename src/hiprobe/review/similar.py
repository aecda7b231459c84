"""Segments like a given one: exact nearest neighbours of its hidden state. Knows no label.

Compares by the cosine of states from which the mean of all segments is subtracted, because residual
streams have a large part in common. This is our own choice, not from a paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.types import FloatArray, HiddenStates, Site


@dataclass(frozen=True)
class Neighbour:
    """A segment `[start, end)` in seconds; `likeness` is its cosine with the given one."""

    video_id: str
    start: float
    end: float
    likeness: float


def neighbours(
    videos: Sequence[HiddenStates],
    sites: tuple[Site, ...],
    video_id: str,
    time: float,
    count: int = 24,
) -> list[Neighbour]:
    """Find the `count` segments of all `videos` most like the one at `time` seconds of `video_id`.

    Compares every segment. Leaves out the given one, and keeps only the best of segments that touch
    each other. The best comes first. Raises UsageError if that time was not scored.
    """
    mean = _mean(videos, sites)
    asked = _unit(_given_segment(videos, sites, video_id, time)[None] - mean)[0]
    found = [
        Neighbour(states.video_id, float(start), float(end), float(cosine))
        for states in videos
        for start, end, cosine in _best_of_video(
            states, sites, mean, asked, count, (video_id, time)
        )
    ]
    return sorted(found, key=lambda one: -one.likeness)[:count]


def _given_segment(
    videos: Sequence[HiddenStates], sites: tuple[Site, ...], video_id: str, time: float
) -> NDArray[np.float32]:
    for states in videos:
        here = np.flatnonzero((states.starts <= time + 1e-6) & (time < states.ends - 1e-6))
        if states.video_id == video_id and len(here):
            return np.asarray(_flat(states.at(sites))[here[0]], dtype=np.float32)
    raise UsageError(
        f"no segment with kept hidden states at {time:.1f} s", cure="choose a scored moment"
    )


def _mean(videos: Sequence[HiddenStates], sites: tuple[Site, ...]) -> NDArray[np.float32]:
    total = sum(_flat(states.at(sites)).sum(0, dtype=np.float64) for states in videos)
    return np.asarray(total / sum(len(states.starts) for states in videos), dtype=np.float32)


def _best_of_video(
    states: HiddenStates,
    sites: tuple[Site, ...],
    mean: NDArray[np.float32],
    asked: NDArray[np.float32],
    count: int,
    itself: tuple[str, float],
) -> list[tuple[float, float, float]]:
    """Find the best segments of one video, no two of which touch."""
    likeness = _unit(_flat(states.at(sites)) - mean) @ asked
    taken = np.zeros(len(likeness) + 2, dtype=bool)  # padded by one on each side
    if states.video_id == itself[0]:
        taken[1:-1] = (states.starts <= itself[1] + 1e-6) & (itself[1] < states.ends - 1e-6)
    found = []
    for index in np.argsort(-likeness, kind="stable"):
        if not taken[index : index + 3].any():
            taken[index + 1] = True
            found.append(
                (float(states.starts[index]), float(states.ends[index]), float(likeness[index]))
            )
            if len(found) == count:
                break
    return found


def _flat(values: FloatArray) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(len(values), -1)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
