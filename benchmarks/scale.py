"""The same run with and without Ray: rate by workers, overhead, a node killed, the driver's memory over many videos.

    python -m benchmarks.scale rate --workers 1,2 --videos 40 --repeats 3
    python -m benchmarks.scale node
    python -m benchmarks.scale memory --videos 10000

`rate` reads copies of a clip (MP4) with the shipped model, one thread a worker: worker processes of `runs.Run` in one
folder against as many workers on Ray. A rate counts from when the first videos are done to the last, by the times of
the result files, so that neither side's start is in it; the starts are given beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hiprobe import embedded, scale
from hiprobe.probe import Probe
from hiprobe.scale import Cluster, Loading
from hiprobe.store import results

LOCAL = """
import sys
from pathlib import Path
from hiprobe import backbones, runs
from hiprobe.probe import Probe
model = backbones.load("embedded", device="cpu")
run = runs.Run(model, Probe.load(Path(sys.argv[2])), Path(sys.argv[3]), explain=False)
paths = sorted(Path(sys.argv[1]).glob("*.mp4"))
place, of = int(sys.argv[4]), int(sys.argv[5])
for _ in run.detect(paths[place::of]):
    pass
"""


def copies(clip: Path, folder: Path, count: int) -> Path:
    """Videos of one picture and many digests: the clip with a free box of its own number at the end."""
    folder.mkdir(parents=True)
    data = clip.read_bytes()
    for number in range(count):
        (folder / f"v{number:05}.mp4").write_bytes(
            data + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
        )
    return folder


def fitted(folder: Path) -> Path:
    """A probe of the shipped model, fitted on the shipped clips."""
    import hiprobe

    model = hiprobe.backbones.load("embedded", device="cpu")
    pairs = list(hiprobe.extract(hiprobe.datasets.load("folder", embedded.CLIPS), model))
    path = folder / "probe.safetensors"
    hiprobe.fit("hiprobe", pairs, model=model, permutations=0).save(path)
    return path


def times(out: Path) -> list[float]:
    return sorted(path.stat().st_mtime for path in out.glob(f"*/{results.NAME}"))


def rate(out: Path, workers: int, began: float) -> tuple[float, float]:
    """Videos a second once each worker has done one, and the seconds until then."""
    found = times(out)
    return (len(found) - workers) / (found[-1] - found[workers - 1]), found[workers - 1] - began


def without_ray(videos: Path, probe: Path, out: Path, workers: int) -> tuple[float, float]:
    began = time.time()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", LOCAL, *map(str, (videos, probe, out, place, workers))]
        )
        for place in range(workers)
    ]
    assert not any(child.wait() for child in children)
    return rate(out, workers, began)


def with_ray(videos: Path, probe: Path, out: Path, workers: int) -> tuple[float, float]:
    began = time.time()
    found = scale.detect_on_ray(
        sorted(videos.glob("*.mp4")),
        scale.RayRun(Loading("embedded", device="cpu"), Cluster(workers=workers)),
        Probe.load(probe),
        out,
        explain=False,
    )
    assert {result.status for result in found} == {"done"}
    return rate(out, workers, began)


def compare(clip: Path, workers: list[int], videos: int, repeats: int, here: Path) -> None:
    probe, base = fitted(here), 0.0
    print(
        "workers | local videos/s | on Ray | Ray / local, median of pairs | efficiency local | on Ray | starts, s"
    )
    for number in workers:
        inputs = copies(clip, here / f"in{number}", videos * number)
        pairs, starts = [], []
        for turn in range(repeats):
            local, first = without_ray(inputs, probe, here / f"local{number}-{turn}", number)
            ray, second = with_ray(inputs, probe, here / f"ray{number}-{turn}", number)
            pairs.append((local, ray))
            starts.append((first, second))
        local, ray = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        base = base or local / number
        ratio = statistics.median(ray / local for local, ray in pairs)
        began = " ".join(
            f"{statistics.median(start[side] for start in starts):.1f}" for side in (0, 1)
        )
        print(
            f"{number} | {local:.3f} | {ray:.3f} | {ratio:.3f} | {local / number / base:.2f} | "
            f"{ray / number / base:.2f} | {began}",
            flush=True,
        )


def killed(here: Path) -> None:
    """Two nodes of two CPUs, one killed when a quarter of 200 videos is done."""
    import ray
    from ray.cluster_utils import Cluster as Nodes
    from tests.support import fake_backbone
    from tests.test_reliability import flat

    inputs = copies(flat(here / "one.mp4", 90), here / "in", 200)
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    ray.init(nodes.address, log_to_driver=False, logging_level="ERROR")
    second = nodes.add_node(num_cpus=2)
    ended, began, crew = Counter[str](), time.time(), []
    for result in scale.detect_on_ray(
        sorted(inputs.glob("*.mp4")),
        scale.RayRun(
            Loading("tests.support.slow_and_crashing_backbones:slow"), workers=crew.append
        ),
        fake_backbone.constant_probe(),
        here / "out",
        explain=False,
    ):
        ended[result.path] += 1
        if sum(ended.values()) == 50:
            nodes.remove_node(second, allow_graceful=False)
    print(
        f"{len(ended)} of 200 videos, at most {max(ended.values())} result of one, "
        f"{len(times(here / 'out'))} result files, {max(crew)} then {crew[-1]} workers, {time.time() - began:.1f} s"
    )
    ray.shutdown()
    nodes.shutdown()


def memory(videos: int, here: Path) -> None:
    """The driver's resident memory while so many short videos are read by a model without weights."""
    import psutil
    from tests.support import fake_backbone
    from tests.test_reliability import flat

    inputs = copies(flat(here / "one.mp4", 90), here / "in", videos)
    own, began = psutil.Process(), time.monotonic()
    paths = sorted(inputs.glob("*.mp4"))
    print(f"before: {own.memory_info().rss / 1e6:.0f} MB", flush=True)
    ended: Counter[str] = Counter()
    for result in scale.detect_on_ray(
        paths,
        scale.RayRun(Loading("tests.support.fake_backbone:load"), Cluster(workers=2)),
        fake_backbone.constant_probe(),
        here / "out",
        explain=False,
    ):
        ended[result.status] += 1
        if sum(ended.values()) % (videos // 10) == 0:
            print(
                f"{sum(ended.values())} videos, {time.monotonic() - began:.0f} s: "
                f"{own.memory_info().rss / 1e6:.1f} MB",
                flush=True,
            )
    print(dict(ended))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("rate", "node", "memory"))
    parser.add_argument(
        "--workers", default=",".join(map(str, range(1, (os.cpu_count() or 1) + 1)))
    )
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clip", type=Path, default=embedded.CLIPS / "normal_00.mp4")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    here = Path(tempfile.mkdtemp(prefix="hiprobe-scale-"))
    try:
        if asked.what == "rate":
            numbers = [int(one) for one in asked.workers.split(",")]
            compare(asked.clip, numbers, asked.videos, asked.repeats, here)
        elif asked.what == "node":
            killed(here)
        else:
            memory(asked.videos, here)
    finally:
        shutil.rmtree(here)


if __name__ == "__main__":
    main()
