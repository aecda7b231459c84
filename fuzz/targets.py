"""What is fuzzed: for each kind of file, how valid files are made and what reads them.

All samples are made here.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz import artifacts, tables, videos
from fuzz.mutate import mutate


@dataclass(frozen=True)
class Target:
    """A kind of file.

    `make` writes valid files into a folder, `read` reads the folder once one of them is damaged.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], None]


TARGETS: dict[str, Target] = {
    "video": Target(videos.make_videos, videos.detect),
    "gif": Target(videos.make_gifs, videos.detect),
    "y4m": Target(videos.make_y4m, videos.detect),
    "pictures": Target(videos.make_pictures, videos.detect_pictures),
    "parts": Target(videos.make_long_videos, videos.compare_parts),
    "probe": Target(artifacts.make_probe, artifacts.score),
    "states": Target(artifacts.make_states, artifacts.load_states),
    "manifest": Target(artifacts.make_folder, artifacts.read_manifest),
    "result": Target(artifacts.make_folder, artifacts.read_results),
    "index": Target(artifacts.make_folder, artifacts.read_index),
    "labels.csv": Target(tables.make_clips, tables.read_clips),
    "ucf_crime": Target(tables.make_ucf, tables.reads_truth("ucf_crime")),
    "xd_violence": Target(tables.make_xd, tables.reads_truth("xd_violence")),
    "shanghaitech": Target(tables.make_campus, tables.reads_truth("shanghaitech")),
    "ucsd_ped": Target(tables.make_ped, tables.reads_truth("ucsd_ped")),
    "scores": Target(tables.make_scores, tables.evaluate),
}
# Of these, only the damaged video is read.
ALONE = ("video", "gif", "y4m", "pictures", "parts")


def valid(name: str, folder: Path) -> Path:
    """Make the valid files of a target, and read them once, which must succeed."""
    folder.mkdir(exist_ok=True)
    TARGETS[name].make(folder)
    with tempfile.TemporaryDirectory() as copy:
        TARGETS[name].read(shutil.copytree(folder, Path(copy) / "valid"))
    return folder


def damaged(name: str, sample: Path, folder: Path, rng: random.Random) -> Path:
    """Make `folder`: the target's valid files with one of them damaged; of videos only that one."""
    shutil.copytree(sample, folder)
    files = sorted(
        path
        for path in folder.rglob(CHOSEN.get(name, "*"))
        if path.is_file() and not path.name.startswith(".")
    )
    hurt = rng.choice(files)
    for path in files if name in ALONE else ():
        if path.parent == folder or path.parent != hurt.parent:
            path.unlink()
    hurt.write_bytes(mutate((sample / hurt.relative_to(folder)).read_bytes(), rng))
    return folder


# The file to damage; of the other targets any file of the folder.
CHOSEN = {"manifest": "manifest.jsonl", "result": "result.json", "index": "index.sqlite"}
