"""What makes clips and snapshots from footage: `CALLS` for a child process.

A clip is remuxed, so it has the pictures that the camera sent. Knows no alert.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from hiprobe import environment
from hiprobe.disk.regular import open_regular
from hiprobe.errors import CorruptVideo, StoreError
from hiprobe.isolate.child import Call, Item, Link
from hiprobe.live.footage import FORMAT, decode_times
from hiprobe.video.container import PIXEL_CAP
from hiprobe.video.windows import Painter, displayed

BASE = Fraction(1, 90_000)  # exact for RTSP and MPEG-TS
PICTURE_LINES = 1080
QUALITY = 85
CLIP = {"movflags": "faststart"}

Decode = Callable[["Packet[VideoStream] | None"], list[av.VideoFrame]]


@dataclass(frozen=True)
class _Timed:
    """A packet at `ticks` of `BASE` on the camera's clock, and what its stream is."""

    packet: Packet[VideoStream]
    ticks: int
    kind: str


def answer_clip(link: Link, spool: str, pieces: list[list[Any]], out: str) -> Iterator[Item]:
    """Write the pieces, `[place, size, start]` each, of a spool file as an MP4 to the file `out`.

    The clip begins with a keyframe. If the stream changed on the way, most of it is kept. Yields
    when it begins, in seconds of the camera's clock.
    """
    kept = _kept(link, spool, pieces)
    if not kept:
        raise CorruptVideo("its footage has no keyframe")
    first = min(ticks for _, ticks in kept)
    shown = [ticks - first for _, ticks in kept]
    wanted = _chosen(_packets(link, spool, pieces), {number for number, _ in kept})
    with _disk_errors(), av.open(out, "w", format="mp4", options=CLIP) as output:
        stream: VideoStream | None = None
        for one, at, decoded in zip(wanted, shown, decode_times(shown), strict=True):
            stream = stream or output.add_stream_from_template(one.packet.stream)
            one.packet.pts, one.packet.dts, one.packet.time_base = at, decoded, BASE
            one.packet.stream = stream
            output.mux(one.packet)
    yield float(first * BASE), None


def answer_picture(
    link: Link, spool: str, pieces: list[list[Any]], at: float, out: str
) -> Iterator[Item]:
    """Write the picture on screen at `at` seconds of the camera's clock as a JPEG to `out`.

    Yields its time. Raises CorruptVideo if no picture can be decoded.
    """
    found = None
    for image, ticks, aspect in _images(link, spool, pieces):
        if found and ticks > at / BASE + 1:
            break
        found = (image, ticks, aspect)
    if found is None:
        raise CorruptVideo("no picture of its footage can be decoded")
    _save(found[0], found[2], Path(out))
    yield float(found[1] * BASE), None


CALLS: dict[str, Call] = {"clip": answer_clip, "picture": answer_picture}


def _packets(link: Link, spool: str, pieces: Sequence[Sequence[Any]]) -> Iterator[_Timed]:
    """Yield the packets of the pieces; a piece that cannot be read is left out."""
    with open_regular(spool) as file:
        for place, size, start in pieces:
            link.beat()
            file.seek(place)
            yield from _of_piece(file.read(size), start)


def _of_piece(data: bytes, start: float) -> Iterator[_Timed]:
    options = {"format_whitelist": FORMAT, "protocol_whitelist": "none"}
    try:
        with av.open(io.BytesIO(data), "r", format=FORMAT, container_options=options) as container:
            stream = container.streams.video[0]
            found = [one for one in container.demux(stream) if one.size and one.pts is not None]
            base, codec = stream.time_base or BASE, stream.codec_context
            kind = repr((codec.name, codec.width, codec.height, codec.extradata))
            first = min((one.pts or 0 for one in found), default=0)
            for packet in found:
                seconds = start + float(((packet.pts or 0) - first) * base)
                yield _Timed(packet, round(seconds / BASE), kind)
    except MemoryError:
        raise
    except (av.error.FFmpegError, IndexError):
        return


def _kept(link: Link, spool: str, pieces: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """Return number and time of the packets to keep: of one stream, from a keyframe on."""
    facts = [(one.kind, one.ticks, one.packet.is_keyframe) for one in _packets(link, spool, pieces)]
    if not facts:
        return []
    ((kind, _),) = Counter(kind for kind, _, _ in facts).most_common(1)
    ours = [(number, ticks, key) for number, (of, ticks, key) in enumerate(facts) if of == kind]
    begin = next((place for place, one in enumerate(ours) if one[2]), len(ours))
    return [(number, ticks) for number, ticks, _ in ours[begin:]]


def _chosen(packets: Iterator[_Timed], numbers: set[int]) -> Iterator[_Timed]:
    return (one for number, one in enumerate(packets) if number in numbers)


def _images(
    link: Link, spool: str, pieces: Sequence[Sequence[Any]]
) -> Iterator[tuple[av.VideoFrame, int, float]]:
    """Decode the pieces with one decoder: pictures, their times in ticks, and pixel aspects."""
    decode: Decode | None = None
    aspect = 1.0
    for one in _packets(link, spool, pieces):
        if decode is None:
            decode = _decoder(one.packet.stream)
            aspect = float(one.packet.stream.sample_aspect_ratio or 1)
        one.packet.pts = one.ticks
        for image in _decoded(decode, one.packet):
            yield image, one.ticks if image.pts is None else image.pts, aspect
    for image in _decoded(decode, None) if decode else ():
        yield image, image.pts or 0, aspect


def _decoder(stream: VideoStream) -> Decode:
    """Return a decoder that outlives the piece with the stream."""
    context = cast("av.VideoCodecContext", av.CodecContext.create(stream.codec_context.name, "r"))
    context.extradata = stream.codec_context.extradata
    context.options, context.thread_count = {"max_pixels": str(PIXEL_CAP)}, 1
    return context.decode


def _decoded(decode: Decode, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
    try:
        return decode(packet)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return []


def _save(image: av.VideoFrame, aspect: float, out: Path) -> None:
    from PIL import Image

    height, width = displayed(image, aspect)
    scale = min(1.0, PICTURE_LINES / height)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    with _disk_errors():
        Image.fromarray(Painter(size, out.name).paint(image)).save(out, "JPEG", quality=QUALITY)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn a refusal of the disk into a StoreError."""
    try:
        yield
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        cure = environment.cure_for(error.errno)
        raise StoreError(f"cannot write: {error.strerror}", cure=cure) from error
