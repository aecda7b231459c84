"""Extract hidden states and labels of many videos. Knows no probe and no command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hiprobe import methods
from hiprobe.backbones import Backbone, ModelFacts
from hiprobe.errors import LabelError, ModelError, OutOfMemory, UsageError, VideoError
from hiprobe.labels import label_segments
from hiprobe.pipeline.copies import check_copies
from hiprobe.pipeline.reading import (
    Failed,
    Pair,
    Progress,
    Reading,
    ReadPlan,
    as_folder,
    decode_ahead,
    ignore,
    read_or_load,
)
from hiprobe.pipeline.recipe_options import recipe_for
from hiprobe.types import HiddenStates, LabelArray, Recipe, Site, Video
from hiprobe.video import parallel


def extract(
    videos: Iterable[Video],
    model: ModelFacts,
    *,
    method: str = "hiprobe",
    sites: Sequence[Site] | None = None,
    recipe: Recipe | None = None,
    store: str | Path | None = None,
    progress: Progress = ignore,
    failed: Failed | None = None,
) -> Extraction:
    """Read the hidden states and segment labels of each video, at the sites that `method` reads.

    All layers are read in one pass. Labels (segments,): 1 anomalous, 0 normal, -1 left out. A
    video that cannot be read, does not fit into memory or has an event after its end is skipped:
    `failed` gets its path and the error; without `failed` the error is raised. `recipe` is
    by default `recipe_for(method, model)`. With a `store` the result can be used several times, as
    states are then read from it; without one, only once. Raises ModelError if the model lacks what
    the method reads, and LabelError where the same content is labelled in two ways.

    >>> from hiprobe import backbones, datasets, embedded
    >>> model = backbones.load("embedded", device="cpu")
    >>> clips = list(datasets.load("folder", embedded.CLIPS))[:2]
    >>> for states, labels in extract(clips, model):
    ...     print(states.values.shape, labels.shape)
    (8, 8, 160) (8,)
    (8, 8, 160) (8,)
    """
    plan = ReadPlan(sites_for(method, model, sites), recipe or recipe_for(method, model))
    return Extraction(tuple(videos), Reading(model, as_folder(store), progress, failed), plan)


@dataclass
class Extraction:
    """The hidden states and labels of `videos`, one pair for each, read when they are asked for.

    Nothing is kept in memory: the second time the states come from the store. Without a store they
    would have to be computed again, so iterating again raises UsageError.
    """

    videos: tuple[Video, ...]
    reading: Reading
    plan: ReadPlan
    _begun: bool = field(default=False, init=False, repr=False)

    def __iter__(self) -> Iterator[Pair]:
        if self._begun and self.reading.store is None:
            raise UsageError(
                "the pairs of extract can be used once without a store, as nothing keeps them",
                cure="give extract a store, or keep the pairs with list(...)",
            )
        self._begun = True
        return extract_pairs(self.videos, self.reading, self.plan)


def extract_pairs(videos: Iterable[Video], reading: Reading, plan: ReadPlan) -> Iterator[Pair]:
    """Do what `extract` does once, with its arguments grouped."""
    videos = list(videos)
    check_copies(videos)
    for one in parallel.coming(videos, lambda one: decode_ahead(one.path, reading, plan)):
        try:
            found = read_or_load(one.path, reading, plan)
            labels = _labels(one, found)
        except (VideoError, OutOfMemory, LabelError) as error:
            if reading.failed is None:
                raise
            reading.failed(one.path, error)
            continue
        yield (found if one.group is None else replace(found, group=one.group)), labels


def sites_for(
    method: str, model: ModelFacts, sites: Sequence[Site] | None = None
) -> tuple[Site, ...]:
    """Return the sites that `method` reads, or `sites`; raises ModelError if the model has none."""
    how = methods.load(method)
    found = methods.candidates(how, model.layers, model.heads, model.head_layers, sites)
    if not found:
        raise ModelError(
            f"the model has no site that method {method} reads",
            where=model.recipe.model,
            cure="use a method that reads layers, such as hiprobe",
        )
    return found


def unread(method: str, model: Backbone, *, recipe: Recipe | None = None) -> Pair:
    """Return empty states and labels, enough to fit a method that needs no labels.

    Raises UsageError for a method that needs them.
    """
    if methods.load(method).LABELS != "none":
        raise UsageError(
            f"method {method} is fitted on labelled clips", cure="name a folder or a CSV of them"
        )
    sites, recipe, none = (
        sites_for(method, model, None),
        recipe or recipe_for(method, model),
        np.empty(0),
    )
    states = HiddenStates("", recipe, sites, none, none, model.read([], sites, recipe), 0.0)
    return states, np.empty(0, np.int8)


def _labels(one: Video, found: HiddenStates) -> LabelArray:
    """Return the labels of the segments of `one`.

    An event after its end is an error: without that event an anomalous video would count as normal.
    """
    end = max([found.duration, *(gap.end for gap in found.gaps)])
    for event in one.events or ():
        if event.start >= end:
            raise LabelError(
                f"an event starts at {event.start:g} s, but the video ends at {end:.3f} s",
                where=one.path,
                cure="times of labels are seconds, mm:ss or h:mm:ss",
            )
    return label_segments(found.starts, found.ends, one.events)
