"""Score files and the figures of an evaluation.

Checked against scikit-learn, cases by hand and the public annotations.
"""

from __future__ import annotations

import csv
import json
import math
import pickle
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from hiprobe import datasets
from hiprobe.errors import LabelError, UsageError
from hiprobe.evaluation import (
    DEFINITIONS,
    Detection,
    DrawSummary,
    Report,
    centre_prior,
    evaluate,
    read_scores,
    thresholded,
    write_scores,
)
from hiprobe.metrics import Ranking
from hiprobe.types import Event

RNG = np.random.default_rng
Arrays = Mapping[str, np.ndarray]


def sample(seed: int = 0, decimals: int = 1) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return labels and scores, some of them tied, of 12 videos.

    Four videos are normal and one is anomalous throughout.
    """
    rng = RNG(seed)
    truth = {f"v{i:02d}": np.zeros(rng.integers(20, 60), np.uint8) for i in range(12)}
    for i in range(7):
        truth[f"v{i:02d}"][5 + i : 15] = 1
    truth["v07"][:] = 1
    return truth, {
        name: np.round(rng.normal(size=len(labels)) + labels, decimals)
        for name, labels in truth.items()
    }


def flat(arrays: Arrays, names: list[str] | None = None) -> np.ndarray:
    return np.concatenate([arrays[name] for name in names or sorted(arrays)])


def by_sklearn(labels: np.ndarray, scores: np.ndarray) -> tuple[float, ...]:
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    false, true, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    return (
        sk.roc_auc_score(labels, scores),
        sk.average_precision_score(labels, scores),
        sk.auc(recall, precision),
        true[false <= 0.01].max(),
    )


# Figures


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_ranking_gives_the_figures_of_scikit_learn(seed: int, decimals: int) -> None:
    truth, scores = sample(seed, decimals)
    pooled = Ranking([(truth[name], scores[name]) for name in truth]).pooled()
    assert pooled == pytest.approx(by_sklearn(flat(truth), flat(scores)), abs=1e-12)


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_ranking_intervals_equal_a_plain_bootstrap_over_videos(decimals: int) -> None:
    """A video that is drawn twice counts twice, and one that is not drawn does not count."""
    truth, scores = sample(3, decimals)
    names = sorted(truth)
    draws = RNG(7).multinomial(12, np.full(12, 1 / 12), 150)
    drawn = [
        [name for name, times in zip(names, draw, strict=True) for _ in range(times)]
        for draw in draws
    ]
    figures = [by_sklearn(flat(truth, names), flat(scores, names)) for names in drawn]
    low, high = Ranking([(truth[name], scores[name]) for name in names]).interval(
        resamples=150, seed=7
    )
    assert np.array([low, high]) == pytest.approx(
        np.quantile(figures, [0.025, 0.975], axis=0), abs=1e-12
    )


def test_intervals_do_not_depend_on_how_many_draws_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth, scores = sample()
    videos = [(truth[name], scores[name]) for name in truth]
    whole = Ranking(videos).interval(resamples=50)
    monkeypatch.setattr("hiprobe.metrics.ranking.CACHED", 1)
    assert np.array(Ranking(videos).interval(resamples=50)) == pytest.approx(
        np.array(whole), abs=1e-12
    )


def test_report_gives_the_figures_of_scikit_learn() -> None:
    truth, scores = sample()
    kinds = {
        name: ("fall", "fire")
        if i == 0
        else ("fire",)
        if i < 4
        else ("fall",)
        if i < 7
        else ("jam",)
        if i == 7
        else ("normal",)
        for i, name in enumerate(sorted(truth))
    }
    report = evaluate(truth, scores, categories=kinds, bootstrap=20)
    names = sorted(truth)
    abnormal, mixed, normal = names[:8], names[:7], names[8:]
    assert (report.videos, report.abnormal, report.mixed) == (12, 8, 7)
    assert (report.frames, report.positives) == (len(flat(truth)), flat(truth).sum())
    row = report.rows[0]
    assert row.abnormal_auc == pytest.approx(
        sk.roc_auc_score(flat(truth, abnormal), flat(scores, abnormal))
    )
    assert row.macro_auc == pytest.approx(
        np.mean([sk.roc_auc_score(truth[name], scores[name]) for name in mixed])
    )
    assert [(r.name, r.videos) for r in report.classes] == [("fall", 4), ("fire", 4), ("jam", 1)]
    fall = [names[0], *names[4:7]]
    assert report.classes[0].auc == pytest.approx(
        sk.roc_auc_score(flat(truth, fall), flat(scores, fall))
    )
    assert report.classes[0].auc_with_normal == pytest.approx(
        sk.roc_auc_score(flat(truth, fall + normal), flat(scores, fall + normal))
    )
    assert report.classes[2].auc is None, "a class without a normal frame has no AUC of its own"
    assert report.classes[2].auc_with_normal is not None


def test_controls_depend_on_the_truth_alone() -> None:
    """They use the same frames, whatever the scores are."""
    truth, scores = sample()
    negated = {name: -values for name, values in scores.items()}
    one, other = (evaluate(truth, some, bootstrap=0) for some in (scores, negated))
    assert one.rows[1:] == other.rows[1:] != one.rows[:1]
    label = {name: np.full(len(v), float(v.any())) for name, v in truth.items()}
    prior = {
        name: np.array(
            [
                math.exp(-0.5 * ((i - (len(v) - 1) / 2) / (0.25 * len(v))) ** 2)
                for i in range(len(v))
            ]
        )
        for name, v in truth.items()
    }
    for row, made in zip(
        one.rows[1:],
        (label, prior, {name: label[name] * prior[name] for name in truth}),
        strict=True,
    ):
        assert row.pooled == pytest.approx(by_sklearn(flat(truth), flat(made)))
    assert one.rows[1].macro_auc == 0.5, "a constant score within each video localises nothing"


def test_centre_prior_is_a_gaussian_with_its_peak_in_the_middle() -> None:
    assert centre_prior(5)[2] == 1.0
    assert centre_prior(4) == pytest.approx(centre_prior(4)[::-1])
    assert centre_prior(101)[0] == pytest.approx(math.exp(-0.5 * (50 / 25.25) ** 2))


def test_undefined_figures_are_reported_as_undefined() -> None:
    """If no video has frames of both classes, nothing can be said about localisation."""
    truth = {"a": np.ones(4, np.uint8), "b": np.zeros(4, np.uint8)}
    report = evaluate(truth, {"a": np.ones(4), "b": np.zeros(4)}, bootstrap=0)
    assert (report.rows[0].pooled.auc, report.rows[0].abnormal_auc, report.rows[0].macro_auc) == (
        1.0,
        None,
        None,
    )
    assert (report.rows[0].intervals, report.mixed, report.rows[0].video_auc) == ({}, 0, 1.0)
    assert "| undefined | undefined | 1.0000 |" in report.to_markdown()


def test_raw_and_smoothed_scores_get_a_row_each() -> None:
    truth, scores = sample()
    raw = {name: values + RNG(1).normal(size=len(values)) for name, values in scores.items()}
    made = evaluate(truth, scores, raw=raw, bootstrap=20)
    assert [row.name for row in made.rows[:2]] == ["smoothed scores", "raw scores"]
    for row, values in zip(made.rows, (scores, raw), strict=False):
        assert row.pooled == pytest.approx(by_sklearn(flat(truth), flat(values)))
        assert row.intervals
    assert all(row.control and not row.intervals for row in made.rows[2:])


def test_video_auc_scores_a_video_by_its_highest_frame() -> None:
    truth, scores = sample(decimals=9)
    labels = [int(truth[name].any()) for name in truth]
    tops = [float(scores[name].max()) for name in truth]
    assert evaluate(truth, scores, bootstrap=0).rows[0].video_auc == pytest.approx(
        sk.roc_auc_score(labels, tops)
    )


def test_report_intervals_equal_a_plain_bootstrap_over_videos() -> None:
    """Checks the figures that do not pool the frames of all videos."""
    truth, scores = sample(3)
    names = sorted(truth)
    found = evaluate(truth, scores, bootstrap=60, seed=7).rows[0].intervals

    def plain(chosen: list[str], figure: Callable[[list[str]], float]) -> list[float]:
        draws = RNG(7).multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), 60)
        drawn = [
            [name for name, times in zip(chosen, draw, strict=True) for _ in range(times)]
            for draw in draws
        ]
        values = [figure(some) for some in drawn]
        return list(
            np.quantile([value for value in values if not math.isnan(value)], [0.025, 0.975])
        )

    abnormal = [name for name in names if truth[name].any()]
    mixed = [name for name in abnormal if not truth[name].all()]
    assert found["abnormal_auc"] == pytest.approx(
        plain(abnormal, lambda some: sk.roc_auc_score(flat(truth, some), flat(scores, some)))
    )
    assert found["macro_auc"] == pytest.approx(
        plain(
            mixed,
            lambda some: np.mean([sk.roc_auc_score(truth[name], scores[name]) for name in some]),
        )
    )

    def of_videos(some: list[str]) -> float:
        labels = [int(truth[name].any()) for name in some]
        return (
            sk.roc_auc_score(labels, [scores[name].max() for name in some])
            if len(set(labels)) == 2
            else math.nan
        )

    assert found["video_auc"] == pytest.approx(plain(names, of_videos))


# Events


def test_events_are_compared_in_seconds_at_each_videos_frame_rate() -> None:
    """The same frames are other seconds in a video of 2 frames per second than in one of 10."""
    truth = {
        "a": np.array([0, 0, 1, 1, 0, 0], np.uint8),
        "b": np.array([0, 1, 1, 0, 0, 0], np.uint8),
        "c": np.zeros(6, np.uint8),
    }
    scores = {name: labels * 0.5 + 0.1 for name, labels in truth.items()}
    slow, fast = np.arange(6) / 2, np.arange(6) / 10
    found = {
        "a": Detection(slow, 3.0, (Event(1.5, 2.5),)),  # true from 1 to 2 s: a third overlaps
        "b": Detection(fast, 0.6, (Event(0.1, 0.3),)),
        "c": Detection(slow, 3.0, (Event(0.5, 1.0),)),
    }
    made = evaluate(
        truth,
        scores,
        found=found,
        categories={"a": ("fire",), "b": ("fall",), "c": ("normal",)},
        bootstrap=50,
    )
    assert made.events is not None
    assert made.events.counts == {
        "true": 2,
        "detected": 2,
        "predicted": 3,
        "false_alarms": 1,
        "hours": pytest.approx(6.6 / 3600),
    }
    figures = made.events.figures
    assert [figures[f"f1@{at}"] for at in (0.1, 0.3, 0.5)] == pytest.approx([4 / 5, 4 / 5, 2 / 5])
    assert figures["delay_mean"] == pytest.approx(0.25)
    assert figures["false_alarms_per_hour"] == pytest.approx(3600 / 6.6)
    assert [(row.name, row.detected, row.events) for row in made.classes] == [
        ("fall", 1, 1),
        ("fire", 1, 1),
    ]
    text = made.to_markdown()
    assert "2 true, 2 of them overlapped by an alarm; 3 predicted, 1 of them false" in text
    json.dumps(made.to_json(), allow_nan=False)


def test_events_need_the_time_of_every_frame() -> None:
    truth, scores = sample()
    found = {name: Detection(np.arange(len(v)) / 5, len(v) / 5, ()) for name, v in truth.items()}
    made = evaluate(truth, scores, found=found, bootstrap=0)
    assert made.events is not None
    assert made.events.figures["precision@0.1"] is None
    assert "undefined" in made.to_markdown()
    with pytest.raises(LabelError, match="1 scored video without the time of every frame: v00"):
        evaluate(truth, scores, found=found | {"v00": Detection(np.arange(3.0), 3.0, ())})
    with pytest.raises(LabelError, match="without the time of every frame"):
        evaluate(truth, scores, found={})
    with pytest.raises(ValueError, match="do not increase"):
        Detection(np.array([0.0, 1.0, 1.0]), 2.0, ())


def test_thresholded_turns_runs_of_high_scores_into_events() -> None:
    made = thresholded(
        np.array([0.1, 0.5, 0.9, math.nan, 0.7]), np.array([0.0, 1.0, 3.0, 4.0, 5.0]), 0.5
    )
    assert [(event.start, event.end) for event in made.events] == [(1.0, 4.0), (5.0, 6.0)]
    with pytest.raises(LabelError, match="5 scores and 4 frame times"):
        thresholded(np.zeros(5), np.arange(4.0), 0.5)


# What cannot be evaluated


def test_allowed_missing_videos_are_counted_in_every_row() -> None:
    """The figures are those of the rest; a control keeps its shape over the whole video."""
    truth, scores = sample()
    part = {name: values.copy() for name, values in scores.items() if name not in ("v01", "v09")}
    part["v02"][:4] = math.nan
    with pytest.raises(
        LabelError, match=r"2 of 12 videos without scores: v01 \(corrupt\), v09.*4 frames in all"
    ):
        evaluate(truth, part, failed={"v01": "corrupt"})
    made = evaluate(truth, part, allow_missing=True, failed={"v01": "corrupt"}, bootstrap=20)
    assert (made.videos, made.missing, made.unscored) == (
        10,
        {"v01": "corrupt", "v09": "no scores"},
        4,
    )
    known = {name: ~np.isnan(values) for name, values in part.items()}
    labels = {name: truth[name][known[name]] for name in part}
    assert made.rows[0].pooled == pytest.approx(
        by_sklearn(flat(labels), flat({name: part[name][known[name]] for name in part}))
    )
    prior = {name: centre_prior(len(truth[name]))[known[name]] for name in part}
    assert made.rows[2].pooled == pytest.approx(by_sklearn(flat(labels), flat(prior)))
    lines = [line for line in made.to_markdown().splitlines() if line.startswith("|")][2:]
    assert all("(2 of 12 videos and 4 frames missing)" in line for line in lines)
    assert all((row["missing"], row["unscored"]) == (2, 4) for row in made.to_json()["rows"])
    assert "v01 (corrupt), v09 (no scores)" in made.to_markdown()


def test_infinite_scores_and_other_lengths_are_never_allowed() -> None:
    truth, scores = sample()
    endless = np.where(np.arange(len(scores["v00"])) == 3, math.inf, scores["v00"])
    for bad, words in ((scores["v00"][:-1], "another number of frames"), (endless, "not finite")):
        with pytest.raises(LabelError, match=words):
            evaluate(truth, scores | {"v00": bad}, allow_missing=True)
    with pytest.raises(LabelError, match="no scores for 12 videos"):
        evaluate(truth, {}, allow_missing=True)


def test_a_failed_video_without_truth_is_counted_as_missing() -> None:
    """If labels are in seconds, the truth of a video that cannot be read is unknown."""
    truth, scores = sample()
    with pytest.raises(LabelError, match=r"1 of 13 videos without scores: gone \(missing\)"):
        evaluate(truth, scores, failed={"gone": "missing"})
    made = evaluate(truth, scores, failed={"gone": "missing"}, allow_missing=True, bootstrap=0)
    assert (made.videos, made.missing) == (12, {"gone": "missing"})


def test_all_faults_are_named_and_counted_in_one_error() -> None:
    truth, scores = sample()
    for name in ("v00", "v01", "v02", "v03", "v04", "v05"):
        del scores[name]
    scores |= {
        "stray": np.zeros(3),
        "v06": scores["v06"][:-2],
        "v07": scores["v07"].copy(),
        "v08": scores["v08"] * 1,
    }
    scores["v07"][:3], scores["v08"][0] = math.nan, math.inf
    with pytest.raises(LabelError) as caught:
        evaluate(truth, scores)
    size = len(truth["v06"])
    for words in (
        "6 of 12 videos without scores: v00, v01, v02, v03, v04 and 1 more",
        "1 scored video not in the truth: stray",
        f"1 video with another number of frames: v06 ({size} in the truth, {size - 2} scored)",
        "2 videos with scores that are not finite, 4 frames in all: v07 (3), v08 (1)",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("label", [0, 1])
def test_truth_with_one_class_only_is_a_named_error(label: int) -> None:
    truth = {name: np.full(4, label, np.uint8) for name in "ab"}
    with pytest.raises(LabelError, match="both classes are needed"):
        evaluate(truth, {name: np.arange(4.0) for name in "ab"})


def test_other_input_that_cannot_be_evaluated_is_a_named_error() -> None:
    truth, scores = sample()
    with pytest.raises(LabelError, match="no video"):
        evaluate({}, {})
    with pytest.raises(
        LabelError, match=r"11 videos without a class: v01, v02, v03, v04, v05 and 6 more"
    ):
        evaluate(truth, scores, categories={"v00": ("fire",)})
    with pytest.raises(LabelError, match="at least two"):
        evaluate({"v00": truth["v00"]}, {"v00": scores["v00"]})
    with pytest.raises(UsageError):
        evaluate(truth, scores, bootstrap=-1)
    with pytest.raises(LabelError, match="another number of frames"):
        evaluate(truth, scores | {"v00": scores["v00"][:, None]})


# Score files


def to_json(path: Path, scores: Arrays) -> None:
    path.write_text(json.dumps({name: values.tolist() for name, values in scores.items()}))


def to_npz(path: Path, scores: Arrays) -> None:
    np.savez_compressed(path, **scores)


def to_csv(path: Path, scores: Arrays) -> None:
    """Write a row for each run of equal scores, the last run first."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "start_frame", "end_frame", "score"])
        for name, values in scores.items():
            edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
            for start, end in reversed(list(pairwise(edges))):
                writer.writerow([name, start, end, repr(float(values[start]))])


