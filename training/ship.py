"""Put a trained model, clips and a probe into the package: `python -m training.ship RUN/model`.

Clips and the demonstration video are rendered. None of their seeds is used elsewhere.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from training.text import NAME
from training.world.clips import Scene
from training.world.place import Rng
from training.world.shapes import Array
from training.world.videos import UNDO_S, Span, frames, plan

HOME = Path(__file__).parents[1] / "src" / "hiprobe" / "embedded"
FPS, SIZE, CLIP_S, DEMO_S = 10, 192, 12.8, 40.0
BUSY, LEAST, STRENGTH = 0.5, 0.2, 0.4
EVENTS = (
    *("blows", "fall", "panic", "crash", "hit", "fire", "drag"),
    *("gang", "slip", "grapple", "crash", "hit", "explosion", "smoke"),
)
STAYS = frozenset({"crash", "hit", "explosion"})  # what it leaves behind stays to the end
LOOK_ALIKES = ("hug", "run", "queue", "steam", "dance")
DEMO = (("blows", 6.2, 11.0), ("fall", 18.5, 23.0), ("fire", 30.3, 35.5))
DEMO_SEED = 10


def write_video(
    pixels: Array, path: Path, fps: int = FPS, *, quality: int = 29, preset: str = "slow"
) -> None:
    """Write pixels uint8 (n, height, width, 3) as an H.264 file.

    `quality` is the constant rate factor: lower is better. `preset` is that of x264.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {"crf": str(quality), "preset": preset, "x264-params": "threads=1"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = pixels.shape[1], pixels.shape[2], "yuv420p"
        for frame in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode())


def footage(rng: Rng, spans: Sequence[Span], seconds: float, busy: float) -> tuple[Array, Scene]:
    """Render a video of the world, frames uint8 (n, SIZE, SIZE, 3), and return its scene."""
    while True:
        try:
            scene = plan(rng, spans, seconds, FPS, busy, LEAST)
        except ValueError:  # none of 20 places shows all of them well
            continue
        if scene.acts:  # a place that nobody comes to has no frames
            return np.concatenate(list(frames(rng, scene, SIZE, FPS, STRENGTH))), scene


def clips(folder: Path) -> None:
    """Write two clips of each anomaly in EVENTS, as many normal clips, and `labels.csv`.

    The anomalies happen among ordinary life, since smoothing mixes an event with what is around it:
    a threshold fitted on clips that show nothing but an event would not fit footage. One in three
    normal clips shows a look-alike.
    """
    rows = []
    for index, kind in enumerate(EVENTS):
        rng = np.random.default_rng([5001, index])
        start = float(round(rng.uniform(2.4, 4.8), 1))
        stays = kind in STAYS
        end = CLIP_S + 1 if stays else float(round(start + rng.uniform(4.0, 6.0), 1))
        pixels, scene = footage(rng, [Span(kind, start, end)], CLIP_S, BUSY)
        write_video(pixels, folder / f"abnormal_{index:02d}.mp4")
        span = [f"{start:.1f}", "" if stays else f"{end + UNDO_S:.1f}"]
        rows.append([f"abnormal_{index:02d}.mp4", NAME[scene.acts[0].state], *span])
        rng = np.random.default_rng([5002, index])
        alike = [Span(LOOK_ALIKES[index // 3], 0.5, CLIP_S + 1)] if index % 3 == 0 else []
        write_video(footage(rng, alike, CLIP_S, BUSY)[0], folder / f"normal_{index:02d}.mp4")
        rows.append([f"normal_{index:02d}.mp4", "normal", "", ""])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["path", "label", "start", "end"], *sorted(rows)]
        )


def demo(path: Path, seed: int = DEMO_SEED) -> None:
    """Write a video of one place with three events among ordinary life."""
    spans = [Span(*event) for event in DEMO]
    write_video(footage(np.random.default_rng([5003, seed]), spans, DEMO_S, BUSY)[0], path)


def probe(path: Path) -> None:
    """Fit the probe that is used where no other is given, as `hiprobe fit` does."""
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "hiprobe", "fit", str(HOME / "clips"), "-o", str(path)]
        subprocess.run([*command, "--store", store], check=True)
        shutil.rmtree(path.parent / "states", ignore_errors=True)
        for folder in Path(store).glob("*/"):  # without the index
            shutil.copytree(folder, path.parent / "states" / folder.name)
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
