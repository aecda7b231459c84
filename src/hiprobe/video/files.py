"""Which files are videos. Opens no file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from hiprobe import environment
from hiprobe.errors import MissingVideo
from hiprobe.video import pictures
from hiprobe.video.folders import Note, refuse, walk

VIDEO_SUFFIXES = (
    ".264",
    ".265",
    ".3gp",
    ".apng",
    ".asf",
    ".avi",
    ".dav",
    ".divx",
    ".dv",
    ".flv",
    ".gif",
    ".h264",
    ".h265",
    ".hevc",
    ".ivf",
    ".m2ts",
    ".m2v",
    ".m4v",
    ".mjpeg",
    ".mjpg",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".mxf",
    ".nut",
    ".ogv",
    ".rm",
    ".ts",
    ".vob",
    ".webm",
    ".wmv",
    ".y4m",
)


def find(paths: Iterable[str], note: Note = refuse) -> list[Path]:
    """Find the video files meant by `paths`, in their order and each once.

    A path is a file, a folder (searched with the folders in it, sorted, links followed) or a
    pattern such as `*.mp4`. A folder gives the files that `is_video`; `note` is called with what is
    passed over in it. Raises MissingVideo naming the first of `paths` that gives none and, unless
    `note` takes them, a folder below it that cannot be entered or a link that leads nowhere.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> [path.name for path in video.find([str(VIDEO)])]
    ['demo.mp4']
    """
    found: dict[Path, Path] = {}
    for path in paths:
        try:
            files = _files(path, note) if path else []  # `Path("")` would be the working folder
        except OSError as error:
            lost = MissingVideo(f"cannot be read: {error.strerror}", where=path)
            raise environment.or_refused(error, lost) from error
        if not files:
            raise MissingVideo(
                "no video file found",
                where=path,
                cure=f"check the path or the pattern; for a folder of pictures, {pictures.CURE}",
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files(path: str, note: Note) -> list[Path]:
    matches = [path] if os.path.exists(path) else glob.glob(path, recursive=True)
    if not matches and pictures.parted(path)[1] is not None:
        return pictures.below(path, note)
    return [file for one in sorted(map(Path, matches)) for file in _files_of(one, note)]


def _files_of(place: Path, note: Note) -> list[Path]:
    """Return a file or a folder of pictures itself, else the files below the folder.

    A device or a pipe gives nothing.
    """
    itself = place.is_file() or pictures.parted(place)[1] is not None
    return [place] if itself else videos_below(place, note)


def videos_below(folder: Path, note: Note = refuse) -> list[Path]:
    """Return the video files in `folder` and the folders below it, sorted.

    `folders.walk` says what is followed, passed over and raised.
    """
    return sorted(walk(folder, VIDEO_SUFFIXES, note))


def is_video(name: str) -> bool:
    """Tell by its name whether a file is a video.

    `name` counts from the folder (or address) that was given. It must end in one of
    `VIDEO_SUFFIXES`, and neither the file nor a folder on the way to it may be hidden.
    """
    return name.lower().endswith(VIDEO_SUFFIXES) and not any(
        part.startswith(".") for part in name.split("/")
    )
