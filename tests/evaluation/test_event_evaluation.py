"""Events in a report: demoted ones apart, other thresholds, results of `detect`, comparisons."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from tests.support.numbered_videos import steady, write

from hiprobe import cli, plot, store
from hiprobe.errors import LabelError, UsageError
from hiprobe.evaluation import (
    Detection,
    DrawSummary,
    ScoredVideos,
    Sweepable,
    compare,
    evaluate,
    finder_of_frames,
    finder_of_segments,
    sweep,
    thresholded,
    write_scores,
)
from hiprobe.evaluation.event_finder import POINTS, sweep_thresholds
from hiprobe.localize import Localization
from hiprobe.metrics import Watched, froc_by_score
from hiprobe.store.results import result_folder, save_result
from hiprobe.types import Event, Result, Scores

RNG = np.random.default_rng
FRAMES, FPS = 100, 10
NAMES = [f"v{n:02d}" for n in range(10)]
Spans = list[tuple[float, float]]


def sample(seed: int = 0, gain: float = 1.0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Labels and scores of ten videos of 10 s; an event from 3 to 6 s in every second one."""
    rng = RNG(seed)
    truth = {name: np.zeros(FRAMES, np.uint8) for name in NAMES}
    for name in NAMES[::2]:
        truth[name][30:60] = 1
    noise = {name: np.repeat(rng.normal(size=10), 10) for name in NAMES}
    return truth, {name: gain * truth[name] + noise[name] for name in NAMES}


def runs(values: Sequence[float], threshold: float, step: float) -> Spans:
    """Runs of values at or above the threshold, in seconds, by a plain loop."""
    found: Spans = []
    for i, value in enumerate(values):
        if value >= threshold and i and values[i - 1] >= threshold:
            found[-1] = (found[-1][0], (i + 1) * step)
        elif value >= threshold:
            found.append((i * step, (i + 1) * step))
    return found


def spans(events: Sequence[Event]) -> Spans:
    return [(pytest.approx(one.start), pytest.approx(one.end)) for one in events]  # type: ignore[misc]


# Demoted events


def with_severities() -> tuple[dict[str, Any], dict[str, Any], dict[str, Detection]]:
    """In each video an alarm at 8 s; in the true event a demoted one, and a hit in two of five."""
    truth, scores = sample()
    times = np.arange(FRAMES) / FPS
    found = {}
    for n, name in enumerate(NAMES):
        events = [Event(8, 9, score=0.9)]
        if n % 2 == 0:
            events.append(Event(3.5, 6, score=0.8, severity="medium" if n < 4 else "low"))
        found[name] = Detection(times, 10.0, tuple(events))
    return truth, scores, found


def test_demoted_events_are_reported_apart() -> None:
    """Ten false alarms, two hits, and with the three demoted events five hits."""
    truth, scores, found = with_severities()
    kinds = {name: ("fire",) if n % 2 == 0 else ("normal",) for n, name in enumerate(NAMES)}
    made = evaluate(truth, scores, found=found, categories=kinds, bootstrap=20)
    assert made.events is not None
    assert made.with_demoted is not None
    alarms, every = made.events, made.with_demoted
    assert (alarms.counts["predicted"], every.counts["predicted"]) == (12, 15)
    assert (alarms.figures["recall@0.5"], every.figures["recall@0.5"]) == (0.4, 1.0)
    assert alarms.figures["f1@0.3"] == pytest.approx(2 * 2 / (12 + 5))
    assert every.figures["f1@0.3"] == pytest.approx(2 * 5 / (15 + 5))
    assert alarms.figures["false_alarms_per_day"] == pytest.approx(24 * 10 / (100 / 3600))
    assert alarms.figures["start_error_median"] == 0.5
    assert alarms.figures["boundary_error_median"] == 0.25
    assert set(alarms.intervals) == set(every.intervals) == set(alarms.figures)
    assert made.classes[0].detected == 2, "a demoted event finds nothing"
    text = made.to_markdown()
    assert "| events | alarms only | with demoted events |" in text
    assert "12 predicted, 10 of them false, in 0.03 hours. 3 more were demoted, 0 of" in text
    assert "| start error, median (s) | 0.50 [0.50, 0.50] | 0.50 [0.50, 0.50] |" in text
    assert all(f"- **{name}**" in text for name in ("boundary error", "demoted", "froc"))
    json.dumps(made.to_json(), allow_nan=False)


