"""Hold videos with their hidden states, labels and true events. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.measure import Truth, truth
from hiprobe.errors import LabelError
from hiprobe.localize import Localization, contiguous_runs, smooth
from hiprobe.types import Event, FloatArray, HiddenStates, LabelArray, Site

_DEFAULT = Localization.named("paper")  # so that earlier tables stay comparable


@dataclass(frozen=True)
class Footage:
    """Hold the hidden states, segment labels, true events and event type of each video.

    The segments of all videos follow one another. The class is a `saliency.SiteArray`: `shape` is
    (n, sites, D) and `[:, site]` is (n, D).
    """

    states: tuple[HiddenStates, ...]
    labels: tuple[LabelArray, ...]
    events: tuple[tuple[Event, ...], ...]
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.states) == len(self.labels) == len(self.events) == len(self.kinds):
            raise ValueError(
                "states, labels, events and kinds need one entry per video, got "
                f"{[len(self.states), len(self.labels), len(self.events), len(self.kinds)]}"
            )

    def __len__(self) -> int:
        return len(self.states)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Return the sites that were read; they are the same for all videos."""
        return self.states[0].sites

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.y), len(self.sites), self.states[0].values.shape[2]

    def __getitem__(self, key: Any) -> FloatArray:
        found: FloatArray = self.values((self.sites[key[1]],))[key[0], 0]
        return found

    def values(self, sites: Sequence[Site]) -> FloatArray:
        """Return the values (n, len(sites), D) of all segments at `sites`."""
        parts: FloatArray = np.concatenate(
            [np.asarray(one.at(tuple(sites))) for one in self.states]
        )
        return parts

    @cached_property
    def y(self) -> LabelArray:
        """Return the labels (n,) of all segments: 1, 0, or -1 if left out."""
        return np.concatenate(self.labels).astype(np.int8)

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """Return the number (n,) of the video of each segment."""
        return np.repeat(np.arange(len(self)), [len(one.starts) for one in self.states])

    @cached_property
    def abnormal(self) -> NDArray[np.bool_]:
        """Return which videos (videos,) have an event."""
        return np.array([len(found) > 0 for found in self.events])

    @cached_property
    def truth(self) -> Truth:
        """Return the truth that scores of these videos are compared with."""
        return truth(self.states, self.events)

    def take(self, videos: Sequence[int] | NDArray[Any]) -> Footage:
        """Return some of the videos, in the order given."""
        rows = [int(i) for i in videos]
        return Footage(
            tuple(self.states[i] for i in rows),
            tuple(self.labels[i] for i in rows),
            tuple(self.events[i] for i in rows),
            tuple(self.kinds[i] for i in rows),
        )

    def with_states(self, states: Sequence[HiddenStates]) -> Footage:
        """Return the same videos with other states."""
        return Footage(tuple(states), self.labels, self.events, self.kinds)

    def relabelled(self, y: LabelArray) -> Footage:
        """Return the same videos with other segment labels (n,)."""
        cuts = np.cumsum([len(one) for one in self.labels])[:-1]
        return Footage(self.states, tuple(np.split(y, cuts)), self.events, self.kinds)

    def smoothed(
        self, raw: NDArray[np.float64], settings: Localization = _DEFAULT
    ) -> NDArray[np.float64]:
        """Smooth the raw scores (n,) of each video on their own, as `settings` say."""
        cuts = np.cumsum([len(one.starts) for one in self.states])[:-1]
        parts = zip(self.states, np.split(raw, cuts), strict=True)
        return np.concatenate(
            [
                smooth(part, settings, contiguous_runs(one.starts, one.ends, one.gaps))
                for one, part in parts
            ]
        )


def draw(train: Footage, videos: int, seed: int) -> Footage:
    """Draw `videos` labelled videos, half of them with an event.

    A smaller draw with the same `seed` is part of a larger one. Raises LabelError if there are
    fewer videos of either class.
    """
    half, rng = videos // 2, np.random.default_rng([seed, 515])
    found = []
    for abnormal in (True, False):
        there = np.flatnonzero(train.abnormal == abnormal)
        if half > len(there) or half < 1:
            raise LabelError(
                f"cannot draw {videos} labelled videos, half of them with an event: there are "
                f"{int(train.abnormal.sum())} with and {int((~train.abnormal).sum())} without"
            )
        found.append(rng.permutation(there)[:half])
    return train.take(np.concatenate(found))


def most(train: Footage) -> int:
    """Return the largest number of videos that `draw` can give."""
    return 2 * int(min(train.abnormal.sum(), (~train.abnormal).sum()))
