"""Packets of a camera as chunks of footage, neither decoded nor encoded again.

A chunk is a small file of its own (NUT, which keeps any codec and exact times). Runs in the child
process only; for everyone else a chunk is so many bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

CHUNK_S = 1.0  # a chunk is at least this long before the next keyframe ends it
LONGEST_S = 2.0  # without a keyframe, it ends then
MOST_BYTES = 4 * 2**20
FORMAT = "nut"


@dataclass(frozen=True)
class Chunk:
    """Packets from `start` to `end`, in seconds; `key`: it begins with a keyframe."""

    start: float
    end: float
    key: bool
    data: bytes


class ChunkWriter:
    """Cut the packets of a video stream into chunks.

    A chunk begins with a keyframe if one comes soon enough. Packets that cannot be kept, such as
    those of a codec that no file holds, are counted in `refused`.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._open: _OpenChunk | None = None
        self._ready: list[Chunk] = []

    def add(self, packet: Packet[VideoStream], base: Fraction) -> None:
        """Keep a packet, whose times are in ticks of `base`."""
        if not packet.size:
            return
        if packet.pts is None or packet.pts < 0:
            self.refused += 1
            return
        if self._open and self._open.is_full(packet, base):
            self._end_chunk()
        if self._open is None:
            self._open = _opened(packet.stream)
        if self._open is None:
            self.refused += 1
        else:
            self._open.add(packet, base)

    def take(self, *, rest: bool = False) -> list[Chunk]:
        """Return the chunks that are complete, with `rest` also the one that is not."""
        if rest:
            self._end_chunk()
        found, self._ready = self._ready, []
        return found

    def _end_chunk(self) -> None:
        if self._open:
            chunk = self._open.written()
            self.refused += 0 if chunk else len(self._open.packets)
            self._ready += [chunk] if chunk else []
        self._open = None


class _OpenChunk:
    """Packets that are still collected, and the file in memory that will hold them.

    That file is opened first, because the stream may be gone when the chunk is complete.
    """

    def __init__(self, template: VideoStream) -> None:
        self.packets: list[Packet[VideoStream]] = []
        self._bytes, self._file = 0, io.BytesIO()
        self._output = av.open(self._file, "w", format=FORMAT)
        self._stream = self._output.add_stream_from_template(template)

    def add(self, packet: Packet[VideoStream], base: Fraction) -> None:
        self.packets.append(_copied(packet, base))
        self._bytes += packet.size

    def is_full(self, packet: Packet[VideoStream], base: Fraction) -> bool:
        """Tell whether `packet` should begin the next chunk."""
        held_s = float((packet.pts or 0) * base) - _seconds(self.packets[0])
        full = abs(held_s) >= LONGEST_S or self._bytes >= MOST_BYTES
        return full or (packet.is_keyframe and held_s >= CHUNK_S)

    def written(self) -> Chunk | None:
        """Return the chunk, None if its packets fit no file."""
        times, key = [_seconds(one) for one in self.packets], self.packets[0].is_keyframe
        end = max(times) + _lasts(self.packets)
        decoded = decode_times([one.pts or 0 for one in self.packets])
        try:
            with self._output:
                for packet, at in zip(self.packets, decoded, strict=True):
                    packet.dts, packet.stream = at, self._stream
                    self._output.mux(packet)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError):
            return None
        return Chunk(min(times), end, key, self._file.getvalue())


def _opened(template: VideoStream) -> _OpenChunk | None:
    try:
        return _OpenChunk(template)
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError):
        return None


def decode_times(shown: Sequence[int]) -> list[int]:
    """Return times at which to decode packets, so that none is shown before it is decoded.

    `shown` are their presentation times in ticks, in the order in which they are decoded; the times
    returned rise by at least 1.

    >>> decode_times([0, 3, 1, 2, 4])
    [-1, 0, 1, 2, 3]
    >>> decode_times([5, 5, 6])
    [4, 5, 6]
    """
    rising: list[int] = []
    for value in sorted(shown):
        rising.append(max(value, rising[-1] + 1) if rising else value)
    delay = max((early - late for early, late in zip(rising, shown, strict=True)), default=0)
    return [value - max(delay, 0) for value in rising]


def _copied(packet: Packet[VideoStream], base: Fraction) -> Packet[VideoStream]:
    """Return a copy: the decoder still needs the packet, and writing one changes it."""
    copy = cast("Packet[VideoStream]", Packet(bytes(packet)))
    copy.pts, copy.duration, copy.time_base = packet.pts, packet.duration, base
    copy.is_keyframe = packet.is_keyframe
    return copy


def _seconds(packet: Packet[VideoStream]) -> float:
    return float((packet.pts or 0) * packet.time_base)


def _lasts(packets: Sequence[Packet[VideoStream]]) -> float:
    """Return how long the last packet shown lasts: as stated, or as those before it."""
    stated = float((packets[-1].duration or 0) * packets[-1].time_base)
    times = sorted(_seconds(one) for one in packets)
    usual = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    return stated if 0 < stated < LONGEST_S else usual
