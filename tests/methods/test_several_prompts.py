"""The method `several_prompts`: one layer for each wording, with averaged log-odds."""

from __future__ import annotations

import numpy as np
import pytest

from hiprobe.errors import LabelError, UsageError
from hiprobe.methods import hiprobe, several_prompts

LAYERS = 3


def data(
    knowing: tuple[int, ...] = (0, 2, 1, 2, 0), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Values (60, 15, 4), and labels that one layer shows for each prompt."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], 30).astype(np.int8)
    x = rng.standard_normal((60, 5 * LAYERS, 4))
    for prompt, layer in enumerate(knowing):
        x[:, prompt * LAYERS + layer] += 2.0 * y[:, None]
    return x, y


def test_sites_run_over_layers_within_each_prompt() -> None:
    found = several_prompts.sites(LAYERS, 8)
    assert [(site.kind, site.prompt, site.layer) for site in found[:4]] == [
        ("residual", 0, 0),
        ("residual", 0, 1),
        ("residual", 0, 2),
        ("residual", 1, 0),
    ]
    assert len(found) == 5 * LAYERS


def test_each_prompt_takes_the_layer_that_hiprobe_would() -> None:
    x, y = data()
    found = several_prompts.select(x, y).indices
    assert found == (0, 5, 7, 11, 12)
    own = [
        prompt * LAYERS
        + hiprobe.select(x[:, prompt * LAYERS : (prompt + 1) * LAYERS], y).indices[0]
        for prompt in range(5)
    ]
    assert list(found) == own


def test_the_curves_are_those_that_decided() -> None:
    x, y = data()
    x[:, :LAYERS] *= np.array([1.0, 30.0, 1.0])[None, :, None]  # one prompt is on another scale
    chosen = several_prompts.select(x, y)
    for prompt, layer in enumerate(chosen.indices):
        part = slice(prompt * LAYERS, (prompt + 1) * LAYERS)
        own = hiprobe.select(x[:, part], y)
        for name, curve in chosen.curves.items():
            assert curve.shape == (5 * LAYERS,)
            assert curve[part] == pytest.approx(own.curves[name])
        assert int(np.argmax(chosen.curves["score"][part])) == layer % LAYERS


def test_its_score_is_the_mean_of_the_prompts_log_odds() -> None:
    x, y = data()
    chosen = x[:, list(several_prompts.select(x, y).indices)]
    single = [hiprobe.score(chosen[:, [i]], hiprobe.fit(chosen[:, [i]], y)) for i in range(5)]
    odds = np.mean([np.log(p / (1 - p)) for p in single], axis=0)
    assert several_prompts.score(chosen, several_prompts.fit(chosen, y)) == pytest.approx(
        1 / (1 + np.exp(-odds))
    )


def test_few_sites_are_all_selected_and_odd_ones_refused() -> None:
    x, y = data()
    assert several_prompts.select(x[:, :2], y).indices == (0, 1)
    with pytest.raises(UsageError, match="7 sites"):
        several_prompts.select(x[:, :7], y)
    with pytest.raises(LabelError):
        several_prompts.select(x, np.ones(60, np.int8))
