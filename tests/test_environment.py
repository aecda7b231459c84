"""What the machine refuses is named on one line, and no video is blamed for it.

The limits are real: they are set on the process of a command by a shell, or come from a small disk.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from tests.support import fake_backbone
from tests.support.review_folder import free_port
from tests.test_reliability import flat, tree

from hiprobe import environment, isolate, report, runs, store, video
from hiprobe.disk.atomic import write_atomic
from hiprobe.errors import CorruptVideo, EnvironmentFailed, MissingVideo, StoreError
from hiprobe.isolate import ChildLost, Limits
from hiprobe.store import leases

ROOT = Path(__file__).parents[1]
AS_ROOT = os.geteuid() == 0
FAKE = ("-m", "tests.support.fake_backbone:load")
LIMITS = {
    "a file of 50 KiB": ("ulimit -f 50", "a file may not grow further (ulimit -f: 51,200 bytes)"),
    "a file of 1 KiB": ("ulimit -f 1", "raise the limit on file size (ulimit -f)"),
    "12 open files": ("ulimit -n 12", "no other file may be opened (ulimit -n: 12)"),
    "1 process": ("ulimit -u 1", "no other process or thread may be started (ulimit -u: 1)"),
}
NOTICES = ("The embedded model is", "review page")
# Root may start any number of processes, unless it gives up its privileges.
UNPRIVILEGED = [
    "setpriv",
    *("--reuid", "65534", "--clear-groups"),
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    errors: list[str]


def in_shell(setup: str, *command: Any) -> Ran:
    """Run `hiprobe` in a shell after `setup`, such as `ulimit -n 12`."""
    words = ["bash", "-c", f'{setup} && exec "$@"', "bash", sys.executable, "-m", "hiprobe"]
    prefix = UNPRIVILEGED if AS_ROOT and "ulimit -u" in setup else []
    done = subprocess.run(
        [*prefix, *words, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env=environ(),
    )
    return Ran(done.returncode, done.stderr.splitlines())


def environ() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def detection(out: Path) -> runs.DetectionRun:
    return runs.DetectionRun(
        fake_backbone.load(), fake_backbone.constant_probe(), out, explain=False
    )


@dataclass(frozen=True)
class Three:
    """Three videos, a probe, and the files of an undisturbed run."""

    videos: Path
    probe: Path
    whole: dict[str, bytes]

    def command(self, out: Path) -> tuple[Any, ...]:
        return ("detect", self.videos, "-p", self.probe, *FAKE, "--no-explain", "-o", out)

    def paths(self) -> list[Path]:
        return sorted(self.videos.iterdir())

    def detect(self, out: Path) -> None:
        """Do what the command does, in this process and without its limit."""
        run = detection(out)
        before, left = run.done(self.paths())
        with store.Notes(out) as notes:
            notes.add(before)
            for result in run.detect(left, keep=report.report_video):
                notes.add([result])

    def check_untouched(self, out: Path) -> None:
        """No video was blamed, and the same command gives what an undisturbed run gives, at once."""
        assert blamed(out) == []
        began = time.monotonic()
        self.detect(out)
        assert time.monotonic() - began < leases.LEASE_S
        assert tree(out) == self.whole


def blamed(out: Path) -> list[Any]:
    """What the index holds against videos: failures, quarantine, attempts, and claims that count."""
    path = out / ".store/index.sqlite"
    if not path.is_file() or not path.stat().st_size:
        return []
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE name = 'items'").fetchall()
        rows = db.execute("SELECT status, lost, worker FROM items").fetchall() if tables else []
    return [
        (status, lost)
        for status, lost, worker in rows
        if lost
        or status not in ("todo", "done", "claimed")
        # The claim of a worker that could not even release it is void once its mark is gone.
        or (status == "claimed" and leases.WorkMark(path.parent, worker).is_set())
    ]


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield made_three(Path(place))


def made_three(folder: Path) -> Three:
    (folder / "in").mkdir()
    for number in range(3):
        flat(folder / "in" / f"v{number}.mp4", 40 * number)
    fake_backbone.constant_probe().save(folder / "p.safetensors")
    found = Three(folder / "in", folder / "p.safetensors", {})
    found.detect(folder / "whole")
    found.whole.update(tree(folder / "whole"))
    return found


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def check_refused(ran: Ran, says: str) -> None:
    """One line, without a traceback, that names the limit and the cure; exit code 4."""
    told = [line for line in ran.errors if not line.startswith(NOTICES)]
    assert (ran.code, len(told)) == (4, 1), ran.errors
    assert says in told[0]
    assert told[0].startswith(("EnvironmentFailed: ", "StoreError: "))
    assert "; " in told[0]


# -- limits on the process


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_named_and_the_same_command_continues(
    public: Path, three: Three, limit: str
) -> None:
    setup, says = LIMITS[limit]
    check_refused(in_shell(setup, *three.command(public / "out")), says)
    three.check_untouched(public / "out")


def test_too_little_memory_for_the_model_is_named(tmp_path: Path, three: Three) -> None:
    command = ("detect", three.videos, "-p", three.probe, "-o", tmp_path / "out")
    ran = in_shell("ulimit -v 400000", *command, "-m", "embedded")
    check_refused(ran, "there is not enough memory (ulimit -v: 409,600,000 bytes)")
    assert blamed(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("setup", "command"),
    [
        ("ulimit -v 400000", "fit"),
        ("ulimit -f 50", "fit"),
        ("ulimit -n 12", "extract"),
        ("ulimit -f 20", "evaluate"),
        ("ulimit -n 12", "review"),
    ],
)
def test_other_commands_name_it_too(tmp_path: Path, three: Three, setup: str, command: str) -> None:
    if command == "review":
        pytest.importorskip("fastapi")
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"{p},normal\n" for p in three.paths()[:2]))
    with table.open("a") as file:
        file.write(f"{three.paths()[2]},fall\n")
    words: dict[str, tuple[Any, ...]] = {
        "fit": (table, "-o", tmp_path / "p.safetensors", "--store", tmp_path / "s"),
        "extract": (three.videos, *FAKE, "--store", tmp_path / "s"),
        "evaluate": ("--dataset", "folder", "--root", table, "-p", three.probe, *FAKE,
                     "--store", tmp_path / "s"),
        "review": (tmp_path, "--videos", three.videos, "--port", free_port()),
    }  # fmt: skip
    if command != "review" and "-f" in setup:
        words["fit"] = (*words["fit"], *FAKE)
    check_refused(in_shell(setup, command, *words[command]), setup[: len("ulimit -x")])
    assert not (tmp_path / "p.safetensors").exists()


HOARD = """
import sys
from hiprobe import isolate
from hiprobe.errors import EnvironmentFailed
try:
    list(isolate.stream("tests.support.misbehaving_calls", isolate.Limits(), "hoards", 2**30))
