"""What a child process can be asked about UCSD's own files: `CALLS`.

Knows its parent only as a `Link`. `ucsd_ped` is the side that asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hiprobe.datasets._tables import read_text
from hiprobe.errors import LabelError, VideoError
from hiprobe.isolate.child import Call, Item, Link
from hiprobe.video import pictures

# Neither part can be tried twice on the same text, however the file is made.
_LINE = re.compile(r"gt_frame\s*=\s*\[([^\[\]]*)\]")
_RANGE = re.compile(r"(\d{1,9})(?::(\d{1,9}))?")


def answer_ranges(_link: Link, path: str) -> Iterator[Item]:
    """Yield for each clip its spans in frames from 0, `end` exclusive; raises LabelError."""
    lines = read_text(Path(path)).splitlines()
    for row in _LINE.findall("\n".join(line.partition("%")[0] for line in lines)):
        yield _spans(row, path), None


def _spans(row: str, path: str) -> list[tuple[int, int]]:
    """Read MATLAB's `61:180, 190`."""
    found = [_RANGE.fullmatch(word) for word in row.replace(",", " ").split()]
    pairs = [(int(m[1]) - 1, int(m[2] or m[1])) for m in found if m]
    if len(pairs) < len(found) or any(start < 0 or end <= start for start, end in pairs):
        raise LabelError(f"ranges such as 61:180 are needed, got [{row[:200]}]", where=path)
    return pairs


def answer_masks(link: Link, *paths: str) -> Iterator[Item]:
    """Yield for each mask whether a pixel of it is not zero; raises LabelError."""
    for path in paths:
        link.beat()
        try:
            with pictures.opened(Path(path)) as image:
                yield bool(np.asarray(image).any()), None
        except VideoError as error:
            raise LabelError(f"not a valid mask: {error.reason}", where=path) from error


CALLS: dict[str, Call] = {"ranges": answer_ranges, "masks": answer_masks}
