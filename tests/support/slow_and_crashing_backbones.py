"""What workers of a cluster load: a backbone that kills its process at a bright segment, one that takes its time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.support.fake_backbone import MeanColourBackbone

from hiprobe import store
from hiprobe.sinks.csv import scores_csv
from hiprobe.types import Recipe, Result, Segment, Site

BRIGHT = 185.0
SLOW_S = 0.15


class Slow(MeanColourBackbone):
    """`MeanColourBackbone`, but each read of a batch lasts `SLOW_S` seconds."""

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
    """One file beside a result, written by the worker."""
    store.write_atomic(folder / "scores.csv", scores_csv(result).encode())
