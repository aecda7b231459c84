"""A video file as segments, and what a page needs to show it: facts, a proxy, a digest. Knows no model and no score.

All times are seconds as a player shows them; `decode.FrameReader` says where zero lies and what a gap is. Nothing is
decoded in this process: `decoder` does it in a child, which a damaged or hostile file may crash.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import isolate
from hiprobe.errors import DecoderLost, StoreError, UsageError
from hiprobe.isolate.child import Item
from hiprobe.types import Gap, Recipe, Segment
from hiprobe.video import pictures as _pictures

DECODER = "hiprobe.video.calls"
LIMITS = isolate.Limits()
CURE = "export the video again, e.g. as H.264 in MP4"


def warm() -> None:
    """Starts the decoder's process, so that the first video need not wait for it."""
    try:
        isolate.start_child(DECODER, LIMITS)
    except isolate.ChildLost as error:
        raise DecoderLost(f"the decoder {error}") from error


def _asked(path: str | PathLike[str], call: str, *args: Any) -> Generator[Item, None, None]:
    """What the decoder answers about the video at `path`; raises its errors, and DecoderLost."""
    with _named(path):
        yield from isolate.stream(DECODER, LIMITS, call, os.fspath(path), *args)


@contextmanager
def _named(path: str | PathLike[str]) -> Iterator[None]:
    """Raises DecoderLost, naming the video, where its decoder was lost or has a bug."""
    try:
        yield
    except isolate.ChildLost as error:
        raise DecoderLost(f"the decoder {error}", where=path, cure=CURE) from error
    except (
        isolate.ChildBug
    ) as error:  # a bug of ours, or of what we decode with, that one video meets: the others go on
        raise DecoderLost(
            f"the decoder failed: {str(error).splitlines()[-1]}", where=path, cure=CURE
        ) from error


class SegmentReader:
    """Iterates the `Segment`s of a file; `duration`, `gaps`, `frame_count` and `skipped` are final once it ends.

    Until then: the end of the last frame shown so far and the spans in which frames were lost, in seconds; the number
    of frames shown, of damaged packets (one alone leaves no gap), and of pictures `concealed`: damaged, and patched by
    the decoder with what it had. `uneven`: two frames lay further apart than what lost packets would make a gap of. The
    decoder works ahead, by a few segments; if `begun`, from now on.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        recipe: Recipe,
        first: int = 0,
        count: int | None = None,
        *,
        begun: bool = False,
    ) -> None:
        self.duration, self.frame_count, self.skipped, self.concealed, self.uneven = (
            0.0,
            0,
            0,
            0,
            False,
        )
        self.gaps: tuple[Gap, ...] = ()
        self.first, self.count, self._next, self._path = first, count, first, path
        ask = isolate.start_call if begun else isolate.stream
        with _named(path):
            self._items = ask(
                DECODER,
                LIMITS,
                "segments",
                os.fspath(path),
                recipe.segment_s,
                recipe.frames,
                recipe.size,
                first,
                count,
            )

    def __iter__(self) -> Iterator[Segment]:
        return self

    def __next__(self) -> Segment:
        with _named(self._path):
            for told, frames in self._items:
                self._note(told)
                if frames is not None:
                    self._next += 1
                    return _segment(told, frames, self._next - 1)
        raise StopIteration

    def _note(self, told: dict[str, Any]) -> None:
        self.duration, self.frame_count, self.skipped = (
            told["duration"],
            told["frames"],
            told["skipped"],
        )
        self.concealed, self.uneven = told["concealed"], told["uneven"]
        self.gaps += tuple(Gap(*gap) for gap in told["gaps"])

    def close(self) -> None:
        """Stops reading: the decoder's process ends, if it has not finished."""
        self._items.close()


def _segment(told: dict[str, Any], frames: NDArray[np.uint8], index: int) -> Segment:
    return Segment(frames, np.array(told["times"]), told["start"], told["end"], index)


def segments(
    path: str | PathLike[str], recipe: Recipe, *, first: int = 0, count: int | None = None
) -> SegmentReader:
    """The windows of `recipe.segment_s` seconds of the video at `path`, from its first frame on, in one pass.

    Sample `i` of `n` is the frame on screen at `start + (i + 0.5) * (end - start) / n`; repeats are allowed. The last
    window ends with the video and spreads its samples over that shorter span, so a video shorter than one window is
    one segment; a remainder below half a frame is none. A window with no new frame repeats the one on screen; a
    window wholly inside a gap is left out. The decoder holds the frame on screen,
    packets of two windows ahead, and up to 64 windows (256 MiB) of RGB samples, uint8 (frames, height, width, 3).

    `first` begins at that window, `count` ends after so many: MP4, Matroska and folders of pictures are sought. What is
    known of the file is then what was met on the way, and where the keyframes mislead there are no windows.

    Raises, on iteration, MissingVideo, EmptyVideo, CorruptVideo, NoVideoStream, UnsupportedVideo or DecoderLost.
    """
    return SegmentReader(path, recipe, first, count)


def span(
    path: str | PathLike[str],
    start: float,
    end: float,
    frames: int,
    size: tuple[int, int] | None = None,
) -> Segment:
    """`frames` frames of `[start, end)` seconds by the sampling rule of `segments`; the span is cut at the video's end.

    MP4 and Matroska are read from a keyframe before `start`, others from the beginning. Raises UsageError for a span
    that holds nothing of the video, and the errors of `segments`.
    """
    if not (0 <= start < end < math.inf and frames > 0):
        raise UsageError(f"no such span: {frames} frames from {start} to {end} s", where=path)
    found = [
        _segment(told, pixels, 0)
        for told, pixels in _asked(path, "span", start, end, frames, size)
        if pixels is not None
    ]
    if not found:
        raise UsageError(
            f"the span from {start} to {end} s begins after the video's end", where=path
        )
    return found[0]


def frame_times(path: str | PathLike[str]) -> NDArray[np.float64]:
    """The presentation times (frames,), in seconds, of all frames shown; raises the errors of `segments`."""
    if _pictures.is_folder(path):
        return _pictures.picture_times(path)
    return np.array([one for times, _ in _asked(path, "times") for one in times])


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its video: `width` x `height` as displayed, `fps` on average, `duration` in seconds.

    `playable`: a Chromium-class browser plays the file itself, at the times `segments` speaks of. It says nothing of
    damage, at which a browser stops: give a file with `skipped` packets a proxy. `seekable`: `segments` finds its way
    to a later window without reading all before it.
    """

    codec: str
    container: str
    width: int
    height: int
    fps: float | None
    duration: float | None
    playable: bool
    seekable: bool = False


def info(path: str | PathLike[str]) -> VideoInfo:
    """The facts stated by the file, with one frame decoded; raises the errors of `segments`."""
    ((facts, _),) = _asked(path, "info")
    return VideoInfo(**facts)


def browser_copy(path: str | PathLike[str], out: str | PathLike[str], *, height: int = 480) -> Path:
    """Writes `out`: the video as upright H.264 MP4 that any browser plays, at most `height` lines, without sound.

    Frames keep their times; the first one is shown from 0. `out` appears whole or not at all. Raises StoreError
    where it cannot be written, and the errors of `segments`.
    """
    out = Path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        try:
            os.close(handle)
            for _ in _asked(path, "proxy", temporary, height, os.fspath(out)):
                os.replace(temporary, out)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write the proxy: {error.strerror}", where=out, cure="free disk space"
        ) from error
    return out
