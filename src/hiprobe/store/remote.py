"""Files at an address (`s3://...`, or any scheme of fsspec) as local files, and back.

Knows no video and no result. An object store shows each object whole or not at all; what has
to appear last is sent last.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from hiprobe import environment
from hiprobe.errors import MissingVideo, StoreError

ACCESS = "check the address, and the credentials that its library uses"


def is_address(path: object) -> bool:
    """Tell whether `path` is an address with a scheme, which local paths and `file://` are not."""
    return "://" in str(path) and not str(path).startswith("file://")


def strip_scheme(path: str) -> str:
    """Return `path` without the scheme `file://`."""
    return path.removeprefix("file://")


def find_addresses(address: str, wanted: Callable[[str], bool]) -> list[str]:
    """Return the files that `address` names: a file, a folder with its folders, or a pattern.

    `wanted` decides, by the name below the folder, which files of a folder or pattern are taken.
    Raises MissingVideo.
    """
    with _named(address, MissingVideo):
        fs, path = _opened(address)
        pattern = fsspec.core.has_magic(path) and not fs.exists(path)
        inside = sorted(fs.glob(path) if pattern else fs.find(path))
        above = path.rpartition("/")[0] if pattern else path
        found = [
            fs.unstrip_protocol(name)
            for name in inside
            if name == path or wanted(name.removeprefix(above))
        ]
    if not found:
        raise MissingVideo("no video file found", where=address, cure=ACCESS)
    return found


def fetch(address: str, folder: Path) -> Path:
    """Download the file at `address` into `folder` under its own name.

    Raises MissingVideo if it cannot be read.
    """
    to = folder / address.rstrip("/").rpartition("/")[2]
    with _named(address, MissingVideo):
        fs, path = _opened(address)
        fs.get_file(path, str(to))
    return to


def pull(address: str, folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Download the files directly below `address` into `folder`; only those of `names`, if given.

    Returns their paths, none if there is nothing at `address`. Raises StoreError.
    """
    with _named(address, StoreError):
        fs, path = _opened(address)
        fs.invalidate_cache()  # another worker may have written in the meantime
        there = [
            one
            for one in (fs.find(path) if fs.exists(path) else [])
            if one.rpartition("/")[0].endswith(path)
        ]
        wanted = [one for one in there if names is None or one.rpartition("/")[2] in names]
        folder.mkdir(parents=True, exist_ok=True)
        for one in wanted:
            fs.get_file(one, str(folder / one.rpartition("/")[2]))
    return [folder / one.rpartition("/")[2] for one in wanted]


def push(files: Sequence[Path], address: str) -> None:
    """Upload `files`, in this order, to directly below `address`. Raises StoreError."""
    with _named(address, StoreError):
        fs, path = _opened(address)
        fs.makedirs(path, exist_ok=True)
        for file in files:
            fs.put_file(str(file), f"{path}/{file.name}")


def remove(address: str) -> None:
    """Remove everything below `address`, if there is anything. Raises StoreError."""
    with _named(address, StoreError):
        fs, path = _opened(address)
        if fs.exists(path):
            fs.rm(path, recursive=True)


@contextmanager
def _named(address: str, kind: type[MissingVideo] | type[StoreError]) -> Iterator[None]:
    """Turn an error of the remote store into a `kind` that names the address."""
    try:
        yield
    except (MissingVideo, StoreError):
        raise
    except _refusals() as error:
        number = environment.refused(error)
        if number is not None:
            raise StoreError(
                f"cannot write: {os.strerror(number)}",
                where=tempfile.gettempdir(),
                cure=f"on this node: {environment.cure_for(number)}",
            ) from error
        raise kind(
            f"cannot be reached: {error or type(error).__name__}", where=address, cure=ACCESS
        ) from error


def _opened(address: str) -> tuple[Any, str]:
    try:
        kind: Any = fsspec.get_filesystem_class(address.partition("://")[0])
        # Not fsspec.core.url_to_fs: it takes an object called `a::b.mp4` for a chain of addresses.
        return kind(**kind._get_kwargs_from_urls(address)), kind._strip_protocol(address)
    except (ImportError, ValueError) as error:
        # The library is missing, or no library knows the scheme.
        raise StoreError(
            f"no library for this address: {error}",
            where=address,
            cure="pip install 'hiprobe[s3]' for s3://",
        ) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Return the errors of a store. Botocore's are not OSErrors, and it may not be installed."""
    boto: Any = sys.modules.get("botocore.exceptions")
    return (OSError, ValueError, *([boto.BotoCoreError] if boto else []))