def test_without_demoted_events_there_is_one_block() -> None:
    truth, scores = sample()
    times = np.arange(FRAMES) / FPS
    found = {name: thresholded(scores[name], times, 1.0) for name in NAMES}
    made = evaluate(truth, scores, found=found, bootstrap=0)
    assert made.with_demoted is None
    assert made.to_json()["with_demoted"] is None
    assert "No event was demoted." in made.to_markdown()
    assert [row.name for row in made.froc] == [
        "events found again at each threshold, without verification"
    ]


def test_alarms_without_known_scores_of_segments_are_cut_by_their_own() -> None:
    """The false alarms score highest: five an hour of video come before the first hit."""
    truth, scores, found = with_severities()
    made = evaluate(truth, scores, found=found, bootstrap=20)
    (row,) = made.froc
    assert row.name == "alarms as they are, by their scores"
    assert (row.thresholds, row.recall) == ((0.9, 0.8), (0.0, 0.4))
    assert row.false_per_hour == pytest.approx((360.0, 360.0))
    assert row.recalls == {"0.5": 0.0, "1": 0.0, "2": 0.0, "4": 0.0, "8": 0.0}
    assert set(row.intervals) == set(row.recalls)
    plain = {name: replace(one, events=(Event(8, 9),)) for name, one in found.items()}
    assert evaluate(truth, scores, found=plain, bootstrap=0).froc == ()


def test_draws_summarise_the_same_blocks() -> None:
    """A draw in which nothing was demoted has equal figures in both blocks."""
    truth, scores, found = with_severities()
    other = {
        name: replace(one, events=tuple(replace(e, severity="medium") for e in one.events))
        for name, one in found.items()
    }
    reports = tuple(evaluate(truth, scores, found=one, bootstrap=0) for one in (found, other))
    made = DrawSummary(reports, ({"seed": 0}, {"seed": 1}))
    assert made.figures()["events"]["recall@0.5"]["mean"] == pytest.approx(0.7)
    assert made.figures()["with_demoted"]["recall@0.5"]["mean"] == pytest.approx(1.0)
    assert "| froc: alarms as they are, by their scores |" in made.to_markdown()


# Other thresholds


@pytest.mark.parametrize("kind", ["frames", "segments"])
def test_a_sweep_finds_the_events_of_plain_loops_at_each_threshold(kind: str) -> None:
    rng, some, values = RNG(3), [], []
    for n in range(6):
        raw = np.round(rng.normal(size=30), 1)
        starts = np.arange(30) * 1.6
        one = Scores(starts, starts + 1.6, raw, raw, np.full(30, 9.0))
        settings = Localization(sigma=0.0, rule="adaptive", merge_s=0.0, min_s=0.0, extend=1.0)
        finder = (
            finder_of_segments(one, settings, 48.0)
            if kind == "segments"
            else finder_of_frames(raw, starts, 48.0)
        )
        some.append(Sweepable([Event(8.0, 16.0)] if n % 2 else [], finder, 1800.0))
        values.append(raw)
    made = sweep(some, most_rate=8.0)
    assert (np.diff(made.thresholds) < 0).all()
    assert made.thresholds[0] == max(map(max, values))
    for threshold, hits, false in zip(made.thresholds, made.hits, made.false, strict=True):
        for n, raw in enumerate(values):
            found = runs(raw, float(threshold), 1.6)
            assert spans(some[n].finder.at(float(threshold))) == found
            meet = [(a, b) for a, b in found if n % 2 and a < 16 - 1e-9 and b > 8 + 1e-9]
            near = [(min(b, 16) - max(a, 8)) / (max(b, 16) - min(a, 8)) >= 0.1 for a, b in meet]
            assert (hits[n], false[n]) == (any(near), len(found) - len(meet))
    rates = made.false_per_hour
    assert (rates[:-1] <= 8.0).all(), "the sweep ends at the first threshold beyond the rate"
    assert rates[-1] > 8.0


