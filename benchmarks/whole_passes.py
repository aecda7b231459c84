"""Let a pass on a CPU take any number of pixels, so that a batch that is measured is not split."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hiprobe.backbones import _batching


@contextmanager
def whole_passes() -> Iterator[None]:
    """Lift the bound on the pixels of a pass in the block, and set it again."""
    kept = _batching.CPU_PIXELS
    _batching.CPU_PIXELS = sys.maxsize
    try:
        yield
    finally:
        _batching.CPU_PIXELS = kept
