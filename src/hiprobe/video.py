"""A video file as segments, and what a page needs to show it: facts, a proxy, a digest. Knows no model and no score.

All times are seconds as a player shows them; `decode.FrameReader` says where zero lies and what a gap is.
"""

from __future__ import annotations

import glob
import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from os import PathLike
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from hiprobe.decode import EPSILON_S, LEAD_S, SEEKABLE, FrameReader, Shown
from hiprobe.errors import CorruptVideo, EmptyVideo, MissingVideo, StoreError, UnsupportedVideo, UsageError
from hiprobe.types import VIDEO_SUFFIXES, Gap, Recipe, Segment

# Averaging over the area of a pixel neither aliases when a frame shrinks nor overshoots at edges, as bicubic does; the
# exact forms give the same pixels on every processor. It changes hidden states, so it is not a setting.
SCALING = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT

PLAYABLE = {  # what Chromium decodes: by codec, the pixel formats
    "h264": ("yuv420p", "yuvj420p"), "vp8": ("yuv420p",), "vp9": ("yuv420p", "yuv420p10le"),
    "av1": ("yuv420p", "yuv420p10le")}
PROXY_CLOCK = Fraction(1, 90_000)
BT601 = 6  # AVCOL_SPC_SMPTE170M, what the scaler writes from RGB


class Painter:
    """Turns decoded frames into upright RGB of one size, with one scaler shared by all of them.

    `size` is (height, width); None takes the first frame's own stored pixels, upright. Tagged colour spaces and
    ranges are honoured; untagged ones are read as BT.601, limited range, as FFmpeg does; HDR is not tone-mapped.
    """

    def __init__(self, size: tuple[int, int] | None, path: str | PathLike[str]) -> None:
        self.size, self._path = size, path
        self._scaler = VideoReformatter()

    def paint(self, image: av.VideoFrame) -> NDArray[np.uint8]:
        """`image` as uint8 (height, width, 3); raises UnsupportedVideo for a pixel format without conversion."""
        a, b, c, d = orientation(image)
        turned = a == 0
        if self.size is None:
            self.size = (image.width, image.height) if turned else (image.height, image.width)
        height, width = self.size[::-1] if turned else self.size
        pixels = self._scaled(image, height, width)
        pixels, across, down = (pixels.transpose(1, 0, 2), c, b) if turned else (pixels, a, d)
        return pixels[::down, ::across]

    def _scaled(self, image: av.VideoFrame, height: int, width: int) -> NDArray[np.uint8]:
        try:
            rgb = self._scaler.reformat(image, width, height, "rgb24", interpolation=SCALING, threads=1)
        except av.error.FFmpegError as error:
            raise UnsupportedVideo(f"pixel format {image.format.name} has no conversion", where=self._path) from error
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


