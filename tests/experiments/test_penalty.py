"""The experiment on the penalty of the scorer: rules, draws, thresholds and the page."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from experiments.penalty_figures import CALIBRATED, SCALES, alarms, cross_validated, of_draws
from experiments.penalty_rules import (
    BY_LABELS,
    DLSP,
    LAYER_RULES,
    RULES,
    STRENGTHS,
    UNTIL_NOW,
    Labelled,
    by_likelihood,
    class_means,
    fixed,
    joint_ratio,
    layer_curves,
    platt,
    regression,
    rescaled,
)
from experiments.penalty_samples import SIZES, Set, any_source, whole_pool
from experiments.real_footage_figures import Sample

from experiments import penalty
from hiprobe.methods import _logistic_regression as logistic
from hiprobe.methods import hiprobe
from hiprobe.saliency import saliency

RNG = np.random.default_rng


def some(n: int = 24, width: int = 10, signal: float = 1.0) -> Labelled:
    labels = (np.arange(n) % 2).astype(np.int8)
    states = RNG(0).normal(2.0, 3.0, (n, width)) + signal * labels[:, None]
    return Labelled(states, labels, np.arange(n) // 2)


def clips(by_source: bool = True) -> Set:
    """200 clips of 40 sources, or of a source each; layer 2 of 3 shows the class best."""
    number = 200
    labels, clip = np.arange(number) % 2, np.repeat(np.arange(number), 2 if by_source else 1)
    source = np.arange(number) // 5 if by_source else np.arange(number)
    states = RNG(1).normal(size=(len(clip), 3, 12))
    states += np.array([0.1, 0.3, 1.0])[:, None] * labels[clip][:, None, None]
    pool = None if by_source else np.arange(number) >= 100
    sample = Sample(labels, source, clip)
    return Set("by source" if by_source else "drawn", sample, states.astype(np.float32), pool)


def test_the_rule_of_the_product_is_the_products_scorer() -> None:
    data = some()
    line = rescaled(RULES[BY_LABELS](data), data)
    tensors = logistic.fit(data.states[:, None], data.labels)
    assert line.at(data.states) == pytest.approx(logistic.log_odds(data.states[:, None], tensors))
    published = logistic.fit_c1(data.states[:, None], data.labels)
    assert RULES[UNTIL_NOW](data).at(data.states) == pytest.approx(
        logistic.log_odds(data.states[:, None], published)
    )


def test_the_difference_of_the_class_means_is_the_limit_of_a_small_c() -> None:
    data = some()
    one, other = class_means(data).weight, regression(data, 1e-7).weight
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 1 - 1e-6


def test_a_c_by_likelihood_is_one_of_those_tried_and_a_cautious_one_is_not_larger() -> None:
    data = some(width=60, signal=0.3)
    lines = [fixed(c)(data).weight for c in STRENGTHS]

    def place(**how: bool) -> int:
        found = by_likelihood(data, **how).weight
        return [np.array_equal(found, one) for one in lines].index(True)

    assert place(cautious=True) >= place()
    assert 0 <= place(rescale=False) < len(STRENGTHS)


def test_platt_scaling_finds_the_scale_and_never_turns_the_order_round() -> None:
    true = RNG(2).normal(0, 2, 4000)
    labels = (RNG(3).random(4000) < 1 / (1 + np.exp(-true))).astype(np.int8)
    gain, offset = platt(true / 50 + 3, labels)
    assert (gain, offset) == (pytest.approx(50, rel=0.1), pytest.approx(-150, rel=0.1))
    assert platt(-true, labels)[0] > 0


def test_the_joint_ratio_is_not_fooled_by_what_one_group_has() -> None:
    data = some(signal=0.0, width=200)
    assert abs(joint_ratio(data.states, data.labels, data.groups)) < 1
    own = RNG(4).normal(size=(6, 200))  # each group has a look of its own
    groups = np.repeat(np.arange(6), 8)
    labels = (groups % 2).astype(np.int8)
    states = own[groups] + 0.1 * RNG(5).normal(size=(48, 200))
    assert joint_ratio(states, labels, groups) < 1 < joint_ratio(states, labels, np.arange(48))
    assert joint_ratio(states[:16], labels[:16], groups[:16]) == 0.0  # one group of each class


def test_the_rule_dlsp_is_that_of_the_product() -> None:
    data = clips()
    labels = data.sample.of_segments
    curves = layer_curves(data.states, labels, data.groups)
    assert LAYER_RULES[DLSP](curves) == saliency(data.states, labels).best
    assert LAYER_RULES["joint LDR alone"](curves) == 2
    assert hiprobe.select(data.states, labels).indices == (LAYER_RULES[DLSP](curves),)


def test_draws_are_nested_and_tested_on_other_sources() -> None:
    data = clips()
    draws = {size: list(data.draws(size, 4)) for size in SIZES}
    for number in range(4):
        small, large = draws[4][number], draws[32][number]
        assert (small.labelled <= large.labelled).all()
        assert np.array_equal(small.tested, large.tested)
        source = data.sample.source
        assert not set(source[large.labelled]) & set(source[large.tested])
        for size in SIZES:
            used = draws[size][number].labelled
            assert [int((used & (data.sample.labels == c)).sum()) for c in (1, 0)] == [size] * 2
    assert not np.array_equal(draws[4][0].labelled, draws[4][1].labelled)


def test_draws_of_a_pool_share_no_clip_and_are_tested_on_all_others() -> None:
    data = clips(by_source=False)
    first, second = data.draws(32, 2)  # the pool has 50 clips of each class
    assert (first.labelled & second.labelled).sum() < 32
    assert not (first.labelled & ~data.pool).any()
    assert np.array_equal(first.tested, ~data.pool)
    assert whole_pool(data).labelled.sum() == 100


def test_curves_and_thresholds_of_draws() -> None:
    data = clips()
    found = of_draws(data, data.draws(8, 2), (UNTIL_NOW, BY_LABELS))
    assert set(found.layers) == set(LAYER_RULES)
    for where in (0, 1, 2, DLSP):
        assert len(found.aucs[BY_LABELS, where]) == 2
    best = np.mean([curve[0] for curve in found.aucs[BY_LABELS, 2]])
    assert best > 0.9 > np.mean([curve[0] for curve in found.aucs[BY_LABELS, 0]])
    everything = cross_validated(data, 1, (UNTIL_NOW, BY_LABELS))
    assert everything.aucs[BY_LABELS, 2][0][0] > 0.95
    judged = alarms(data, next(data.draws(8, 1)))
    assert set(judged) == {(rule, scale) for rule in CALIBRATED for scale in SCALES}
    for one in judged.values():
        assert all(0 <= figure <= 1 for figure in one)
    squeezed, spread = (judged["C = 0.0001", scale] for scale in (SCALES[0], SCALES[2]))
    assert abs(squeezed.threshold - 0.5) < 0.02
    assert squeezed.extended > spread.extended
    assert squeezed.brier > spread.brier


def test_the_page_has_a_summary_and_tables_of_every_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (UNTIL_NOW, "C = 0.01", BY_LABELS)  # the others take time
    monkeypatch.setattr(of_draws, "__defaults__", (names,))
    monkeypatch.setattr(cross_validated, "__defaults__", (names,))
    monkeypatch.setattr(penalty.of_real, "__defaults__", (names,))
    monkeypatch.setattr(penalty, "SIZES", (4, 8))
    monkeypatch.setattr(penalty, "REPEATS", 1)
    monkeypatch.setattr(penalty, "DRAWN_DRAWS", 1)
    one = clips()
    monkeypatch.setattr(penalty, "real_sets", lambda *given: (one, one))
    drawn = [(1, clips(by_source=False)), (2, clips(by_source=False))]
    monkeypatch.setattr(penalty, "drawn_sets", lambda *given: iter(drawn))
    given = argparse.Namespace(
        models=["embedded"], clips=Path("c.csv"), store=Path("s"), draws=1, drawn="embedded"
    )
    penalty.page(given)
    text = capsys.readouterr().out
    assert text.startswith("# The penalty of the scorer\n")
    assert all(f"| {name} | mean of all layers | " in text for name in ("by source", "drawn"))
    assert "rules for the layer, scorer of `hiprobe`" in text
    assert text.count("calibrated thresholds, DLSP's layer") == 4
    draw = next(any_source(one, 1))
    assert not set(one.sample.source[draw.labelled]) & set(one.sample.source[draw.tested])
