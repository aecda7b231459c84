"""Read a `live.source.Source` in tests, with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from hiprobe.live.camera_health import Backoff
from hiprobe.live.source import LiveSegment, Source, Status

QUICK = (0.1, 0.4)  # seconds before connecting again


def quick() -> Backoff:
    """Connect again soon."""
    return Backoff(*QUICK)


def until(
    source: Source, wanted: Callable[[LiveSegment | Status], bool], timeout_s: float = 40.0
) -> list[LiveSegment | Status]:
    """Return the items up to the first that is `wanted`; fails if it does not come."""
    end, found = time.monotonic() + timeout_s, list[LiveSegment | Status]()
    while time.monotonic() < end:
        item = source.poll(0.2)
        if item is not None:
            found.append(item)
            if wanted(item):
                return found
        elif source.ended:
            break
    raise AssertionError(
        f"it did not come within {timeout_s} s: {[one for one in found if isinstance(one, Status)]}"
    )


def is_state(*states: str) -> Callable[[LiveSegment | Status], bool]:
    """Wait for one of these states."""
    return lambda item: isinstance(item, Status) and item.state in states


def is_segment(item: LiveSegment | Status) -> bool:
    """Wait for a segment."""
    return isinstance(item, LiveSegment)


def segments_of(items: list[LiveSegment | Status]) -> list[LiveSegment]:
    """Return the segments of what came."""
    return [item for item in items if isinstance(item, LiveSegment)]


def states_of(items: list[LiveSegment | Status]) -> list[str]:
    """Return the states of what came."""
    return [item.state for item in items if isinstance(item, Status)]
