"""A results folder from a stranger, and hostile requests: named answers, never a broken page."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import Made, Page, make, served

from hiprobe.errors import StoreError
from hiprobe.review.judgements import Judgements
from hiprobe.review.review_file import NAME


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("hostile"), ("a.mp4", "b.mp4"))


@pytest.fixture
def made(base: Made, tmp_path: Path) -> Made:
    """A copy of the folder, to be damaged."""
    out = tmp_path / "out"
    shutil.copytree(base.out, out)
    values = {**vars(base), "out": out, "probe_path": out / "a.probe.safetensors"}
    return Made(**values)


@pytest.fixture(scope="module")
def page(base: Made) -> Iterator[Page]:
    with served(base.session()) as page:
        yield page


# The review file


FOREIGN = {
    "a trigger that drops": "CREATE TRIGGER t BEFORE INSERT ON judgement "
    "BEGIN SELECT RAISE(IGNORE); END",
    "a view without end": "DROP TABLE judgement; CREATE VIEW judgement AS WITH RECURSIVE "
    "x(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM x) SELECT id, 1 AS batch, 'now' AS at, "
    "'me' AS who, 'v' AS video, 0.0 AS start, 1.0 AS end, 'missed' AS kind, "
    "NULL AS undone_at, NULL AS undone_by FROM x",
    "one more table": "CREATE TABLE more (x)",
    "a column that computes": "ALTER TABLE judgement ADD COLUMN x AS (hex(zeroblob(400000000)))",
    "a missing index": "DROP INDEX by_video",
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_review_file_with_another_schema_is_refused_by_name(tmp_path: Path, foreign: str) -> None:
    Judgements(tmp_path).judge([("v", 1.0, 2.0)], "missed", "ann")
    with sqlite3.connect(tmp_path / NAME) as db:
        db.executescript(FOREIGN[foreign])
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(StoreError, match=r"review\.sqlite: holds other tables, triggers or views"):
        Judgements(tmp_path)
    assert (tmp_path / NAME).read_bytes()[100:] == before[100:]


def test_links_in_a_strangers_review_folder_are_not_written_through(
    made: Made, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    review = made.out / ".review"
    review.mkdir()
    (review / NAME).symlink_to(outside / "made.sqlite")
    with pytest.raises(StoreError, match="not a regular file"):
        made.session()
    (review / NAME).unlink()
    (review / "probes").symlink_to(outside)
    with pytest.raises(StoreError, match="is a link"):
        made.session()
    (review / "probes").unlink()
    session = made.session()
    (review / "previews").symlink_to(outside)
    with served(session) as page:
        status, _, body = page.get(f"/preview/{made.ids['b.mp4']}/3.jpg")
    assert (status, b"is a link" in body) == (500, True)
    assert list(outside.iterdir()) == []
    shutil.rmtree(review, ignore_errors=True)
    review.symlink_to(outside)
    with pytest.raises(StoreError, match="is a link"):
        made.session()


def test_a_pipe_as_review_file_is_refused_at_once(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; os.mkfifo(sys.argv[1] + '/review.sqlite')\n"
        "from hiprobe.review.judgements import Judgements\nJudgements(Path(sys.argv[1]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert "StoreError" in ended.stderr
    assert "not a regular file" in ended.stderr


# Results


def change(path: Path, **new: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **new}))


def scores_of(path: Path, **new: Any) -> dict[str, Any]:
    return {**json.loads(path.read_text())["scores"], **new}


def event(start: float, end: float) -> dict[str, Any]:
    times = {"start": start, "end": end, "peak": start, "score": 0.9}
    return {**times, "label": None, "explanation": None}


DAMAGE: dict[str, Any] = {
    "no JSON": lambda path: path.write_text("{"),
    "a huge time": lambda path: change(path, scores=scores_of(path, ends=[1e308] * 20)),
    "a huge score": lambda path: change(path, scores=scores_of(path, raw=[1e300] * 20)),
    "a huge integer": lambda path: change(path, scores=scores_of(path, raw=[10**400] * 20)),
    "a huge event": lambda path: change(path, events=[event(0.0, 1e308)]),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a long field in the table beside it": lambda path: path.with_name("scores.csv").write_text(
        "start,end\n" + "9" * 131_073 + ",1\n"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_result_is_a_row_and_no_page_fails(made: Made, damage: str) -> None:
    session = made.session()
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    assert entry.folder is not None
    DAMAGE[damage](entry.folder / "result.json")
    session.judgements.judge([(made.ids["b.mp4"], 1.0, 2.0)], "missed", "ann")
    with served(session) as page:
        for path in ("/moments?order=uncertain", "/labels", f"/v/{made.ids['a.mp4']}"):
            assert page.get(path)[0] == 200, path
        assert page.post("/refit")[0] == 200
        body = page.get("/")[2].decode()
        assert page.get(f"/v/{made.ids['b.mp4']}")[0] in (200, 500)
    assert ("not a valid result" in body) == ("table beside" not in damage)


def test_names_that_are_not_utf_8_are_shown_and_written(made: Made, tmp_path: Path) -> None:
    """A lone surrogate: what Python makes of a file name with the byte 0xE9."""
    path = made.out / "manifest.jsonl"
    name = "caf\udce9\n\x1b[31m.mp4"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [{**line, "name": name} if line["name"] == "b.mp4" else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    videos = tmp_path / "videos"
    videos.mkdir()
    source = next(made.videos.rglob("b.mp4"))
    shutil.copy(source, videos / name)
    session = Made(**{**vars(made), "videos": videos}).session()
    session.judgements.judge([(made.ids["b.mp4"], 0.0, 30.0)], "normal", "ann")
    with served(session) as page:
        for address in ("/", "/moments?judged=any", "/probes", f"/v/{made.ids['b.mp4']}", "/run"):
            status, _, body = page.get(address)
            assert status == 200, address
            assert b"caf" in body or address in ("/probes", "/run")
        assert b"caf?" in page.get("/judgements.csv")[2]
        assert b"a table cannot hold" in page.get("/labels")[2]
        assert page.get("/labels.csv")[2].splitlines() == [b"path,label,start,end"]
        assert page.get(f"/media/{made.ids['b.mp4']}")[0] == 200


# Requests


NUMBERS = ("nan", "-inf", "1e308", "1e-320", "-1", "9" * 400, "", "\0")
TEXTS = ("", "a" * 5000, "../" * 2000, "\0", "\ud800", "[", "\x1b[2J")


def hostile_gets(digest: str) -> Iterator[str]:
    from urllib.parse import quote

    for value in map(quote, NUMBERS):
        yield f"/?page={value}"
        yield f"/moments?page={value}"
        yield f"/v/{digest}?t={value}"
        yield f"/v/{digest}?threshold={value}"
        yield f"/v/{digest}/events?threshold={value}"
        yield f"/v/{digest}/curve.json?start={value}"
        yield f"/v/{digest}/curve.json?end={value}"
        yield f"/v/{digest}/similar?t={value}"
        yield f"/preview/{digest}/{value}.jpg"
    for text in (quote(one, errors="surrogatepass") for one in TEXTS):
        for query in ("/?q", "/?only", "/moments?q", "/moments?judged", "/moments?order"):
            yield f"{query}={text}"
        yield f"/moments?words={text}"
        yield f"/v/{text}"
        yield f"/static/{text}"
        yield f"/?token={text}"


def test_no_request_to_read_breaks_the_page(page: Page, base: Made) -> None:
    for path in hostile_gets(base.ids["b.mp4"]):
        status, _, body = page.get(path)
        assert status < 500, (path[:200], body[:300])
        assert b"nan" not in body.lower() or status != 200 or "curve" not in path, path


def test_no_request_to_change_breaks_the_page(page: Page, base: Made) -> None:
    digest = base.ids["b.mp4"]
    form = {"kind": "missed", "start": "1", "end": "2", "threshold": "0.5"}
    posts: list[tuple[str, dict[str, str]]] = []
    for name, value in itertools.product(("start", "end", "threshold"), NUMBERS):
        posts.append((f"/v/{digest}/judge", {**form, name: value}))
    for value in NUMBERS:
        posts.append((f"/v/{digest}/undo", {"threshold": value}))
        posts.append(("/threshold", {"threshold": value}))
        posts.append(("/moments/judge", {"kind": "missed", "span": f"{digest}:{value}:2"}))
    for text in (one.encode("utf-8", "surrogatepass") for one in TEXTS):
        posts.append((f"/v/{digest}/judge", {**form, "kind": text}))
        posts.append((f"/v/{digest}/judge", {**form, "version": text}))
        posts.append(("/moments/judge", {"kind": text, "span": text}))
        posts.append(("/who", {"who": text}))
        posts.append(("/refit", {"choose": text}))
        posts.append(("/run", {"folder": text}))
        posts.append((f"/probes/{'0' * 64}/use", {"x": text}))
    for path, values in posts:
        status, _, body = page.ask("POST", path, form=values)
        assert status < 500, (path, str(values)[:200], body[:300])
    assert page.post("/run", folder="a" * 5000)[0] == 400
    assert page.get("/")[0] == 200


def test_a_form_that_is_none_is_refused(page: Page) -> None:
    for kind in ("multipart/form-data; boundary=x", "application/json", "text/plain", ""):
        headers = {"Origin": page.address, "Content-Type": kind, "Content-Length": "0"}
        assert page.ask("POST", "/who", headers)[0] < 500


def test_a_strangers_probe_with_damaged_curves_is_named(base: Made, made: Made) -> None:
    from dataclasses import replace

    session = made.session()
    for facts in (
        {"curves": {**base.probe.provenance["curves"], "kl": [1.0]}},
        {"curves": {**base.probe.provenance["curves"], "kl": [None, 1.0, 2.0]}},
        {"segments": {}},
        {"selection": {"candidates": 3}},
        {"selection": [1]},
        {"auc": [1], "videos": 3},
        {"auc": {"value": "high"}},
    ):
        probe = replace(base.probe, provenance={**base.probe.provenance, **facts})
        session.keep(probe, "ann", "given")
        session.judgements.choose_probe(probe.digest, "ann")
        with served(session) as page:
            for path in ("/layers", "/probes"):
                assert page.get(path)[0] == 200, (facts, path)
            assert "selection" not in facts or page.post("/refit")[0] == 200, facts


def test_hostile_rows_of_the_review_file_are_named(made: Made) -> None:
    session = made.session()
    digest = made.ids["b.mp4"]
    session.judgements.judge([(digest, 1.0, 2.0)], "true_alarm", "ann")
    for damage in (
        "UPDATE judgement SET at = x'ff'",
        "UPDATE judgement SET end = 9e999",
        """UPDATE probe SET figures = '{"after": "high", "before": 1}'""",
        """UPDATE probe SET figures = '{"after": 1e999, "before": 1}'""",
        "UPDATE probe SET at = x'00'",
    ):
        copy = made.out / ".review" / NAME
        with sqlite3.connect(copy) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept = copy.read_bytes()
        with sqlite3.connect(copy) as db:
            db.execute(damage)
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with served(session) as page:
            status, _, body = page.get("/probes")
        assert (status, b"review.sqlite: cannot be used" in body) == (500, True), damage
        copy.write_bytes(kept)
    assert np.isfinite([j.end for j in session.judgements.all()]).all()