except (EnvironmentFailed, isolate.ChildLost) as error:
    print(type(error).__name__, error)
"""


def test_the_users_limit_on_memory_is_not_the_videos_fault() -> None:
    """The decoder's own limit, reached below the user's, is (test_isolate.py)."""
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 900000 && exec "$@"', "bash", sys.executable, "-c", HOARD],
        capture_output=True,
        text=True,
        check=True,
        env=environ(),
    )
    assert done.stdout.startswith("EnvironmentFailed a child process needs more: there is not")
    assert "(ulimit -v: 921,600,000 bytes)" in done.stdout


def test_a_child_that_never_starts_is_not_the_videos_fault() -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be started: it ended with exit code 1"):
        list(isolate.stream("tests.support.no_such_calls", Limits(), "info", "a.mp4"))


def test_a_decoder_stopped_by_a_limit_on_processor_time_is_not_the_videos_fault() -> None:
    code = HOARD.replace('"hoards", 2**30', '"spins"')
    done = subprocess.run(
        ["bash", "-c", 'ulimit -t 1 && exec "$@"', "bash", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environ(),
    )
    assert done.stdout.startswith("EnvironmentFailed a child process was killed (ulimit -t: 1 s)")


# -- disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB; only root can mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(place)]
    if not AS_ROOT or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def test_a_full_disk_and_then_a_read_only_one_are_named(disk: Path, three: Three) -> None:
    ran = in_shell("true", *three.command(disk / "out"))
    check_refused(ran, "; free disk space or choose -o")
    remount(disk, "size=20m")
    assert blamed(disk / "out") == []
    remount(disk, "ro")
    ran = in_shell("true", *three.command(disk / "out"))
    check_refused(ran, "; make it writable or choose -o")
    remount(disk, "rw")
    three.check_untouched(disk / "out")


def test_the_cure_for_missing_permission_is_not_more_room(public: Path) -> None:
    (public / "closed").mkdir(mode=0o500)
    user = ExitStack()
    if AS_ROOT:
        (public / "closed").chmod(0o555)
        os.seteuid(65534)
        user.callback(os.seteuid, 0)
    with user:
        with pytest.raises(StoreError, match="cannot write: Permission denied; check the path"):
            write_atomic(public / "closed/a", b"")
        with (
            pytest.raises(StoreError, match=r"cannot write: .*; check the path and its perm"),
            store.index.open_index(public / "closed"),
        ):
            pass


@pytest.mark.parametrize("then", ["nothing", "another folder"])
def test_an_output_folder_that_vanishes_ends_the_run(
    tmp_path: Path, three: Three, then: str
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    coming = detection(out).detect(three.paths(), keep=report.report_video)
    next(coming)
    out.rename(away)
    if then == "another folder":
        (out / ".store").mkdir(parents=True)
    with pytest.raises(EnvironmentFailed, match="output folder was removed or replaced") as caught:
        list(coming)
    assert caught.value.exit_code == 4
    shutil.rmtree(out, ignore_errors=True)
    away.rename(out)
    three.check_untouched(out)


def test_a_worker_that_cannot_release_its_claim_is_not_a_killed_one(tmp_path: Path) -> None:
    """The first can write nothing when it ends; the second is killed, which counts."""

    def holder() -> leases.LeaseHolder:
        return leases.LeaseHolder(tmp_path, {"probe": "a"}, 1)

    with full_disk_at_the_end(), holder() as first:
        first.claim("v-1", "v.mp4", "1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    killed = holder()
    claimed = killed.claim("v-1", "v.mp4", "1")  # at once
    assert (killed.has(claimed), claimed.lost) == (True, 0)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as db:
        db.execute("UPDATE items SET lease = 1.0")  # as if time had passed
        db.commit()
    assert holder().claim("v-1", "v.mp4", "1").lost == 1
    assert len(list((tmp_path / leases.WORKERS).iterdir())) == 1  # that of the dead one is gone


@contextmanager
def full_disk_at_the_end() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_shared_memory_needs_nothing_of_dev_shm(tmp_path: Path, three: Three) -> None:
    """The decoder's pixels travel in nameless memory; here no file can be made in /dev/shm."""
    setup = "mount -t tmpfs -o ro,size=4k none /dev/shm"
    unshared = ["unshare", "-m", "bash", "-c", f'{setup} && exec "$@"', "bash"]
    if subprocess.run([*unshared, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts of its own for a process here")
    done = subprocess.run(
        [*unshared, sys.executable, "-m", "hiprobe", *map(str, three.command(tmp_path / "out"))],
        capture_output=True,
        text=True,
        check=False,
        env=environ(),
    )
    assert done.returncode == 0, done.stderr
    made = tree(tmp_path / "out")
    assert made.pop("index.html")  # which only the command writes
    assert made == three.whole


# -- how an error is told from a fault of the video


def test_only_what_the_machine_refuses_counts() -> None:
    for number in (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EFBIG, errno.EROFS):
        assert environment.refused(OSError(number, "x")) == number
    for number in (errno.ENOENT, errno.EACCES, errno.EIO, errno.EINVAL, errno.ENAMETOOLONG):
        assert environment.refused(OSError(number, "x")) is None
    assert environment.refused(RuntimeError("can't start new thread")) == errno.EAGAIN
    assert environment.refused(RuntimeError("anything else")) is None
    assert environment.refused(ImportError("no module named x")) is None


def test_the_cause_of_an_error_counts_too() -> None:
    for number in (errno.EMFILE, errno.EIO):
        error = MissingVideo("cannot be read")
        error.__cause__ = OSError(number, "x")
        assert environment.refused(error) == (number if number == errno.EMFILE else None)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EAGAIN, errno.EROFS])
