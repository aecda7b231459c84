"""Open one video file and read what it says about itself, or raise a named error.

Decodes nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from hiprobe.disk.regular import open_regular
from hiprobe.errors import (
    CorruptVideo,
    EmptyVideo,
    MissingVideo,
    NoVideoStream,
    UnsupportedVideo,
    VideoError,
)

# FFmpeg's own lines stay off the terminal: a failure is raised here, or recorded as a gap.
av.logging.set_level(None)

# Pixels per frame. A picture of 16,000 x 16,000 fits in 750 kB and takes 768 MB decoded.
PIXEL_CAP = 64_000_000

# Containers of video, and of sound, so that a file without pictures gets a name. No playlist,
# network or device format. `mjpeg` and `apng` open only what moves, not a lone JPEG or PNG.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,obu,ivf,flv,asf,ogg,gif,mxf,nut,"
    "dv,rm,yuv4mpegpipe,dhav,mjpeg,apng,wav,flac"
)
# Containers that store packets without space between. FFmpeg skips damage in them silently.
CONTIGUOUS = ("matroska,webm", "flv")
# Containers that store no presentation times.
UNTIMED = ("avi", "h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu")
# Containers with stored presentation times and an index of keyframes.
SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
# Pictures that stand for a file in lists. A player never shows them as its video.
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
PEEKED_PACKETS = 2000  # packets, of all streams, in which a stream shows that it moves
# Metadata that is not UTF-8 may not stop a video. PyAV 19 keeps its bytes and has no such option.
UNREADABLE_METADATA: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)
REMUX = "record or export it again, e.g. as H.264 in MP4"


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the file and yield its container and video stream.

    Only this file is read: an address in it is not followed. Raises MissingVideo, EmptyVideo,
    CorruptVideo, NoVideoStream or UnsupportedVideo.
    """
    _check_readable(path)
    with _open(path, {"max_pixels": str(PIXEL_CAP)}) as container:
        yield container, _video_stream(container, path)


def _open(path: Path, probing: dict[str, str]) -> InputContainer:
    """Open the container; `probing` are options for the decoders that FFmpeg tries first."""
    try:
        opened: InputContainer = av.open(
            f"file:{path.absolute()}",
            mode="r",
            **UNREADABLE_METADATA,
            options=probing,
            container_options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
        )
        return opened
    except av.error.ArgumentError as error:
        reason = "not a video container (a playlist, a picture or an unknown format)"
        raise UnsupportedVideo(reason, where=path, cure="give the video file itself") from error
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise CorruptVideo(f"cannot be opened: {error.strerror}", where=path, cure=REMUX) from error


def _check_readable(path: Path) -> None:
    try:
        with open_regular(path) as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise MissingVideo("no such file", where=path) from error
    except OSError as error:
        raise MissingVideo(f"cannot be read: {error.strerror}", where=path) from error
    if empty:
        raise EmptyVideo("the file is empty", where=path)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = _shown_stream(container, path)
    if stream is None:
        raise NoVideoStream("the file has no video stream", where=path)
    if stream.codec_context is None:
        raise UnsupportedVideo("there is no decoder for its video codec", where=path, cure=REMUX)
    _check_header(stream, path)
    for other in container.streams:
        if other.index != stream.index and container.format.name not in CONTIGUOUS:
            other.discard = Discard.all
    stream.codec_context.options = {"max_pixels": str(PIXEL_CAP)}
    # With one thread a damaged picture is concealed in the same way on every machine.
    stream.codec_context.thread_count = 1
    return stream


def _shown_stream(container: InputContainer, path: Path) -> VideoStream | None:
    """Return the video stream that a player shows: no cover, and no still beside a moving one.

    Of several, it is FFmpeg's best (the default flag decides before the bit rate), else the first.
    """
    found = [s for s in container.streams.video if not s.disposition & COVERS]
    moving = _moving(found, path) if len(found) > 1 else []
    return max(moving or found, key=lambda s: s == container.streams.best("video"), default=None)


def _moving(streams: Sequence[VideoStream], path: Path) -> list[VideoStream]:
    """Return the streams with more than one frame: stated, or among the file's first packets.

    The packets are read from a second container, because some formats cannot go back.
    """
    frames = Counter({s.index: s.frames for s in streams if s.frames > 1})
    with _open(path, {"codec_whitelist": "none"}) as second, suppress(av.error.FFmpegError):
        for packet in islice(second.demux(), PEEKED_PACKETS):
            frames[packet.stream_index] += bool(packet.size)
    return [s for s in streams if frames[s.index] > 1]


def _check_header(stream: VideoStream, path: Path) -> None:
    check_pixels(stream.codec_context.width, stream.codec_context.height, path)
    if stream.codec_context.width:
        return
    # The cap kept FFmpeg from decoding the first picture; the header alone tells its size.
    with _open(path, {"codec_whitelist": "none"}) as stated:
        for codec in (other.codec_context for other in stated.streams.video):
            check_pixels(*((codec.width, codec.height) if codec else (0, 0)), path)


def check_pixels(width: int, height: int, path: Path) -> None:
    """Raise UnsupportedVideo if a frame of `width` x `height` pixels exceeds the pixel cap."""
    if width * height > PIXEL_CAP:
        reason = f"a frame may have at most {PIXEL_CAP:,} pixels, got {width} x {height}"
        raise UnsupportedVideo(reason, where=path, cure="scale it down")


def stated_end(container: InputContainer, stream: VideoStream) -> float:
    """Return the end that the file states, in seconds of its own clock; infinite if none."""
    # FFmpeg cuts the duration of an AVI to what is left of the file.
    if container.format.name == "avi" and stream.average_rate:
        return float(stream.frames / stream.average_rate) or math.inf
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * (stream.time_base or 0))
    # Matroska states it for each track.
    tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if container.duration and len(container.streams) == 1:
        return ((container.start_time or 0) + container.duration) / av.time_base
    return math.inf


def nothing_decoded(path: Path, packets: int) -> VideoError:
    """Return the error for a file none of whose `packets` gave a frame."""
    if _says_encrypted(path):
        return UnsupportedVideo("the video is encrypted", where=path, cure="decrypt it first")
    if not packets:
        return EmptyVideo("its video stream holds no frame", where=path)
    reason = f"none of its {packets} video packets can be decoded"
    return CorruptVideo(reason, where=path, cure=REMUX)


def _says_encrypted(path: Path) -> bool:
    """Tell whether the first MiB holds an MP4 sample entry `encv`.

    PyAV shows the tag of the codec inside it instead.
    """
    with open_regular(path) as file:
        return b"encv" in file.read(1 << 20)
