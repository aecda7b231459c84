"""A run's saved results, index, leases and manifest, and how a folder resumes."""

from __future__ import annotations

import csv
import json
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.test_commands import Ran, manifest, run
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write
from tests.support.result_folders import folder_name

from hiprobe import pipeline, runs, store, video
from hiprobe.errors import StoreError
from hiprobe.store import index, leases, results
from hiprobe.types import Event, Gap, Result, Scores, Site, Video

__all__ = ["run"]  # a fixture

VIDEO = "ab" * 32
SETTINGS = {"probe": "p", "explain": True}
STATUSES = ("done", "partial", "failed", "quarantined", "claimed", "todo")


def equal(one: Result, other: Result) -> bool:
    """Compare field by field; NaN equals NaN."""
    if one.scores is None or other.scores is None or replace(one, scores=other.scores) != other:
        return False
    arrays = [
        (getattr(one.scores, f.name), getattr(other.scores, f.name))
        for f in fields(Scores)
        if f.name not in ("gaps", "sources")
    ]
    return (one.scores.gaps, one.scores.sources) == (
        other.scores.gaps,
        other.scores.sources,
    ) and all(np.array_equal(a, b, equal_nan=True) and a.dtype == b.dtype for a, b in arrays)


def a_result(seed: int = 0, path: str = "in/a.mp4") -> Result:
    rng = np.random.default_rng(seed)
    starts = np.arange(6) * 1.6 + abs(rng.normal()) * 1e-9
    raw, smoothed = rng.normal(size=(2, 6)) * 10.0 ** rng.integers(-300, 14)
    threshold = np.where(np.arange(6) < 2, np.inf, rng.normal(size=6))
    events = (
        Event(0.1 + 0.2, 1 / 3, 0.31, 2 / 3, None, 'wörds \u2028 " <b>'),
        Event(1.6, 3.2, None, None, "x"),
    )
    return Result(
        path,
        VIDEO,
        "partial",
        9.6,
        Scores(starts, starts + 1.6, raw, smoothed, threshold, (Gap(1.0, 2.0, "damaged"),)),
        events,
        "spans lost",
        {"model": {"id": "m", "sites": ["a"]}, "notice": None},
    )


# -- results


@pytest.mark.parametrize("seed", range(5))
def test_a_saved_result_loads_equal(tmp_path: Path, seed: int) -> None:
    result = a_result(seed)
    path = results.save_result(tmp_path, result, SETTINGS)
    found = results.load_result(tmp_path, Video("in/a.mp4", id=VIDEO), SETTINGS)
    assert found is not None
    assert equal(found, result)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert str(tmp_path) not in path.read_text()
    moved = results.load_result(tmp_path, Video("out/a.mp4", id=VIDEO), SETTINGS)
    assert moved is not None
    assert (moved.path, moved.name) == ("out/a.mp4", "a.mp4")


def test_a_result_of_another_video_or_name_other_settings_or_changed_files_is_not_loaded(
    tmp_path: Path,
) -> None:
    store.write_atomic(tmp_path / "scores.csv", b"start,end\n")
    results.save_result(tmp_path, a_result(), SETTINGS)
    one = Video("a.mp4", id=VIDEO)
    assert results.load_result(tmp_path, one, SETTINGS) is not None
    for other, settings in (
        (replace(one, id="cd" * 32), SETTINGS),
        (replace(one, name="cam/a.mp4"), SETTINGS),
        (Video("b.mp4", id=VIDEO), SETTINGS),
        (one, {**SETTINGS, "probe": "q"}),
        (one, {}),
    ):
        assert results.load_result(tmp_path, other, settings) is None
    (tmp_path / "scores.csv").write_bytes(b"start,end\n\n")
    assert results.load_result(tmp_path, one, SETTINGS) is None


def test_a_damaged_result_is_not_loaded_and_raises_nothing(tmp_path: Path) -> None:
    data, rng = results.save_result(tmp_path, a_result(), SETTINGS).read_bytes(), random.Random(3)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(data))] = rng.choice(b'0123456789[]{}",:-e \xff')
        (tmp_path / results.NAME).write_bytes(
            damaged[: rng.choice([len(data), rng.randrange(len(data))])]
        )
        found = results.load_result(tmp_path, Video("a.mp4", id=VIDEO), SETTINGS)  # must not raise
        assert found is None or found.video_id == VIDEO
        results.result_facts(tmp_path)


