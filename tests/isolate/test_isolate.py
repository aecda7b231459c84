"""A child process that is killed, hangs, crashes or hoards memory: is it named, replaced, and nothing left behind?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiprobe import isolate
from hiprobe.errors import UnsupportedVideo
from hiprobe.isolate import ChildLost, Limits

CALLS = "tests.support.misbehaving_calls"
PATIENT = Limits(stall_s=30.0)
SHARED_MEMORY = Path("/dev/shm")


def run(name: str, *args: Any, limits: Limits = PATIENT) -> list[Any]:
    return [value for value, _ in isolate.stream(CALLS, limits, name, *args)]


def pid() -> int:
    return int(run("identity")[0]["pid"])


def alive(process: int) -> bool:
    """Whether there is such a process and it is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_arrays_arrive_as_they_were_written_however_slow_the_reader() -> None:
    kept = []
    for index, (value, array) in enumerate(isolate.stream(CALLS, PATIENT, "arrays", 40, 200)):
        time.sleep(0.002 * (index % 5))
        assert array is not None
        kept.append(array)
        assert value["index"] == index
    for index, array in enumerate(kept):  # after the memory has been written over five times
        np.testing.assert_array_equal(array, np.full((200, 200), index, np.uint8))


def test_the_child_is_ahead_by_a_bounded_number_of_arrays(tmp_path: Path) -> None:
    log = tmp_path / "log"
    items = isolate.stream(CALLS, PATIENT, "arrays", 100, 10, str(log))
    next(items)
    assert until(lambda: len(log.read_text()) == isolate.parent.SLOTS)
    time.sleep(0.2)
    assert len(log.read_text()) == isolate.parent.SLOTS
    for _ in range(isolate.parent.SLOTS // 2):
        next(items)
    assert until(lambda: len(log.read_text()) == isolate.parent.SLOTS * 3 // 2)
    assert len(list(items)) == 99 - isolate.parent.SLOTS // 2


def test_large_arrays_make_it_less_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(isolate.parent, "RING_BYTES", 2_500_000)
    isolate.parent._end_all()
    log = tmp_path / "log"
    items = isolate.stream(CALLS, PATIENT, "arrays", 10, 1000, str(log))
    next(items)
    assert until(lambda: len(log.read_text()) == 3)
    time.sleep(0.2)
    assert len(log.read_text()) == 3
    assert [value["index"] for value, _ in items] == list(range(1, 10))
    isolate.parent._end_all()


def test_room_grows_with_what_is_sent() -> None:
    sides = [1, 5, 3, 50, 2, 50, 51, 51, 1, 1, 1, 1, 1, 1, 1, 1, 70]
    found = list(isolate.stream(CALLS, PATIENT, "growing", sides))
    assert [value for value, _ in found] == sides
    for side, array in found:
        assert array is not None
        np.testing.assert_array_equal(array, np.full((side, side), side))


def test_one_child_serves_call_after_call_and_two_at_once_are_two() -> None:
    first = pid()
    assert pid() == first
    items = isolate.stream(CALLS, PATIENT, "arrays", 3, 5)
    inside = next(items)[0]["pid"]
    assert inside == first
    assert pid() != first
    assert len(list(items)) == 2


def test_relative_paths_count_from_where_the_parent_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid()
    monkeypatch.chdir(tmp_path)
    assert run("identity")[0]["folder"] == str(tmp_path)


def test_a_named_error_comes_back_whole_and_costs_no_child() -> None:
    before = pid()
    with pytest.raises(UnsupportedVideo) as caught:
        run("refuses", "a/b.mp4")
    error = caught.value
    assert (error.reason, error.where, error.cure) == ("not this one", "a/b.mp4", "another")
    assert str(error) == "a/b.mp4: not this one; another"
    assert pid() == before


def test_a_bug_in_the_child_is_a_bug_here() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in bug.*LookupError: a mistake of ours"):
        run("bug")


@pytest.mark.parametrize(
    ("name", "says"), [("reads_nowhere", "crashed: killed by SIGSEGV"), ("leaves", "exit code 7")]
)
def test_a_crash_is_named_and_the_next_call_has_another_child(name: str, says: str) -> None:
    before = pid()
    with pytest.raises(ChildLost, match=says):
        run(name)
    assert not alive(before)
    assert pid() != before


def test_a_child_that_hangs_up_and_stays_is_killed_when_its_time_is_up() -> None:
    limits = Limits(stall_s=1.0)
    victim = int(run("identity", limits=limits)[0]["pid"])
    with pytest.raises(ChildLost, match="hung: did not end within 1 s"):
        run("hangs_up", limits=limits)
    assert not alive(victim)


def test_a_child_killed_in_mid_stream_as_by_the_kernel() -> None:
    items = isolate.stream(CALLS, PATIENT, "arrays", 1000, 5)
    victim = next(items)[0]["pid"]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ChildLost, match="killed by SIGKILL, as for want of memory"):
        list(items)
    assert pid() != victim


def test_a_child_killed_between_calls_goes_unnoticed() -> None:
    before = pid()
    os.kill(before, signal.SIGKILL)
    assert until(lambda: not alive(before))
    assert pid() != before


def test_a_stopped_child_is_killed_when_its_time_is_up() -> None:
    limits = Limits(stall_s=1.0)
    victim = int(run("identity", limits=limits)[0]["pid"])
    with pytest.raises(ChildLost, match="no sign of life for 1 s"):
        run("stops_itself", limits=limits)
    assert not alive(victim)


def test_a_child_that_starts_slowly_is_not_taken_for_hung() -> None:
    slow = Limits(stall_s=0.05)  # no interpreter starts in so little
    assert run("identity", limits=slow)[0]["pid"]


def test_the_reader_may_take_longer_than_the_child() -> None:
    items = isolate.stream(CALLS, Limits(stall_s=0.8), "arrays", 12, 5)
    next(items)
    time.sleep(1.2)
    assert len(list(items)) == 11


def test_long_work_with_signs_of_life_is_let_be_and_silence_is_not() -> None:
    limits = Limits(stall_s=3.0)
    assert run("sleeps", 4.0, True, limits=limits) == ["awake"]
    with pytest.raises(ChildLost, match="hung"):
        run("sleeps", 4.0, False, limits=limits)


def test_processor_time_without_a_sign_of_life_is_limited_by_the_kernel() -> None:
    with pytest.raises(ChildLost, match="1 s of processor time"):
        run("spins", limits=Limits(cpu_s=1, stall_s=30.0))


def test_memory_is_limited() -> None:
    limits = Limits(memory=2**30)
    assert run("hoards", 2**20, limits=limits) == [2**20]
    with pytest.raises(ChildLost, match="more than 1 GiB of memory"):
        run("hoards", 2**30, limits=limits)
    assert run("hoards", 2**20, limits=limits) == [2**20]


def test_a_stream_that_is_not_read_to_its_end_takes_its_child_with_it() -> None:
    items = isolate.stream(CALLS, PATIENT, "arrays", 1000, 5)
    victim = next(items)[0]["pid"]
    items.close()
    assert not alive(victim)
    assert len(run("arrays", 3, 5)) == 3


def test_a_forked_process_has_children_of_its_own() -> None:
    before = pid()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, str(pid()).encode())
        os._exit(0)
    assert int(os.read(reader, 20)) != before
    assert pid() == before


