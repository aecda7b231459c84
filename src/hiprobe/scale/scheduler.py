"""Give videos to workers, long ones in spans, until each is accounted for.

Knows Ray only as a `Pool`. Its `Ledger` decides what an attempt means for a video, and what a
result is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from hiprobe.errors import DecoderLost, HiProbeError, LabelError, OutOfMemory, VideoError
from hiprobe.scale import spans
from hiprobe.scale.pool import Answer, Pool, Task
from hiprobe.scale.worker import Row, raised
from hiprobe.store.leases import WORKER_LOST, VideoRecord
from hiprobe.store.remote import is_address
from hiprobe.types import Video
from hiprobe.video.sampling import Span

WAIT_S = 0.5
End = TypeVar("End")
Ended = TypeVar("Ended", covariant=True)


@dataclass(eq=False)
class Job:
    """One video: its spans, how many are `open` (unread), and `lost` attempts not in the index."""

    video: Video
    digest: str = ""
    plan: tuple[Span, ...] = ()
    open: int = 0
    lost: int = 0
    over: bool = False
    item: VideoRecord | None = None

    @property
    def path(self) -> str:
        """Where the video is: a path that every worker sees, or an address."""
        return self.video.path

    @property
    def read(self) -> Video:
        """The video with its digest."""
        return replace(self.video, id=self.digest)


class Later(Exception):
    """Another worker holds the video, so its turn comes later."""


class Ledger(Protocol[Ended]):
    """Keeps the status of each video and makes its outcome."""

    def begin(self, job: Job) -> Ended | None:
        """Return the outcome of a video that needs no worker, else None; raises Later."""
        ...

    def done(self, job: Job, row: Row) -> Ended:
        """Return the outcome of a video that a worker has finished."""
        ...

    def failed(self, job: Job, error: HiProbeError) -> Ended:
        """Return the outcome of a video that cannot be read."""
        ...

    def lost(self, job: Job, reason: str) -> Ended | None:
        """Count an attempt that killed a worker or decoder; return the outcome after the last."""
        ...


class Scheduler(Generic[End]):
    """Gives videos to the workers of `pool`."""

    def __init__(
        self, pool: Pool, ledger: Ledger[End], videos: Iterable[Video], segment_s: float
    ) -> None:
        self._pool, self._ledger, self._segment_s = pool, ledger, segment_s
        self._videos = deque(videos)
        self._tasks: deque[Task] = deque()
        self._parked: deque[tuple[float, Job]] = deque()
        self._given = 0

    def ends(self) -> Iterator[End]:
        """Yield the outcome of each video as it arrives; raises the errors that end a run."""
        while self._videos or self._tasks or self._parked or self._given:
            yield from self._retry()
            self._feed()
            for answer in self._pool.answers(WAIT_S):
                self._given -= 1
                self._feed()  # first, so that no worker waits while the answer is handled
                yield from self._handle_answer(answer)

    def _feed(self) -> None:
        self._pool.needed = len(self._videos) + len(self._tasks) + self._given
        while self._pool.free and (task := self._next()) is not None:
            self._pool.give(task)
            self._given += 1

    def _next(self) -> Task | None:
        """Return the next task: started videos first, but each worker may look at one new video.

        A video at an address is not looked at ahead, because the worker that looks at it fetches it
        and should be the one that reads it.
        """
        ahead = (
            self._videos
            and len(self._tasks) < self._pool.size
            and not is_address(self._videos[0].path)
        )
        if self._tasks and not ahead:
            return self._tasks.popleft()
        if not self._videos:
            return None
        one = self._videos.popleft()
        return Task(one.path, "look", (one.path,), Job(one))

    def _retry(self) -> Iterator[End]:
        """Try again the videos that other workers held."""
        while self._parked and self._parked[0][0] <= time.monotonic():
            yield from self._begin(self._parked.popleft()[1])

    def _handle_answer(self, answer: Answer) -> Iterator[End]:
        task, job = answer.task, answer.task.about
        if job.over:
            return
        if answer.row is None:
            yield from self._handle_death(task, job, answer.counts)
            return
        error = raised(answer.row, job.path)
        if isinstance(error, DecoderLost):
            yield from self._count_attempt(task, job, error.named)
        elif isinstance(error, VideoError | OutOfMemory | LabelError):
            yield self._end(job, self._ledger.failed(job, error))
        elif error is not None:
            raise error
        else:
            yield from self._handle_row(task, job, answer.row)

    def _handle_row(self, task: Task, job: Job, row: Row) -> Iterator[End]:
        if task.call == "look":
            job.digest = row["digest"]
            if row["seekable"] and self._pool.model is not None:
                job.plan = spans.plan_spans(
                    row["seconds"],
                    self._segment_s,
                    self._pool.model.batch,
                    self._pool.cluster.span_s,
                )
            yield from self._begin(job)
        elif task.call == "span":
            job.open -= 1
            if not row["sound"]:
                self._drop(job)  # it will be read unsplit
            if not job.open:
                self._finish(job)
        else:
            yield self._end(job, self._ledger.done(job, row))

    def _begin(self, job: Job) -> Iterator[End]:
        try:
            end = self._ledger.begin(job)
        except Later:
            self._parked.append((time.monotonic() + WAIT_S, job))
            return
        if end is not None:
            yield self._end(job, end)
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
        self._tasks.appendleft(
            Task(job.path, "finish", (job.path, job.digest, plan, job.video.name), job)
        )

    def _handle_death(self, task: Task, job: Job, counts: bool) -> Iterator[End]:
        if counts:
            yield from self._count_attempt(task, job, WORKER_LOST)
        else:
            self._tasks.appendleft(task)

    def _count_attempt(self, task: Task, job: Job, reason: str) -> Iterator[End]:
        end = self._ledger.lost(job, reason)
        if end is None:
            self._tasks.appendleft(task)
        else:
            yield self._end(job, end)

    def _drop(self, job: Job) -> None:
        """Forget the spans of a video that no worker has begun."""
        kept = [task for task in self._tasks if task.about is not job]
        job.open -= len(self._tasks) - len(kept)
        self._tasks = deque(kept)

    def _end(self, job: Job, end: End) -> End:
        job.over = True
        self._drop(job)
        return end
