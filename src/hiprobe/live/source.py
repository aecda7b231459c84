"""One camera, or a file played in real time, as segments; and what becomes of the connection.

Nothing is decoded in this process: `source_child` does it in a child of its own for each camera,
which is replaced when it dies. Knows no model.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import isolate
from hiprobe.errors import DecoderLost, HiProbeError
from hiprobe.live.address import kind_of, scrubbed
from hiprobe.live.camera_clock import CameraClock, Placing
from hiprobe.live.camera_health import Backoff, CameraHealth, Change, FrozenPicture
from hiprobe.live.cameras import Camera
from hiprobe.live.live_items import Footage as Footage
from hiprobe.live.live_items import LiveSegment as LiveSegment
from hiprobe.live.live_items import SourceCounts as SourceCounts
from hiprobe.live.live_items import State as State
from hiprobe.live.live_items import Status as Status
from hiprobe.live.stream_request import OPEN_S, StreamRequest
from hiprobe.types import Recipe, Segment
from hiprobe.video.sampling import Grid

CHILD = "hiprobe.live.source_child"
AHEAD = 4  # arrays a child may be ahead; they are taken from it at once
# Beyond the longest silence that is the camera's: a child says that it is alive with every packet.
STALL_S = 20.0
WAITING = 4  # segments that wait for a slow reader
STATUSES = 64  # as many wait, so that a reader who has stopped takes no memory

Fields = dict[str, Any]


class Source:
    """Iterate over a camera's `LiveSegment`s and `Status`es, as they come.

    It connects at once, in a thread of its own, and again after every loss; only a file ends.
    Segments are those of `video.segments`: of a file exactly those, at any speed, as long as none
    is dropped. Regions that the camera ignores are grey. If `waiting` segments wait, the oldest one
    is dropped and counted, so memory is bounded whatever the reader does.

    `record`, if given, gets each piece of `Footage` soon after its segments. It is called in the
    source's thread and must return at once. `backoff` says when to connect again.

    >>> from hiprobe.embedded import CLIPS
    >>> recipe = Recipe("model", ("prompt",), frames=2, size=(32, 32))
    >>> with Source(Camera("clip", str(CLIPS / "normal_00.mp4"), speed=100), recipe) as source:
    ...     items = list(source)
    >>> [item.state for item in items if isinstance(item, Status)]
    ['online', 'ended']
    """

    def __init__(
        self,
        camera: Camera,
        recipe: Recipe,
        *,
        record: Callable[[Footage], None] | None = None,
        backoff: Backoff | None = None,
        waiting: int = WAITING,
    ) -> None:
        self.camera, self.counts = camera, SourceCounts()
        self._grid = asdict(Grid(recipe.segment_s, recipe.frames, recipe.size))
        self._record, self._most, self._backoff = record, waiting, backoff or Backoff()
        self._clock, self._health = CameraClock(), CameraHealth(camera.offline_after_s)
        self._frozen = FrozenPicture(camera.frozen_after_s)
        self._size: list[int] | None = None
        self._items: deque[LiveSegment | Status] = deque()
        self._changed, self._closing, self._over = threading.Condition(), threading.Event(), False
        self._running: isolate.Running | None = None
        name = f"camera {camera.name}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    # -- the reader's side

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        return self

    def __next__(self) -> LiveSegment | Status:
        while (item := self.poll(3600.0)) is None:
            if self.ended:
                raise StopIteration
        return item

    def poll(self, timeout_s: float = 0.0) -> LiveSegment | Status | None:
        """Return the next item, None if none comes within `timeout_s` seconds or it has ended."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not self._items and not self._over:
                left = min(until - time.monotonic(), self._until_overdue())
                if self._items or left <= 0:
                    break
                self._changed.wait(left)
            return self._items.popleft() if self._items else None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: the file was played, or the source was closed."""
        with self._changed:
            return self._over and not self._items

    @property
    def waiting(self) -> int:
        """How many segments wait to be taken."""
        with self._changed:
            return sum(isinstance(item, LiveSegment) for item in self._items)

    def close(self) -> None:
        """End the child process and the thread; return when both are gone."""
        self._closing.set()
        while self._thread.is_alive():
            running = self._running
            if running:
                running.kill()
            self._thread.join(0.05)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _until_overdue(self) -> float:
        """Report a camera that should have sent something by now; return how long it still has."""
        now = time.monotonic()
        self._report(self._health.overdue(now), self._health.error)
        return self._health.overdue_at - now

    # -- the thread's side

    def _work(self) -> None:
        try:
            if self.camera.plays_file:
                self._play()
            else:
                self._watch()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _play(self) -> None:
        speed, keeps = self.camera.speed, self._record is not None
        error = self._follow("file", self.camera.url, self._grid, speed, keeps)
        with self._changed:
            self._tell("ended", detail_of(error) if error else "the file was played", error)

    def _watch(self) -> None:
        request = StreamRequest(
            self.camera.url,
            kind_of(self.camera.url),
            self.camera.transport,
            silent_s=self.camera.offline_after_s,
        )
        while not self._closing.is_set():
            begun, keeps = time.monotonic(), self._record is not None
            error = self._follow("stream", asdict(request), self._grid, keeps)
            if error and not self._closing.is_set():
                now = time.monotonic()
                with self._changed:
                    self._report(self._health.failed(now, error), error)
                    self._changed.notify_all()  # when it becomes overdue may have changed
                self._closing.wait(self._backoff.wait_s(error, now - begun))

    def _follow(self, call: str, *args: Any) -> HiProbeError | None:
        """Take what a child gives until it ends; return the error that ended it."""
        try:
            self._running = isolate.Running(CHILD, self._limits(), call, *args)
            connection = _Connection(self._clock, self.counts)
            with closing(iter(self._running)) as items:
                for facts, array in items:
                    if self._closing.is_set():
                        return None
                    assert array is not None
                    self._take(connection, facts, array)
        except isolate.ChildLost as error:
            return self._named(DecoderLost(f"its decoder {error}"))
        except isolate.ChildBug as error:
            return self._named(DecoderLost(f"its decoder failed: {str(error).splitlines()[-1]}"))
        except HiProbeError as error:
            return self._named(error)
        finally:
            self._running = None
        return None

    def _limits(self) -> isolate.Limits:
        stall_s = self.camera.offline_after_s + 2 * OPEN_S + STALL_S
        return isolate.Limits(stall_s=stall_s, ahead=AHEAD)

    def _named(self, error: HiProbeError) -> HiProbeError:
        """Return the error with the camera in it, and without anything secret."""
        camera = self.camera
        where = f"camera {camera.name} ({camera.shown})"
        cure = error.cure and scrubbed(error.cure, camera.url)
        return type(error)(scrubbed(error.reason, camera.url), where=where, cure=cure)

    def _take(self, connection: _Connection, facts: Fields, array: NDArray[np.uint8]) -> None:
        speed = self.camera.speed if self.camera.plays_file else 1.0
        if "chunk" in facts:
            if self._record:
                self._record(connection.footage(self.camera.name, facts["chunk"], array, speed))
            return
        moment, segment = connection.segment(facts, array, self.counts.segments, speed)
        with self._changed:
            self.counts = connection.counted(self.counts, facts)
            self._note(facts, segment)
            blank = replace(segment, frames=self.camera.ignore.blank(array))
            self._offer(LiveSegment(self.camera.name, blank, moment.wall, moment.jump))

    def _note(self, facts: Fields, segment: Segment) -> None:
        """Report what a segment tells of the camera's state."""
        change, size, before = self._health.heard(facts["heard"]), facts["size"], self._size
        if change:
            self._frozen = FrozenPicture(self.camera.frozen_after_s)
        self._report(change, None, f"{size[1]} x {size[0]} pixels")
        if before and size != before:
            self._tell("changed", f"{before[1]} x {before[0]} became {size[1]} x {size[0]} pixels")
        self._size = size
        frozen = None if self.camera.plays_file else self._frozen.changed(segment)
        if frozen:
            self._tell("frozen", f"no new picture for {self.camera.frozen_after_s:g} s")
        elif frozen is False:
            self._tell("online", "the picture changes again")

    def _report(self, change: Change | None, error: HiProbeError | None, detail: str = "") -> None:
        if change:
            silent = f"no picture for {self.camera.offline_after_s:g} s"
            self._tell(change, detail or (detail_of(error) if error else silent), error)

    def _tell(self, state: State, detail: str, error: HiProbeError | None = None) -> None:
        self._offer(Status(self.camera.name, state, detail, time.time(), error))

    def _offer(self, item: LiveSegment | Status) -> None:
        """Let an item wait for the reader; the oldest of its kind makes room."""
        kind, most = type(item), self._most if isinstance(item, LiveSegment) else STATUSES
        waiting = [one for one in self._items if isinstance(one, kind)]
        if len(waiting) >= most:
            self._items.remove(waiting[0])
            lost = isinstance(item, LiveSegment)
            self.counts = replace(self.counts, dropped=self.counts.dropped + lost)
        self._items.append(item)
        self._changed.notify_all()


