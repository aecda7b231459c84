"""Other programs read the files of the sinks correctly, for harmless and hostile text."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.support.broker import MOSQUITTO, Broker
from tests.support.fake_frigate import FakeFrigate
from tests.support.http_receiver import Receiver, free_port

from hiprobe import checks, plugins, sinks
from hiprobe.errors import UsageError
from hiprobe.formats.csv import scores_csv
from hiprobe.formats.webvtt import timestamp
from hiprobe.types import Event, Gap, Result, Scores, Site, Video

HOSTILE = [
    '=cmd|" /C calc"!A0',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "</script><script>alert(1)</script>",
    "a --> b",
    "00:00.000 --> 99:00.000\n\nWEBVTT",
    "one\r\n\r\ntwo",
    "\u2028line\u2029para\x85next\x0bv",
    "\u202etxt.exe\u200f",
    "NUL\x00 bell\x07 \x1b[31m",
    'quote " comma , semi ;',
    "STYLE\n::cue{}",
    "&lt; &amp; <b>",
    "\udcff raw",
]
VIDEO, PROBE = "9c" * 32, "5f" * 32


def a_result(
    name: str = "shop.mp4", label: str | None = "fall", explanation: str | None = "a person falls"
) -> Result:
    starts = np.array([0.0, 1.6, 3.2, 8.0])
    scores = Scores(
        starts,
        starts + 1.6,
        np.array([0.1, 0.9, 0.8, -0.0]),
        np.array([0.2, 0.7, 1 / 3, 0.1]),
        np.array([np.inf, 0.5, 0.6, 0.6]),
        (Gap(4.8, 8.0, "=bad\npackets"),),
    )
    events = (Event(1.6, 4.8, 3.9999999, 0.7, label, explanation), Event(8.0, 9.6, 8.8, 0.1))
    model = {
        "id": "embedded",
        "revision": None,
        "sites": [Site("residual", 3), "head/layer4/head2/prompt0"],
    }
    provenance = {"model": model, "probe": PROBE}
    return Result(f"/home/someone/{name}", VIDEO, "partial", 9.6, scores, events, None, provenance)


def lines_of(result: Result) -> list[dict[str, object]]:
    return [sinks.event_line(result, event) for event in result.events]


def written(name: str, result: Result, folder: Path) -> str:
    with sinks.load(name).open(folder / "out.txt") as sink:
        for line in lines_of(result):
            sink.write(line)
    return (folder / "out.txt").read_bytes().decode()


def test_the_event_line_is_the_published_schema_in_order() -> None:
    line = lines_of(a_result())[0]
    sites = ["residual/layer3/prompt0", "head/layer4/head2/prompt0"]
    assert json.dumps(line) == json.dumps(
        {
            "schema": "hiprobe.event/2",
            "id": line["id"],
            "video": {
                "name": "shop.mp4",
                "digest": VIDEO,
                "duration": 9.6,
                "recorded": None,
            },
            "start": 1.6,
            "end": 4.8,
            "peak_time": 4.0,
            "peak_score": 0.7,
            "threshold": 0.6,
            "severity": "medium",
            "verification": {"result": "not_checked", "log_odds": None},
            "box": None,
            "label": "fall",
            "explanation": "a person falls",
            "model": {"id": "embedded", "revision": None, "sites": sites},
            "probe": PROBE,
        }
    )


def test_the_id_depends_on_video_probe_and_span_only() -> None:
    ids = {
        str(line["id"])
        for text in ("fall", "other")
        for line in lines_of(a_result("x.avi", text, text))
    }
    text = f'["x.avi","{VIDEO}","{PROBE}",1.6,4.8]'
    assert len(ids) == 2
    assert hashlib.sha256(text.encode()).hexdigest()[:32] in ids
    other = dataclasses.replace(a_result(), video_id="00" * 32)
    assert not ids & {line["id"] for line in lines_of(other)}


def test_an_unknown_threshold_is_null_and_an_endless_event_is_refused() -> None:
    result = a_result()
    assert sinks.event_line(result, Event(0.0, 1.0, 0.5, 0.9))["threshold"] is None
    assert sinks.event_line(result, Event(0.0, 1.0))["peak_time"] is None
    with pytest.raises(ValueError, match="finite"):
        sinks.event_line(result, Event(0.0, np.inf, 0.5, 0.9))
    with pytest.raises(KeyError):
        sinks.event_line(dataclasses.replace(result, provenance={}), result.events[0])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/my film.mp4", "my film.mp4"),
        ("clip.avi", "clip.avi"),
        ("rtsp://admin:p@ss#1@cam1:554/live?a=b", "cam1:554"),
        ("rtsp://admin:pw@10.0.0.7", "10.0.0.7"),
        ("https://host/a/b.mp4?token=x", "host"),
    ],
)
def test_a_shown_name_has_no_folder_and_no_password(path: str, name: str) -> None:
    assert Result(path, "", "failed", reason="x").name == name
    assert Video(path).name == name


FILES = ("csv", "jsonl", "webvtt")


@pytest.mark.parametrize("name", FILES)
def test_every_file_sink_keeps_every_promise(name: str) -> None:
    assert len(checks.check_sink(name)) >= 11


AWAY = {  # an address of each kind that nobody answers
    "apprise": "json://me:not-to-be-shown@127.0.0.1:{port}/x",
    "frigate": "http://me:not-to-be-shown@127.0.0.1:{port}",
    "mqtt": "mqtt://me:not-to-be-shown@127.0.0.1:{port}",
    "webhook": "http://me:not-to-be-shown@127.0.0.1:{port}/not-to-be-shown",
}


def test_every_sink_of_the_package_is_checked() -> None:
    assert {*FILES, *AWAY} == set(plugins.built_in(sinks.__path__))


@pytest.mark.parametrize("name", AWAY)
def test_every_network_sink_keeps_every_promise(name: str, tmp_path: Path) -> None:
    if name == "apprise":
        pytest.importorskip("apprise")
    with receiver(name, tmp_path) as target:
        kept = checks.check_sink(name, target, unreachable=AWAY[name].format(port=free_port()))
    assert "an error shows no password" in kept
    assert "it takes every alert message" in kept


@contextmanager
def receiver(name: str, folder: Path) -> Iterator[str]:
    """The address of a real receiver for a sink."""
    if name == "mqtt":
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed: the mqtt sink is not checked")
        with Broker(folder / "broker") as broker:
            yield broker.url
    elif name == "frigate":
        with FakeFrigate(cameras=("yard 1/2", "door")) as frigate:
            yield f"http://{frigate.host}"
    else:
        with Receiver(folder / "hook") as hook:
            yield hook.url.replace("http", "json" if name == "apprise" else "http")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", HOSTILE)
def test_bytes_are_stable_utf8_without_the_folder(name: str, text: str, tmp_path: Path) -> None:
    content = written(name, a_result(text.replace("/", "_") + ".mp4", text, text), tmp_path)
    assert content == written(name, a_result(text.replace("/", "_") + ".mp4", text, text), tmp_path)
    assert "someone" not in content


@pytest.mark.parametrize("name", FILES)
def test_no_event_is_a_valid_file(name: str, tmp_path: Path) -> None:
    content = written(name, dataclasses.replace(a_result(), events=()), tmp_path)
    assert content in ("", "WEBVTT\n") or len(list(csv.reader(io.StringIO(content)))) == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_jsonl_is_one_line_an_event_for_any_reader(text: str, tmp_path: Path) -> None:
    result = a_result(text.replace("/", "_") + ".mp4", text, text)
    rows = [json.loads(line) for line in written("jsonl", result, tmp_path).splitlines()]
    assert rows == lines_of(result)
    assert rows[0]["label"] == text.replace("\udcff", "\ufffd")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_csv_cell_is_a_formula(text: str, tmp_path: Path) -> None:
    content = written("csv", a_result(text.replace("/", "_") + ".mp4", text, text), tmp_path)
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert len(rows) == 2
    assert None not in rows[0]
    words = [rows[0][key] for key in ("video_name", "label", "explanation")]
    assert not any(word.startswith(tuple("=+-@\t\r\n＝")) for word in words)
    assert words[1].removeprefix("'") == re.sub("\r\n?", "\n", text).replace("\udcff", "\ufffd")


def test_csv_holds_the_numbers(tmp_path: Path) -> None:
    first, second = csv.DictReader(io.StringIO(written("csv", a_result(), tmp_path)))
    numbers = [
        float(first[key]) for key in ("start", "end", "peak_time", "peak_score", "threshold")
    ]
    assert numbers == [1.6, 4.8, 4.0, 0.7, 0.6]
    assert first["model_sites"] == "residual/layer3/prompt0 head/layer4/head2/prompt0"
    assert (second["label"], second["model_revision"]) == ("", "")


def test_scores_csv_lists_segments_and_gaps_in_time_order() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_csv(a_result()))))
    assert list(rows[0]) == ["start", "end", "raw", "smoothed", "threshold", "status", "source"]
    assert [row["source"] for row in rows] == ["read", "read", "read", "", "read"]
    assert [float(row["start"]) for row in rows] == [0.0, 1.6, 3.2, 4.8, 8.0]
    assert [row["status"] for row in rows] == [
        "scored",
        "scored",
        "scored",
        "gap: =bad packets",
        "scored",
    ]
    assert list(rows[3].values())[2:5] == ["", "", ""]
    assert (rows[0]["threshold"], rows[2]["smoothed"], rows[4]["raw"]) == (
        "",
        "0.333333",
        "0.000000",
    )
    failed = Result("x", VIDEO, "failed", reason="broken")
    with pytest.raises(ValueError, match="no scores"):
        scores_csv(failed)


def parse_vtt(text: str) -> list[tuple[str, float, float, list[str]]]:
    """Read cues by W3C WebVTT 6.1: an arrow makes a timing line, a blank line ends a cue."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    blocks = [block.split("\n") for block in re.split(r"\n{2,}", unix)]
    assert blocks[0] == ["WEBVTT"]
    cues = []
    for block in blocks[1:]:
        assert [k for k, line in enumerate(block) if "-->" in line] == [1]
        match = re.fullmatch(
            r"(\d\d+):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d\d+):([0-5]\d):([0-5]\d)\.(\d{3})",
            block[1],
        )
        assert match
        h1, m1, s1, t1, h2, m2, s2, t2 = map(int, match.groups())
        cues.append(
            (
                block[0],
                h1 * 3600 + m1 * 60 + s1 + t1 / 1000,
                h2 * 3600 + m2 * 60 + s2 + t2 / 1000,
                block[2:],
            )
        )
    return cues


