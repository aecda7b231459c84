"""Read ShanghaiTech Campus (Luo, Liu and Gao, ICCV 2017). Opens no video, so it knows no seconds.

330 normal training videos are `training/videos/*.avi`; 107 test clips, labelled by frame, are
folders of frames in `testing/frames/`. The truth is `test_frame_mask/NAME.npy`, one number per
frame. Classes are not annotated.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiprobe.datasets._frames import FrameLabels, listing, locate, parts
from hiprobe.disk.regular import read_regular
from hiprobe.errors import LabelError, counted
from hiprobe.types import Video
from hiprobe.video import pictures

RULES = ("masks",)
FPS = 24.0
MASKS = "test_frame_mask"
MASK_BYTES = 2**27  # of one clip, a number per frame; the largest has 11 kB


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = FPS,
) -> Iterator[Video]:
    """Yield the clips of the split `train`, `test` or both, below `videos` or `root`.

    A test clip is a folder of frames, shown at `fps`; an absent one keeps its path, so that the
    error of reading it names it. The events of an abnormal one are None, as only `truth` knows its
    frames. Raises LabelError, UsageError.
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
            f"{counted(len(stray), 'video')} of the frame folders not in the masks: "
            f"{listing(stray)}"
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
    """Return the labels (frames,) of each test clip by name, from its mask; raises LabelError."""
    folder = locate(root, MASKS)
    found = {path.stem: _mask(path) for path in sorted(folder.glob("*.npy"))}
    if not found:
        raise LabelError("there are no masks (*.npy)", where=folder)
    return found


def _mask(path: Path) -> FrameLabels:
    try:
        mask = np.load(io.BytesIO(read_regular(path, MASK_BYTES)), allow_pickle=False)
    except (
        OSError,
        ValueError,
        TypeError,
        EOFError,
        MemoryError,
        SyntaxError,
        tokenize.TokenError,
    ) as error:
        raise LabelError(f"not a valid mask: {error}", where=path) from error
    if (
        not isinstance(mask, np.ndarray)
        or mask.ndim != 1
        or not len(mask)
        or not np.isin(mask, (0, 1)).all()
    ):
        raise LabelError("a mask must have one 0 or 1 per frame", where=path)
    return mask.astype(np.uint8)
