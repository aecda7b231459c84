"""The threshold that is raised to the level of the camera's own scores."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe.localize import Localization, Localizer, RaisedThreshold, localize, thresholds

RNG = np.random.default_rng
HOW = Localization(rule="raised", threshold=0.6, kappa=2.0, warmup=5, lag=3, sigma=0.0, extend=1.0)


def limits(scores: np.ndarray, how: Localization = HOW) -> np.ndarray:
    assert how.threshold is not None
    rule = RaisedThreshold(how.threshold, how.kappa, how.warmup, how.lag)
    return np.array([rule.update(float(score)) for score in scores])


def slowly(scores: np.ndarray, how: Localization, memory: int) -> list[float]:
    """The same rule over the whole array, written out for probabilities."""
    assert how.threshold is not None
    odds, found = np.log(scores / (1 - scores)), []
    for i in range(len(scores)):
        past = np.sort(odds[: max(0, i - how.lag + 1)][-memory:])
        if len(past) < how.warmup:
            found.append(how.threshold)
            continue
        median, high = past[round(0.5 * (len(past) - 1))], past[round(0.84 * (len(past) - 1))]
        level = median + how.kappa * max(high - median, 0.1)
        found.append(max(how.threshold, 1 / (1 + math.exp(-level))))
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.01, 0.99), max_size=60),
    st.integers(1, 9),
    st.integers(1, 6),
    st.integers(9, 30),
)
def test_it_is_the_quantiles_of_the_past_and_forgets(
    scores: list[float], warmup: int, lag: int, memory: int
) -> None:
    how = replace(HOW, warmup=warmup, lag=lag)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "MEMORY", memory)
        got = limits(np.array(scores), how)
    assert got == pytest.approx(slowly(np.array(scores), how, memory))


def test_it_never_falls_below_the_threshold_and_looks_only_back() -> None:
    scores = RNG(0).random(80)
    changed = np.r_[scores[:50], np.ones(30)]
    assert (limits(scores) >= 0.6).all()
    assert (limits(scores)[:53] == limits(changed)[:53]).all()
    assert (limits(scores * 0.3) == 0.6).all()


def test_a_busy_camera_raises_it_and_an_event_on_top_is_found() -> None:
    busy = 0.7 + 0.1 * RNG(0).random(200)
    fixed = replace(HOW, rule="fixed", merge_s=0.0)
    edges = np.arange(201) * 1.6
    event = busy.copy()
    event[150:154] = 0.99
    found = [
        localize(edges[:-1], edges[1:], raw, (), how)[1]
        for raw, how in ((busy, fixed), (busy, HOW), (event, HOW))
    ]
    assert len(found[0]) == 1  # the whole video
    assert found[1] == () or found[1][-1].end < 15 * 1.6  # only before it knows the camera
    assert found[2][-1].start == pytest.approx(edges[150])
    assert found[2][-1].end == pytest.approx(edges[154])


def test_a_constant_score_above_the_threshold_is_no_event_for_long() -> None:
    assert (limits(np.full(60, 0.9))[8:] > 0.9).all()


def test_an_event_that_fills_a_tenth_of_the_time_hardly_raises_it() -> None:
    quiet = 0.1 + 0.1 * RNG(0).random(200)
    event = quiet.copy()
    event[100:112] = 0.99
    assert (limits(event) == 0.6).all()


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_scores_of_0_and_1_are_no_error(score: float) -> None:
    assert np.isfinite(limits(np.full(30, score))).all()


def test_scores_that_are_no_probabilities_are_taken_as_they_are() -> None:
    scores = 5 + RNG(0).normal(size=100)
    got = limits(scores, replace(HOW, threshold=2.0))
    past = np.sort(scores[:97])
    assert got[-1] == pytest.approx(past[48] + 2 * (past[81] - past[48]))


def test_live_and_offline_are_equal_and_a_gap_does_not_reset_it() -> None:
    raw, edges = RNG(1).random(90), np.r_[0:45, 60:106] * 1.6
    starts, ends = np.delete(edges, [45, 90])[:90], np.delete(edges, [0, 45])[:90]
    scores, offline = localize(starts[:45], ends[:45], raw[:45], (), HOW)
    live = Localizer(HOW)
    steps = [live.push(*one) for one in zip(starts, ends, raw, strict=False)] + [live.flush()]
    settled = [one for some, _ in steps for one in some]
    assert [one.threshold for one in settled] == pytest.approx(limits(raw[: len(settled)]))
    assert [one.threshold for one in settled[:45]] == scores.threshold.tolist()
    assert [event for _, some in steps for event in some][: len(offline)] == list(offline)


def test_it_needs_a_threshold() -> None:
    with pytest.raises(ValueError, match="the raised rule needs a threshold"):
        Localization(rule="raised")
