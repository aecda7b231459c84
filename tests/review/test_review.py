"""The review page without a browser: judgements, results, curves, media, runs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support import fake_backbone
from tests.support.review_folder import HOSTILE, SITES, Made, Page, free_port, served

from hiprobe import embedded, store
from hiprobe.backbones import Backbone
from hiprobe.errors import StoreError, UsageError
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.review import curve, results, views
from hiprobe.review.judged_spans import latest_judgements
from hiprobe.review.judgements import Judgements
from hiprobe.review.run_process import DetectionJob, RunProcess, videos_in
from hiprobe.review.seen_alerts import SeenAlerts
from hiprobe.review.session import Session, score_states
from hiprobe.store.results import read_result, save_result
from hiprobe.types import Event, Scores
from hiprobe.video import Root

# Results


def test_results_are_read_back_as_they_were_written(made: Made, session: Session) -> None:
    shown = results.reviewed_result(next(e for e in session.entries() if e.name == HOSTILE))
    states = store.kept_states(made.out / ".store", made.ids[HOSTILE], made.probe.recipe)[0]
    scores, events = score_states(states, made.probe)
    for name in ("starts", "ends", "raw", "smoothed", "threshold"):
        np.testing.assert_array_equal(getattr(shown.scores, name), getattr(scores, name))
    assert [(g.start, g.end, g.reason) for g in shown.scores.gaps] == [
        (13.5, 16.5, "2 damaged packets")
    ]
    assert [(e.start, e.end, e.score) for e in shown.events] == [
        (e.start, e.end, e.score) for e in events
    ]
    assert shown.probe == made.probe.digest
    assert [entry.status for entry in session.entries()].count("failed") == 1


def test_videos_are_listed_by_their_worst_moment(session: Session) -> None:
    cards = views.cards(session)
    peaks = [card.score for card in cards if card.score is not None]
    assert peaks == sorted(peaks, reverse=True)
    assert len(peaks) == 8
    assert cards[-1].entry.status == "failed"
    assert {card.entry.name for card in views.cards(session, only="unscored")} == {
        HOSTILE,
        "empty.mp4",
    }
    assert [card.entry.name for card in views.cards(session, "B.MP")] == ["b.mp4"]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda path: path.write_text("x"),
    "another schema": lambda path: changed(path, schema="hiprobe.result/0"),
    "another video": lambda path: changed(path, video="0" * 64),
    "a raw score is NaN": lambda path: changed(path, ("scores", "raw", 0), "nan"),
    "a gap without end": lambda path: changed(
        path, gaps=[{"start": 1.0, "end": "inf", "reason": "lost"}]
    ),
    "a peak is a text": lambda path: changed(path, ("events", 0, "peak"), "soon"),
    "no probe": lambda path: changed(path, provenance={}),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "too large": lambda path: os.truncate(path, store.results.JSON_BYTES + 1),
    "missing": lambda path: path.unlink(),
}


def changed(
    path: Path, place: tuple[str | int, ...] = (), value: object = None, **new: Any
) -> None:
    """Change a field of a JSON file: the one at `place`, or those named."""
    values = {**json.loads(path.read_text()), **new}
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    if place:
        inner[place[-1]] = value
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_one_named_row_beside_the_others(
    made: Made, session: Session, damage: str
) -> None:
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    assert entry.folder is not None
    before = {row.entry.name for row in views.moments(session)}
    path = entry.folder / "result.json"
    kept = path.read_bytes()
    try:
        DAMAGES[damage](path)
        wrong = [card for card in views.cards(session) if card.error is not None]
        assert [card.entry.name for card in wrong] == ["b.mp4"]
        assert "not a valid result" in str(wrong[0].error)
        assert {row.entry.name for row in views.moments(session)} == before - {"b.mp4"}
        with pytest.raises(StoreError, match=str(entry.folder)):
            results.reviewed_result(entry)
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(kept)


# The curve


def test_a_thinned_curve_keeps_every_peak() -> None:
    rng = np.random.default_rng(0)
    count = 18_000  # eight hours
    smoothed, raw = rng.random(count) * 0.3, rng.random(count) * 0.3
    peaks = rng.choice(count, 25, replace=False)
    smoothed[peaks[:12]], raw[peaks[12:]] = 0.9, 0.95
    starts = np.arange(count) * 1.6
    scores = Scores(starts, starts + 1.6, raw, smoothed, np.full(count, 0.5))
    drawn = curve.points(scores, 0, count * 1.6)
    assert len(drawn["t"]) <= curve.POINTS + 2
    assert sum(value is not None and value > 0.85 for value in drawn["smoothed"]) >= 12
    times = np.array(drawn["t"])
    for peak in peaks[12:]:
        near = np.abs(times - (peak + 0.5) * 1.6) < 1e-3
        assert np.array(drawn["raw"])[near].max() == pytest.approx(0.95)
    part = curve.points(scores, 1000.0, 1100.0)
    inside = (starts + 0.8 >= 1000) & (starts + 0.8 <= 1100)
    assert {round(v, 6) for v in smoothed[inside]} <= {round(v, 6) for v in part["smoothed"]}


def test_the_curve_is_broken_at_a_gap(made: Made, session: Session) -> None:
    entry = session.entry(made.ids[HOSTILE])
    assert entry is not None
    drawn = curve.points(session.shown(entry).scores, 0, 100)
    lifts = [t for t, value in zip(drawn["t"], drawn["smoothed"], strict=True) if value is None]
    assert lifts
    assert all(13.5 <= t <= 16.5 for t in lifts)


# Judgements


def test_judging_and_undoing_are_saved_with_who_and_when(tmp_path: Path) -> None:
    notes = Judgements(tmp_path)
    notes.judge([("v", 1.0, 2.0)], "true_alarm", "  ann\nlee ")
    notes.judge([("v", 3.0, 4.0), ("w", 1.0, 2.0)], "false_alarm", "bob")
    assert [j.who for j in notes.standing()] == ["ann lee", "bob", "bob"]
    assert [(j.video, j.start) for j in notes.undo("bob")] == [("v", 3.0), ("w", 1.0)]
    assert [j.kind for j in notes.standing()] == ["true_alarm"]
    assert [(j.undone_by, bool(j.undone_at)) for j in notes.all()] == [
        (None, False),
        ("bob", True),
        ("bob", True),
    ]
    notes.undo(" ann lee")
    assert notes.undo("ann lee") == []
    assert len(notes.all()) == 3
    for kind, spans in (("wrong", [("v", 1.0, 2.0)]), ("true_alarm", [])):
        with pytest.raises(UsageError):
            notes.judge(spans, kind, "ann")
    assert sqlite3.connect(notes.path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_later_judgement_of_the_same_seconds_counts(tmp_path: Path) -> None:
    notes = Judgements(tmp_path)
    notes.judge([("v", 0.0, 10.0)], "false_alarm", "ann")
    notes.judge([("v", 2.0, 4.0)], "true_alarm", "bob")
    standing = notes.standing("v")
    for event, kind in (
        ((2.0, 4.0), "true_alarm"),
        ((6.0, 8.0), "false_alarm"),
        ((3.5, 9.5), "false_alarm"),
    ):
        found = latest_judgements([Event(*event)], standing)[0]
        assert found is not None
        assert found.kind == kind
    assert latest_judgements([Event(9.0, 20.0)], standing) == [None]


def test_no_confirmed_judgement_is_lost_when_the_server_is_killed(made: Made) -> None:
    port = free_port()
    program = (
        "import sys; from pathlib import Path; from hiprobe.review import server\n"
        "from hiprobe.review.session import Session; from hiprobe.review.guard import Guard\n"
        "from hiprobe.video import Root\n"
        "out, videos, probe = map(Path, sys.argv[1:4])\n"
        "session = Session(out, (Root(str(videos)),), probe, (out / '.store',))\n"
        "server.serve_page(session, Guard('127.0.0.1', int(sys.argv[4])), who='ann')"
    )
    arguments = [
        sys.executable,
        "-c",
        program,
        str(made.out),
        str(made.videos),
        str(made.probe_path),
        str(port),
    ]
    digest, answered = made.ids["b.mp4"], 0
    for round_ in range(2):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1")
            for k in range(round_ * 4, round_ * 4 + 4):
                form = {"kind": "missed", "start": k, "end": k + 1, "threshold": 0.5}
                answered += Page(port).post(f"/v/{digest}/judge", **form)[0] == 200
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert answered == 8
    standing = made.session().judgements.standing(digest)
    assert [(j.start, j.end) for j in standing] == [(float(k), float(k + 1)) for k in range(8)]


def test_judging_over_the_page_and_undo(page: Page, made: Made, session: Session) -> None:
    digest = made.ids["b.mp4"]
    _, body = page.post(f"/v/{digest}/judge", kind="true_alarm", start=4.5, end=9.0, threshold=0.5)
    assert 'data-said="true alarm: 4.5 to 9.0 s"' in body
    assert re.search(r'class="chip" data-kind="true_alarm"[^>]*title="ann, ', body)
    _, body = page.post(f"/v/{digest}/judge", kind="missed", start=18, end=24, threshold=0.99)
    assert body.count('data-found="0"') == 2  # above every score, both are spans outside of events
    _, body = page.post(f"/v/{digest}/undo", threshold=0.5)
    assert "undone: missed, 18.0 to 24.0 s" in body
    assert [j.kind for j in session.judgements.standing()] == ["true_alarm"]
    for wrong in (
        {"kind": "maybe"},
        {"start": "nan"},
        {"start": 5, "end": 5},
        {"start": -1},
        {"end": "inf"},
    ):
        form = {"kind": "true_alarm", "start": 1, "end": 2, "threshold": 0.5, **wrong}
        assert page.post(f"/v/{digest}/judge", **form)[0] == 400
    assert len(session.judgements.all()) == 2


def test_judgements_made_at_once_are_undone_at_once(
    page: Page, made: Made, session: Session
) -> None:
    spans = [f"{digest}:{4.5}:{9.0}" for digest in made.ids.values()]
    assert page.post("/moments/judge", kind="false_alarm", span=spans)[0] == 200
    assert len(session.judgements.standing()) == 8
    kinds = {
        row.entry.name: row.judgement.kind
        for row in views.moments(session, judged="any")
        if row.judgement
    }
    # In g.mp4 there was no alarm, so it cannot be a false one.
    assert kinds == {name: "normal" if name == "g.mp4" else "false_alarm" for name in made.ids}
    status, said = page.post("/moments/judge", kind="true_alarm", span=spans[:3])
    assert (status, said) == (200, "true alarm: 3 spans; 3 of them had another judgement before")
    page.post("/moments/undo")
    assert page.post("/moments/undo") == (200, "undone: false alarm, 4.5 to 9.0 s and 7 more")
    assert session.judgements.standing() == []
    assert (
        page.post("/moments/judge", kind="true_alarm", span=[spans[0], "0" * 64 + ":1:2"])[0] == 404
    )
    assert session.judgements.standing() == []


def test_uncertain_moments_are_nearest_to_the_threshold_and_not_judged(
    session: Session, made: Made
) -> None:
    rows = views.moments(session, "uncertain")
    digest = made.ids["b.mp4"]
    entry = session.entry(digest)
    assert entry is not None
    scores = session.shown(entry).scores
    nearest = int(np.argmin(np.abs(scores.smoothed - scores.threshold)))
    mine = [row for row in rows if row.entry.name == "b.mp4"]
    assert mine[0].start == scores.starts[nearest]
    session.judgements.judge([(digest, mine[0].start, mine[0].end)], "normal", "ann")
    assert mine[0].start not in [
        row.start for row in views.moments(session, "uncertain") if row.entry.name == "b.mp4"
    ]


def test_random_segments_are_of_every_video_and_not_judged(session: Session, made: Made) -> None:
    rows = views.moments(session, "random")
    assert {row.entry.video_id for row in rows} == set(made.ids.values())
    first = rows[0]
    session.judgements.judge([(str(first.entry.video_id), first.start, first.end)], "normal", "ann")
    again = views.moments(session, "random")
    assert (first.entry, first.start) not in [(row.entry, row.start) for row in again]
    # The order stays the same while the reviewer turns pages.
    assert [row.start for row in again] == [row.start for row in views.moments(session, "random")]


def test_the_csv_holds_undone_judgements_too(page: Page, made: Made, session: Session) -> None:
    session.judgements.judge([(made.ids["b.mp4"], 1.0, 2.5)], "missed", "ann")
    session.judgements.undo("ann")
    rows = list(csv.DictReader(io.StringIO(page.get("/judgements.csv")[2].decode())))
    assert [(r["name"], r["kind"], float(r["end"]), r["who"], r["undone_by"]) for r in rows] == [
        ("b.mp4", "missed", 2.5, "ann", "ann")
    ]


def test_a_reviewer_undoes_only_their_own_judgements(
    page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]

    def ask(who: str, path: str, **form: object) -> bytes:
        status, _, body = page.ask("POST", path, {"Cookie": f"hiprobe-who={who}"}, form)
        assert status == 200
        return bytes(body)

    ask("ann", f"/v/{digest}/judge", kind="true_alarm", start=1, end=2, threshold=0.5)
    ask("bob", f"/v/{digest}/judge", kind="normal", start=5, end=6, threshold=0.5)
    assert b"undone: missed, 1.0 to 2.0 s" in ask("ann", f"/v/{digest}/undo", threshold=0.5)
    assert ask("ann", "/moments/undo", nothing="") == b"nothing to undo"
    assert [(j.who, j.kind) for j in session.judgements.standing()] == [("bob", "normal")]


def test_a_span_is_cut_at_the_videos_end_and_refused_beyond_it(
    page: Page, made: Made, session: Session
) -> None:
    digest = made.ids["b.mp4"]
    _, body = page.post(f"/v/{digest}/judge", kind="missed", start=29.0, end=31.5, threshold=0.5)
    assert "missed: 29.0 to 30.0 s" in body
    for start, end in ((30.0, 31.0), (1e300, 1.1e300), (-1.0, 2.0), (float("nan"), 2.0)):
        assert (
            page.post(f"/v/{digest}/judge", kind="missed", start=start, end=end, threshold=0.5)[0]
            == 400
        )
        assert page.post("/moments/judge", kind="missed", span=f"{digest}:{start}:{end}")[0] == 400
    assert [(j.start, j.end) for j in session.judgements.standing()] == [(29.0, 30.0)]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE judgement SET kind = 'perhaps'",
        "UPDATE judgement SET end = 'soon'",
        "UPDATE probe SET figures = '{'",
        "UPDATE labelled SET events = '[[3, 1]]'",
        "UPDATE judgement SET who = CAST(x'ff' AS TEXT)",
        "DROP TABLE judgement",
    ],
)
def test_a_damaged_review_file_is_named_and_left_alone(
    made: Made, session: Session, damage: str
) -> None:
    session.judgements.judge([(made.ids["b.mp4"], 1.0, 2.0)], "true_alarm", "ann")
    with sqlite3.connect(session.judgements.path) as db:
        db.execute(damage)
    before = session.judgements.path.stat().st_size
    with pytest.raises(StoreError, match=r"review\.sqlite: cannot be used"):
        session.judgements.all(), session.judgements.probes(), session.judgements.labelled()
    assert session.judgements.path.stat().st_size == before


def test_a_review_file_that_is_not_a_database_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "review.sqlite").write_bytes(b"what reviewers said " * 500)
    with pytest.raises(StoreError, match=r"review\.sqlite: cannot be used: file is not a database"):
        Judgements(tmp_path)
    assert (tmp_path / "review.sqlite").read_bytes() == b"what reviewers said " * 500


def test_a_review_file_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "review.sqlite") as db:
        db.execute("CREATE TABLE judgement (id INTEGER PRIMARY KEY, verdict TEXT)")
    before = (tmp_path / "review.sqlite").read_bytes()
    with pytest.raises(StoreError, match=r"review\.sqlite: .*schema 0, expected 3.*move it away"):
        Judgements(tmp_path)
    assert (tmp_path / "review.sqlite").read_bytes()[100:] == before[100:]


def test_a_review_file_from_before_watchers_keeps_its_judgements(tmp_path: Path) -> None:
    first = Judgements(tmp_path)
    first.judge([("v", 0.0, 1.0)], "normal", "ann")
    with sqlite3.connect(first.path) as db:
        db.execute("DROP TABLE seen")
        db.execute("PRAGMA user_version = 2")
    assert [one.kind for one in Judgements(tmp_path).all()] == ["normal"]
    assert SeenAlerts(tmp_path).all() == {}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write"):
        Judgements(tmp_path / "file" / ".review")


# Media


def test_media_are_sent_in_ranges(page: Page, made: Made) -> None:
    whole = (made.videos / "cam" / "b.mp4").read_bytes()
    digest = made.ids["b.mp4"]
    status, headers, body = page.get(f"/media/{digest}", Range="bytes=100-199")
    assert (status, body) == (206, whole[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert page.get(f"/media/{digest}")[2] == whole
    assert page.get(f"/media/{digest}", Range=f"bytes={len(whole)}-")[0] == 416


def test_a_video_that_browsers_cannot_play_is_copied_once(page: Page, made: Made) -> None:
    import av

    digest = made.ids["d.avi"]
    assert page.get(f"/media/{digest}")[0] == 404
    end = time.monotonic() + 30
    while b"<video" not in page.get(f"/v/{digest}/player")[2]:
        assert time.monotonic() < end
        time.sleep(0.1)
    body = page.get(f"/media/{digest}")[2]
    with av.open(io.BytesIO(body)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    copy = made.out / ".review" / "copies" / f"{digest}.mp4"
    before = copy.stat().st_mtime_ns
    page.get(f"/media/{digest}")
    assert copy.stat().st_mtime_ns == before


def test_a_preview_shows_its_moment(page: Page, made: Made) -> None:
    from PIL import Image

    for number in (2, 20):
        status, headers, body = page.get(f"/preview/{made.ids['b.mp4']}/{number}.jpg")
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert np.asarray(Image.open(io.BytesIO(body))).mean() == pytest.approx(
            40 + 6 * number, abs=5
        )


def test_a_video_with_the_same_name_and_other_content_is_not_shown(page: Page, made: Made) -> None:
    path = made.videos / "cam" / "c.mp4"
    kept = path.read_bytes()
    path.write_bytes(kept + b"\x00\x00\x00\x08free")
    assert page.get(f"/media/{made.ids['c.mp4']}")[0] == 404
    assert b"no file with this name and content" in page.get(f"/v/{made.ids['c.mp4']}/player")[2]
    path.write_bytes(kept)
    assert page.get(f"/media/{made.ids['c.mp4']}")[0] == 200


# Runs


def until(page: Page, word: str, seconds: float = 90) -> str:
    end = time.monotonic() + seconds
    while True:
        body = page.get("/run/progress")[2].decode()
        if word in body:
            return body
        assert time.monotonic() < end, body
        time.sleep(0.1)


def started(job: DetectionJob) -> RunProcess:
    run = RunProcess("all", job)
    run.start()
    return run


def ended(run: RunProcess, seconds: float = 60) -> int:
    end = time.monotonic() + seconds
    while run.code is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return run.code


def test_a_run_takes_more_paths_than_a_command_line_holds_and_says_why_it_failed(
    tmp_path: Path,
) -> None:
    paths = tuple(
        (str(tmp_path / f"{number:04}{'x' * 200}.mp4"), f"{number}.mp4") for number in range(2000)
    )
    run = started(DetectionJob(paths, tmp_path / "none.safetensors", "embedded", tmp_path))
    assert ended(run) == 2
    assert run.error is not None
    assert run.error.startswith("MissingProbe")
    assert not run.running


def test_what_a_model_prints_does_not_disturb_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from tests.support.fake_backbone import MeanColourBackbone\n"
        "def load(**_):\n    print('Loading: 100 %')\n    return MeanColourBackbone()\n"
    )
    (tmp_path / "chatty.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    clip = tmp_path / "videos" / "a.mp4"
    clip.parent.mkdir()
    shutil.copy(next(embedded.CLIPS.glob("*.mp4")), clip)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    job = DetectionJob(
        videos_in((Root(str(tmp_path / "videos")),), "."),
        tmp_path / "p.safetensors",
        "chatty:load",
        tmp_path / "out",
        explain=False,
        all_layers=True,
    )
    run = started(job)
    assert (ended(run), run.error, [one["status"] for one in run.finished]) == (0, None, ["done"])


def test_a_killed_run_has_failed(tmp_path: Path) -> None:
    paths = ((str(tmp_path / "a.mp4"), "a.mp4"),)
    run = started(DetectionJob(paths, tmp_path / "none.safetensors", "embedded", tmp_path))
    assert run.process is not None
    run.process.kill()
    assert ended(run) == -signal.SIGKILL


def test_of_eight_simultaneous_starts_one_run_begins(page: Page) -> None:
    at_once = threading.Barrier(8)

    def start(_: int) -> int:
        at_once.wait()
        return page.post("/run", folder="cam")[0]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(start, range(8))) == [200, *[400] * 7]
    page.post("/run/cancel")


def test_a_run_from_the_page_detects_shows_progress_and_can_be_cancelled(
    tmp_path: Path, shipped: Backbone
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "videos" / "gate").mkdir(parents=True)
    for clip in sorted(embedded.CLIPS.glob("*.mp4")):
        shutil.copy(clip, tmp_path / "videos" / "gate")
    tensors = {
        "mean": np.zeros(160),
        "scale": np.ones(160),
        "weight": np.zeros(160),
        "bias": np.zeros(1),
    }
    alarm = Probe(
        "hiprobe",
        shipped.recipe,
        SITES[:1],
        160,
        tensors,
        Localization(rule="fixed", threshold=0.5),
        {},
    )
    session = Session(
        out, (Root(str(tmp_path / "videos")),), tmp_path / "probe.safetensors", (out / ".store",)
    )
    session.keep(alarm, "ann", "given")
    session.judgements.choose_probe(alarm.digest, "ann")
    with served(session) as page:
        assert "gate: 28 videos" in page.get("/run")[2].decode()
        assert page.post("/run", folder="gate", all_layers="true")[0] == 200
        assert page.post("/run", folder="gate")[0] == 400  # one at a time
        until(page, ": done")
        status, body = page.post("/run/cancel")
        assert status == 200
        body = until(page, "Cancelled")
    done = [entry for entry in session.entries() if entry.video_id]
    assert 0 < len(done) < 28
    assert all(
        entry.status == "done" and len(results.reviewed_result(entry).events) == 1 for entry in done
    )
    kept = [session.states(str(entry.video_id), alarm.recipe) for entry in done]
    assert [len(states.sites) for states in kept if states is not None] == [8] * len(done)
    assert abs(body.count(": done") - len(done)) <= 1  # one may be on its way when the run ends
    assert "Start the same run again" in body


# What is judged, and what the model says


def test_an_event_that_grew_over_a_judged_span_is_partly_judged(
    page: Page, made: Made, session: Session
) -> None:
    """A lower threshold makes a longer event of it, and "0 judged" was shown."""
    digest = made.ids["b.mp4"]
    entry = session.entry(digest)
    assert entry is not None
    (event,) = session.shown(entry).events
    session.judgements.judge([(digest, event.start, event.end)], "true_alarm", "ann")
    low = next(
        t
        for t in np.linspace(event.score or 1.0, 0.0, 200)
        if max(e.end - e.start for e in session.events(session.shown(entry), float(t)))
        > 2 * (event.end - event.start)
    )
    body = page.get(f"/v/{digest}/events?threshold={low}")[2].decode()
    assert "0 judged, 1 partly" in body
    assert re.search(r'class="chip partly" title="true alarm, 0:04.5 – 0:09.0"', body)
    assert "all judged" in page.get(f"/v/{digest}/events?threshold=0.5")[2].decode()


def test_spans_are_counted_and_not_judgements(page: Page, made: Made, session: Session) -> None:
    digest = made.ids["b.mp4"]
    for kind in ("false_alarm", "true_alarm", "false_alarm"):
        session.judgements.judge([(digest, 4.5, 9.0)], kind, "ann")
    session.judgements.judge([(digest, 18.0, 19.0)], "false_alarm", "ann")
    body = page.get("/probes")[2].decode()
    assert "0 × true alarm, 0 × missed, 2 × false alarm, 0 × normal" in body


def test_events_described_as_normal_are_marked_and_can_be_filtered(
    made: Made, session: Session
) -> None:
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    assert entry.folder is not None
    path = entry.folder / "result.json"
    kept = path.read_text()
    words = "normal, people jog by"
    notice = "The model knows <b>rendered scenes only."
    try:
        changed(path, ("events", 0, "explanation"), words)
        changed(path, ("provenance", "notice"), notice)
        assert [r.entry.name for r in views.moments(session, words="normal")] == ["b.mp4"]
        others = [row.entry.name for row in views.moments(session, words="other")]
        assert "b.mp4" not in others
        assert len(others) == len(views.moments(session)) - 1
        with served(session) as page:
            video = page.get(f"/v/{made.ids['b.mp4']}")[2].decode()
            moments = page.get("/moments?words=normal")[2].decode()
            videos = page.get("/")[2].decode()
        for body in (video, moments):
            assert body.count("described as normal") == 1
        for body in (video, videos):  # the caveat is a banner, and the probe has a line
            assert "<bdi>The model knows &lt;b&gt;rendered scenes only.</bdi>" in body
            assert re.search(r"probe [0-9a-f]{12}, fitted on 8 clips, AUC \d\.\d{3} \[\d", body)
    finally:
        path.write_text(kept)


def test_a_video_that_the_probe_was_fitted_on_is_marked(
    made: Made, session: Session, page: Page
) -> None:
    known, new = made.ids["b.mp4"], made.ids["c.mp4"]
    facts = {**made.probe.provenance, "videos": [known]}
    session.keep(replace(made.probe, provenance=facts), "ann", "given")
    session.use(replace(made.probe, provenance=facts).digest, "ann")
    said = b"this probe was fitted on this video"
    assert [said in page.get(f"/v/{video}")[2] for video in (known, new)] == [True, False]


def test_the_page_says_when_a_video_was_recorded(made: Made, page: Page) -> None:
    (folder,) = made.out.glob("b-*")
    result = read_result(folder)
    known = {"recorded": {"at": "2026-11-29T09:00:00", "from": "file name"}}
    save_result(folder, replace(result, provenance={**result.provenance, **known}), {})
    said = b"Recorded 2026-11-29 09:00:00"
    pages = [page.get(f"/v/{made.ids[name]}")[2] for name in ("b.mp4", "c.mp4")]
    assert [said in one for one in pages] == [True, False]
