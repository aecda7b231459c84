"""One video file opened: its container and its video stream, or a named error. Decodes nothing, knows no time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from hiprobe.errors import CorruptVideo, EmptyVideo, MissingVideo, NoVideoStream, UnsupportedVideo

av.logging.set_level(
    None
)  # FFmpeg's own lines stay off the terminal: a failure is raised here, or recorded as a gap

PIXEL_CAP = (
    64_000_000  # per frame; a 16,000 x 16,000 picture fits in 750 kB and takes 768 MB decoded
)

# Containers of video (and of sound, to name a file without pictures); no playlist, picture, network or device format.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,obu,ivf,flv,asf,ogg,gif,mxf,nut,dv,rm,"
    "yuv4mpegpipe,wav,flac"
)
CONTIGUOUS = (
    "matroska,webm",
    "flv",
)  # a reader that loses its place here goes on without an error; packets lie
REMUX = "record or export it again, e.g. as H.264 in MP4"


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open container and its video stream, from this file alone: no address in it is followed.

    Raises MissingVideo, EmptyVideo, CorruptVideo, NoVideoStream or UnsupportedVideo.
    """
    _check_readable(path)
    with _open(path, {"max_pixels": str(PIXEL_CAP)}) as container:
        yield container, _video_stream(container, path)


def _open(path: Path, probing: dict[str, str]) -> InputContainer:
    """The container, with `probing` options for the decoders that FFmpeg tries on the first packets."""
    try:
        return av.open(
            f"file:{path.absolute()}",
            mode="r",
            metadata_errors="replace",
            options=probing,
            container_options={"protocol_whitelist": "file", "format_whitelist": FORMATS},
        )
    except av.error.ArgumentError as error:
        reason = "not a video container (a playlist, a picture or an unknown format)"
        raise UnsupportedVideo(reason, where=path, cure="give the video file itself") from error
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise CorruptVideo(f"cannot be opened: {error.strerror}", where=path, cure=REMUX) from error


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise MissingVideo("no such file", where=path) from error
    except OSError as error:
        raise MissingVideo(f"cannot be read: {error.strerror}", where=path) from error
    if empty:
        raise EmptyVideo("the file is empty", where=path)


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    covers = Disposition.attached_pic
    stream = next((s for s in container.streams.video if not s.disposition & covers), None)
    if stream is None:
        raise NoVideoStream("holds no video stream", where=path)
    if stream.codec_context is None:
        raise UnsupportedVideo("no decoder for its video codec", where=path, cure=REMUX)
    _check_header(stream, path)
    for other in container.streams:
        if other.index != stream.index and container.format.name not in CONTIGUOUS:
            other.discard = Discard.all
    stream.codec_context.options = {"max_pixels": str(PIXEL_CAP)}
    stream.codec_context.thread_count = (
        1  # a damaged picture is then concealed in the same way on every machine
    )
    return stream


def _check_header(stream: VideoStream, path: Path) -> None:
    check_pixels(stream.codec_context.width, stream.codec_context.height, path)
    if stream.codec_context.width:
        return
    with _open(
        path, {"codec_whitelist": "none"}
    ) as stated:  # the cap kept FFmpeg from the first picture of a codec
        for codec in (
            other.codec_context for other in stated.streams.video
        ):  # whose size the header alone tells
            check_pixels(*((codec.width, codec.height) if codec else (0, 0)), path)


def check_pixels(width: int, height: int, path: Path) -> None:
    """Raises UnsupportedVideo where a frame of `width` x `height` is past the pixel cap."""
    if width * height > PIXEL_CAP:
        reason = f"{width} x {height} pixels are more than the cap of {PIXEL_CAP:,} per frame"
        raise UnsupportedVideo(reason, where=path, cure="scale it down")
