"""Cameras for tests of the watcher: files that are read as fast as the model takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.fixed_probe import fixed_probe

from hiprobe import datasets, embedded, video
from hiprobe.labels import label_segments
from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.live_items import Footage, LiveSegment, SourceCounts, Status
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.probe import Probe, fit
from hiprobe.store import kept_states
from hiprobe.types import Recipe

WALL = 1_764_460_800.0  # when these cameras begin


def watchable_probe() -> Probe:
    """The shipped probe with a causal threshold, fitted again on the shipped states."""
    shipped, pairs = Probe.load(embedded.PROBE), []
    for clip in datasets.load("folder", embedded.CLIPS):
        (states,) = kept_states(embedded.STATES, video.digest(clip.path), shipped.recipe)
        pairs.append((states, label_segments(states.starts, states.ends, clip.events)))
    made = fit("hiprobe", pairs, sites=list(shipped.sites), layer_curve=False, permutations=0)
    return replace(fixed_probe(), causal_threshold=made.causal_threshold)


class FileCamera:
    """A source that gives every segment of a file, and waits for whoever takes them."""

    def __init__(
        self, camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None = None
    ) -> None:
        self.camera, self.recipe, self.counts = camera, recipe, SourceCounts()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        yield Status(self.camera.name, "online", "", WALL)
        for one in video.segments(self.camera.url, self.recipe):
            if self.closed.is_set():
                return
            self.counts = replace(self.counts, segments=self.counts.segments + 1)
            yield LiveSegment(self.camera.name, one, WALL + one.start)
        yield Status(self.camera.name, "ended", "the file was played", WALL)

    def close(self) -> None:
        self.closed.set()


@dataclass
class Heard:
    """What a watcher told, in order."""

    alerts: list[Alert] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)

    @property
    def outlets(self) -> Outlets:
        return Outlets(self.alerts.append, self.lines.append, self.reports.append)

    def of(self, camera: str, *kinds: str) -> list[Alert]:
        return [one for one in self.alerts if one.camera == camera and one.type in kinds]

    @property
    def lives(self) -> dict[str, list[str]]:
        """The types of the messages of each alert."""
        found: dict[str, list[str]] = {}
        for one in self.alerts:
            found.setdefault(one.id, []).append(one.type)
        return found


def camera(path: Path | str, name: str = "", **how: Any) -> Camera:
    return Camera(name or Path(path).stem, str(path), **{"cooldown_s": 0.0, **how})


def watch_files(
    cameras: Sequence[Camera], state: Path, model: Any, probe: Probe, options: WatcherOptions
) -> tuple[Heard, Watcher]:
    """Watch files to their end; return what was told, and the watcher, which is closed."""
    heard = Heard()
    with Watcher(Watch(tuple(cameras), state=state), model, probe, options, heard.outlets) as one:
        one.start()
        assert one.wait(120.0), one.status()
        one.last = one.status()  # type: ignore[attr-defined]
    return heard, one


def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Wait until the condition holds; return what it gives."""
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found
