"""Say which segments of a camera are not read because they come faster than the model reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hiprobe.errors import counted
from hiprobe.live.live_items import LiveSegment, Status
from hiprobe.live.watcher_options import LiveSource

EVERY_S = 60.0  # at most one line a camera in this time


class FallingBehind:
    """How many segments of a camera were not read, as lines for people: at most one a minute.

    >>> yard = FallingBehind("yard")
    >>> yard.line(0, 0.0), yard.line(2, 1.0), yard.line(9, 2.0)
    (None, 'camera yard: 2 segments not read: they come faster than the model reads here', None)
    >>> yard.line(9, 2.0, last=True)
    'camera yard: 9 segments not read in all: they come faster than the model reads here'
    """

    def __init__(self, camera: str) -> None:
        self._camera, self._told, self._due_at = camera, 0, 0.0

    def line(self, dropped: int, now: float, *, last: bool = False) -> str | None:
        """Return what to say at `now` (steady seconds) of `dropped` segments since the start.

        None if all of them were told, or the last line is less than a minute old; `last` tells in
        any case.
        """
        if dropped <= self._told or not (last or now >= self._due_at):
            return None
        in_all = " in all" if self._told else ""
        self._told, self._due_at = dropped, now + EVERY_S
        count = f"camera {self._camera}: {counted(dropped, 'segment')} not read{in_all}"
        return f"{count}: they come faster than the model reads here"


def reporting_dropped(
    camera: str, source: LiveSource, report: Callable[[str], None]
) -> Iterator[LiveSegment | Status]:
    """Yield what a source gives, and report what it dropped as it was not taken in time."""
    told = FallingBehind(camera)
    for item in source:
        ended = isinstance(item, Status) and item.state == "ended"
        line = told.line(source.counts.dropped, time.monotonic(), last=ended)
        if line is not None:
            report(line)
        yield item