def detail_of(error: HiProbeError) -> str:
    """Return an error as a line without the place, which is known where it is shown.

    >>> detail_of(DecoderLost("it hung", where="camera yard", cure="restart it"))
    'it hung; restart it'
    """
    return f"{error.reason}; {error.cure}" if error.cure else error.reason


class _Connection:
    """The windows and footage of one connection, placed in time."""

    def __init__(self, clock: CameraClock, before: SourceCounts) -> None:
        clock.connected()
        self._clock, self._before = clock, before
        self._moment = Placing(0.0, math.nan, False)
        self._start = self._lost_s = 0.0

    def segment(
        self, facts: Fields, array: NDArray[np.uint8], index: int, speed: float
    ) -> tuple[Placing, Segment]:
        """Return when a window begins, and the segment."""
        self._start = facts["start"]
        self._moment = self._clock.place(self._start, facts["end"], facts["anchor"], speed)
        base = self._moment.base
        times = np.array(facts["times"]) + base
        return self._moment, Segment(array, times, self._start + base, facts["end"] + base, index)

    def footage(
        self, camera: str, chunk: list[Any], array: NDArray[np.uint8], speed: float
    ) -> Footage:
        """Return a chunk of footage, which follows a window."""
        start, end, key = chunk
        wall = self._moment.wall + (start - self._start) / speed
        base = self._moment.base
        return Footage(camera, start + base, end + base, wall, key, array)

    def counted(self, counts: SourceCounts, facts: Fields) -> SourceCounts:
        """Return the counts with what a window says of the connection."""
        self._lost_s += facts.get("lost_s", 0.0)
        return replace(
            counts,
            segments=counts.segments + 1,
            connections=self._before.connections + 1,
            damaged=self._before.damaged + facts.get("damaged", 0),
            leaps=self._before.leaps + facts.get("leaps", 0),
            lost_s=self._before.lost_s + self._lost_s,
        )
