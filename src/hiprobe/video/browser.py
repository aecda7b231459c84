"""What a page needs to show a video: what the file says of it, and a copy that any browser plays.

Knows no window and no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from hiprobe.video import pictures
from hiprobe.video.container import SEEKABLE
from hiprobe.video.frames import LEAD_S, ShownFrame
from hiprobe.video.windows import Painter, displayed

PLAYABLE = {  # the pixel formats that Chromium decodes, by codec
    "h264": ("yuv420p", "yuvj420p"),
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p", "yuv420p10le"),
    "av1": ("yuv420p", "yuv420p10le"),
}
COPY_CLOCK = Fraction(1, 90_000)
BT601 = 6  # AVCOL_SPC_SMPTE170M, what the scaler writes from RGB


def facts(reader: pictures.FrameSource) -> dict[str, Any]:
    """Return the fields of a `VideoInfo`; one frame is decoded."""
    with closing(iter(reader)) as shown_frames:
        image = next(shown_frames).image
    assert image is not None
    height, width = displayed(image, reader.aspect)
    return {
        "codec": reader.codec,
        "container": reader.container,
        "seekable": reader.container in (*SEEKABLE, "folder"),
        "width": width,
        "height": height,
        "fps": reader.fps,
        "duration": reader.stated,
        "playable": _playable(reader, image),
        "recorded": reader.recorded,
    }


def _playable(reader: pictures.FrameSource, image: av.VideoFrame) -> bool:
    # Chromium counts from the stored zero, and cannot seek past the stated duration. Of several
    # video streams it shows the first, even if that is a still.
    return (
        reader.container in SEEKABLE
        and reader.leads
        and image.format.name in PLAYABLE.get(reader.codec, ())
        and abs(reader.zero) <= LEAD_S
    )


class Encodable(Protocol):
    """Frames to encode: `duration`, in seconds, is known once they were all read."""

    path: Path
    duration: float

    @property
    def aspect(self) -> float:
        """The shape of a pixel, known with the first frame."""
        ...

    def __iter__(self) -> Iterator[ShownFrame]: ...


def encode(reader: Encodable, target: str, height: int, quality: str = "23") -> None:
    """Write the frames of `reader` to the file `target`, as `video.browser_copy` describes.

    `quality` is the constant rate factor of H.264. Raises FFmpegError and OSError.
    """
    stream: VideoStream | None = None
    # How long each frame lasts, by its time, in ticks: the encoder forgets it for the last frame.
    durations: dict[int, int] = {}
    with av.open(f"file:{target}", "w", format="mp4", options={"movflags": "+faststart"}) as output:
        for shown, following in pairwise(chain(reader, [None])):
            assert shown is not None
            assert shown.image is not None
            if stream is None:
                size = _fitted(displayed(shown.image, reader.aspect), height)
                stream, painter = _copy_stream(output, size, quality), Painter(size, reader.path)
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(painter.paint(shown.image)), format="rgb24"
            )
            frame.time_base, frame.pts = (
                COPY_CLOCK,
                round(shown.time / COPY_CLOCK) if durations else 0,
            )
            durations[frame.pts] = (
                round((following.time if following else reader.duration) / COPY_CLOCK) - frame.pts
            )
            _write(output, stream, frame, durations)
        if stream is not None:
            _write(output, stream, None, durations)


def _write(
    output: OutputContainer,
    stream: VideoStream,
    frame: av.VideoFrame | None,
    durations: dict[int, int],
) -> None:
    for packet in stream.encode(frame):
        if packet.pts is not None:
            packet.duration = durations[packet.pts]
        output.mux(packet)


def _fitted(size: tuple[int, int], height: int) -> tuple[int, int]:
    """Scale `size` (height, width) to at most `height` lines, both even as H.264 4:2:0 needs."""
    scale = min(1.0, height / size[0])
    return max(2, 2 * round(size[0] * scale / 2)), max(2, 2 * round(size[1] * scale / 2))


def _copy_stream(output: OutputContainer, size: tuple[int, int], quality: str) -> VideoStream:
    stream = output.add_stream(
        "libx264", options={"preset": "veryfast", "crf": quality, "g": "50", "bf": "0"}
    )
    stream.height, stream.width = size
    stream.pix_fmt, stream.codec_context.time_base = "yuv420p", COPY_CLOCK
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.colorspace = BT601
    return stream
