"""The shipped probe comes with its clips and their hidden states, so that it can be refitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hiprobe import datasets, embedded, video
from hiprobe.cli._chosen import choose_probe
from hiprobe.cli._reviewed import known
from hiprobe.labels import label_segments
from hiprobe.methods import likelihood
from hiprobe.probe import Probe, fit
from hiprobe.probe.threshold import calibrate
from hiprobe.runs import record_run
from hiprobe.store import kept_states


def test_the_shipped_states_give_the_shipped_probe() -> None:
    shipped, pairs = Probe.load(embedded.PROBE), []
    for clip in datasets.load("folder", embedded.CLIPS):
        (states,) = kept_states(embedded.STATES, video.digest(clip.path), shipped.recipe)
        pairs.append((states, label_segments(states.starts, states.ends, clip.events)))
    made = fit("hiprobe", pairs, layer_curve=False)
    assert made.sites == shipped.sites
    assert made.tensors.keys() == shipped.tensors.keys()
    for name, tensor in made.tensors.items():
        assert abs(tensor - shipped.tensors[name]).max() < 1e-6
    assert made.localization == shipped.localization


def test_the_shipped_answers_give_the_shipped_verification_rule() -> None:
    shipped, answers = Probe.load(embedded.PROBE), []
    asked = replace(shipped.recipe, prompts=likelihood.PROMPTS)
    for clip in datasets.load("folder", embedded.CLIPS):
        (states,) = kept_states(embedded.STATES, video.digest(clip.path), asked)
        answers.append((states, label_segments(states.starts, states.ends, clip.events)))
    odds = np.concatenate([s.values[:, 0, 0] - s.values[:, 0, 1] for s, _ in answers])
    labels = np.concatenate([labels for _, labels in answers])
    assert shipped.verification is not None
    threshold = shipped.verification.threshold
    anomalous = (labels == 1).sum()
    assert threshold == calibrate(odds, labels) * anomalous / (anomalous + 60)
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