PARENT = """
import sys, time
from hiprobe import isolate
items = isolate.stream("tests.support.misbehaving_calls", isolate.Limits(), sys.argv[1], *map(int, sys.argv[2:]))
print(next(items)[0]["pid"], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("state", ["waiting", "stopped", "spinning"])
def test_a_parent_that_is_killed_leaves_no_process_and_no_memory(
    how: signal.Signals, state: str
) -> None:
    before = set(SHARED_MEMORY.iterdir()) if SHARED_MEMORY.is_dir() else set()
    call = ["spins"] if state == "spinning" else ["arrays", "1000", "100"]
    path = os.pathsep.join(map(str, sys.path))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *call],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        if state == "stopped":
            os.kill(child, signal.SIGSTOP)
        parent.send_signal(how)
    assert until(lambda: not alive(child)), f"process {child} outlives its parent"
    assert {*SHARED_MEMORY.iterdir()} <= before if SHARED_MEMORY.is_dir() else True


INTERRUPTED = """
import time
from hiprobe import isolate
items = isolate.stream("tests.support.misbehaving_calls", isolate.Limits(), "arrays", 500, 5)
try:
    next(items)
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print(len(list(items)))
"""


def test_ctrl_c_is_for_the_parent() -> None:
    """A terminal sends it to the whole process group; the parent decides what is still read."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.read() == "499\n"


def test_a_process_that_ends_in_order_takes_its_children_along() -> None:
    code = PARENT.replace("time.sleep(60)", "print(len(list(items)))")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "arrays", "20", "5"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, sys.path))},
    )
    child, count = map(int, done.stdout.split())
    assert (count, done.stderr) == (19, "")
    assert until(lambda: not alive(child))
