"""Define the segment that the embedded model reads: its length, frames, size and grid of tokens."""

from __future__ import annotations

import numpy as np

SEGMENT_S, FRAMES, SIZE, GRID = 1.6, 8, 96, 6
TIMES = (np.arange(FRAMES) + 0.5) * SEGMENT_S / FRAMES
