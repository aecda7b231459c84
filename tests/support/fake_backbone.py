"""A backbone without weights, for tests of runs: `tests.support.fake_backbone:load`.

Needs no torch. If `CRASH_ABOVE` is set in the environment, a brighter segment kills the process, as
a crash in native code would.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Recipe, Segment, Site

RECIPE = Recipe("mean_colour", ("What happens?",), frames=2, size=(16, 16))


class MeanColourBackbone:
    """A backbone whose layer `l` is the segment's mean colour plus `l`.

    If `READ_LOG` is set in the environment, every read is noted in that file.
    """

    layers, heads, width, head_width, head_layers = 3, 1, 3, 3, (0, 1, 2)
    batch = 8
    explain_prompt, explain_span_s, notice = "What happens?", 1.6, None
    recipe = RECIPE
    provenance: Mapping[str, Any] = {"dtype": "float32", "device": "cpu"}
    reads_times: tuple[str, ...] = ()

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        colours = np.array(
            [segment.frames.mean(axis=(0, 1, 2)) for segment in segments], np.float32
        ).reshape(-1, 3)
        if "READ_LOG" in os.environ:
            with Path(os.environ["READ_LOG"]).open("a") as file:
                file.write(f"{os.getpid()} {colours.mean():.3f}\n")
        if len(colours) and colours.mean() > float(os.environ.get("CRASH_ABOVE", "inf")):
            os.kill(os.getpid(), signal.SIGKILL)
        return np.stack([colours + np.float32(site.layer) for site in sites], axis=1)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        return f"{segment.frames.mean():.1f}", True


def load(**_: Any) -> MeanColourBackbone:
    return MeanColourBackbone()


def constant_probe(bias: float = 0.0) -> Probe:
    """Make a probe whose scores are all 1/2 if `bias` is 0, so that every video is one event."""
    zeros = np.zeros(3)
    tensors = {"mean": zeros, "scale": zeros + 1, "weight": zeros + 0.01, "bias": np.array([bias])}
    rule = Localization(rule="fixed", threshold=0.0, min_s=0.0, refine=False)
    return Probe("hiprobe", RECIPE, (Site("residual", 1),), 3, tensors, rule, {})
