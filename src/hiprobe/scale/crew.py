"""The workers of a run on Ray: started where there is room, given one task at a time, missed when they die.

Plain actors: a death is then known at once and belongs to the one task that was held. Knows no video and no result.
Objects travel between the cluster's own processes by Ray's serialisation: give it no address that strangers can reach.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Self

import ray
from ray.exceptions import ObjectLostError, RayActorError

from hiprobe import backbones, spans
from hiprobe.errors import ModelError, UsageError
from hiprobe.scale.reader import Described, Loading, Reader, Row, Work, answered, described, raised

LOCAL = "local"
SCAN_S = 2.0    # between two looks at what the cluster has
START_S = 300.0  # the longest wait for a first worker
_GONE = (RayActorError, ObjectLostError)


@dataclass(frozen=True)
class Cluster:
    """Which Ray, and what a worker takes of it.

    `address`: "local" for this machine alone, "auto", or `HOST:PORT`. `cpus` are a worker's threads as well; `gpus` may
    be a fraction. At most `workers`; None for as many as fit, also on nodes that come later. `span_s` is about the
    seconds of a long video that one worker reads at a time.
    """

    address: str = LOCAL
    cpus: int = 1
    gpus: float = 0.0
    workers: int | None = None
    span_s: float = spans.SPAN_S


class _Actor:
    """A worker's process: loads the model when it is first asked about it."""

    def __init__(self) -> None:
        self._reader: Reader | None = None

    def load(self, loading: Loading) -> Row:
        """The model as it describes itself, the node and the version of this package."""
        return answered(self._loaded, loading)

    def _loaded(self, loading: Loading) -> Row:
        self._model = backbones.load(loading.name, revision=loading.revision, device=loading.device,
                                     dtype=loading.dtype, max_layer=loading.max_layer)
        return {"model": described(self._model), "node": ray.get_runtime_context().get_node_id(),
                "version": version("hiprobe")}

    def begin(self, work: Work) -> Row:
        self._reader = Reader(self._model, work)
        return {}

    def call(self, name: str, args: tuple[Any, ...]) -> Row:
        return answered(getattr(self._reader, name), *args)


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
    stage: str = "load"
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
class Crew:
    """The workers of a run for the length of a `with`; more are started where the cluster has room for them.

    Raises UsageError where Ray cannot be reached or has no room, ModelError where workers cannot load the model or
    load different ones.
    """

    cluster: Cluster
    loading: Loading
    model: Described | None = None
    _hands: dict[Any, _Hand] = field(default_factory=dict)  # by what is awaited of them
    _idle: list[_Hand] = field(default_factory=list)
    _work: Any = None
    _next_scan: float = 0.0
    _stillborn: int = 0
    _ours: bool = False

    def __enter__(self) -> Self:
        self._ours = _connect(self.cluster)
        try:
            self._first()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for hand in [*self._hands.values(), *self._idle]:
            with suppress(RayActorError):
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
        if not self._hands:
            time.sleep(wait_s)
            return
        awaited = list(self._hands)
        ray.wait(awaited, num_returns=1, timeout=wait_s)
        for ref in ray.wait(awaited, num_returns=len(awaited), timeout=0)[0]:
            answer = self._take(ref)
            if answer is not None:
                yield answer

    def _take(self, ref: Any) -> Answer | None:
        hand = self._hands.pop(ref)
        try:
            row: Row = ray.get(ref)
        except _GONE:
            return self._lost(hand)
        if hand.stage == "load":
            self._loaded(hand, row)
        elif hand.stage == "begin":
            self._idle.append(hand)
        else:
            task, hand.task = hand.task, None
            self._idle.append(hand)
            assert task is not None
            return Answer(task, row)
        return None

    def _lost(self, hand: _Hand) -> Answer | None:
        ray.kill(hand.actor)  # one that is only out of reach must not go on beside its successor
        self._next_scan = 0.0
        alive = {node["NodeID"] for node in _nodes() if node["Alive"]}
        if hand.task is not None:
            return Answer(hand.task, None, counts=hand.node in alive)
        self._stillborn += hand.stage == "load"
        if self._stillborn > 3 and not self.size:
            raise ModelError("workers die while they load it", where=self.loading.name,
                             cure="give each more memory: fewer workers, or more cpus for one")
        return None

    def _loaded(self, hand: _Hand, row: Row) -> None:
        error = raised(row, self.loading.name)
        if error is not None:
            raise error
        if row["version"] != version("hiprobe"):
            raise ModelError(f"a worker runs hiprobe {row['version']}, this is {version('hiprobe')}",
                             where=row["node"], cure="install the same version on every node")
        self.model = self.model or row["model"]
        _check_same(self.model, row["model"])
        self._stillborn, hand.node = 0, row["node"]
        if self._work is None:
            self._idle.append(hand)
        else:
            self._stage(hand, "begin", hand.actor.begin.remote(self._work))

    def _stage(self, hand: _Hand, stage: str, ref: Any) -> None:
        hand.stage = stage
        self._hands[ref] = hand

    def _grow(self) -> None:
        """Starts the workers that the cluster has room for."""
        if time.monotonic() < self._next_scan:
            return
        self._next_scan = time.monotonic() + SCAN_S
        wanted = room(_nodes(), self.cluster)
        for _ in range(wanted - len(self._hands) - len(self._idle)):
            actor = _started(self.cluster)
            self._stage(_Hand(actor), "load", actor.load.remote(self.loading))

    def _first(self) -> None:
        """Waits for the first worker to describe the model."""
        until = time.monotonic() + START_S
        while self.model is None:
            for _ in self.answers(1.0):
                pass
            if self.model is None and time.monotonic() > until:
                raise UsageError(f"no worker could be started in {START_S:.0f} s", where=f"ray {self.cluster.address}",
                                 cure=f"each takes {self.cluster.cpus} CPUs and {self.cluster.gpus:g} GPUs")


def _nodes() -> list[dict[str, Any]]:
    return list(ray.nodes())  # type: ignore[no-untyped-call]


def _started(cluster: Cluster) -> Any:
    """A new worker, which waits where there is no room yet; never restarted behind our back, no task tried twice."""
    threads = {"env_vars": dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(cluster.cpus))}
    kind: Any = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_restarts=0, max_task_retries=0,
                           runtime_env=threads)(_Actor)
    return kind.remote()


def room(nodes: Sequence[Mapping[str, Any]], cluster: Cluster) -> int:
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
            ray.init(cluster.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"no Ray there: {error}", where=cluster.address,
                         cure="give local, auto or HOST:PORT of a running Ray") from error
    return True


def _check_same(one: Described, two: Described) -> None:
    """Raises ModelError for workers whose results could differ: another model, precision, batch or library."""
    for name in ("recipe", "layers", "batch", "provenance"):
        if getattr(one, name) != getattr(two, name):
            raise ModelError(f"workers differ in {name}: {getattr(one, name)} and {getattr(two, name)}",
                             cure="use nodes of one kind in a run")
