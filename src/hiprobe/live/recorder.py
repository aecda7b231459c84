"""Clips and snapshots of alerts, from footage that cameras have sent; and how long they are kept.

Nothing is decoded or muxed in this process; `clip_maker` has a child for that. Knows no score.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.disk.regular import refuse_links
from hiprobe.errors import CorruptVideo, DecoderLost, HiProbeError, StoreError
from hiprobe.live.cameras import ClipSettings
from hiprobe.live.clip_maker import make_clip, picture_of, save_picture
from hiprobe.live.footage_ring import FootageRing
from hiprobe.live.job_thread import JobThread
from hiprobe.live.live_items import Footage
from hiprobe.live.retention import KeptClip, to_delete
from hiprobe.live.spool import Piece, Spool, read_spool

CLIPS, SPOOLS = "clips", "clips/.spool"
SUFFIXES = (".mp4", ".jpg")
LATE_S = 30.0  # an alert is known this long after its start at most; older footage is forgotten
RING_BYTES = 64 * 2**20  # of a camera
PENDING_BYTES = 64 * 2**20  # of footage that waits for the disk, of all cameras together
LONGEST_S = 600.0  # of a clip; a longer alert keeps its beginning
PATIENCE_S = 8.0  # for footage that is still to come, beyond its own length
SWEEP_S = 600.0
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FOLDER = re.compile(r"\w[\w .-]{0,63}")


@dataclass(frozen=True)
class MadeClip:
    """What was made of an alert's footage: a `clip` or a `snapshot`, or neither and the `error`.

    Both are paths relative to the recorder's folder.
    """

    alert: str
    camera: str
    clip: str | None = None
    snapshot: str | None = None
    error: HiProbeError | None = None


@dataclass(frozen=True)
class RecorderCounts:
    """What a recorder has counted since it began; `dropped` pieces of footage came too fast."""

    clips: int = 0
    snapshots: int = 0
    failed: int = 0
    deleted: int = 0
    dropped: int = 0


@dataclass
class _OpenClip:
    """An alert whose footage is collected; `until` is known once it has ended."""

    spool: Spool
    start: float
    until: float | None = None
    deadline: float | None = None

    def add(self, piece: Footage) -> None:
        if piece.start < (self.start + LONGEST_S if self.until is None else self.until):
            self.spool.add(piece)

    def is_complete(self, now: float) -> bool:
        late = self.deadline is not None and now >= self.deadline
        return late or (self.until is not None and self.spool.end >= self.until)


@dataclass(frozen=True)
class _Picture:
    """A snapshot that is wanted."""

    alert: str
    camera: str
    at: float
    otherwise: NDArray[np.uint8] | None
    deadline: float


class Recorder:
    """Keep the footage of the last seconds, and make a clip and snapshots of each alert.

    Files are in `folder`, below `clips/<camera>/`, named by the alert. `done` is called with each
    `MadeClip`, in a thread of the recorder. `reviewed` tells whether somebody has judged an alert.
    All methods but `close` return at once; times are seconds of the camera's own clock. The clips
    of a watcher that was killed are made first.

    >>> import tempfile
    >>> with Recorder(Path(tempfile.mkdtemp()), ClipSettings(), print) as recorder:
    ...     recorder.counts.clips
    0
    """

    def __init__(
        self,
        folder: Path,
        settings: ClipSettings,
        done: Callable[[MadeClip], None],
        reviewed: Callable[[str], bool] = lambda alert: False,
    ) -> None:
        self.folder, self.counts = folder, RecorderCounts()
        self._settings, self._done, self._reviewed = settings, done, reviewed
        self._rings: dict[str, FootageRing] = defaultdict(self._new_ring)
        self._open: dict[str, _OpenClip] = {}
        self._pictures: list[_Picture] = []
        self._pending, self._guard = 0, threading.Lock()
        self._next_sweep = time.monotonic()
        # Footage is taken by one thread and made into files by another, which may take its time.
        self._maker = JobThread("clips")
        self._finish_old()
        self._keeper = JobThread("footage", between=self._tick)

    # -- what others call

    def keep(self, footage: Footage) -> None:
        """Take a piece of footage; it is dropped and counted if too much waits for the disk."""
        size = int(footage.data.size)
        with self._guard:
            full = self._pending + size > PENDING_BYTES
            self._pending += 0 if full else size
        if full:
            self._count(dropped=1)
        else:
            self._keeper.do(lambda: self._kept(footage))

    def begin(self, alert: str, camera: str, start_s: float) -> None:
        """Collect footage of an alert, from some seconds before its start; raises ValueError.

        `start_s` should not be more than `LATE_S` ago.
        """
        _check_names(alert, camera)
        self._keeper.do(lambda: self._begun(alert, camera, start_s))

    def finish(self, alert: str, end_s: float, *, last: bool = False) -> None:
        """Make the clip of an alert once the seconds after its end have come.

        At once if it is the `last` one of its camera, which sends nothing more.
        """
        self._keeper.do(lambda: self._ended(alert, end_s, 0.0 if last else self.patience_s))

    @property
    def patience_s(self) -> float:
        """After how many seconds a clip is made of what is there."""
        return self._settings.after_s + PATIENCE_S

    def snapshot(
        self, alert: str, camera: str, at_s: float, otherwise: NDArray[np.uint8] | None = None
    ) -> None:
        """Save the picture on screen at `at_s`; a later one replaces it. Raises ValueError.

        `otherwise`, uint8 (height, width, 3), is saved if there is no footage of that time.
        """
        _check_names(alert, camera)
        deadline = time.monotonic() + PATIENCE_S
        self._keeper.do(
            lambda: self._pictures.append(_Picture(alert, camera, at_s, otherwise, deadline))
        )

    def delete(self, alert: str, camera: str) -> None:
        """Delete the clip and the snapshot of an alert, also if they are being made.

        Raises ValueError.
        """
        _check_names(alert, camera)
        self._keeper.do(lambda: self._deleted(alert, camera))

    def sweep(self) -> None:
        """Delete what is older than the settings allow, or too much."""
        self._keeper.do(self._swept)

    def kept(self) -> list[KeptClip]:
        """Return what is kept of every alert."""
        found: dict[Path, list[os.stat_result]] = defaultdict(list)
        for path in (self.folder / CLIPS).glob("*/*.*"):
            if path.suffix in SUFFIXES and not path.parent.name.startswith("."):
                with suppress(OSError):
                    found[path.with_suffix("")].append(path.stat())
        return [self._kept_clip(path, facts) for path, facts in found.items()]

    def close(self, timeout_s: float = 3.0) -> None:
        """Make what can be made within `timeout_s`; the other clips follow at the next start."""
        until = time.monotonic() + timeout_s
        self._keeper.do(self._end_all)
        self._keeper.close(timeout_s)
        self._maker.close(max(0.0, until - time.monotonic()))

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the thread that takes footage

    def _new_ring(self) -> FootageRing:
        return FootageRing(self._settings.before_s + LATE_S, RING_BYTES)

    def _tick(self) -> None:
        now = time.monotonic()
        for alert in [alert for alert, one in self._open.items() if one.is_complete(now)]:
            self._make(alert)
        for wanted in [one for one in self._pictures if self._is_due(one, now)]:
            self._pictures.remove(wanted)
            self._take_picture(wanted)
        if now >= self._next_sweep:
            self._swept()

    def _kept(self, footage: Footage) -> None:
        with self._guard:
            self._pending -= int(footage.data.size)
        self._rings[footage.camera].add(footage)
        for one in list(self._open.values()):
            if one.spool.camera == footage.camera:
                self._add(one, [footage])

    def _begun(self, alert: str, camera: str, start_s: float) -> None:
        if alert in self._open:
            return
        try:
            spool = Spool(self.folder / SPOOLS / alert, alert, camera)
        except HiProbeError as error:
            self._failed(alert, camera, error)
            return
        self._open[alert] = _OpenClip(spool, start_s)
        self._add(self._open[alert], self._rings[camera].since(start_s - self._settings.before_s))

    def _add(self, one: _OpenClip, footage: Iterable[Footage]) -> None:
        try:
            for piece in footage:
                one.add(piece)
        except HiProbeError as error:  # the disk is full: what is there makes a shorter clip
            self._failed(one.spool.alert, one.spool.camera, error)
            self._make(one.spool.alert)

    def _ended(self, alert: str, end_s: float, patience_s: float) -> None:
        if one := self._open.get(alert):
            one.until = min(end_s + self._settings.after_s, one.start + LONGEST_S)
            one.deadline = time.monotonic() + patience_s

    def _end_all(self) -> None:
        for alert in list(self._open):
            self._make(alert)
        for wanted in self._pictures:
            self._take_picture(wanted)

    def _make(self, alert: str) -> None:
        """Let the clip of an alert be made of what has been collected."""
        if one := self._open.pop(alert, None):
            spool, until = one.spool, math.inf if one.until is None else one.until
            spool.close()
            pieces = [piece for piece in spool.pieces if piece.start < until]
            self._maker.do(lambda: self._made(spool.path, alert, spool.camera, pieces))

    def _is_due(self, wanted: _Picture, now: float) -> bool:
        ring = self._rings[wanted.camera].pieces
        return now >= wanted.deadline or bool(ring and ring[-1].end > wanted.at)

    def _take_picture(self, wanted: _Picture) -> None:
        """Let a snapshot be made of the footage of that time, if there is any."""
        held = self._rings[wanted.camera].since(wanted.at)
        footage = [piece for piece in held if piece.start <= wanted.at]
        shown = any(piece.start <= wanted.at < piece.end for piece in footage)
        self._maker.do(lambda: self._pictured(wanted, footage if shown else []))

    def _deleted(self, alert: str, camera: str) -> None:
        if one := self._open.pop(alert, None):
            one.spool.close()
            one.spool.path.unlink(missing_ok=True)
        self._pictures = [wanted for wanted in self._pictures if wanted.alert != alert]
        self._maker.do(lambda: self._remove(f"{camera}/{alert}"))

    def _swept(self) -> None:
        self._next_sweep = time.monotonic() + SWEEP_S
        self._maker.do(self._remove_old)

    # -- the thread that makes files

    def _finish_old(self) -> None:
        """Make the clips whose footage a watcher that was killed has left, and tidy up after it."""
        for path in (self.folder / CLIPS).glob("*/.*"):
            path.unlink(missing_ok=True)  # a file that was being written
        for path in sorted((self.folder / SPOOLS).glob("*")):
            self._maker.do(partial(self._finish, path))

    def _finish(self, path: Path) -> None:
        try:
            alert, camera, pieces = read_spool(path)
            _check_names(alert, camera)
        except (OSError, ValueError):  # a scratch file, or one that was cut off at its beginning
            path.unlink(missing_ok=True)
        else:
            self._made(path, alert, camera, pieces)

    def _made(self, spool: Path, alert: str, camera: str, pieces: Sequence[Piece]) -> None:
        out = self._file(camera, alert, ".mp4")
        try:
            refuse_links(self.folder, out)
            make_clip(spool, pieces, out)
        except HiProbeError as error:
            self._failed(alert, camera, error)
            if isinstance(error, StoreError):
                return  # there is no room now: the next start tries again
        else:
            self._count(clips=1)
            self._done(MadeClip(alert, camera, clip=str(out.relative_to(self.folder))))
        spool.unlink(missing_ok=True)

    def _pictured(self, wanted: _Picture, footage: Sequence[Footage]) -> None:
        alert, camera = wanted.alert, wanted.camera
        out = self._file(camera, alert, ".jpg")
        try:
            refuse_links(self.folder, out)
            self._save(wanted, footage, out)
        except HiProbeError as error:
            self._failed(alert, camera, error)
        else:
            self._count(snapshots=1)
            self._done(MadeClip(alert, camera, snapshot=str(out.relative_to(self.folder))))

    def _save(self, wanted: _Picture, footage: Sequence[Footage], out: Path) -> None:
        scratch = self.folder / SPOOLS / f"{wanted.alert}.picture"
        try:
            if not footage:
                raise CorruptVideo("there is no footage of that time", where=wanted.alert)
            picture_of(footage, wanted.at, out, scratch)
        except (CorruptVideo, DecoderLost):
            if wanted.otherwise is None:
                raise
            save_picture(wanted.otherwise, out)

    def _remove_old(self) -> None:
        for one in to_delete(self.kept(), self._settings, time.time()):
            self._remove(one.name)

    def _remove(self, name: str) -> None:
        """Delete the files of the alert `<camera>/<alert>`."""
        found = [self.folder / CLIPS / f"{name}{suffix}" for suffix in SUFFIXES]
        for path in found:
            with suppress(OSError):
                path.unlink()
                self._count(deleted=1)

    def _file(self, camera: str, alert: str, suffix: str) -> Path:
        return self.folder / CLIPS / camera / f"{alert}{suffix}"

    def _kept_clip(self, path: Path, facts: Sequence[os.stat_result]) -> KeptClip:
        size, saved = sum(one.st_size for one in facts), min(one.st_mtime for one in facts)
        name = path.relative_to(self.folder / CLIPS).as_posix()
        return KeptClip(name, size, saved, self._reviewed(path.name))

    def _failed(self, alert: str, camera: str, error: HiProbeError) -> None:
        self._count(failed=1)
        self._done(MadeClip(alert, camera, error=error))

    def _count(self, **more: int) -> None:
        with self._guard:
            sums = {name: getattr(self.counts, name) + value for name, value in more.items()}
            self.counts = replace(self.counts, **sums)


def _check_names(alert: str, camera: str) -> None:
    """Raise ValueError for names that are not plain parts of a path."""
    if not _ID.fullmatch(alert) or not _FOLDER.fullmatch(camera):
        raise ValueError(f"not the name of an alert or a camera: {alert[:80]!r}, {camera[:80]!r}")
