"""The inside of a child process: takes calls over a socket and writes arrays into shared memory.

Knows no video: what can be called is the dictionary `CALLS` of a module that the parent names.
Only JSON and pixels cross, and nothing is unpickled. `parent` is the other side.
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import json
import math
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import environment
from hiprobe.errors import HiProbeError
from hiprobe.isolate.crossing import pack_error

BEAT_S = 1.0  # signs of life are at least this far apart
CHUNK = 1 << 16
LIFELINE = 0  # standard input; the parent holds the other end, which closes when it dies

_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

Item = tuple[Any, NDArray[np.uint8] | None]
Call = Callable[..., Iterator[Item]]


class Wire:
    """JSON values over a connected socket, one on each line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._held = connection, b""

    def send(self, value: Any) -> None:
        """Send `value`; raises ConnectionError if the other side is gone."""
        self._connection.sendall(json.dumps(value).encode() + b"\n")

    def receive(self, timeout_s: float | None = None) -> Any:
        """Return the next value.

        Raises TimeoutError if none comes within `timeout_s` seconds, and EOFError at the end.
        """
        self._connection.settimeout(timeout_s)
        while b"\n" not in self._held:
            data = self._connection.recv(CHUNK)
            if not data:
                raise EOFError("the other side is gone")
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        """Close the socket."""
        self._connection.close()


class Link:
    """What a call can use of its parent: memory for arrays, and a way to say that it is alive."""

    def __init__(self, wire: Wire, memory: int, cpu_s: int) -> None:
        self._wire, self._file, self._cpu_s = wire, memory, cpu_s
        self._most = self._ring_bytes = 0
        self._slots = self._free = self._slot = self._slot_bytes = 0
        self._sent = False
        self._memory: mmap.mmap | None = None
        self._next_beat = 0.0

    def beat(self) -> None:
        """Report progress, at most every `BEAT_S`, and reset the limit of processor time."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_S
            spent = math.ceil(time.process_time())
            _limit(resource.RLIMIT_CPU, spent + self._cpu_s)
            self._wire.send({"beat": True})

    def place(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return shared memory for the next item's array; wait until some is free.

        It stays the same until the item is sent.
        """
        size = math.prod(shape)
        if size > self._slot_bytes:
            self._grow(size)
        while not self._free:
            self._take(self._wire.receive())
        assert self._memory is not None
        return np.frombuffer(self._memory, np.uint8, size, self._slot * self._slot_bytes).reshape(
            shape
        )

    def send(self, value: Any, array: NDArray[np.uint8] | None) -> None:
        """Send an item; its array, if any, is the one from `place`."""
        if array is None:
            self._wire.send({"item": value})
            return
        self._wire.send({"item": value, "slot": self._slot, "shape": array.shape})
        self._slot, self._free, self._sent = (self._slot + 1) % self._slots, self._free - 1, True

    def asked(self) -> dict[str, Any]:
        """Return the parent's next call; by then all arrays of the one before have been taken."""
        while not self._take(message := self._wire.receive()):
            pass
        self._sent, self._free = False, self._slots
        self._most, self._ring_bytes = message["room"]
        return dict(message)

    def _take(self, message: Any) -> bool:
        """Count slots that are free again; return whether the message was something else."""
        self._free += message.get("free", 0)
        return "free" not in message

    def _grow(self, size: int) -> None:
        """Make room for arrays of `size` bytes.

        Waits only if the parent still has to take arrays of this call. Raises OSError if the
        machine refuses, and MemoryError.
        """
        slots = slots_of(size, self._most, self._ring_bytes)
        try:
            os.ftruncate(self._file, max(slots * size, os.fstat(self._file).st_size))
            self._memory = mmap.mmap(self._file, slots * size)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            raise MemoryError from error
        self._wire.send({"slots": slots, "size": size, "wait": self._sent})
        if self._sent:  # when the parent reads this message, it has taken all arrays sent before
            while not self._take(self._wire.receive()):
                pass
        self._slots = self._free = slots
        self._slot_bytes, self._slot = size, 0


def slots_of(size: int, most: int, ring_bytes: int) -> int:
    """Return how many arrays of `size` bytes a child may be ahead: 1 to `most`.

    Together they take at most `ring_bytes`.
    """
    return max(1, min(most, ring_bytes // size))


def serve(module: str, connection: int, memory: int, memory_cap: int, cpu_s: int) -> None:
    """Answer calls until the parent closes the socket or dies.

    `connection` and `memory` are file descriptors. The address space is capped at `memory_cap`
    bytes, and processor time at `cpu_s` seconds without a sign of life.
    """
    _die_with_parent()
    wire = Wire(socket.socket(fileno=connection))
    link = Link(wire, memory, cpu_s)
    calls: dict[str, Call] = importlib.import_module(module).CALLS
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit(resource.RLIMIT_AS, min(memory_cap, environment.memory_limit() or memory_cap))
        while True:
            asked = link.asked()
            if asked["folder"] is not None:
                os.chdir(asked["folder"])
            link.beat()
            wire.send(_answered(link, calls[asked["call"]], asked["args"]))
    except (EOFError, ConnectionError):
        return  # the parent is gone


def _limit(kind: int, cap: int) -> None:
    """Cap this process at `cap`, or lower if it was started with a lower limit.

    `ulimit` or a batch system may have set one.
    """
    _, hard = resource.getrlimit(kind)
    lower = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
    resource.setrlimit(kind, (lower, hard))


def _answered(link: Link, call: Call, args: list[Any]) -> dict[str, Any]:
    """Run a call and send what it yields; return how it ended."""
    try:
        for value, array in call(link, *args):
            link.send(value, array)
    except ConnectionError:
        raise
    except (HiProbeError, MemoryError, *_BUGS) as error:
        return _failed(error)
    return {"end": True}


def _failed(error: Exception) -> dict[str, Any]:
    """Say what ended a call: memory, another refusal of the machine, a named error, or a bug."""
    number = environment.refused(error)
    if number == errno.ENOMEM:
        return {"memory": True}
    if number is not None:
        return {"error": pack_error(environment.failed(number))}
    if isinstance(error, HiProbeError):
        return {"error": pack_error(error)}
    return {"bug": "".join(traceback.format_exception(error))}


def _die_with_parent() -> None:
    """Let the kernel kill this process when the parent's end of the lifeline closes.

    That works even if it hangs in C code.
    """
    fcntl.fcntl(LIFELINE, fcntl.F_SETOWN, os.getpid())
    if sys.platform == "linux":
        # Elsewhere SIGIO is sent, which ends the process as well.
        fcntl.fcntl(LIFELINE, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(LIFELINE, fcntl.F_SETFL, fcntl.fcntl(LIFELINE, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([LIFELINE], [], [], 0)[0]:
        os._exit(1)  # the parent died before the signal was armed
