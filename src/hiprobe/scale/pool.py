"""The workers of a run on Ray: started where there is room, given one task at a time, missed when they die.

Plain actors: a death is then known at once and belongs to the one task that was held. Knows no video and no result.
Objects travel between the cluster's own processes by Ray's serialisation: give it no address that strangers can reach.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

import hiprobe
from hiprobe.backbones import Loading
from hiprobe.errors import ModelError, UsageError
from hiprobe.scale import spans
from hiprobe.scale.worker import (
    Described,
    Row,
    VideoWorker,
    Work,
    answered,
    described,
    raised,
)
from hiprobe.video import parallel

LOCAL = "local"
SCAN_S = 2.0  # between two looks at what the cluster has
START_S = 300.0  # the longest time without a worker
DOUBT_S = 2.0  # after the death of a worker: until then its node may die as well
LEAVE_S = 5.0  # the longest wait for workers to tidy up
ANSWER_S = 5.0  # the longest wait for a host and port to answer
STILLBORN = 3  # so many deaths of workers before they are ready, one after the other, are chance
_HOST_PORT = re.compile(r"(.+):([0-9]{1,5})")


@dataclass(frozen=True)
class Cluster:
    """Which Ray, and what a worker takes of it.

    `address`: "local" for this machine alone, "auto", or `HOST:PORT`. `cpus` are a worker's threads as well; `gpus` may
    be a fraction. At most `workers`; None for as many as fit and have work, also on nodes that come later. `span_s` is
    about the seconds of a long video that one worker reads at a time.
    """

    address: str = LOCAL
    cpus: int = 1
    gpus: float = 0.0
    workers: int | None = None
    span_s: float = spans.SPAN_S


class _Actor:
    """A worker's process: loads the model when it is first asked about it."""

    def __init__(self, cpus: int) -> None:
        self._reader: VideoWorker | None = None
        parallel.MOST = min(parallel.MOST, cpus)  # decoders: the other cores are other workers'

    def node(self) -> str:
        """The node that it has been started on."""
        return str(ray.get_runtime_context().get_node_id())

    def load(self, loading: Loading) -> Row:
        """The model as it describes itself, and the version of this package."""
        return answered(self._loaded, loading)

    def _loaded(self, loading: Loading) -> Row:
        self._model = loading.load()
        return {"model": described(self._model), "version": hiprobe.__version__}

    def begin(self, work: Work) -> Row:
        self._reader = VideoWorker(self._model, work)
        return {}

    def call(self, name: str, args: tuple[Any, ...]) -> Row:
        return answered(getattr(self._reader, name), *args)

    def leave(self) -> None:
        """Leaves nothing on the disk of its node."""
        if self._reader is not None:
            self._reader.close()


@dataclass(eq=False)
class Task:
    """One call of a worker for the video at `path`."""

    path: str
    call: str
    args: tuple[Any, ...]
    about: Any = None


