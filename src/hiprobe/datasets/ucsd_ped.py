"""Read UCSD pedestrians, Ped1 or Ped2 (Mahadevan et al., CVPR 2010). Knows no seconds.

Training clips are normal, test clips are labelled by frame. `root` is `UCSDped1` or `UCSDped2`, or
a folder with one of them. Clips are folders of frames, `Train/Train001` and `Test/Test001`. The
truth is `Test/UCSDped2.m` (`gt_frame = [61:180]`, a line for each clip, frames from 1, both ends
included) or the pixel masks `Test/Test001_gt/*.bmp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import isolate
from hiprobe.datasets import _ucsd_calls
from hiprobe.datasets._frames import FrameLabels, listing, locate, mark, parts
from hiprobe.errors import LabelError, counted
from hiprobe.types import Video
from hiprobe.video import pictures

RULES = ("ranges", "masks")
FPS = 10.0
FRAMES, PIXELS = ".tif", ".bmp"
LIMITS = isolate.Limits()


def load(
    root: Path,
    split: str | None = None,
    *,
    videos: Path | None = None,
    fps: float | None = FPS,
) -> Iterator[Video]:
    """Yield the clips of the split `train`, `test` or both, each a folder of frames shown at `fps`.

    They are in `videos`, in the layout of `root`. The events of an abnormal test clip are None:
    `truth` has its frames. Raises LabelError, UsageError.
    """
    base = videos or root
    reader = {"train": lambda: _train(base, fps), "test": lambda: _test(root, base, fps)}
    return iter([video for part in parts(split) for video in reader[part]()])


def _train(base: Path, fps: float | None) -> list[Video]:
    return [
        Video(pictures.named(clip, fps), (), "train", ("normal",))
        for clip in _clips(_part(base) / "Train")
    ]


def _test(root: Path, base: Path, fps: float | None) -> list[Video]:
    labels, folder = truth(root, RULES[0]), _part(base) / "Test"
    return [
        Video(
            pictures.named(folder / name, fps),
            *((None, "test", ("abnormal",)) if values.any() else ((), "test", ("normal",))),
        )
        for name, values in labels.items()
    ]


def truth(root: Path, rule: str) -> dict[str, FrameLabels]:
    """Return the labels (frames,) of each test clip by name.

    Rule `ranges` reads the `.m` file. By `masks` a frame is anomalous if its mask has a pixel that
    is not zero; Ped1 has masks of some clips only. Raises LabelError for files that are missing,
    malformed or do not agree in number.
    """
    part = _part(root)
    clips = _clips(part / "Test")
    return _from_ranges(part, clips) if rule == "ranges" else _from_masks(part, clips)


def _part(root: Path) -> Path:
    """Find `UCSDped1` or `UCSDped2`: two data sets whose clips have the same names."""
    found = (
        [root]
        if (root / "Test").is_dir()
        else [p.parent for p in sorted(root.glob("UCSDped*/Test"))]
    )
    if len(found) != 1:
        held = ", ".join(path.name for path in found) or "no folder Test"
        raise LabelError(
            f"one of UCSDped1 and UCSDped2 is needed, found: {held}",
            where=root,
            cure="give the folder of one of them",
        )
    return found[0]


def _clips(folder: Path) -> list[Path]:
    found = sorted(
        p
        for p in folder.glob(f"{folder.name}*")
        if p.is_dir() and p.name[len(folder.name) :].isdecimal()
    )
    if not found:
        raise LabelError(
            f"there are no clips {folder.name}001, {folder.name}002, ...", where=folder
        )
    return found


def _files(folder: Path, suffix: str) -> list[Path]:
    """Return the files with `suffix`, without the ._ files of the official archive."""
    return sorted(p for p in folder.glob("[!.]*") if p.suffix.lower() == suffix)


def _frames(clip: Path) -> int:
    frames = len(_files(clip, FRAMES))
    if not frames:
        raise LabelError(f"there are no frames (*{FRAMES})", where=clip)
    return frames


def _from_ranges(part: Path, clips: list[Path]) -> dict[str, FrameLabels]:
    path = locate(
        part / "Test", "UCSDped[12].m", "point at the data set's folder, or use the rule masks"
    )
    rows = _ask("ranges", path)
    if len(rows) != len(clips):
        raise LabelError(
            f"{counted(len(rows), 'gt_frame line')} for {counted(len(clips), 'clip')}", where=path
        )
    return {
        clip.name: mark(map(tuple, row), _frames(clip), clip.name)
        for clip, row in zip(clips, rows, strict=True)
    }


def _ask(call: str, *paths: Path) -> list[Any]:
    """Return what `_ucsd_calls` reads from files, in a child process that they may crash."""
    try:
        args = map(str, paths)
        return [one for one, _ in isolate.stream(_ucsd_calls.__name__, LIMITS, call, *args)]
    except (isolate.ChildLost, isolate.ChildBug) as error:
        reason = str(error).splitlines()[-1]
        raise LabelError(f"the reader failed: {reason}", where=paths[0].parent) from error


def _from_masks(part: Path, clips: list[Path]) -> dict[str, FrameLabels]:
    masks = {clip: _files(clip.with_name(f"{clip.name}_gt"), PIXELS) for clip in clips}
    lacking = [clip.name for clip in clips if not masks[clip]]
    if lacking:
        raise LabelError(
            f"no masks for {len(lacking)} of {counted(len(clips), 'clip')}: {listing(lacking)}",
            where=part,
            cure="use the rule ranges",
        )
    odd = [
        f"{clip.name} ({counted(len(masks[clip]), 'mask')}, {counted(_frames(clip), 'frame')})"
        for clip in clips
        if len(masks[clip]) != _frames(clip)
    ]
    if odd:
        raise LabelError(
            f"clips with different numbers of masks and frames: {listing(odd)}",
            where=part,
        )
    return {clip.name: np.array(_ask("masks", *masks[clip]), np.uint8) for clip in clips}
