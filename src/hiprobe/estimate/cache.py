"""What was measured on this machine, kept in the user's cache folder. Knows no model.

The file is `speeds.json` in `$HIPROBE_CACHE`, else in `hiprobe` below `$XDG_CACHE_HOME` or
`~/.cache`. It counts for the same processor, cards, cores, threads and torch, for 30 days. It holds
no name of a video, a model or a person. A folder that cannot be written is no error: the machine is
then measured each time.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import read_regular
from hiprobe.errors import HiProbeError
from hiprobe.ranges import in_range
from hiprobe.types import digest_json

NAME = "speeds.json"
SCHEMA = "hiprobe.speeds/1"
KEEP_S = 30 * 86400.0
_BYTES = 1 << 20
_CARDS = Path("/proc/driver/nvidia/gpus")
Points = dict[str, dict[int, float]]


def cache_folder() -> Path:
    """Return the folder for what is measured once on this machine."""
    own = os.environ.get("HIPROBE_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "hiprobe"


def cores() -> int:
    """Return how many processors this process may use.

    >>> cores() >= 1
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return allowed or 1


def processor() -> str:
    """Return the name of the processor, as the system gives it."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
        named = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
        if named:
            return named[1].strip()
    return platform.processor() or platform.machine()


def load_points() -> Points:
    """Return the remembered speeds in operations per second, by `speeds.speeds_key`, then by width.

    Empty if none are kept, and if those that are kept are of another machine, old or damaged.
    """
    try:
        values = json.loads(read_regular(cache_folder() / NAME, _BYTES))
        fresh = 0 <= time.time() - values["measured"] < KEEP_S
        if values["schema"] != SCHEMA or values["machine"] != _machine() or not fresh:
            return {}
        return {str(kind): _checked(points) for kind, points in values["speeds"].items()}
    except (OSError, HiProbeError, LookupError, TypeError, ValueError, AttributeError):
        return {}


def _checked(points: Mapping[str, Any]) -> dict[int, float]:
    found = {int(width): speed for width, speed in points.items()}
    for width, speed in found.items():
        if not in_range("model width", width) or not in_range("operations per second", speed):
            raise ValueError(f"a speed of {speed!r} at width {width!r}")
    return found


def save_points(points: Mapping[str, Mapping[int, float]]) -> None:
    """Remember speeds beside those that are remembered already; does nothing if it cannot."""
    known = load_points()
    joined = {kind: {**known.get(kind, {}), **points.get(kind, {})} for kind in {*known, *points}}
    values = {"schema": SCHEMA, "machine": _machine(), "measured": time.time(), "speeds": joined}
    with suppress(OSError, HiProbeError):
        write_atomic(cache_folder() / NAME, (json.dumps(values, indent=1) + "\n").encode())


def _machine() -> str:
    """Return a digest of what the speed of this machine depends on."""
    cards = sorted(path.name for path in _CARDS.glob("*")) if _CARDS.is_dir() else []
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    chosen = [os.environ.get(name) for name in names]
    return digest_json([processor(), cores(), cards, chosen, metadata.version("torch")])
