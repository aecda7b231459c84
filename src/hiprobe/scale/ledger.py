"""The status of each video of a run on a cluster: results with claims, or hidden states.

Knows no Ray. Only this file uses SQLite, in the process that distributes the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.errors import HiProbeError, Quarantined, StoreError, VideoError
from hiprobe.pipeline import Failed, ignore
from hiprobe.runs import enter_unread, given_up, unscored
from hiprobe.scale.scheduler import Job, Later
from hiprobe.scale.worker import Row
from hiprobe.store import index, remote, result_folder, results
from hiprobe.store.leases import MAX_ATTEMPTS, LeaseHolder, put_back
from hiprobe.store.results import BESIDE, NAME
from hiprobe.types import Result


@dataclass
class ResultLedger:
    """The results in `out`, a folder or an address.

    `home` is the folder with the index: `out` itself if it is a folder. `before` gets the name of
    each video whose result was there already.
    """

    worker: LeaseHolder
    out: str
    home: Path
    settings: dict[str, Any]
    report: Failed
    again: bool = False
    before: Callable[[str], None] = ignore
    # Digests being read: two files with the same content share their states.
    _held: set[str] = field(default_factory=set)
    _forgotten: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> Result | None:
        """Return the result if it exists or cannot be made; None once the video is claimed.

        Raises Later if another worker holds the video.
        """
        place = self._folder(job)
        if job.digest in self._held:
            raise Later
        if self.again and place not in self._forgotten:
            self._forget(place)
        item = self.worker.claim(place, job.video.name, job.digest)
        if item.status in ("failed", "quarantined"):
            return given_up(job.read, item, self.report)
        if not self.worker.has(item):
            raise Later
        job.item = item
        result = self._kept(job)
        if result is not None:
            self.worker.end(item, result.status, result.reason)
            self.before(result.name)
            return result
        self._held.add(job.digest)
        return None

    def done(self, job: Job, row: Row) -> Result:
        """Read back the result that a worker has written."""
        result = self._kept(job)
        if result is None:
            raise ResultLost(job.path)
        self._enter(row)
        return self._over(job, result)

    def failed(self, job: Job, error: HiProbeError) -> Result:
        """Return the `failed` result of a video that cannot be read."""
        result = unscored(job.read, error.named)
        if job.item is None:
            enter_unread(result, error, self.worker, self.home, self.report)
        else:
            self.report(job.path, error)
        return self._over(job, result)

    def lost(self, job: Job, reason: str) -> Result | None:
        """Return None if the video is tried again, else its `quarantined` result."""
        if job.item is None:
            job.lost += 1
            return (
                None
                if job.lost < MAX_ATTEMPTS
                else self.failed(job, VideoError(reason, where=job.path))
            )
        job.item = self.worker.lose(job.item, reason)
        if job.item.status == "todo":
            job.item = self.worker.claim(job.item.folder, job.item.name, job.digest)
            return None
        self._held.discard(job.digest)
        return given_up(job.read, job.item, self.report)

    def _over(self, job: Job, result: Result) -> Result:
        if job.item is not None:
            self._held.discard(job.digest)
            self.worker.end(job.item, result.status, result.reason)
        return result

    def _forget(self, place: str) -> None:
        """Remove the old result of a video, once in a run, so that it is processed again."""
        self._forgotten.add(place)
        if remote.is_address(self.out):
            remote.remove(f"{self.out}/{place}/{NAME}")
        (self.home / place / NAME).unlink(missing_ok=True)
        put_back(self.home, [place])

    def _folder(self, job: Job) -> str:
        return result_folder(self.home, unscored(job.read)).name

    def _kept(self, job: Job) -> Result | None:
        """Return the result in `out`, fetched first if that is an address."""
        place = self.home / self._folder(job)
        if remote.is_address(self.out):
            (place / NAME).unlink(missing_ok=True)
            remote.pull(f"{self.out}/{place.name}", place, (NAME, *BESIDE))
        return results.load_result(place, job.read, self.settings)

    def _enter(self, row: Row) -> None:
        if not remote.is_address(self.out):
            for file in row["states"]:
                index.enter(self.home / ".store", self.home / ".store" / file)


class ResultLost(StoreError):
    """A result that a worker has written cannot be read back."""

    def __init__(self, path: str) -> None:
        super().__init__(
            "its result cannot be read back",
            where=path,
            cure="give an -o that every node sees under the same path, or an address",
        )


@dataclass(frozen=True)
class Extracted:
    """What `extract` kept of one video: (segments, sites, width), seconds, number of gaps.

    `reason` says why nothing was kept.
    """

    path: str
    video_id: str
    status: str
    shape: tuple[int, int, int] = (0, 0, 0)
    duration: float = 0.0
    gaps: int = 0
    reason: str | None = None


@dataclass
class StateLedger:
    """The hidden states in `store`, a folder or an address; counts attempts within one run."""

    store: str
    report: Failed
    _held: set[str] = field(default_factory=set)

    def begin(self, job: Job) -> Extracted | None:
        """Return None, as the worker itself finds what is kept.

        Raises Later for a second file with the content of one being read.
        """
        if job.digest in self._held:
            raise Later
        self._held.add(job.digest)
        return None

    def done(self, job: Job, row: Row) -> Extracted:
        """Return what a worker kept."""
        self._held.discard(job.digest)
        if not remote.is_address(self.store):
            for file in row["states"]:
                index.enter(Path(self.store), Path(self.store) / file)
        first, second, third = row["shape"]
        return Extracted(
            job.path,
            job.digest,
            row["status"],
            (first, second, third),
            row["duration"],
            row["gaps"],
            row["reason"],
        )

    def failed(self, job: Job, error: HiProbeError) -> Extracted:
        """Return the `failed` entry of a video that cannot be read."""
        self.report(job.path, error)
        self._held.discard(job.digest)
        return Extracted(job.path, job.digest, "failed", reason=error.named)

    def lost(self, job: Job, reason: str) -> Extracted | None:
        """Return None if the video is tried again, else its `quarantined` entry, for this run."""
        job.lost += 1
        if job.lost < MAX_ATTEMPTS:
            return None
        self._held.discard(job.digest)
        self.report(job.path, Quarantined(f"after {job.lost} attempts: {reason}", where=job.path))
        return Extracted(job.path, job.digest, "quarantined", reason=reason)