def test_the_thresholds_of_long_footage_are_few_and_dense_at_the_top() -> None:
    rng = RNG(0)
    finders = [finder_of_frames(rng.random(500), np.arange(500.0), 500.0) for _ in range(20)]
    peaks = np.sort(np.concatenate([finder.peaks() for finder in finders]))[::-1]
    chosen = sweep_thresholds(finders)
    assert len(peaks) > 3000
    assert len(chosen) <= POINTS
    assert chosen[:20] == peaks[:20].tolist()
    assert chosen[-1] == peaks[-1]


def test_frames_without_a_score_raise_no_alarm() -> None:
    finder = finder_of_frames(np.array([math.nan, 0.5, math.nan]), np.arange(3.0), 3.0)
    assert finder.peaks().tolist() == [0.5]
    assert spans(finder.at(0.5)) == [(1.0, 2.0)]
    assert finder.at(0.6) == ()


def test_the_curve_is_drawn_where_recall_at_a_rate_has_it(tmp_path: Path) -> None:
    watched = [
        Watched([Event(0, 4)], [Event(0, 4, score=s), Event(8, 9, score=1 - s)], 1800.0)
        for s in (0.9, 0.6, 0.4)
    ]
    made = froc_by_score(watched)
    figure = plot.false_alarm_curve({"ours": (made.false_per_hour.tolist(), made.recall.tolist())})
    line = figure.axes[0].lines[0]
    rates, recalls = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    for rate in (0.0, 0.4, 0.7, 1.4, 5.0):
        shown = recalls[np.searchsorted(rates, rate, "right") - 1]
        assert shown == made.recall_at(rate)
    assert line.get_label() == f"ours: {made.recall_at(1.0):.2f} at 1 per hour"


# Comparisons


def scored(seed: int, gain: float, cut: float = 1.0) -> ScoredVideos:
    truth, scores = sample(seed, gain)
    times = np.arange(FRAMES) / FPS
    found = {name: thresholded(scores[name], times, cut) for name in NAMES}
    groups = {name: f"camera {n // 2}" for n, name in enumerate(NAMES) if n < 6}
    return ScoredVideos(truth, scores, None, found, groups=groups)


def test_differences_are_those_of_a_plain_paired_bootstrap() -> None:
    """Whole groups are drawn, and the same ones for both."""
    a, b = scored(0, 3.0), scored(1, 0.5)
    made = compare(a, b, seed=5, bootstrap=100)
    keys = [a.groups.get(name, f"z {name}") for name in NAMES]  # type: ignore[union-attr]
    order = sorted(set(keys))
    draws = RNG(5).multinomial(len(order), np.full(len(order), 1 / len(order)), 100)

    def auc(one: ScoredVideos, names: list[str]) -> float:
        labels, values = (np.concatenate([of[n] for n in names]) for of in (one.truth, one.scores))
        return float(sk.roc_auc_score(labels, values)) if len(set(labels)) == 2 else math.nan

    def false_per_hour(one: ScoredVideos, names: list[str]) -> float:
        false = 0
        for name in names:
            event = name in NAMES[::2]
            false += sum(
                not (event and start < 6 - 1e-9 and end > 3 + 1e-9)
                for start, end in runs(one.scores[name], 1.0, 1 / FPS)
            )
        return false / (len(names) * 10 / 3600)

    for name, figure in (("auc", auc), ("false_alarms_per_hour", false_per_hour)):
        differences = []
        for draw in draws:
            names = [
                n for key, times in zip(order, draw, strict=True) for _ in range(times)
                for n, own in zip(NAMES, keys, strict=True) if own == key
            ]  # fmt: skip
            differences.append(figure(a, names) - figure(b, names))
        found = made.figures[name]
        assert found.a == pytest.approx(figure(a, NAMES))
        assert found.b == pytest.approx(figure(b, NAMES))
        ends = np.nanquantile(differences, [0.025, 0.975])
        assert found.interval == pytest.approx(tuple(ends))


def test_the_better_scores_are_named_whatever_their_place() -> None:
    good, bad = scored(0, 4.0, 2.5), scored(0, 0.0, 0.5)
    one, other = compare(good, bad), compare(bad, good)
    assert one.figures["auc"].outcome == "A is better"
    assert other.figures["auc"].outcome == "B is better"
    assert one.figures["false_alarms_per_hour"].outcome == "A is better", "fewer are better"
    assert other.figures["false_alarms_per_hour"].outcome == "B is better"
    assert other.figures["auc"].difference == pytest.approx(-(one.figures["auc"].difference or 0))
    same = compare(good, good)
    assert {figure.outcome for figure in same.figures.values()} == {"undecided"}
    assert "| ROC-AUC | " in same.to_markdown()
    assert same.provenance["recall"].startswith("events found again")
    json.dumps(one.to_json(), allow_nan=False)


