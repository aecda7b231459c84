"""Fixtures shared by the tests."""

from __future__ import annotations

import csv
import resource
import shutil
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

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
CLIPS_EACH = 4


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and public annotations beside the repository; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: real videos and annotations cannot be read")
    return SHARED_DATA


@pytest.fixture(scope="session")
def shipped() -> Backbone:
    """The shipped model, on the CPU."""
    from hiprobe import backbones

    return backbones.load("embedded", device="cpu")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `labels.csv` and copies of some shipped clips: whole videos, four of each class."""
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
    """A probe of the shipped model fitted on `clips`; `alarm` is the same with a threshold that every score passes."""

    probe: Probe
    path: Path
    alarm: Probe
    alarm_path: Path
    store: Path


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, shipped: Backbone, clips: Path) -> Fitted:
    """Whatever the model knows, `alarm` makes one event of every video: a score lies between 0 and 1."""
    import hiprobe
    from hiprobe.localize import Localization

    folder = tmp_path_factory.mktemp("fitted")
    pairs = hiprobe.extract(hiprobe.datasets.load("folder", clips), shipped, store=folder / "store")
    probe = hiprobe.fit("hiprobe", pairs, model=shipped, permutations=2)
    alarm = replace(probe, localization=Localization(rule="fixed", threshold=0.0, min_s=0.0))
    probe.save(folder / "a.safetensors")
    alarm.save(folder / "alarm.safetensors")
    return Fitted(
        probe, folder / "a.safetensors", alarm, folder / "alarm.safetensors", folder / "store"
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint folder of a tiny random model of a family, made once."""
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
    """The backbone of a family, loaded once on the CPU."""
    from hiprobe import backbones

    made: dict[str, Any] = {}

    def backbone(name: str) -> Any:
        if name not in made:
            made[name] = backbones.load(str(folders(name)), device="cpu")
        return made[name]

    return backbone


@pytest.fixture
def qwen(loaded: Callable[[str], Any]) -> Any:
    """The backbone of a tiny Qwen2.5-VL."""
    return loaded("qwen2_5_vl")


@pytest.fixture
def checkpoint(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a Qwen2.5-VL folder that a test may damage."""
    return shutil.copytree(folders("qwen2_5_vl"), tmp_path / "model")


@pytest.fixture(scope="session")
def normal_clip() -> Path:
    """A shipped clip of 12.8 s."""
    from hiprobe import embedded

    return embedded.CLIPS / "normal_00.mp4"


@pytest.fixture(scope="session")
def bad_videos(tmp_path_factory: pytest.TempPathFactory, normal_clip: Path) -> dict[str, Path]:
    """Files that are no readable video, by the error class that names them; `MissingVideo` is no file at all."""
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
    """A results folder to review, made once for a file of tests; a test asks for `made`."""
    from tests.support.review_folder import make

    return make(tmp_path_factory.mktemp("review"))


@pytest.fixture
def made(whole: Made) -> Made:
    """The folder without what an earlier test has judged."""
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
    """The review page of `session`, being served."""
    from tests.support.review_folder import served

    with served(session) as page:
        yield page


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """While it lasts no file may grow past `room` bytes, as on a disk that is full."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
