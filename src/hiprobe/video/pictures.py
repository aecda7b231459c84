"""A folder of pictures as a video of constant rate, named `FOLDER@25fps`.

The rate may be part of the folder's own name.

Pictures are shown in natural order of their file names, picture number `i` from `i / fps` seconds
after the first. Where numbers are missing, the later pictures keep their times. Pictures do not
hold a rate, so it is part of the name and goes wherever the path goes. Knows no container, no
window and no model.
"""

from __future__ import annotations

import hashlib
import os.path
import re
import struct
import warnings
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hiprobe.disk.regular import open_regular, read_regular
from hiprobe.errors import CorruptVideo, EmptyVideo, MissingVideo, UnsupportedVideo
from hiprobe.ranges import LATEST_S, require
from hiprobe.types import Gap
from hiprobe.video.folders import Note, refuse, walk

if TYPE_CHECKING:
    from PIL import Image

    from hiprobe.video.frames import FrameReader, ShownFrame

KINDS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
PICTURE_BYTES = 512 << 20  # of one file; the pixel cap is 256 MB without compression
# What Pillow raises on damaged files.
UNREADABLE = (OSError, SyntaxError, ValueError, struct.error)
CURE = "give its frame rate as FOLDER@25fps"
# Pillow would cut these modes to white instead of scaling them.
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_RATE = re.compile(r"(.+)@(\d+(?:\.\d+)?)fps", re.DOTALL)
_CLOCK = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d){2}")
_NUMBER = re.compile(r"(.*?)([0-9]{1,15})([^0-9]*)", re.DOTALL)

AnyPath = str | PathLike[str]
FrameSource: TypeAlias = "FrameReader | PictureReader"


def named(folder: AnyPath, fps: float | None) -> str:
    """Return the path of the pictures in `folder`, with the rate `fps` if one is given."""
    return fspath(folder) if fps is None else f"{fspath(folder)}@{fps:.10g}fps"


def bare(name: str) -> str:
    """Return `name` without a rate at its end; the disk is not read."""
    match = _RATE.fullmatch(name)
    return match[1] if match else name


def parted(path: AnyPath) -> tuple[Path, float | None]:
    """Return the folder and the rate in `path`.

    A path that exists as it is named is that folder. It has a rate if its name ends with one and it
    holds nothing but pictures: a folder of videos may be named so too.
    """
    match = _RATE.fullmatch(fspath(path))
    if match and not os.path.exists(path):
        return Path(match[1]), float(match[2])
    return Path(path), float(match[2]) if match and _only_pictures(Path(path)) else None


def _only_pictures(folder: Path) -> bool:
    """Tell whether the files that are not hidden are pictures, and there is one."""
    files = [path for path in folder.glob("*") if not path.name.startswith(".")]
    return bool(files) and all(path.suffix.lower() in KINDS for path in files)


def is_folder(path: AnyPath) -> bool:
    """Tell whether `path` means a folder of pictures.

    That is a folder, or a name with a rate that is not a file.
    """
    return parted(path)[1] is not None or os.path.isdir(path)


def exists(path: AnyPath) -> bool:
    """Tell whether the file or the folder of pictures that `path` names exists."""
    return os.path.exists(parted(path)[0])


def pictures(folder: Path) -> list[Path]:
    """Return the pictures directly in `folder`, in natural order (2 before 10), none hidden."""
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in KINDS and not path.name.startswith(".")
        ]
    except OSError as error:
        raise MissingVideo(f"cannot be read: {error.strerror}", where=folder) from error
    return sorted(found, key=lambda path: _natural(path.name))


def below(path: AnyPath, note: Note = refuse) -> list[Path]:
    """Return the folders of pictures in the folder that `path` names, each with its rate.

    In natural order; the folder itself is one of them if it has pictures. Links and what is passed
    over are as in `folders.walk`.
    """
    place, fps = parted(path)
    folders = {file.parent for file in walk(place, tuple(KINDS), note)}
    return [
        Path(named(folder, fps)) for folder in sorted(folders, key=lambda one: _natural(str(one)))
    ]


def _natural(name: str) -> tuple[list[str | int], str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)], name