def orientation(image: av.VideoFrame) -> tuple[int, int, int, int]:
    """How a player turns `image`, a quarter turn or a mirror: x' = a x + c y, y' = b x + d y, each 0, 1 or -1.

    From the container's display matrix; one that is none of the eight orientations counts as upright.
    """
    matrix = cast(Any, image.side_data).get("DISPLAYMATRIX")
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (round(value / 65536) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    upright, turned = (abs(a), abs(b), abs(c), abs(d)) == (1, 0, 0, 1), (abs(a), abs(b), abs(c), abs(d)) == (0, 1, 1, 0)
    return (a, b, c, d) if upright or turned else (1, 0, 0, 1)


class Window:
    """The span `[start, end)` with `count` sample times, filled with the frame on screen at each."""

    def __init__(self, start: float, end: float, count: int) -> None:
        self.start, self.end = start, end
        self.wanted = start + (np.arange(count) + 0.5) * (end - start) / count
        self._frames: NDArray[np.uint8] | None = None
        self._times: list[float] = []

    def cut(self, end: float | None) -> Window:
        """This window, empty, ending at `end` if that is known and comes sooner."""
        return Window(self.start, min(self.end, end) if end and end > self.start else self.end, len(self.wanted))

    def fill(self, screen: Shown, painter: Painter, until: float) -> bool:
        """Takes the samples that come before the next frame does, at `until`; whether all are taken now."""
        left = self.wanted[len(self._times):]
        count = int(np.count_nonzero(left < until - EPSILON_S))
        if count:
            pixels = painter.paint(screen.image)
            if self._frames is None:
                self._frames = np.empty((len(self.wanted), *pixels.shape), np.uint8)
            self._frames[len(self._times):len(self._times) + count] = pixels
            self._times += [screen.time] * count
        return count == len(left)

    def segment(self, index: int, end: float) -> Segment:
        """The filled window, cut at `end` where the video ends sooner."""
        assert self._frames is not None
        return Segment(self._frames, np.array(self._times), self.start, min(self.end, end), index)


class SegmentReader:
    """Iterates the `Segment`s of a file; `duration`, `gaps`, `frame_count` and `skipped` are final once it ends."""

    def __init__(self, path: str | PathLike[str], recipe: Recipe) -> None:
        self._reader = FrameReader(path, ahead_s=2 * recipe.segment_s)
        self._painter, self._recipe = Painter(recipe.size, path), recipe
        self._first, self._slot, self._count = 0.0, 0, 0
        self._window: Window | None = None
        self._segments = self._read()

    def __iter__(self) -> Iterator[Segment]:
        return self

    def __next__(self) -> Segment:
        return next(self._segments)

    @property
    def duration(self) -> float:
        """The end of the last frame shown so far, in seconds."""
        return self._reader.duration

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The spans in which frames were lost, so far, in seconds."""
        return self._reader.gaps

    @property
    def frame_count(self) -> int:
        """The number of frames shown so far."""
        return self._reader.frame_count

    @property
    def skipped(self) -> int:
        """The number of damaged packets so far; one alone leaves no gap."""
        return self._reader.skipped

    def _read(self) -> Iterator[Segment]:
        screen: Shown | None = None
        for shown in self._reader:
            if screen is None:
                self._first = shown.time
            else:
                yield from self._advance(screen, shown.time, shown.gap)
            screen = shown
        if screen is not None:
            yield from self._advance(screen, math.inf, None)

    def _advance(self, screen: Shown, until: float, gap: Gap | None) -> Iterator[Segment]:
        """Yields the windows that are complete when the next frame comes, at `until`."""
        while True:
            self._window = self._window or self._next_window(until, gap)
            if self._window is None or not self._window.fill(screen, self._painter, until):
                return
            yield self._window.segment(self._count, self.duration if until == math.inf else math.inf)
            self._window = None
            self._count, self._slot = self._count + 1, self._slot + 1

    def _next_window(self, until: float, gap: Gap | None) -> Window | None:
        length, limit = self._recipe.segment_s, until
        if gap and self._first + self._slot * length > gap.start - EPSILON_S:
            self._slot = max(self._slot, math.floor((gap.end - self._first) / length + EPSILON_S))
        if until == math.inf:  # a remainder shorter than half a frame is rounding, not video
            limit = self.duration - (self._reader.frame_s / 2 if self._count else 0.0)
        start = self._first + self._slot * length
        if start >= limit - EPSILON_S:
            return None
        return Window(start, start + length, self._recipe.frames).cut(self._reader.end)


def segments(path: str | PathLike[str], recipe: Recipe) -> SegmentReader:
    """The windows of `recipe.segment_s` seconds of the video at `path`, from its first frame on, in one pass.

    Sample `i` of `n` is the frame on screen at `start + (i + 0.5) * (end - start) / n`; repeats are allowed. The last
    window ends with the video and spreads its samples over that shorter span, so a video shorter than one window is
    one segment; a remainder below half a frame is none. A window with no new frame repeats the one on screen; a
    window wholly inside a gap is left out. Memory holds one window: its RGB samples, uint8
    (frames, height, width, 3), the frame on screen, and packets of two windows ahead.

    Raises, on iteration, MissingVideo, EmptyVideo, CorruptVideo, NoVideoStream or UnsupportedVideo.
    """
    return SegmentReader(path, recipe)


def span(path: str | PathLike[str], start: float, end: float, frames: int,
         size: tuple[int, int] | None = None) -> Segment:
    """`frames` frames of `[start, end)` seconds by the sampling rule of `segments`; the span is cut at the video's end.

    MP4 and Matroska are read from a keyframe before `start`, others from the beginning. Raises UsageError for a span
    that holds nothing of the video, and the errors of `segments`.
    """
    if not (0 <= start < end < math.inf and frames > 0):
        raise UsageError(f"no such span: {frames} frames from {start} to {end} s", where=path)
    window = Window(start, end, frames)
    try:
        segment = _span(FrameReader(path, ahead_s=2 * (end - start), after=start), window, Painter(size, path))
    except (av.error.FFmpegError, CorruptVideo, EmptyVideo):
        segment = None  # an index that misleads: only reading from the beginning can tell
    if segment is None:
        segment = _span(FrameReader(path, ahead_s=2 * (end - start)), window, Painter(size, path))
    if segment is None:
        raise UsageError(f"the span from {start} to {end} s begins after the video's end", where=path)
    return segment


def _span(reader: FrameReader, asked: Window, painter: Painter) -> Segment | None:
    """The window asked for; None where the reader's frames begin (after a seek) past its start, or end before it."""
    start, window, screen = asked.start, None, None
    with closing(iter(reader)) as shown_frames:
        for shown in chain(shown_frames, [None]):
            until = shown.time if shown else math.inf
            if screen is None and until > start + EPSILON_S and reader.sought:
                return None
            screen = screen or shown
            if screen and start < min(until, reader.duration if shown is None else until) - EPSILON_S:
                window = window or asked.cut(reader.end)
                if window.fill(screen, painter, until):
                    return window.segment(0, math.inf if shown else reader.duration)
            screen = shown
    return None


def frame_times(path: str | PathLike[str]) -> NDArray[np.float64]:
    """The presentation times (frames,), in seconds, of all frames shown; raises the errors of `segments`."""
    return np.array([shown.time for shown in FrameReader(path)])


def digest(path: str | PathLike[str]) -> str:
    """SHA-256 of the file's bytes, in hex; raises MissingVideo where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingVideo(f"cannot be read: {error.strerror}", where=path) from error


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its video: `width` x `height` as displayed, `fps` on average, `duration` in seconds.

    `playable`: a Chromium-class browser plays the file itself, at the times `segments` speaks of. It says nothing of
    damage, at which a browser stops: give a file with `skipped` packets a proxy.
    """

    codec: str
    container: str
    width: int
    height: int
    fps: float | None
    duration: float | None
    playable: bool


def info(path: str | PathLike[str]) -> VideoInfo:
    """The facts stated by the file, with one frame decoded; raises the errors of `segments`."""
    reader = FrameReader(path)
    with closing(iter(reader)) as shown_frames:
        image = next(shown_frames).image
    height, width = _displayed(image, reader.aspect)
    return VideoInfo(reader.codec, reader.container, width, height, reader.fps, reader.stated, _playable(reader, image))


def _playable(reader: FrameReader, image: av.VideoFrame) -> bool:
    # Chromium counts from the stored zero, and cannot seek to what lies past the stated duration.
    return (reader.container in SEEKABLE and image.format.name in PLAYABLE.get(reader.codec, ())
            and abs(reader.zero) <= LEAD_S)


def _displayed(image: av.VideoFrame, aspect: float) -> tuple[int, int]:
    """(height, width) of `image` on a screen: pixels made square, then turned."""
    height, width = int(image.height / min(1.0, aspect) + 0.5), int(image.width * max(1.0, aspect) + 0.5)
    return (width, height) if orientation(image)[0] == 0 else (height, width)


def proxy(path: str | PathLike[str], out: str | PathLike[str], *, height: int = 480) -> Path:
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
            _encode(FrameReader(path), temporary, height)
            os.replace(temporary, out)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except (av.error.FFmpegError, OSError) as error:
        raise StoreError(f"cannot write the proxy: {error.strerror}", where=out, cure="free disk space") from error
    return out


def _encode(reader: FrameReader, target: str, height: int) -> None:
    stream: VideoStream | None = None
    lasting: dict[int, int] = {}  # by time, in ticks: the encoder forgets how long the last frame lasts
    with av.open(f"file:{target}", "w", format="mp4", options={"movflags": "+faststart"}) as output:
        for shown, following in pairwise(chain(reader, [None])):
            assert shown is not None
            if stream is None:
                size = _fitted(_displayed(shown.image, reader.aspect), height)
                stream, painter = _proxy_stream(output, size), Painter(size, reader.path)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(painter.paint(shown.image)), format="rgb24")
            frame.time_base, frame.pts = PROXY_CLOCK, round(shown.time / PROXY_CLOCK) if lasting else 0
            lasting[frame.pts] = round((following.time if following else reader.duration) / PROXY_CLOCK) - frame.pts
            _write(output, stream, frame, lasting)
        if stream is not None:
            _write(output, stream, None, lasting)


