"""Make clips and snapshots from footage, in a child process. Knows no alert's life."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import isolate
from hiprobe.disk.atomic import replacing
from hiprobe.errors import CorruptVideo, DecoderLost, StoreError
from hiprobe.live.live_items import Footage
from hiprobe.live.spool import Piece, Spool, useful

CHILD = "hiprobe.live.recorder_child"
LIMITS = isolate.Limits(ahead=1)
QUALITY = 85


def make_clip(spool: Path, pieces: Sequence[Piece], out: Path) -> None:
    """Write the footage as an MP4 to `out`, whole or not at all; it is not encoded again.

    Raises StoreError if the disk refuses, CorruptVideo if there is nothing to show, DecoderLost if
    the child dies.
    """
    with replacing(out) as temporary:
        _ask("clip", out, os.fspath(spool), _as_json(pieces), os.fspath(temporary))


def make_picture(spool: Path, pieces: Sequence[Piece], at_s: float, out: Path) -> None:
    """Write the picture on screen at `at_s` as a JPEG to `out`. Raises what `make_clip` raises."""
    wanted = _as_json(useful(pieces, at_s, at_s + 1e-3))
    with replacing(out) as temporary:
        _ask("picture", out, os.fspath(spool), wanted, at_s, os.fspath(temporary))


def picture_of(footage: Iterable[Footage], at_s: float, out: Path, scratch: Path) -> None:
    """Write the picture on screen at `at_s` of footage in memory as a JPEG to `out`.

    `scratch` is a file for the time being. Raises what `make_clip` raises.
    """
    spool = Spool(scratch, out.stem, "")
    try:
        for piece in footage:
            spool.add(piece)
        spool.close()
        make_picture(scratch, spool.pieces, at_s, out)
    finally:
        spool.close()
        scratch.unlink(missing_ok=True)


def save_picture(pixels: NDArray[np.uint8], out: Path) -> None:
    """Write `pixels`, uint8 (height, width, 3), as a JPEG to `out`. Raises StoreError."""
    from PIL import Image

    with replacing(out) as temporary:
        Image.fromarray(pixels).save(temporary, "JPEG", quality=QUALITY)


def _as_json(pieces: Sequence[Piece]) -> list[list[Any]]:
    return [[piece.place, piece.size, piece.start] for piece in pieces]


def _ask(call: str, out: Path, *args: Any) -> None:
    who = "the process that makes clips"
    try:
        for _ in isolate.stream(CHILD, LIMITS, call, *args):
            pass
    except StoreError as error:
        raise StoreError(error.reason, where=out, cure=error.cure) from error
    except CorruptVideo as error:
        raise CorruptVideo(error.reason, where=out.stem) from error
    except isolate.ChildLost as error:
        raise DecoderLost(f"{who} {error}", where=out.stem) from error
    except isolate.ChildBug as error:
        words = str(error).splitlines()[-1]
        raise DecoderLost(f"{who} failed: {words}", where=out.stem) from error