def numbers(files: Sequence[Path]) -> NDArray[np.int64]:
    """Return the places (frames,) of sorted pictures, from 0, that their numbers give.

    The number is the last one in a name. A missing one leaves its place free if the names differ in
    nothing else, all steps are multiples of the smallest one, and at least half of them equal it.
    Other names only give an order. Numbers that are all times of day, as HHMMSS, count seconds if
    more of their steps are then equal.
    """
    parts = [_NUMBER.fullmatch(file.name.lower()) for file in files]
    counted = _counted([part[2] for part in parts if part])
    steps, alike = np.diff(counted), len({part and part.group(1, 3) for part in parts}) == 1
    step = steps.min() if alike and len(steps) else 0
    even = step > 0 and not (steps % step).any() and np.mean(steps == step) >= 0.5
    return np.asarray((counted - counted[0]) // step if even else np.arange(len(files)))


def _counted(digits: Sequence[str]) -> NDArray[np.int64]:
    plain = np.array([int(number) for number in digits], np.int64)
    if len(plain) < 2 or not all(map(_CLOCK.fullmatch, digits)):
        return plain
    seconds = plain - 40 * (plain // 100) - 2400 * (plain // 10_000)
    return max((plain, seconds), key=lambda one: np.mean(np.diff(one) == np.diff(one).min()))


def folder_digest(path: AnyPath) -> str:
    """Compute the SHA-256, in hex, of the rate, the pictures in order and the places left free.

    Raises the errors of `checked`.
    """
    _, fps, files = checked(path)
    total = hashlib.sha256(f"{fps:.10g}".encode())
    for file in files:
        try:
            total.update(hashlib.sha256(read_regular(file, PICTURE_BYTES)).digest())
        except OSError as error:
            raise MissingVideo(f"cannot be read: {error.strerror}", where=file) from error
    places = numbers(files)
    total.update(places.astype("<i8").tobytes() if places[-1] >= len(files) else b"")
    return total.hexdigest()


def picture_times(path: AnyPath) -> NDArray[np.float64]:
    """Return the times (frames,), in seconds, from which the pictures are shown.

    Raises the errors of `checked`.
    """
    _, fps, files = checked(path)
    return numbers(files) / fps


def checked(path: AnyPath) -> tuple[Path, float, list[Path]]:
    """Return the folder, the rate and the pictures in order.

    Raises MissingVideo if there is no such folder, EmptyVideo if it has no pictures, and
    UnsupportedVideo for a missing or invalid rate or for pictures of several kinds (a mask beside
    each frame would count twice).
    """
    folder, fps = parted(path)
    if not os.path.isdir(folder):
        raise MissingVideo("no such folder", where=folder)
    files = pictures(folder)
    if not files:
        raise EmptyVideo(f"the folder holds no pictures ({', '.join(KINDS)})", where=folder)
    if fps is None:
        raise UnsupportedVideo(
            "a folder of pictures does not say its frame rate", where=folder, cure=CURE
        )
    kinds = {KINDS[file.suffix.lower()] for file in files}
    if len(kinds) > 1:
        raise UnsupportedVideo(
            f"the folder holds pictures of several kinds: {', '.join(sorted(kinds))}",
            where=folder,
            cure="leave only the frames in it",
        )
    try:
        require("frame rate", fps, "the frame rate")
    except ValueError as error:
        raise UnsupportedVideo(str(error), where=path, cure=CURE) from error
    return folder, fps, files


def _size(path: Path) -> int:
    """Return the bytes of a picture, 0 if that cannot be told: reading it reports that."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


class PictureReader:
    """Iterate over the pictures of a folder with the times at which they are shown.

    The counterpart of `frames.FrameReader`. One pass per object. `after`, in seconds, starts at the
    picture shown at that time; a picture for which `wants` is False is not read. Missing numbers
    count as `skipped`, and make a gap where lost packets of a video would. While iterating it
    raises the errors of `checked`, CorruptVideo for a picture that cannot be read, and
    UnsupportedVideo for one of another size, of more than 8 bits per channel or over the pixel cap.
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        ahead_s: float = 0.0,
        after: float | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self._after, self._beat = Path(path), after or 0.0, beat
        self.gaps: tuple[Gap, ...] = ()
        self.frame_count = self.skipped = self.concealed = self.file_bytes = 0
        self.duration = self.frame_s = self.zero = self.first = self.longest = self.tolerance = 0.0
        self.fps: float | None = None
        self.stated: float | None = None
        self.end: float | None = None
        self.recorded: str | None = None
        self.wants: Callable[[float, float], bool] | None = None
        self.codec, self.container, self.aspect = "", "folder", 1.0
        self.sought, self.leads = after is not None, True

    def __iter__(self) -> Generator[ShownFrame, None, None]:
        from av import VideoFrame

        from hiprobe.video.frames import GAP_FRAMES, GAP_S, ShownFrame

        _, fps, files = checked(self.path)
        self.codec, self.fps, self.frame_s = KINDS[files[0].suffix.lower()].lower(), fps, 1 / fps
        self.file_bytes = sum(map(_size, files))
        self.tolerance = max(GAP_S, GAP_FRAMES * self.frame_s)
        places: list[int] = numbers(files).tolist()
        times = [place / fps for place in (*places, places[-1] + 1)]
        believed = bisect_right(times, LATEST_S, hi=len(files))
        if believed < len(files):
            self.gaps = (
                Gap(times[believed - 1] + 1 / fps, LATEST_S, f"{files[believed].name} is too late"),
            )
            times[believed] = times[believed - 1] + 1 / fps
        self.stated = self.end = times[believed]
        first = max(0, bisect_right(times, self._after, hi=believed) - 1)
        pixels = _Pixels(self.path)
        for index in range(first, believed):
            self._beat()
            self.frame_count, self.duration = self.frame_count + 1, times[index + 1]
            spared = (
                index > first
                and self.wants is not None
                and not self.wants(times[index], times[index + 1])
            )
            image = (
                None if spared else VideoFrame.from_ndarray(pixels.of(files[index]), format="rgb24")
            )
            missing = places[index] - places[index - 1] - 1 if index > first else 0
            gap = (
                Gap(
                    (places[index - 1] + 1) / fps,
                    times[index],
                    f"pictures are missing before {files[index].name}",
                )
                if missing / fps > self.tolerance - self.frame_s
                else None
            )
            self.skipped, self.gaps = self.skipped + missing, self.gaps + ((gap,) if gap else ())
            yield ShownFrame(times[index], image, gap)


def reader(
    path: AnyPath,
    *,
    ahead_s: float = 0.0,
    after: float | None = None,
    beat: Callable[[], None] = lambda: None,
) -> FrameSource:
    """Return the frames of a file (`FrameReader`) or a folder of pictures (`PictureReader`)."""
    from hiprobe.video.frames import FrameReader

    kind = PictureReader if is_folder(path) else FrameReader
    return kind(path, ahead_s=ahead_s, after=after, beat=beat)


class _Pixels:
    """Pictures as uint8 (height, width, 3), all of the size of the first one."""

    def __init__(self, path: Path) -> None:
        self._path, self._first = path, tuple[int, ...]()

    def of(self, file: Path) -> NDArray[np.uint8]:
        pixels = _pixels(file)
        self._first = self._first or pixels.shape
        if pixels.shape != self._first:
            raise UnsupportedVideo(
                f"{file.name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, "
                f"the pictures before it have {self._first[1]} x {self._first[0]}",
                where=self._path,
                cure="give all pictures one size",
            )
        return pixels


def _pixels(file: Path) -> NDArray[np.uint8]:
    from PIL import ImageOps

    with opened(file) as image:
        if image.mode in DEEP:
            raise UnsupportedVideo(
                "the picture has more than 8 bits per channel",
                where=file,
                cure="save it with 8 bits",
            )
        return np.ascontiguousarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """Open a picture as the kind that its suffix says, and no other; for a child process only.

    Another kind may start a program, such as Ghostscript. Raises UnsupportedVideo for a picture
    over the pixel cap, and CorruptVideo for one that is damaged or not a regular file.
    """
    from PIL import Image, UnidentifiedImageError

    from hiprobe.video.container import check_pixels

    try:
        with (
            warnings.catch_warnings(action="ignore"),
            open_regular(file, PICTURE_BYTES) as data,
            Image.open(data, formats=[KINDS[file.suffix.lower()]]) as image,
        ):
            check_pixels(image.width, image.height, file)
            yield image
    except Image.DecompressionBombError as error:
        raise UnsupportedVideo(
            f"over the pixel cap: {error}", where=file, cure="scale it down"
        ) from error
    except UnidentifiedImageError as error:
        raise CorruptVideo(
            f"not a {KINDS[file.suffix.lower()]} picture, as its suffix states",
            where=file,
            cure="give it the suffix of its kind, or save it again",
        ) from error
    except UNREADABLE as error:
        raise CorruptVideo(f"not a valid picture: {error}", where=file) from error