def _write(output: OutputContainer, stream: VideoStream, frame: av.VideoFrame | None, lasting: dict[int, int]) -> None:
    for packet in stream.encode(frame):
        if packet.pts is not None:
            packet.duration = lasting[packet.pts]
        output.mux(packet)


def _fitted(size: tuple[int, int], height: int) -> tuple[int, int]:
    """`size` (height, width) at most `height` lines high, both even as H.264 in 4:2:0 needs them."""
    scale = min(1.0, height / size[0])
    return max(2, 2 * round(size[0] * scale / 2)), max(2, 2 * round(size[1] * scale / 2))


def _proxy_stream(output: OutputContainer, size: tuple[int, int]) -> VideoStream:
    stream = output.add_stream("libx264", options={"preset": "veryfast", "crf": "23", "g": "50", "bf": "0"})
    stream.height, stream.width = size
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", PROXY_CLOCK
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.colorspace = BT601
    return stream


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
            raise MissingVideo("no video file here", where=path, cure="check the path or the pattern")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _files(path: str) -> list[Path]:
    place = Path(path)
    if place.is_file() or place.is_dir():
        return _below(place)
    return [file for match in sorted(map(Path, glob.glob(path, recursive=True))) for file in _below(match)]


def _below(place: Path) -> list[Path]:
    """A file itself, the videos of a folder, nothing for a device or a pipe."""
    if place.is_file():
        return [place]
    return sorted(file for file in place.rglob("*") if _is_video(file.relative_to(place)) and file.is_file())


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES and not any(part.startswith(".") for part in file.parts)
