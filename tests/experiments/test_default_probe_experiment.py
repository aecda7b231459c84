"""The experiment on the default probe: parts by source, what a setting gives, the choice."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from experiments.default_probe import (
    LEVELS,
    Study,
    candidates,
    choose,
    described,
    events_of,
    page,
    per_hour,
)
from experiments.default_probe_footage import Watched

from hiprobe.localize import Localization
from hiprobe.probe import Probe, VerificationRule
from hiprobe.types import HiddenStates, Recipe, Site

ASKED, READ = Recipe("test", ("Is anything abnormal?",)), Recipe("test", ("What happens?",))
PLAIN = Localization(threshold=0.5, sigma=0.0, merge_s=0.0, min_s=0.0, refine=False)
FIXED = replace(PLAIN, rule="fixed", threshold=0.5, confirm=LEVELS[0])
PROBE = Probe(
    "hiprobe",
    READ,
    (Site("residual", 0),),
    1,
    {"mean": np.zeros(1), "scale": np.ones(1), "weight": np.ones(1), "bias": np.zeros(1)},
    PLAIN,
    {},
    VerificationRule(threshold=0.25),
)


def watched(
    name: str, odds: list[float], answer: float, part: str, fight: bool | None = None
) -> Watched:
    """A video whose segments have these log-odds, and the model one answer to all of them."""
    edges = np.arange(len(odds) + 1) * 1.6
    values = np.array(odds, np.float32)[:, None, None]
    logits = np.tile(np.array([answer, 0.0], np.float32), (len(odds), 1, 1))
    spans = edges[:-1], edges[1:]
    states = HiddenStates(name, READ, (Site("residual", 0),), *spans, values, float(edges[-1]))
    answers = HiddenStates(name, ASKED, (Site("logit", 0),), *spans, logits, float(edges[-1]))
    return Watched(states, answers, part, name, fight)


def study() -> Study:
    """Fights have high scores and a yes; a busy camera has middling scores and a no."""
    clips, world = [], []
    for part in ("choose", "report"):
        for n in range(6):
            clips.append(watched(f"{part}f{n}", [-3.0, 2.6, 2.6], 1.0, part, True))
            clips.append(
                watched(f"{part}n{n}", [-3.0, 1.2 if n % 2 else -1.0, -1.0], -0.7, part, False)
            )
        noise = [1.2] * 30 + np.random.default_rng(3).uniform(0.9, 1.5, 400).tolist()
        world.append(watched(f"{part}w", noise, -2.0, part))
    return Study(PROBE, clips, [watched("real", [1.0] * 20, -2.0, "report")], world)


def test_an_event_counts_if_the_model_confirms_it() -> None:
    one = watched("a", [-2.0, 3.0, -2.0], 0.4, "report")
    for level, count in ((LEVELS[0], 1), (0.4 - 1e-3, 1), (0.4 + 1e-3, 0)):
        assert len(events_of(one, PROBE, replace(FIXED, confirm=level))) == count
    assert len(events_of(one, PROBE, replace(FIXED, confirm=None))) == 1


def test_what_a_setting_gives_is_counted_on_its_part_only() -> None:
    found = study().found("report", FIXED)
    assert found.alarm.tolist() == [True, False, True, True] * 3
    assert (found.real, found.real_s) == (1, pytest.approx(32.0))
    assert found.hours == pytest.approx(430 * 1.6 / 3600)
    assert found.events == 1  # the busy camera, all the time
    assert study().found("choose", FIXED).real_s == 0.0


def test_the_choice_keeps_to_the_events_an_hour_and_finds_the_fights() -> None:
    every = list(candidates(PLAIN))
    unchecked = [how for how in every if how.confirm == LEVELS[0]]
    for some in (every, unchecked):
        how = choose(study(), some)
        found = study().found("report", how)
        assert found.alarm.tolist() == [True, False] * 6
        assert found.events == 0


def test_the_page_reports_both_parts_and_says_which_chose() -> None:
    text = page(study())
    assert text.index("Part `report`") < text.index("Part `choose`")
    assert "raised, checked, chosen" in text
    assert "as in the probe's file" in text
    assert "the model's answer 1.000" in text


def test_settings_are_named_by_log_odds() -> None:
    how = replace(FIXED, rule="raised", kappa=3.0, threshold=1 / (1 + math.exp(-1.0)), confirm=0.5)
    assert described(how) == "raised +1.0, kappa 3, check +0.50"
    assert described(FIXED) == "fixed +0.0"


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.69), (5, 1.62, 11.67)])
def test_rates_have_exact_intervals(events: int, low: float, high: float) -> None:
    found = per_hour(events, 1.0)
    assert (found.mean, found.low, found.high) == pytest.approx((events, low, high), abs=0.01)
    assert math.isnan(per_hour(0, 0.0).mean)
