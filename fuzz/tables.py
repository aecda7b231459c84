"""Labels, annotations and scores that people give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from fuzz.backbone import no_fault
from hiprobe import datasets, evaluation
from hiprobe.datasets import folder as clips
from hiprobe.errors import HiProbeError


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def make_clips(root: Path) -> None:
    _write(
        root,
        {
            "labels.csv": "path,label,start,end,split\na.mp4,normal,,,train\nb.mp4,fall,1.5,3,train\n"
            "b.mp4,fall,5,7.25,train\nc.mp4,fire,,,test\n",
            "clock.csv": "path;label;start;end\na.mp4;0,0;;\nb.mp4;fall;0:01,5;1:02:03,25\n",
        },
    )
    wide = "path\tlabel\tstart\tend\na.mp4\tNonFight\t\t\nb.mp4\tfall\t0:01.5\t3\n"
    (root / "wide.csv").write_bytes(wide.encode("utf-16"))


def read_clips(root: Path) -> None:
    for path in sorted(root.iterdir()):
        for one in clips.load(path, absent=True):
            assert all(event.end > event.start >= 0 for event in one.events or ())


def make_ucf(root: Path) -> None:
    _write(
        root,
        {
            "Temporal_Anomaly_Annotation.txt": "A_x264.mp4  Arson  10  20  40  50\n"
            "N_x264.mp4  Normal  -1  -1  -1  -1\n",
            "frame_counts.csv": "video,frames\nA_x264.mp4,60\nN_x264.mp4,30\n",
            "Anomaly_Train.txt": "Arson/B.mp4\n",
            "Anomaly_Test.txt": "Arson/A_x264.mp4\n",
        },
    )


def make_xd(root: Path) -> None:
    _write(
        root,
        {
            "annotations.txt": "v_label_B1-G-0.mp4 2 5 30 40\n",
            "frame_counts.csv": "video,frames\nv_label_B1-G-0,64\nw_label_A,33\n",
        },
    )


def make_campus(root: Path) -> None:
    (root / "test_frame_mask").mkdir()
    np.save(root / "test_frame_mask" / "01_0001.npy", np.array([0, 0, 1, 1, 0], np.uint8))


def make_ped(root: Path) -> None:
    _write(
        root,
        {
            "Test/UCSDped2.m": "TestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [2:4, 6];\n",
            **{f"Test/Test001/{number:03}.tif": "" for number in range(8)},
        },
    )
    (root / "Test" / "Test001_gt").mkdir()
    for number in range(8):
        mask = Image.new("1" if number % 2 else "L", (16, 16), number in (2, 3))
        mask.save(root / "Test" / "Test001_gt" / f"{number:03}.bmp")


def reads_truth(name: str) -> Callable[[Path], None]:
    def read(root: Path) -> None:
        for rule in datasets.rules(name):
            try:
                for labels in datasets.truth(name, root, rule=rule).values():
                    assert set(np.unique(labels)) <= {0, 1}
            except HiProbeError as error:
                no_fault(name, error)
        with suppress(HiProbeError):
            datasets.categories(name, root)
        with suppress(HiProbeError):
            list(datasets.load(name, root))

    return read


def make_scores(root: Path) -> None:
    scores = {"a": np.linspace(0, 1, 20), "b": np.linspace(1, 0, 30)}
    (root / "s.json").write_text(
        json.dumps({name: values.tolist() for name, values in scores.items()})
    )
    for suffix in ("npz", "csv"):
        evaluation.write_scores(root / f"s.{suffix}", scores)


def evaluate(root: Path) -> None:
    truth = {"a": np.repeat(np.array([0, 1], np.uint8), 10), "b": np.zeros(30, np.uint8)}
    for path in sorted(root.iterdir()):
        with suppress(HiProbeError):
            evaluation.evaluate(truth, evaluation.read_scores(path), bootstrap=2)
