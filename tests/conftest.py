"""Fixtures shared by the tests, and how the tests share the processors."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.review_folder import Made, Page

    from hiprobe.backbones import Backbone
    from hiprobe.probe import Probe
    from hiprobe.review.session import Session

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: a process a core does more
# What is measured on this machine is kept apart from what its user has.
os.environ.setdefault("HIPROBE_CACHE", str(Path(tempfile.gettempdir()) / "hiprobe-tests"))
MOST_WORKERS = 4  # more want too much memory
EXPENSIVE = (  # these files first, so that no worker is left with one at the end
    "scale/test_scale.py",
    "live/test_source_rtsp.py",
    "cli/test_commands.py",
    "backbones/test_conformance.py",
    "training/test_fights.py",
    "live/test_source_http.py",
    "video/test_parallel.py",
    "test_reliability.py",
    "review/test_browser.py",
    "live/test_recorder.py",
    "cli/test_event_options.py",
    "test_environment.py",
    "isolate/test_isolate.py",
    "review/test_review.py",
    "video/test_h264.py",
    "evaluation/test_benchmark.py",
    "experiments/test_experiments.py",
)
# Each on one worker: the tiny models are then made once, and the renderer's functions translated once.
TOGETHER = ("tests/backbones/", "tests/training/")
SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
CLIPS_EACH = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use one worker per core for the whole suite; none for chosen tests, which then start sooner."""
    if config.args_source == pytest.Config.ArgsSource.ARGS or config.option.keyword:
        return 0
    config.option.dist = "loadfile"
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker whole files, and whole folders of `TOGETHER`."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the expensive files first."""
    root = Path(__file__).parent
    order = {root / name: place for place, name in enumerate(EXPENSIVE)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and public annotations beside the repository.

    Skips the test if it does not exist.
    """
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: real videos and annotations cannot be read")
    return SHARED_DATA


@pytest.fixture(scope="session")
def shipped() -> Backbone:
    """The embedded model on the CPU."""
    from hiprobe import backbones

    return backbones.load("embedded", device="cpu")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `labels.csv` and copies of embedded clips, four of each class.

    The labels are for whole videos.
    """
    from hiprobe import datasets, embedded

    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for anomalous in (True, False):
        found = [
            one for one in datasets.load("folder", embedded.CLIPS) if bool(one.events) == anomalous
        ]
        for one in found[:CLIPS_EACH]:
            shutil.copy(one.path, folder)
            rows.append([Path(one.path).name, "abnormal" if anomalous else "normal", "", ""])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "start", "end"], *rows])
    return folder


@dataclass(frozen=True)
class Fitted:
    """A probe of the embedded model fitted on `clips`.

    `alarm` is the same probe with a threshold that every score reaches.
    """

    probe: Probe
    path: Path
    alarm: Probe
    alarm_path: Path
    store: Path


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, shipped: Backbone, clips: Path) -> Fitted:
    """A fitted probe; its `alarm` makes one event of every video, since scores are 0 or more.

    The model's answer confirms every one of them.
    """
    import hiprobe
    from hiprobe.localize import Localization
    from hiprobe.probe import VerificationRule

    folder = tmp_path_factory.mktemp("fitted")
    pairs = hiprobe.extract(hiprobe.datasets.load("folder", clips), shipped, store=folder / "store")
    probe = hiprobe.fit("hiprobe", pairs, model=shipped, permutations=2)
    whole = Localization(rule="fixed", threshold=0.0, min_s=0.0)
    agreed = VerificationRule(threshold=-1000.0)
    alarm = replace(probe, localization=whole, verification=agreed)
    probe.save(folder / "a.safetensors")
    alarm.save(folder / "alarm.safetensors")
    return Fitted(
        probe, folder / "a.safetensors", alarm, folder / "alarm.safetensors", folder / "store"
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that returns the checkpoint of a tiny random model, made once per family."""
    from tests.support import tiny_models

    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name == "smolvlm":
            pytest.importorskip("num2words")
        if name not in made:
            made[name] = tiny_models.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture(scope="session")
def loaded(folders: Callable[[str], Path]) -> Callable[[str], Any]:
    """A function that returns the tiny backbone of a family, loaded once on the CPU."""
    from hiprobe import backbones

    made: dict[str, Any] = {}

    def backbone(name: str) -> Any:
        if name not in made:
            made[name] = backbones.load(str(folders(name)), device="cpu")
        return made[name]

    return backbone


@pytest.fixture
def qwen(loaded: Callable[[str], Any]) -> Any:
    """A tiny Qwen2.5-VL backbone."""
    return loaded("qwen2_5_vl")


@pytest.fixture
def checkpoint(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a Qwen2.5-VL checkpoint that a test may damage."""
    return shutil.copytree(folders("qwen2_5_vl"), tmp_path / "model")


@pytest.fixture(scope="session")
def normal_clip() -> Path:
    """An embedded clip of 12.8 s."""
    from hiprobe import embedded

    return embedded.CLIPS / "normal_00.mp4"


@pytest.fixture(scope="session")
def bad_videos(tmp_path_factory: pytest.TempPathFactory, normal_clip: Path) -> dict[str, Path]:
    """Files that cannot be read as video, by the class of their error.

    `MissingVideo` is a path without a file.
    """
    import av
    import numpy as np

    folder = tmp_path_factory.mktemp("bad")
    found = {
        name: folder / f"{name}.mp4"
        for name in ("MissingVideo", "EmptyVideo", "CorruptVideo", "NoVideoStream")
    }
    found["EmptyVideo"].touch()
    found["CorruptVideo"].write_bytes(np.random.default_rng(0).bytes(5000))
    with av.open(str(found["NoVideoStream"]), "w") as output:
        stream = output.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        for index in range(10):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, index * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A results folder to review, made once per test file; tests use the fixture `made`."""
    from tests.support.review_folder import make

    return make(tmp_path_factory.mktemp("review"))


@pytest.fixture
def made(whole: Made) -> Made:
    """The results folder without the judgements of earlier tests."""
    for path in (whole.out / ".review").glob("review.sqlite*"):
        path.unlink()
    whole.probe.save(whole.probe_path)
    return whole


@pytest.fixture
def session(made: Made) -> Session:
    """A reviewer's session over `made`."""
    return made.session()


@pytest.fixture
def page(session: Session) -> Iterator[Page]:
    """The review page of `session`, served over HTTP."""
    from tests.support.review_folder import served

    with served(session) as page:
        yield page


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Keep every file from growing past `room` bytes, as on a full disk."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
