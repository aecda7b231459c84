"""What a probe is fitted on: the hidden states and labels of several videos, one after the other.

Knows no videos, models or probes. All input is checked first: one recipe, one width, the sites that
the method reads, finite values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import LabelError, ProbeError, RecipeMismatch, counted
from hiprobe.localize import Localization, contiguous_runs, smooth
from hiprobe.methods import Method
from hiprobe.types import FloatArray, HiddenStates, LabelArray, Recipe, Site

Pair = tuple[HiddenStates, LabelArray]

# The classes that a method fits on, by its LABELS.
CLASSES = {"both": (1, 0), "normal": (0,), "none": ()}
MIN_SEGMENTS = 4  # of each class that a method fits on
# Labelled videos of each class to rely on a probe; docs/results.md measures fewer and more.
ENOUGH = 8
_FIELDS = {
    "model": "model",
    "revision": "revision",
    "prompts": "prompts",
    "segment_s": "segment length",
    "frames": "frames per segment",
    "size": "frame size",
    "unit": "unit",
}
_SITES = 64  # per block of values that are checked


@dataclass(frozen=True)
class Calibration:
    """The videos of a calibration set one after the other, read site by site: a `SiteArray`.

    `labels` (n,) are 1, 0 or -1, `groups` (n,) number the video of a segment, or the group of the
    video if it has one; copies of a video share one number. `named_groups` is how many groups have
    a name.
    """

    states: tuple[HiddenStates, ...]
    sites: tuple[Site, ...]
    labels: LabelArray
    groups: NDArray[np.int64]
    named_groups: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of segments, of sites, and of dimensions."""
        return len(self.labels), len(self.sites), self.states[0].values.shape[2]

    def __getitem__(self, key: tuple[slice, int]) -> FloatArray:
        return self.at((key[1],))[key[0], 0]

    def at(self, indices: Sequence[int], rows: NDArray[np.bool_] | None = None) -> FloatArray:
        """Return the values (n, len(indices), D) of all segments, or of `rows` (n,), at some sites.

        They are copied video by video, so that no second array of that size is in memory.
        """
        wanted = tuple(self.sites[i] for i in indices)
        used = np.ones(len(self.labels), bool) if rows is None else rows
        dtype = np.result_type(*{states.values.dtype for states in self.states})
        values = np.empty((int(used.sum()), len(wanted), self.shape[2]), dtype)
        first = place = 0
        for states in self.states:
            mine = used[first : first + len(states.starts)]
            count = int(mine.sum())
            values[place : place + count] = states.at(wanted)[mine]
            first, place = first + len(mine), place + count
        return values

    def names(self, indices: Sequence[int]) -> list[str]:
        """Return the names of the sites at `indices`."""
        return [str(self.sites[i]) for i in indices]

    def smoothed(self, raw: NDArray[np.float64], settings: Localization) -> NDArray[np.float64]:
        """Smooth scores (n,) as `settings` say: each video, with all segments, labelled or not."""
        parts = np.split(raw, np.cumsum([len(s.starts) for s in self.states])[:-1])
        return np.concatenate(
            [
                smooth(part, settings, contiguous_runs(s.starts, s.ends, s.gaps))
                for s, part in zip(self.states, parts, strict=True)
            ]
        )


def difference(one: Recipe, other: Recipe) -> str:
    """Describe the fields in which two recipes differ, in words."""
    a, b = asdict(one), asdict(other)
    return "; ".join(
        f"{word} {a[key]!r}, not {b[key]!r}" for key, word in _FIELDS.items() if a[key] != b[key]
    )


