"""The frames of an open stream, as they come. Runs in the child process only.

The counterpart of `video.frames.FrameReader`, which knows where a file ends and may look ahead: a
stream has neither an end nor anything ahead, but its packets have times of arrival. Knows no window
and no address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from typing import TypeAlias, cast

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from hiprobe.errors import CameraUnreachable, CorruptVideo, VideoError
from hiprobe.live.stream_opening import CHECK_CAMERA, PICTURES, SET_H264
from hiprobe.live.stream_times import StreamTimes
from hiprobe.ranges import in_range
from hiprobe.types import Gap
from hiprobe.video.container import UNTIMED, check_pixels
from hiprobe.video.frames import GAP_FRAMES, GAP_S, MAX_FPS, ShownFrame
from hiprobe.video.windows import displayed

VideoPacket: TypeAlias = "Packet[VideoStream]"
# Streams without times, or with times that FFmpeg makes up: a frame counts from when it arrives.
ARRIVING = (*UNTIMED, "mpjpeg")
ARRIVAL_BASE = Fraction(1, 1_000_000)
FRAME_S = 0.04  # where the stream does not say


class StreamReader:
    """Iterate over the frames of a stream with their times in seconds, the first one at 0.

    It ends with the stream; `problem` is then why. A late frame is dropped, and after a leap of the
    camera's clock time runs on. A gap is a distance between frames of more than three frames and
    0.5 s in which packets were damaged. Whoever iterates takes what is in `gaps` out of it.

    `size` is (height, width) of the last frame as displayed, `heard` when the last packet came, by
    this machine's steady clock. `damaged` counts packets. `beat` is
    called with every packet, and `tap`, if set, with every packet of the video and its time base.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        silent_s: float,
        beat: Callable[[], None],
    ) -> None:
        self._container, self._stream = container, stream
        self._silent_s, self._beat = silent_s, beat
        self._arriving = container.format.name in ARRIVING
        self._base = ARRIVAL_BASE if self._arriving else stream.time_base or ARRIVAL_BASE
        rate = float(stream.guessed_rate or stream.average_rate or 0)
        self.frame_s = 1 / rate if 0 < rate <= MAX_FPS else FRAME_S
        aspect = float(stream.sample_aspect_ratio or 1)
        self.aspect = aspect if in_range("pixel aspect", aspect) else 1.0
        self.times = StreamTimes(self.frame_s)
        self.gaps: tuple[Gap, ...] = ()
        self.first = self.duration = self.zero = 0.0
        self.damaged = 0
        self.size: tuple[int, int] | None = None
        self.problem: VideoError | None = None
        self.wants: Callable[[float, float], bool] | None = None
        self.tap: Callable[[VideoPacket, Fraction], None] | None = None
        self.heard = time.monotonic()
        self._stored = (0, 0)
        self._hurt = False
        self._stamp = 0.0  # of the last packet, in seconds
        self._begun: float | None = None

    @property
    def end(self) -> float | None:
        """None: a stream does not say where it ends."""
        return None

    @property
    def anchor(self) -> float:
        """When second 0 was recorded, on this machine's steady clock."""
        return self.times.anchor + self.zero

    def __iter__(self) -> Generator[ShownFrame, None, None]:
        last: float | None = None
        try:
            for image in self._images():
                raw = self._seconds(image, last)
                if last is None:
                    self.zero, last = raw, raw - self.frame_s
                if raw > last:
                    yield self._shown(image, last - self.zero, raw - self.zero)
                    last = raw
        except VideoError as error:
            self.problem = error

    def _seconds(self, image: av.VideoFrame, last: float | None) -> float:
        if image.pts is None:
            return 0.0 if last is None else last + self.frame_s
        return float(image.pts * self._base)

    def _shown(self, image: av.VideoFrame, last: float, at: float) -> ShownFrame:
        check_pixels(image.width, image.height, PICTURES)
        damaged = self._hurt or image.is_corrupt
        far = at - last > max(GAP_S, GAP_FRAMES * self.frame_s)
        gap = Gap(last + self.frame_s, at, "damaged data") if damaged and far else None
        self.gaps += (gap,) if gap else ()
        self._hurt = False
        self.duration = at + self.frame_s
        if (
            image.height,
            image.width,
        ) != self._stored:  # else nothing in the frame need be looked at
            self._stored, self.size = (image.height, image.width), displayed(image, self.aspect)
        return ShownFrame(at, image, gap)

    def _images(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures; raises CorruptVideo if packets come, but no picture."""
        seen = time.monotonic()
        for packet in self._packets():
            images = self._decoded(packet)
            now = time.monotonic()
            seen = now if images else seen
            if now - seen > self._silent_s:
                raise CorruptVideo(
                    f"none of its packets could be decoded for {self._silent_s:g} s", cure=SET_H264
                )
            yield from images

    def _decoded(self, packet: VideoPacket) -> list[av.VideoFrame]:
        try:
            images = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            images, self._hurt, self.damaged = [], True, self.damaged + 1
        return images

    def _packets(self) -> Iterator[VideoPacket]:
        """Yield the video's packets, timed; raises CameraUnreachable when the stream ends."""
        for packet in self._demuxed():
            self._beat()
            now, ours = time.monotonic(), packet.stream_index == self._stream.index
            # When it gives up, FFmpeg first gives a packet that it has held.
            silent = now - self.heard >= self._silent_s
            if ours and packet.size:
                self.heard = self.heard if silent else now
                self._set_times(packet, now)
                self._hurt |= packet.is_corrupt
                self.damaged += packet.is_corrupt
                if self.tap:
                    self.tap(packet, self._base)
                yield packet
            elif ours:
                yield packet  # the end: the decoder gives what it holds
            if silent:
                raise self._silence()
        raise CameraUnreachable("it ended the stream", cure=CHECK_CAMERA)

    def _demuxed(self) -> Iterator[VideoPacket]:
        try:
            yield from cast("Iterator[VideoPacket]", self._container.demux())
        except MemoryError:
            raise
        except av.error.ExitError:
            raise self._silence() from None
        except av.error.FFmpegError as error:
            reason = f"the connection was lost: {error.strerror}".lower()
            raise CameraUnreachable(reason, cure=CHECK_CAMERA) from None

    def _silence(self) -> CameraUnreachable:
        self.heard = min(self.heard, time.monotonic() - self._silent_s)
        return CameraUnreachable(f"no packets for {self._silent_s:g} s", cure=CHECK_CAMERA)

    def _set_times(self, packet: VideoPacket, now: float) -> None:
        """Give a packet its place in time, in ticks of `_base`."""
        if self._arriving:
            self._begun = now if self._begun is None else self._begun
            packet.pts = packet.dts = round((now - self._begun) / ARRIVAL_BASE)
            packet.time_base = ARRIVAL_BASE
            self._stamp = now - self._begun
            self.times.correction(self._stamp, now)
            return
        if packet.pts is None:  # FFmpeg leaves out the time of a stream's first packet, which is 0
            packet.pts = round((self._stamp + self.frame_s) / self._base) if self._begun else 0
        self._begun = self._begun or now
        self._stamp = float(packet.pts * self._base)
        ticks = round(self.times.correction(self._stamp, now) / self._base)
        packet.pts += ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
