"""Fit at the size of a real benchmark: `python -m benchmarks.fit_large [--full] [--json FILE]`.

Random hidden states in the shape of a 7B model are written by the store and fitted from it by a new
process, without the layer curve. Anonymous memory is what a process occupies; mapped files, which
the kernel can take back at any time, do not count. `--full` writes 9.2 GB and takes ten minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import measure, tables
from hiprobe import probe, store
from hiprobe.types import HiddenStates, LabelArray, Recipe, Site

RECIPE = Recipe("random", ("Is anything abnormal?",))
WIDTH, LAYERS = 3584, 28
SEPARATING_LAYER = 14  # the only layer whose states differ between the classes
SMALL, FULL = ((16, 14), (64, 14)), ((16, 14), (1600, 14))  # (videos, segments per video)
TICK_S = 0.02
Pair = tuple[HiddenStates, LabelArray]


def sites() -> tuple[Site, ...]:
    return tuple(Site("residual", layer) for layer in range(LAYERS))


def digest(number: int) -> str:
    return f"{number:032x}" * 2


def labels(number: int, segments: int) -> LabelArray:
    """Label the second half of every other video as anomalous."""
    return (np.arange(segments) >= (segments // 2 if number % 2 else segments)).astype(np.int8)


def noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Make noise with correlated columns, as those of hidden states are.

    The correlation comes from 64 common directions.
    """
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(0).standard_normal((64, shape[-1]), np.float32)
    correlated = rng.standard_normal((*shape[:-1], 64), np.float32) @ directions
    return rng.standard_normal(shape, np.float32) + correlated / 4


def write(root: Path, number: int, segments: int) -> None:
    """Write the states of one video, in which one layer separates the classes."""
    values = noise(number, (segments, LAYERS, WIDTH))
    values[labels(number, segments) == 1, SEPARATING_LAYER, : WIDTH // 20] += 1.0
    starts = 1.6 * np.arange(segments)
    states = HiddenStates(
        digest(number), RECIPE, sites(), starts, starts + 1.6, values, 1.6 * segments
    )
    store.save_states(root, states, "float32")


def load_mapped(root: Path, number: int, segments: int) -> Pair:
    """Load the states of one video as a fit uses them: mapped, not copied."""
    states = store.find_states(root, digest(number), RECIPE, sites(), "float32")
    if states is None:
        raise SystemExit(f"no states of video {number} in {root}: write them first")
    return states, labels(number, segments)


def anonymous_mib(process: int | str) -> float:
    """Return the MiB of anonymous memory of a process, 0 if the process has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int((status.partition("RssAnon:")[2].split() or ["0"])[0]) / 1024


def run_and_watch(command: list[str]) -> tuple[str, float]:
    """Run a command; returns what it printed and its peak of anonymous memory in MiB."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, anonymous_mib(child.pid))
            time.sleep(TICK_S)
        printed = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(child.returncode)
    return printed, peak


def fit_in_child(root: str, videos: str, segments: str) -> None:
    """Fit in the new process; prints seconds, processor seconds, MiB before, AUC and layer."""
    pairs = [load_mapped(Path(root), number, int(segments)) for number in range(int(videos))]
    before, found = anonymous_mib("self"), []
    took = measure.spent(lambda: found.append(probe.fit("hiprobe", pairs, layer_curve=False)))
    auc = found[0].provenance["auc"]["value"]
    print(json.dumps([took.wall, took.cpu, before, auc, found[0].sites[0].layer]))


def measure_fit(root: Path, videos: int, segments: int) -> dict[str, Any]:
    """Write the states of `videos` videos and measure a fit on them: one row."""
    for number in range(videos):
        write(root, number, segments)
    command = [
        sys.executable,
        "-m",
        "benchmarks.fit_large",
        "--work",
        str(root),
        str(videos),
        str(segments),
    ]
    printed, peak = run_and_watch(command)
    wall, cpu, before, auc, layer = json.loads(printed)
    return {
        "videos": videos,
        "segments x layers x width": f"{videos * segments:,} x {LAYERS} x {WIDTH:,}",
        "kept on disk MiB": videos * segments * LAYERS * WIDTH * 4 / 2**20,
        "one layer in float64 MiB": videos * segments * WIDTH * 8 / 2**20,
        "peak anonymous MiB": peak,
        "of it before the fit": before,
        "s": wall,
        "processor s": cpu,
        "layer": layer,
        "AUC": auc,
    }


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--work"]:
        return fit_in_child(*sys.argv[2:])
    parser = tables.parser(__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="16 and 64 videos (the default)")
    size.add_argument("--full", action="store_true", help="16 and 1,600 videos")
    parser.add_argument(
        "--root", type=Path, metavar="FOLDER", help="folder for the temporary states"
    )
    given = parser.parse_args()
    measure.pin()
    with tempfile.TemporaryDirectory(dir=given.root) as root:
        rows = [measure_fit(Path(root), *shape) for shape in (FULL if given.full else SMALL)]
    tables.finish("fit_large", {"Fitting from the store, without layer curves": rows}, given.json)


if __name__ == "__main__":
    main()
