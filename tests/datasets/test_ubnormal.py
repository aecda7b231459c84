"""UBnormal on a small folder in the layout of its download, against its own script's rule."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hiprobe import checks, datasets
from hiprobe.errors import LabelError
from hiprobe.types import Event

LISTS = {
    "normal_training": ["normal_scene_1_scenario_1"],
    "abnormal_training": ["abnormal_scene_1_scenario_3"],
    "normal_test": ["normal_scene_2_scenario_1"],
    "abnormal_test": ["abnormal_scene_2_scenario_1", "abnormal_scene_2_scenario_1_fog"],
}
TRACKS = {
    "abnormal_scene_1_scenario_3": "1,0,4\n",
    "abnormal_scene_2_scenario_1": "3,2,4\n7,3,6\n3,9,9\n",
    "abnormal_scene_2_scenario_1_fog": "1.000e+00,0.0,1.0\n",
}
COUNTS = {
    "normal_scene_2_scenario_1": 5,
    "abnormal_scene_2_scenario_1": 12,
    "abnormal_scene_2_scenario_1_fog": 3,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name, videos in LISTS.items():
        (tmp_path / "scripts" / f"{name}_video_names.txt").write_text("\n".join(videos))
        for video in videos:
            scene = tmp_path / f"Scene{video.split('_')[2]}"
            scene.mkdir(exist_ok=True)
            (scene / f"{video}.mp4").write_text("x")
            if video in TRACKS:
                (scene / f"{video}_annotations").mkdir()
                (scene / f"{video}_annotations" / f"{video}_tracks.txt").write_text(TRACKS[video])
    rows = [f"{name},{count}" for name, count in COUNTS.items()]
    (tmp_path / "frame_counts.csv").write_text("\n".join(["video,frames", *rows]))
    return tmp_path


def official(name: str) -> list[float]:
    """The rule of scripts/write_frame_level_ground_truth.py, in other words."""
    labels = [0.0] * COUNTS[name]
    rows = [line.split(",") for line in TRACKS.get(name, "").split()]
    for first, last in ((int(float(row[1])), int(float(row[2]))) for row in rows):
        for frame in range(first, min(last + 1, len(labels))):
            labels[frame] = 1.0
    return labels


def test_a_frame_is_anomalous_while_any_track_lasts_its_last_frame_included(root: Path) -> None:
    truth = datasets.truth("ubnormal", root)
    assert truth.keys() == COUNTS.keys()
    for name, labels in truth.items():
        assert labels.tolist() == official(name)
    assert np.flatnonzero(truth["abnormal_scene_2_scenario_1"]).tolist() == [2, 3, 4, 5, 6, 9]


def test_the_lists_say_what_is_normal_and_which_split_it_is_in(root: Path) -> None:
    train, test = (list(datasets.load("ubnormal", root, split)) for split in ("train", "test"))
    assert [(one.categories, one.events) for one in train] == [
        (("normal",), ()),
        (("abnormal",), (Event(0.0, math.inf, label="abnormal"),)),
    ]
    assert [one.events for one in test] == [(), None, None]
    assert [Path(one.path).parent.name for one in test] == ["Scene2"] * 3
    assert datasets.categories("ubnormal", root)["abnormal_scene_2_scenario_1_fog"] == ("abnormal",)


def test_videos_are_counted_once_and_faults_are_found_before(root: Path) -> None:
    assert datasets.uncounted("ubnormal", root, root) == {}
    (root / "frame_counts.csv").unlink()
    assert datasets.uncounted("ubnormal", root, root).keys() == COUNTS.keys()
    next(root.rglob("*_fog_tracks.txt")).write_text("")
    with pytest.raises(LabelError, match="at least one track"):
        datasets.uncounted("ubnormal", root, root)


@pytest.mark.parametrize(
    "line", ["1,2", "a,1,2", "1,5,2", "1,-1,2", "1,0.5,2", "1,2,3,4", "1,nan,2"]
)
def test_other_lines_are_no_tracks(root: Path, line: str) -> None:
    next(root.rglob("*_fog_tracks.txt")).write_text(line)
    with pytest.raises(LabelError, match="object,first frame,last frame"):
        datasets.truth("ubnormal", root)


def test_lists_and_counts_must_be_about_the_same_videos(root: Path) -> None:
    (root / "scripts" / "normal_test_video_names.txt").write_text("normal_scene_2_scenario_9")
    with pytest.raises(LabelError, match="same videos"):
        datasets.truth("ubnormal", root)


def test_it_keeps_the_promises_of_a_data_set(root: Path) -> None:
    assert len(checks.check_dataset("ubnormal", root)) > 5
