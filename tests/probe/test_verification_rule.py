"""How an event is checked: the threshold's rule, what it says, and its place in the probe file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from hiprobe.errors import ProbeError
from hiprobe.localize import Localization
from hiprobe.probe import Probe, VerificationRule, fit
from hiprobe.probe.verification_rule import QUESTION, verification_threshold
from hiprobe.types import HiddenStates, LabelArray, Recipe, Site

RECIPE, SITES = Recipe("org/model", ("why?",)), (Site("residual", 0),)


class Answering:
    """Facts about a model that can be asked."""

    answers_yes_no = True
    provenance = {"dtype": "float32"}  # noqa: RUF012


def pair(
    seed: int, sites: tuple[Site, ...] = SITES, width: int = 4
) -> tuple[HiddenStates, LabelArray]:
    times, rng = np.arange(9) * 1.6, np.random.default_rng(seed)
    labels = (np.arange(8) % 2).astype(np.int8)
    values = rng.normal(size=(8, 1, width)) + 3.0 * labels[:, None, None]
    return HiddenStates(f"v{seed}", RECIPE, sites, times[:-1], times[1:], values, 12.8), labels


def answers(odds: list[float], labels: list[int]) -> tuple[HiddenStates, LabelArray]:
    times, logits = np.arange(len(odds) + 1) * 1.6, np.zeros((len(odds), 1, 2))
    logits[:, 0] = [[5.0 + one, 5.0] for one in odds]
    asked = replace(RECIPE, prompts=(QUESTION,))
    states = HiddenStates("v", asked, (Site("logit", 1),), times[:-1], times[1:], logits, times[-1])
    return states, np.array(labels, np.int8)


def test_many_labels_give_the_threshold_with_the_best_f1() -> None:
    odds, labels = np.array([-4.0, -2.0, -1.0, 3.0, 5.0]), np.array([0, 0, 1, 1, 1], np.int8)
    many = 20_000
    threshold, source = verification_threshold(np.repeat(odds, many), np.repeat(labels, many))
    assert threshold == pytest.approx(-1.5, abs=0.01)
    assert "best F1" in source


def test_a_few_labels_move_it_a_little_from_zero() -> None:
    """Best F1 at -1.5, as above; three anomalous segments count 3 / 63 against the level of 0."""
    odds, labels = np.array([-4.0, -2.0, -1.0, 3.0, 5.0]), np.array([0, 0, 1, 1, 1], np.int8)
    assert verification_threshold(odds, labels)[0] == pytest.approx(-1.5 * 3 / 63)


@pytest.mark.parametrize("labels", [[], [1, 1], [0, 0], [-1, 1]])
def test_without_labels_of_both_classes_it_is_zero(labels: list[int]) -> None:
    threshold, source = verification_threshold(np.ones(len(labels)), np.array(labels, np.int8))
    assert (threshold, "no labels" in source) == (0.0, True)


def test_log_odds_at_the_threshold_confirm() -> None:
    rule = VerificationRule(threshold=0.5)
    assert [rule.check(odds).result for odds in (0.4, 0.5)] == ["rejected", "confirmed"]
    for wrong in ({"segments": 0}, {"segments": 6}, {"question": ""}, {"threshold": np.nan}):
        with pytest.raises(ValueError, match="must be"):
            VerificationRule(**wrong)


def test_fit_takes_the_answers_and_says_where_the_threshold_is_from() -> None:
    pairs = [pair(seed) for seed in range(4)]
    probe = fit("hiprobe", pairs, answers=[answers([-3, -1, 1, 4], [0, 0, 1, 1])], permutations=0)
    assert probe.verification is not None
    assert probe.verification.threshold == 0.0
    assert probe.provenance["verification"] == probe.verification.source != ""
    assert (
        fit("hiprobe", pairs, model=Answering(), permutations=0).verification == VerificationRule()
    )


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, "cannot be read"),
        ({"model": Answering(), "verify": False}, "asked to be"),
    ],
)
def test_without_an_answer_there_is_no_rule_and_the_probe_says_why(
    how: dict[str, object], reason: str
) -> None:
    probe = fit("hiprobe", [pair(seed) for seed in range(4)], permutations=0, **how)  # type: ignore[arg-type]
    assert probe.verification is None
    assert reason in probe.provenance["verification"]


def test_likelihood_is_not_asked_its_own_question_again() -> None:
    given, labels = answers([-1, 1] * 4, [0, 1] * 4)
    probe = fit("likelihood", [(given, labels)], model=Answering())
    assert probe.verification is None
    assert "already" in probe.provenance["verification"]
    other = replace(given, recipe=replace(given.recipe, prompts=("Is this a fire?",)))
    assert fit("likelihood", [(other, labels)], model=Answering()).verification is not None


def probe() -> Probe:
    tensors = {"mean": np.zeros(4), "scale": np.ones(4), "weight": np.ones(4), "bias": np.zeros(1)}
    rule = VerificationRule("Really?", -0.25, "a test", segments=3)
    return Probe("hiprobe", RECIPE, SITES, 4, tensors, Localization(), {}, rule)


def test_the_rule_is_part_of_the_probe_file(tmp_path: Path) -> None:
    path = tmp_path / "probe.safetensors"
    for one in (probe(), replace(probe(), verification=None)):
        one.save(path)
        assert Probe.load(path).verification == one.verification
        assert Probe.load(path).digest == one.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"verification": {"question": "", "threshold": 0.0, "source": "", "segments": 1}},
            "question",
        ),
        ({"verification": {"threshold": "high"}}, "threshold of a verification"),
        ({"verification": {"other": 1}}, "other"),
        ({"verification": 3}, "not a valid probe file"),
        ({"schema": 1}, "schema 2, got 1.*fit the probe again with this version"),
    ],
)
def test_a_file_with_another_rule_or_schema_is_refused_by_name(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "probe.safetensors"
    probe().save(path)
    with safe_open(path, "np") as file:
        header = json.loads(file.metadata()["hiprobe"])
    save_file(load_file(path), path, {"hiprobe": json.dumps({**header, **change})})
    with pytest.raises(ProbeError, match=rf"probe\.safetensors: .*{message}"):
        Probe.load(path)