WRITERS: dict[str, Callable[[Path, Arrays], None]] = {"json": to_json, "npz": to_npz, "csv": to_csv}


@pytest.mark.parametrize("kind", WRITERS)
def test_read_scores_drops_the_suffix_from_names_and_keeps_the_folder(
    tmp_path: Path, kind: str
) -> None:
    scores = {
        "A.Film.2001__#00-25-20_label_A": RNG(0).normal(size=9),
        "Arson/Arson001_x264": np.repeat([0.25, 1e-9], 4),
    }
    path = tmp_path / f"scores.{kind}"
    WRITERS[kind](
        path,
        {
            "A.Film.2001__#00-25-20_label_A.mp4": scores["A.Film.2001__#00-25-20_label_A"],
            "Arson/Arson001_x264.MP4": scores["Arson/Arson001_x264"],
        },
    )
    found = read_scores(path)
    assert set(found) == set(scores)
    for name, values in scores.items():
        assert found[name].dtype == np.float64
        assert np.array_equal(found[name], values)


def test_the_same_scores_in_three_files_give_the_same_report(tmp_path: Path) -> None:
    truth, scores = sample()
    reports = []
    for kind, writer in WRITERS.items():
        writer(tmp_path / f"scores.{kind}", scores)
        reports.append(
            evaluate(truth, read_scores(tmp_path / f"scores.{kind}"), seed=3, bootstrap=20)
        )
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.json", b"", "the file is empty"),
        ("s.npz", b"", "the file is empty"),
        ("s.csv", b"", "the file is empty"),
        ("s.json", b"{}", "holds no scores"),
        ("s.csv", b"video,start_frame,end_frame,score\n", "holds no scores"),
        ("s.json", b"[[1, 2]]", "must be an object"),
        ("s.json", b'{"a": [1, 2', "JSON"),
        ("s.json", b"\xff\xfe\x00", "JSON"),
        ("s.json", b'{"a": [0.1, "0.2"]}', "a must be one number per frame"),
        ("s.json", b'{"a": [0.1, null]}', "a must be one number per frame"),
        ("s.json", b'{"a": [true, false]}', "a must be one number per frame"),
        ("s.json", b'{"a": 0.5}', "a must be one number per frame"),
        ("s.json", b'{"a": {"b": 1}}', "JSON"),
        ("s.json", b'{"a": [[1], [1, 2]]}', "JSON"),
        ("s.json", b'{"a": [0.1], "a": [0.2]}', "videos named more than once: a"),
        ("s.json", b'{"x/a": [0.1], "x/a.mp4": [0.2]}', "videos named more than once: x/a"),
        ("s.json", b"[" * 200_000, "JSON"),
        ("s.npz", pickle.dumps({"a": [0.1]}), "not an NPZ archive"),
        ("s.npz", b"PK\x03\x04 not a zip", "not an NPZ archive"),
        (
            "s.csv",
            b"video,start,end,score\na,0,2,0.5\n",
            "columns video,start_frame,end_frame,score",
        ),
        ("s.csv", b"video,start_frame,end_frame,score\na,0,2,high\n", "s.csv:2"),
        ("s.csv", b"video,start_frame,end_frame,score\na,0,2\n", "s.csv:2"),
        ("s.csv", b"video,start_frame,end_frame,score\na,2,2,0.5\n", "s.csv:2"),
        ("s.csv", b"video,start_frame,end_frame,score\na,-1,2,0.5\n", "s.csv:2"),
        (
            "s.csv",
            b"video,start_frame,end_frame,score\na,0,4,0.5\na,7,9,0.1\nb,2,3,0.5\n",
            "5 frames of 2 videos in no row: a (3), b (2)",
        ),
        (
            "s.csv",
            b"video,start_frame,end_frame,score\na,0,10,0.5\na,2,4,0.1\na,10,12,0.5\n",
            "2 frames of 1 video in more than one row: a (2)",
        ),
    ],
)
def test_an_invalid_score_file_is_a_named_error(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelError) as caught:
        read_scores(tmp_path / name)
    assert words in str(caught.value)
    assert name in str(caught.value)