# -- the index


def sites(*layers: int) -> tuple[Site, ...]:
    return tuple(Site("residual", layer) for layer in layers)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A store with two videos, one of them read at two sets of sites."""
    for number, layers in ((0, (1,)), (0, (0, 2)), (1, (1,))):
        path = tmp_path / f"v{number}.mp4"
        if not path.exists():
            write(path, steady(10 + number, 5), rate=5, pictures=noisy)
        pipeline.states(path, fake_backbone.load(), sites(*layers), store=tmp_path / "s")
    return tmp_path / "s"


def test_the_index_lists_what_the_files_hold(kept: Path) -> None:
    found = index.stored_states(kept)
    assert sorted((one.sites, one.segments) for one in found) == [(1, 2), (1, 2), (2, 2)]
    for one in found:
        states = store.load_states(kept / one.file)
        assert (one.video, one.recipe, one.sites) == (
            states.video_id,
            states.recipe.digest,
            len(states.sites),
        )
        assert (one.dtype, one.bytes) == ("float32", (kept / one.file).stat().st_size)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "text": lambda data: b"an index, honestly",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "a torn page": lambda data: data[:4096] + bytes(200) + data[4296:],
    "another version": lambda data: data[:63] + bytes([data[63] + 1]) + data[64:],
    "wrong types": lambda data: data.replace(b"float32", b"float32\xff"[:7]).replace(
        b"status TEXT", b"status BLOB"
    ),
}


@pytest.mark.parametrize("kind", [*DAMAGE, "missing"])
def test_a_lost_or_damaged_index_is_rebuilt_from_the_files(kept: Path, kind: str) -> None:
    before = index.stored_states(kept)
    path = kept / index.NAME
    data = path.read_bytes()
    path.unlink()
    for name in ("-wal", "-shm"):
        Path(f"{path}{name}").unlink(missing_ok=True)
    if kind != "missing":
        path.write_bytes(DAMAGE[kind](data))
    index._checked.clear()  # as in the next process
    assert index.stored_states(kept) == before
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM states").fetchone() == (3,)


def test_an_index_damaged_during_a_process_is_named_and_then_rebuilt(kept: Path) -> None:
    before, path = index.stored_states(kept), kept / index.NAME
    path.write_bytes(b"an index, honestly" * 500)
    with pytest.raises(StoreError, match=r"the index is damaged: .*rebuilds it"):
        index.stored_states(kept)
    assert index.stored_states(kept) == before


def test_the_index_follows_added_removed_and_damaged_files(kept: Path) -> None:
    first, second, *_ = index.stored_states(kept)
    (kept / first.file).unlink()
    (kept / second.file).write_bytes(b"x")
    assert first not in index.stored_states(kept)
    store.save_states(
        kept,
        replace(store.load_states(kept / index.stored_states(kept)[-1].file), video_id="ef" * 32),
        "float32",
    )
    # The process that wrote these states died before it could enter them in the index.
    assert "ef" * 32 in {one.video for one in index.stored_states(kept)}


def test_an_index_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / index.NAME).mkdir()
    with pytest.raises(StoreError, match=r"index\.sqlite: "):
        index.stored_states(tmp_path)


# -- leases


def test_only_one_of_many_workers_gets_a_video(tmp_path: Path) -> None:
    workers = [leases.LeaseHolder(tmp_path, SETTINGS, 1) for _ in range(5)]
    got = [worker.has(worker.claim("v-1", "v.mp4", "1")) for worker in workers]
    assert got == [True, False, False, False, False]


def test_another_run_waits_for_a_lease_and_then_takes_the_video(tmp_path: Path) -> None:
    one, other = (
        leases.LeaseHolder(tmp_path, {"probe": "a"}, 1),
        leases.LeaseHolder(tmp_path, {"probe": "b"}, 1),
    )
    held = one.claim("v-1", "v.mp4", "1")
    assert not other.has(other.claim("v-1", "v.mp4", "1"))
    one.end(held, "quarantined", "quarantined after 2 attempts: x")
    assert one.claim("v-1", "v.mp4", "1").status == "quarantined"
    assert other.has(other.claim("v-1", "v.mp4", "1"))  # another model may survive it


def test_a_lease_that_was_not_ended_is_released_at_exit(tmp_path: Path) -> None:
    with leases.LeaseHolder(tmp_path, SETTINGS, 1) as worker:
        worker.claim("v-1", "v.mp4", "1")
    other = leases.LeaseHolder(tmp_path, SETTINGS, 1)
    found = other.claim("v-1", "v.mp4", "1")
    assert (other.has(found), found.lost) == (True, 0)


def test_a_failed_video_is_tried_again_by_the_next_run_only(tmp_path: Path) -> None:
    first = leases.LeaseHolder(tmp_path, SETTINGS, 1)
    first.end(first.claim("v-1", "v.mp4", "1"), "failed", "EmptyVideo: no frame")
    assert first.claim("v-1", "v.mp4", "1").status == "failed"
    time.sleep(0.01)
    second = leases.LeaseHolder(tmp_path, SETTINGS, 1)
    assert second.has(second.claim("v-1", "v.mp4", "1"))


def test_a_lease_from_a_clock_in_the_future_does_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    ahead, other = (leases.LeaseHolder(tmp_path, SETTINGS, 1) for _ in range(2))
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: now + 86_400)
        ahead.claim("v-1", "v.mp4", "1")
    assert other.has(other.claim("v-1", "v.mp4", "1"))
    assert not ahead.has(ahead.claim("v-1", "v.mp4", "1"))


@pytest.mark.parametrize(
    "name", ["a\nb", "日本", os.fsdecode(b"z\xff"), "'; DROP TABLE items; --", "\u2028"]
)
def test_a_video_of_any_name_is_leased_and_listed(tmp_path: Path, name: str) -> None:
    with leases.LeaseHolder(tmp_path / ".store", SETTINGS, 1) as worker:
        item = worker.claim(f"{name}-1", f"{name}.mp4", "1")
        assert worker.has(item)
        worker.end(item, "failed", "x")
    (found,) = leases.run_status(tmp_path)[1]
    assert (
        found.name
        == name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") + ".mp4"
    )


# -- the manifest of a long run


def test_a_manifest_written_in_batches_is_complete(tmp_path: Path) -> None:
    made = [
        Result(f"{number}.mp4", f"{number:064x}", "failed", reason="x") for number in range(300)
    ]
    with store.Notes(tmp_path / "batches") as notes:
        for number, result in enumerate(made):
            notes.add([result])
            if number == 0:
                assert len(manifest(tmp_path / "batches")) == 1  # the first is there at once
    store.note(tmp_path / "once", made)
    assert manifest(tmp_path / "batches") == manifest(tmp_path / "once")


def test_an_interrupted_run_writes_the_waiting_entries(tmp_path: Path) -> None:
    def interrupted() -> None:
        with store.Notes(tmp_path) as notes:
            for number in range(50):
                notes.add([Result(f"{number}.mp4", f"{number:064x}", "failed", reason="x")])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(manifest(tmp_path)) == 50


# -- the command line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three videos, one of them damaged in the middle, an empty file and a probe.

    The probe is for `tests.support.fake_backbone`.
    """
    (tmp_path / "in").mkdir()
    for number in range(3):
        write(tmp_path / "in" / f"v{number}.mp4", steady(60 + number, 10), rate=10, pictures=noisy)
    data = bytearray((tmp_path / "in/v1.mp4").read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = bytes(third)
    (tmp_path / "in/v1.mp4").write_bytes(data)
    (tmp_path / "in/empty.mp4").touch()
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    return tmp_path


Run = Callable[..., Ran]


def detect(run: Run, folder: Path, *more: str) -> Ran:
    return run(
        "detect",
        folder / "in",
        "-p",
        folder / "p.safetensors",
        "-m",
        "tests.support.fake_backbone:load",
        "-o",
        folder / "out",
        *more,
    )


def test_detect_on_the_same_folder_resumes_and_reports_it(run: Run, folder: Path) -> None:
    first = detect(run, folder)
    assert (first.code, "finished before" in first.out) == (3, False)
    written = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*/report.html")}
    assert len(written) == 3
    again = detect(run, folder)
    assert (again.code, again.errors) == (3, first.errors)
    assert "3 of 4 were finished before, continuing; --again does them again" in again.out
    assert again.out.splitlines()[1:] == first.out.splitlines()
    assert {path: path.stat().st_mtime_ns for path in written} == written
    (folder / "in/empty.mp4").unlink()
    assert "all were finished before" in detect(run, folder).out
    lines = [json.loads(line) for line in detect(run, folder, "--json").out.splitlines()]
    assert [line["status"] for line in lines] == ["done", "partial", "done"]
    repeated = detect(run, folder, "--again")
    assert (repeated.code, "finished before" in repeated.out) == (0, False)
    assert all(path.stat().st_mtime_ns > time for path, time in written.items())


def test_runs_lists_the_status_of_each_video_and_retries(run: Run, folder: Path) -> None:
    detect(run, folder)
    with leases.LeaseHolder(folder / "out/.store", SETTINGS, 1) as worker:
        worker.end(
            worker.claim("bad-1", "bad.mp4", "1"),
            "quarantined",
            "quarantined after 2 attempts: crashed",
        )
        worker.claim("now-1", "now.mp4", "1")
        shown = run("runs", folder / "out")
        listed = {line["name"]: line for line in run("runs", folder / "out", "--json").objects}
    assert {name: line["status"] for name, line in listed.items()} == {
        "v0.mp4": "done",
        "v1.mp4": "partial",
        "v2.mp4": "done",
        "empty.mp4": "failed",
        "bad.mp4": "quarantined",
        "now.mp4": "in progress",
    }
    assert listed["empty.mp4"]["reason"] == "EmptyVideo: the file is empty"
    assert listed["bad.mp4"]["reason"].startswith("quarantined after 2 attempts")
    assert listed["v1.mp4"]["folder"].startswith("v1-")
    assert 0 < listed["now.mp4"]["lease_s"] <= leases.LEASE_S
    for said in (
        "1 failed",
        "1 partial",
        "2 done",
        "1 quarantined",
        "crashed",
        "in progress",
        "hidden states of 3 ",
    ):
        assert said in shown.out
    assert run("runs", folder / "out", "--retry").out.startswith("2 released")
    listed = {
        line["name"]: line["status"] for line in run("runs", folder / "out", "--json").objects
    }
    assert (listed["bad.mp4"], listed["empty.mp4"]) == ("todo", "todo")
    assert run("runs", folder / "nowhere").code == 2


def test_runs_lists_results_without_an_index_and_drops_deleted_ones(run: Run, folder: Path) -> None:
    detect(run, folder)
    before = {line["name"]: line for line in run("runs", folder / "out", "--json").objects}
    (folder / "out/.store" / index.NAME).unlink()
    after = {line["name"]: line for line in run("runs", folder / "out", "--json").objects}
    assert after == {name: line for name, line in before.items() if line["status"] != "failed"}
    next((folder / "out").glob("v0-*/result.json")).unlink()
    assert "v0.mp4" not in run("runs", folder / "out").out
    assert detect(run, folder).out.startswith("2 of 4 were finished before")


def test_a_partial_result_says_which_span_was_scored(run: Run, folder: Path) -> None:
    detect(run, folder)
    lines = [json.loads(line) for line in detect(run, folder, "--json").out.splitlines()]
    (line,) = [line for line in lines if line["status"] == "partial"]
    (place,) = (folder / "out").glob("v1-*")
    rows = list(csv.DictReader((place / "scores.csv").open()))
    gaps = [row for row in rows if row["status"].startswith("gap: ")]
    assert gaps
    assert all(row["raw"] == row["smoothed"] == "" for row in gaps)
    lost = sum(float(row["end"]) - float(row["start"]) for row in gaps)
    assert line["scored_s"] == pytest.approx(6.1 - lost, abs=0.2)
    assert [(gap["start"], gap["end"]) for gap in line["gaps"]] == [
        (pytest.approx(float(row["start"]), abs=1e-5), pytest.approx(float(row["end"]), abs=1e-5))
        for row in gaps
    ]
    page = (place / "report.html").read_text()
    assert f"of which {line['scored_s']:.1f} s" in page
    assert "Partial result" in page
    assert "gap" in page
    assert f"{line['scored_s']:.1f} s scored" in detect(run, folder).out.replace("\n", " ")


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ((), 4.8),
        ((Gap(1.0, 2.0, "x"),), 3.8),
        ((Gap(-1.0, 1.0, "x"), Gap(4.0, 9.0, "x")), 3.0),
        ((Gap(7.0, 9.0, "x"),), 4.8),
    ],
)
def test_scored_seconds_by_hand(gaps: tuple[Gap, ...], expected: float) -> None:
    starts = np.arange(3) * 1.6
    scores = Scores(starts, starts + 1.6, starts, starts, starts, gaps)
    assert scores.scored_s == pytest.approx(expected)