def test_what_ffmpeg_finds_in_a_file_is_the_files_fault(number: int) -> None:
    """FFmpeg uses numbers of the operating system for errors of its own."""
    with pytest.raises(av.error.FFmpegError) as caught:
        av.error.err_check(-number, "a.mp4")
    error = CorruptVideo("cannot be opened")
    error.__cause__ = caught.value
    assert environment.refused(error) is None


def test_a_video_that_needs_more_than_the_decoder_may_take_is_still_at_fault() -> None:
    with pytest.raises(ChildLost, match="needs more than 1 GiB of memory"):
        list(
            isolate.stream("tests.support.misbehaving_calls", Limits(memory=2**30), "hoards", 2**30)
        )


def test_a_file_that_cannot_be_opened_for_want_of_descriptors_is_no_missing_video(
    three: Three,
) -> None:
    path = three.paths()[0]
    _, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        with suppress(OSError):
            while True:
                held.enter_context(open(os.devnull))
        with pytest.raises(EnvironmentFailed, match=r"ulimit -n: 256"):
            video.digest(path)
        with pytest.raises(EnvironmentFailed, match=r"ulimit -n: 256"):
            video.find([str(three.videos)])


# -- the review page


def test_the_page_answers_beside_300_half_open_connections(tmp_path: Path, three: Three) -> None:
    """With 256 open files; a third says nothing, a third sends half a head, a third half a form."""
    pytest.importorskip("fastapi")
    port = free_port()
    heads = [
        b"",
        b"GET / HTTP/1.1\r\nHost: 127",
        f"POST /judge HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\na".encode(),
    ]
    words = ["review", str(tmp_path), "--videos", str(three.videos), "--port", str(port)]
    command = [sys.executable, "-m", "hiprobe", *words]
    with (
        subprocess.Popen(
            ["bash", "-c", 'ulimit -n 256 && exec "$@"', "bash", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(),
        ) as page,
        ExitStack() as held,
    ):
        held.callback(page.kill)
        assert page.stdout is not None
        assert page.stderr is not None
        while "http://" not in page.stdout.readline():
            assert page.poll() is None
        for number in range(300):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            client.sendall(heads[number % 3])
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert answer.status == 200
        page.terminate()
        assert "Traceback" not in page.stderr.read()


def test_a_request_that_is_not_sent_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    import threading

    import uvicorn

    from hiprobe.review import connections

    monkeypatch.setattr(connections, "REQUEST_S", 0.3)

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http=connections.BoundedConnection,
        log_level="error", lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for sent in (
        b"",
        b"GET / HTTP",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na",
        whole + b"GET",
    ):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(sent)
            received = b""
            with suppress(ConnectionResetError):
                while data := client.recv(4096):
                    received += data
            assert (b"200 OK" in received) == sent.startswith(whole)
    server.should_exit = True
    thread.join(10)
