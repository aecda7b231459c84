"""Cameras whose pictures a test chooses one by one, and a model that sees how bright they are."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support.fake_backbone import RECIPE, MeanColourBackbone
from tests.support.watching import WALL

from hiprobe.live.cameras import Camera
from hiprobe.live.live_items import Footage, LiveSegment, SourceCounts, Status
from hiprobe.localize import Localization
from hiprobe.probe import Probe, VerificationRule
from hiprobe.types import Recipe, Segment, Site

L = RECIPE.segment_s


class BrightBackbone(MeanColourBackbone):
    """A `MeanColourBackbone` that says yes to what is brighter than grey."""

    answers_yes_no = True

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        if sites[0].kind != "logit":
            return super().read(segments, sites, recipe)
        odds = [(one.frames.mean() - 127.5) / 25 for one in segments]
        return np.array([[(one, 0.0)] for one in odds], np.float32)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        return f"brightness {segment.frames.mean():.0f}", True


def bright_probe(middle: float = 0.5, *, check: bool = True, sigma: float = 1.0) -> Probe:
    """Make a probe whose score of a grey picture of level `middle` (0 to 1) is 1/2."""
    tensors = {
        "mean": np.zeros(3),
        "scale": np.ones(3),
        "weight": np.full(3, 10 / 255 / 3),
        "bias": np.array([-10 * middle]),
    }
    settings = Localization(rule="calibrated", sigma=sigma, threshold=0.5)
    rule = VerificationRule() if check else None
    sites = (Site("residual", 0),)
    return Probe("hiprobe", RECIPE, sites, 3, tensors, settings, {}, rule, 0.55)


class StagedCamera:
    """A source that shows what `show` is told to."""

    made: dict[str, StagedCamera] = {}  # noqa: RUF012

    def __init__(
        self, camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None = None
    ) -> None:
        self.camera, self.counts, self.next = camera, SourceCounts(), 0
        self._items: queue.Queue[Any] = queue.Queue()
        StagedCamera.made[camera.name] = self
        self.state("online")

    def show(self, *levels: float) -> None:
        """Give a grey segment of each level from 0 to 1."""
        for level in levels:
            start = self.next * L
            frames = np.full((RECIPE.frames, 16, 16, 3), round(level * 255), np.uint8)
            frames[:, :4, :4] = min(round(level * 255) + 10 * (level > 0.5), 255)
            times = start + (np.arange(RECIPE.frames) + 0.5) * L / RECIPE.frames
            segment = Segment(frames, times, start, start + L, self.next)
            self.next += 1
            self._items.put(LiveSegment(self.camera.name, segment, WALL + start))

    def miss(self, count: int = 1) -> None:
        """Drop so many segments."""
        self.next += count
        self.counts = replace(self.counts, dropped=self.counts.dropped + count)

    def state(self, state: str, detail: str = "") -> None:
        self._items.put(Status(self.camera.name, state, detail, WALL + self.next * L))  # type: ignore[arg-type]

    def fail(self, error: Exception) -> None:
        self._items.put(error)

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        while (item := self._items.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        self._items.put(None)


def load_bright(**_: Any) -> BrightBackbone:
    """The plug-in `tests.support.staged_cameras:load_bright`."""
    return BrightBackbone()
