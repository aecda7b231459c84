"""A report compares a probe with controls that need no model, and looks at normal frames alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write

from hiprobe import datasets, pipeline
from hiprobe.evaluation import Report
from hiprobe.evaluation.benchmark import Benchmark, of_probe
from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.evaluation.controls import VideoControls
from hiprobe.evaluation.draws import of_draws
from hiprobe.evaluation.normal_frames import NormalSplit, normal_splits
from hiprobe.localize import Localization
from hiprobe.probe import fit

MODEL = fake_backbone.load()
NO_DRAWS = Bootstrap(0, 0, {})
DRAWS = Bootstrap(300, 0, {})


def splits(
    attribute: str, values: dict[str, np.ndarray], scores: dict[str, np.ndarray], drawn: Bootstrap
) -> NormalSplit:
    known = VideoControls(attributes={attribute: values}, codecs=["h264", "hevc", "vp9"])
    normal = {name: np.ones(len(held), bool) for name, held in scores.items()}
    (found,) = normal_splits(normal, scores, known, drawn)
    return found


def noise(videos: int = 12, frames: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"v{i:02d}": rng.normal(size=frames) for i in range(videos)}


def test_scores_that_follow_the_brightness_are_found_out() -> None:
    scores, rng = noise(), np.random.default_rng(1)
    bright = {name: 100 + 5 * held + rng.normal(size=40) for name, held in scores.items()}
    found = splits("brightness", bright, scores, DRAWS)
    every = np.concatenate(list(bright.values()))
    above = every > np.median(every)
    assert found.auc == pytest.approx(roc_auc_score(above, np.concatenate(list(scores.values()))))
    assert found.auc is not None
    assert found.interval is not None
    assert 0.9 < found.interval[0] < found.auc < found.interval[1]
    assert found.frames == (240, 240)
    assert found.videos == (12, 12)


def test_scores_that_do_not_depend_on_it_get_one_half() -> None:
    scores = noise()
    size = {name: np.full(40, 1e5 * (1 + int(name[1:]) % 2)) for name in scores}
    found = splits("resolution", size, scores, DRAWS)
    assert found.groups == ("at most 150,000", "above 150,000")
    assert found.interval is not None
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.videos == (6, 6)


def test_an_attribute_that_is_equal_in_all_frames_says_so() -> None:
    found = splits("resolution", {n: np.full(40, 9.0) for n in noise()}, noise(), DRAWS)
    assert found == NormalSplit("resolution")
    assert found.cells() == ["resolution", "all equal", "", "", ""]


def test_most_frames_at_the_highest_value_still_make_two_groups() -> None:
    scores = noise(4)
    size = {name: np.full(40, 100.0 if name == "v00" else 400.0) for name in scores}
    found = splits("bytes_per_second", size, scores, NO_DRAWS)
    assert (found.frames, found.videos) == ((40, 120), (1, 3))
    assert found.interval is None


def test_the_usual_codec_is_compared_with_the_others() -> None:
    scores = noise(6)
    kind = dict(zip(scores, (1, 1, 1, 0, 2, 2), strict=True))
    found = splits("codec", {n: np.full(40, float(kind[n])) for n in scores}, scores, NO_DRAWS)
    assert (found.groups, found.videos) == (("hevc", "h264, vp9"), (3, 3))


def test_anomalous_frames_and_frames_without_a_score_do_not_count() -> None:
    scores = {"a": np.array([0.0, 1.0, 9.0, np.nan]), "b": np.array([2.0, 3.0, 4.0, 5.0])}
    normal = {"a": np.array([True, True, False, False]), "b": np.array([True, True, True, True])}
    known = VideoControls(attributes={"resolution": {"a": np.full(4, 1.0), "b": np.full(4, 2.0)}})
    (found,) = normal_splits(normal, scores, known, NO_DRAWS)
    assert (found.frames, found.auc) == ((2, 4), 1.0)


# -- with videos


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short clips that stand still, of which the anomalous ones begin to move half way."""
    folder = tmp_path_factory.mktemp("clips")
    lines = [["path", "label", "start", "end", "split"]]
    for index in range(10):
        abnormal, split = index % 2, "train" if index < 6 else "test"
        name = f"{index}.mp4"

        def drawn(frame: int, index: int = index, abnormal: int = abnormal) -> np.ndarray:
            moving = frame if abnormal and frame >= 40 else frame // 12
            return noisy(1000 * index + moving) // (1 + index % 3)

        options = {"crf": "30" if index % 4 < 2 else "15"}
        write(folder / name, steady(80, 10), rate=10, pictures=drawn, options=options)
        times = ["4.0", "8.0"] if abnormal else ["", ""]
        lines.append([name, "fight" if abnormal else "normal", *times, split])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder / "labels.csv"


