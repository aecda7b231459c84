"""Folds and intervals keep groups whole, such as the videos of one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hiprobe.errors import LabelError
from hiprobe.metrics import auc_interval
from hiprobe.probe import fit
from hiprobe.probe.calibration import Pair, calibration_set
from hiprobe.probe.folds import make_folds
from hiprobe.probe.refit import refit
from hiprobe.types import HiddenStates, Recipe, Site

SITES, RECIPE, SEGMENTS = (Site("residual", 0),), Recipe("org/model", ("What?",)), 6


def videos(cameras: int, each: int, groups: bool = True, seed: int = 0) -> list[Pair]:
    """Videos that show nothing but their camera; every second camera films anomalies only.

    So a fold that has seen another video of a camera knows its label, and one that has not guesses.
    """
    rng, pairs = np.random.default_rng(seed), list[Pair]()
    looks = rng.normal(size=(cameras, 32)) * 3
    for camera in range(cameras):
        for number in range(each):
            values = (looks[camera] + rng.normal(size=(SEGMENTS, 1, 32))).astype(np.float32)
            times = np.arange(SEGMENTS + 1) * 1.6
            states = HiddenStates(
                f"{camera}-{number}", RECIPE, SITES, times[:-1], times[1:], values, times[-1]
            )
            group = f"camera {camera}" if groups else None
            labels = np.full(SEGMENTS, camera % 2, np.int8)
            pairs.append((replace(states, group=group), labels))
    return pairs


def folds_of(pairs: Sequence[Pair], named: bool) -> dict[str, set[int]]:
    """The folds in which the videos of each camera are."""
    data = calibration_set(_hiprobe(), pairs, None)
    split = make_folds(data.labels, data.groups, (1, 0), 5, 0, named=named)
    found: dict[str, set[int]] = {}
    for (states, _), fold in zip(pairs, split.of[::SEGMENTS], strict=True):
        found.setdefault(states.video_id.partition("-")[0], set()).add(int(fold))
    return found


def _hiprobe() -> object:
    from hiprobe import methods

    return methods.load("hiprobe")


def test_a_camera_is_in_one_fold_only_if_it_is_a_group() -> None:
    with_groups, without = videos(8, 4), videos(8, 4, groups=False)
    assert all(len(folds) == 1 for folds in folds_of(with_groups, named=True).values())
    assert any(len(folds) > 1 for folds in folds_of(without, named=False).values())


def test_a_camera_that_gives_its_label_away_does_so_only_without_groups() -> None:
    leaked, kept = (
        fit("hiprobe", videos(12, 4, groups=groups), permutations=0) for groups in (False, True)
    )
    assert leaked.provenance["auc"]["value"] > 0.99
    assert kept.provenance["auc"]["value"] < 0.8
    assert (leaked.provenance["folds"]["by"], leaked.provenance.get("groups")) == ("video", None)
    assert (kept.provenance["folds"]["by"], kept.provenance["groups"]) == ("group", 12)


def test_the_interval_draws_whole_groups() -> None:
    from hiprobe.probe.held_out import pooled_auc

    pairs = videos(6, 3)
    data = calibration_set(_hiprobe(), pairs, None)
    scores = np.random.default_rng(1).normal(size=len(data.labels)) + data.labels
    cameras = [
        (np.full(3 * SEGMENTS, camera % 2, np.int8), part)
        for camera, part in enumerate(np.split(scores, 6))
    ]
    found = pooled_auc(data, scores, seed=0)
    assert found is not None
    assert (found["low"], found["high"]) == auc_interval(cameras, seed=0)


def test_videos_without_a_group_are_their_own() -> None:
    plain = fit("hiprobe", videos(4, 2, groups=False), permutations=0)
    own = [
        (replace(states, group=states.video_id), labels)
        for states, labels in videos(4, 2, groups=False)
    ]
    grouped = fit("hiprobe", own, permutations=0)
    assert grouped.provenance["groups"] == 8
    same = ("auc", "segments", "curves")
    assert all(grouped.provenance[name] == plain.provenance[name] for name in same)
    mixed = [
        (replace(states, group="yard") if n < 2 else states, y)
        for n, (states, y) in enumerate(videos(4, 2, groups=False))
    ]
    assert fit("hiprobe", mixed, permutations=0).provenance["groups"] == 1


def test_copies_of_a_video_stay_together_even_if_one_has_no_group() -> None:
    pairs = videos(6, 2)
    copy = (replace(pairs[0][0], group=None), pairs[0][1])
    data = calibration_set(_hiprobe(), [*pairs, copy], None)
    assert set(data.groups[-SEGMENTS:]) == set(data.groups[: 2 * SEGMENTS])
    torn = (replace(pairs[0][0], group="camera 5"), pairs[0][1])
    with pytest.raises(LabelError, match="0-0: the same video is in the groups 'camera 0' and 'c"):
        calibration_set(_hiprobe(), [*pairs, torn], None)


def test_one_group_of_a_class_is_an_error_that_counts_the_groups() -> None:
    with pytest.raises(
        LabelError, match=r"folds keep groups whole, got anomalous 1, normal 2; label videos of ano"
    ):
        fit("hiprobe", videos(3, 4))
    # Without groups the same videos can be fitted, and a single video of a class is a warning.
    assert fit("hiprobe", videos(3, 4, groups=False), permutations=0).provenance["auc"]


def test_a_refit_keeps_groups_whole_too() -> None:
    pairs = videos(12, 4)
    probe = fit("hiprobe", pairs, permutations=0, layer_curve=False)
    made = refit(probe, pairs, [labels for _, labels in pairs])
    assert made.probe.provenance["folds"]["by"] == "group"
    assert made.before is not None
    assert (made.before["value"] or 1.0) < 0.8
