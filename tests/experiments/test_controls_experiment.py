"""The experiment on controls: clips of a source stay together, differences are paired."""

from __future__ import annotations

import numpy as np
import pytest

from experiments import controls
from hiprobe.probe.calibration import Calibration
from hiprobe.types import Controls, HiddenStates, Recipe, Site, VideoFacts

RECIPE = Recipe("org/model", ("Is anything abnormal?",))


@pytest.fixture(scope="module")
def data() -> Calibration:
    """Clips of one to three segments, four a source, that only the motion tells apart."""
    rng, states, labels, groups = np.random.default_rng(0), [], [], []
    sites = tuple(Site("residual", layer) for layer in controls.LAYERS)
    for index in range(40):
        length = 1 + index % 3
        edges = np.arange(length + 1) * 1.6
        motion = 20 + rng.normal(size=length) + 2 * (index % 2)
        known = Controls(VideoFacts("h264", 640, 480, 9000), motion, motion + 9, motion * 0 + 90)
        values = rng.normal(size=(length, 3, 4))
        made = HiddenStates(
            f"v{index}", RECIPE, sites, edges[:-1], edges[1:], values, edges[-1], controls=known
        )
        states.append(made)
        labels += [index % 2] * length
        groups += [index // 4] * length
    return Calibration(tuple(states), sites, np.array(labels, np.int8), np.array(groups), 10)


def test_a_clip_has_the_mean_score_of_its_segments(data: Calibration) -> None:
    scores = np.arange(len(data.labels), dtype=float)
    found = controls.of_clips(data, scores)
    assert [len(labels) for labels, _ in found] == [4] * 10
    assert found[0][1].tolist() == [0.0, 1.5, 4.0, 6.0]
    assert found[0][0].tolist() == [0, 1, 0, 1]


def test_motion_wins_where_only_motion_tells(
    data: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "REPEATS", 1)
    found = controls.measured(data)
    values = {name: value for name, (value, _) in found.items()}
    assert values["motion"] > 0.8 > 0.65 > values["hidden states, layer 7"]
    assert "brightness" not in values  # it is equal in all clips
    table = {row[0]: row for row in controls.rows(found)}
    first, gap = table["hidden states, layer 7"], table["motion"][2]
    assert first[2] == ""
    assert gap.startswith("-0.")
    page = controls.page(data, list(table.values()), "embedded")
    assert page.startswith("# Hidden states and controls")
    assert "40 clips of 10 source videos" in page
