"""What the decoder's process of a camera can be asked: `CALLS`.

Each call answers with the windows of a camera or a file as they pass, and with chunks of footage.
Knows no model, and its parent only as a `Link`. `source` is the side that asks.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import av.error
import numpy as np

from hiprobe.errors import CorruptVideo
from hiprobe.isolate.child import Call, Item, Link
from hiprobe.live.footage import Chunk, ChunkWriter
from hiprobe.live.stream_opening import PICTURES, open_stream
from hiprobe.live.stream_reader import StreamReader
from hiprobe.live.stream_request import StreamRequest
from hiprobe.video import pictures
from hiprobe.video.calls import window_facts
from hiprobe.video.frames import FrameReader
from hiprobe.video.sampling import Grid
from hiprobe.video.windows import Painter, WindowReader

NAP_S = 0.5  # between signs of life while a file waits for its time


def answer_stream(
    link: Link, request: dict[str, Any], grid: dict[str, Any], footage: bool
) -> Iterator[Item]:
    """Yield the windows of a stream until it ends, and then raise why it ended.

    `request` and `grid` hold the fields of a `StreamRequest` and a `Grid`.
    """
    link.beat()
    gc.collect()
    gc.freeze()  # what is there now need not be looked through after each window
    with open_stream(StreamRequest(**request)) as (container, stream):
        reader = StreamReader(container, stream, request["silent_s"], link.beat)
        writer = ChunkWriter() if footage else None
        reader.tap = writer.add if writer else None
        asked = _grid(grid)
        for window in WindowReader(reader, asked, Painter(asked.size, PICTURES), link.place):
            yield {**window_facts(window), "anchor": reader.anchor, **_news(reader)}, window.frames
            yield from _footage(link, writer, reader.zero)
            gc.collect()  # a frame that was looked into is part of a cycle, and large
        yield from _footage(link, writer, reader.zero, rest=True)
    if reader.problem:
        raise reader.problem


def answer_file(
    link: Link, path: str, grid: dict[str, Any], speed: float, footage: bool
) -> Iterator[Item]:
    """Yield the windows of a file, or a folder of pictures, each when it has been played.

    They are those of `video.segments`. `speed` is how many seconds of the file pass in one.
    """
    asked = _grid(grid)
    reader = pictures.reader(path, ahead_s=2 * asked.segment_s, beat=link.beat)
    writer = ChunkWriter() if footage and isinstance(reader, FrameReader) else None
    if writer and isinstance(reader, FrameReader):
        reader.tap = lambda packet: writer.add(packet, packet.time_base)
    windows, begun = WindowReader(reader, asked, Painter(asked.size, path), link.place), None
    try:
        for window in windows:
            begun = time.monotonic() if begun is None else begun
            _wait(link, begun + window.end / speed)
            facts = {"anchor": begun, "heard": time.monotonic(), **_size(windows.size)}
            yield {**window_facts(window), **facts}, window.frames
            yield from _footage(link, writer, reader.zero)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise CorruptVideo(f"cannot be read further: {error.strerror}", where=path) from error
    yield from _footage(link, writer, reader.zero, rest=True)


CALLS: dict[str, Call] = {"stream": answer_stream, "file": answer_file}


def _grid(fields: dict[str, Any]) -> Grid:
    size = fields["size"]
    return Grid(**(fields | {"size": None if size is None else (size[0], size[1])}))


def _news(reader: StreamReader) -> dict[str, Any]:
    """Return what is newly known about a stream; its gaps are forgotten here."""
    gaps, reader.gaps = reader.gaps, ()
    lost = sum(gap.end - gap.start for gap in gaps)
    known = {"damaged": reader.damaged, "leaps": reader.times.leaps, "lost_s": lost}
    return {"heard": reader.heard, **known, **_size(reader.size)}


def _size(size: tuple[int, int] | None) -> dict[str, Any]:
    return {"size": list(size) if size else None}


def _wait(link: Link, until: float) -> None:
    """Sleep until the steady clock shows `until`, with signs of life."""
    while (left := until - time.monotonic()) > 0:
        link.beat()
        time.sleep(min(left, NAP_S))


def _footage(
    link: Link, writer: ChunkWriter | None, zero: float, *, rest: bool = False
) -> Iterator[Item]:
    for chunk in writer.take(rest=rest) if writer else ():
        yield _described_chunk(chunk, zero), _bytes_of(link, chunk)


def _described_chunk(chunk: Chunk, zero: float) -> dict[str, Any]:
    return {"chunk": [chunk.start - zero, chunk.end - zero, chunk.key]}


def _bytes_of(link: Link, chunk: Chunk) -> np.ndarray[Any, np.dtype[np.uint8]]:
    room = link.place((len(chunk.data),))
    room[:] = np.frombuffer(chunk.data, np.uint8)
    return room
