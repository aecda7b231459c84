"""Backbones for workers of a cluster: one crashes on a bright segment, one is slow."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.support.fake_backbone import MeanColourBackbone

from hiprobe import store
from hiprobe.formats.csv import scores_csv
from hiprobe.types import Recipe, Result, Segment, Site

BRIGHT = 185.0
SLOW_S = 0.15


class Slow(MeanColourBackbone):
    """A `MeanColourBackbone` that takes `SLOW_S` seconds to read a batch."""

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        time.sleep(SLOW_S)
        return super().read(segments, sites, recipe)


def crashing(**_: object) -> MeanColourBackbone:
    os.environ["CRASH_ABOVE"] = str(BRIGHT)
    return MeanColourBackbone()


def slow(**_: object) -> Slow:
    return Slow()


def keep(result: Result, folder: Path) -> None:
    """Write one file beside a result, as workers do."""
    store.write_atomic(folder / "scores.csv", scores_csv(result).encode())
