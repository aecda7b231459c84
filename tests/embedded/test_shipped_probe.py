"""The shipped probe comes with its clips and their hidden states, so that it can be refitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training.default_probe import as_default

from hiprobe import datasets, embedded, video
from hiprobe.cli._chosen import choose_probe
from hiprobe.cli._reviewed import known
from hiprobe.labels import label_segments
from hiprobe.methods import likelihood
from hiprobe.metrics import roc_auc
from hiprobe.probe import Probe, fit
from hiprobe.runs import record_run
from hiprobe.store import kept_states


def test_the_shipped_states_give_the_shipped_probe() -> None:
    shipped, pairs = Probe.load(embedded.PROBE), []
    for clip in datasets.load("folder", embedded.CLIPS):
        (states,) = kept_states(embedded.STATES, video.digest(clip.path), shipped.recipe)
        pairs.append((states, label_segments(states.starts, states.ends, clip.events)))
    made = fit("hiprobe", pairs, sites=list(shipped.sites), layer_curve=False)
    assert made.sites == shipped.sites
    assert made.tensors.keys() == shipped.tensors.keys()
    for name, tensor in made.tensors.items():
        assert abs(tensor - shipped.tensors[name]).max() < 1e-6
    # How its scores become events was chosen for other cameras.
    as_fitted = replace(made, verification=shipped.verification)
    assert as_default(as_fitted).causal_threshold == pytest.approx(
        shipped.causal_threshold, abs=1e-6
    )


def test_the_shipped_answers_are_those_of_the_question_that_checks_events() -> None:
    shipped, answers = Probe.load(embedded.PROBE), []
    asked = replace(shipped.recipe, prompts=likelihood.PROMPTS)
    for clip in datasets.load("folder", embedded.CLIPS):
        (states,) = kept_states(embedded.STATES, video.digest(clip.path), asked)
        answers.append((states, label_segments(states.starts, states.ends, clip.events)))
    assert shipped.verification is not None
    odds = np.concatenate([s.values[:, 0, 0] - s.values[:, 0, 1] for s, _ in answers])
    labels = np.concatenate([labels for _, labels in answers])
    assert roc_auc(labels[labels >= 0], odds[labels >= 0]) > 0.9
    assert shipped.verification.question == likelihood.PROMPTS[0]


def test_review_of_results_of_the_shipped_probe_knows_clips_and_states(tmp_path: Path) -> None:
    chosen = choose_probe(None, tmp_path / "out")
    assert chosen.path == embedded.PROBE
    record_run(tmp_path / "out", chosen.probe, {})
    found = known(tmp_path / "out", None)  # without any `.local.json`
    labels = found.labels(None, None)
    assert labels is not None
    assert len(labels.clips()) == 28
    assert list(found.stores(None)) == [embedded.STATES]
