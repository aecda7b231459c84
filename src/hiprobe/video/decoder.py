"""Read a video in segments, its facts and its frame times, and copy it for a browser.

Knows no model and no score. All times are seconds as a player shows them; `frames.FrameReader`
says where zero is and what a gap is. Nothing is decoded in this process: `calls` does it in a
child process, which a damaged or hostile file may crash.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import isolate
from hiprobe.disk.atomic import replacing
from hiprobe.errors import DecoderLost, UsageError
from hiprobe.isolate.child import Item
from hiprobe.types import Gap, Recipe, Segment, VideoFacts
from hiprobe.video import pictures
from hiprobe.video.sampling import Grid, Sampling

DECODER = "hiprobe.video.calls"
LIMITS = isolate.Limits()
CURE = "export the video again, e.g. as H.264 in MP4"


def warm() -> None:
    """Start the decoder's process, so that the first video need not wait for it.

    Raises EnvironmentFailed if it cannot be started.

    >>> from hiprobe import video
    >>> video.warm()
    """
    isolate.start_child(DECODER, LIMITS)


def check_opens(path: str | PathLike[str]) -> None:
    """Open the container and its video stream, decoding no frame; raises the errors of `info`."""
    for _ in ask_decoder(path, "opens"):
        pass


def ask_decoder(path: str | PathLike[str], call: str, *args: Any) -> Generator[Item, None, None]:
    """Yield what the decoder answers about a video.

    Raises its errors, DecoderLost, and EnvironmentFailed, for which the video is not to blame.
    """
    with _named(path):
        yield from isolate.stream(DECODER, LIMITS, call, os.fspath(path), *args)


@contextmanager
def _named(path: str | PathLike[str]) -> Iterator[None]:
    """Turn a lost decoder, or a bug in it, into a DecoderLost that names the video."""
    try:
        yield
    except isolate.ChildLost as error:
        raise DecoderLost(f"the decoder {error}", where=path, cure=CURE) from error
    except isolate.ChildBug as error:
        # A bug here or in a decoding library that one video triggers: the other videos continue.
        raise DecoderLost(
            f"the decoder failed: {str(error).splitlines()[-1]}", where=path, cure=CURE
        ) from error


class SegmentReader:
    """Iterate over the `Segment`s of a video; what it says of the video is final once it ends.

    `duration` is the end of the last frame, in seconds; `gaps` are the spans in which frames were
    lost. `frame_count` counts the frames shown, `skipped` the damaged packets (a single one leaves
    no gap), and `concealed` the damaged pictures that the decoder patched with what it had.
    `uneven` means that two frames were further apart than the distance at which lost packets make
    a gap. `facts` are those of the file, None until a frame was decoded. `before` is the segment
    before the first one, if it is known. The decoder works a few segments ahead; with `begun`, it
    starts at once.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> from hiprobe.types import Recipe
    >>> reader = video.SegmentReader(VIDEO, Recipe("model", ("prompt",), frames=8, size=(32, 32)))
    >>> len(list(reader)), round(reader.duration, 3), reader.gaps
    (25, 40.0, ())
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
        self.facts: VideoFacts | None = None
        self.first, self.count, self._next, self._path = first, count, first, path
        ask = isolate.start_call if begun else isolate.stream
        grid = Grid(recipe.segment_s, recipe.frames, recipe.size, first, count)
        with _named(path):
            self._items = ask(DECODER, LIMITS, "segments", os.fspath(path), asdict(grid))

    @property
    def before(self) -> Segment | None:
        """The segment before the first one: none, as it is not read."""
        return None

    def __iter__(self) -> Iterator[Segment]:
        return self

    def __next__(self) -> Segment:
        with _named(self._path):
            for facts, frames in self._items:
                self._note(facts)
                if frames is not None:
                    self._next += 1
                    return _segment(facts, frames, self._next - 1)
        raise StopIteration

    def _note(self, facts: dict[str, Any]) -> None:
        self.duration, self.frame_count, self.skipped = (
            facts["duration"],
            facts["frames"],
            facts["skipped"],
        )
        self.concealed, self.uneven = facts["concealed"], facts["uneven"]
        self.facts = VideoFacts(*facts["file"]) if facts["file"] else None
        self.gaps += tuple(Gap(*gap) for gap in facts["gaps"])

    def close(self) -> None:
        """Stop reading; if the decoder's process has not finished, it is ended."""
        self._items.close()


def _segment(facts: dict[str, Any], frames: NDArray[np.uint8], index: int) -> Segment:
    return Segment(frames, np.array(facts["times"]), facts["start"], facts["end"], index)


def segments(
    path: str | PathLike[str], recipe: Recipe, *, first: int = 0, count: int | None = None
) -> SegmentReader:
    """Read a video in windows of `recipe.segment_s` seconds, from its first frame on, in one pass.

    Sample `i` of `n` is the frame on screen at `start + (i + 0.5) * (end - start) / n`; a frame may
    be repeated (the sampling rule is our own). The last window ends with the video and spreads its
    samples over that shorter span, so a video shorter than one window is one segment. A remainder
    shorter than half a frame is not a segment. A window without a new frame repeats the one on
    screen; a window that is wholly in a gap is left out. A segment's `frames` are uint8 RGB
    (frames, height, width, 3); times are in seconds. The decoder holds the frame on screen, the
    packets of two windows, and up to 64 windows (256 MiB) of samples.

    `first` starts at that window and `count` stops after that many. The reader seeks in MP4,
    Matroska and folders of pictures. What it says about the video then covers only what it read,
    and it gives no window if the keyframes are misleading.

    Raises MissingVideo, EmptyVideo, CorruptVideo, NoVideoStream, UnsupportedVideo or DecoderLost,
    while iterating; EnvironmentFailed if this machine is to blame.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> from hiprobe.types import Recipe
    >>> recipe = Recipe("model", ("prompt",), frames=8, size=(32, 32))
    >>> segment = next(video.segments(VIDEO, recipe))
    >>> segment.start, segment.end, segment.frames.shape
    (0.0, 1.6, (8, 32, 32, 3))
    """
    return SegmentReader(path, recipe, first, count)


