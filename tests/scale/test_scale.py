"""Test runs on Ray: real clusters of several nodes on this machine, with killed processes.

Addresses are tested with a real S3 server.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write
from tests.support.result_folders import folder_name
from tests.support.slow_and_crashing_backbones import keep
from tests.test_reliability import flat, tree

from hiprobe import runs, store
from hiprobe.errors import (
    CorruptVideo,
    HiProbeError,
    MissingVideo,
    ModelError,
    RecipeMismatch,
    StoreError,
    UsageError,
    VideoError,
)
from hiprobe.localize import Localization
from hiprobe.store import index, leases, remote, results
from hiprobe.types import Result, Scores, Video
from hiprobe.video.files import is_video

ray = pytest.importorskip("ray", reason="ray is not installed: runs on a cluster cannot be tested")
from ray._private.state import actors  # noqa: E402
from ray.cluster_utils import Cluster as Nodes  # noqa: E402

from hiprobe import scale  # noqa: E402
from hiprobe.scale import Loading  # noqa: E402
from hiprobe.scale.cluster import workers_that_fit  # noqa: E402
from hiprobe.scale.ledger import ResultLedger  # noqa: E402
from hiprobe.scale.pool import Pool  # noqa: E402
from hiprobe.scale.scheduler import Job, Later  # noqa: E402
from hiprobe.scale.worker import VideoWorker, Work, answered, raised  # noqa: E402

FAKE, SLOW, CRASHING = (
    Loading(name)
    for name in (
        "tests.support.fake_backbone:load",
        "tests.support.slow_and_crashing_backbones:slow",
        "tests.support.slow_and_crashing_backbones:crashing",
    )
)
ALONE = scale.Cluster(workers=1)
HERE = Path(__file__).parents[2]
HIPROBE = [sys.executable, "-c", "from hiprobe.cli import main; main()"]
LONG_S = 110.0
NO_SPARE_WORKERS = {"enable_worker_prestart": False, "prestart_worker_first_driver": False}


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    """Start a real S3 server on loopback.

    This process and the workers that it starts later find it in their environment.
    """
    try:
        import moto.server
        import s3fs  # noqa: F401
    except ModuleNotFoundError:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", moto.server.__name__, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "ACCESS_KEY_ID": "test",
            "SECRET_ACCESS_KEY": "test",
            "DEFAULT_REGION": "us-east-1",
            "ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }.items():
            patch.setenv(f"AWS_{name}", value)
        until = time.monotonic() + 60
        while not _answers(port):
            assert time.monotonic() < until
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def nodes(server: str | None) -> Iterator[Nodes]:
    """Start a cluster of one node with two CPUs, to which tests may add nodes."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE / "src")]))
    # For the workers; a longer path would be too long for Ray's sockets.
    scratch = tempfile.mkdtemp(prefix="ray")
    patch.setenv("TMPDIR", scratch)
    # At Ray's own niceness the workers would wait for every other test.
    patch.setenv("RAY_worker_niceness", "0")
    found = Nodes(
        initialize_head=True,
        head_node_args={
            "num_cpus": 2,
            "include_dashboard": False,
            "object_store_memory": 80 << 20,
            "_system_config": NO_SPARE_WORKERS,
        },
    )
    ray.init(found.address, log_to_driver=False, logging_level="ERROR")
    yield found
    ray.shutdown()
    found.shutdown()
    patch.undo()
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 20 short videos, a copy, a long one and files that fail.

    Two of the short videos have equal content; two files are not videos.
    """
    folder = tmp_path_factory.mktemp("videos")
    for number in range(20):
        flat(folder / f"v{number:02}.mp4", 8 * number)
    (folder / "copy").mkdir()
    shutil.copy(folder / "v03.mp4", folder / "copy" / "v03.mp4")
    write(folder / "long.mp4", steady(int(LONG_S * 5), 5), rate=5, pictures=noisy)
    (folder / "noise.mp4").write_bytes(b"no video" * 99)
    (folder / "empty.mp4").touch()
    return folder


def listed(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mp4"))


def short(folder: Path) -> list[Path]:
    """List the short videos, two of which have equal content."""
    return [path for path in listed(folder) if path.stem.startswith("v")]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, videos: Path) -> dict[str, bytes]:
    """Return the files that a run without Ray writes."""
    out = tmp_path_factory.mktemp("local")
    run = runs.DetectionRun(
        fake_backbone.load(), fake_backbone.constant_probe(), out, explain=False
    )
    with store.Notes(out) as notes:
        for result in run.detect(listed(videos), keep=keep):
            notes.add([result])
    return tree(out)


def detected(
    paths: list[Path] | list[str], out: Path | str, loading: Loading = FAKE, **options: Any
) -> tuple[list[Result], list[HiProbeError]]:
    errors: list[HiProbeError] = []
    cluster = options.pop("cluster", scale.Cluster())
    keep_files = options.pop("keep", keep)
    run = scale.RayRun(loading, cluster, lambda _path, error: errors.append(error), keep=keep_files)
    with store.Notes(scale.local_home(out)) as notes:
        found = []
        probe = fake_backbone.constant_probe()
        for result in scale.detect_on_ray(paths, run, probe, out, explain=False, **options):
            notes.add([result])
            found.append(result)
    return found, errors


def statuses(found: list[Result]) -> Counter[str]:
    return Counter(result.status for result in found)


@pytest.mark.usefixtures("nodes")
def test_a_run_on_ray_writes_the_same_files_as_a_local_run(
    videos: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    found, errors = detected(listed(videos), tmp_path / "out", cluster=scale.Cluster(span_s=20.0))
    assert statuses(found) == {"done": 22, "failed": 2}
    assert sorted(type(error).__name__ for error in errors) == ["CorruptVideo", "EmptyVideo"]
    assert tree(tmp_path / "out") == local
    kept = index.stored_states(tmp_path / "out" / ".store")
    assert len({one.video for one in kept}) == 21
    assert not list((tmp_path / "out" / ".store" / ".spans").rglob("*.safetensors"))


@pytest.mark.usefixtures("nodes")
def test_workers_find_events_and_times_as_a_local_run_does(tmp_path: Path) -> None:
    path = flat(tmp_path / "20261129_090000.mp4", 30)
    options: dict[str, Any] = {
        "localization": Localization(0.0, "fixed", 0.25, min_s=0.0),
        "time_from_name": "%Y%m%d_%H%M%S",
    }
    model, probe = fake_backbone.load(), fake_backbone.constant_probe()
    here = runs.DetectionRun(model, probe, tmp_path / "here", explain=False, **options)
    with store.Notes(tmp_path / "here") as notes:
        notes.add(list(here.detect([path], keep=keep)))
    found, _ = detected([path], tmp_path / "there", cluster=ALONE, **options)
    assert found[0].recorded == "2026-11-29T09:00:00"
    assert found[0].scores is not None
    assert set(found[0].scores.threshold) == {0.25}
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    # Other options do not find the result finished.
    again, _ = detected([path], tmp_path / "there", cluster=ALONE)
    assert (again[0].recorded, len(again[0].events)) == (None, 1)


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
def test_relative_paths_start_at_the_callers_folder(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(videos)
    found, _ = detected([Path("v01.mp4")], tmp_path / "out")
    assert [(result.status, result.path) for result in found] == [("done", str(videos / "v01.mp4"))]
    (videos / "model").mkdir()
    # The folder holds no model, but it was found.
    with pytest.raises(ModelError, match=re.escape(str(videos / "model"))):
        detected([Path("v01.mp4")], tmp_path / "out", Loading("model"))


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
def test_finished_videos_are_skipped_unless_again_is_given(videos: Path, tmp_path: Path) -> None:
    paths = short(videos)[:6]
    detected(paths[:3], tmp_path, cluster=ALONE)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"*/{results.NAME}")}
    found, _ = detected(paths, tmp_path, cluster=ALONE)
    assert statuses(found) == {"done": 6}
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    detected(paths[:1], tmp_path, again=True, cluster=ALONE)
    changed = [path for path, made in before.items() if path.stat().st_mtime_ns != made]
    assert [path.parent.name[:3] for path in changed] == [paths[0].stem]


@pytest.mark.usefixtures("nodes")
def test_a_video_that_kills_its_worker_twice_is_quarantined(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    paths = [
        flat(tmp_path / "in" / f"v{n}.mp4", grey)
        for n, grey in enumerate((20, 40, 220, 60, 80, 100))
    ]
    found, errors = detected(paths, tmp_path / "out", CRASHING)
    assert statuses(found) == {"done": 5, "quarantined": 1}
    assert [type(error).__name__ for error in errors] == ["Quarantined"]
    (bad,) = [item for item in leases.run_status(tmp_path / "out")[1] if item.status != "done"]
    assert (bad.name, bad.status, bad.lost) == ("v2.mp4", "quarantined", 2)
    # It is skipped: no worker dies.
    again, _ = detected(paths, tmp_path / "out", CRASHING, cluster=ALONE)
    assert statuses(again) == {"done": 5, "quarantined": 1}
    leases.put_back(tmp_path / "out")
    assert statuses(detected(paths, tmp_path / "out", cluster=ALONE)[0]) == {"done": 6}


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
def test_again_removes_the_old_result_before_the_new_one_is_made(tmp_path: Path) -> None:
    paths = [
        flat(tmp_path / "v.mp4", 220),
        Path(shutil.copy(tmp_path / "v.mp4", tmp_path / "w.mp4")),
    ]
    detected(paths[:1], tmp_path / "out")
    assert list(tmp_path.glob(f"out/*/{results.NAME}"))
    shutil.rmtree(tmp_path / "out" / ".store")
    found, _ = detected(paths[:1], tmp_path / "out", CRASHING, again=True)
    assert statuses(found) == {"quarantined": 1}
    assert not list(tmp_path.glob(f"out/*/{results.NAME}"))
    assert statuses(detected(paths * 2, tmp_path / "out", again=True)[0]) == {"done": 4}


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("greys", [(20, 40), (20, 20)])
def test_equal_file_names_in_two_folders_are_two_videos(
    tmp_path: Path, greys: tuple[int, int]
) -> None:
    given = []
    for camera, grey in zip(("front", "back"), greys, strict=True):
        (tmp_path / camera).mkdir()
        given.append(Video(str(flat(tmp_path / camera / "0.mp4", grey)), name=f"{camera}/0.mp4"))
    found, _ = detected(given, tmp_path / "out")
    assert {one.name: one.status for one in found} == {"front/0.mp4": "done", "back/0.mp4": "done"}
    assert sorted(path.parent.name for path in (tmp_path / "out").glob("*/result.json")) == sorted(
        folder_name(one.name, one.video_id) for one in found
    )
    kept = index.stored_states(tmp_path / "out/.store")
    assert len(kept) == len(set(greys))  # the same content is read once
    assert {item.name for item in leases.run_status(tmp_path / "out")[1]} == {
        "front/0.mp4",
        "back/0.mp4",
    }


def test_a_video_at_an_address_is_named_by_its_last_part() -> None:
    for address, name in (
        ("s3://bucket/cams/0900.mp4", "0900.mp4"),
        ("https://host/in/a.mp4?token=secret", "a.mp4"),
        ("rtsp://admin:secret@camera:554", "camera:554"),
        ("/in/cams/0900.mp4", "0900.mp4"),
    ):
        assert runs.as_video(address).name == name


def test_files_of_equal_content_are_processed_one_after_the_other(tmp_path: Path) -> None:
    with leases.LeaseHolder(tmp_path / ".store", {}, 2, driver=True) as worker:
        book = ResultLedger(worker, str(tmp_path), tmp_path, {}, lambda *_: None)
        first, second = (
            Job(Video(str(tmp_path / name)), digest="0" * 64) for name in ("a.mp4", "b.mp4")
        )
        assert book.begin(first) is None
        with pytest.raises(Later):
            book.begin(second)  # both files share a folder for spans and states
        book.failed(first, VideoError("no"))
        assert book.begin(second) is None


def test_a_result_that_was_there_before_is_told_apart(tmp_path: Path) -> None:
    before: list[str] = []
    with leases.LeaseHolder(tmp_path / ".store", {}, 1, driver=True) as worker:
        book = ResultLedger(worker, str(tmp_path), tmp_path, {}, lambda *_: None)
        book.before = before.append
        job = Job(Video("/in/a.mp4"), digest="0" * 64)
        times = np.array([0.0])
        scores = Scores(times, times + 1.6, times, times, times)
        result = Result(job.path, job.digest, "done", 1.6, scores)
        results.save_result(store.result_folder(tmp_path, result), result, {})
        found = book.begin(job)
    assert found is not None
    assert (found.status, before) == ("done", ["a.mp4"])


@pytest.mark.usefixtures("nodes")
def test_at_most_as_many_workers_start_as_there_are_videos(videos: Path) -> None:
    with Pool(scale.Cluster(), FAKE, 1) as crew:
        crew._next_scan = 0.0
        assert list(crew.answers(0.1)) == []
        assert len(crew._busy) + len(crew._idle) == 1


@pytest.mark.usefixtures("nodes")
def test_a_worker_that_fits_on_no_node_is_an_error_at_once(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="each needs 99 CPUs"):
        detected(listed(videos)[:1], tmp_path, cluster=scale.Cluster(cpus=99))


def a_reader(folder: Path, **more: Any) -> VideoWorker:
    return VideoWorker(
        fake_backbone.load(),
        Work(
            str(folder / "store"),
            fake_backbone.RECIPE,
            fake_backbone.constant_probe().sites,
            **more,
        ),
    )


@pytest.mark.parametrize("parts", [[], [(0, 32), (32, None)]])
def test_a_video_that_changes_during_the_run_is_not_stored(
    parts: list[tuple[int, int | None]], tmp_path: Path
) -> None:
    path, other = flat(tmp_path / "v.mp4", 20), flat(tmp_path / "w.mp4", 90)
    reader = a_reader(tmp_path)
    digest = answered(reader.look, str(path))["digest"]
    shutil.copy(other, path)
    error = raised(answered(reader.finish, str(path), digest, parts), "v.mp4")
    assert isinstance(error, CorruptVideo)
    assert "changed" in error.reason
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_a_full_disk_of_a_worker_is_a_store_error(tmp_path: Path) -> None:
    def full() -> dict[str, Any]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))

    error = raised(answered(full), "v.mp4")
    assert isinstance(error, StoreError)
    assert "No space left on device" in str(error)


@pytest.mark.usefixtures("nodes")
def test_states_are_equal_to_those_of_a_local_extraction(videos: Path, tmp_path: Path) -> None:
    from hiprobe import pipeline

    paths = [*short(videos)[1:6], videos / "long.mp4", videos / "noise.mp4"]
    found = list(
        scale.extract_on_ray(
            paths,
            scale.RayRun(FAKE, scale.Cluster(span_s=20.0)),
            tmp_path / "ray",
            method="hiprobe",
        )
    )
    list(
        pipeline.extract(
            [Video(str(path)) for path in paths],
            fake_backbone.load(),
            store=tmp_path / "local",
            failed=lambda *_: None,
        )
    )
    assert Counter(one.status for one in found) == {"done": 6, "failed": 1}
    names = [one.file for one in index.stored_states(tmp_path / "local")]
    assert len(names) == 6
    assert [one.file for one in index.stored_states(tmp_path / "ray")] == names
    for name in names:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()


def test_a_killed_node_loses_no_video_and_repeats_none(
    nodes: Nodes, videos: Path, tmp_path: Path
) -> None:
    node = nodes.add_node(num_cpus=2, object_store_memory=80 << 20)
    paths = short(videos)
    ended: list[Result] = []
    crew: list[int] = []
    for result in scale.detect_on_ray(
        paths,
        scale.RayRun(SLOW, workers=crew.append, keep=keep),
        fake_backbone.constant_probe(),
        tmp_path,
        explain=False,
    ):
        ended.append(result)
        if len(ended) == 6:
            for pid in pids_of(node):
                os.kill(pid, signal.SIGKILL)
    nodes.remove_node(node, allow_graceful=False)
    assert statuses(ended) == {"done": 21}
    assert max(crew) > 2
    assert len({result.path for result in ended}) == 21
    assert len(list(tmp_path.glob(f"*/{results.NAME}"))) == 20  # two files have one content
    # The death of a node does not count as an attempt.
    assert {item.lost for item in leases.run_status(tmp_path)[1]} == {0}


@pytest.mark.soak
def test_workers_lost_shortly_before_their_node_do_not_count_as_attempts(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MAX_ATTEMPTS", 1)  # quarantine after one counted attempt
    node = nodes.add_node(num_cpus=2, object_store_memory=80 << 20)
    paths = [flat(tmp_path / f"v{number}.mp4", 5 * number) for number in range(40)]
    ended, crew, killed = [], [0], False
    for result in scale.detect_on_ray(
        paths,
        scale.RayRun(SLOW, workers=crew.append, keep=keep),
        fake_backbone.constant_probe(),
        tmp_path / "out",
        explain=False,
    ):
        ended.append(result)
        if crew[-1] > 3 and not killed:
            killed = True
            there = [one for one in actors().values() if one["Address"]["NodeID"] == node.node_id]
            for pid in [one["Pid"] for one in there if one["State"] == "ALIVE"] + pids_of(node):
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.1)
    nodes.remove_node(node, allow_graceful=False)
    assert killed
    assert statuses(ended) == {"done": 40}


def pids_of(node: Any) -> list[int]:
    """List the processes of a node; workers on it die with its raylet."""
    return [one.process.pid for infos in node.all_processes.values() for one in infos]


@pytest.mark.long
def test_a_node_added_in_the_middle_gets_work(nodes: Nodes, videos: Path, tmp_path: Path) -> None:
    paths = short(videos)
    crew: list[int] = []
    node = None
    for _ in scale.detect_on_ray(
        paths * 3,
        scale.RayRun(SLOW, workers=crew.append, keep=keep),
        fake_backbone.constant_probe(),
        tmp_path,
        explain=False,
        again=False,
    ):
        if node is None:
            node = nodes.add_node(num_cpus=1, object_store_memory=80 << 20)
        if max(crew, default=0) <= 2:
            time.sleep(0.1)  # so that the run lasts until the node has joined
    nodes.remove_node(node)
    assert crew[0] <= 2 < max(crew)


DRIVER = """
import sys
from pathlib import Path
from tests.support import fake_backbone
from tests.support.result_folders import folder_name
from tests.support.slow_and_crashing_backbones import keep
from hiprobe import scale
paths = [path for path in sorted(Path(sys.argv[1]).rglob("*.mp4")) if path.stem[0] in "vl"]
slow = scale.Loading("tests.support.slow_and_crashing_backbones:slow")
run = scale.RayRun(slow, scale.Cluster(sys.argv[3], span_s=20.0), keep=keep)
for result in scale.detect_on_ray(paths, run, fake_backbone.constant_probe(), Path(sys.argv[2]),
                                  explain=False):
    print(result.status, flush=True)
