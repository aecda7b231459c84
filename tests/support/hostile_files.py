"""Files that a stranger may send: none of them is what its name says. All are made here, and small.

A sparse file states terabytes and takes no room.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

HANG_S = 20
ROOM = 2 * 2**30  # bytes of address space that a file may take
TERABYTE = 10**12
Make = Callable[[Path], object]

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"


class Hang(BaseException):
    """Reading took longer than `HANG_S`."""


@contextmanager
def limits(room: int = ROOM) -> Iterator[None]:
    """End the test if the block takes `HANG_S` seconds, and refuse it more than `room` bytes."""

    def hang(*_: object) -> None:
        raise Hang

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, hard))
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def data(content: bytes | Callable[[], bytes]) -> Make:
    """Make a file of these bytes."""
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content())


def sparse(size: int, head: bytes = b"") -> Make:
    """Make a file of `size` bytes that begins with `head`, the rest a hole."""

    def make(path: Path) -> None:
        path.write_bytes(head)
        os.truncate(path, size)

    return make


def link(target: str) -> Make:
    """Make a link."""
    return lambda path: path.symlink_to(target)


# What may be where a file is expected.
NOT_FILES: dict[str, Make] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to /dev/zero": link("/dev/zero"),
    "a link to a pipe": lambda path: (
        os.mkfifo(path.with_name("pipe")),
        path.symlink_to(path.with_name("pipe")),
    ),
    "a link to itself": lambda path: path.symlink_to(path),
    "a terabyte": sparse(TERABYTE),
}


def atom(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    """Return one box of an MP4 file, which may state another size than it has."""
    return struct.pack(">I4s", len(content) + 8 if size is None else size, kind) + content


def wav() -> bytes:
    return (
        b"RIFF" + struct.pack("<I", 36 + 800) + b"WAVEfmt "
        b"" + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data" + bytes((32, 3, 0, 0))
        + bytes(800)
    )  # fmt: skip


def gif(width: int, height: int, body: bytes = b"") -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + body


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width: int, height: int) -> bytes:
    """Return a PNG that states this size and holds one row of 64 pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(65)))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def text_png() -> bytes:
    """Return a PNG with 100 MB of text, compressed."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**8), 1))
    small = picture("PNG")
    return small[:33] + text + small[33:]


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def npz(entry: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", entry)
    return file.getvalue()


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n"
DEEP = b"[" * 100_000

VIDEOS: dict[str, Make] = {
    "empty.mp4": data(b""),
    "zeros.mp4": data(bytes(5000)),
    "zeros_70MB.mp4": sparse(70 << 20),
    "ten_terabytes.mp4": sparse(10 * TERABYTE),
    "ten_terabytes_of.avi": sparse(10 * TERABYTE, b"RIFF\xff\xff\xff\xffAVI LIST"),
    "terabyte_of_video.mp4": sparse(900 << 30, atom(b"ftyp", b"isom" + bytes(4) + b"isom")),
    "text.mkv": data(b"hello " * 500),
    "page.webm": data(b"<html><video src=file:///etc/passwd></html>" * 50),
    "program.mp4": data(POSTSCRIPT),
    "script.avi": data(b"#!/bin/sh\nrm -rf /\n" * 50),
    "playlist.mp4": data(PLAYLIST),
    "playlist.ts": data(PLAYLIST),
    "list.mp4": data(b"ffconcat version 1.0\nfile /etc/passwd\n"),
    "address.mp4": data(b"v=0\nm=video 5004 RTP/AVP 96\nc=IN IP4 127.0.0.1\n"),
    "sound.mp4": data(wav()),
    "archive.mov": data(npz(b"x" * 1000)),
    "box_without_end.mp4": data(atom(b"ftyp", b"isom" + bytes(4)) + atom(b"moov", b"", 2**31)),
    "boxes_in_boxes.mp4": data(
        atom(b"ftyp", b"isom" + bytes(4))
        + b"".join(atom(b"moov", b"", 2**20 - 8 * i) for i in range(4000))
    ),
    "header_only.mkv": data(b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" * 50),
    "wide.gif": data(gif(65535, 65535, b"," + bytes(9) + b"\x02\x02\x4c\x01\x00;")),
    "cut.gif": data(gif(64, 64)),
    "wide.y4m": data(b"YUV4MPEG2 W200000 H200000 F25:1 C420\nFRAME\n" + bytes(999)),
    "no_rate.y4m": data(b"YUV4MPEG2 W64 H64 F0:0 C420\nFRAME\n" + bytes(99)),
    "no_frame.y4m": data(b"YUV4MPEG2 W64 H64 F25:1 C420\n"),
    "no_size.y4m": data(b"YUV4MPEG2 W-1 H0 F25:1 C420\nFRAME\n" + bytes(99)),
    "still.apng": data(png(16_000, 16_000)),
    "noise.ts": data(np.random.default_rng(0).bytes(100_000)),
    "noise.264": data(np.random.default_rng(1).bytes(100_000)),
    "noise.mjpeg": data(b"\xff\xd8\xff\xe0" + np.random.default_rng(2).bytes(50_000)),
    "terminal\x1b[31m\x07.mp4": data(b"red" * 500),
}

PICTURES: dict[str, tuple[str, Make]] = {
    "PostScript": ("2.png", data(POSTSCRIPT)),
    "PostScript as JPEG": ("2.jpg", data(POSTSCRIPT)),
    "PostScript as TIFF": ("2.tif", data(POSTSCRIPT)),
    "PostScript after a DOS header": (
        "2.bmp",
        data(
            b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, len(POSTSCRIPT)) + bytes(20) + POSTSCRIPT
        ),
    ),
    "JPEG as PNG": ("2.png", data(picture("JPEG"))),
    "PNG as TIFF": ("2.tiff", data(picture("PNG"))),
    "PCX as BMP": ("2.bmp", data(picture("PCX"))),
    "ICNS as PNG": ("2.png", data(b"icns" + struct.pack(">I", 64) + bytes(56))),
    "WMF as BMP": ("2.bmp", data(b"\xd7\xcd\xc6\x9a" + bytes(60))),
    "SVG as PNG": ("2.png", data(b"<svg><image href='file:///etc/passwd'/></svg>")),
    "empty": ("2.png", data(b"")),
    "100 GB": ("2.png", sparse(100 * 10**9, picture("PNG"))),
    "256 million pixels": ("2.png", data(png(16_000, 16_000))),
    "a width of 2**31 - 1": ("2.png", data(png(2**31 - 1, 1))),
    "16 bits": ("2.png", data(picture("PNG", "I;16"))),
    "text of 100 MB": ("2.png", data(text_png)),
    "another size": ("2.png", data(picture("PNG", size=(32, 32)))),
    "a damaged JPEG": ("2.jpg", data(picture("JPEG")[:200])),
}
