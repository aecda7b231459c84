"""`fit` compares a probe with controls that need no model, on its own folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hiprobe.cli import _terminal
from hiprobe.errors import ProbeError
from hiprobe.localize import Localization
from hiprobe.probe import Probe, fit
from hiprobe.probe.controls import control_scorers
from hiprobe.probe.folds import make_folds
from hiprobe.types import Controls, HiddenStates, Recipe, Site, VideoFacts

RECIPE = Recipe("org/model", ("Is anything abnormal?",))
RAW = Localization(sigma=0.0)
VIDEOS, LENGTH = 16, 6
Pairs = list[tuple[HiddenStates, np.ndarray]]


def clips(told_by: str, shift: float = 1.5, seed: int = 0, width: int = 4) -> Pairs:
    """Clips of one class each, which only the hidden states or only the motion tell apart."""
    rng, made = np.random.default_rng(seed), []
    edges = np.arange(LENGTH + 1) * 1.6
    for index in range(VIDEOS):
        abnormal = index % 2
        values = rng.normal(size=(LENGTH, 1, width)) + shift * abnormal * (told_by == "states")
        motion = 20 + rng.normal(size=LENGTH) + 1.5 * abnormal * (told_by == "motion")
        light = np.clip(rng.normal(size=LENGTH) * 9 + 100, 0, 255)
        facts = VideoFacts("h264", 640, 480, 1000 + int(rng.integers(500)))
        known = Controls(facts, motion, motion + 9, light)
        states = HiddenStates(
            f"v{index:02d}",
            RECIPE,
            (Site("residual", 0),),
            edges[:-1],
            edges[1:],
            values,
            edges[-1],
            controls=known,
        )
        made.append((states, np.full(LENGTH, abnormal, np.int8)))
    return made


def fitted(pairs: Pairs, **how: Any) -> Probe:
    return fit("hiprobe", pairs, localization=RAW, permutations=0, layer_curve=False, **how)


def values_of(pairs: Pairs, *names: str) -> np.ndarray:
    """The controls of all segments, joined by hand."""
    rows = []
    for states, _ in pairs:
        known = states.controls
        assert known is not None
        whole = {"bytes_per_second": round(known.facts.file_bytes / 9.6)}
        for i in range(LENGTH):
            rows.append([whole.get(n) or getattr(known, n)[i] for n in names])
    return np.array(rows, float)


def reference(x: np.ndarray, labels: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Score `new` (n, columns) as the method `hiprobe` does, with scikit-learn alone."""
    balanced = 4 * (labels == 1).sum() * (labels == 0).sum() / len(labels)
    first, second = (
        make_pipeline(
            StandardScaler(),
            LogisticRegression(solver="liblinear", class_weight="balanced", max_iter=2000, C=c),
        )
        for c in (balanced**1.5 / (2000 * x.shape[1]), 1.0)
    )
    first.fit(x, labels)
    line, along = (first.decision_function(one)[:, None] for one in (x, new))
    return np.asarray(second.fit(line, labels).predict_proba(along)[:, 1])


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("motion", ("motion",)),
        ("brightness", ("brightness",)),
        ("all", ("motion", "motion_p95", "brightness", "bytes_per_second")),
    ],
)
def test_a_control_is_scored_on_the_folds_of_the_probe(row: str, names: tuple[str, ...]) -> None:
    pairs = clips("motion")
    labels, groups = np.concatenate([y for _, y in pairs]), np.repeat(np.arange(VIDEOS), LENGTH)
    split = make_folds(labels, groups, (1, 0), 5, seed=3)
    x, scores = values_of(pairs, *names), np.zeros(len(labels))
    for fold in range(split.number):
        out = split.of == fold
        scores[out] = reference(x[~out], labels[~out], x[out])
    found = fitted(pairs, seed=3).provenance["controls"]["rows"][row]
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-3)
    assert found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]


def test_a_control_that_does_as_well_is_named_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    probe = fitted(clips("motion"))
    found = probe.provenance["controls"]
    assert found["rows"]["all"]["difference"]["high"] < 0
    assert "as well as the probe, as far as 16 videos can tell (AUC 0." in found["finding"]
    assert found["finding"].endswith("has not shown that it is worth anything on these clips")
    _terminal.fitted(probe)
    shown = capsys.readouterr()
    assert f"motion {found['rows']['motion']['auc']['value']:.3f}" in shown.out
    assert "equal in all clips: resolution, length, codec" in shown.out
    assert found["finding"] in shown.err.replace("\n", " ")