def test_recall_is_found_in_the_same_way_for_both() -> None:
    """Of verified events only the alarms themselves can be cut; a file's events have no scores."""
    verified = ScoredVideos(*with_severities())
    a = ScoredVideos(verified.truth, verified.scores, found=with_severities()[2])
    made = compare(a, a)
    assert made.provenance["recall"] == "alarms as they are, by their scores"
    assert made.figures["recall_at_1"].a == 0.0
    assert "recall_at_1" not in compare(a, scored(0, 1.0)).figures
    without = compare(replace(a, found=None), scored(0, 1.0))
    assert set(without.figures) == {"auc", "ap_step", "recall_at_fpr"}


def test_frames_that_one_of_both_did_not_score_do_not_count() -> None:
    a, b = scored(0, 1.0), scored(1, 1.0)
    a.scores["v00"][:40] = math.nan  # type: ignore[index]
    made = compare(a, b, allow_missing=True)
    labels = np.concatenate([b.truth[n][40 if n == "v00" else 0 :] for n in NAMES])
    values = np.concatenate([b.scores[n][40 if n == "v00" else 0 :] for n in NAMES])
    assert made.figures["auc"].b == pytest.approx(sk.roc_auc_score(labels, values))


def test_other_videos_or_another_truth_cannot_be_compared() -> None:
    a, b = scored(0, 1.0), scored(1, 1.0)
    lacking = replace(b, scores={n: v for n, v in b.scores.items() if n not in ("v01", "v02")})
    with pytest.raises(LabelError, match=r"same videos, got 2 videos only in one\.csv: v01, v02"):
        compare(a, lacking, ("one.csv", "other.csv"), allow_missing=True)
    with pytest.raises(LabelError, match="2 of 10 videos without scores"):
        compare(a, lacking)
    turned = replace(b, truth=dict(b.truth, v01=1 - b.truth["v01"]))
    with pytest.raises(LabelError, match="on the same truth"):
        compare(a, turned)
    with pytest.raises(UsageError, match="needs bootstrap draws, got 0"):
        compare(a, b, bootstrap=0)


