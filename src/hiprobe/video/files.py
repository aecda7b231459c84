"""Which files are videos, and the digest of one. Knows no decoder."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
import time
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from hiprobe.errors import MissingVideo
from hiprobe.video import pictures as _pictures

VIDEO_SUFFIXES = (
    ".3gp",
    ".asf",
    ".avi",
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
SETTLED_S = 2.0  # a file written to later than this before it was hashed may change again within the same time stamp
_digests: dict[tuple[int, ...], str] = {}


def digest(path: str | PathLike[str]) -> str:
    """SHA-256 of the file's bytes, in hex, or of a folder's pictures; raises MissingVideo where it cannot be read.

    A file that has not been touched since it was hashed by this process is not read again.
    """
    if _pictures.is_folder(path):
        return _pictures.folder_digest(path)
    try:
        if not stat.S_ISREG(
            os.stat(path).st_mode
        ):  # a pipe would be waited for, a device read without an end
            raise MissingVideo("no file", where=path)
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            key = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            known = _digests.get(key) or hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingVideo(f"cannot be read: {error.strerror}", where=path) from error
    if time.time() - max(facts.st_mtime, facts.st_ctime) > SETTLED_S:
        _digests[key] = known
    return known


def find(paths: Iterable[str]) -> list[Path]:
    """The video files meant by `paths`, in that order, each once: files, folders (recursive, sorted) and patterns.

    A folder gives its files with a known video suffix, hidden ones left out. Raises MissingVideo naming the first
    of `paths` that gives none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        try:
            files = _files(path) if path else []  # `Path("")` would be the working folder
        except OSError as error:
            raise MissingVideo(f"cannot be read: {error.strerror}", where=path) from error
        if not files:
            raise MissingVideo(
                "no video file here",
                where=path,
                cure=f"check the path or the pattern; for a folder of pictures, {_pictures.CURE}",
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files(path: str) -> list[Path]:
    place = Path(path)
    if _pictures.parted(path)[1] is not None:
        return _pictures.below(path)
    if place.is_file() or place.is_dir():
        return _below(place)
    return [
        file
        for match in sorted(map(Path, glob.glob(path, recursive=True)))
        for file in _below(match)
    ]


def _below(place: Path) -> list[Path]:
    """A file itself, the videos of a folder, nothing for a device or a pipe."""
    if place.is_file():
        return [place]
    return sorted(
        file for file in place.rglob("*") if _is_video(file.relative_to(place)) and file.is_file()
    )


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES and not any(
        part.startswith(".") for part in file.parts
    )
