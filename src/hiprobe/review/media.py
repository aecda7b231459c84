"""Videos for the page: the file itself, a copy that browsers can play, single frames.

A request names a video by its digest, never by a path. Knows no score and no judgement.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image

from hiprobe import video
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import MissingVideo
from hiprobe.review.copies import BrowserCopies
from hiprobe.review.judgements import Judgements
from hiprobe.review.results import ReviewedVideo
from hiprobe.store import write_atomic
from hiprobe.video import Root
from hiprobe.video.files import videos_below

PREVIEWS = 240  # at most, along a video
PREVIEW_PX = 192
LONG_S = 1800.0  # a copy of a longer video has half the height


@dataclass
class Media:
    """The videos below `roots`, and the copies and previews of them that are kept under `folder`.

    Nothing outside these folders is served. `roots` is empty if the videos folder is not known.
    """

    roots: tuple[Root, ...]
    folder: Path
    judgements: Judgements
    found: dict[str, Path] = field(default_factory=dict)
    copies: BrowserCopies = field(init=False)
    # Two previews at a time.
    decoding: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))

    def __post_init__(self) -> None:
        self.copies = BrowserCopies(self.folder)

    def source(self, entry: ReviewedVideo) -> Path:
        """Find the file below the roots that has the entry's name and content.

        A folder may have been moved: then a file with the last part of the name will do. A file of
        that name is read once for its digest, which is saved with its size and time of change.
        Raises MissingVideo if there is no such file.
        """
        known = self.found.get(str(entry.video_id))
        if known is not None and known.is_file() and self._digest(known) == entry.video_id:
            return known
        for path in self._named(entry.name):
            if self._digest(path) == entry.video_id:
                self.found[str(entry.video_id)] = path
                return path
        cure = (
            "start hiprobe review with --videos FOLDER"
            if not self.roots
            else "put the file back, or choose another --videos folder"
        )
        raise MissingVideo(
            "no file with this name and content under the videos folder",
            where=entry.name,
            cure=cure,
        )

    def _named(self, name: str) -> Iterator[Path]:
        for root in self.roots:
            place = root.path(name)
            if place is not None and _is_served(Path(place), root):
                yield Path(place)
        last = PurePosixPath(name).name.encode("utf-8", "replace")
        for path in (path for path, _ in served_videos(self.roots)):
            if path.name.encode("utf-8", "replace") == last:
                yield path

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        stamp = f"{stat.st_size}-{stat.st_mtime_ns}"
        known = self.judgements.digest_of(path, stamp)
        if known is None:
            known = video.digest(path)
            self.judgements.note_digest(path, stamp, known)
        return known

    def playable(self, entry: ReviewedVideo) -> Path | None:
        """Return a file that browsers play: the source or its copy; None while the copy is made.

        Raises MissingVideo, and the error that stopped the copy.
        """
        height = 240 if entry.duration > LONG_S else 480
        whole = entry.status == "done"
        source = self.source(entry)
        return self.copies.playable(str(entry.video_id), source, whole=whole, height=height)

    def preview(self, entry: ReviewedVideo, number: int) -> Path:
        """Return a JPEG, at most 192 pixels wide, of the frame where preview `number` begins.

        It is made once. Raises MissingVideo, and the errors of `video.span`.
        """
        path = self.folder / "previews" / str(entry.video_id) / f"{number}.jpg"
        if not self.copies.is_made(path):
            time = min(number * preview_step(entry.duration), max(0.0, entry.duration - 0.1))
            copy = self.copies.path(str(entry.video_id))  # faster to seek in
            with self.decoding:
                shown = copy if self.copies.is_made(copy) else self.source(entry)
                frame = video.span(shown, time, time + 0.04, 1).frames[0]
            image, data = Image.fromarray(frame), io.BytesIO()
            image.thumbnail((PREVIEW_PX, PREVIEW_PX))
            image.save(data, "JPEG", quality=75)
            refuse_links(self.folder, path.parent)
            write_atomic(path, data.getvalue())
        return path


def served_videos(roots: Sequence[Root]) -> Iterator[tuple[Path, str]]:
    """List path and name of the videos below `roots`, without hidden folders and links to outside.

    Only in folders that were given as a whole. A folder that cannot be entered is passed over:
    `detect` has named it, and the page goes on.
    """
    for root in (root for root in roots if root.whole):
        for path in videos_below(Path(root.folder), lambda _path, _why: None):
            if _is_served(path, root):
                yield path, str(root.name(str(path)))


def _is_served(path: Path, root: Root) -> bool:
    """Tell whether a path is a file that lies, links followed, in the folder of `root`."""
    return path.is_file() and path.resolve().is_relative_to(Path(root.folder).resolve())


def preview_step(duration: float) -> float:
    """Return the whole seconds from one preview to the next, so that a video has at most 240."""
    return float(max(1, math.ceil(duration / PREVIEWS)))