@pytest.mark.parametrize("text", HOSTILE)
def test_webvtt_keeps_hostile_text_inside_its_cue(text: str, tmp_path: Path) -> None:
    result = a_result(label=text, explanation=text)
    cues = parse_vtt(written("webvtt", result, tmp_path))
    assert [cue[0] for cue in cues] == [line["id"] for line in lines_of(result)]
    for line in cues[0][3]:
        assert not re.search(r"[<>\x00-\x1f]|&(?!amp;|lt;|gt;)", line)
    shown = cues[0][3][1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    visible = [c for c in text if c.isalnum() or c in "<>&=-"]
    assert [c for c in shown if c.isalnum() or c in "<>&=-"] == visible


def test_webvtt_cues_cover_their_events(tmp_path: Path) -> None:
    result = a_result()
    short = dataclasses.replace(
        result, events=(Event(-0.2, 0.00011), Event(2.0004, 2.0006), Event(360000.0, 360001.5))
    )
    cues = parse_vtt(written("webvtt", short, tmp_path))
    assert [cue[1:3] for cue in cues] == [(0.0, 0.001), (2.0, 2.001), (360000.0, 360001.5)]
    assert parse_vtt(written("webvtt", result, tmp_path))[0][3] == [
        "fall (score 0.70)",
        "a person falls",
    ]
    assert timestamp(3_723_004) == "01:02:03.004"


def test_load_finds_a_sink_outside_the_package_and_names_what_is_missing() -> None:
    assert sinks.load("hiprobe.sinks:jsonl") is sinks.load("jsonl")
    assert {"jsonl", "csv", "webvtt"} <= set(sinks.names())
    for name in (
        "nope",
        "__init__",
        "no.such.module:x",
        "json:nothing",
        ":x",
        ".:x",
        "json:dumps",
        "",
    ):
        with pytest.raises(UsageError, match=re.escape(repr(name))):
            sinks.load(name)
