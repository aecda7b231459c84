"""Fitting at the size of a real benchmark: `python -m benchmarks.fit_large [--full] [--json FILE]`.

Random hidden states in the shape of a 7B model, written by the store and fitted from it by a new process, without the
layer curve. Anonymous memory is what a process holds; mapped files, which the kernel takes back when it wants, are not.
`--full` writes 9.2 GB and takes ten minutes.
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
WIDTH, LAYERS, TOLD = 3584, 28, 14  # the layer that tells the classes apart
SMALL, FULL = ((16, 14), (64, 14)), ((16, 14), (1600, 14))  # videos, segments each
TICK_S = 0.02
Pair = tuple[HiddenStates, LabelArray]


def sites() -> tuple[Site, ...]:
    return tuple(Site("residual", layer) for layer in range(LAYERS))


def digest(number: int) -> str:
    return f"{number:032x}" * 2


def labels(number: int, segments: int) -> LabelArray:
    """The second half of every other video is anomalous."""
    return (np.arange(segments) >= (segments // 2 if number % 2 else segments)).astype(np.int8)


def noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Noise that leans on 64 common directions, so that its columns are correlated, as those of hidden states are."""
    rng, common = (
        np.random.default_rng(seed),
        np.random.default_rng(0).standard_normal((64, shape[-1]), np.float32),
    )
    leaning = rng.standard_normal((*shape[:-1], 64), np.float32) @ common
    return rng.standard_normal(shape, np.float32) + leaning / 4


def write(root: Path, number: int, segments: int) -> None:
    """The states of one video, in which one layer tells the classes apart."""
    values = noise(number, (segments, LAYERS, WIDTH))
    values[labels(number, segments) == 1, TOLD, : WIDTH // 20] += 1.0
    starts = 1.6 * np.arange(segments)
    states = HiddenStates(
        digest(number), RECIPE, sites(), starts, starts + 1.6, values, 1.6 * segments
    )
    store.save_states(root, states, "float32")


def kept(root: Path, number: int, segments: int) -> Pair:
    """The states of one video as a fit takes them, mapped."""
    states = store.find_states(root, digest(number), RECIPE, sites(), "float32")
    if states is None:
        raise SystemExit(f"video {number} is not in {root}")
    return states, labels(number, segments)


def anonymous(process: int | str) -> float:
    """MiB of memory that a process holds now, mapped files apart; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int((status.partition("RssAnon:")[2].split() or ["0"])[0]) / 1024


def watched(command: list[str]) -> tuple[str, float]:
    """What a command prints, and the most anonymous memory that it held, in MiB."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, anonymous(child.pid))
            time.sleep(TICK_S)
        printed = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(child.returncode)
    return printed, peak


def work(root: str, videos: str, segments: str) -> None:
    """What the new process does; prints seconds, processor seconds, MiB held before, AUC and layer."""
    pairs = [kept(Path(root), number, int(segments)) for number in range(int(videos))]
    before, found = anonymous("self"), []
    took = measure.spent(lambda: found.append(probe.fit("hiprobe", pairs, layer_curve=False)))
    auc = found[0].provenance["auc"]["value"]
    print(json.dumps([took.wall, took.cpu, before, auc, found[0].sites[0].layer]))


def measured(root: Path, videos: int, segments: int) -> dict[str, Any]:
    """One row: a fit on so many videos, whose states are written first."""
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
    printed, peak = watched(command)
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
    """Measures and prints."""
    if sys.argv[1:2] == ["--work"]:
        return work(*sys.argv[2:])
    parser = tables.parser(__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="16 and 64 videos, which is the default")
    size.add_argument("--full", action="store_true", help="16 and 1,600 videos")
    parser.add_argument(
        "--root", type=Path, metavar="FOLDER", help="where the states lie meanwhile"
    )
    given = parser.parse_args()
    measure.pin()
    with tempfile.TemporaryDirectory(dir=given.root) as root:
        rows = [measured(Path(root), *shape) for shape in (FULL if given.full else SMALL)]
    tables.finish("fit_large", {"Fitting from the store, without layer curves": rows}, given.json)


if __name__ == "__main__":
    main()
