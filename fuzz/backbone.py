"""A backbone without weights, a probe for it, and what they make. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import probe
from hiprobe.errors import HiProbeError
from hiprobe.isolate import ChildBug
from hiprobe.localize import Localization
from hiprobe.types import HiddenStates, Recipe, Result, Scores, Segment, Site

RECIPE = Recipe("colours", ("What happens?",), frames=4, size=(32, 32))
SITES = (Site("residual", 1),)


class Colours:
    """A backbone without weights: the mean colours, the same at every layer."""

    layers, heads, width, head_width = 2, 1, 3, 3
    head_layers: tuple[int, ...] = (0, 1)
    batch = 8
    explain_span_s: float | None = 1.6
    notice: str | None = None
    explain_prompt, recipe = "What happens?", RECIPE
    provenance: Mapping[str, Any] = {"dtype": "float32"}

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        means = np.array([segment.frames.mean(axis=(0, 1, 2)) for segment in segments], np.float32)
        return np.stack([means for _ in sites], axis=1)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        return f"{segment.frames.mean():.1f}", None


def a_probe() -> probe.Probe:
    zeros = np.zeros(3)
    tensors = {"mean": zeros, "scale": zeros + 1, "weight": zeros, "bias": np.zeros(1)}
    return probe.Probe(
        "hiprobe", RECIPE, SITES, 3, tensors, Localization(rule="fixed", threshold=0.0), {}
    )


def some_states() -> HiddenStates:
    starts = np.array([0.0, 1.6, 3.2, 4.8])
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 1, 3)
    return HiddenStates("ab" * 32, RECIPE, SITES, starts, starts + 1.6, values, 6.4)


def a_result(number: int = 0) -> Result:
    states = some_states()
    raw = np.linspace(0, 1, 4)
    scores = Scores(states.starts, states.ends, raw, raw, raw)
    return Result(f"v{number}.mp4", f"{number:064x}", "done", 6.4, scores)


def no_fault(_path: str, error: HiProbeError) -> None:
    """Accept a named error, unless it was caused by a bug in the decoder: raise that one."""
    if isinstance(error.__cause__, ChildBug):
        raise error
