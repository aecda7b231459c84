"""Cut a span out of a video, into an MP4. Runs in the decoder's process; knows no event.

Copied, a clip has the packets of the file, from a keyframe on. Encoded again, it has exactly the
frames of the span.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from hiprobe import environment
from hiprobe.errors import CorruptVideo, StoreError, UsageError
from hiprobe.isolate.child import Item, Link
from hiprobe.video import pictures
from hiprobe.video.browser import encode
from hiprobe.video.container import SEEKABLE, UNTIMED, open_video
from hiprobe.video.frames import EPSILON_S, LEAP_S

COPIED_VIDEO = ("h264", "hevc", "av1", "mpeg4", "mpeg2video", "vp9", "mjpeg")
COPIED_SOUND = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
QUALITY = "18"  # of H.264, which looks like the source
Span = tuple[float, float]  # seconds
EXACT = "encode it again (--exact)"


def answer_cut(
    link: Link, path: str, span: list[float], target: str, exact: bool, out: str
) -> Iterator[Item]:
    """Write a span in seconds as a clip to the file `target`; yield the span that it has.

    An error of the disk names `out`, the name that the file gets in the end.
    """
    wanted = span[0], span[1]
    reader = pictures.reader(path, after=wanted[0], beat=link.beat)
    try:
        if exact:
            found = cut_exactly(reader, wanted, target)
        else:
            with closing(iter(reader)) as frames:
                next(frames, None)  # with the first frame the reader knows where 0 is
            found = copy_span(path, wanted, target, reader.zero)
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        if environment.refused(error) is not None:
            cure = environment.cure_for(error.errno)
            raise StoreError(f"cannot write: {error.strerror}", where=out, cure=cure) from error
        raise CorruptVideo(
            f"cannot be cut: {error.strerror}", where=path, cure=None if exact else EXACT
        ) from error
    yield list(found), None


def cut_exactly(reader: pictures.FrameSource, span: Span, target: str) -> Span:
    """Encode the frames that are on screen in the span, and return the span in seconds.

    `reader` must begin before the span. There is no sound. Raises CorruptVideo without a frame,
    and what `encode` raises.
    """
    shown = _Between(reader, *span)
    encode(shown, target, height=1 << 14, quality=QUALITY)
    if not shown.found:
        raise CorruptVideo("no frame in the span can be decoded", where=reader.path)
    return span[0], shown.duration + span[0]


class _Between:
    """The frames of a reader that are on screen in a span, whose start is at 0."""

    def __init__(self, reader: pictures.FrameSource, start: float, end: float) -> None:
        self._reader, self._start, self._end, self.found = reader, start, end, False
        self.path, self.duration = reader.path, 0.0

    @property
    def aspect(self) -> float:
        return self._reader.aspect

    def __iter__(self) -> Iterator[Any]:
        before = None
        with closing(iter(self._reader)) as frames:
            for one in frames:
                if one.time >= self._end - EPSILON_S:
                    self.duration = self._end - self._start
                    break
                if before is not None and one.time > self._start + EPSILON_S:
                    yield self._at(before)
                before = one
            else:
                self.duration = min(self._reader.duration, self._end) - self._start
        if before is not None and self.duration > EPSILON_S:
            yield self._at(before)

    def _at(self, shown: Any) -> Any:
        self.found = True
        return type(shown)(max(0.0, shown.time - self._start), shown.image, None)


def copy_span(path: str, span: Span, target: str, zero: float) -> Span:
    """Copy packets, from the last keyframe before the span on, and return their span in seconds.

    `zero` is the stored time of 0 s. Sound that MP4 can hold is copied too. Raises UsageError for a
    codec or a container that cannot be copied, CorruptVideo without a keyframe.
    """
    with open_video(Path(path)) as (container, stream):
        _check_copied(container, stream, path)
        first = _keyframe(container, stream, span[0] + zero, path)
    with (
        open_video(Path(path)) as (container, stream),
        av.open(f"file:{target}", "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        outputs = _outputs(container, stream, out)
        _seek(container, stream, first)
        last = first
        for packet in _wanted(container, stream, outputs, (first, span[1] + zero)):
            if packet.stream_index == stream.index:
                last = max(last, _end(packet))
            _move(packet, first)
            packet.stream = outputs[packet.stream_index]
            out.mux(packet)
    return first - zero, last - zero


def _check_copied(container: InputContainer, stream: VideoStream, path: str) -> None:
    codec = stream.codec_context.codec.canonical_name
    if container.format.name in UNTIMED:
        raise UsageError(
            "its packets have no times, so it cannot be copied", where=path, cure=EXACT
        )
    if codec not in COPIED_VIDEO:
        raise UsageError(f"MP4 cannot hold its codec {codec}", where=path, cure=EXACT)


def _keyframe(container: InputContainer, stream: VideoStream, start: float, path: str) -> float:
    """Return the stored time of the last keyframe at or before `start`, else of the first one."""
    _seek(container, stream, start - LEAP_S)
    found: float | None = None
    for packet in container.demux(stream):
        if packet.pts is None or not packet.size:
            continue
        time = _time(packet)
        if packet.is_keyframe and (found is None or time <= start + EPSILON_S):
            found = time
        if found is not None and packet.dts is not None and _decoded(packet) > start + EPSILON_S:
            break
    if found is None:
        raise CorruptVideo("no keyframe was found", where=path, cure=EXACT)
    return found


def _seek(container: InputContainer, stream: VideoStream, time: float) -> None:
    """Go to a keyframe before `time`, if the container has an index of them."""
    if container.format.name in SEEKABLE:
        base = float(stream.time_base or 1)
        container.seek(math.floor((time - LEAP_S) / base), stream=stream)


def _outputs(
    container: InputContainer, stream: VideoStream, out: OutputContainer
) -> dict[int, Stream]:
    """Add a stream to `out` for the video and for the first sound, by their index in the file."""
    found: dict[int, Stream] = {stream.index: out.add_stream_from_template(stream)}
    for sound in container.streams.audio[:1]:
        if _is_copied(sound):
            sound.discard = Discard.default
            found[sound.index] = out.add_stream_from_template(sound)
    return found


def _is_copied(sound: AudioStream) -> bool:
    codec = sound.codec_context
    return codec is not None and codec.codec.canonical_name in COPIED_SOUND


def _wanted(
    container: InputContainer,
    stream: VideoStream,
    outputs: dict[int, Stream],
    span: Span,
) -> Iterator[Packet[Any]]:
    """Yield the packets of a span in the order of decoding.

    Pictures that need ones before the span are left out. Pictures after its end, from which others
    in it are made, are kept, with all that are shown before them. Sound may be stored up to a
    second after its pictures.
    """
    first, end = span
    begun, over, last = False, False, -math.inf
    for packet in container.demux():
        if packet.stream_index not in outputs or not packet.size or packet.pts is None:
            continue
        time, ours = _time(packet), packet.stream_index == stream.index
        if ours:
            begun = begun or (packet.is_keyframe and abs(time - first) <= EPSILON_S)
            over = over or (begun and _decoded(packet) >= end - EPSILON_S and time > last)
            last = max(last, time) if begun else last
        if over and time >= end + (LEAP_S if ours and len(outputs) > 1 else -EPSILON_S):
            return
        wanted = begun and not over if ours else time < end
        if wanted and time >= first - EPSILON_S:
            yield packet


def _move(packet: Packet[Any], first: float) -> None:
    """Let a packet's times count from `first`."""
    ticks = round(first / float(packet.time_base))
    packet.pts = (packet.pts or 0) - ticks
    packet.dts = packet.pts if packet.dts is None else packet.dts - ticks


def _time(packet: Packet[Any]) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _decoded(packet: Packet[Any]) -> float:
    return _time(packet) if packet.dts is None else float(packet.dts * packet.time_base)


def _end(packet: Packet[Any]) -> float:
    return _time(packet) + float((packet.duration or 0) * packet.time_base)
