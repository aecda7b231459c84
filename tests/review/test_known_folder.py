"""What `hiprobe review` knows of a results folder: the chain fit, detect, review without options."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.cli.test_commands import run
from tests.conftest import Fitted
from tests.support.review_folder import Page, free_port

from hiprobe import cli, embedded, video
from hiprobe.errors import StoreError, VideoError
from hiprobe.probe import Probe
from hiprobe.review import server
from hiprobe.review.detection_process import run_job
from hiprobe.review.run_process import DetectionJob
from hiprobe.review.session import Session
from hiprobe.store.local_places import NAME, load_places

__all__ = ["run"]  # a fixture

HIPROBE = [sys.executable, "-m", "hiprobe"]
OUT = Path("hiprobe-out")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, clips: Path, fitted: Fitted) -> Path:
    """A folder in which `hiprobe fit clips/` and `hiprobe detect videos/` were called."""
    home = tmp_path_factory.mktemp("chain")
    shutil.copytree(clips, home / "clips")
    shutil.copytree(fitted.store, home / OUT / ".store")  # so that no clip is read again
    (home / "videos/cam").mkdir(parents=True)
    shutil.copy(embedded.VIDEO, home / "videos/cam/demo.mp4")
    for command in (("fit", "clips/"), ("detect", "videos/", "--no-explain")):
        _call(home, *command)
    return home


def _call(home: Path, *command: str) -> None:
    """Call `hiprobe` in this process, where its libraries are loaded."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(sys, "argv", ["hiprobe", *command])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    signal.signal(signal.SIGINT, before)
    assert not caught.value.code


