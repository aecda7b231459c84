"""The table of what cheaper recipes cost, on made-up states, and the precisions it reads in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from experiments.recipe_price import VARIANTS, Outcome, Variant, fitted, model_of, row, seconds
from tests.experiments.test_experiments import footage

from hiprobe.backbones import noise_segments
from hiprobe.types import Site


def test_a_row_has_paired_differences_from_the_default() -> None:
    train, test, usual, early = footage(24, 1), footage(16, 2), Outcome(), Outcome()
    for outcome, variant in ((usual, VARIANTS[0]), (early, Variant("a", prefer_early=True))):
        for first in (0, 8):
            made = fitted(train.take(range(first, first + 8)), variant)
            assert ("prefer_early" in made.provenance) == variant.prefer_early
            outcome.add(test, made)
            outcome.speeds.append(10.0 + 10.0 * variant.prefer_early)
    assert max(early.layers) <= max(usual.layers)
    cells = row("a", early, usual)
    assert cells[0] == "a"
    assert cells[3][0] in "+-"
    assert cells[7].startswith("2.00 [")
    assert row("b", usual, usual)[3:8:2] == ("", "", "1")


def test_the_default_comes_first_and_names_are_unique() -> None:
    assert VARIANTS[0] == Variant("the default")
    assert len({one.asked for one in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_a_precision_changes_the_states_a_little_and_is_kept_apart(
    dtype: str, shipped: Any
) -> None:
    model = model_of(Variant("a", dtype=dtype), "embedded")
    assert model.provenance["dtype"] == dtype
    segments, sites = noise_segments(shipped.recipe), [Site("residual", 3)]
    usual = shipped.read(segments, sites)
    change = np.abs(model.read(segments, sites) - usual).max() / np.abs(usual).max()
    assert 1e-4 < change < 0.2
    recipe = replace(shipped.recipe, size=(32, 32))
    assert 0 < seconds(model, recipe, 0) < 60
