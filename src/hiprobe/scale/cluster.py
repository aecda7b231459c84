"""The Ray cluster of a run: connect to it, and see what room its nodes have. Knows no worker."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from hiprobe.errors import UsageError
from hiprobe.scale import spans

LOCAL = "local"
ANSWER_S = 5.0  # the longest wait for a host and port to answer
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
    """Connect to Ray unless connected; return whether this call made the connection."""
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if cluster.address == LOCAL:
            cpus = None if cluster.workers is None else cluster.workers * cluster.cpus
            ray.init(LOCAL, num_cpus=cpus, include_dashboard=False, **quiet)
        else:
            check_reachable(
                os.environ.get("RAY_ADDRESS", "auto")
                if cluster.address == "auto"
                else cluster.address
            )
            ray.init(cluster.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise UsageError(
            f"Ray cannot be reached: {error}",
            where=f"--ray {cluster.address}",
            cure="give local, auto, or HOST:PORT of a running Ray",
        ) from error
    _print_to_stderr()
    return True


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
