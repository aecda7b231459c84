"""What the decoder's process can be asked: `CALLS`.

Each call answers with JSON values and, for a window, its pixels. Knows no model, and its parent
only as a `Link`. `decoder` is the side that asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av.error

from hiprobe import environment
from hiprobe.errors import CorruptVideo, StoreError
from hiprobe.isolate.child import Call, Item, Link
from hiprobe.video import pictures
from hiprobe.video.browser import encode, facts
from hiprobe.video.container import open_video
from hiprobe.video.cutting import answer_cut
from hiprobe.video.sampling import Grid, Sampling, Size
from hiprobe.video.window_passes import read_windows
from hiprobe.video.windows import Painter, Window, WindowReader, read_window

TIMES = 4096  # times in one answer


def answer_segments(link: Link, path: str, grid: dict[str, Any]) -> Iterator[Item]:
    """Yield each window with what is newly known about the video, and the last news at the end.

    `grid` holds the fields of a `Grid`. A later first window is reached by seeking to a keyframe.
    """
    asked = Grid(**(grid | {"size": _pair(grid["size"])}))
    after = asked.first * asked.segment_s if asked.first else None
    reader = pictures.reader(path, ahead_s=2 * asked.segment_s, after=after, beat=link.beat)
    sent = 0
    wanted = WindowReader(reader, asked, Painter(asked.size, path), link.place)
    try:
        for window in islice(wanted, asked.windows):
            yield {**window_facts(window), **_known(reader, wanted.size, sent)}, window.frames
            sent = len(reader.gaps)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise CorruptVideo(f"cannot be read further: {error.strerror}", where=path) from error
    yield _known(reader, wanted.size, sent), None


def answer_span(link: Link, path: str, sampling: dict[str, Any]) -> Iterator[Item]:
    """Yield one window, or nothing if it begins after the video's end.

    `sampling` holds the fields of a `Sampling`.
    """
    asked = Sampling(**(sampling | {"size": _pair(sampling["size"])}))
    window = read_window(path, asked, link.place, link.beat)
    if window is not None:
        yield window_facts(window), window.frames


def answer_spans(
    link: Link, path: str, spans: list[list[float]], count: int, size: list[int] | None
) -> Iterator[Item]:
    """Yield the windows `spans` (start and end in seconds), each with its place in that list.

    They come in the order in which they are complete; those after the video's end are left out.
    """
    asked = [Sampling(start, end, count, _pair(size)) for start, end in spans]
    for place, window in read_windows(path, asked, link.beat):
        assert window.frames is not None
        # Several windows are filled at once, but only the next one has shared memory.
        pixels = link.place(window.frames.shape)
        pixels[:] = window.frames
        yield {**window_facts(window), "place": place}, pixels


def answer_times(link: Link, path: str) -> Iterator[Item]:
    """Yield the times of all frames shown, some thousands in each answer."""
    held: list[float] = []
    for shown in pictures.reader(path, beat=link.beat):
        held.append(shown.time)
        if len(held) == TIMES:
            yield held, None
            held = []
    yield held, None


def answer_opens(link: Link, path: str) -> Iterator[Item]:
    """Yield nothing; the error of a file that is not a video is the answer."""
    with open_video(Path(path)):
        link.beat()
    yield from ()


def answer_info(link: Link, path: str) -> Iterator[Item]:
    """Yield the fields of a `VideoInfo`."""
    yield facts(pictures.reader(path, beat=link.beat)), None


def answer_browser_copy(
    link: Link, path: str, target: str, height: int, out: str
) -> Iterator[Item]:
    """Write the browser copy to the file `target`.

    An error names `out`, the name that the file gets in the end.
    """
    try:
        encode(pictures.reader(path, beat=link.beat), target, height)
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise StoreError(
            f"cannot write the browser copy: {error.strerror}",
            where=out,
            cure=environment.cure_for(error.errno),
        ) from error
    yield None, None


CALLS: dict[str, Call] = {
    "cut": answer_cut,
    "segments": answer_segments,
    "span": answer_span,
    "spans": answer_spans,
    "times": answer_times,
    "opens": answer_opens,
    "info": answer_info,
    "browser_copy": answer_browser_copy,
}


def window_facts(window: Window) -> dict[str, Any]:
    """Return a window without its frames as JSON values, all in seconds."""
    return {"start": window.start, "end": window.end, "times": window.times}


def _known(reader: pictures.FrameSource, size: Size | None, sent: int) -> dict[str, Any]:
    """Return what the reader has found out, without the first `sent` gaps."""
    return {
        "file": size and [reader.codec, *size[::-1], reader.file_bytes],
        "duration": reader.duration,
        "frames": reader.frame_count,
        "skipped": reader.skipped,
        "uneven": reader.longest > reader.tolerance,
        "concealed": reader.concealed,
        "gaps": [[gap.start, gap.end, gap.reason] for gap in reader.gaps[sent:]],
    }


def _pair(size: list[int] | None) -> tuple[int, int] | None:
    return None if size is None else (size[0], size[1])
