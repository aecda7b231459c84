"""Judgements as a labels.csv for `hiprobe fit`: which videos are in it, and that fit reads it."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import HOSTILE, Made, make, served

from hiprobe import datasets
from hiprobe.review.judged_spans import anomalous_spans
from hiprobe.review.judgements import Judgements
from hiprobe.review.label_table import label_table
from hiprobe.review.session import Session
from hiprobe.types import Event

NAMES = (HOSTILE, "+b.mp4", " c.mp4", "@d.mp4", "e,f;'\".mp4", "g.mp4")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("labels"), NAMES)


@pytest.fixture
def made(base: Made, tmp_path: Path) -> Made:
    """A copy in which the names stand at the top of the videos folder, where a formula begins."""
    out, videos = tmp_path / "out", tmp_path / "videos"
    shutil.copytree(base.out, out)
    shutil.copytree(base.videos / "cam", videos)
    return replace(base, out=out, videos=videos, probe_path=out / "a.probe.safetensors")


@pytest.fixture
def session(made: Made) -> Session:
    return made.session()


def judge_events(session: Session, digest: str, kind: str) -> list[Event]:
    entry = session.entry(digest)
    assert entry is not None
    events = session.shown(entry).events
    for event in events:
        session.judgements.judge([(digest, event.start, event.end)], kind, "ann")
    return list(events)


def saved(session: Session, folder: Path) -> Path:
    """The file as a reviewer saves it: in the folder of the videos."""
    with served(session) as page:
        status, headers, body = page.get("/labels.csv")
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="labels.csv"'
    (folder / "labels.csv").write_bytes(body)
    return folder / "labels.csv"


def test_the_labels_are_read_by_fit_as_they_were_judged(made: Made, session: Session) -> None:
    first, second, third, *_ = (made.ids[name] for name in NAMES)
    found = judge_events(session, first, "true_alarm")
    session.judgements.judge([(first, 20.0, 22.5)], "missed", "ann")
    judge_events(session, second, "false_alarm")
    judge_events(session, third, "true_alarm")
    judge_events(session, third, "false_alarm")  # the later one counts
    path = saved(session, made.videos)
    for line in path.read_text().splitlines():
        assert not line.startswith(("=", "+", "-", "@", "'")), line
    read = {Path(v.path).name: v.events for v in datasets.load("folder", path)}
    assert {name: [(e.start, e.end) for e in events or ()] for name, events in read.items()} == {
        HOSTILE: [*[(e.start, e.end) for e in found], (20.0, 22.5)],
        "+b.mp4": [],
        " c.mp4": [],
    }
    # Of the hostile label the words stay, and it means no normal video.
    assert all(event.label for event in read[HOSTILE] or ())
    command = [sys.executable, "-m", "hiprobe", "fit", str(made.videos), "--check", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["normal"], said["anomalous"]) == (2, 1), said


def test_videos_that_were_not_looked_at_are_left_out_with_the_reason(
    made: Made, session: Session
) -> None:
    unjudged, removed, quiet, whole = (made.ids[name] for name in NAMES[1:5])
    session.judgements.judge([(unjudged, 20.0, 21.0)], "missed", "ann")
    judge_events(session, removed, "true_alarm")
    (made.videos / " c.mp4").unlink()
    probe = session.needed_probe()
    high = replace(probe, localization=replace(probe.localization, rule="fixed", threshold=0.999))
    session.judgements.judge([(quiet, 0.0, 5.0)], "normal", "ann")
    session.judgements.judge([(whole, 0.0, 12.0), (whole, 11.0, 30.0)], "normal", "ann")
    reasons = {one.entry.name: one.why for one in label_table(session).left_out}
    assert reasons["+b.mp4"] == "1 event is not judged"
    assert reasons[" c.mp4"].startswith("no file with this name")
    session.keep(high, "ann", "high")
    session.use(high.digest, "ann")  # there is no event now
    table = label_table(session)
    reasons = {one.entry.name: one.why for one in table.left_out}
    assert reasons["@d.mp4"] == "no event, and not judged normal from start to end"
    assert ("e,f;'\".mp4", "normal", None, None) in table.rows
    assert (table.normal, table.anomalous) == (1, 1)  # the missed span makes b an anomalous video
    with served(session) as page:
        body = page.get("/labels")[2].decode()
    assert "2 videos: 1 with anomalies, 1 normal." in body
    assert "2 judged videos left out" in body
    assert "no event, and not judged normal from start to end" in body
    blind = Session(made.out, (), made.probe_path, session.stores)
    assert label_table(blind).rows == ()
    assert "--videos" in label_table(blind).left_out[0].why


@pytest.mark.parametrize(
    ("label", "written"),
    [("fall", "fall"), ("normal", "anomaly"), ("no helmet", "anomaly"), (None, "anomaly")],
)
def test_a_word_of_the_model_that_may_mean_normal_is_not_a_label(
    made: Made, session: Session, label: str | None, written: str
) -> None:
    digest = made.ids["g.mp4"]
    entry = session.entry(digest)
    assert entry is not None
    assert entry.folder is not None
    path = entry.folder / "result.json"
    values = json.loads(path.read_text())
    times = {"start": 4.5, "end": 9.0, "peak": 5.0, "score": 0.9}
    words = {"label": label, "explanation": None}
    values["events"] = [{**values["events"][0], **times, **words}]
    path.write_text(json.dumps(values))
    session.judgements.judge([(digest, 4.5, 9.0)], "true_alarm", "ann")
    assert [row[1:] for row in label_table(session).rows] == [(written, 4.5, 9.0)]
    (video,) = datasets.load("folder", saved(session, made.videos))
    assert [event.label for event in video.events or ()] == [written]


def test_the_later_judgement_of_the_same_seconds_counts_in_the_spans(tmp_path: Path) -> None:
    notes = Judgements(tmp_path)
    notes.judge([("v", 0.0, 10.0)], "missed", "ann")
    notes.judge([("v", 4.0, 6.0)], "normal", "bob")
    notes.judge([("v", 10.0, 12.0), ("v", 5.0, 5.5)], "true_alarm", "ann")
    found = anomalous_spans(notes.standing("v"))
    assert found == [(0.0, 4.0), (5.0, 5.5), (6.0, 12.0)]
    assert math.isclose(sum(end - start for start, end in found), 10.5)
