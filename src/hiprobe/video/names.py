"""The names of videos: their paths relative to what the user gave. Opens no file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from hiprobe.errors import UsageError
from hiprobe.types import Video, file_name
from hiprobe.video.pictures import bare


@dataclass(frozen=True)
class Root:
    """A folder, or an address, from which names count; they begin with `prefix`, if it has one.

    `whole`: the folder itself was given, with all videos in it, and not only some of its files.

    >>> root = Root("/videos/cams", prefix="cams")
    >>> root.name("/videos/cams/front/0900.mp4"), root.path("cams/front/0900.mp4")
    ('cams/front/0900.mp4', '/videos/cams/front/0900.mp4')
    """

    folder: str
    prefix: str = ""
    whole: bool = True

    def name(self, path: str) -> str | None:
        """Return the name of the video at `path`; None if it is not below the folder."""
        whole = _whole(path)
        if not whole.is_relative_to(_whole(self.folder)) or whole == _whole(self.folder):
            return None
        return str(PurePosixPath(self.prefix) / whole.relative_to(_whole(self.folder)))

    def path(self, name: str) -> str | None:
        """Return where the video of this name would be; None if its name has another prefix."""
        inside, prefix = PurePosixPath(name), PurePosixPath(self.prefix)
        if inside.is_absolute() or ".." in inside.parts or not inside.is_relative_to(prefix):
            return None
        return f"{self.folder.rstrip('/')}/{inside.relative_to(prefix)}"


def name_videos(given: Mapping[str, Sequence[str]]) -> tuple[list[Video], list[Root]]:
    """Name the videos that each given path stands for; also return what the names count from.

    In a folder, a name is the path relative to the folder. If several paths are given, that name
    is prefixed by the folder's last part. Names of files, and of what a pattern matches, are
    relative to their common parent. Raises UsageError if two videos get the same name.

    >>> videos, _ = name_videos({"cams": ["cams/front/0900.mp4", "cams/back/0900.mp4"]})
    >>> [video.name for video in videos]
    ['front/0900.mp4', 'back/0900.mp4']
    >>> videos, _ = name_videos({"cams": ["cams/a.mp4"], "more/b.mp4": ["more/b.mp4"]})
    >>> [video.name for video in videos]
    ['cams/a.mp4', 'b.mp4']
    """
    folders = {one: Root(*_folder(one, len(given))) for one, at in given.items() if _holds(one, at)}
    apart = [path for one, paths in given.items() if one not in folders for path in paths]
    roots = [*folders.values(), *_common(apart)]
    named = [
        Video(path, name=_named(path, [folders[one]] if one in folders else roots))
        for one, paths in given.items()
        for path in paths
    ]
    _check_apart(named)
    return named, roots


def name_below(path: str, roots: Sequence[Root]) -> str:
    """Return the name of a path below one of `roots`, and of any other path its last part."""
    return _named(path, roots)


def last_part(path: str) -> str:
    """Return the last part of a path; empty for an address without one, whose host has a password.

    >>> last_part("s3://bucket/cams/0900.mp4"), last_part("rtsp://admin:secret@camera:554")
    ('0900.mp4', '')
    """
    whole = _whole(path)
    return "" if "://" in path and len(whole.parts) < 3 else whole.name


def _named(path: str, roots: Sequence[Root]) -> str:
    names = (name for root in reversed(roots) if (name := root.name(path)) is not None)
    return next(names, "") or last_part(path) or file_name(path)


def _holds(given: str, found: Sequence[str]) -> bool:
    """Tell whether `given` is a folder: all that was found there is below it."""
    folder = _whole(bare(given))
    return bool(found) and all(folder in _whole(path).parents for path in found)


def _folder(given: str, count: int) -> tuple[str, str]:
    folder = _whole(bare(given))
    return _text(given, folder), folder.name if count > 1 else ""


def _common(paths: Iterable[str]) -> list[Root]:
    """Return the common parent of files, one for each kind of address and one for this machine."""
    parents: dict[str, list[PurePosixPath]] = {}
    first: dict[str, str] = {}
    for path in paths:
        parents.setdefault(_whole(path).parts[0], []).append(_whole(path).parent)
        first.setdefault(_whole(path).parts[0], path)
    return [
        Root(_text(first[kind], PurePosixPath(os.path.commonpath(folders))), whole=False)
        for kind, folders in parents.items()
    ]


def _whole(path: str) -> PurePosixPath:
    """Return an absolute path, or an address without its query, which may hold a password."""
    if "://" not in path:
        return PurePosixPath(os.path.abspath(path))
    return PurePosixPath(path.partition("?")[0] if path.startswith("http") else path)


def _text(path: str, whole: PurePosixPath) -> str:
    """Return `whole` as text; as an address, if `path` is one."""
    return str(whole).replace(":/", "://", 1) if "://" in path else str(whole)


def _check_apart(videos: Iterable[Video]) -> None:
    seen: dict[str, Video] = {}
    for one in videos:
        other = seen.setdefault(one.name, one)
        if other is not one:
            raise UsageError(
                f"two videos would have the name {one.name}: {other.path} and {one.path}",
                cure="give the folder that holds both, or one command for each",
            )
