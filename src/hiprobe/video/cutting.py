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
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from hiprobe.errors import CorruptVideo, UsageError
from hiprobe.video import pictures
from hiprobe.video.browser import encode
from hiprobe.video.container import SEEKABLE, UNTIMED, open_video
from hiprobe.video.frames import EPSILON_S, LEAP_S
from hiprobe.video.sampling import Cut

COPIED_VIDEO = ("h264", "hevc", "av1", "mpeg4", "mpeg2video", "vp9", "mjpeg")
COPIED_SOUND = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
QUALITY = "18"  # of H.264, which looks like the source
EXACT = "encode it again (--exact)"


def cut_exactly(reader: pictures.FrameSource, cut: Cut) -> tuple[float, float]:
    """Encode the frames that are on screen in the span, and return the span in seconds.

    `reader` must begin before the span. There is no sound. Raises CorruptVideo without a frame,
    and what `encode` raises.
    """
    shown = _Between(reader, cut.start, cut.end)
    encode(shown, cut.target, height=1 << 14, quality=QUALITY)
    if not shown.found:
        raise CorruptVideo("no frame in the span can be decoded", where=reader.path)
    return cut.start, shown.duration + cut.start


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


def copy_span(path: str, cut: Cut, zero: float) -> tuple[float, float]:
    """Copy packets, from the last keyframe before the span on, and return their span in seconds.

    `zero` is the stored time of 0 s. Sound that MP4 can hold is copied too. Raises UsageError for a
    codec or a container that cannot be copied, CorruptVideo without a keyframe.
    """
    with open_video(Path(path)) as (container, stream):
        _check_copied(container, stream, path)
        first = _keyframe(container, stream, cut.start + zero, path)
    with (
        open_video(Path(path)) as (container, stream),
        av.open(f"file:{cut.target}", "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        outputs = _outputs(container, stream, out)
        _seek(container, stream, first)
        last = first
        for packet in _wanted(container, stream, outputs, (first, cut.end + zero)):
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
    span: tuple[float, float],
) -> Iterator[Packet[Any]]:
    """Yield the packets of a span in the order of decoding; pictures that need earlier ones go."""
    first, end = span
    begun = False
    for packet in container.demux():
        if packet.stream_index not in outputs or not packet.size or packet.pts is None:
            continue
        time, ours = _time(packet), packet.stream_index == stream.index
        if ours:
            begun = begun or (packet.is_keyframe and abs(time - first) <= EPSILON_S)
            if begun and _decoded(packet) >= end - EPSILON_S:
                return
        if (begun or not ours) and first - EPSILON_S <= time and (ours or time < end):
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