class Trap:
    """Raise SystemExit when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('a pickle was loaded')",))


def test_object_arrays_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", a=np.array([Trap()], dtype=object))
    with pytest.raises(LabelError, match="Object arrays cannot be loaded"):
        read_scores(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3)), np.zeros(3, complex), np.array(["0.1"]), np.float64(0.5)]
)
def test_arrays_that_are_not_one_number_per_frame_are_refused(
    tmp_path: Path, array: np.ndarray
) -> None:
    np.savez(tmp_path / "s.npz", good=np.zeros(3), odd=array)
    with pytest.raises(LabelError, match="odd must be one number per frame"):
        read_scores(tmp_path / "s.npz")


def test_a_damaged_archive_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, a=RNG(0).normal(size=1000))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(LabelError, match=r"s\.npz"):
        read_scores(path)


def test_another_suffix_or_an_absent_file_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such score file"):
        read_scores(tmp_path / "scores.npy")
    (tmp_path / "scores.npy").touch()
    with pytest.raises(UsageError, match=r"give a \.json, \.npz or \.csv"):
        read_scores(tmp_path / "scores.npy")
    with pytest.raises(LabelError, match=r"absent\.json"):
        read_scores(tmp_path / "absent.json")


def test_nan_and_infinity_in_a_score_file_are_found_by_evaluate(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"a": [NaN, 1.0], "b": [1e999, 0.0]}')
    with pytest.raises(
        LabelError, match=r"2 videos .* not finite, 2 frames in all: a \(1\), b \(1\)"
    ):
        evaluate(
            {name: np.array([0, 1], np.uint8) for name in "ab"}, read_scores(tmp_path / "s.json")
        )


@pytest.mark.parametrize("kind", ["json", "npz", "csv"])
def test_written_scores_are_read_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    scores = {
        "A.Film__#1_label_A": RNG(0).normal(size=50).round(1),
        "c": RNG(1).random(7),
        "d": np.array([1 / 3]),
        "b": np.array([math.nan, math.nan, 0.0, -0.0, 1e-300]),
    }
    path = tmp_path / f"scores.{kind}"
    write_scores(path, scores)
    found = read_scores(path)
    assert {name: values.tobytes() for name, values in found.items()} == {
        name: values.tobytes() for name, values in scores.items()
    }
    first = path.read_bytes()
    write_scores(path, dict(reversed(scores.items())))
    assert path.read_bytes() == first


def test_a_name_that_would_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"1 names hold a suffix .*: x/a\.mp4"):
        write_scores(tmp_path / "s.csv", {"x/a.mp4": np.zeros(2), "b": np.zeros(2)})
    with pytest.raises(UsageError, match=r"\.json, \.npz or \.csv"):
        write_scores(tmp_path / "s.txt", {"a": np.zeros(2)})


# The report


def test_every_figure_comes_with_its_definition() -> None:
    truth, scores = sample()
    found = {name: Detection(np.arange(len(v)) / 5, len(v) / 5, ()) for name, v in truth.items()}
    made = evaluate(truth, scores, found=found, bootstrap=5)
    assert set(made.rows[0].figures()) == set(DEFINITIONS)
    text = made.to_markdown()
    titles = (
        next(line for line in text.splitlines() if line.startswith("| score"))
        .strip("| ")
        .split(" | ")
    )
    assert all(f"- **{title}**:" in text for title in titles[1:])
    assert {"f1", "delay", "false_alarms", "interval"} <= set(made.to_json()["definitions"])


def test_draw_summary_is_the_mean_and_standard_deviation_of_the_draws() -> None:
    truth, _ = sample()
    reports = tuple(
        evaluate(
            truth,
            sample(seed)[1]
            if seed < 1
            else {
                name: values + RNG(seed).normal(size=len(values))
                for name, values in sample()[1].items()
            },
            bootstrap=0,
        )
        for seed in range(4)
    )
    made = DrawSummary(reports, tuple({"seed": seed, "videos": ["a"]} for seed in range(4)))
    every = [report.rows[0].pooled.auc for report in reports]
    found = made.figures()["scores"]["auc"]
    assert found == {
        "mean": pytest.approx(np.mean(every)),
        "std": pytest.approx(np.std(every, ddof=1)),
        "n": 4,
    }
    assert f"{np.mean(every):.4f} ± {np.std(every, ddof=1):.4f}" in made.to_markdown()
    control = f"| centre prior | {reports[0].rows[2].pooled.auc:.4f} |"
    assert control in made.to_markdown(), "a control needs no training, so it has no spread"
    assert [
        draw["seed"] for draw in json.loads(json.dumps(made.to_json(), allow_nan=False))["draws"]
    ] == [0, 1, 2, 3]


def report(**options: object) -> Report:
    truth, scores = sample()
    return evaluate(truth, scores, bootstrap=20, **options)  # type: ignore[arg-type]


def test_the_same_input_and_seed_give_the_same_report() -> None:
    assert report(seed=1) == report(seed=1)
    assert report(seed=1).rows[0].intervals != report(seed=2).rows[0].intervals


def test_digests_depend_only_on_names_and_values() -> None:
    truth, scores = sample()
    first = evaluate(truth, scores, bootstrap=0).provenance
    turned = evaluate(
        dict(reversed(truth.items())), dict(reversed(scores.items())), bootstrap=0
    ).provenance
    assert turned == first
    scores["v00"] = scores["v00"] + np.eye(1, len(scores["v00"]))[0] * 1e-12
    other = evaluate(truth, scores, bootstrap=0).provenance
    assert (other["truth"], other["scores"] == first["scores"]) == (first["truth"], False)


def test_the_report_as_json_holds_every_figure() -> None:
    made = report(
        categories={f"v{i:02d}": ("fire",) if i < 8 else ("normal",) for i in range(12)},
        about={"data set": "made up"},
    )
    found = json.loads(json.dumps(made.to_json(), allow_nan=False))
    first = found["rows"][0]
    assert [first[key] for key in ("auc", "ap_step", "ap_trapezoid", "recall_at_fpr")] == list(
        made.rows[0].pooled
    )
    assert first["macro_auc"] == made.rows[0].macro_auc
    assert set(first["intervals"]) == {
        "auc",
        "ap_step",
        "ap_trapezoid",
        "recall_at_fpr",
        "abnormal_auc",
        "macro_auc",
        "video_auc",
    }
    assert all(low <= first[key] <= high for key, (low, high) in first["intervals"].items())
    assert [row["name"] for row in found["rows"]] == [
        "scores",
        "perfect video label",
        "centre prior",
        "perfect video label x centre prior",
    ]
    assert found["classes"][0]["videos"] == 8
    assert found["provenance"]["data set"] == "made up"
    assert {"truth", "scores", "seed", "bootstrap", "versions"} <= set(found["provenance"])


def test_the_report_as_markdown_shows_the_same_figures() -> None:
    made = report(categories={f"v{i:02d}": ("a|b",) if i < 8 else ("normal",) for i in range(12)})
    text = made.to_markdown()
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line[:1] == "|"
    ]
    assert {len(row) for row in cells[:6]} == {8}
    auc, (low, high) = made.rows[0].pooled.auc, made.rows[0].intervals["auc"]
    assert cells[2][1] == f"{auc:.4f} [{low:.4f}, {high:.4f}]"
    assert cells[3][0] == "perfect video label"
    assert "a\\|b" in text
    assert made.provenance["truth"] in text


# The public annotations

TRIVIAL = {
    "ucf_crime": {
        "label.csv": (0.8157, 0.1819, 0.5909),
        "prior.npz": (0.6188, 0.1000, 0.1001),
        "product.npz": (0.8652, 0.2402, 0.2403),
    },
    "xd_violence": {
        "label.csv": (0.8489, 0.4977, 0.7489),
        "prior.npz": (0.5459, 0.2508, 0.2509),
        "product.npz": (0.8702, 0.5416, 0.5417),
    },
}


@pytest.mark.parametrize("name", TRIVIAL)
def test_controls_have_their_known_figures_on_the_benchmarks(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    """The same figures come from score files and from the controls of the report."""
    truth = datasets.truth(name, shared_data / "annotations" / name)
    label = {f"{video}.mp4": np.full(len(v), float(v.any())) for video, v in truth.items()}
    i = {f"{video}.mp4": np.arange(len(v)) for video, v in truth.items()}
    prior = {
        video: np.exp(-0.5 * ((k - (len(k) - 1) / 2) / (0.25 * len(k))) ** 2)
        for video, k in i.items()
    }
    to_csv(tmp_path / "label.csv", label)
    np.savez(tmp_path / "prior.npz", **prior)
    np.savez(tmp_path / "product.npz", **{video: label[video] * prior[video] for video in label})
    for control, (file, expected) in enumerate(TRIVIAL[name].items(), 1):
        made = evaluate(truth, read_scores(tmp_path / file), bootstrap=0)
        assert tuple(round(value, 4) for value in made.rows[0].pooled[:3]) == expected
        assert made.rows[control].pooled == made.rows[0].pooled


def test_the_report_has_a_row_for_every_class_of_a_benchmark(shared_data: Path) -> None:
    """Classes with few videos are included."""
    root = shared_data / "annotations" / "ucf_crime"
    truth = datasets.truth("ucf_crime", root)
    made = evaluate(
        truth,
        {name: centre_prior(len(labels)) for name, labels in truth.items()},
        categories=datasets.categories("ucf_crime", root),
        bootstrap=0,
    )
    assert {row.name: row.videos for row in made.classes}["Abuse"] == 2
    assert sum(row.videos for row in made.classes) == made.abnormal == 140
