"""One video file as frames with the times at which a player shows them, in one pass.

Damaged packets are skipped. Knows no window and no model.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias, cast

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from hiprobe.errors import CorruptVideo, UnsupportedVideo
from hiprobe.ranges import LATEST_S, RANGES, STALE_S, in_range
from hiprobe.types import Gap
from hiprobe.video.container import (
    CONTIGUOUS,
    REMUX,
    SEEKABLE,
    UNTIMED,
    check_pixels,
    nothing_decoded,
    open_video,
    stated_end,
)
from hiprobe.video.h264 import length_bytes, unreferenced
from hiprobe.video.recorded import time_in_tags

VideoPacket: TypeAlias = "Packet[VideoStream]"
# Stored time in seconds, picture, duration in ticks.
Raw: TypeAlias = "tuple[float, av.VideoFrame | None, int | None]"
Wants = Callable[[float, float], bool]

JUMP_S = 3600.0  # longer frames and delays of the first one mean a broken clock
LEAP_S = 1.0  # a frame further from the one before counts once the next frames confirm it
REORDERED = 4  # more late frames in a row mean that the clock was set back
# A first frame this soon after the container's start counts as the start: sound is encoded ahead.
LEAD_S = 0.1
GAP_S, GAP_FRAMES = 0.5, 3.0  # frames must be this far apart for lost packets to make a gap
STATED_MAX_S = 7 * 86_400.0  # a longer stated duration is not believed
MAX_FPS = RANGES["frame rate"].high  # a higher stated rate is a time base, not a rate
AHEAD_PACKETS = 2000  # packets held at most to look ahead
REMEMBERED = 64  # times remembered of packets before the current one; more than any reordering
EPSILON_S = 1e-6  # below any time base in use; absorbs rounding of seconds

# More bytes than this between packets that should follow each other mean that data were lost.
HOLE_BYTES = 1024


@dataclass(frozen=True)
class ShownFrame:
    """A frame, the time in seconds from which it is shown, and what was lost before it.

    `image` is None if the frame was not decoded.
    """

    time: float
    image: av.VideoFrame | None
    gap: Gap | None = None


class FrameReader:
    """Iterate over the frames of `path` in the order and at the times that a player shows them.

    Times are in seconds. Zero is the start of the container: the first frame of a lone video stream
    is at 0 whatever its stored timestamp, and a picture that starts after the sound keeps that
    delay, as in Chromium. (Chromium counts from the stored zero. It shows a file that starts at 5 s
    past the end of its own seek bar; such a file needs a browser copy.) Frames that an edit list
    discards are not shown. A frame that comes late is dropped. After a clock was set back by more
    than a second, time runs on. In AVI and raw streams frames are counted in decoding order.

    A gap is a distance between frames of more than three frames and 0.5 s in which packets were
    damaged; a low or variable frame rate does not make one. A frame later than `LATEST_S` ends the
    video with a gap. What is
    missing at the end, up to a stated duration that the frame count does not contradict, is a gap,
    unless it is no longer than the largest distance between two frames of this video.

    `gaps`, `frame_count`, `skipped` (damaged packets), `concealed` (damaged pictures), `duration`
    (end of the last frame) and `longest` (distance of two frames) grow while it is read. `first` is
    the time of the first frame. `leads`: the file has no video stream before this one. `end` is
    where the packets end, None while more than `ahead_s` away. `after` seeks to a keyframe before
    that time. `beat` is called with every packet.

    `wants(start, end)` may be set. If it is False for the span in which a frame is shown, and no
    other frame is made from that frame (H.264), the frame comes without a picture. After the first
    damage all frames are decoded, so that none goes unnoticed. `tap` may be set; it gets every
    packet of the stream before it is decoded.

    Raises the errors of `open_video`, and EmptyVideo or CorruptVideo if no frame can be decoded.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        ahead_s: float = 0.0,
        after: float | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = Path(path)
        self.gaps: tuple[Gap, ...] = ()
        self.frame_count = self.skipped = self.concealed = 0
        self.duration, self.frame_s, self.zero, self.first, self.longest = 0.0, 0.0, 0.0, 0.0, 0.0
        self.aspect, self.sought, self.leads = 1.0, False, True
        self.fps: float | None = None
        self.stated: float | None = None
        self.recorded: str | None = None
        self.codec = self.container = ""
        self.file_bytes = 0
        self._ahead_s, self._after, self._beat = ahead_s, after, beat
        self._offset, self._packet_zero, self._packet_end = 0.0, 0.0, 0.0
        self._packets_read, self._packets_stated = 0, 0
        self._raw_end: float | None = None
        # Spans, on the file's own clock, in which packets were lost.
        self._damage: list[tuple[float, float]] = []
        self._hurt = False
        self.wants: Wants | None = None
        self.tap: Callable[[VideoPacket], None] | None = None
        self._size_bytes = 0  # that hold a unit's size; 0 if no frame may be left out
        self._stamps: list[float] = []  # sorted, of packets from a little before the current one
        # Whether everything was read that may be shown within `ahead_s` of the current packet.
        self._sure = False

    def __iter__(self) -> Generator[ShownFrame, None, None]:
        with open_video(self.path) as (container, stream):
            self._note_facts(container, stream)
            self.sought = self._after is not None and self.container in SEEKABLE
            if self.sought:
                self._seek(container, stream)
            previous = None
            for raw, image, ticks in self._in_order(self._decoded(container, stream)):
                if previous is None and not self.sought:
                    self._set_zero(container, raw)
                if raw - self.zero > LATEST_S:
                    self._note_late(raw - self.zero)
                    break
                shown = self._shown(previous, raw - self.zero, image, ticks)
                previous = shown.time
                yield shown
            if previous is None:
                raise nothing_decoded(self.path, self._packets_read)
            self._close(previous)

    @property
    def end(self) -> float | None:
        """Where the packets end, in seconds; None while it is not known.

        It is the stated end if the last frame is shown until then.
        """
        return None if self._raw_end is None else self._held(self._placed(self._raw_end))

    def _held(self, end: float) -> float:
        """Return `end`, or the stated end if the last frame can be on screen until then.

        Few containers say how long the last frame lasts.
        """
        stated = self.stated or 0.0
        return stated if end < stated <= end + max(self.tolerance, self.longest) else end

    def _note_facts(self, container: InputContainer, stream: VideoStream) -> None:
        self.codec, self.container, self.leads = (
            stream.codec_context.codec.canonical_name,
            container.format.name,
            stream == container.streams.video[0],
        )
        self.file_bytes = container.size
        self._untimed, self._base = self.container in UNTIMED, float(stream.time_base or 0)
        self._packets_stated, aspect = stream.frames, float(stream.sample_aspect_ratio or 1)
        self.aspect = aspect if in_range("pixel aspect", aspect) else 1.0
        guessed, average = (float(rate or 0) for rate in (stream.guessed_rate, stream.average_rate))
        self.fps = next((rate for rate in (average, guessed) if 0 < rate <= MAX_FPS), None)
        rate = next((rate for rate in (guessed, average) if 0 < rate <= MAX_FPS), math.inf)
        self.frame_s = min(1 / rate, JUMP_S)
        self._stated_raw = stated_end(container, stream)
        self.recorded = time_in_tags({**stream.metadata, **container.metadata})
        if self.codec == "h264" and not self._untimed:
            self._size_bytes = length_bytes(stream.codec_context.extradata)

    def _set_zero(self, container: InputContainer, first: float) -> None:
        start = first if container.start_time is None else container.start_time / av.time_base
        late = LEAD_S < first - start <= JUMP_S and not self._untimed
        self.zero = start if late else first
        self.first = first - self.zero
        if not self._untimed:  # decode times run ahead of the frames by the decoder's delay
            self._packet_zero = self.zero
        stated = self._stated_raw - self._packet_zero
        self.stated = stated if 0 < stated <= STATED_MAX_S else None

    def _seek(self, container: InputContainer, stream: VideoStream) -> None:
        first = next(self._decoded(container, stream), None)
        if first is None:
            raise nothing_decoded(self.path, self._packets_read)
        self._set_zero(container, first[0])
        # Indexes hold decode times, which run ahead, so seek to a keyframe a second earlier.
        container.seek(int(((self._after or 0.0) - LEAP_S + self.zero) / self._base), stream=stream)

    def _placed(self, raw: float) -> float:
        return raw + self._offset - self._packet_zero

    def _demuxed(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
        """Yield the stream's packets and the final flush.

        A read error is skipped once; a second one at the same place ends the file.
        """
        read_at_error, stored = -1, 0
        while True:
            try:
                for packet in cast("Iterator[VideoPacket]", container.demux()):
                    self._beat()
                    if self.container in CONTIGUOUS and packet.pos is not None:
                        self._hurt = self._hurt or 0 < stored < packet.pos - HOLE_BYTES
                        stored = max(stored, packet.pos) + packet.size
                    # An empty packet inside the file would end the decoder, and damage may give
                    # a packet the index of another stream.
                    ours = packet.stream_index == stream.index and isinstance(
                        packet.stream, VideoStream
                    )
                    if ours and (packet.size or packet.dts is packet.pts is None):
                        if self.tap:
                            self.tap(packet)
                        yield packet
                return
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self._hurt, self.skipped = True, self.skipped + 1
                if read_at_error == self._packets_read:
                    return
                read_at_error = self._packets_read

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoPacket]:
        """Yield each packet once `ahead_s` more of the video, or its end, has been read."""
        held: deque[tuple[float, VideoPacket]] = deque()
        end = self._packet_end = 0.0
        for packet in self._demuxed(container, stream):
            before, start = self._packet_end, self._packet_start(packet)
            self._packet_end = start + self._lasts(packet.duration)
            self._note_damage(packet, before, start)
            if packet.size and not packet.is_discard:
                set_back = start < end - max(LEAP_S, REORDERED * self.frame_s)
                end = self._packet_end if set_back else max(end, self._packet_end)
            held.append((start, packet))
            if self.wants and self._size_bytes and packet.size and not packet.is_discard:
                insort(self._stamps, start)
            while held and (end - held[0][0] > self._ahead_s or len(held) > AHEAD_PACKETS):
                self._sure = end - held[0][0] > self._ahead_s
                yield held.popleft()[1]
        self._raw_end, self._sure = end, True
        yield from (packet for _, packet in held)

    def _note_damage(self, packet: VideoPacket, before: float, start: float) -> None:
        """If bytes were lost before `packet`, mark the time since the last packet as damaged."""
        if self._hurt:
            since = before if before <= start else -math.inf  # a damaged time says nothing
            self._damage.append((since, start if packet.size else math.inf))
        self._hurt = packet.is_corrupt
        self.skipped += packet.is_corrupt

    def _packet_start(self, packet: VideoPacket) -> float:
        stamp = packet.dts if self._untimed else packet.pts
        start = self._packet_end if stamp is None else stamp * self._base
        if not self._packets_read:
            self._packet_zero = start
        self._packets_read += bool(packet.size)
        return start

    def _lasts(self, ticks: int | None) -> float:
        seconds = (ticks or 0) * self._base
        return seconds if 0 < seconds <= JUMP_S else self.frame_s

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[Raw]:
        """Yield each frame, decoded or left out, ordered by time as far as times are valid."""
        raw, begun = -self.frame_s, False
        spared: list[tuple[float, None, int]] = []
        for packet in self._packets(container, stream):
            if begun and self._can_skip(packet):
                heapq.heappush(spared, ((packet.pts or 0) * self._base, None, packet.duration or 0))
                continue
            for image in self._images(packet):
                check_pixels(image.width, image.height, self.path)
                stamp = image.dts if self._untimed else image.pts
                raw = raw + self._known_frame_s() if stamp is None else stamp * self._base
                while spared and spared[0][0] < raw:
                    yield heapq.heappop(spared)
                self._size_bytes *= not image.interlaced_frame  # a packet may hold one field of two
                begun = True
                # After a seek the decoder may lack references of leading pictures; ignore those.
                self.concealed += image.is_corrupt and raw - self.zero >= (self._after or -math.inf)
                yield raw, image, image.duration
        yield from sorted(spared)

    def _can_skip(self, packet: VideoPacket) -> bool:
        """Tell whether neither a sample nor another frame needs the frame of `packet`."""
        if self.skipped or self.concealed or self._damage or self._offset or self.gaps:
            self._size_bytes, self._stamps = 0, []
        if self.wants is None or not self._size_bytes or packet.pts is None:
            return False
        start = packet.pts * self._base
        place = bisect_right(self._stamps, start)
        following = self._stamps[place] if place < len(self._stamps) else math.inf
        del self._stamps[: max(0, place - REMEMBERED)]
        if not self._sure or packet.is_keyframe or packet.is_discard:
            return False
        wanted = self.wants(start - self.zero, following - self.zero)
        return not wanted and unreferenced(bytes(packet), self._size_bytes)

    def _images(self, packet: VideoPacket) -> list[av.VideoFrame]:
        if any(kept.data_type == "encryption_info" for kept in packet.iter_sidedata()):
            raise UnsupportedVideo(
                "the video is encrypted", where=self.path, cure="decrypt it first"
            )
        try:
            return packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            stamp = packet.dts if self._untimed else packet.pts
            start = self._packet_end if stamp is None else stamp * self._base
            self._damage.append((start, start + self._lasts(packet.duration)))
            self.skipped += 1
            return []

    def _known_frame_s(self) -> float:
        if not self.frame_s:
            raise CorruptVideo(
                "its frames have no times and it states no frame rate", where=self.path, cure=REMUX
            )
        return self.frame_s

    def _in_order(self, frames: Iterator[Raw]) -> Iterator[Raw]:
        """Yield frames in order of time.

        Late ones are dropped; a leap ahead counts if the next frame confirms it.
        """
        last = ahead = None
        behind: list[Raw] = []
        for raw, image, ticks in frames:
            if ahead is not None and raw + self._offset > ahead[0]:
                last = ahead[0]
                yield ahead
            time, ahead = raw + self._offset, None
            if last is None or 0 < time - last <= LEAP_S:
                last, behind = time, []
                yield time, image, ticks
            elif time > last:
                ahead = time, image, ticks
            elif time < last - LEAP_S:
                behind.append((raw, image, ticks))
            if last is not None and len(behind) > REORDERED:
                self._offset = last + self._known_frame_s() - behind[0][0]
                last, behind = (
                    behind[-1][0] + self._offset,
                    [(r + self._offset, late, t) for r, late, t in behind],
                )
                yield from behind
                behind = []
        if ahead is not None:
            yield ahead

    def _shown(
        self, previous: float | None, time: float, image: av.VideoFrame | None, ticks: int | None
    ) -> ShownFrame:
        gap = self._gap(previous, time, image is not None and image.is_corrupt)
        if not gap and previous is not None:
            self.longest = max(self.longest, min(time - previous, STALE_S))
        self.gaps += (gap,) if gap else ()
        # A container may flag packets beside the lost one, so damage counts a little longer.
        if self._damage:
            self._damage = [
                span for span in self._damage if self._placed(span[1]) > time - self.tolerance
            ]
        self.frame_count += 1
        self.duration = time + self._lasts(ticks)
        return ShownFrame(time, image, gap)

    def _gap(self, previous: float | None, time: float, corrupt: bool) -> Gap | None:
        start = 0.0 if previous is None else previous + self.frame_s
        distance = 0.0 if self.sought and previous is None else time - (previous or 0.0)
        if distance <= self.tolerance:
            return None
        damaged = corrupt or any(
            self._placed(start) < time + self.tolerance for start, _ in self._damage
        )
        return Gap(start, time, "damaged data") if damaged else None

    def _note_late(self, time: float) -> None:
        """Record that the video goes on at a `time` that no video reaches."""
        self.gaps += (Gap(self.duration, LATEST_S, f"the next frame is at {time:.3g} s"),)

    @property
    def tolerance(self) -> float:
        """Seconds between frames up to which lost packets do not make a gap."""
        return max(GAP_S, GAP_FRAMES * self.frame_s)

    def _close(self, last: float) -> None:
        """Record what is missing up to the stated end as a gap, unless no frame is missing."""
        self.duration = self._held(self.duration)
        incomplete = not self._packets_stated or self._packets_read < self._packets_stated
        damaged = any(self._placed(end) > last for _, end in self._damage)
        end = 0.0
        if damaged and self.end is not None and self.end - last <= JUMP_S:
            end = self.end
        if damaged or incomplete:
            end = max(end, self.stated or 0.0)
        if end - self.duration > max(self.tolerance, self.longest):
            self.gaps += (
                Gap(self.duration, end, "the file ends early" if not damaged else "damaged data"),
            )
