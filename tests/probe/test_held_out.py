"""Out-of-fold scores: a plug-in method that breaks its contract is refused, in a refit too."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import HiProbeError, ProbeError, UsageError
from hiprobe.probe import fit
from hiprobe.probe.refit import refit
from hiprobe.types import HiddenStates, Recipe, Site

RECIPE = Recipe(model="sha256:abc", prompts=("Is anything abnormal?",))
PLUG_IN = '''
import numpy as np
from hiprobe.methods import Selection
from hiprobe.types import Site

class Faulty:
    """Keeps its contract with at least `least` labels, and breaks one part of it with fewer."""

    LABELS, PROMPTS = "both", ()

    def __init__(self, fault, least):
        self.fault, self.least = fault, least

    def breaks(self, part, labels):
        return part == self.fault and labels < self.least

    def sites(self, layers, heads):
        return tuple(Site("residual", layer) for layer in range(layers))

    def select(self, values, labels):
        return Selection((99 if self.breaks("select", (labels >= 0).sum()) else 0,))

    def fit(self, values, labels):
        tensors = {"labels": np.array([float(len(labels))])}
        return list(tensors) if self.breaks("fit", len(labels)) else tensors

    def score(self, values, tensors):
        scores = values.mean((1, 2), dtype=np.float64)
        return scores[:1] if self.breaks("score", tensors["labels"][0]) else scores
'''
FAULTS: dict[str, tuple[type[HiProbeError], str]] = {
    "select": (UsageError, "99"),
    "fit": (UsageError, "list"),
    "score": (ProbeError, r"\(1,\)"),
}


def a_video(index: int) -> tuple[HiddenStates, np.ndarray]:
    values = np.random.default_rng(index).normal(size=(6, 2, 3)).astype(np.float32)
    edges = np.arange(7) * 1.6
    sites = (Site("residual", 0), Site("residual", 1))
    states = HiddenStates(f"v{index}", RECIPE, sites, edges[:-1], edges[1:], values, edges[-1])
    return states, np.full(6, index % 2, np.int8)


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of plug-in methods that are sound with at least 20 labels."""
    made = "".join(f"{fault} = Faulty({fault!r}, 20)\n" for fault in FAULTS)
    (tmp_path / "faulty.py").write_text(PLUG_IN + made)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty", raising=False)
    return "faulty"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_plug_in_is_refused_by_name_in_a_fit(fault: str, faulty: str) -> None:
    kind, word = FAULTS[fault]
    with pytest.raises(kind, match=word):
        fit(f"{faulty}:{fault}", [a_video(index) for index in range(3)])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_plug_in_is_refused_by_name_in_a_refit(fault: str, faulty: str) -> None:
    """All labels are enough for it to keep its contract; those known before are not."""
    pairs = [a_video(index) for index in range(8)]
    known = [np.where(index < 4, labels, -1) for index, (_, labels) in enumerate(pairs)]
    old = fit(f"{faulty}:{fault}", pairs)
    kind, word = FAULTS[fault]
    with pytest.raises(kind, match=word):
        refit(old, pairs, known, choose=True)
