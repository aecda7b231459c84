"""Calls in a child process that may crash, hang or eat memory without harm. Knows no video."""

from __future__ import annotations

from hiprobe.isolate.parent import Fault, Limits, Lost, begin, slots, start, stream

__all__ = ["Fault", "Limits", "Lost", "begin", "slots", "start", "stream"]
