"""The intervals of a report draw whole groups where the labels name them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support.numbered_videos import steady, write

from hiprobe import cli
from hiprobe.errors import LabelError
from hiprobe.evaluation import Detection, Report, evaluate, write_scores
from hiprobe.metrics import frame_auc, roc_auc
from hiprobe.types import Event

FRAMES, DRAWS, SEED = 40, 200, 3
NAMES = [f"v{n:02d}" for n in range(12)]
GROUPS = {name: f"camera {n % 4}" for n, name in enumerate(NAMES) if n < 10}  # two have none


def sample() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Videos whose frames are alike within a camera."""
    rng = np.random.default_rng(0)
    truth = {name: np.zeros(FRAMES, np.uint8) for name in NAMES}
    for n, name in enumerate(NAMES):
        truth[name][5 : 15 + n] = n % 3 > 0
    level = rng.normal(size=5)
    return truth, {
        name: truth[name] + level[min(n % 4, 4)] + rng.normal(size=FRAMES)
        for n, name in enumerate(NAMES)
    }


def drawn() -> list[list[str]]:
    """The videos of each draw: whole groups, a video without one on its own."""
    own = [GROUPS.get(name, f"z {name}") for name in NAMES]  # in the order of the report's keys
    keys = sorted(set(own))
    number = len(keys)
    draws = np.random.default_rng(SEED).multinomial(number, np.full(number, 1 / number), DRAWS)
    return [
        [name for key, times in zip(keys, draw, strict=True) for _ in range(times)
         for name, mine in zip(NAMES, own, strict=True) if mine == key]
        for draw in draws
    ]  # fmt: skip


def test_every_interval_is_that_of_a_plain_bootstrap_over_groups() -> None:
    truth, scores = sample()
    times = np.arange(FRAMES) / 10
    found = {name: Detection(times, 4.0, (Event(0.4, 1.2),)) for name in NAMES}
    report = evaluate(truth, scores, found=found, groups=GROUPS, seed=SEED, bootstrap=DRAWS)
    assert isinstance(report, Report)
    assert report.provenance["groups"] == 4
    assert "200 bootstrap draws of whole groups of videos" in report.to_markdown()
    pairs = {name: (truth[name], scores[name]) for name in NAMES}
    ends = [0.025, 0.975]
    plain = [frame_auc([pairs[name] for name in names]) for names in drawn()]
    row = report.rows[0]
    assert row.intervals["auc"] == pytest.approx(tuple(np.quantile(plain, ends)))
    assert report.events is not None
    hours = 4.0 / 3600
    false = {name: float(not truth[name].any()) for name in NAMES}  # the event is in all others
    rates = [sum(false[n] for n in names) / (len(names) * hours) for names in drawn()]
    assert report.events.intervals["false_alarms_per_hour"] == pytest.approx(
        tuple(np.quantile(rates, ends))
    )
    plainly = evaluate(truth, scores, seed=SEED, bootstrap=DRAWS).rows[0].intervals
    assert set(plainly) == set(row.intervals)
    assert plainly["auc"] != row.intervals["auc"]


def test_one_video_a_group_gives_the_intervals_without_groups() -> None:
    truth, scores = sample()
    own = evaluate(truth, scores, groups={n: n for n in NAMES}, seed=SEED, bootstrap=DRAWS)
    none = evaluate(truth, scores, seed=SEED, bootstrap=DRAWS)
    for name, ends in none.rows[0].intervals.items():
        assert own.rows[0].intervals[name] == pytest.approx(ends), name
    macro = [roc_auc(truth[n], scores[n]) for n in NAMES if 0 < truth[n].mean() < 1]
    assert none.rows[0].macro_auc == pytest.approx(np.mean(macro))


def test_a_single_group_has_no_interval() -> None:
    truth, scores = sample()
    with pytest.raises(LabelError, match="at least two videos or groups, got 1"):
        evaluate(truth, scores, groups=dict.fromkeys(NAMES, "yard"), bootstrap=DRAWS)


def test_the_groups_of_your_own_labels_reach_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, scores = ["path,label,start,end,group"], {}
    for n, label in enumerate(("fight,1,2", "normal,,", "fight,1,2", "normal,,")):
        write(tmp_path / f"{n}.mp4", steady(30 + n, 10), rate=10)
        rows.append(f"{n}.mp4,{label},camera {n // 2}")
        scores[str(n)] = np.linspace(0, 1, 30 + n)
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    write_scores(tmp_path / "scores.npz", scores)
    given = ["--dataset", "folder", "--root", tmp_path, "--scores", tmp_path / "scores.npz"]
    monkeypatch.setattr(sys, "argv", ["hiprobe", "evaluate", *map(str, given), "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert json.loads(capsys.readouterr().out)["provenance"]["groups"] == 2
