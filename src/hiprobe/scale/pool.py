"""The workers of a run on Ray: started where there is room, given one task at a time.

They are plain actors, so that a death is known at once and is charged to the worker's only task.
Knows no video and no result. Objects travel between the processes of the cluster by Ray's
serialisation, so never give Ray an address that strangers can reach.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

import hiprobe
from hiprobe.backbones import Loading
from hiprobe.errors import ModelError, UsageError
from hiprobe.scale.cluster import LOCAL, Cluster, connect, is_alive, nodes, workers_that_fit
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

SCAN_S = 2.0  # between two scans of the cluster's resources
START_S = 300.0  # the longest time without a ready worker
DOUBT_S = 2.0  # wait after the death of a worker, to see whether its node died as well
LEAVE_S = 5.0  # the longest wait for workers to clean up
MAX_FAILED_STARTS = 3  # startup failures in a row that are tolerated before giving up


class _Actor:
    """A worker process: loads the model when first asked about it."""

    def __init__(self, cpus: int) -> None:
        self._reader: VideoWorker | None = None
        parallel.MOST = min(parallel.MOST, cpus)  # the other cores are for other workers

    def node(self) -> str:
        """Return the id of the node that it was started on."""
        return str(ray.get_runtime_context().get_node_id())

    def load(self, loading: Loading) -> Row:
        """Load the model; return its description and the version of this package."""
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
        """Remove what it wrote on the disk of its node."""
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
class _Worker:
    actor: Any
    stage: str = "start"  # then load, begin, call
    node: str = ""
    task: Task | None = None


@dataclass(frozen=True)
class Answer:
    """The outcome of a task: its row, or None if its worker died.

    `counts`: whether that death counts as an attempt of the video. The loss of a whole node does
    not, because the video did not cause it.
    """

    task: Task
    row: Row | None
    counts: bool = False


@dataclass
class Pool:
    """The workers of a run for the length of a `with`.

    More are started where there is room, at most `needed`. Raises UsageError where Ray cannot be
    reached or has no room, ModelError where workers cannot load the model or load different ones.
    """

    cluster: Cluster
    loading: Loading
    needed: int = 1
    model: Described | None = None
    _busy: dict[Any, _Worker] = field(default_factory=dict)  # by the Ray reference that is awaited
    _idle: list[_Worker] = field(default_factory=list)
    # Workers that died during a task, each with the time at which that is reported.
    _deaths: deque[tuple[float, _Worker]] = field(default_factory=deque)
    _work: Any = None
    _next_scan: float = 0.0
    _alone_since: float = 0.0
    _failed_starts: int = 0
    _ours: bool = False

    def __enter__(self) -> Self:
        self._ours = connect(self.cluster)
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
            leaving = [worker.actor.leave.remote() for worker in self._idle]
            if leaving:
                ray.wait(leaving, num_returns=len(leaving), timeout=LEAVE_S)
        for worker in [*self._busy.values(), *self._idle]:
            with suppress(RayError):
                ray.kill(worker.actor)
        self._busy, self._idle = {}, []
        if self._ours:
            ray.shutdown()

    @property
    def size(self) -> int:
        """The number of workers that are ready."""
        return len(self._idle) + sum(worker.stage == "call" for worker in self._busy.values())

    @property
    def free(self) -> int:
        """The number of workers that wait for a task."""
        return len(self._idle)

    def begin(self, work: Work) -> None:
        """Tell all workers, also later ones, what the run asks of them."""
        self._work = ray.put(work)
        idle, self._idle = self._idle, []
        for worker in idle:
            self._stage(worker, "begin", worker.actor.begin.remote(self._work))

    def give(self, task: Task) -> None:
        """Give a task to a free worker."""
        worker = self._idle.pop()
        worker.task = task
        self._stage(worker, "call", worker.actor.call.remote(task.call, task.args))

    def answers(self, wait_s: float) -> Iterator[Answer]:
        """Yield the outcomes that have arrived, after at most `wait_s` seconds."""
        self._grow()
        awaited = list(self._busy)
        if awaited:
            ray.wait(awaited, num_returns=1, timeout=wait_s)
        else:
            time.sleep(wait_s)
        for ref in ray.wait(awaited, num_returns=len(awaited), timeout=0)[0] if awaited else ():
            answer = self._take(ref)
            if answer is not None:
                yield answer
        yield from self._reported_deaths()

    def _take(self, ref: Any) -> Answer | None:
        worker = self._busy.pop(ref)
        try:
            found = ray.get(ref)
        except RayTaskError:
            raise  # a bug in this package
        except RayError as error:
            self._lost(worker, str(error))
            return None
        if worker.stage == "start":
            worker.node = found
            self._stage(worker, "load", worker.actor.load.remote(self.loading))
        elif worker.stage == "load":
            self._loaded(worker, found)
        else:
            task, worker.task = worker.task, None
            self._idle.append(worker)
            if task is not None:
                return Answer(task, found)
            self._failed_starts = 0
        return None

    def _lost(self, worker: _Worker, words: str) -> None:
        with suppress(RayError):
            ray.kill(worker.actor)  # one that is only unreachable must not keep running
        now = time.monotonic()
        if worker.task is not None:
            self._deaths.append((now + DOUBT_S, worker))
            self._next_scan = 0.0
            return
        self._failed_starts += 1
        # The other workers, if any, continue in the meantime.
        self._next_scan = now + SCAN_S * 2 ** min(self._failed_starts, 5) if self.size else 0.0
        if self._failed_starts > MAX_FAILED_STARTS and not self.size:
            lines = words.strip().splitlines() or [""]
            # The last line of a traceback, or the first line of Ray's own message.
            why = lines[-1] if "Error: " in lines[-1] else lines[0]
            raise ModelError(
                f"workers die while loading it: {why[:300]}",
                where=self.loading.name,
                cure="install hiprobe on every node, or give each worker more CPUs (more memory)",
            )

    def _reported_deaths(self) -> Iterator[Answer]:
        """Yield deaths after a wait: they count as attempts if the node is still alive."""
        while self._deaths and self._deaths[0][0] <= time.monotonic():
            worker = self._deaths.popleft()[1]
            assert worker.task is not None
            yield Answer(worker.task, None, counts=is_alive(worker.node))

    def _loaded(self, worker: _Worker, row: Row) -> None:
        error = raised(row, self.loading.name)
        if error is not None:
            raise error
        if row["version"] != hiprobe.__version__:
            raise ModelError(
                f"a worker runs hiprobe {row['version']}, this is {hiprobe.__version__}",
                where=worker.node,
                cure="install the same version on every node",
            )
        self.model = self.model or row["model"]
        _check_same(self.model, row["model"])
        if self._work is None:
            self._idle.append(worker)
        else:
            self._stage(worker, "begin", worker.actor.begin.remote(self._work))

    def _stage(self, worker: _Worker, stage: str, ref: Any) -> None:
        worker.stage = stage
        self._busy[ref] = worker

    def _grow(self) -> None:
        """Start the workers that are needed and for which the cluster has room."""
        now = time.monotonic()
        if now < self._next_scan:
            return
        self._next_scan = now + SCAN_S
        wanted = min(workers_that_fit(nodes(), self.cluster), max(self.needed, 1))
        if self._idle or any(worker.stage != "start" for worker in self._busy.values()):
            self._alone_since = now
        elif now - self._alone_since > START_S or (self.cluster.address == LOCAL and not wanted):
            kind = UsageError if self.model is None else ModelError
            raise kind(
                "the cluster has no room for a worker",
                where=f"--ray {self.cluster.address}",
                cure=f"each needs {self.cluster.cpus} CPUs, {self.cluster.gpus:g} GPUs of one node",
            )
        for _ in range(wanted - len(self._busy) - len(self._idle)):
            actor = _start_worker(self.cluster)
            self._stage(_Worker(actor), "start", actor.node.remote())


def _start_worker(cluster: Cluster) -> Any:
    """Start a worker, which waits until there is room.

    Ray never restarts it and never repeats a task: attempts are counted here.
    """
    threads = {"env_vars": dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(cluster.cpus))}
    kind: Any = ray.remote(
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus,
        max_restarts=0,
        max_task_retries=0,
        runtime_env=threads,
    )(_Actor)
    return kind.remote(cluster.cpus)


def _check_same(one: Described, two: Described) -> None:
    """Raise ModelError for workers whose results could differ.

    They differ with another model, precision, batch or library.
    """
    for name, value in vars(one).items():
        if vars(two)[name] != value:
            raise ModelError(
                f"workers differ in {name}: {value} and {vars(two)[name]}",
                cure="use nodes of one kind, with the same model and libraries",
            )