def span(
    path: str | PathLike[str],
    start: float,
    end: float,
    frames: int,
    size: tuple[int, int] | None = None,
) -> Segment:
    """Read `frames` frames of the span from `start` to `end`, in seconds (`end` exclusive).

    They are sampled as in `segments`, and the span is cut at the video's end. The segment's
    `frames` are uint8 (frames, height, width, 3); `size` is (height, width), None for the stored
    size. MP4 and Matroska are read from a keyframe before `start`, others from the beginning.

    Raises UsageError for a span that begins after the video's end, and the errors of `segments`.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> video.span(VIDEO, 1.0, 2.0, 4).times
    array([1.1, 1.3, 1.6, 1.8])
    """
    check_span(path, start, end, frames)
    found = [
        _segment(facts, pixels, 0)
        for facts, pixels in ask_decoder(path, "span", asdict(Sampling(start, end, frames, size)))
        if pixels is not None
    ]
    if not found:
        raise _after_end(path, start, end)
    return found[0]


def spans(
    path: str | PathLike[str],
    windows: Sequence[tuple[float, float]],
    frames: int,
    size: tuple[int, int] | None = None,
) -> Iterator[Segment]:
    """Read the spans `windows`, pairs of start and end in seconds, each as `span` does.

    They may overlap and need no order. Each is given once it is complete, which is in the order of
    their ends where they are read in one pass; a segment's `index` is its place in `windows`.
    Windows near each other share one pass of the decoder.

    Raises what `span` raises; a window that begins after the video's end is reported last.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> [(one.index, one.times.round(2).tolist())
    ...  for one in video.spans(VIDEO, [(1.2, 2.0), (1.0, 1.8)], 2)]
    [(1, [1.2, 1.6]), (0, [1.4, 1.8])]
    """
    for start, end in windows:
        check_span(path, start, end, frames)
    left, asked = set(range(len(windows))), [list(map(float, one)) for one in windows]
    for facts, pixels in ask_decoder(path, "spans", asked, frames, size) if windows else ():
        if pixels is not None:
            left.discard(facts["place"])
            yield _segment(facts, pixels, facts["place"])
    if left:
        raise _after_end(path, *windows[min(left)])


def check_span(path: str | PathLike[str], start: float, end: float, frames: int) -> None:
    """Raise UsageError unless `start` is before `end`, in seconds, and there are `frames`."""
    if not (0 <= start < end < math.inf and frames > 0):
        raise UsageError(
            "a span needs 0 <= start < end (seconds) and at least 1 frame, "
            f"got {frames} frames from {start} to {end} s",
            where=path,
        )


def _after_end(path: str | PathLike[str], start: float, end: float) -> UsageError:
    return UsageError(f"the span from {start} to {end} s begins after the video's end", where=path)


def frame_times(path: str | PathLike[str]) -> NDArray[np.float64]:
    """Get the times of all frames shown, float64 (frames,), in seconds.

    Raises the errors of `segments`.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> video.frame_times(VIDEO)[:3]
    array([0. , 0.1, 0.2])
    """
    if pictures.is_folder(path):
        return pictures.picture_times(path)
    return np.array([one for times, _ in ask_decoder(path, "times") for one in times])


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of its video.

    `width` and `height` are in pixels as displayed, `fps` is the average rate in frames a second,
    `duration` is in seconds; None where the file does not say. `playable`: Chromium and its
    relatives play the file itself, at the times of `segments`. It does not tell of damage, at which
    a browser stops: make a browser copy of a file with `skipped` packets. `seekable`: `segments`
    finds a later window without reading all before it. `recorded` is the time of recording as
    ISO 8601.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> isinstance(video.info(VIDEO), video.VideoInfo)
    True
    """

    codec: str
    container: str
    width: int
    height: int
    fps: float | None
    duration: float | None
    playable: bool
    seekable: bool = False
    recorded: str | None = None


def info(path: str | PathLike[str]) -> VideoInfo:
    """Read what the file says of its video; one frame is decoded. Raises the errors of `segments`.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> facts = video.info(VIDEO)
    >>> facts.codec, facts.width, facts.height, facts.duration
    ('h264', 240, 240, 40.0)
    """
    ((facts, _),) = ask_decoder(path, "info")
    return VideoInfo(**facts)


def browser_copy(path: str | PathLike[str], out: str | PathLike[str], *, height: int = 480) -> Path:
    """Write a copy of the video that any browser plays to `out`, and return its path.

    The copy is an upright H.264 MP4 without sound, at most `height` lines high. Frames keep their
    times; the first one is shown from 0. `out` appears whole or not at all.

    Raises StoreError where it cannot be written, and the errors of `segments`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     copy = video.browser_copy(VIDEO, Path(folder) / "copy.mp4", height=120)
    ...     video.info(copy).height
    120
    """
    out = Path(out)
    with replacing(out) as temporary:
        for _ in ask_decoder(path, "browser_copy", os.fspath(temporary), height, os.fspath(out)):
            pass
    return out
