"""Two videos with the same content: both are listed, and what is judged counts once."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import Made, make, served

from hiprobe import store
from hiprobe.review.changes import changes
from hiprobe.store import results


@pytest.fixture
def copied(tmp_path: Path) -> Made:
    """A results folder in which `back/b.mp4` is a copy of `cam/b.mp4`, as `detect` leaves it."""
    made = make(tmp_path, ("b.mp4", "c.mp4"))
    (folder,) = made.out.glob("b-*")
    first = results.read_result(folder)
    (made.videos / "back").mkdir()
    shutil.copy(made.videos / "cam/b.mp4", made.videos / "back/copy.mp4")
    second = replace(first, name="back/copy.mp4", path=str(made.videos / "back/copy.mp4"))
    results.save_result(store.result_folder(made.out, second), second, {})
    store.note(made.out, [second])
    return made


def test_both_names_are_listed_and_each_says_so(copied: Made) -> None:
    session = copied.session()
    with served(session) as page:
        listed = " ".join(page.get("/")[2].decode().split())
        assert "same content as <bdi>back/copy.mp4</bdi>" in listed
        assert "same content as <bdi>b.mp4</bdi>" in listed
        assert listed.count("same content as") == 2
        body = page.get(f"/v/{copied.ids['b.mp4']}")[2].decode()
        assert "Same content as <bdi>back/copy.mp4</bdi>" in body
        assert "Same content as" not in page.get(f"/v/{copied.ids['c.mp4']}")[2].decode()


def test_a_judgement_holds_for_both_and_counts_once(copied: Made) -> None:
    session, digest = copied.session(), copied.ids["b.mp4"]
    entry = session.entry(digest)
    assert entry is not None
    events = session.shown(entry).events
    session.judgements.judge([(digest, e.start, e.end) for e in events], "true_alarm", "ann")
    with served(session) as page:
        listed = page.get("/")[2].decode()
        assert listed.count(f"{len(events)} judged") == 2
        rows = list(csv.DictReader(io.StringIO(page.get("/labels.csv")[2].decode())))
    assert [(float(r["start"]), float(r["end"])) for r in rows] == [
        (pytest.approx(e.start, abs=1e-6), pytest.approx(e.end, abs=1e-6)) for e in events
    ]
    found = changes(session, copied.probe)
    assert (found.confirmed, len(found.lost)) == (len(events), 0)
