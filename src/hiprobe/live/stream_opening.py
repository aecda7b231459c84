"""Open the stream of a camera, or say by name why it gives no video.

Runs in the child process only. An address is never part of an error here: whoever asked knows it.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import av
import av.error
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from hiprobe.errors import (
    CameraUnreachable,
    LoginRefused,
    NoVideoStream,
    UnsupportedVideo,
    VideoError,
)
from hiprobe.live.address import ENCODE, Kind
from hiprobe.live.stream_request import StreamRequest
from hiprobe.video.container import PIXEL_CAP, UNREADABLE_METADATA

ANALYZE_S = 5.0  # of the stream, to find out what it holds
# What FFmpeg may open for an address: no file, no playlist, and no format that names other
# addresses. A camera that says to go elsewhere can only name another stream of its kind.
PROTOCOLS: dict[Kind, str] = {"rtsp": "rtsp,rtp,tls,tcp,udp", "http": "http,https,tls,tcp"}
FORMATS: dict[Kind, str] = {
    "rtsp": "rtsp",
    "http": "mpegts,mpjpeg,mjpeg,flv,live_flv,matroska,webm,mov,mp4,h264,hevc,ogg",
    "device": "video4linux2,v4l2,avfoundation",
}
PICTURES = Path("camera")  # in errors of a picture; whoever asked puts the camera's name there
CHECK_ADDRESS = "check the address"
CHECK_CAMERA = "check that it is on and connected, and its address"
SET_H264 = "set the camera to H.264 or H.265"
SUB_STREAM = "use the address of its RTSP stream"
_WORDS: dict[type[Exception], tuple[str, str]] = {
    av.error.HTTPNotFoundError: ("it answers, but has no such stream", CHECK_ADDRESS),
    av.error.HTTPClientError: ("it answers, but refuses the request", CHECK_ADDRESS),
    av.error.HTTPServerError: ("it answers with an error of its own", "restart the camera"),
    av.error.ConnectionRefusedError: ("nothing listens at its port", CHECK_CAMERA),
    av.error.ProtocolNotFoundError: ("it names an address that is not followed", CHECK_ADDRESS),
}


@contextmanager
def open_stream(request: StreamRequest) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the stream and yield its container and video stream.

    Raises CameraUnreachable, LoginRefused, NoVideoStream or UnsupportedVideo.
    """
    if request.kind == "device":
        _check_device(request.url)
    begun = time.monotonic()
    try:
        container = _opened(request)
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise _refusal(error, request, time.monotonic() - begun) from None  # it holds the address
    with container:
        yield container, _video(container, request)


def _opened(request: StreamRequest, *, all_media: bool = False) -> InputContainer:
    opened: InputContainer = av.open(
        request.url.removeprefix("avfoundation:"),
        mode="r",
        format=_device_format() if request.kind == "device" else None,
        **UNREADABLE_METADATA,
        options={"max_pixels": str(PIXEL_CAP)},
        container_options=_options(request, all_media=all_media),
        timeout=(request.open_s, request.silent_s),
    )
    return opened


def _options(request: StreamRequest, *, all_media: bool) -> dict[str, str]:
    found = {"format_whitelist": FORMATS[request.kind], "analyzeduration": f"{ANALYZE_S * 1e6:.0f}"}
    if request.kind != "device":
        found["protocol_whitelist"] = PROTOCOLS[request.kind]
    if request.kind == "rtsp":
        found["rtsp_transport"] = request.transport
        # Sound is not used, and would make FFmpeg correct times by the camera's clock.
        found |= {} if all_media else {"allowed_media_types": "video"}
    return found


def _device_format() -> str:
    return "avfoundation" if sys.platform == "darwin" else "v4l2"


def _check_device(path: str) -> None:
    if path.startswith("avfoundation:"):
        return
    try:
        found = stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        found = False
    if not found:
        raise CameraUnreachable("there is no such device", cure="list /dev/video*")


def _refusal(error: av.error.FFmpegError, request: StreamRequest, waited_s: float) -> VideoError:
    """Return the named error for a failed attempt; the words of FFmpeg may hold the address."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return LoginRefused(
            "it refuses the login",
            cure=f"check the user name and password in the address; {ENCODE}",
        )
    if _has_no_video(error, request):
        return NoVideoStream("it sends sound or data, but no video", cure=CHECK_ADDRESS)
    if isinstance(error, av.error.ExitError) or waited_s >= request.open_s:
        return CameraUnreachable(f"no answer within {request.open_s:g} s", cure=CHECK_CAMERA)
    for kind, (reason, cure) in _WORDS.items():
        if isinstance(error, kind):
            return CameraUnreachable(reason, cure=cure)
    if not _resolves(request):
        return CameraUnreachable("its host name is not known", cure=CHECK_ADDRESS)
    unknown = error.errno == errno.EIO and request.kind == "http"  # it has answered
    if unknown or isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):
        return UnsupportedVideo("it sends no video in a known format", cure=SUB_STREAM)
    return CameraUnreachable(f"cannot be opened: {error.strerror}".lower(), cure=CHECK_CAMERA)


def _has_no_video(error: av.error.FFmpegError, request: StreamRequest) -> bool:
    """Tell whether an RTSP server has a stream of this name, but no video in it."""
    refused = isinstance(error, av.error.HTTPClientError | av.error.InvalidDataError)
    if request.kind != "rtsp" or not refused or isinstance(error, av.error.HTTPNotFoundError):
        return False
    with suppress(av.error.FFmpegError), _opened(request, all_media=True) as container:
        return bool(container.streams) and not container.streams.video
    return False


def _resolves(request: StreamRequest) -> bool:
    host = urlsplit(request.url).hostname if request.kind != "device" else None
    try:
        return host is None or bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


def _video(container: InputContainer, request: StreamRequest) -> VideoStream:
    stream = cast("VideoStream | None", container.streams.best("video"))
    if stream is None:
        raise NoVideoStream("it sends no video", cure=CHECK_ADDRESS)
    if stream.codec_context is None:
        raise UnsupportedVideo("there is no decoder for its video codec", cure=SET_H264)
    if request.kind == "http" and container.duration and container.size > 0:
        raise UnsupportedVideo(
            "it is a file and not a stream", cure="download it, and give the file"
        )
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.options = {"max_pixels": str(PIXEL_CAP)}
    stream.codec_context.thread_count = 1
    return stream