"""


def test_a_run_resumes_after_its_driver_was_killed(
    nodes: Nodes, videos: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(videos), str(tmp_path), nodes.address],
        text=True,
        stdout=subprocess.PIPE,
        cwd=HERE,
    )
    assert driver.stdout is not None
    for _ in range(4):
        driver.stdout.readline()
    while not [item for item in leases.run_status(tmp_path)[1] if item.status == "claimed"]:
        pass
    driver.kill()
    driver.wait()
    # Let the leases of the dead driver expire.
    with index.open_index(tmp_path / ".store") as db:
        assert db.execute("UPDATE items SET lease = 0 WHERE status = 'claimed'").rowcount
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"*/{results.NAME}")}
    found, _ = detected(listed(videos), tmp_path, cluster=scale.Cluster(span_s=20.0))
    assert statuses(found) == {"done": 22, "failed": 2}
    assert tree(tmp_path) == local
    assert len(before) >= 2  # two of the four results may be failures, which have no file
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    assert {item.lost for item in leases.run_status(tmp_path)[1]} == {0}


@pytest.mark.long
@pytest.mark.usefixtures("nodes")
def test_errors_that_end_a_run_have_their_own_classes(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        detected(listed(videos)[:2], tmp_path, Loading("./no-such-model"), cluster=ALONE)
    other = replace(
        fake_backbone.constant_probe(), recipe=replace(fake_backbone.RECIPE, model="other")
    )
    with pytest.raises(RecipeMismatch):
        list(
            scale.detect_on_ray(
                listed(videos)[:2],
                scale.RayRun(FAKE, cluster=ALONE),
                other,
                tmp_path,
                explain=False,
            )
        )
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        detected(listed(videos)[:2], tmp_path / "file", cluster=ALONE)


def test_a_missing_result_is_an_error() -> None:
    scale.account(3, Counter(done=1, failed=1, quarantined=1))
    with pytest.raises(StoreError, match="3 videos given, accounted for: 1 done, 1 failed"):
        scale.account(3, Counter(done=1, failed=1))


def test_workers_are_counted_per_node() -> None:
    def node(**resources: float) -> dict[str, Any]:
        return {"Alive": True, "Resources": resources}

    two = [node(CPU=7.0, GPU=1.0), node(CPU=3.0), {**node(CPU=64.0), "Alive": False}]
    assert workers_that_fit(two, scale.Cluster()) == 10
    assert workers_that_fit(two, scale.Cluster(cpus=2)) == 4
    assert workers_that_fit(two, scale.Cluster(gpus=0.25)) == 4
    assert workers_that_fit(two, scale.Cluster(workers=3)) == 3


@pytest.mark.long
def test_a_local_cluster_has_no_dashboard_and_reports_to_nobody() -> None:
    program = (
        "import ray\nfrom ray._common.usage import usage_lib\n"
        "from hiprobe.scale.cluster import Cluster, connect\nconnect(Cluster(workers=1))\n"
        "print([ray.nodes()[0]['Resources']['CPU'], ray._private.worker.global_worker.node.webui_url, "
        "usage_lib.usage_stats_enabled()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() in ("[1.0, '', False]", "[1.0, None, False]"), done.stderr


@pytest.fixture
def bucket(server: str | None, request: pytest.FixtureRequest) -> str:
    """Make a new bucket on a real S3 server on loopback."""
    if server is None:
        pytest.skip("s3fs or moto is not installed: addresses cannot be tested")
    import s3fs

    name = f"bucket-{abs(hash(request.node.name))}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


@pytest.mark.usefixtures("nodes")
def test_videos_and_results_can_be_at_an_address(
    bucket: str,
    videos: Path,
    local: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import s3fs

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bucket_files = s3fs.S3FileSystem()
    bucket_files.put(str(videos), f"{bucket}/in", recursive=True)
    paths = remote.find_addresses(f"{bucket}/in", is_video)
    assert len(paths) == len(listed(videos))
    assert remote.find_addresses(f"{bucket}/in/v0*.mp4", is_video) == [
        path for path in paths if "/in/v0" in path
    ]
    for name in ("v[1].mp4", "cam::1.mp4", "h#1 %20.mp4", ".hidden/v.mp4"):
        bucket_files.pipe(f"{bucket}/odd/{name}", name.encode())
    odd = remote.find_addresses(f"{bucket}/odd", is_video)
    assert [remote.fetch(path, tmp_path).read_text() for path in odd] == [
        "cam::1.mp4",
        "h#1 %20.mp4",
        "v[1].mp4",
    ]
    assert remote.find_addresses(f"{bucket}/odd/v[1].mp4", is_video) == [f"{bucket}/odd/v[1].mp4"]
    out, near = f"{bucket}/out", scale.Cluster(span_s=20.0)
    found, _ = detected(paths, out, cluster=near)
    assert statuses(found) == {"done": 22, "failed": 2}
    bucket_files.get(f"{bucket}/out", str(tmp_path / "got"), recursive=True)
    for name in local.keys() - {"manifest.jsonl"}:
        assert (tmp_path / "got" / name).read_bytes() == local[name]
    assert not [name for name in bucket_files.find(f"{bucket}/out") if "/.spans/" in name]
    before = {
        name: bucket_files.info(name)["LastModified"] for name in bucket_files.find(f"{bucket}/out")
    }
    shutil.rmtree(tmp_path / "cache")  # as a driver on another machine would have none
    bucket_files.invalidate_cache()
    assert statuses(detected(paths, out, cluster=near)[0]) == {"done": 22, "failed": 2}
    assert {
        name: bucket_files.info(name)["LastModified"] for name in bucket_files.find(f"{bucket}/out")
    } == before


def test_an_address_without_videos_is_an_error(bucket: str) -> None:
    with pytest.raises(MissingVideo, match="no video file found"):
        remote.find_addresses(f"{bucket}/nothing", is_video)
    with pytest.raises(MissingVideo):
        remote.find_addresses("s3://no-such-bucket-at-all/in", is_video)
    with pytest.raises(StoreError, match="no library for this address"):
        remote.find_addresses("nosuchscheme://x/y.mp4", is_video)


def at_once(commands: Iterable[list[str]]) -> list[tuple[int, str, str]]:
    """Run commands side by side; returns exit code and both outputs of each."""
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
        )
        for command in commands
    ]
    ended = [process.communicate(timeout=200) for process in running]
    return [(process.returncode, *both) for process, both in zip(running, ended, strict=True)]


def test_detect_gives_the_same_output_on_a_cluster(
    nodes: Nodes, videos: Path, tmp_path: Path
) -> None:
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    command = [
        *HIPROBE,
        "detect",
        str(videos / "v01.mp4"),
        str(videos / "noise.mp4"),
        "-p",
        str(tmp_path / "p.safetensors"),
        "-m",
        "tests.support.fake_backbone:load",
        "--no-explain",
        "--json",
    ]
    outputs, scratch = [], set(Path(os.environ["TMPDIR"]).iterdir())
    for code, out, err in at_once(
        [*command, "-o", str(tmp_path / f"{len(more)}/out"), *more]
        for more in ([], ["--ray", nodes.address])
    ):
        assert code == 3, err
        assert "CorruptVideo" in err
        outputs.append(sorted(out.splitlines()))
    assert len(outputs[0]) == 2
    assert [{**json.loads(line), "path": ""} for line in outputs[0]] == [
        {**json.loads(line), "path": ""} for line in outputs[1]
    ]
    assert tree(tmp_path / "0/out") == tree(tmp_path / "2/out")
    # Workers leave nothing on their disks.
    assert set(Path(os.environ["TMPDIR"]).iterdir()) <= scratch


# Options, and a part of the error message.
WRONG = {
    ("--ray", "local", "--worker", "many"): "must be CPUS or CPUS,GPUS",
    ("--ray", "local", "--worker", "1,nan"): "must be CPUS or CPUS,GPUS",
    ("--ray", "local", "--worker", "1,1.5"): "must be CPUS or CPUS,GPUS",
    ("--ray", "clips/"): "give local, auto, or HOST:PORT",
    # The port of the discard service, on which nothing listens.
    ("--ray", "127.0.0.1:9"): "Ray cannot be reached: Connection refused",
    ("--ray",): "requires an argument",
    ("--worker", "2"): "--worker needs --ray",
    ("s3://bucket/in",): "--ray local reads and writes addresses",
    ("rtsp://me:pw@cam/x",): "UsageError: rtsp://cam: this is a camera",
    ("-o", "s3://bucket/out"): "--ray local reads and writes addresses",
}


@pytest.mark.parametrize("options", WRONG)
def test_wrong_options_are_reported(options: tuple[str, ...], tmp_path: Path) -> None:
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    probe = ["-p", str(tmp_path / "p.safetensors"), "-m", FAKE.name]
    command = [*HIPROBE, "detect", "v.mp4", *probe, *options]
    wrong = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert WRONG[options] in wrong.stderr


def test_standard_output_has_only_results_even_if_workers_die(nodes: Nodes, tmp_path: Path) -> None:
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    done = subprocess.run(
        [
            *HIPROBE,
            "detect",
            str(flat(tmp_path / "v.mp4", 220)),
            "-p",
            str(tmp_path / "p.safetensors"),
            "-m",
            CRASHING.name,
            "--no-explain",
            "--json",
            "-o",
            str(tmp_path / "out"),
            "--ray",
            nodes.address,
        ],
        capture_output=True,
        text=True,
        cwd=HERE,
        timeout=200,
    )
    assert done.returncode == 3, done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["quarantined"]
    assert "A worker died" in done.stderr  # a message of Ray


@pytest.mark.long
def test_detect_and_runs_work_at_an_address(
    bucket: str, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    for turn, grey in enumerate((20, 220)):  # two drivers with separate caches
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache{turn}"))
        done = subprocess.run(
            [
                *HIPROBE,
                "detect",
                str(flat(tmp_path / f"v{turn}.mp4", grey)),
                "-p",
                str(tmp_path / "p.safetensors"),
                "-m",
                CRASHING.name,
                "--no-explain",
                "-o",
                f"{bucket}/out",
                "--ray",
                nodes.address,
            ],
            capture_output=True,
            text=True,
            cwd=HERE,
            timeout=200,
        )
        assert done.returncode == 3 * turn, done.stderr
    files = s3fs.S3FileSystem()
    lines = files.cat_file(f"{bucket}/out/{store.MANIFEST}").splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["done", "quarantined"]
    sent = {name.partition("/out/")[2]: name for name in files.find(f"{bucket}/out")}
    whole = {"manifest.jsonl", "index.html", "probe.safetensors", "run.json"}
    assert {name for name in sent if "/" not in name} == whole  # and not what is of this machine
    assert not [name for name in sent if ".local" in name]
    assert not [name for name in sent if str(tmp_path).encode() in files.cat_file(sent[name])]
    page = files.cat_file(sent["index.html"]).decode()
    assert page.index("v1.mp4") < page.index("v0.mp4")  # the quarantined one first
    assert "<title>out " in page
    ran = subprocess.run(
        [*HIPROBE, "runs", f"{bucket}/out", "--retry", "--json"],
        capture_output=True,
        text=True,
        cwd=HERE,
    )
    assert [json.loads(line)["status"] for line in ran.stdout.splitlines()] == ["todo"], ran.stderr


def test_evaluating_on_a_cluster_gives_the_same_report(
    nodes: Nodes, videos: Path, tmp_path: Path
) -> None:
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    rows = [
        f"{videos / f'v{n:02}.mp4'},{'abnormal' if n % 2 else 'normal'},,,test" for n in range(6)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,start,end,split", *rows]) + "\n")
    command = [
        *HIPROBE,
        "evaluate",
        "--dataset",
        "folder",
        "--root",
        str(tmp_path / "labels.csv"),
        "-p",
        str(tmp_path / "p.safetensors"),
        "-m",
        "tests.support.fake_backbone:load",
        "--json",
    ]
    reports = []
    for code, out, err in at_once(
        [*command, "--store", str(tmp_path / f"store{len(more)}"), *more]
        for more in ([], ["--ray", nodes.address])
    ):
        assert code == 0, err
        reports.append(json.loads(out))
    assert reports[0] == reports[1]
