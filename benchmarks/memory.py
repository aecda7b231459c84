"""Flat in memory: `python -m benchmarks.memory [--json FILE]`.

Peak memory of the caller and of its decoders, each time in a new process, for a video of two minutes and one of
two hours (96 x 96, 30 fps): every segment decoded, and hidden states of the embedded model on windows of 16 s, so that
two hours fit the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.footage import Footage
from benchmarks.measure import children, pin, publish

from hiprobe import backbones, pipeline, video
from hiprobe.types import Recipe, Site

SHORT, LONG = Footage(96, 96, seconds=30, repeats=4), Footage(96, 96, seconds=30, repeats=240)
WINDOW_S = 16.0
PROCESSES = ("caller", "decoders", "both")
HEAD = ["work", "process", "2 min MiB", "2 h MiB", "ratio"]


def _peak(process: int | str) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _work(name: str, path: str) -> None:
    """What a new process does; prints its own peak and its child's, in MiB."""
    if name == "segments":
        count = sum(
            1 for _ in video.segments(path, Recipe("none", ("none",), frames=8, size=(96, 96)))
        )
    else:
        model = backbones.load("embedded", device="cpu")
        recipe = replace(model.recipe, segment_s=WINDOW_S)
        count = len(
            pipeline.states(
                path, model, (Site("residual", model.layers - 1),), recipe=recipe
            ).starts
        )
    print(json.dumps([count, _peak("self"), sum(map(_peak, children()))]))


def _measured(name: str, footage: Footage) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.memory", "--work", name, str(footage.file())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in json.loads(done.stdout)]


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--work"]:
        return _work(*sys.argv[2:])
    pin()
    rows: list[list[object]] = []
    for name in ("segments", "states"):
        (few, *short), (many, *long) = _measured(name, SHORT), _measured(name, LONG)
        for process, one, other in zip(
            PROCESSES, [*short, sum(short)], [*long, sum(long)], strict=True
        ):
            rows.append(
                [f"{name}, {few:.0f} and {many:.0f} windows", process, one, other, other / one]
            )
    publish(
        "Peak memory against length",
        HEAD,
        rows,
        [
            "Promised: a ratio of at most 1.10 for both together. What grows in the decoder is FFmpeg's index of the "
            "packets, 216,000 in two hours."
        ],
    )


if __name__ == "__main__":
    main()