@dataclass(eq=False)
class _Hand:
    actor: Any
    stage: str = "start"  # then load, begin, call
    node: str = ""
    task: Task | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a task: its row, or None where its worker died; `counts` says whether that was an attempt.

    The loss of a whole node is none: the video did not do it.
    """

    task: Task
    row: Row | None
    counts: bool = False


@dataclass
class Pool:
    """The workers of a run for the length of a `with`; more are started where there is room, no more than `needed`.

    Raises UsageError where Ray cannot be reached or has no room, ModelError where workers cannot load the model or
    load different ones.
    """

    cluster: Cluster
    loading: Loading
    needed: int = 1
    model: Described | None = None
    _hands: dict[Any, _Hand] = field(default_factory=dict)  # by what is awaited of them
    _idle: list[_Hand] = field(default_factory=list)
    _deaths: deque[tuple[float, _Hand]] = field(default_factory=deque)  # and when they are told of
    _work: Any = None
    _next_scan: float = 0.0
    _alone_since: float = 0.0
    _stillborn: int = 0
    _ours: bool = False

    def __enter__(self) -> Self:
        self._ours = _connect(self.cluster)
        self._alone_since = time.monotonic()
        try:
            while self.model is None:
                for _ in self.answers(1.0):
                    pass
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RayError):
            leaving = [hand.actor.leave.remote() for hand in self._idle]
            if leaving:
                ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE_S)
        for hand in [*self._hands.values(), *self._idle]:
            with suppress(RayError):
                ray.kill(hand.actor)
        self._hands, self._idle = {}, []
        if self._ours:
            ray.shutdown()

    @property
    def size(self) -> int:
        """How many workers are ready."""
        return len(self._idle) + sum(hand.stage == "call" for hand in self._hands.values())

    @property
    def free(self) -> int:
        """How many workers wait for a task."""
        return len(self._idle)

    def begin(self, work: Work) -> None:
        """Tells all workers, those that come later too, what the run is about."""
        self._work = ray.put(work)
        idle, self._idle = self._idle, []
        for hand in idle:
            self._stage(hand, "begin", hand.actor.begin.remote(self._work))

    def give(self, task: Task) -> None:
        """Gives a task to a worker that is free."""
        hand = self._idle.pop()
        hand.task = task
        self._stage(hand, "call", hand.actor.call.remote(task.call, task.args))

    def answers(self, wait_s: float) -> Iterator[Answer]:
        """What has come of the tasks given, after at most `wait_s` seconds."""
        self._grow()
        awaited = list(self._hands)
        if awaited:
            ray.wait(awaited, num_returns=1, timeout=wait_s)
        else:
            time.sleep(wait_s)
        for ref in ray.wait(awaited, num_returns=len(awaited), timeout=0)[0] if awaited else ():
            answer = self._take(ref)
            if answer is not None:
                yield answer
        yield from self._told()

    def _take(self, ref: Any) -> Answer | None:
        hand = self._hands.pop(ref)
        try:
            found = ray.get(ref)
        except RayTaskError:
            raise  # a bug of ours
        except RayError as error:
            self._lost(hand, str(error))
            return None
        if hand.stage == "start":
            hand.node = found
            self._stage(hand, "load", hand.actor.load.remote(self.loading))
        elif hand.stage == "load":
            self._loaded(hand, found)
        else:
            task, hand.task = hand.task, None
            self._idle.append(hand)
            if task is not None:
                return Answer(task, found)
            self._stillborn = 0
        return None

    def _lost(self, hand: _Hand, words: str) -> None:
        with suppress(RayError):
            ray.kill(
                hand.actor
            )  # one that is only out of reach must not go on beside its successor
        now = time.monotonic()
        if hand.task is not None:
            self._deaths.append((now + DOUBT_S, hand))
            self._next_scan = 0.0
            return
        self._stillborn += 1
        self._next_scan = (
            now + SCAN_S * 2 ** min(self._stillborn, 5) if self.size else 0.0
        )  # the others go on
        if self._stillborn > STILLBORN and not self.size:
            lines = words.strip().splitlines() or [""]
            why = (
                lines[-1] if "Error: " in lines[-1] else lines[0]
            )  # the end of a traceback, or Ray's first words
            raise ModelError(
                f"workers die while they load it: {why[:300]}",
                where=self.loading.name,
                cure="install hiprobe on every node; give each worker more memory by more CPUs for one",
            )

    def _told(self) -> Iterator[Answer]:
        """The deaths of a while ago: attempts where the node still lives."""
        while self._deaths and self._deaths[0][0] <= time.monotonic():
            hand = self._deaths.popleft()[1]
            assert hand.task is not None
            yield Answer(hand.task, None, counts=_lives(hand.node))

    def _loaded(self, hand: _Hand, row: Row) -> None:
        error = raised(row, self.loading.name)
        if error is not None:
            raise error
        if row["version"] != hiprobe.__version__:
            raise ModelError(
                f"a worker runs hiprobe {row['version']}, this is {hiprobe.__version__}",
                where=hand.node,
                cure="install the same version on every node",
            )
        self.model = self.model or row["model"]
        _check_same(self.model, row["model"])
        if self._work is None:
            self._idle.append(hand)
        else:
            self._stage(hand, "begin", hand.actor.begin.remote(self._work))

    def _stage(self, hand: _Hand, stage: str, ref: Any) -> None:
        hand.stage = stage
        self._hands[ref] = hand

    def _grow(self) -> None:
        """Starts the workers that are needed and that the cluster has room for."""
        now = time.monotonic()
        if now < self._next_scan:
            return
        self._next_scan = now + SCAN_S
        wanted = min(workers_that_fit(_nodes(), self.cluster), max(self.needed, 1))
        if self._idle or any(hand.stage != "start" for hand in self._hands.values()):
            self._alone_since = now
        elif now - self._alone_since > START_S or (self.cluster.address == LOCAL and not wanted):
            kind = UsageError if self.model is None else ModelError
            raise kind(
                "no room for a worker",
                where=f"--ray {self.cluster.address}",
                cure=f"each takes {self.cluster.cpus} CPUs and {self.cluster.gpus:g} GPUs of one node",
            )
        for _ in range(wanted - len(self._hands) - len(self._idle)):
            actor = _started(self.cluster)
            self._stage(_Hand(actor), "start", actor.node.remote())


def _nodes() -> list[dict[str, Any]]:
    return list(ray.nodes())  # type: ignore[no-untyped-call]


def _lives(node: str) -> bool:
    """Whether a node does: it is asked itself, as Ray takes 15 s to miss one that was killed with all its processes."""
    (told,) = [one for one in _nodes() if one["NodeID"] == node]
    try:
        _reach(told["NodeManagerAddress"], told["NodeManagerPort"])
    except OSError:
        return False
    return bool(told["Alive"])


def _reach(host: str, port: int) -> None:
    """Raises OSError where nobody answers."""
    socket.create_connection((host, port), ANSWER_S).close()


def _started(cluster: Cluster) -> Any:
    """A new worker, which waits where there is no room yet; never restarted behind our back, no task tried twice."""
    threads = {"env_vars": dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(cluster.cpus))}
    kind: Any = ray.remote(
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus,
        max_restarts=0,
        max_task_retries=0,
        runtime_env=threads,
    )(_Actor)
    return kind.remote(cluster.cpus)


def workers_that_fit(nodes: Sequence[Mapping[str, Any]], cluster: Cluster) -> int:
    """How many workers fit on the nodes that live."""
    fits = 0
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        one = int(has.get("CPU", 0.0) // cluster.cpus)
        fits += min(one, int(has.get("GPU", 0.0) / cluster.gpus + 1e-9)) if cluster.gpus else one
    return fits if cluster.workers is None else min(fits, cluster.workers)


def _connect(cluster: Cluster) -> bool:
    """Connects to Ray, unless that has been done; whether it is ours to leave again."""
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
            f"no Ray there: {error}",
            where=f"--ray {cluster.address}",
            cure="give local, auto or HOST:PORT of a running Ray",
        ) from error
    _speak_aside()
    return True


def check_reachable(address: str) -> None:
    """Raises ConnectionError or ValueError for an address at which nobody answers: Ray would try for two minutes."""
    if address in ("auto", LOCAL):
        return
    found = _HOST_PORT.fullmatch(address)
    if found is None or "://" in address or not 0 < int(found[2]) < 65536:
        raise ValueError("this is no HOST:PORT")
    try:
        _reach(found[1].strip("[]"), int(found[2]))
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from error


def _speak_aside() -> None:
    """What Ray says of deaths goes to standard error: standard output is for results, and read by programs."""
    worker: Any = ray._private.worker
    say = worker.print_to_stdstream
    worker.print_to_stdstream = lambda data, *args, **more: say(
        {**data, "is_err": True}, *args, **more
    )


def _check_same(one: Described, two: Described) -> None:
    """Raises ModelError for workers whose results could differ: another model, precision, batch or library."""
    for name, value in vars(one).items():
        if vars(two)[name] != value:
            raise ModelError(
                f"workers differ in {name}: {value} and {vars(two)[name]}",
                cure="use nodes of one kind in a run, with the same model and libraries",
            )
