"""What the decoder's process can be asked: `CALLS`, each answering with JSON values and, for a window, its pixels.

Knows no parent but a `Link`, and no model. `video` asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import av.error

from hiprobe.errors import CorruptVideo, StoreError
from hiprobe.isolate.child import Call, Item, Link
from hiprobe.video import pictures as _pictures
from hiprobe.video.browser import encode, facts
from hiprobe.video.windows import Painter, Window, WindowReader
from hiprobe.video.windows import read_window as _span

TIMES = 4096  # in one answer


def segments(
    link: Link,
    path: str,
    segment_s: float,
    count: int,
    size: list[int] | None,
    first: int = 0,
    windows: int | None = None,
) -> Iterator[Item]:
    """Each window with what is known of the file so far, and at last what is known of all that was read of it.

    From window `first` on, sought by keyframe, and `windows` of them at most.
    """
    reader = _pictures.reader(
        path, ahead_s=2 * segment_s, after=first * segment_s if first else None, beat=link.beat
    )
    told = 0
    wanted = WindowReader(reader, segment_s, count, Painter(_pair(size), path), link.place, first)
    try:
        for window in islice(wanted, windows):
            yield {**_described(window), **_known(reader, told)}, window.frames
            told = len(reader.gaps)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise CorruptVideo(f"cannot be read on: {error.strerror}", where=path) from error
    yield _known(reader, told), None


def span(
    link: Link, path: str, start: float, end: float, count: int, size: list[int] | None
) -> Iterator[Item]:
    """The one window; nothing where it begins after the video's end."""
    window = _span(path, start, end, count, _pair(size), link.place, link.beat)
    if window is not None:
        yield _described(window), window.frames


def times(link: Link, path: str) -> Iterator[Item]:
    """The times of all frames shown, some thousands an answer."""
    held: list[float] = []
    for shown in _pictures.reader(path, beat=link.beat):
        held.append(shown.time)
        if len(held) == TIMES:
            yield held, None
            held = []
    yield held, None


def info(link: Link, path: str) -> Iterator[Item]:
    """The fields of a `VideoInfo`."""
    yield facts(_pictures.reader(path, beat=link.beat)), None


def proxy(link: Link, path: str, target: str, height: int, out: str) -> Iterator[Item]:
    """Writes the proxy to the file `target`; an error names `out`, as which it will be known."""
    try:
        encode(_pictures.reader(path, beat=link.beat), target, height)
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        raise StoreError(
            f"cannot write the proxy: {error.strerror}", where=out, cure="free disk space"
        ) from error
    yield None, None


CALLS: dict[str, Call] = {
    "segments": segments,
    "span": span,
    "times": times,
    "info": info,
    "proxy": proxy,
}


def _described(window: Window) -> dict[str, Any]:
    return {"start": window.start, "end": window.end, "times": window.times}


def _known(reader: _pictures.FrameSource, told: int) -> dict[str, Any]:
    """What the reader has found out, the first `told` gaps left out."""
    return {
        "duration": reader.duration,
        "frames": reader.frame_count,
        "skipped": reader.skipped,
        "uneven": reader.longest > reader.tolerance,
        "concealed": reader.concealed,
        "gaps": [[gap.start, gap.end, gap.reason] for gap in reader.gaps[told:]],
    }


def _pair(size: list[int] | None) -> tuple[int, int] | None:
    return None if size is None else (size[0], size[1])