@pytest.fixture
def home(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like `done`, in which `detect` was called too, so that what it knows counts."""
    shutil.copytree(done, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    known = {}
    for folder in (Path(), OUT):  # written again for the copy, as `fit` and `detect` do
        values = json.loads((folder / NAME).read_text().replace(str(done), str(Path.cwd())))
        facts = os.stat(folder)
        known[folder] = {**values, "here": [values["here"][0], facts.st_uid, facts.st_ino]}
        (folder / NAME).write_text(json.dumps(known[folder]))
    assert load_places(OUT).videos == ((str(tmp_path / "home/videos"), "", True),)
    return tmp_path / "home"


@contextmanager
def reviewed() -> Iterator[Page]:
    """Run `hiprobe review` as a user does; only the port is given."""
    port = free_port()
    process = subprocess.Popen(
        [*HIPROBE, "review", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        page, until = Page(port), time.monotonic() + 30
        while not _answers(page):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield page
    finally:
        process.terminate()
        process.wait(20)


def _answers(page: Page) -> bool:
    try:
        return page.get("/")[0] == 200
    except OSError:
        return False


def test_fit_detect_review_refit_and_detect_again_without_options(home: Path, run: Any) -> None:
    fit, content = Probe.load("probe.safetensors"), (home / "videos/cam/demo.mp4").read_bytes()
    digest = video.digest(home / "videos/cam/demo.mp4")
    with reviewed() as page:
        assert "cam/demo.mp4" in page.get("/")[2].decode()
        probes = page.get("/probes")[2].decode()
        assert "8 labelled clips" in probes
        assert fit.digest[:12] in probes
        assert f'src="/media/{digest}"' in page.get(f"/v/{digest}/player")[2].decode()
        assert page.get(f"/media/{digest}")[2] == content
        judged = {"kind": "missed", "start": 18.5, "end": 23.6, "threshold": 0.5}
        assert page.post(f"/v/{digest}/judge", **judged)[0] == 200
        assert page.post("/moments/judge", kind="normal", span=[f"{digest}:36.5:40.0"])[0] == 200
        _, proposal = page.post("/refit")
        (refit,) = re.findall(r"/probes/([0-9a-f]{64})/use", proposal)
        assert Probe.load(OUT / "probe.safetensors").digest == fit.digest  # it asks first
        assert page.post(f"/probes/{refit}/use")[0] == 303
    assert refit != fit.digest
    assert Probe.load(OUT / "probe.safetensors").digest == refit
    assert Probe.load(OUT / f".review/probes/{fit.digest}.safetensors").digest == fit.digest
    assert Probe.load("probe.safetensors").digest == fit.digest  # of `fit`, and left alone
    record = json.loads((OUT / "run.json").read_text())
    assert (record["probe"], record["settings"]["probe"]) == (refit, refit)
    assert load_places(OUT).fits[refit] == load_places(OUT).fits[fit.digest]
    ran = run("detect", "videos/", "--no-explain")
    assert (ran.code, "finished before" in ran.out, "--again" in ran.err) == (0, False, False)
    assert f"probe: hiprobe-out/probe.safetensors ({refit[:8]})" in ran.err
    (result,) = OUT.glob("demo-*/result.json")
    assert json.loads(result.read_text())["settings"] == record["settings"]
    assert "all were finished before" in run("detect", "videos/", "--no-explain").out


# -- what is known when something was moved


class Started:
    """A page as `hiprobe review` would serve it, and what the command said."""

    def __init__(self, session: Session, model: str | None, err: str) -> None:
        self.session, self.model, self.err = session, model, err

    @property
    def labelled(self) -> int:
        return len(self.session.judgements.labelled())

    def has_video(self) -> bool:
        (entry,) = self.session.entries()
        try:
            return self.session.media.playable(entry) is not None
        except VideoError:
            return False


@pytest.fixture
def start(run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Starts `hiprobe review` up to the moment at which it would wait for requests."""
    kept: list[tuple[Session, str | None]] = []

    def serve(session: Session, guard: Any, *, who: str, model: str | None, ready: Any) -> None:
        kept.append((session, model))

    def call(*args: Any) -> Started:
        with monkeypatch.context() as patch:
            patch.setattr(server, "serve_page", serve)
            ran = run("review", *args)
        assert ran.code == 0, ran.err
        return Started(*kept.pop(), ran.err)

    return call


def test_everything_is_known_where_detect_ran(home: Path, start: Any) -> None:
    here = start()
    assert (here.labelled, here.model, here.has_video()) == (8, "embedded", True)
    assert "--videos" not in here.err
    assert home / OUT / ".store" in [path.absolute() for path in here.session.stores]


def test_a_renamed_folder_is_still_the_folder_and_a_copy_is_not(home: Path, start: Any) -> None:
    shutil.copytree(OUT, "given-away")
    shutil.rmtree("given-away/.review", ignore_errors=True)
    copy = start("given-away")
    assert (copy.session.roots, copy.labelled, copy.has_video()) == ((), 0, False)
    assert "give --videos FOLDER" in copy.err
    shown = start("given-away", "--videos", "videos", "--labels", "clips")
    assert (shown.labelled, shown.has_video()) == (8, True)
    OUT.rename("renamed")
    moved = start("renamed")
    assert (moved.labelled, moved.has_video()) == (8, True)


def test_without_local_json_the_videos_are_asked_for(home: Path, start: Any) -> None:
    (OUT / NAME).unlink()
    bare = start()
    assert (bare.session.roots, bare.has_video(), bare.labelled) == ((), False, 0)
    assert bare.err.count("give --videos FOLDER") == 1
    assert bare.session.probe().digest == Probe.load("probe.safetensors").digest
    assert start("--videos", "videos").has_video()


def test_unknown_clips_are_said_before_a_refit(home: Path) -> None:
    hint = "The clips that this probe was fitted on are not known here."
    with reviewed() as page:
        assert hint not in page.get("/probes")[2].decode()
    (OUT / NAME).unlink()
    shutil.rmtree(OUT / ".review")
    Path(NAME).unlink()
    with reviewed() as page:
        body = page.get("/probes")[2].decode()
    assert hint in body
    assert f"{OUT}/probe.safetensors" in body


def test_ctrl_c_stops_the_page_and_says_that_judgements_are_saved(home: Path) -> None:
    process = subprocess.Popen(
        [*HIPROBE, "review", "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.count("stopped: all judgements are saved")) == (130, 1)
    assert "interrupted" not in said


def test_labels_and_videos_that_are_gone_do_not_stop_the_page(home: Path, start: Any) -> None:
    shutil.rmtree("clips")
    gone = start()
    assert (gone.labelled, gone.has_video()) == (0, True)
    assert "the labels that fit was given cannot be read" in gone.err
    assert f"{home / 'clips'}" in gone.err
    shutil.move("videos", "elsewhere")
    gone = start()
    assert (gone.session.roots, gone.has_video()) == ((), False)
    assert "give --videos FOLDER" in gone.err
    assert start("--videos", "elsewhere").has_video()


def test_labels_that_became_invalid_are_said_and_the_page_starts(home: Path, start: Any) -> None:
    (home / "clips/labels.csv").write_text("path,label\nnowhere.mp4,normal\n")
    changed = start()
    assert (changed.labelled, changed.has_video()) == (0, True)
    assert changed.err.count("the labels that fit was given cannot be read") == 1


def test_the_page_finds_events_and_runs_with_the_options_of_detect(
    home: Path, start: Any, run: Any
) -> None:
    options = ("--threshold", "0.3", "--merge", "30", "--time-from-name", "%Y%m%d_%H")
    assert run("detect", "videos/", "--no-explain", *options).code == 0
    (path,) = OUT.glob("demo-*/result.json")
    before = path.read_bytes()
    session = start().session
    (entry,) = session.entries()
    shown = session.shown(entry)
    assert [(e.start, e.end) for e in session.events(shown, 0.3)] == [
        (e.start, e.end) for e in shown.events
    ]
    videos = (("videos/cam/demo.mp4", "cam/demo.mp4"),)
    run_job(DetectionJob(videos, OUT / "probe.safetensors", "embedded", OUT, explain=False))
    assert path.read_bytes() == before
    record = json.loads((OUT / "run.json").read_text())
    for damage in ({"localization": {"sigma": -1}}, {"time_from_name": 5}, {"localization": []}):
        settings = {**record["settings"], **damage}
        (OUT / "run.json").write_text(json.dumps({**record, "settings": settings}))
        with pytest.raises(StoreError, match="not a valid record of a run"):
            session.events(shown, 0.3)


def test_files_given_one_by_one_serve_only_these_files(home: Path, start: Any, run: Any) -> None:
    shutil.copy("videos/cam/demo.mp4", "videos/cam/other.mp4")
    ran = run("detect", "videos/cam/demo.mp4", "--no-explain", "-o", "one")
    assert ran.code == 0
    one = start("one")
    assert one.has_video()
    assert [root.whole for root in one.session.roots] == [False]
    (home / "videos/cam/demo.mp4").rename(home / "videos/cam/renamed.mp4")
    assert not start("one").has_video()  # its folder is not searched
