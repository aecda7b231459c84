"""The Ray cluster of a run: connect to it, and see what room its nodes have. Knows no worker."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray.exceptions import RayError

from hiprobe.errors import EnvironmentFailed, UsageError
from hiprobe.scale import spans

LOCAL = "local"
ANSWER_S = 5.0  # the longest wait for a host and port to answer
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_REFUSED = (ValueError, RuntimeError, RayError)
RAY_FILES = f"{os.sep}ray{os.sep}"  # in the command line of each of its processes
_HOST_PORT = re.compile(r"(.+):([0-9]{1,5})")


@dataclass(frozen=True)
class Cluster:
    """Which Ray cluster, and the resources of each worker.

    `address`: "local" for this machine alone, "auto", or `HOST:PORT`. `cpus` is also the number of
    threads of a worker; `gpus` may be a fraction. At most `workers` are started; None for as many
    as fit and have work, also on nodes that join later. `span_s` is about how many seconds of a
    long video one worker reads at a time.
    """

    address: str = LOCAL
    cpus: int = 1
    gpus: float = 0.0
    workers: int | None = None
    span_s: float = spans.SPAN_S


def nodes() -> list[dict[str, Any]]:
    """Return what Ray says of each node."""
    return list(ray.nodes())  # type: ignore[no-untyped-call]


def is_alive(node: str) -> bool:
    """Tell whether a node is alive.

    The node itself is asked: Ray takes 15 s to notice that all processes of one were killed.
    """
    (facts,) = [one for one in nodes() if one["NodeID"] == node]
    try:
        _reach(facts["NodeManagerAddress"], facts["NodeManagerPort"])
    except OSError:
        return False
    return bool(facts["Alive"])


def _reach(host: str, port: int) -> None:
    """Raise OSError if nothing answers."""
    socket.create_connection((host, port), ANSWER_S).close()


def workers_that_fit(nodes: Sequence[Mapping[str, Any]], cluster: Cluster) -> int:
    """Return how many workers fit on the nodes that are alive."""
    fits = 0
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        one = int(has.get("CPU", 0.0) // cluster.cpus)
        fits += min(one, int(has.get("GPU", 0.0) / cluster.gpus + 1e-9)) if cluster.gpus else one
    return fits if cluster.workers is None else min(fits, cluster.workers)


def connect(cluster: Cluster) -> bool:
    """Connect to Ray unless connected; return whether this call made the connection.

    Raises UsageError for a cluster that cannot be reached, and EnvironmentFailed if Ray does not
    start on this machine.
    """
    if ray.is_initialized():
        return False
    if cluster.address == LOCAL:
        with _whole_or_none():
            cpus = None if cluster.workers is None else cluster.workers * cluster.cpus
            ray.init(LOCAL, num_cpus=cpus, include_dashboard=False, **QUIET)
    else:
        _join(cluster)
    _print_to_stderr()
    return True


def _join(cluster: Cluster) -> None:
    """Connect to a running cluster; raises UsageError."""
    try:
        check_reachable(
            os.environ.get("RAY_ADDRESS", "auto") if cluster.address == "auto" else cluster.address
        )
        ray.init(cluster.address, **QUIET)
    except (ConnectionError, *_REFUSED) as error:
        raise UsageError(
            f"Ray cannot be reached: {error}",
            where=f"--ray {cluster.address}",
            cure="give local, auto, or HOST:PORT of a running Ray",
        ) from error


@contextmanager
def _whole_or_none() -> Iterator[None]:
    """If Ray does not start, end what it has started and name the reason.

    Where its processes are too slow, Ray raises a bare Exception and leaves them behind, as nothing
    but the exception knows of them. Raises EnvironmentFailed.
    """
    before = set(psutil.Process().children(recursive=True))
    try:
        yield
    except BaseException as error:
        _end([one for one in psutil.Process().children(recursive=True) if one not in before])
        if type(error) is Exception or isinstance(error, (*_REFUSED, OSError)):
            raise EnvironmentFailed(
                f"Ray does not start on this machine: {error}",
                where=f"--ray {LOCAL}",
                cure="give the same command again when less is running, or leave --ray out",
            ) from error
        raise


def _end(processes: Iterable[psutil.Process]) -> None:
    """Kill those of `processes` that belong to Ray, and wait for their end."""
    killed = []
    for process in processes:
        with suppress(psutil.Error):
            if any(RAY_FILES in part for part in process.cmdline()):
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=ANSWER_S)


def check_reachable(address: str) -> None:
    """Raise ConnectionError or ValueError for an address at which nothing answers.

    Ray itself would try for two minutes.
    """
    if address in ("auto", LOCAL):
        return
    found = _HOST_PORT.fullmatch(address)
    if found is None or "://" in address or not 0 < int(found[2]) < 65536:
        raise ValueError("the address must be HOST:PORT")
    try:
        _reach(found[1].strip("[]"), int(found[2]))
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from error


def _print_to_stderr() -> None:
    """Send what Ray prints to standard error: programs read results from standard output."""
    worker: Any = ray._private.worker
    say = worker.print_to_stdstream
    worker.print_to_stdstream = lambda data, *args, **more: say(
        {**data, "is_err": True}, *args, **more
    )
