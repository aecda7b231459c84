"""The digest of a video's content, which tells videos apart whatever they are called.

A large file is opened as a video before its bytes are hashed, because that takes long.
"""

from __future__ import annotations

import hashlib
import os
import time
from io import BufferedReader
from os import PathLike

from hiprobe import environment
from hiprobe.disk.regular import MOST_BYTES, open_regular
from hiprobe.errors import CorruptVideo, MissingVideo, UnsupportedVideo, VideoError
from hiprobe.video import decoder, pictures

OPENED_BYTES = 64 << 20  # hashing more takes longer than opening the container
SPARSE_BYTES = 64 << 30  # a larger file must not be mostly holes; recorders reserve less
# A file written to less than this before it was hashed may change again within the same time stamp.
SETTLED_S = 2.0
_digests: dict[tuple[int, ...], str | VideoError] = {}


def digest(path: str | PathLike[str]) -> str:
    """Compute the SHA-256, in hex, of a file's bytes, or of the pictures of a folder.

    A file that this process has hashed, and that has not been touched since, is not read again.
    A file of more than 64 MiB is first opened as a video, and raises the errors of `segments`
    instead. Raises MissingVideo where a file cannot be read, UnsupportedVideo for more than 1 TiB,
    and CorruptVideo for more than 64 GiB of which more than half are holes.

    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> len(video.digest(VIDEO))
    64
    """
    if pictures.is_folder(path):
        return pictures.folder_digest(path)
    try:
        with open_regular(path) as file:
            facts = os.fstat(file.fileno())
            key = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            known = _digests.get(key) or _hashed(file, path)
    except OSError as error:
        lost = MissingVideo(f"cannot be read: {error.strerror}", where=path)
        raise environment.or_refused(error, lost) from error
    if time.time() - max(facts.st_mtime, facts.st_ctime) > SETTLED_S:
        _digests[key] = known
    if isinstance(known, VideoError):
        raise known
    return known


def _hashed(file: BufferedReader, path: str | PathLike[str]) -> str | VideoError:
    """Return the digest, or the error of a large file that is not worth hashing."""
    try:
        _check_large(file, os.fstat(file.fileno()).st_size, path)
    except VideoError as error:
        return error
    return hashlib.file_digest(file, "sha256").hexdigest()


def _check_large(file: BufferedReader, size: int, path: str | PathLike[str]) -> None:
    if size > MOST_BYTES:
        raise UnsupportedVideo(
            f"a file may have at most {MOST_BYTES >> 30:,} GiB, this one has {size >> 30:,}",
            where=path,
            cure="cut it into parts",
        )
    if size > SPARSE_BYTES and 2 * (stored := _stored_bytes(file, size)) < size:
        raise CorruptVideo(
            f"only {stored / 2**30:.3g} of {size / 2**30:.3g} GiB are stored, the rest are holes",
            where=path,
            cure="copy or download the file again",
        )
    if size > OPENED_BYTES:
        decoder.check_opens(path)


def _stored_bytes(file: BufferedReader, size: int) -> int:
    """Count the bytes that are not in holes; all of them where the disk does not tell."""
    stored = end = 0
    try:
        while end < size:
            start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            stored += end - start
    except OSError:  # there are no data after `end`
        pass
    file.seek(0)
    return stored
