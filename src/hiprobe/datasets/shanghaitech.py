"""ShanghaiTech Campus (Luo, Liu and Gao, ICCV 2017): 330 normal training videos, 107 test clips labelled by frame.

The truth is `test_frame_mask/NAME.npy`, one number a frame; the clips are `training/videos/*.avi` and folders of
frames in `testing/frames/`. Opens none of them, so it knows no seconds. Classes are not annotated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiprobe.datasets._frames import FrameLabels, locate, parts, same_videos
from hiprobe.errors import LabelError
from hiprobe.types import Video

RULES = ("masks",)
MASKS = "test_frame_mask"


def load(root: Path, split: str | None = None) -> Iterator[Video]:
    """The clips of the split `train`, `test` or both; raises LabelError, UsageError.

    A test clip is a folder of frames. The events of an abnormal one are None: `truth` has its frames.
    """
    reader = {"train": _train, "test": _test}
    return iter([video for part in parts(split) for video in reader[part](root)])


def _train(root: Path) -> list[Video]:
    found = sorted((root / "training" / "videos").glob("*.avi"))
    if not found:
        raise LabelError("there are no training/videos/*.avi", where=root, cure="point at the data set's folder")
    return [Video(str(path), (), "train", ("normal",)) for path in found]


def _test(root: Path) -> list[Video]:
    labels = truth(root, RULES[0])
    folders = {path.name: path for path in sorted((root / "testing" / "frames").glob("*/"))}
    same_videos(root, masks=labels, frame_folders=folders)
    return [Video(str(path), *((None, "test", ("abnormal",)) if labels[name].any() else ((), "test", ("normal",))))
            for name, path in folders.items()]


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
    except (OSError, ValueError, EOFError) as error:
        raise LabelError(f"no sound mask: {error}", where=path) from error
    if not isinstance(mask, np.ndarray) or mask.ndim != 1 or not len(mask) or not np.isin(mask, (0, 1)).all():
        raise LabelError("a mask is one 0 or 1 a frame", where=path)
    return mask.astype(np.uint8)
