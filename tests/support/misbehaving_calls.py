"""Calls for a child process of `hiprobe.isolate`: some misbehave, some do not."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiprobe.errors import UnsupportedVideo
from hiprobe.isolate.child import Item, Link


def arrays(link: Link, count: int, side: int, log: str | None = None) -> Iterator[Item]:
    """Fill array `i` with `i`; note each in the file `log` as soon as there is room for it."""
    for index in range(count):
        room = link.place((side, side))
        room[:] = index % 256
        if log is not None:
            with Path(log).open("a") as file:
                file.write(".")
        yield {"index": index, "pid": os.getpid()}, room


def growing(link: Link, sides: list[int]) -> Iterator[Item]:
    for side in sides:
        link.place((1, 1))  # room that is given up for another
        room = link.place((side, side))
        room[:] = side
        yield side, room


def identity(_link: Link) -> Iterator[Item]:
    yield {"pid": os.getpid(), "folder": str(Path("here").absolute().parent)}, None


def refuses(_link: Link, path: str) -> Iterator[Item]:
    yield 1, None
    raise UnsupportedVideo("not this one", where=path, cure="another")


def bug(_link: Link) -> Iterator[Item]:
    yield from ()
    raise LookupError("a mistake of ours")


def stops_itself(_link: Link) -> Iterator[Item]:
    yield 1, None
    os.kill(os.getpid(), 19)


def sleeps(link: Link, seconds: float, beating: bool) -> Iterator[Item]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if beating:
            link.beat()
        time.sleep(0.05)
    yield "awake", None


def spins(_link: Link) -> Iterator[Item]:
    yield {"pid": os.getpid()}, None
    while True:
        pass


def reads_nowhere(_link: Link) -> Iterator[Item]:
    yield 1, None
    ctypes.string_at(0)


def leaves(_link: Link) -> Iterator[Item]:
    yield 1, None
    os._exit(7)


def hangs_up(_link: Link) -> Iterator[Item]:
    yield 1, None
    os.closerange(3, 100)
    time.sleep(30)


def info(_link: Link, path: str) -> Iterator[Item]:
    yield from ()
    raise LookupError(f"a mistake of ours in {path}")


def hoards(_link: Link, size: int) -> Iterator[Item]:
    yield len(np.ones(size, np.uint8)), None


CALLS = {
    call.__name__: call
    for call in (
        arrays,
        growing,
        identity,
        refuses,
        bug,
        stops_itself,
        sleeps,
        spins,
        reads_nowhere,
        leaves,
        hangs_up,
        info,
        hoards,
    )
}
