"""ShanghaiTech Campus (Luo, Liu and Gao, ICCV 2017): 330 normal training videos, 107 test clips labelled by frame.

The truth is `test_frame_mask/NAME.npy`, one number a frame; the clips are `training/videos/*.avi` and folders of
frames in `testing/frames/`. Opens none of them, so it knows no seconds. Classes are not annotated.
"""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiprobe.datasets._frames import FrameLabels, listing, locate, parts
from hiprobe.errors import LabelError
from hiprobe.types import Video
from hiprobe.video import pictures

RULES = ("masks",)
FPS = 24.0
MASKS = "test_frame_mask"


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = FPS,
) -> Iterator[Video]:
    """The clips of the split `train`, `test` or both, below `videos` or `root`; raises LabelError, UsageError.

    A test clip is a folder of frames, shown at `fps`; an absent one keeps its path, so that reading it fails by name.
    The events of an abnormal one are None: `truth` has its frames.
    """
    base = videos or root
    reader = {"train": lambda: _train(base), "test": lambda: _test(root, base, fps)}
    return iter([video for part in parts(split) for video in reader[part]()])


def _train(root: Path) -> list[Video]:
    found = sorted((root / "training" / "videos").glob("*.avi"))
    if not found:
        raise LabelError(
            "there are no training/videos/*.avi", where=root, cure="point at the data set's folder"
        )
    return [Video(str(path), (), "train", ("normal",)) for path in found]


def _test(root: Path, base: Path, fps: float | None) -> list[Video]:
    labels, folder = truth(root, RULES[0]), base / "testing" / "frames"
    stray = {path.name for path in folder.glob("*/")} - labels.keys()
    if stray or not folder.is_dir():
        raise LabelError(
            f"{len(stray)} videos of the frame folders are not in the masks: {listing(stray)}"
            if stray
            else "there is no testing/frames",
            where=base,
            cure="point at the data set's folder",
        )
    return [
        Video(
            pictures.named(folder / name, fps),
            *((None, "test", ("abnormal",)) if values.any() else ((), "test", ("normal",))),
        )
        for name, values in labels.items()
    ]


def truth(root: Path, rule: str) -> dict[str, FrameLabels]:
    """The labels (frames,) of each test clip by name, from its mask; raises LabelError for none or a malformed one."""
    folder = locate(root, MASKS)
    found = {path.stem: _mask(path) for path in sorted(folder.glob("*.npy"))}
    if not found:
        raise LabelError("there are no masks (*.npy)", where=folder)
    return found


def _mask(path: Path) -> FrameLabels:
    try:
        mask = np.load(path, allow_pickle=False)
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        MemoryError,
        SyntaxError,
        tokenize.TokenError,
    ) as error:
        raise LabelError(f"no sound mask: {error}", where=path) from error
    if (
        not isinstance(mask, np.ndarray)
        or mask.ndim != 1
        or not len(mask)
        or not np.isin(mask, (0, 1)).all()
    ):
        raise LabelError("a mask is one 0 or 1 a frame", where=path)
    return mask.astype(np.uint8)
