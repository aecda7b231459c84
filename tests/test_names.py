"""Names of videos through a whole run: tables, files, pages, resuming, and reading once."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import Ran, run
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write
from tests.support.result_folders import folder_name

from hiprobe import runs, video
from hiprobe.store import read_manifest
from hiprobe.types import Video

__all__ = ["run"]  # a fixture

FAKE = "tests.support.fake_backbone:load"
ROOT = Path(__file__).parents[1]
Detect = Callable[..., Ran]


def clip(path: Path, frames: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, steady(frames, 10), rate=10, pictures=noisy)


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A function that returns how often the model was asked since the last call."""
    log = tmp_path / "reads.log"
    monkeypatch.setenv("READ_LOG", str(log))

    def count() -> int:
        number = len(log.read_text().splitlines()) if log.exists() else 0
        log.unlink(missing_ok=True)
        return number

    return count


@pytest.fixture
def detect(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Runs `hiprobe detect` in `tmp_path`, with a probe that makes one event of every video."""
    monkeypatch.chdir(tmp_path)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    return lambda *what: run("detect", *what, "-p", "p.safetensors", "-m", FAKE, "-o", "out")


def names(out: Path) -> list[str]:
    return sorted(line.name for line in read_manifest(out))


@pytest.mark.parametrize("same", [False, True])
def test_equal_file_names_in_two_folders_are_two_videos_everywhere(
    detect: Detect, run: Any, tmp_path: Path, reads: Callable[[], int], same: bool
) -> None:
    front = clip(tmp_path / "cams/front/0900.mp4")
    back = clip(tmp_path / "cams/back/0900.mp4", 20 if same else 30)
    assert (front.read_bytes() == back.read_bytes()) == same
    ran = detect("cams")
    assert ran.code == 0
    assert reads() == (1 if same else 2)  # the same content is read once and reported twice
    expected = {"back/0900.mp4": back, "front/0900.mp4": front}
    out = tmp_path / "out"
    lines = {line.name: line for line in read_manifest(out)}
    assert sorted(lines) == list(expected)
    for name, path in expected.items():
        digest, line = video.digest(path), lines[name]
        assert (line.digest, line.events) == (digest, 1)
        place = out / folder_name(name, digest)
        assert line.folder == place.name
        assert json.loads((place / "result.json").read_text())["name"] == name
        (event,) = map(json.loads, (place / "events.jsonl").read_text().splitlines())
        assert (event["video"]["name"], event["video"]["digest"]) == (name, digest)
        assert name in (place / "report.html").read_text()
        assert name in (out / "index.html").read_text()
        assert name in ran.out
        assert f'href="{place.name}/report.html"' in (out / "index.html").read_text()
    assert len({line.folder for line in lines.values()}) == 2
    listed = run("runs", "out", "--json").objects
    assert sorted(one["name"] for one in listed) == list(expected)
    again = detect("cams", "--json")
    assert sorted(one["name"] for one in again.objects) == list(expected)
    assert reads() == 0


def test_several_arguments_give_a_prefix_and_files_their_common_parent(
    detect: Detect, tmp_path: Path
) -> None:
    for name in ("cams/front/0900.mp4", "cams/back/0900.mp4", "shop/0900.mp4"):
        clip(tmp_path / name)
    for given, expected in (
        (("cams", "shop/"), ["cams/back/0900.mp4", "cams/front/0900.mp4", "shop/0900.mp4"]),
        (("cams/*/0900.mp4",), ["back/0900.mp4", "front/0900.mp4"]),
        (("cams/front/0900.mp4", "shop/0900.mp4"), ["cams/front/0900.mp4", "shop/0900.mp4"]),
        ((tmp_path / "shop/0900.mp4",), ["0900.mp4"]),
        (("cams/back", "cams/front"), ["back/0900.mp4", "front/0900.mp4"]),
    ):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        assert detect(*given).code == 0
        assert names(tmp_path / "out") == expected


def test_two_videos_of_one_name_are_wrong_usage_and_both_are_named(
    detect: Detect, tmp_path: Path, reads: Callable[[], int]
) -> None:
    for name in ("north/cams/0900.mp4", "south/cams/0900.mp4"):
        clip(tmp_path / name)
    ran = detect("north/cams", "south/cams")
    assert (ran.code, len(ran.errors)) == (2, 1)
    for said in ("cams/0900.mp4", "north/cams/0900.mp4", "south/cams/0900.mp4", "both"):
        assert said in ran.errors[0]
    assert reads() == 0
    assert not (tmp_path / "out/manifest.jsonl").exists()
    assert detect(".").code == 0  # the cure


def test_a_renamed_video_is_a_new_result_from_the_same_hidden_states(
    detect: Detect, tmp_path: Path, reads: Callable[[], int]
) -> None:
    clip(tmp_path / "cams/a.mp4")
    detect("cams")
    assert reads() == 1
    (tmp_path / "cams/a.mp4").rename(tmp_path / "cams/b.mp4")
    ran = detect("cams")
    assert "finished before" not in ran.out
    assert reads() == 0
    assert names(tmp_path / "out") == ["a.mp4", "b.mp4"]
    clip(tmp_path / "cams/b.mp4", 30)  # another content under the same name
    assert "finished before" not in detect("cams").out
    assert reads() == 1
    assert len(list((tmp_path / "out").glob("*/result.json"))) == 3
    assert "all were finished before" in detect("cams").out


def test_a_folder_given_by_another_path_resumes(detect: Detect, tmp_path: Path) -> None:
    clip(tmp_path / "cams/front/a.mp4")
    detect("cams")
    for given in (tmp_path / "cams", "./cams/", "cams/../cams"):
        assert "all were finished before" in detect(given).out
    (tmp_path / "cams").rename(tmp_path / "moved")
    assert "all were finished before" in detect("moved").out


HIPROBE = [sys.executable, "-c", "from hiprobe.cli import main; main()"]


def waiting(**_: Any) -> fake_backbone.MeanColourBackbone:
    """A backbone that says that it reads, and then waits until the file `go` is there."""

    class Waiting(fake_backbone.MeanColourBackbone):
        def read(self, *args: Any, **more: Any) -> Any:
            found = super().read(*args, **more)
            Path("reading").touch()
            until = time.monotonic() + 30
            while not Path("go").exists() and time.monotonic() < until:
                time.sleep(0.02)
            return found

    return Waiting()


def test_two_workers_on_one_folder_read_the_same_content_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Callable[[], int]
) -> None:
    """The first holds `front` and reads it; the second must wait, not read `back` as well."""
    monkeypatch.chdir(tmp_path)
    front, back = clip(tmp_path / "cams/front/0900.mp4"), clip(tmp_path / "cams/back/0900.mp4")
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    first = subprocess.Popen(
        [*HIPROBE, "detect", "cams", "-p", "p.safetensors", "-m",
         "tests.test_names:waiting", "-o", "out"],
        env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not Path("reading").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    waited: list[int] = []

    def let_go(videos: int) -> None:
        waited.append(videos)
        Path("go").touch()

    second = runs.DetectionRun(fake_backbone.load(), fake_backbone.constant_probe(), Path("out"))
    given = [Video(str(front), name="front/0900.mp4"), Video(str(back), name="back/0900.mp4")]
    found = list(second.detect(given, waiting=let_go))
    _, said = first.communicate(timeout=60)
    assert (first.returncode, waited) == (0, [2]), said
    assert reads() == 1
    assert {one.name: one.status for one in found} == {
        "front/0900.mp4": "done",
        "back/0900.mp4": "done",
    }
    assert sorted(path.parent.name for path in Path("out").glob("*/result.json")) == sorted(
        folder_name(one.name, video.digest(one.path)) for one in given
    )


def test_no_absolute_path_is_in_any_file_but_the_local_one(
    detect: Detect, run: Any, tmp_path: Path
) -> None:
    clip(tmp_path / "cams/front/0900.mp4")
    (tmp_path / "cams/empty.mp4").touch()
    whole = run(
        "detect", tmp_path / "cams", tmp_path / "none.mp4", "-p", tmp_path / "p.safetensors",
        "-m", FAKE, "-o", tmp_path / "out",
    )  # fmt: skip
    assert whole.code == 3
    holding = [
        path.relative_to(tmp_path / "out")
        for path in (tmp_path / "out").rglob("*")
        if path.is_file() and str(tmp_path).encode() in path.read_bytes()
    ]
    assert holding == [Path(".local.json")]
    assert names(tmp_path / "out") == ["cams/empty.mp4", "cams/front/0900.mp4", "none.mp4"]


def test_an_interruption_still_leaves_the_list_of_videos(
    detect: Detect, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        clip(tmp_path / "cams" / name, 20 + (name == "b.mp4"))
    read, asked = fake_backbone.MeanColourBackbone.read, []

    def interrupted(*args: Any, **more: Any) -> Any:
        asked.append(1)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return read(*args, **more)

    monkeypatch.setattr(fake_backbone.MeanColourBackbone, "read", interrupted)
    assert detect("cams").code == 130
    page = (tmp_path / "out/index.html").read_text()
    assert "1 video," in page
    assert "a.mp4" in page


def test_a_run_ends_with_its_page_and_the_review_command(
    detect: Detect, run: Any, tmp_path: Path
) -> None:
    clip(tmp_path / "cams/a.mp4")
    assert detect("cams").out.splitlines()[-2:] == [
        "all results: out/index.html",
        "look, judge and refit: hiprobe review out",
    ]
    spaced = run("detect", "cams", "-p", "p.safetensors", "-m", FAKE, "-o", "my out")
    assert spaced.out.splitlines()[-1] == "look, judge and refit: hiprobe review 'my out'"
    usual = run("detect", "cams", "-p", "p.safetensors", "-m", FAKE)
    assert usual.out.splitlines()[-2:] == [
        "all results: hiprobe-out/index.html",
        "look, judge and refit: hiprobe review",
    ]


def test_sinks_hold_both_videos_of_one_file_name(detect: Detect, tmp_path: Path) -> None:
    clip(tmp_path / "cams/front/0900.mp4")
    clip(tmp_path / "cams/back/0900.mp4", 30)
    assert detect("cams", "--sink", "jsonl=events.jsonl", "--sink", "csv=events.csv").code == 0
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert sorted(line["video"]["name"] for line in lines) == ["back/0900.mp4", "front/0900.mp4"]
    assert len({line["id"] for line in lines}) == 2
    assert len(list(csv.DictReader((tmp_path / "events.csv").open()))) == 2
