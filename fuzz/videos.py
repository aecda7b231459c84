"""Videos and folders of pictures: how valid ones are made, and what reads them."""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fuzz.backbone import RECIPE, Colours, a_probe, no_fault
from hiprobe import isolate, pipeline, video
from hiprobe.errors import HiProbeError
from hiprobe.video import parallel

KINDS = (
    ("mp4", "libx264"),
    ("mkv", "libx264"),
    ("avi", "mpeg4"),
    ("webm", "libvpx"),
    ("mpg", "mpeg2video"),
    ("ts", "libx264"),
    ("gif", "gif"),
    ("mov", "mjpeg"),
    ("flv", "flv1"),
    ("ogv", "libtheora"),
)


def make_videos(root: Path) -> None:
    for suffix, codec in KINDS:
        # This build of FFmpeg may lack the encoder.
        with suppress(av.error.FFmpegError, ValueError):
            _video(root / f"a.{suffix}", codec)


def _video(path: Path, codec: str, length: int = 25, options: dict[str, str] | None = None) -> None:
    with av.open(str(path), "w") as output:
        stream = cast(
            av.VideoStream, output.add_stream(codec, rate=10, options=options or {"g": "5"})
        )
        stream.width = stream.height = 48
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        for number in range(length):
            picture = _pixels(number)
            output.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                        format=stream.pix_fmt
                    )
                )
            )
        output.mux(stream.encode(None))


def make_gifs(root: Path) -> None:
    """Write GIFs and animated PNGs as Pillow writes them: with transparency and partial frames."""
    frames = [Image.fromarray(_pixels(number)).quantize(32) for number in range(8)]
    for name in ("a.gif", "b.apng"):
        frames[0].save(
            root / name,
            format="GIF" if name.endswith("gif") else "PNG",
            save_all=True,
            append_images=frames[1:],
            duration=100,
            **({"transparency": 3} if name.endswith("gif") else {}),
        )


def make_y4m(root: Path) -> None:
    for name, colours, size in (("a", "420", 48 * 72), ("b", "mono", 48 * 48)):
        head = f"YUV4MPEG2 W48 H48 F10:1 Ip A1:1 C{colours}\n".encode()
        frames = [b"FRAME\n" + np.random.default_rng(n).bytes(size) for n in range(20)]
        (root / f"{name}.y4m").write_bytes(head + b"".join(frames))


def make_pictures(root: Path) -> None:
    for suffix in ("png", "jpg", "tif", "bmp"):
        (root / suffix).mkdir()
        for number in range(4):
            Image.fromarray(_pixels(number)).save(root / suffix / f"{number}.{suffix}")
    for number in range(2):
        picture = Image.fromarray(_pixels(number))
        place = root / "packed" / f"{number}.tif"
        place.parent.mkdir(exist_ok=True)
        picture.save(place, compression="tiff_lzw" if number else "tiff_adobe_deflate")


def _pixels(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)


def detect_pictures(root: Path) -> None:
    for folder in sorted(root.iterdir()):
        if any(folder.iterdir()):
            _detect_in(f"{folder}@10fps")


def detect(root: Path) -> None:
    for path in sorted(root.iterdir()):
        _detect_in(path)


def _detect_in(path: str | Path) -> None:
    (result,) = pipeline.detect_all([path], Colours(), a_probe(), explain=False, failed=no_fault)
    if result.scores is not None:
        assert np.isfinite(result.scores.smoothed).all()
        assert np.isfinite([result.duration, *result.scores.starts, *result.scores.ends]).all()
        assert (result.scores.ends > result.scores.starts).all()
    for ask in (video.info, partial(video.span, start=0.5, end=1.5, frames=3)):
        try:
            ask(path)
        except HiProbeError as error:
            no_fault(str(path), error)


# -- one video in several decoders


def make_long_videos(root: Path) -> None:
    for name, options in (
        ("a.mp4", {"g": "12", "bf": "3"}),
        ("b.mkv", {"g": "24", "x264-params": "open-gop=1"}),
    ):
        _video(root / name, "libx264", 300, options)


def compare_parts(root: Path) -> None:
    """Compare several decoders, which leave out frames that nobody wants, with one decoder."""
    with (
        patch.multiple(parallel, LEAST_WINDOWS=3, LEAST_PIXELS=0.0),
        patch.object(isolate.parent, "SLOTS", 6),
    ):
        for path in sorted(root.iterdir()):
            assert _given(parallel.decode_segments(path, RECIPE, "")) == _given(
                video.segments(path, RECIPE)
            ), path


def _given(reader: parallel.ParallelReader | video.SegmentReader) -> tuple[list[Any], Any]:
    """Digests of the segments, then what is known at the end or the error that ended it."""
    found: list[Any] = []
    try:
        for one in reader:
            found.append(
                (
                    one.index,
                    one.start,
                    one.end,
                    one.times.tolist(),
                    zlib.crc32(one.frames.tobytes()),
                )
            )
    except HiProbeError as error:
        no_fault("", error)
        return found, str(error)
    return found, (reader.duration, reader.gaps, reader.skipped)