# The command line


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    def call(*args: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return (int(caught.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Four videos of about 4 s at 10 frames a second; an event from 1 to 3 s in two of them."""
    rows, folder = ["path,label,start,end"], tmp_path / "videos"
    folder.mkdir()
    for n, label in enumerate(("fight,1,3", "normal,,", "fight,1,3", "normal,,")):
        write(folder / f"{n}.mp4", steady(40 + n, 10), rate=10)
        rows.append(f"{n}.mp4,{label}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def results(out: Path, extra: str = "", **provenance: Any) -> Path:
    """Results of `detect`: an alarm in video 0, a demoted event in 2, a false alarm in 1."""
    starts = np.arange(5.0)
    events = {
        0: [Event(1, 3, peak=1.5, score=0.9)],
        1: [Event(3, 4, peak=3.5, score=0.7)],
        2: [Event(2, 3, peak=2.5, score=0.8, severity="low")],
        3: [],
    }
    settings = {"localization": Localization(0.0, "fixed", 0.6, merge_s=0.0, min_s=0.0).to_json()}
    for n, found in events.items():
        raw = np.full(5, 0.1)
        for event in found:
            raw[int(event.start) : int(event.end)] = event.score
        scores = Scores(starts, starts + 1, raw, raw, np.full(5, 0.6))
        made = Result(
            f"{n}.mp4", f"{n:064d}", "done", 4 + n / 10, scores, tuple(found), provenance=provenance
        )
        save_result(result_folder(out, made), made, settings)
        store.note(out, [made])
    if extra:
        store.note(out, [Result(extra, "", "failed", reason="EmptyVideo: the file is empty")])
    return out


def test_the_results_of_detect_are_evaluated_with_their_own_events(
    footage: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    out = results(tmp_path / "out", "other.mp4")
    asked = ("evaluate", "--dataset", "folder", "--root", footage, "--scores", out)
    code, text, _ = run(*asked, "--json", "--bootstrap", 20, "-o", tmp_path / "report")
    made = json.loads(text)
    assert code == 0
    assert (made["events"]["counts"]["predicted"], made["events"]["counts"]["detected"]) == (2, 1)
    assert made["with_demoted"]["counts"]["detected"] == 2
    assert made["events"]["figures"]["recall@0.5"] == 0.5
    assert made["with_demoted"]["figures"]["recall@0.5"] == 1.0
    assert [row["name"] for row in made["rows"][:2]] == ["smoothed scores", "raw scores"]
    again, alarms = made["froc"]
    assert (again["recall"][:2], again["thresholds"][:2]) == ([0.5, 1.0], [0.9, 0.8])
    assert (alarms["recall"], alarms["thresholds"]) == ([0.5, 0.5], [0.9, 0.7])
    assert again["recalls"]["1"] == 1.0, "in the scores, both events come before the false alarm"
    assert (tmp_path / "report" / "froc.png").stat().st_size > 5000
    code, _, err = run(*asked, "--threshold", "0.5")
    assert code == 2
    assert "the results have their own events, got a threshold of 0.5" in err


def test_results_that_cannot_be_evaluated_are_a_named_error(
    footage: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    asked = ("evaluate", "--dataset", "folder", "--root", footage, "--scores")
    fitted = results(tmp_path / "fitted", fitted_on_this_video=True)
    code, _, err = run(*asked, fitted)
    assert code == 3
    assert "4 test videos with the content of videos that the probe was fitted on" in err
    (tmp_path / "empty").mkdir()
    code, _, err = run(*asked, tmp_path / "empty")
    assert code == 3
    assert "there are no results in this folder" in err
    (tmp_path / "bad.json").write_text("[]")
    for bad in (tmp_path / "bad.json", tmp_path / "empty"):
        code, _, err = run(
            "evaluate", "--dataset", "folder", "--root", tmp_path / "gone", *asked[-1:], bad
        )
        assert code == 3
        assert f"{bad}: " in err, "it is read before any video is looked for"
    write(footage / "4.mp4", steady(44, 10), rate=10)
    with (footage / "labels.csv").open("a") as file:
        file.write("4.mp4,normal,,\n")
    code, _, err = run(*asked, results(tmp_path / "out", "4.mp4"))
    assert code == 3
    assert "1 of 5 videos without scores: 4 (EmptyVideo: the file is empty)" in err


def test_two_sets_of_scores_are_compared_on_the_command_line(
    footage: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    out, file = results(tmp_path / "out"), tmp_path / "b.json"
    flat = {str(n): np.where(np.arange(40 + n) // 10 == 3, 0.9, 0.2) for n in range(4)}
    write_scores(file, flat)
    asked = (
        "evaluate",
        "--dataset",
        "folder",
        "--root",
        footage,
        "--scores",
        out,
        "--against",
        file,
    )
    code, text, _ = run(*asked, "--against-threshold", "0.5", "--json", "-o", tmp_path / "c.md")
    made = json.loads(text)
    assert code == 0
    assert (made["A"], made["B"], made["videos"]) == (str(out), str(file), 4)
    assert made["figures"]["auc"]["A"] > made["figures"]["auc"]["B"]
    assert made["figures"]["false_alarms_per_hour"]["A"] == pytest.approx(3600 / 16.6)
    assert made["figures"]["false_alarms_per_hour"]["B"] == pytest.approx(4 * 3600 / 16.6)
    assert "| figure | A | B | difference A - B | outcome |" in (tmp_path / "c.md").read_text()
    _, text, _ = run(*asked, "--json")
    assert set(json.loads(text)["figures"]) == {"auc", "ap_step", "recall_at_fpr"}
    write_scores(file, {name: values for name, values in flat.items() if name != "3"})
    code, _, err = run(*asked, "--allow-missing")
    assert code == 3
    assert f"the same videos, got 1 video only in {out}: 3" in err
    for wrong in (("--against", file), ("--scores", file, "--against-threshold", "1")):
        code, _, err = run("evaluate", "--dataset", "folder", "--root", footage, *wrong)
        assert (code, "UsageError" in err) == (2, True)
