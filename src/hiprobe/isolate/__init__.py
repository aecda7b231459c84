"""Calls in a child process that may crash, hang or eat memory without harm. Knows no video."""

from __future__ import annotations

from hiprobe.isolate.parent import (
    ChildBug,
    ChildLost,
    Limits,
    Running,
    arrays_ahead,
    start_call,
    start_child,
    stream,
)

__all__ = [
    "ChildBug",
    "ChildLost",
    "Limits",
    "Running",
    "arrays_ahead",
    "start_call",
    "start_child",
    "stream",
]