def test_a_probe_that_is_better_gets_no_such_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    probe = fitted(clips("states"))
    found = probe.provenance["controls"]
    gap = found["rows"]["all"]["difference"]
    assert found["finding"] is None
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    total = found["rows"]["all"]["auc"]["value"] + gap["value"]
    assert total == pytest.approx(probe.provenance["auc"]["value"])
    _terminal.fitted(probe)
    assert "worth anything" not in capsys.readouterr().err


def test_the_difference_is_paired() -> None:
    """States that are the motion itself: equal in every draw, so the interval has no width."""
    pairs = clips("motion")
    same = [
        (replace(s, values=s.controls.motion[:, None, None].copy()), y)
        for s, y in pairs
        if s.controls
    ]
    found = fitted(same).provenance["controls"]
    assert found["rows"]["motion"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["rows"]["motion"]["auc"]["low"] < found["rows"]["motion"]["auc"]["high"]
    assert "worth anything" in found["finding"]


def test_what_is_equal_in_all_clips_is_left_out_and_named() -> None:
    found = fitted(clips("states")).provenance["controls"]
    assert found["left_out"] == ["resolution", "length", "codec"]
    assert set(found["rows"]) == {"motion", "motion_p95", "brightness", "bytes_per_second", "all"}


def test_a_codec_that_tells_the_classes_apart_does_as_well() -> None:
    """Normal clips of one recorder, anomalous ones of another: a confound, not a detector."""
    pairs = []
    for states, labels in clips("states", shift=0.5):
        assert states.controls is not None
        facts = replace(states.controls.facts, codec=("h264", "hevc")[labels[0]])
        pairs.append((replace(states, controls=replace(states.controls, facts=facts)), labels))
    found = fitted(pairs).provenance["controls"]
    assert found["codecs"] == ["h264", "hevc"]
    assert found["rows"]["codec"]["auc"]["value"] == 1.0
    assert found["finding"].startswith("Codec alone ranks these clips as well as the probe")


def test_the_interval_is_over_groups_where_clips_have_groups() -> None:
    grouped = [(replace(s, group=f"g{i // 4}"), y) for i, (s, y) in enumerate(clips("motion"))]
    found = fitted(grouped).provenance["controls"]
    assert "as far as 4 groups can tell" in found["finding"]


def test_without_controls_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = clips("states")
    pairs[3] = (replace(pairs[3][0], controls=None), pairs[3][1])
    probe = fitted(pairs)
    assert probe.provenance["controls"] is None
    _terminal.fitted(probe)
    assert "control" not in capsys.readouterr().out


def test_folds_of_segments_have_no_interval_but_figures() -> None:
    pairs = clips("motion")[:2]
    found = fitted(pairs).provenance["controls"]
    assert found["rows"]["motion"]["auc"]["value"] > 0.5


def test_a_saved_probe_scores_controls_as_they_were_fitted(tmp_path: Path) -> None:
    pairs = clips("motion")
    fitted(pairs).save(tmp_path / "p.safetensors")
    scorers = control_scorers(Probe.load(tmp_path / "p.safetensors").provenance)
    names = ("motion", "motion_p95", "brightness", "bytes_per_second")
    assert list(scorers) == [*names, "all"]
    x, labels = values_of(pairs, *names), np.concatenate([y for _, y in pairs])
    wanted = reference(x, labels, x)
    got = np.concatenate([scorers["all"].score(states) for states, _ in pairs])
    np.testing.assert_allclose(got, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["rows"]["motion"]["fitted"].update(weight=[1.0, 2.0]),
        lambda found: found["rows"]["motion"]["fitted"].update(scale=[0.0]),
        lambda found: found["rows"]["motion"].pop("fitted"),
        lambda found: found["rows"].update(motion=3),
        lambda found: found.pop("codecs"),
        lambda found: found.update(rows=["motion"]),
    ],
)
def test_a_strangers_controls_are_checked(change: Any) -> None:
    facts = json.loads(json.dumps(fitted(clips("motion")).provenance))
    change(facts["controls"])
    with pytest.raises(ProbeError, match="the entry `controls` is not valid"):
        control_scorers(facts)
