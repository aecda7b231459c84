"""A result as tables: for a notebook, and as data frames."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np
import pytest

from hiprobe import Event, Gap, Probe, Result, Scores, embedded
from hiprobe.errors import UsageError
from hiprobe.formats.csv import scores_csv
from hiprobe.types import Verification

STARTS = np.array([0.0, 1.6, 4.8])
VALUES = np.array([0.1, 0.9, 0.2])
SCORES = Scores(
    STARTS, STARTS + 1.6, VALUES, VALUES / 2, np.full(3, 0.4), (Gap(3.2, 4.8, "no frame"),)
)
EVENTS = (
    Event(
        1.6,
        3.2,
        2.4,
        0.9,
        explanation="a <b>fight</b>",
        verification=Verification("confirmed", 2.0),
    ),
    Event(4.8, 6.4, 5.6, 0.5, severity="low", verification=Verification("rejected", -1.0)),
)
RESULT = Result("a & b.mp4", "0" * 64, "partial", 6.4, SCORES, EVENTS, "spans lost")


def test_scores_are_a_data_frame_with_the_columns_of_the_csv() -> None:
    frame = SCORES.to_pandas()
    rows = list(csv.DictReader(io.StringIO(scores_csv(RESULT))))
    assert list(frame.columns) == list(rows[0])
    assert frame["start"].tolist() == [0.0, 1.6, 3.2, 4.8]
    assert frame["status"].tolist() == [row["status"] for row in rows]
    assert frame["raw"].isna().tolist() == [False, False, True, False]
    assert frame["smoothed"].dropna().tolist() == [0.05, 0.45, 0.1]


def test_events_are_a_data_frame_with_demoted_ones() -> None:
    frame = RESULT.to_pandas()
    assert frame["video"].tolist() == ["a & b.mp4"] * 2
    assert (frame["end"] - frame["start"]).tolist() == pytest.approx([1.6, 1.6])
    assert frame["check"].tolist() == ["confirmed", "rejected"]
    assert frame["log_odds"].tolist() == [2.0, -1.0]
    assert len(Result("b.mp4", "", "failed", reason="EmptyVideo").to_pandas()) == 0


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for convert in (SCORES.to_pandas, RESULT.to_pandas):
        with pytest.raises(
            UsageError, match=r"needs the package pandas; pip install 'hiprobe\[notebook\]'"
        ):
            convert()


def test_a_notebook_shows_a_result_with_every_text_escaped() -> None:
    shown = RESULT._repr_html_()
    assert "a &amp; b.mp4" in shown
    assert "partial: spans lost" in shown
    assert "1 event, 1 demoted" in shown
    assert "a &lt;b&gt;fight&lt;/b&gt;" in shown
    assert shown.count("<tr>") == 3
    assert "<table" not in Result("a.mp4", "", "failed", reason="no <video>")._repr_html_()


def test_a_notebook_shows_a_probe() -> None:
    probe = Probe.load(embedded.PROBE)
    shown = probe._repr_html_()
    assert probe.digest[:12] in shown
    assert str(probe.sites[0]) in shown
    low, high = probe.provenance["auc"]["low"], probe.provenance["auc"]["high"]
    assert f"[{low:.3f}, {high:.3f}]" in shown
