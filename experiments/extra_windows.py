"""Read single windows of stored footage when an experiment asks for them. It fits nothing.

A detection reads more windows where it found an event: around its boundaries, and at its peak to
ask the model. Which ones depends on the draw, so they are read on demand and kept in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from experiments.study import load
from hiprobe import video
from hiprobe.pipeline import Reading, ReadPlan
from hiprobe.pipeline.verification import answer_plan
from hiprobe.pipeline.window_states import VideoWindows
from hiprobe.probe.verification_rule import yes_over_no
from hiprobe.store import Window, WindowsKey, find_states, save_windows
from hiprobe.types import FloatArray, HiddenStates, Site

BATCH = 32
Values = dict[Window, FloatArray]


@dataclass
class ExtraWindows:
    """The hidden states and answers of single windows of one video, read once.

    `windows` says where the video is and what reads it; `sites` are all residual sites.
    """

    windows: VideoWindows
    sites: tuple[Site, ...]
    _known: dict[str, Values] = field(default_factory=dict)

    def states(self, wanted: Iterable[Window]) -> Values:
        """Return the values (sites, width) of each window."""
        plan = ReadPlan(self.sites, self.windows.reading.model.recipe)
        return self._values("states", plan, wanted)

    def odds(self, wanted: Iterable[Window]) -> dict[Window, float]:
        """Return the model's log-odds of yes against no in each window."""
        model = self.windows.reading.model
        found = self._values("odds", answer_plan(model, model.recipe), wanted)
        return {window: float(yes_over_no(values)[0]) for window, values in found.items()}

    def _values(self, name: str, plan: ReadPlan, wanted: Iterable[Window]) -> Values:
        if name not in self._known:
            self._known[name] = self._whole(plan) | self.windows.kept(plan)
        known = self._known[name]
        wanted = list(wanted)
        missing = sorted(set(wanted) - set(known))
        if missing:
            known |= self._read(plan, missing)
        return {window: known[window] for window in wanted}

    def _whole(self, plan: ReadPlan) -> Values:
        """Return the windows of the video's own grid, if they are stored."""
        reading = self.windows.reading
        assert reading.store is not None
        found = find_states(
            reading.store, self.windows.video_id, plan.recipe, plan.sites, reading.dtype
        )
        if found is None:
            return {}
        values = np.asarray(found.at(plan.sites))
        spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
        return dict(zip(spans, values, strict=True))

    def _read(self, plan: ReadPlan, missing: Sequence[Window]) -> Values:
        """Read windows in batches; a detection reads them one by one, equal to about 1e-6."""
        there, recipe = self.windows, plan.recipe
        model = there.reading.backbone(there.path)
        found = list(video.spans(there.path, missing, recipe.frames, recipe.size))
        fresh: Values = {}
        for first in range(0, len(found), BATCH):
            some = found[first : first + BATCH]
            values = model.read(some, plan.sites, recipe)
            fresh |= {missing[one.index]: values[i] for i, one in enumerate(some)}
        key = WindowsKey(there.video_id, recipe, plan.sites, there.reading.dtype)
        assert there.reading.store is not None
        save_windows(there.reading.store, key, fresh)
        return fresh


def extra_windows(
    paths: Sequence[str], states: Sequence[HiddenStates], model: str, store: Path
) -> list[ExtraWindows]:
    """Return the single windows of each video, which has these `states`."""
    reading = Reading(load(model), store)
    return [
        ExtraWindows(VideoWindows(path, one.video_id, reading), one.sites)
        for path, one in zip(paths, states, strict=True)
    ]
