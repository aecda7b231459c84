"""`--compile` with the real compiler, on the shipped model: takes a minute or two."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hiprobe import backbones
from hiprobe.types import Site

pytestmark = pytest.mark.long


def test_a_compiled_model_reads_the_same_within_rounding(counted: Counter[str]) -> None:
    plain, fast = (backbones.load("embedded", device="cpu", compiled=one) for one in (False, True))
    segments = backbones.noise_segments(plain.recipe, 11)
    for sites in ([Site("residual", 3), Site("residual", 7)], [Site("head", 5, 1)]):
        want, found = plain.read(segments, sites), fast.read(segments, sites)
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-5 * np.abs(want).max())
    ask = segments[0], plain.explain_prompt, 8, 60.0
    assert plain.explain(*ask) == fast.explain(*ask)
    assert fast.provenance["compiled"] is True
    assert "compiled" not in plain.provenance
    counted["compiled models"] += 1
