"""The threshold for a number of false alarms per day: against brute force, and is it kept."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from scipy.stats import chi2, poisson

from hiprobe.errors import LabelError
from hiprobe.labels import label_segments
from hiprobe.localize import Localization, localize
from hiprobe.probe import fit
from hiprobe.probe.false_alarm_rate import (
    FalseAlarmRate,
    check_footage,
    highest_mean,
    level_for_rate,
    most_events,
    threshold_for_rate,
)
from hiprobe.types import Event, Gap, HiddenStates, Recipe, Scores, Site

SEGMENT_S = 1.6
FIXED = Localization(rule="fixed", threshold=0.0)


def scores(raw: Any, settings: Localization = FIXED, gaps: tuple[Gap, ...] = ()) -> Scores:
    """The scores of a video with these raw scores (n,), smoothed as in the settings."""
    edges = np.arange(len(raw) + 1) * SEGMENT_S
    return localize(edges[:-1], edges[1:], np.asarray(raw, float), gaps, settings)[0]


def alarms(footage: list[Scores], threshold: float, settings: Localization) -> int:
    """How many alarms the whole localization gives at this threshold."""
    return sum(
        len(
            localize(one.starts, one.ends, one.raw, one.gaps, settings.with_threshold(threshold))[1]
        )
        for one in footage
    )


def check_by_brute_force(footage: list[Scores], wanted: float, settings: Localization) -> None:
    """Compare with every threshold at which the events can change."""
    found = threshold_for_rate(wanted, footage, settings)
    most = max(most_events(wanted, sum(one.scored_s for one in footage) / 3600), 0)
    every = np.concatenate([one.smoothed for one in footage])
    extend = settings.extend
    floor = np.quantile(every, 0.9)
    levels = np.unique([*every, *(every / extend)])[::-1]
    levels = levels[levels > floor]
    counts = [alarms(footage, level, settings) for level in levels]
    at = alarms(footage, found.threshold, settings)
    assert found.events == at <= most
    assert all(
        count <= most
        for level, count in zip(levels, counts, strict=True)
        if level >= found.threshold
    )
    # The first level with too many is the next one below, but for those without a local maximum.
    first = next((level for level, n in zip(levels, counts, strict=True) if n > most), floor)
    assert first < found.threshold
    above = [level for level in np.unique(every) if first < level < found.threshold]
    assert not any(_is_maximum(one, level) for one in footage for level in above)


def _is_maximum(one: Scores, level: float) -> bool:
    padded = np.r_[-np.inf, one.smoothed, -np.inf]
    inside = padded[1:-1]
    return bool(((inside == level) & (inside > padded[:-2]) & (inside > padded[2:])).any())


SETTINGS = st.builds(
    lambda sigma, merge_s, min_s, extend: replace(
        FIXED,
        sigma=sigma,
        merge_s=merge_s,
        min_s=min_s,
        extend=extend,
    ),
    st.sampled_from([0.0, 0.7, 1.5]),
    st.sampled_from([0.0, 2.0, 5.0]),
    st.sampled_from([0.0, 1.0, 3.0, 6.0]),
    st.sampled_from([1.0, 0.7]),
)


@tried(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=40), min_size=1, max_size=4),
    SETTINGS,
    st.floats(1, 3000),
    st.booleans(),
)
def test_no_threshold_is_missed_and_none_is_too_low(
    raws: list[list[int]], settings: Localization, wanted: float, gap: bool
) -> None:
    gaps = (Gap(3 * SEGMENT_S, 3 * SEGMENT_S, "camera off"),) if gap else ()
    footage = [scores(np.array(raw) / 10, settings, gaps) for raw in raws]

    # A short recording that is said to be long, so that several events are allowed.
    check_by_brute_force(footage, min(wanted * 25, 86400), settings)


def test_merged_and_short_events_are_counted_as_localize_finds_them() -> None:
    # Two peaks merge as the threshold falls, so a third event is allowed in their place.
    raw = np.zeros(2400)
    raw[[100, 102]] = 0.9, 0.8
    raw[101] = 0.7
    raw[[500, 900, 1300]] = 0.6, 0.5, 0.4
    one = scores(raw, replace(FIXED, sigma=0.0))
    found = threshold_for_rate(150, [one], replace(FIXED, sigma=0.0))
    assert most_events(150, one.scored_s / 3600) == 2
    assert (found.events, found.threshold) == (2, pytest.approx(0.55))
    long = threshold_for_rate(150, [one], replace(FIXED, sigma=0.0, min_s=4.0))
    assert long.events == 1  # only the merged event is long enough
    assert 0.0 < long.threshold < 0.4


@pytest.mark.parametrize("k", [0, 1, 2, 10, 250])
def test_bound_and_interval_are_those_of_the_chi_square_distribution(k: int) -> None:
    assert highest_mean(k) == pytest.approx(chi2.ppf(0.95, 2 * k + 2) / 2)
    assert poisson.cdf(k, highest_mean(k)) == pytest.approx(0.05)
    made = FalseAlarmRate(0.5, 100.0, k, hours=3.0)
    low, high = made.interval
    assert low == pytest.approx(chi2.ppf(0.025, 2 * k) / 2 * 8 if k else 0.0)
    assert high == pytest.approx(chi2.ppf(0.975, 2 * k + 2) / 2 * 8)
    assert made.bound == pytest.approx(highest_mean(k) * 8)


@tried(deadline=None)
@given(st.floats(0.1, 2000), st.floats(0.01, 200))
def test_most_events_is_the_largest_number_that_keeps_the_promise(
    wanted: float, hours: float
) -> None:
    k = most_events(wanted, hours)
    assert k < 0 or highest_mean(k) / hours * 24 <= wanted
    assert highest_mean(k + 1) / hours * 24 > wanted


@pytest.mark.parametrize("wanted", [72.0, 288.0])
def test_the_promise_is_kept_in_all_but_five_percent_of_recordings(wanted: float) -> None:
    """Peaks are exponential above 0 and come at 1,000 per day, so the true rate is known."""
    rng, broken, trials = np.random.default_rng(0), 0, 200
    edges = np.arange(451) * 8.0  # an hour
    for _ in range(trials):
        raw = np.zeros(450)
        places = rng.choice(225, rng.poisson(1000 / 24), replace=False) * 2
        raw[places] = rng.exponential(size=len(places))
        one = Scores(edges[:-1], edges[1:], raw, raw, raw)
        found = threshold_for_rate(wanted, [one], replace(FIXED, sigma=0.0))
        assert found.supported
        broken += 1000 * math.exp(-found.threshold) > wanted
    assert 0 < broken / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_too_little_footage_is_said_with_figures_and_the_threshold_is_above_all() -> None:
    raw = np.random.default_rng(1).random(4500)
    one = scores(raw)
    found = threshold_for_rate(6, [one], FIXED)
    assert not found.supported
    assert found.events == 0
    assert one.smoothed.max() < found.threshold < one.smoothed.max() + 1e-5
    assert found.doubt.startswith(
        "2 hours of normal footage cannot support less than 36 per day: "
        "at most 6 per day needs 12 hours or more"
    )
    assert threshold_for_rate(36, [one], FIXED).doubt == ""
    assert "at most 36 false alarms per day" in threshold_for_rate(36, [one], FIXED).source


@pytest.mark.parametrize("wanted", [0.0, -1.0, math.nan, math.inf, True])
def test_an_impossible_number_per_day_is_refused(wanted: float) -> None:
    with pytest.raises(ValueError, match="false alarms per day must be a number from 1e-06"):
        threshold_for_rate(wanted, [scores(np.zeros(10))], FIXED)


def test_a_few_segments_are_no_footage() -> None:
    with pytest.raises(LabelError, match="3 segments, at least 4 are needed"):
        threshold_for_rate(10, [scores([0.1, 0.2, 0.3])], FIXED)
    with pytest.raises(LabelError, match="0 segments"):
        threshold_for_rate(10, [], FIXED)


# --- the level of the check


def test_the_promise_of_a_level_is_kept_in_all_but_five_percent_of_recordings() -> None:
    """Events come at 240 a day, with exponential log-odds, so the true rate is known."""
    rng, wanted, hours, broken = np.random.default_rng(0), 48.0, 3.0, 0
    for _ in range(2000):
        odds = rng.exponential(size=rng.poisson(240 / 24 * hours))
        found = level_for_rate(wanted, odds.tolist(), hours, least=0.0)
        assert found.events == (odds >= found.threshold).sum()
        broken += 240 * np.exp(-found.threshold) > wanted
    assert broken / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
    assert broken > 0  # it is not merely careful


def test_a_video_about_which_the_model_could_not_be_asked_is_not_counted() -> None:
    class Asks:
        answers_yes_no, provenance = True, {"name": "none"}

    rng, edges, recipe = np.random.default_rng(0), np.arange(11) * 1.6, Recipe("m", ("q?",))
    known, answers = [], []
    for number in range(8):
        events = (Event(3.2, 8.0),) if number % 2 else ()
        labels = label_segments(edges[:-1], edges[1:], events)
        values = rng.normal(size=(10, 1, 4))
        values[labels == 1] += 3
        values[2:8] += 9 * (number == 2)  # a false alarm, in the video that has no answers
        states = HiddenStates(
            f"v{number}", recipe, (Site("residual", 0),), edges[:-1], edges[1:], values, 16.0
        )
        known.append((states, labels))
        if number != 2:
            said = rng.normal(size=(10, 1, 2))
            answers.append((replace(states, sites=(Site("logit", 0),), values=said), labels))
    probe = fit(
        "hiprobe",
        known,
        model=Asks(),  # type: ignore[arg-type]
        answers=answers,
        false_alarms_per_day=20_000,
        permutations=0,
        layer_curve=False,
    )
    assert probe.provenance["false_alarms"]["hours"] == pytest.approx(3 * 16.0 / 3600)


def test_a_level_is_never_below_that_of_the_probe_and_ties_are_shut_out() -> None:
    assert level_for_rate(1000, [-2.0, -1.0], 24.0, least=0.5).threshold == 0.5
    tied = level_for_rate(6, [3.0, 3.0, 3.0], 24.0, least=0.0)
    assert (tied.events, tied.threshold > 3.0) == (0, True)
    short = level_for_rate(1, [2.0], 1.0, least=0.0)
    assert (short.supported, short.events, short.threshold > 2.0) == (False, 0, True)
    assert "A check from log-odds 2.00 on gives no alarm" in short.doubt
    with pytest.raises(LabelError, match="has 0 segments"):
        check_footage([])
