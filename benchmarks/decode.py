"""Compare decoding with bare decoding: `python -m benchmarks.decode [--json FILE]`.

Bare decoding (PyAV, frames discarded) against decoding with sampling and scaling in the same
process, and against the same in the decoder process with the pixels passed over; one decoding
thread each.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
from benchmarks.footage import Footage
from benchmarks.measure import alternate, pin, publish
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.isolate.child import Link
from hiprobe.types import Recipe
from hiprobe.video import calls

ROUNDS = 3
CASES = [
    (Footage(), 8, (96, 96)),
    (Footage(keyframes=30), 8, (96, 96)),
    (Footage(keyframes=30), 16, (448, 448)),
    (Footage(96, 96, repeats=12), 8, (96, 96)),
]
HEAD = [
    "video",
    "frames a segment",
    "bare fps",
    "sampled / bare",
    "child / same process",
    "cpu, child / same process",
]


class _SameProcessLink:
    """A `Link` of the decoder without a process: pixels go to plain memory."""

    def beat(self) -> None:
        pass

    def place(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        return np.empty(shape, np.uint8)


def _bare(path: Path) -> int:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def _discard(_segment: object) -> None:
    """Discard a segment, so that only one is held at a time."""


def _row(footage: Footage, frames: int, size: tuple[int, int]) -> list[object]:
    path, recipe = footage.file(), Recipe("none", ("none",), frames=frames, size=size)
    link = cast(Link, _SameProcessLink())
    best = alternate(
        {
            "bare": lambda: _bare(path),
            "here": lambda: list(
                map(_discard, calls.segments(link, str(path), recipe.segment_s, frames, list(size)))
            ),
            "child": lambda: list(map(_discard, video.segments(path, recipe))),
        },
        ROUNDS,
    )
    bare, here, child = best["bare"], best["here"], best["child"]
    return [
        footage.name,
        f"{frames} at {size[0]} px",
        footage.length * footage.fps / bare.wall,
        here.wall / bare.wall,
        child.wall / here.wall,
        child.cpu / here.cpu,
    ]


def main() -> None:
    """Measure and print."""
    pin()
    video.warm()
    publish(
        "Whole-video decoding and sampling",
        HEAD,
        [_row(*case) for case in CASES],
        [
            f"Best of {ROUNDS} alternating rounds each. Promised: sampled / bare at most 1.25, "
            "child / same process at most 1.05."
        ],
    )


if __name__ == "__main__":
    main()
