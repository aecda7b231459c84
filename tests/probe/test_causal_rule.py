"""A probe knows the threshold of scores that look back only, and it moves with the other one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import ProbeError
from hiprobe.localize import Localization
from hiprobe.probe import Probe, fit
from hiprobe.probe.calibration import Pair
from hiprobe.probe.causal_rule import causal_settings, moved_threshold
from hiprobe.probe.false_alarm_rate import FalseAlarmRate, with_rate
from hiprobe.probe.refit import refit
from hiprobe.types import HiddenStates, Recipe, Site

RECIPE, SITES = Recipe("org/model", ("Is anything abnormal?",)), (Site("residual", 0),)


def pairs() -> list[Pair]:
    """Videos of 20 segments, of which every second one has an event in the middle."""
    rng, made, times = np.random.default_rng(3), [], np.arange(21) * 1.6
    for number in range(12):
        labels = np.zeros(20, np.int8)
        labels[8:11] = number % 2
        values = rng.normal(size=(20, 1, 6)) + 1.5 * labels[:, None, None]
        states = HiddenStates(f"v{number}", RECIPE, SITES, times[:-1], times[1:], values, 32.0)
        made.append((states, labels))
    return made


@pytest.fixture(scope="module")
def probe() -> Probe:
    return fit("hiprobe", pairs(), layer_curve=False, permutations=0)


def test_the_causal_threshold_is_calibrated_as_a_causal_probe_would_be(probe: Probe) -> None:
    causal = Localization(smoothing="causal")
    alone = fit("hiprobe", pairs(), localization=causal, layer_curve=False, permutations=0)
    assert probe.causal_threshold == alone.localization.threshold
    assert probe.causal_threshold != probe.localization.threshold


def test_it_is_kept_in_the_file_and_a_file_without_it_is_the_same_as_before(
    probe: Probe, tmp_path: Path
) -> None:
    path, without = tmp_path / "a.safetensors", replace(probe, causal_threshold=None)
    probe.save(path)
    assert Probe.load(path).causal_threshold == probe.causal_threshold
    assert Probe.load(path).digest == probe.digest != without.digest
    assert b"causal_threshold" not in without.to_bytes()
    without.save(path)
    assert Probe.load(path).causal_threshold is None


@pytest.mark.parametrize("value", ["1e999", "true", "1e200", "[0.5]"])
def test_a_wrong_one_in_a_file_is_refused(probe: Probe, tmp_path: Path, value: str) -> None:
    path, number = tmp_path / "a.safetensors", "0.123456789"
    data = replace(probe, causal_threshold=float(number)).to_bytes()
    path.write_bytes(data.replace(number.encode(), value.ljust(len(number)).encode()))
    with pytest.raises(ProbeError, match=r"causal threshold|number"):
        Probe.load(path)


def test_a_refit_has_one_too(probe: Probe) -> None:
    some = pairs()
    again = refit(probe, some, [labels for _, labels in some]).probe
    assert again.causal_threshold == probe.causal_threshold


def test_settings_that_look_back_already_are_the_causal_ones(probe: Probe) -> None:
    for settings in (
        replace(probe.localization, smoothing="none"),
        replace(probe.localization, smoothing="causal"),
        replace(probe.localization, sigma=0.0),
    ):
        assert causal_settings(replace(probe, causal_threshold=None), settings) == settings


def test_the_probes_own_threshold_gives_the_calibrated_one(probe: Probe) -> None:
    found = causal_settings(probe, probe.localization)
    wanted = replace(probe.localization, smoothing="causal", threshold=probe.causal_threshold)
    assert found == wanted


def test_a_higher_threshold_moves_the_causal_one_as_far(probe: Probe) -> None:
    higher = replace(probe.localization, rule="fixed", threshold=0.97)
    found = causal_settings(probe, higher).threshold
    assert probe.causal_threshold is not None
    assert found is not None
    assert probe.causal_threshold < found < 1
    moved = with_rate(probe, FalseAlarmRate(0.97, wanted=1.0, events=0, hours=99.0))
    assert moved.causal_threshold == found
    assert causal_settings(moved, moved.localization).threshold == found


def test_moving_there_and_back_gives_the_same() -> None:
    for causal, old, new in ((0.4, 0.5, 0.99), (-3.0, 2.0, 9.5), (0.4, 0.5, 1.5)):
        there = moved_threshold(causal, old, new)
        assert moved_threshold(there, new, old) == pytest.approx(causal)
    assert moved_threshold(0.4, None, 0.9) == 0.4


def test_an_adaptive_rule_needs_none_and_an_older_probe_is_refused_by_name(probe: Probe) -> None:
    old = replace(probe, causal_threshold=None)
    adaptive = replace(probe.localization, rule="adaptive")
    assert causal_settings(old, adaptive) == replace(adaptive, smoothing="causal")
    with pytest.raises(ProbeError, match="no threshold to raise alerts by; fit it again"):
        causal_settings(old, old.localization)


def test_a_threshold_moved_as_far_as_numbers_go_stays_one() -> None:
    assert 0 <= moved_threshold(0.4, 0.5, 1e-320) < 1e-300
    assert moved_threshold(0.4, 0.5, 1 - 1e-16) == pytest.approx(1.0)
