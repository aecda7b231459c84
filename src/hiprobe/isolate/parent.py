"""Calls in a child process that may crash, hang or eat memory without harm.

Such a child is killed, and the next call gets a new one. A child stays warm between calls. Arrays
come through nameless memory, so nothing is left behind however parent or child ends. Knows
no video. `child` is the other side.
"""

from __future__ import annotations

import atexit
import errno
import json
import math
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import environment
from hiprobe.errors import EnvironmentFailed, HiProbeError
from hiprobe.isolate.child import Item, Wire, slots_of
from hiprobe.isolate.crossing import unpack_error

# Arrays that a child may be ahead: a batch of the model, while the batch before it is computed.
SLOTS = 64
RING_BYTES = 256 * 2**20  # memory for these arrays; at least one array fits
WARM = 5  # idle children kept
NO_START = "a child process cannot be started"
START_S = 60.0  # for a child to start and import; a busy machine takes long

# The child gets this process's path, so that it imports what its parent would. `-P` keeps the
# working folder out of that path.
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from hiprobe.isolate.child import serve; serve(sys.argv[2], *map(int, sys.argv[3:]))"
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class ChildLost(Exception):
    """The child died, hung or was killed; `str(error)` says how."""


class ChildBug(RuntimeError):
    """The call has a bug: it raised something other than a named error.

    `str(error)` is the child's traceback.
    """


@dataclass(frozen=True)
class Limits:
    """What a child may take.

    `memory` is in bytes of address space. `stall_s` and `cpu_s` are seconds, on the clock and of
    processor time, between two signs of life. `ahead` is how many arrays it may be ahead.
    """

    memory: int = 4 * 2**30
    stall_s: float = 60.0
    cpu_s: int = 60
    ahead: int = SLOTS


class Child:
    """A process that answers the calls of `module`, one at a time.

    Raises EnvironmentFailed if it cannot be started.
    """

    def __init__(self, module: str, limits: Limits) -> None:
        self.module, self.limits = module, limits
        self._memory: mmap.mmap | None = None
        self._slots = self._slot_bytes = self._taken = 0
        self._heard = False
        self.returned = 0  # how often it was given back after a call
        try:
            with ExitStack() as undo:
                self._start(undo)
                undo.pop_all()
        except OSError as error:
            raise environment.failed(error.errno, NO_START) from error

    def _start(self, undo: ExitStack) -> None:
        """Start the process; `undo` closes what was opened if that fails. Raises OSError."""
        ours, theirs = socket.socketpair()
        undo.callback(ours.close)
        with theirs:
            self._wire, self._file = Wire(ours), _nameless_file()
            undo.callback(os.close, self._file)
            self.process = self._spawned(theirs.fileno(), self._file)

    def _spawned(self, *handles: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-P",
            "-c",
            PROGRAM,
            json.dumps(sys.path),
            self.module,
            *map(str, (*handles, self.limits.memory, self.limits.cpu_s)),
        ]
        # It gets a session of its own: Ctrl-C is for the parent.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=handles,
            start_new_session=True,
            env=os.environ | ONE_THREAD,
        )

    def ask(self, name: str, args: list[Any]) -> None:
        """Send a call, which the child starts at once. Raises ChildLost and EnvironmentFailed."""
        self._taken = 0
        room = [self.limits.ahead, RING_BYTES]
        self._send({"call": name, "args": args, "folder": _working_folder(), "room": room})

    def answers(self) -> Generator[Item, None, None]:
        """Yield what the call yields: JSON values, each with a uint8 array or None.

        Raises the call's own error, EnvironmentFailed, ChildLost and ChildBug.
        """
        while "end" not in (message := self._receive()):
            if "item" in message:
                yield message["item"], self._array(message)
            elif "slots" in message:
                self._make_room(**message)
            elif "error" in message:
                raise unpack_error(message["error"])
            elif "memory" in message:
                raise self._needs_memory()
            elif "bug" in message:
                raise ChildBug(f"in the child process:\n{message['bug']}")

    def end(self) -> None:
        """Kill the process if it is alive, and free its memory."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._release()

    def _release(self) -> None:
        self._wire.close()
        os.close(self._file)

    def _needs_memory(self) -> ChildLost | EnvironmentFailed:
        """Return the error of a call that ran out of memory; a user's lower limit is to blame."""
        if (environment.memory_limit() or math.inf) < self.limits.memory:
            return environment.failed(errno.ENOMEM, "a child process needs more")
        return ChildLost(f"needs more than {self.limits.memory / 2**30:.3g} GiB of memory")

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._wire.send(message)
        except OSError as error:
            raise self._lost(self._last_words()) from error

    def _receive(self) -> dict[str, Any]:
        patience = self.limits.stall_s if self._heard else max(START_S, self.limits.stall_s)
        try:
            message = dict(self._wire.receive(patience))
        except TimeoutError as error:
            raise self._lost(f"hung: no sign of life for {patience:g} s") from error
        except (EOFError, OSError) as error:
            raise self._lost(self._last_words()) from error
        self._heard = True
        return message

    def _lost(self, words: str) -> ChildLost | EnvironmentFailed:
        """Return the error of a child that is lost; a call is to blame only once it has begun."""
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if self.process.poll() == -signal.SIGXFSZ:
            return environment.failed(errno.EFBIG)
        if self.process.poll() == -signal.SIGKILL and hard != resource.RLIM_INFINITY:
            return EnvironmentFailed(
                f"a child process was killed (ulimit -t: {hard} s)", cure="raise the limit"
            )
        if self._heard:
            return ChildLost(words)
        return EnvironmentFailed(
            f"{NO_START}: it {words}",
            cure=f"raise the limits ({environment.limits()}), or end other programs",
        )

    def _last_words(self) -> str:
        try:
            code = self.process.wait(self.limits.stall_s)
        except subprocess.TimeoutExpired:
            return f"hung: did not end within {self.limits.stall_s:g} s"
        if code == -signal.SIGXCPU:
            return f"hung: {self.limits.cpu_s} s of processor time without a sign of life"
        if code < 0:
            hint = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
            return f"crashed: killed by {signal.Signals(-code).name}{hint}"
        return f"ended with exit code {code}"

    def _make_room(self, slots: int, size: int, wait: bool) -> None:
        self._slots, self._slot_bytes, self._taken = slots, size, 0
        try:
            self._memory = mmap.mmap(self._file, slots * size, prot=mmap.PROT_READ)
        except OSError as error:
            raise environment.failed(error.errno, "no memory to share with a child") from error
        except ValueError as error:
            raise ChildLost(f"could not share memory: {error}") from error
        if wait:
            self._send({"taken": True})

    def _array(self, message: dict[str, Any]) -> NDArray[np.uint8] | None:
        if "slot" not in message:
            return None
        assert self._memory is not None
        start, shape = message["slot"] * self._slot_bytes, tuple(message["shape"])
        array = np.frombuffer(self._memory, np.uint8, math.prod(shape), start).reshape(shape).copy()
        self._taken += 1
        if 4 * self._taken >= self._slots:  # several at once, because each message wakes the child
            self._send({"free": self._taken})
            self._taken = 0
        return array


