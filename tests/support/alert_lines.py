"""Messages about one alert, as a watcher sends them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hiprobe.live.alert import Alert
from hiprobe.types import Verification

START = 1764460800.0  # 2025-11-30T00:00:00Z
ALERT = Alert(
    "a1",
    "new",
    "back yard",
    START,
    START + 3.2,
    peak=START + 1.0,
    score=0.93,
    threshold=0.5,
    explanation="a person falls",
    sequence=1,
)


def line(kind: Any = "new", result: Any = "not_checked", **more: Any) -> dict[str, Any]:
    """The published form of one message."""
    return replace(ALERT, type=kind, verification=Verification(result), **more).line()
