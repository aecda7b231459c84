"""Put a trained model, clips and a probe into the package: `python -m training.ship RUN/model`.

The labelled clips come from seen scenes, the demonstration video from an unseen one. None of their
seeds is used elsewhere.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np

from hiprobe.probe import Probe
from training import default_probe
from training.drawn import events
from training.drawn.clips import make_video
from training.drawn.draw import Array

HOME = Path(__file__).parents[1] / "src" / "hiprobe" / "embedded"
FPS, CLIP_S, DEMO_S = 10, 12.8, 40.0
DEMO = (("fight", 6.2, 11.0), ("fall", 18.5, 23.0), ("fire", 30.3, 35.5))
DEMO_SEED = 75


def write_video(
    frames: Array, path: Path, fps: int = FPS, *, quality: int = 27, preset: str = "slow"
) -> None:
    """Write frames uint8 (n, height, width, 3) as an H.264 file.

    `quality` is the constant rate factor: lower is better. `preset` is that of x264.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {"crf": str(quality), "preset": preset, "x264-params": "threads=1"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode())


def clips(folder: Path) -> None:
    """Write two clips of each anomaly type, as many normal clips, and `labels.csv`.

    The anomalies happen among ordinary life, since smoothing mixes an event with what is around it:
    a threshold fitted on clips that show nothing but an event would not fit footage. One in three
    normal clips shows a look-alike.
    """
    kinds, alike, rows = list(events.ANOMALIES), list(events.LOOK_ALIKES), []
    for index in range(2 * len(kinds)):
        rng = np.random.default_rng([5001, index])
        kind = kinds[index % len(kinds)]
        start = float(round(rng.uniform(2.4, 4.8), 1))
        stays = kind in events.NEEDS_LANES  # a wreck stays until the end of the clip
        stop = CLIP_S + 1 if stays else float(round(start + rng.uniform(4.0, 6.0), 1))
        frames, ((_, end),) = make_video(rng, "seen", [(kind, start, stop)], CLIP_S)
        write_video(frames, folder / f"abnormal_{index:02d}.mp4")
        rows.append(
            [f"abnormal_{index:02d}.mp4", kind, f"{start:.1f}", "" if stays else f"{end:.1f}"]
        )
        rng = np.random.default_rng([5002, index])
        spans = [(alike[index // 3 * 2 % len(alike)], 0.5, CLIP_S)] if index % 3 == 0 else []
        frames, _ = make_video(rng, "seen", spans, CLIP_S)
        write_video(frames, folder / f"normal_{index:02d}.mp4")
        rows.append([f"normal_{index:02d}.mp4", "normal", "", ""])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["path", "label", "start", "end"], *sorted(rows)]
        )


def demo(path: Path, seed: int = DEMO_SEED) -> None:
    """Write a video of an unseen scene with three events among ordinary life."""
    frames, _ = make_video(np.random.default_rng(seed), "unseen", DEMO, DEMO_S, busy=0.7)
    write_video(frames, path)


def probe(path: Path) -> None:
    """Fit the probe that is used where no other is given, as `hiprobe fit --layer` does."""
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "hiprobe", "fit", str(HOME / "clips"), "-o", str(path)]
        layer = str(default_probe.LAYER)
        subprocess.run([*command, "--layer", layer, "--store", store], check=True)
        shutil.rmtree(path.parent / "states", ignore_errors=True)
        for folder in Path(store).glob("*/"):  # without the index
            shutil.copytree(folder, path.parent / "states" / folder.name)
    default_probe.as_default(Probe.load(path)).save(path)
    for name in (".local.json", "..local.json.lock"):  # paths of this machine
        (path.parent / name).unlink(missing_ok=True)


def main() -> None:
    """Replace what the package ships."""
    for name in ("model", "clips"):
        shutil.rmtree(HOME / name, ignore_errors=True)
    shutil.copytree(sys.argv[1], HOME / "model")
    clips(HOME / "clips")
    demo(HOME / "demo.mp4")
    probe(HOME / "probe.safetensors")
    print(f"{sum(p.stat().st_size for p in HOME.rglob('*') if p.is_file()) / 1e6:.2f} MB in {HOME}")


if __name__ == "__main__":
    main()
