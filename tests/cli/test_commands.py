"""The command line as a person or a script uses it: files, exit codes, errors, interruption."""

from __future__ import annotations

import csv
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from tests.conftest import Fitted, full_disk
from tests.support.numbered_videos import noisy, steady, write
from tests.support.result_folders import folder_name

import hiprobe
from hiprobe import cli, embedded, video
from hiprobe.cli import _detection, _terminal
from hiprobe.cli._passed import PassedOver
from hiprobe.cli._videos import find_videos
from hiprobe.errors import EmptyVideo, StoreError
from hiprobe.probe import Probe
from hiprobe.store.local_places import load_places

RESULT_FILES = {
    "events.jsonl",
    "scores.csv",
    "events.vtt",
    "timeline.png",
    "report.html",
    "result.json",
}


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines on standard error, but for the model's notice."""
        return [
            line
            for line in self.err.splitlines()
            if not line.startswith(("The embedded model is", "about "))
        ]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output, every line of which must be a JSON object."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(one, dict) for one in found)
        return found


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs the command line in this process."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args: Any) -> Ran:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return Ran(int(caught.value.code or 0), *capsys.readouterr())

    yield call
    signal.signal(signal.SIGINT, before)


def manifest(out: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len({(line["name"], line["digest"]) for line in lines}) == len(lines)
    return {line["name"]: line for line in lines}


def tree(out: Path) -> dict[str, bytes]:
    """Every file that a user sees, by its path below `out`."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts)
    }


def shortest(path: Path, frames: int = 1) -> Path:
    return write(path, steady(frames, 10), rate=10, pictures=noisy)


# -- detect


def test_detect_writes_what_it_promises(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path
) -> None:
    ran = run("detect", normal_clip, "-p", fitted.alarm_path, "-o", tmp_path / "out")
    assert ran.code == 0
    assert "normal_00.mp4" in ran.out
    digest = video.digest(normal_clip)
    place = tmp_path / "out" / folder_name("normal_00.mp4", digest)
    assert {path.name for path in place.iterdir()} == RESULT_FILES
    (event,) = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    assert (event["start"], event["end"], event["video"]["digest"]) == (
        0.0,
        pytest.approx(12.8),
        digest,
    )
    assert event["explanation"]
    assert event["probe"] == fitted.alarm.digest
    rows = list(csv.DictReader((place / "scores.csv").open()))
    assert [float(row["start"]) for row in rows] == pytest.approx(np.arange(8) * 1.6)
    assert float(rows[-1]["end"]) == pytest.approx(12.8)  # every frame, to the last
    assert all(0 <= float(row["raw"]) <= 1 and row["status"] == "scored" for row in rows)
    assert (place / "events.vtt").read_text().startswith("WEBVTT")
    assert Image.open(place / "timeline.png").format == "PNG"
    assert "<html" in (place / "report.html").read_text()[:500]
    line = manifest(tmp_path / "out")["normal_00.mp4"]
    assert line == {
        "name": "normal_00.mp4",
        "digest": digest,
        "status": "done",
        "duration": 12.8,
        "segments": 8,
        "events": 1,
        "demoted": 0,
        "gaps": 0,
        "peak": pytest.approx(event["peak_score"]),
        "margin": pytest.approx(event["peak_score"] - event["threshold"]),
        "reason": None,
        "folder": place.name,
        "recorded": None,
    }
    assert str(tmp_path) not in (place / "events.jsonl").read_text()  # no absolute path


def test_detect_as_json(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path, bad_videos: dict[str, Path]
) -> None:
    ran = run(
        "detect",
        normal_clip,
        bad_videos["EmptyVideo"],
        bad_videos["MissingVideo"],
        "-p",
        fitted.alarm_path,
        "-o",
        tmp_path,
        "--json",
        "--no-explain",
    )
    assert ran.code == 3
    found = {one["path"]: one for one in ran.objects}
    assert set(found) == {
        str(normal_clip),
        str(bad_videos["EmptyVideo"]),
        str(bad_videos["MissingVideo"]),
    }
    done = found[str(normal_clip)]
    (line,) = [
        json.loads(text) for text in next(tmp_path.glob("*/events.jsonl")).read_text().splitlines()
    ]
    assert (done["status"], done["reason"], done["events"]) == ("done", None, [line])
    failed = found[str(bad_videos["EmptyVideo"])]
    assert (failed["status"], failed["reason"], failed["events"]) == (
        "failed",
        "EmptyVideo: the file is empty",
        [],
    )
    assert found[str(bad_videos["MissingVideo"])]["reason"].startswith("MissingVideo: ")


def test_what_cannot_be_read_is_named_on_one_line_and_the_others_continue(
    run: Run, tmp_path: Path, fitted: Fitted, bad_videos: dict[str, Path]
) -> None:
    short = shortest(tmp_path / "short.mp4")
    ran = run(
        "detect",
        *bad_videos.values(),
        short,
        "-p",
        fitted.path,
        "-o",
        tmp_path / "out",
        "--no-explain",
    )
    assert ran.code == 3
    assert [line.partition(":")[0] for line in ran.errors] == list(bad_videos)
    assert all(str(bad_videos[line.partition(":")[0]]) in line for line in ran.errors)
    # The names count from the common parent of the files; a path without a file is not one.
    found = {name.rpartition("/")[2]: line for name, line in manifest(tmp_path / "out").items()}
    for name, path in bad_videos.items():
        assert (found[path.name]["status"], found[path.name]["folder"]) == ("failed", None)
        assert found[path.name]["reason"].startswith(name)
    assert (found["short.mp4"]["status"], found["short.mp4"]["segments"]) == ("done", 1)
    assert [path.parent.name[:6] for path in (tmp_path / "out").glob("*/scores.csv")] == ["short-"]
    assert "1 done, 4 failed" in ran.out
    again = run("detect", short, "-p", fitted.path, "-o", tmp_path / "out", "--no-explain")
    assert again.code == 0
    statuses = [line["status"] for line in manifest(tmp_path / "out").values()]
    assert statuses.count("failed") == 4  # the earlier failures stay on record


def test_folders_globs_and_the_same_file_in_many_ways(
    run: Run, tmp_path: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in/a.mp4", "in/deep/b.mp4", "in/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shortest(tmp_path / "in" / "x.mp4", 1 + len(name)).rename(tmp_path / name)
    (tmp_path / "in/link.mp4").symlink_to("a.mp4")
    monkeypatch.chdir(tmp_path)
    ran = run(
        "detect",
        "in/a.mp4",
        "./in/a.mp4",
        tmp_path / "in/a.mp4",
        "in/deep/../a.mp4",
        "in/*.mp4",
        "in",
        "in/**/*",
        "-p",
        fitted.path,
        "-o",
        "out",
        "--no-explain",
        "--json",
    )
    assert ran.code == 0
    assert sorted(one["path"] for one in ran.objects) == [
        "in/a.mp4",
        "in/deep/b.mp4",
        "in/notes.txt",
    ]


def test_same_stem_and_same_content_do_not_get_mixed_up(
    run: Run, tmp_path: Path, fitted: Fitted
) -> None:
    for name, frames in (("a/v.mp4", 3), ("b/v.mp4", 5), ("b/w.mp4", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shortest(tmp_path / name, frames)
    ran = run(
        "detect",
        tmp_path / "a",
        tmp_path / "b",
        "-p",
        fitted.alarm_path,
        "-o",
        tmp_path / "out",
        "--no-explain",
    )
    assert ran.code == 0
    folders = {
        path.parent.name: json.loads(path.read_text())
        for path in (tmp_path / "out").glob("*/events.jsonl")
    }
    assert sorted(
        (name[:2], event["video"]["name"], event["end"]) for name, event in folders.items()
    ) == [("v-", "a/v.mp4", 0.3), ("v-", "b/v.mp4", 0.5), ("w-", "b/w.mp4", 0.5)]
    assert len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 3


HOSTILE = [
    "[red]x[_].mp4",
    "[/bold].mp4",
    "\\[.mp4",
    "new\nline.mp4",
    "esc\x1b[31m\rape.mp4",
    "\u202egpj\u2028b.mp4",
    "-p.mp4",
    "日本.mp4",
    os.fsdecode(b"z\xff.mp4"),
    "x" * 251 + ".mp4",
]


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_hostile_names_are_shown_as_text(run: Run, tmp_path: Path, fitted: Fitted) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for number, name in enumerate(HOSTILE):
        for folder in (good, bad):
            path = folder / name if "/" not in name else folder / name.replace("/", "-", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            if folder is bad:
                path.touch()
            else:
                shortest(path, 1 + number)
    ran = run("detect", good, bad, "-p", fitted.alarm_path, "-o", tmp_path / "out", "--no-explain")
    assert ran.code == 3
    assert len(ran.errors) == len(HOSTILE)
    for line in ran.errors:
        assert line.isprintable()
        assert line.startswith("EmptyVideo: ")
    assert any("[red]x[_].mp4: the file is empty" in line for line in ran.errors)
    assert not set(ran.out) & set("\x1b\r\u202e\u2028\udcff")
    done = [
        line
        for line in map(json.loads, (tmp_path / "out/manifest.jsonl").read_text().splitlines())
        if line["status"] == "done"
    ]
    assert len(done) == len(HOSTILE) == len(list((tmp_path / "out").glob("*/report.html")))
    page = (tmp_path / "out/index.html").read_text()
    for line in done:  # the list leads to every report
        assert (tmp_path / "out" / line["folder"] / "report.html").is_file()
        assert f'href="{quote(line["folder"])}/report.html"' in page
    few = [path for path in sorted(good.iterdir()) if path.name[0] in "zn\u202e"]
    once_more = run(
        "detect",
        *few,
        bad,
        "-p",
        fitted.alarm_path,
        "-o",
        tmp_path / "out",
        "--no-explain",
        "--json",
    )
    assert len(once_more.objects) == len(few) + len(HOSTILE) == 13
    assert once_more.out.isascii()
    # The few have other names now: they were given as files, not in the folder `good`.
    lines = (tmp_path / "out/manifest.jsonl").read_text().splitlines()
    assert len(lines) == 2 * len(HOSTILE) + len(few)


@pytest.mark.parametrize(
    "path", ["", "none", "none/*.mp4", "x" * 300 + ".mp4", "/dev/null", "/dev/null/x.mp4"]
)
def test_a_path_that_means_nothing_is_named(
    run: Run, tmp_path: Path, fitted: Fitted, path: str
) -> None:
    ran = run("detect", path, "-p", fitted.path, "-o", tmp_path / "out", "--json")
    assert ran.code == 3
    assert [line.partition(":")[0] for line in ran.errors] == ["MissingVideo"]
    assert [one["status"] for one in ran.objects] == ["failed"]


def test_an_out_that_cannot_be_written_ends_the_run(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/manifest.jsonl").write_text("{")
    for out in ("file", "file/deeper", "torn"):
        ran = run("detect", normal_clip, "-p", fitted.path, "-o", tmp_path / out, "--no-explain")
        assert (ran.code, len(ran.errors)) == (4, 1)
        assert ran.errors[0].startswith(f"StoreError: {tmp_path / out}")
    assert (tmp_path / "torn/manifest.jsonl").read_text() == "{"


def test_a_full_disk_leaves_nothing_half_written_and_the_run_resumes(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path
) -> None:
    command = ("detect", normal_clip, "-p", fitted.alarm_path, "--no-explain", "-o")
    assert run(*command, tmp_path / "whole/out").code == 0
    whole = tree(tmp_path / "whole/out")
    for room in (1000, 6000, max(map(len, whole.values())) - 1):
        with full_disk(room):
            ran = run(*command, tmp_path / "out")
        assert (ran.code, len(ran.errors)) == (4, 1)
        assert re.search(
            r": cannot write: (File too large|disk I/O error); raise the limit on file size",
            ran.errors[0],
        )
        here = tree(tmp_path / "out")
        assert {
            name: data for name, data in here.items() if name != "manifest.jsonl"
        }.items() <= whole.items()
        assert here["manifest.jsonl"] == b""
        assert {path.name for path in (tmp_path / "out").rglob(".*")} <= {
            ".store",
            ".local.json",
            "..local.json.lock",
            ".manifest.jsonl.lock",
            ".index.sqlite.lock",
        }
    assert run(*command, tmp_path / "out").code == 0
    assert tree(tmp_path / "out") == whole


def test_states_of_all_layers_serve_detect(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path
) -> None:
    ran = run(
        "extract", normal_clip, tmp_path / "none.mp4", "--store", tmp_path / "out/.store", "--json"
    )
    assert (ran.code, len(ran.objects), len(ran.errors)) == (3, 1, 1)
    assert ran.objects[0] == {
        "video": video.digest(normal_clip),
        "segments": 8,
        "sites": 8,
        "width": 160,
        "duration": pytest.approx(12.8),
        "gaps": 0,
    }
    kept = list((tmp_path / "out/.store").rglob("*.safetensors"))
    assert (
        run("detect", normal_clip, "-p", fitted.path, "-o", tmp_path / "out", "--no-explain").code
        == 0
    )
    assert list((tmp_path / "out/.store").rglob("*.safetensors")) == kept


# -- probes and models


def test_an_invalid_probe_or_one_of_another_model_is_named(
    run: Run, tmp_path: Path, fitted: Fitted, normal_clip: Path
) -> None:
    (tmp_path / "text").write_text("a probe, honestly")
    (tmp_path / "cut").write_bytes(fitted.path.read_bytes()[:-1])
    for name, path, said in (
        ("ProbeError", tmp_path, "cannot be read: not a regular file"),
        ("ProbeError", tmp_path / "text", "not a valid probe file"),
        ("ProbeError", tmp_path / "cut", "not a valid probe file"),
        ("ProbeError", embedded.MODEL / "model.safetensors", "has no header of a probe"),
    ):
        ran = run("detect", normal_clip, "-p", path, "-o", tmp_path / "out")
        assert (ran.code, len(ran.errors)) == (2 if name == "UsageError" else 3, 1)
        assert ran.errors[0].startswith(f"{name}: {path}: ")
        assert said in ran.errors[0]
    other = replace(
        fitted.probe, recipe=replace(fitted.probe.recipe, model="Qwen/Qwen2.5-VL-7B-Instruct")
    )
    other.save(tmp_path / "other")
    ran = run(
        "detect", normal_clip, "-p", tmp_path / "other", "-m", "embedded", "-o", tmp_path / "out"
    )
    assert (ran.code, len(ran.errors)) == (3, 1)
    assert "RecipeMismatch" in ran.errors[0]
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in ran.errors[0]
    assert not list((tmp_path / "out").rglob("*.safetensors"))  # nothing was read for it


@pytest.mark.parametrize(
    ("option", "value", "code", "name"),
    [
        ("--model", "nonsense", 2, "UsageError"),
        ("--model", "./nowhere", 4, "ModelError"),
        ("--model", "nowhere:load", 2, "UsageError"),
        ("--device", "moon", 4, "ModelError"),
        ("--dtype", "int3", 2, "UsageError"),
        ("--revision", "abc", 4, "ModelError"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_named(
    run: Run,
    tmp_path: Path,
    fitted: Fitted,
    normal_clip: Path,
    option: str,
    value: str,
    code: int,
    name: str,
) -> None:
    for command in (
        ("detect", normal_clip, "-p", fitted.path, "-o", tmp_path),
        ("explain", normal_clip),
    ):
        ran = run(*command, option, value)
        assert (ran.code, len(ran.errors)) == (code, 1)
        assert ran.errors[0].startswith(f"{name}: ")
        assert gc.isenabled()  # it rests only while a model loads


# -- fit and layers


def test_fit_says_what_it_chose(run: Run, tmp_path: Path, fitted: Fitted, clips: Path) -> None:
    ran = run(
        "fit", clips, "-o", tmp_path / "deep/a.safetensors", "--store", fitted.store, "--json"
    )
    assert (ran.code, len(ran.objects)) == (0, 1)
    made, said = Probe.load(tmp_path / "deep/a.safetensors"), ran.objects[0]
    assert (said["probe"], said["digest"]) == (str(tmp_path / "deep/a.safetensors"), made.digest)
    assert (said["failed"], said["segments"]) == (
        [],
        {"anomalous": 32, "normal": 32, "left_out": 0},
    )
    assert said["chosen"] == [str(made.sites[0])]
    words = run("fit", clips, "-o", tmp_path / "b.safetensors", "--store", fitted.store)
    assert (words.code, said["chosen"][0] in words.out, "threshold" in words.out) == (0, True, True)
    assert (tmp_path / "b.safetensors").read_bytes() == (
        tmp_path / "deep/a.safetensors"
    ).read_bytes()


def test_a_clip_that_cannot_be_read_is_left_out_and_reported(
    run: Run, tmp_path: Path, clips: Path, fitted: Fitted
) -> None:
    for label, name in (
        (row["label"], row["path"]) for row in csv.DictReader((clips / "labels.csv").open())
    ):
        (tmp_path / "in" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(clips / name, tmp_path / "in" / label)
    (tmp_path / "in/normal/empty.mp4").touch()
    ran = run("fit", tmp_path / "in", "-o", tmp_path / "p", "--store", fitted.store, "--json")
    assert ran.code == 3
    assert [line.partition(":")[0] for line in ran.errors] == ["EmptyVideo"]
    assert ran.objects[0]["failed"] == [str(tmp_path / "in/normal/empty.mp4")]
    assert Probe.load(tmp_path / "p").provenance["segments"]["normal"] == 32


def test_unusable_labels_are_named(run: Run, tmp_path: Path, clips: Path, fitted: Fitted) -> None:
    rows = (clips / "labels.csv").read_text().splitlines()
    cases = {
        "broken.csv": ([*rows, "x,fight,1,"], 3, "broken.csv:10: there is no file"),
        "number.csv": (
            [rows[0], rows[1] + "x"],
            3,
            "number.csv:2: end must be a time from 0 on as seconds, mm:ss or h:mm:ss, got 'x'",
        ),
        "one class.csv": (
            [rows[0], *(row for row in rows if "normal,," in row and "abnormal," not in row)],
            3,
            "at least 4 anomalous and 4 normal segments are needed, got 0 anomalous",
        ),
        "few.csv": (
            [rows[0], f"{rows[1].split(',')[0]},fight,0,4.8", rows[-1]],
            3,
            "got 3 anomalous and 13 normal",
        ),
    }
    for name, (text, code, said) in cases.items():
        (clips / name).write_text("\n".join(text) + "\n")
        ran = run("fit", clips / name, "-o", tmp_path / "p", "--store", fitted.store)
        assert (ran.code, len(ran.errors)) == (code, 1)
        assert ran.errors[0].startswith("LabelError: ")
        assert said in ran.errors[0]
    for arguments, code in (
        ((tmp_path / "none",), 2),
        ((clips, "--split", "none"), 3),
        ((clips, "--layer", "99"), 2),
        ((clips, "--prompt", " "), 2),
        ((clips, "--seed", "-1"), 2),
        ((clips, "--method", "x"), 2),
    ):
        ran = run("fit", *arguments, "-o", tmp_path / "p", "--store", fitted.store)
        assert ran.code == code
        # Whether the model has the layer is known once it is loaded, after the labels were told.
        assert (ran.out == "") == ("--layer" not in arguments)
    assert not (tmp_path / "p").exists()


def test_a_forced_layer_is_read_alone_and_drawn_as_itself(
    run: Run, tmp_path: Path, clips: Path
) -> None:
    head, *rows = (clips / "labels.csv").read_text().splitlines()
    few = clips / "four.csv"  # two of each class
    few.write_text("\n".join([head, *rows[:2], *rows[-2:]]) + "\n")
    for method in ("hiprobe", "output_layer"):
        ran = run(
            "fit",
            few,
            "--layer",
            "5",
            "--method",
            method,
            "-o",
            tmp_path / "p.safetensors",
            "--store",
            tmp_path / "store",
            "--json",
        )
        assert ran.code == 0
        assert ran.objects[0]["chosen"] == ["residual/layer5/prompt0"]
    ran = run("layers", tmp_path / "p.safetensors", "-o", tmp_path / "l.png", "--json")
    assert (ran.objects[0]["layers"], ran.objects[0]["chosen"]) == ([5], 5)


def test_layers_are_drawn_and_printed(
    run: Run, tmp_path: Path, fitted: Fitted, clips: Path
) -> None:
    ran = run("layers", fitted.path, "-o", tmp_path / "l.png", "--json")
    assert (ran.code, len(ran.objects)) == (0, 1)
    found, facts = ran.objects[0], fitted.probe.provenance
    assert found["layers"] == list(range(8))
    assert all(
        len(found[name]) == 8
        for name in ("kl", "ldr", "entropy", "saliency", "kl_null_mean", "auc")
    )
    assert found["chosen"] == fitted.probe.sites[0].layer == int(np.argmax(found["saliency"]))
    assert found["kl"] == facts["curves"]["kl"]
    assert Image.open(tmp_path / "l.png").format == "PNG"
    ran = run("layers", clips, "-o", tmp_path / "l2.png", "--store", fitted.store)
    assert (ran.code, f"{found['chosen']} <" in ran.out) == (0, True)


def test_a_probe_without_curves_is_named(run: Run, tmp_path: Path, fitted: Fitted) -> None:
    """From a method that chooses no layer, or from a stranger: its provenance is any JSON."""
    for number, facts in enumerate(
        [
            {},
            {"curves": 3},
            {**fitted.probe.provenance, "curves": {}},
            {**fitted.probe.provenance, "candidates": ["soul"]},
            {**fitted.probe.provenance, "chosen": []},
        ]
    ):
        path = tmp_path / f"{number}.safetensors"
        replace(fitted.probe, provenance=facts).save(path)
        ran = run("layers", path, "-o", tmp_path / "l.png")
        assert (ran.code, len(ran.errors)) == (3, 1)
        assert ran.errors[0].startswith(f"ProbeError: {path}: ")
    assert not (tmp_path / "l.png").exists()


# -- explain and demo


def test_explain_answers_about_a_span(run: Run, normal_clip: Path, shipped: Any) -> None:
    ran = run("explain", normal_clip, "--start", "1", "--end", "2.6", "--json")
    found = ran.objects[0]
    words = hiprobe.explain(normal_clip, shipped, hiprobe.Event(1.0, 2.6))
    assert (ran.code, found["start"], found["end"], found["text"], found["abnormal"]) == (
        0,
        1.0,
        2.6,
        *words,
    )
    assert run("explain", normal_clip, "--start", "1", "--end", "2.6").out.strip() == words[0]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--start", "5", "--end", "3"), 2),
        (("--end", "nan"), 2),
        (("--end", "inf"), 2),
        (("--start", "50"), 2),
        (("--start", "50", "--end", "60"), 2),
        (("--start", "-1"), 2),
        (("--start", "nan"), 2),
        (("--deadline", "nan"), 2),
        (("--max-tokens", "0"), 2),
    ],
)
def test_an_invalid_span_or_limit_is_wrong_usage(
    run: Run, normal_clip: Path, options: tuple[str, ...], code: int
) -> None:
    ran = run("explain", normal_clip, *options)
    assert (ran.code, ran.out) == (code, "")
    assert "Traceback" not in ran.err


def test_explain_names_a_file_that_is_not_a_video(
    run: Run, tmp_path: Path, bad_videos: dict[str, Path]
) -> None:
    for name, path in [*bad_videos.items(), ("EmptyVideo", tmp_path)]:
        ran = run("explain", path)
        assert (ran.code, len(ran.errors), ran.out) == (3, 1, "")
        assert ran.errors[0].startswith(f"{name}: {path}: ")


def test_the_demonstration_needs_no_argument(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("demo")
    assert ran.code == 0
    steps = [line for line in ran.out.splitlines() if line[:3] in ("1. ", "2. ", "3. ")]
    assert [line.split()[1] for line in steps] == ["detect", "fit", "detect"]
    out = tmp_path / "hiprobe-out"
    for folder in (out / "default-probe", out):
        assert manifest(folder)["demo.mp4"]["status"] == "done"
    assert "rendered" in ran.err
    assert ran.out.splitlines()[-2:] == [
        "all results: hiprobe-out/index.html",
        "look, judge and refit: hiprobe review",
    ]
    shipped = Probe.load(out / "default-probe/probe.safetensors")
    assert shipped.to_bytes() == embedded.PROBE.read_bytes()
    made = Probe.load(out / "probe.safetensors")
    assert (made.method, made.recipe) == (shipped.method, shipped.recipe)
    assert made.provenance["segments"] == shipped.provenance["segments"]
    found = [
        (event["verification"]["result"], event["explanation"].split(",")[0])
        for event in json.loads(next(out.glob("demo-*/result.json")).read_text())["events"]
    ]
    assert found == [("confirmed", name) for name in ("fight", "fall", "fire")]
    assert load_places(out).fits[made.digest].data == str(embedded.CLIPS)


# -- usage


def test_wrong_usage_is_2_and_help_is_worth_reading(run: Run, normal_clip: Path) -> None:
    for arguments in (
        (),
        ("nonsense",),
        ("detect",),
        ("detect", normal_clip, "-p", "none.safetensors"),
        ("detect", "--nope"),
        ("fit",),
    ):
        assert run(*arguments).code == 2
    for words in ((), ("detect",), ("fit",), ("layers",), ("explain",), ("extract",), ("demo",)):
        ran = run(*words, "--help")
        assert (ran.code, ran.err) == (0, "")
    text = " ".join(run("--help").out.split())
    for said in (
        "demo",
        "detect",
        "fit",
        "layers",
        "explain",
        "extract",
        "Exit codes: 0 done, 2 wrong usage",
        "3 some inputs failed",
        "130 interrupted",
    ):
        assert said in text
    assert "seconds" in run("fit", "--help").out


# -- the terminal


def test_an_error_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    _terminal.complain(
        EmptyVideo("no\nbytes \x1b[31m [red]", where="a\nb[/]\x1b.mp4", cure="try\nagain")
    )
    text = capsys.readouterr().err
    assert text == "EmptyVideo: a\\nb[/]\\x1b.mp4: no bytes \\x1b[31m [red]; try again\n"


def test_standard_output_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (
        lambda: _terminal.emit({"a": 1}),
        lambda: _terminal.say("a"),
        lambda: _terminal.show(_terminal.Text("a")),
    ):
        full = open("/dev/full", "w")  # noqa: SIM115
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            patch.setattr(
                _terminal, "out", _terminal.Console(highlight=False)
            )  # it keeps what it could not write
            with pytest.raises(StoreError, match="standard output: cannot write: No space left"):
                call()
        with suppress(OSError):  # what it could not write it tries again
            full.close()


# -- real processes

START = [sys.executable, "-c", "from hiprobe.cli import main; main()"]


@dataclass(frozen=True)
class CutOff:
    """Interrupt a run after its first video and resume it; also run it without interruption."""

    videos: int
    first: Ran
    kept: dict[
        Path, tuple[int, int]
    ]  # the states files after the interruption, by inode and time of change
    after: dict[str, bytes]
    second: Ran
    out: Path
    whole: Path


@pytest.fixture(scope="module")
def cut_off(
    tmp_path_factory: pytest.TempPathFactory, fitted: Fitted, clips: Path, shipped: Any
) -> CutOff:
    import torch

    folder = tmp_path_factory.mktemp("cut")
    out, whole = folder / "out", folder / "whole"
    videos = sorted(clips.glob("*.mp4"))[::3]
    command = [
        *START,
        "detect",
        *map(str, videos),
        "-p",
        str(fitted.alarm_path),
        "-o",
        str(out),
        "--json",
    ]
    threads = {
        **os.environ,
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        "PYTHONIOENCODING": "ascii",
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=threads
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        child.send_signal(signal.SIGINT)
        rest, err = child.communicate()
    first = Ran(child.returncode, line + rest, err)
    kept = {
        path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*.safetensors")
    }
    after = tree(out)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=threads
    ) as again:
        probe = Probe.load(fitted.alarm_path)
        asked = _detection.DetectionRequest(probe, whole, probe.localization, dtype=None)
        found = find_videos(list(map(str, videos)), PassedOver())
        output = _detection.Output(whole, as_json=True)
        _detection.show_detection(found, asked, lambda: shipped, output)  # meanwhile
        second = again.communicate()
    return CutOff(len(videos), first, kept, after, Ran(again.returncode, *second), out, whole)


def test_an_interrupted_run_says_so_and_keeps_what_was_finished(cut_off: CutOff) -> None:
    assert cut_off.first.code == 130
    assert [line.partition(":")[0] for line in cut_off.first.errors] == ["interrupted"]
    reported = [one["path"] for one in cut_off.first.objects]
    assert 1 <= len(reported) < cut_off.videos
    noted = [json.loads(line) for line in cut_off.after["manifest.jsonl"].splitlines()]
    on_disk = {line["name"] for line in noted}
    assert {Path(path).name for path in reported} <= on_disk
    for line in noted:
        assert {f"{line['folder']}/{name}" for name in RESULT_FILES} <= set(cut_off.after)


def test_the_same_command_again_reads_no_finished_video_twice(cut_off: CutOff) -> None:
    assert cut_off.second.code == 0
    assert len(cut_off.second.objects) == cut_off.videos
    assert len(cut_off.kept) >= len(cut_off.first.objects)
    for path, identity in cut_off.kept.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == identity


def test_a_saved_probe_gives_the_same_bytes_in_another_process(cut_off: CutOff) -> None:
    """And an interrupted run that was resumed equals an uninterrupted one."""
    here, there = tree(cut_off.whole), tree(cut_off.out)
    assert here.keys() == there.keys()
    assert sum(name.endswith("events.jsonl") for name in here) == cut_off.videos
    for name in here.keys() - {"manifest.jsonl", "index.html"}:  # its title is the folder's name
        assert here[name] == there[name], name
    for path in cut_off.whole.glob("*/events.jsonl"):
        assert len(path.read_bytes().splitlines()) == 1
    assert sorted(here["manifest.jsonl"].splitlines()) == sorted(
        there["manifest.jsonl"].splitlines()
    )
