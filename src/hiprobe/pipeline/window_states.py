"""Hidden states of single windows of a video that lie on no fixed grid. Knows no probe.

Each window is read on its own, in a batch of one: so its state never depends on which others are
read with it, and a run that was interrupted gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiprobe import video
from hiprobe.pipeline.reading import Reading, ReadPlan, check_same
from hiprobe.store import Window, WindowsKey, find_windows, save_windows
from hiprobe.types import FloatArray, HiddenStates


@dataclass(frozen=True)
class VideoWindows:
    """Single windows of the video at `path`; each is read once if `reading` has a store."""

    path: str | Path
    video_id: str
    reading: Reading

    def states(self, plan: ReadPlan, windows: Sequence[Window]) -> HiddenStates:
        """Return the states of `windows` (start and end in seconds), each once, in their order.

        Raises the errors of `video.spans`, of the model and of the store.
        """
        known = self.kept(plan)
        missing = sorted(set(windows) - set(known))
        if missing:
            known |= self._read(plan, missing)
        return states_of(self.video_id, plan, {window: known[window] for window in windows})

    def kept(self, plan: ReadPlan) -> dict[Window, FloatArray]:
        """Return the values (sites, width) of all windows in the store; none without a store."""
        store = self.reading.store
        return {} if store is None else find_windows(store, self._key(plan))

    def _read(self, plan: ReadPlan, windows: Sequence[Window]) -> dict[Window, FloatArray]:
        model, fresh = self.reading.backbone(self.path), dict[Window, FloatArray]()
        for one in video.spans(self.path, windows, plan.recipe.frames, plan.recipe.size):
            fresh[windows[one.index]] = model.read([one], plan.sites, plan.recipe)[0]
        check_same(self.path, self.video_id)
        if self.reading.store is not None:
            save_windows(self.reading.store, self._key(plan), fresh)
        return fresh

    def _key(self, plan: ReadPlan) -> WindowsKey:
        return WindowsKey(self.video_id, plan.recipe, plan.sites, self.reading.dtype)


def states_of(video_id: str, plan: ReadPlan, values: Mapping[Window, FloatArray]) -> HiddenStates:
    """Return the values (sites, width) of at least one window as hidden states."""
    starts, ends = np.array(list(values), dtype=np.float64).T
    return HiddenStates(
        video_id,
        plan.recipe,
        plan.sites,
        starts,
        ends,
        np.stack(list(values.values())),
        float(ends.max()),
    )