def test_an_evaluated_probe_is_compared_with_its_controls(labelled: Path, tmp_path: Path) -> None:
    train = [one for one in datasets.load("folder", labelled) if one.split == "train"]
    pairs = list(pipeline.extract(train, MODEL, store=tmp_path))
    raw = Localization(sigma=0.0)
    probe = fit("hiprobe", pairs, model=MODEL, localization=raw, permutations=0)
    got = of_probe(Benchmark("folder", labelled), MODEL, probe, store=tmp_path, bootstrap=100)
    assert isinstance(got.report, Report)
    rows = {row.name: row for row in got.report.rows}
    x = np.concatenate([s.controls.motion[:, None] for s, _ in pairs if s.controls])
    y = np.concatenate([labels for _, labels in pairs])
    scorer = LogisticRegression(solver="liblinear", class_weight="balanced")
    made = make_pipeline(StandardScaler(), scorer).fit(x[y >= 0], y[y >= 0])
    truth, scores = [], []
    for name, labels in sorted(got.truth.items()):
        states = pipeline.states(
            labelled.parent / f"{name}.mp4", MODEL, probe.sites, recipe=probe.recipe, store=tmp_path
        )
        assert states.controls is not None
        own = made.predict_proba(states.controls.motion[:, None])[:, 1]
        truth.append(labels)
        scores.append(np.repeat(own, 16)[: len(labels)])
    wanted = roc_auc_score(np.concatenate(truth), np.concatenate(scores))
    assert rows["control: motion"].pooled.auc == pytest.approx(wanted, abs=1e-6)
    assert rows["control: motion"].control
    assert rows["control: motion"].intervals["auc"]
    gap = got.report.gap
    assert gap is not None
    every = rows["control: all controls"].pooled.auc
    assert gap.value == pytest.approx(rows["smoothed scores"].pooled.auc - every)
    text, values = got.report.to_markdown(), got.report.to_json()
    assert "ROC-AUC less that of all controls: " in text
    assert "has not shown that it is worth anything" in text  # the fake model knows colours only
    assert "| resolution | all equal |" in text
    assert [one["attribute"] for one in values["normal_frames"]] == [
        "resolution",
        "brightness",
        "bytes per second",
        "codec",
    ]
    light = values["normal_frames"][1]
    assert 0 <= light["auc"] <= 1
    assert sum(light["frames"]) == sum(int((labels == 0).sum()) for labels in got.truth.values())
    assert set(values["definitions"]) >= {"control", "normal frames"}


def test_draws_report_the_spread_of_fitted_controls(labelled: Path, tmp_path: Path) -> None:
    got = of_draws(
        Benchmark("folder", labelled), MODEL, "hiprobe", store=tmp_path, draws=3, share=0.8
    )
    text = got.report.to_markdown()
    (row,) = [line for line in text.splitlines() if line.startswith("| control: all controls")]
    assert "±" in row
    (prior,) = [line for line in text.splitlines() if line.startswith("| centre prior")]
    assert "±" not in prior
