"""What a probe is fitted on: hidden states and labels of several videos, end to end. Knows no video, model or probe.

Nothing is taken before it is checked: one recipe, one width, the sites that the method reads, values that are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import LabelError, ProbeError, RecipeMismatch
from hiprobe.localize import contiguous_runs, smooth
from hiprobe.methods import Method
from hiprobe.types import FloatArray, HiddenStates, LabelArray, Recipe, Site

Pairs = Sequence[tuple[HiddenStates, LabelArray]]

CLASSES = {"both": (1, 0), "normal": (0,), "none": ()}  # that a method fits on, by its LABELS
MIN_SEGMENTS = 4  # of each class that a method fits on
_FIELDS = {
    "model": "model",
    "revision": "revision",
    "prompts": "prompts",
    "segment_s": "segment length",
    "frames": "frames a segment",
    "size": "frame size",
}
_SITES = 64  # checked at once


@dataclass(frozen=True)
class Calibration:
    """The videos of a calibration set end to end, read one site at a time: a `saliency.SiteArray`.

    `labels` (n,), and `groups` (n,): the number of the video a segment belongs to, copies being one video.
    """

    states: tuple[HiddenStates, ...]
    sites: tuple[Site, ...]
    labels: LabelArray
    groups: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.labels), len(self.sites), self.states[0].values.shape[2]

    def __getitem__(self, key: tuple[slice, int]) -> FloatArray:
        return self.at((key[1],))[key[0], 0]

    def at(self, indices: Sequence[int], rows: NDArray[np.bool_] | None = None) -> FloatArray:
        """Values (n, len(indices), D) of all videos at some of the sites; of all segments, or of those in `rows` (n,).

        One copy, filled video by video: nothing else of that size is held.
        """
        wanted, kept = (
            tuple(self.sites[i] for i in indices),
            np.ones(len(self.labels), bool) if rows is None else rows,
        )
        dtype = np.result_type(*{states.values.dtype for states in self.states})
        values = np.empty((int(kept.sum()), len(wanted), self.shape[2]), dtype)
        first = place = 0
        for states in self.states:
            mine = kept[first : first + len(states.starts)]
            count = int(mine.sum())
            values[place : place + count] = states.at(wanted)[mine]
            first, place = first + len(mine), place + count
        return values

    def names(self, indices: Sequence[int]) -> list[str]:
        return [str(self.sites[i]) for i in indices]

    def smoothed(self, raw: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        """Each video's scores smoothed on their own, over all its segments, labelled or not."""
        parts = np.split(raw, np.cumsum([len(s.starts) for s in self.states])[:-1])
        return np.concatenate(
            [
                smooth(part, sigma, contiguous_runs(s.starts, s.ends, s.gaps))
                for s, part in zip(self.states, parts, strict=True)
            ]
        )


def difference(one: Recipe, other: Recipe) -> str:
    """The fields in which two recipes differ, in words."""
    a, b = asdict(one), asdict(other)
    return "; ".join(
        f"{word} {a[key]!r}, not {b[key]!r}" for key, word in _FIELDS.items() if a[key] != b[key]
    )


def calibration_set(how: Method, pairs: Pairs, sites: Sequence[Site] | None) -> Calibration:
    """The calibration set of `how`, at `sites` or at those it chooses among; raises what `hiprobe.probe.fit` says."""
    if not pairs:
        raise LabelError("no video to fit on")
    recipe = pairs[0][0].recipe
    for states, labels in pairs:
        where = f"video {states.video_id}"
        if states.recipe != recipe:
            raise RecipeMismatch(
                f"read with {difference(states.recipe, recipe)} in {pairs[0][0].video_id}",
                where=where,
                cure="extract all videos with one recipe",
            )
        if labels.shape != states.starts.shape or not np.isin(labels, (-1, 0, 1)).all():
            raise LabelError(
                f"{labels.shape} labels for {len(states.starts)} segments, or one that is not 1, 0 or -1",
                where=where,
            )
    wanted = _candidates(how, pairs[0][0].sites, sites)
    for states, _ in pairs:
        for first in range(0, len(wanted), _SITES):
            checked_values(states, wanted[first : first + _SITES])
    if len({states.values.shape[2] for states, _ in pairs}) > 1:
        raise ProbeError("videos were read with different widths")
    _, group = np.unique([states.video_id for states, _ in pairs], return_inverse=True)
    labels = np.concatenate([y for _, y in pairs]).astype(np.int8)
    groups = np.repeat(group, [len(y) for _, y in pairs])
    return _enough(how, Calibration(tuple(states for states, _ in pairs), wanted, labels, groups))


def _candidates(
    how: Method, found: Sequence[Site], sites: Sequence[Site] | None
) -> tuple[Site, ...]:
    """The sites to choose among in a model of which `found` was read.

    How deep it is the states do not say: as deep as what was read, or as deep as it takes for all that the method
    would read to be there, up to four times that. One site at five eighths of the depth tells the depth so.
    """
    shallow, heads = (
        1 + max(site.layer for site in found),
        1 + max(site.head or 0 for site in found),
    )
    with_heads, there = {site.layer for site in found if site.kind == "head"}, set(found)
    offers = (
        methods.candidates(how, layers, heads, with_heads or range(layers), sites)
        for layers in range(shallow, 4 * shallow + 1)
    )
    first = next(offers)
    if there >= set(first) or {site.kind for site in first}.isdisjoint(site.kind for site in found):
        return first
    return next((offer for offer in offers if there >= set(offer)), first)


def _enough(how: Method, data: Calibration) -> Calibration:
    counts = {c: int((data.labels == c).sum()) for c in (1, 0)}
    if any(counts[c] < MIN_SEGMENTS for c in CLASSES[how.LABELS]):
        need = " and ".join(
            f"{MIN_SEGMENTS} {('normal', 'anomalous')[c]}" for c in CLASSES[how.LABELS]
        )
        raise LabelError(
            f"at least {need} segments are needed, got {counts[1]} anomalous and {counts[0]} normal "
            f"({int((data.labels < 0).sum())} left out)",
            cure="label more videos",
        )
    return data


def usable(how: Method, labels: LabelArray) -> LabelArray:
    """The labels with those that the method does not fit on left out."""
    return np.where(np.isin(labels, CLASSES[how.LABELS]), labels, -1).astype(np.int8)


def checked_values(states: HiddenStates, sites: tuple[Site, ...]) -> FloatArray:
    """The values at `sites`; raises ProbeError if one was not read or a value is not finite."""
    where = f"video {states.video_id}"
    try:
        values = states.at(sites)
    except KeyError as error:
        raise ProbeError(
            str(error.args[0]), where=where, cure="extract again with these sites"
        ) from error
    bad = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if len(bad):
        raise ProbeError(
            f"hidden states of {len(bad)} segments are not finite, the first is segment {bad[0]}",
            where=where,
            cure="extract again, in float32 if a half precision overflowed",
        )
    return values
