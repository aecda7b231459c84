"""Copies of videos that browsers can play, made once, in the background. Knows no page."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from hiprobe import video
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import HiProbeError

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
}


@dataclass
class BrowserCopies:
    """The copies below `folder`, one for each video that browsers cannot play, named by its id."""

    folder: Path
    _plays: dict[str, bool] = field(init=False, default_factory=dict)
    _making: dict[str, threading.Thread] = field(init=False, default_factory=dict)
    _refused: dict[str, HiProbeError] = field(init=False, default_factory=dict)
    # One copy at a time, as each takes a whole core.
    _copying: threading.Lock = field(init=False, default_factory=threading.Lock)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def path(self, video_id: str) -> Path:
        """Return where the copy of a video is, or would be."""
        return self.folder / "copies" / f"{video_id}.mp4"

    def is_made(self, path: Path) -> bool:
        """Tell whether the page made this file; a stranger's folder may hold links to outside."""
        return path.is_file() and path.resolve().is_relative_to(self.folder.resolve())

    def playable(
        self, video_id: str, source: Path, *, whole: bool = True, height: int = 480
    ) -> Path | None:
        """Return a file that browsers play: the source or its copy; None while the copy is made.

        Browsers stop at damage, so a source that is not `whole` is copied. `height` is that of the
        copy in pixels. Raises VideoError, and the error that stopped the copy.
        """
        copy = self.path(video_id)
        if self.is_made(copy):
            return copy
        if whole and self._can_play(video_id, source):
            return source
        if video_id in self._refused:
            raise self._refused[video_id]
        self._make(video_id, source, height)
        return None

    def delete(self, video_id: str) -> None:
        """Delete the copy of a video, also if it is being made."""
        if thread := self._making.get(video_id):
            thread.join()
        copy = self.path(video_id)
        if self.is_made(copy):
            copy.unlink(missing_ok=True)

    def _can_play(self, video_id: str, source: Path) -> bool:
        known = self._plays.get(video_id)
        if known is None:
            known = source.suffix.lower() in MEDIA_TYPES and video.info(source).playable
            self._plays[video_id] = known
        return known

    def _make(self, video_id: str, source: Path, height: int) -> None:
        """Start to make the copy, unless that has begun."""
        copy = self.path(video_id)
        refuse_links(self.folder, copy.parent)

        def make() -> None:
            try:
                with self._copying:
                    video.browser_copy(source, copy, height=height)
            except HiProbeError as error:
                self._refused[video_id] = error
            finally:
                self._making.pop(video_id, None)

        with self._lock:
            if video_id not in self._making and not self.is_made(copy):
                self._making[video_id] = threading.Thread(target=make, daemon=True)
                self._making[video_id].start()