_idle: list[Child] = []
_lock = threading.Lock()


def stream(module: str, limits: Limits, name: str, *args: Any) -> Generator[Item, None, None]:
    """Yield what `CALLS[name]` of `module` yields, called with `args` in a child process.

    `args` are JSON values. If the call is not read to its end, its child is ended. Raises the
    call's own named errors, ChildLost if the child dies, hangs or takes too much, ChildBug, and
    EnvironmentFailed if the machine or a limit set on this process is to blame.
    """
    yield from start_call(module, limits, name, *args)


def start_call(module: str, limits: Limits, name: str, *args: Any) -> Generator[Item, None, None]:
    """Do what `stream` does, but start at once, before anything is read."""
    items = _asked(_take(module, limits), name, list(args))
    # After the first, empty item the call is sent, and the child is returned however this ends.
    next(items)
    return items


class Running:
    """A call in a child process, as `start_call` makes it, that another thread may end.

    Iterate over it once, in one thread. Raises what `stream` raises.
    """

    def __init__(self, module: str, limits: Limits, name: str, *args: Any) -> None:
        self._child = _take(module, limits)
        self._turn = self._child.returned
        self._items = _asked(self._child, name, list(args))
        next(self._items)

    def __iter__(self) -> Generator[Item, None, None]:
        return self._items

    def kill(self) -> None:
        """Kill the child if this call is not over; whoever reads the call gets a ChildLost."""
        with _lock:
            if self._child.returned == self._turn:
                self._child.process.kill()


def _asked(child: Child, name: str, args: list[Any]) -> Generator[Item, None, None]:
    sound = False
    try:
        child.ask(name, args)
        yield None, None
        yield from child.answers()
        sound = True
    except EnvironmentFailed:
        raise
    except HiProbeError:
        sound = True  # it raised a named error, and can take the next call
        raise
    finally:
        _put(child, sound)


def arrays_ahead(size: int) -> int:
    """Return how many arrays of `size` bytes a child may be ahead."""
    return slots_of(size, SLOTS, RING_BYTES)


def start_child(module: str, limits: Limits) -> None:
    """Start a child before its first call, so that the call need not wait for it."""
    _put(_take(module, limits), sound=True)


def _take(module: str, limits: Limits) -> Child:
    with _lock:
        for child in [one for one in _idle if one.process.poll() is not None]:
            _idle.remove(child)
            child.end()
        for child in _idle:
            if (child.module, child.limits) == (module, limits):
                _idle.remove(child)
                return child
    return Child(module, limits)


def _put(child: Child, sound: bool) -> None:
    with _lock:
        child.returned += 1  # from here on it may be another call's
        if sound and len(_idle) < WARM:
            _idle.append(child)
            return
    child.end()


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _working_folder() -> str | None:
    """Return the folder that relative paths count from; None if it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _nameless_file() -> int:
    """Return a file without a name: it vanishes with the last process that holds it."""
    if sys.platform == "linux":
        return os.memfd_create("hiprobe")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


atexit.register(_end_all)
# A forked process must not use its parent's children.
os.register_at_fork(after_in_child=_idle.clear)
