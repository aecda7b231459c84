"""Measure cameras without a model: `python -m benchmarks.live_sources [--json FILE]`.

How long a dead, a silent and a frozen camera take to be noticed and to recover, with the limits of
a watcher; then memory and processor time per camera, for 1 and 4 cameras of 640 x 480 at 25 fps in
H.264, with the footage for clips kept. The cameras are streams of a real RTSP server, for which
`tests/support/rtsp_camera.py` names the Debian packages. All faults run at the same time, each with
a camera of its own. Takes 3 minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import TICKS, children, pin, publish
from tests.support.rtsp_camera import PACKAGES, RtspCamera, h264, missing

from hiprobe.live.cameras import Camera
from hiprobe.live.footage_ring import FootageRing
from hiprobe.live.recorder import LATE_S, RING_BYTES
from hiprobe.live.source import LiveSegment, Source, Status
from hiprobe.types import Recipe

RECIPE = Recipe("none", ("none",), frames=8, size=(224, 224))
ROUNDS = 3
WATCHED_S = 30.0
FAULT_HEAD = ["fault", "reported as", "noticed after s", "first segment s after it was over"]
COST_HEAD = [
    "cameras",
    "child MiB",
    "of it its own MiB",
    "ring of windows MiB",
    "parent MiB a camera",
    "cores a camera",
]
FIELDS = ("VmRSS", "RssAnon", "RssShmem")
# A picture that changes everywhere, as in a busy street.
BUSY = h264(640, 480).replace("pattern=ball", "pattern=zone-plate kx2=20 ky2=20 kt=1")


def wait_for(
    source: Source, wanted: Callable[[LiveSegment | Status], bool]
) -> Status | LiveSegment:
    """Return the first item that is wanted."""
    return next(item for item in source if wanted(item))


def is_segment(item: LiveSegment | Status) -> bool:
    """Tell whether an item is a segment."""
    return isinstance(item, LiveSegment)


def is_state(state: str) -> Callable[[LiveSegment | Status], bool]:
    """Tell whether an item is this change of state."""
    return lambda item: isinstance(item, Status) and item.state == state


def fault(
    name: str, begin: Callable[[RtspCamera], None], end: Callable[[RtspCamera], None]
) -> list[float]:
    """Return seconds from a fault to its report, and from its end to the first good segment."""
    state = "frozen" if name == "frozen" else "offline"
    with (
        RtspCamera({"/live": h264(640, 480)}) as camera,
        Source(Camera("yard", camera.url()), RECIPE) as source,
    ):
        wait_for(source, is_segment)
        begin(camera)
        begun = time.monotonic()
        wait_for(source, is_state(state))
        noticed = time.monotonic() - begun
        end(camera)
        over = time.monotonic()
        wait_for(source, is_state("online"))
        wait_for(source, is_segment)
        return [noticed, time.monotonic() - over]


FAULTS: dict[str, tuple[Callable[[RtspCamera], None], Callable[[RtspCamera], None]]] = {
    "server killed": (RtspCamera.kill, RtspCamera.start),
    "silent": (
        lambda one: one.set("valve", "drop", True),
        lambda one: one.set("valve", "drop", False),
    ),
    "frozen": (
        lambda one: one.set("source", "pattern", 3),
        lambda one: one.set("source", "pattern", 18),
    ),
}


def memory_mib(process: int | str, field: str) -> float:
    """Return a field of a process's memory in MiB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0]) / 1024


def decoders() -> list[int]:
    """Return the children that are decoders of cameras."""
    commands = {one: Path(f"/proc/{one}/cmdline").read_bytes() for one in children()}
    return [one for one, command in commands.items() if b"live.source_child" in command]


def cost(count: int) -> list[float]:
    """Return what each of `count` cameras takes: memory in MiB, and cores."""
    with ExitStack() as stack:
        # Each has a pipeline of its own: GStreamer 1.22 may fail when several share one.
        camera = stack.enter_context(RtspCamera({f"/{one}": BUSY for one in range(count)}))
        before = memory_mib("self", "VmRSS")
        rings = [FootageRing(5.0 + LATE_S, RING_BYTES) for _ in range(count)]
        sources = [
            stack.enter_context(
                Source(Camera(f"c{n}", camera.url(f"/{n}")), RECIPE, record=ring.add)
            )
            for n, ring in enumerate(rings)
        ]
        for source in sources:
            wait_for(source, is_segment)
        used, begun = processor_s(), time.monotonic()
        while time.monotonic() < begun + WATCHED_S:
            for source in sources:
                source.poll(0.1)
        cores = (processor_s() - used) / (time.monotonic() - begun) / count
        found = decoders()
        fields = [sum(memory_mib(one, name) for one in found) / count for name in FIELDS]
        return [*fields, (memory_mib("self", "VmRSS") - before) / count, cores]


def processor_s() -> float:
    """Return the processor time of this process and of the decoders, in seconds."""
    total = time.process_time()
    for one in decoders():
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def main() -> None:
    """Measure and print."""
    pin()
    if missing():
        sys.exit(f"no RTSP server: apt-get install {PACKAGES}")
    rows = []
    with ThreadPoolExecutor(ROUNDS * len(FAULTS)) as pool:
        every = {
            name: [pool.submit(fault, name, begin, end) for _ in range(ROUNDS)]
            for name, (begin, end) in FAULTS.items()
        }
    for name, started in every.items():
        times = [one.result() for one in started]
        noticed, over = ([f"{one:.1f}" for one in column] for column in zip(*times, strict=True))
        rows.append(
            [name, "frozen" if name == "frozen" else "offline", ", ".join(noticed), ", ".join(over)]
        )
        print(rows[-1], file=sys.stderr, flush=True)
    costs = [[count, *cost(count)] for count in (1, 4)]
    publish("Cameras that fail", FAULT_HEAD, rows)
    record = {"faults": [dict(zip(FAULT_HEAD, row, strict=True)) for row in rows]}
    publish("What a camera costs without the model", COST_HEAD, costs, record=record)


if __name__ == "__main__":
    main()
