"""Find and name the videos of a command: paths, folders, patterns, and addresses with --ray."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.disk.regular import MOST_BYTES
from hiprobe.errors import HiProbeError, MissingVideo, VideoError

if TYPE_CHECKING:
    from hiprobe.cli._passed import PassedOver
    from hiprobe.store.local_places import LocalPlaces
    from hiprobe.types import Result, Video
    from hiprobe.video import Root

LARGE_BYTES = 64 << 30  # at 1 GB/s a file of this size is hashed in a minute


@dataclass(frozen=True)
class Found:
    """The videos that paths name, each once, and what their names count from.

    `failed` has a result for each path that names none, and for each folder below one that cannot
    be entered.
    """

    videos: list[Video]
    roots: list[Root]
    failed: list[Result]

    def places(self) -> LocalPlaces:
        """Return the folders of this machine that the videos are in."""
        from hiprobe.store.local_places import LocalPlaces

        here = [root for root in self.roots if "://" not in root.folder]
        return LocalPlaces(tuple((root.folder, root.prefix, root.whole) for root in here))


@dataclass
class _Search:
    """A search in progress: the files found by the path that named them, and what went wrong."""

    seen: PassedOver
    given: dict[str, list[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    lost: list[tuple[str, HiProbeError]] = field(default_factory=list)

    def fail(self, path: str, error: HiProbeError) -> None:
        from hiprobe.cli._terminal import complain

        complain(error)
        self.lost.append((path, error))

    def note(self, path: Path, why: str | MissingVideo) -> None:
        self.seen.note(path, why)
        if isinstance(why, MissingVideo):
            self.fail(str(path), why)

    def take(self, path: str, files: Sequence[str | Path]) -> None:
        """Keep the files that no path before has named."""
        for file in files:
            key = str(file.resolve()) if isinstance(file, Path) else file
            if key not in self.known:
                self.known.add(key)
                self.given[path].append(str(file))

    def look_here(self, path: str) -> None:
        from hiprobe import video

        before = len(self.lost)
        try:
            self.take(path, video.find([path], self.note))
        except VideoError as error:
            if len(self.lost) == before:  # else it is known why there is no video
                self.fail(path, error)

    def look_at_address(self, path: str) -> None:
        from hiprobe.store import remote
        from hiprobe.video.files import is_video

        try:
            self.take(path, remote.find_addresses(path, is_video))
        except HiProbeError as error:
            self.fail(path, error)

    def found(self) -> Found:
        from hiprobe import pipeline, video
        from hiprobe.video.names import name_below

        videos, roots = video.name_videos(self.given)
        announce_large(one.path for one in videos)
        failed = [pipeline.failure(path, why, name_below(path, roots)) for path, why in self.lost]
        return Found(videos, roots, failed)


def announce_large(paths: Iterable[str]) -> None:
    """Say which files take minutes to read for their digests, before anything else is shown."""
    from hiprobe.cli._terminal import warn

    for path in paths:
        with suppress(OSError):  # reported when its turn comes
            size = os.stat(path).st_size
            if LARGE_BYTES < size <= MOST_BYTES:
                warn(f"{path}: has {size >> 30} GiB; reading it for its digest takes minutes")


def find_videos(paths: Sequence[str], seen: PassedOver, *, anywhere: bool = False) -> Found:
    """Find the videos of a command; `seen` notes what is passed over.

    With `anywhere` a path may also be an address. Raises UsageError if two videos get one name.
    """
    search = _Search(seen)
    for path in paths:
        here = path.removeprefix("file://") if anywhere else path
        search.given.setdefault(here, [])
        look = search.look_at_address if anywhere and "://" in here else search.look_here
        look(here)
    return search.found()