def test_a_run_reports_waiting_for_a_dead_worker_and_takes_over(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_S", 1.0)
    path = folder / "in/v0.mp4"
    settings = runs.DetectionRun(
        fake_backbone.load(), fake_backbone.constant_probe(), folder / "out"
    ).settings
    dead = leases.LeaseHolder(folder / "out/.store", settings, 1)  # it never renews its lease
    digest = video.digest(path)
    dead.claim(folder_name(path.name, digest), path.name, digest)
    ran = run(
        "detect",
        path,
        "-p",
        folder / "p.safetensors",
        "-m",
        "tests.support.fake_backbone:load",
        "-o",
        folder / "out",
    )
    assert ran.code == 0
    assert ran.errors == [
        "waiting for 1 video that another worker holds; if it has died, for at most 1 s"
    ]
    assert manifest(folder / "out")["v0.mp4"]["status"] == "done"


def test_a_run_from_python_reports_and_resumes(folder: Path) -> None:
    listed: list[str] = []
    made: list[Any] = []
    run = runs.DetectionRun(fake_backbone.load(), fake_backbone.constant_probe(), folder / "out")
    paths = sorted((folder / "in").glob("*.mp4"))
    found = list(
        run.detect(
            paths,
            keep=lambda result, place: made.append(place.name),
            failed=lambda _path, error: listed.append(type(error).__name__),
        )
    )
    assert [result.status for result in found] == ["failed", "done", "partial", "done"]
    assert listed == ["EmptyVideo"]
    assert made == [
        folder_name(f"v{number}.mp4", video.digest(folder / f"in/v{number}.mp4"))
        for number in range(3)
    ]
    before, left = run.done([*paths, paths[1]])
    assert [result.path for result in before] == [str(path) for path in [*paths[1:], paths[1]]]
    assert [one.path for one in left] == [str(paths[0])]
    for one in before[:3]:
        (fresh,) = [result for result in found if result.path == one.path]
        assert equal(one, fresh)


@pytest.mark.parametrize("when", ["read", "explain"])
def test_a_video_replaced_while_it_is_read_fails_and_is_neither_kept_nor_shown_as_the_old_one(
    folder: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = folder / "in/v0.mp4", (folder / "in/v2.mp4").read_bytes()
    old, as_it_was = video.digest(path), getattr(fake_backbone.MeanColourBackbone, when)

    def replacing(*args: Any) -> Any:
        path.write_bytes(other)
        return as_it_was(*args)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(fake_backbone.MeanColourBackbone, when, replacing)
        (result,) = runs.DetectionRun(
            fake_backbone.load(), fake_backbone.constant_probe(), folder / "out"
        ).detect([path])
    assert (result.status, "changed while it was read" in str(result.reason)) == ("failed", True)
    assert not list((folder / "out").glob("*/result.json"))
    kept = [states.video for states in index.stored_states(folder / "out/.store")]
    assert kept == ([] if when == "read" else [old])
    (again,) = runs.DetectionRun(
        fake_backbone.load(), fake_backbone.constant_probe(), folder / "out"
    ).detect([path])
    assert (again.status, again.video_id) == ("done", video.digest(folder / "in/v2.mp4"))
