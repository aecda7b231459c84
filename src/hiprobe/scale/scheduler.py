"""Videos given out to workers, spans of long ones apart, until each is accounted for. Knows no Ray but a `Pool`.

A death that counts is an attempt; what that makes of a video, and what a result is, its `Book` says.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hiprobe.errors import DecoderLost, HiProbeError, LabelError, OutOfMemory, VideoError
from hiprobe.scale import spans
from hiprobe.scale.pool import Answer, Pool, Task
from hiprobe.scale.spans import Span
from hiprobe.scale.worker import Row, raised
from hiprobe.store.leases import WORKER_LOST, VideoRecord
from hiprobe.store.remote import is_address

WAIT_S = 0.5
End = TypeVar("End")
Ended = TypeVar("Ended", covariant=True)


@dataclass(eq=False)
class Job:
    """One video: `plan` its spans, `open` those not yet read; `lost` attempts that no index counts."""

    path: str
    digest: str = ""
    plan: tuple[Span, ...] = ()
    open: int = 0
    lost: int = 0
    over: bool = False
    item: VideoRecord | None = None


class Later(Exception):
    """The video's turn comes later: another has it."""


class Book(Protocol[Ended]):
    """What stands of each video, and what an end is."""

    def begin(self, job: Job) -> Ended | None:
        """The end of a video that needs no worker, None if it is to be read; raises Later."""
        ...

    def done(self, job: Job, row: Row) -> Ended:
        """The end of a video that a worker has finished."""
        ...

    def failed(self, job: Job, error: HiProbeError) -> Ended:
        """The end of a video that cannot be read."""
        ...

    def lost(self, job: Job, reason: str) -> Ended | None:
        """Counts an attempt that a worker or a decoder did not survive; the end if it was the last."""
        ...


class Scheduler(Generic[End]):
    """The way of `paths` through the workers of `pool`."""

    def __init__(self, pool: Pool, book: Book[End], paths: Iterable[str], segment_s: float) -> None:
        self._pool, self._book, self._segment_s = pool, book, segment_s
        self._paths = deque(paths)
        self._tasks: deque[Task] = deque()
        self._parked: deque[tuple[float, Job]] = deque()
        self._given = 0

    def ends(self) -> Iterator[End]:
        """The end of each video, in the order in which they end; raises the errors that end a run."""
        while self._paths or self._tasks or self._parked or self._given:
            yield from self._again()
            self._feed()
            for answer in self._pool.answers(WAIT_S):
                self._given -= 1
                self._feed()  # before anything is done with the answer, so that no worker waits for that
                yield from self._heard(answer)

    def _feed(self) -> None:
        self._pool.needed = len(self._paths) + len(self._tasks) + self._given
        while self._pool.free and (task := self._next()) is not None:
            self._pool.give(task)
            self._given += 1

    def _next(self) -> Task | None:
        """What is begun comes before what is new, but for one video a worker that is looked at ahead.

        One at an address is not: whoever looks at it fetches it, and should read it next.
        """
        ahead = (
            self._paths and len(self._tasks) < self._pool.size and not is_address(self._paths[0])
        )
        if self._tasks and not ahead:
            return self._tasks.popleft()
        if not self._paths:
            return None
        path = self._paths.popleft()
        return Task(path, "look", (path,), Job(path))

    def _again(self) -> Iterator[End]:
        """Asks again for the videos that others had."""
        while self._parked and self._parked[0][0] <= time.monotonic():
            yield from self._begun(self._parked.popleft()[1])

    def _heard(self, answer: Answer) -> Iterator[End]:
        task, job = answer.task, answer.task.about
        if job.over:
            return
        if answer.row is None:
            yield from self._died(task, job, answer.counts)
            return
        error = raised(answer.row, job.path)
        if isinstance(error, DecoderLost):
            yield from self._missed(task, job, f"{type(error).__name__}: {error.reason}")
        elif isinstance(error, VideoError | OutOfMemory | LabelError):
            yield self._over(job, self._book.failed(job, error))
        elif error is not None:
            raise error
        else:
            yield from self._answered(task, job, answer.row)

    def _answered(self, task: Task, job: Job, row: Row) -> Iterator[End]:
        if task.call == "look":
            job.digest = row["digest"]
            if row["seekable"] and self._pool.model is not None:
                job.plan = spans.plan_spans(
                    row["seconds"],
                    self._segment_s,
                    self._pool.model.batch,
                    self._pool.cluster.span_s,
                )
            yield from self._begun(job)
        elif task.call == "span":
            job.open -= 1
            if not row["sound"]:
                self._drop(job)  # it will be read unsplit
            if not job.open:
                self._finish(job)
        else:
            yield self._over(job, self._book.done(job, row))

    def _begun(self, job: Job) -> Iterator[End]:
        try:
            end = self._book.begin(job)
        except Later:
            self._parked.append((time.monotonic() + WAIT_S, job))
            return
        if end is not None:
            yield self._over(job, end)
        elif job.plan:
            job.open = len(job.plan)
            for span in reversed(job.plan):
                self._tasks.appendleft(
                    Task(job.path, "span", (job.path, job.digest, span.first, span.count), job)
                )
        else:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        plan = [(span.first, span.count) for span in job.plan]
        self._tasks.appendleft(Task(job.path, "finish", (job.path, job.digest, plan), job))

    def _died(self, task: Task, job: Job, counts: bool) -> Iterator[End]:
        if counts:
            yield from self._missed(task, job, WORKER_LOST)
        else:
            self._tasks.appendleft(task)

    def _missed(self, task: Task, job: Job, reason: str) -> Iterator[End]:
        end = self._book.lost(job, reason)
        if end is None:
            self._tasks.appendleft(task)
        else:
            yield self._over(job, end)

    def _drop(self, job: Job) -> None:
        """Forgets the spans of a video that nobody has begun."""
        kept = [task for task in self._tasks if task.about is not job]
        job.open -= len(self._tasks) - len(kept)
        self._tasks = deque(kept)

    def _over(self, job: Job, end: End) -> End:
        job.over = True
        self._drop(job)
        return end