def calibration_set(
    how: Method, pairs: Sequence[Pair], sites: Sequence[Site] | None
) -> Calibration:
    """Join `pairs` of states and labels into the calibration set of the method `how`.

    Its sites are `sites`, or those that the method selects from. Raises the errors that
    `hiprobe.probe.fit` names.
    """
    if not pairs:
        raise LabelError(
            "there is no video to fit on",
            cure="give at least one video with labels; a generator gives its pairs only once",
        )
    for states, labels in pairs:
        _check_recipe(states, pairs[0][0])
        _check_labels(states, labels)
    wanted = _candidates(how, pairs[0][0].sites, sites)
    for states, _ in pairs:
        for first in range(0, len(wanted), _SITES):
            checked_values(states, wanted[first : first + _SITES])
    widths = {states.values.shape[2] for states, _ in pairs}
    if len(widths) > 1:
        raise ProbeError(
            f"all states must have one width, got {sorted(widths)}",
            cure="extract all videos with one model",
        )
    return _check_enough(how, _joined(pairs, wanted))


def _joined(pairs: Sequence[Pair], sites: tuple[Site, ...]) -> Calibration:
    every = tuple(states for states, _ in pairs)
    _, group = np.unique(_group_keys(every), return_inverse=True)
    labels = np.concatenate([y for _, y in pairs]).astype(np.int8)
    groups = np.repeat(group, [len(y) for _, y in pairs])
    named = {states.group for states in every} - {None}
    return Calibration(every, sites, labels, groups, len(named))


def _group_keys(every: Sequence[HiddenStates]) -> list[str]:
    """Return the text by which the segments of each video are grouped.

    Copies of a video belong together, whether or not all of them name the group.
    """
    named: dict[str, str] = {}
    for one in every:
        if one.group is not None and named.setdefault(one.video_id, one.group) != one.group:
            raise LabelError(
                f"the same video is in the groups {named[one.video_id]!r} and {one.group!r}",
                where=f"video {one.video_id}",
                cure="give it one group",
            )
    # A group may have the name of a digest.
    return [
        f"group {named[one.video_id]}" if one.video_id in named else one.video_id for one in every
    ]


def _check_recipe(states: HiddenStates, first: HiddenStates) -> None:
    if states.recipe != first.recipe:
        raise RecipeMismatch(
            f"read with {difference(states.recipe, first.recipe)} in {first.video_id}",
            where=f"video {states.video_id}",
            cure="extract all videos with one recipe",
        )


def _check_labels(states: HiddenStates, labels: LabelArray) -> None:
    if labels.shape != states.starts.shape or not np.isin(labels, (-1, 0, 1)).all():
        raise LabelError(
            f"each of {len(states.starts)} segments needs a label 1, 0 or -1, "
            f"got shape {labels.shape} of values {np.unique(labels).tolist()[:8]}",
            where=f"video {states.video_id}",
        )


def _candidates(
    how: Method, found: Sequence[Site], sites: Sequence[Site] | None
) -> tuple[Site, ...]:
    """Return the sites to select from in a model of which the sites `found` were read.

    The states do not say how deep the model is. The smallest depth is assumed for which all sites
    that the method wants were read, from the deepest layer read to four times that; otherwise the
    deepest layer read. So a single site at five eighths of the depth reveals the depth.
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


def _check_enough(how: Method, data: Calibration) -> Calibration:
    counts = {c: int((data.labels == c).sum()) for c in (1, 0)}
    if any(counts[c] < MIN_SEGMENTS for c in CLASSES[how.LABELS]):
        need = " and ".join(
            f"{MIN_SEGMENTS} {('normal', 'anomalous')[c]}" for c in CLASSES[how.LABELS]
        )
        raise LabelError(
            f"at least {need} segments are needed, got {counts[1]} anomalous "
            f"and {counts[0]} normal ({int((data.labels < 0).sum())} left out)",
            cure="label more videos",
        )
    return data


def usable(how: Method, labels: LabelArray) -> LabelArray:
    """Return the labels, with the classes that the method does not fit on left out (-1)."""
    return np.where(np.isin(labels, CLASSES[how.LABELS]), labels, -1).astype(np.int8)


def checked_values(states: HiddenStates, sites: tuple[Site, ...]) -> FloatArray:
    """Return the values at `sites`; raises ProbeError if one is missing or a value not finite."""
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
            f"the hidden states of {counted(len(bad), 'segment')} are not finite, "
            f"the first is segment {bad[0]}",
            where=where,
            cure="extract again, in float32 if a half precision overflowed",
        )
    return values
