"""Labels for hidden states that come from a file. Reads no video, only the digest of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as Kinds
from dataclasses import replace

from hiprobe import video
from hiprobe.datasets import bare_name, listing
from hiprobe.errors import LabelError, VideoError, counted
from hiprobe.labels import label_segments
from hiprobe.pipeline.reading import Pair
from hiprobe.store import GivenStates
from hiprobe.types import Video


def labelled_states(
    given: Sequence[GivenStates], clips: Sequence[Video] | None, kinds: Kinds[str]
) -> list[Pair]:
    """Return the states and labels to fit on: of `clips`, or those in the file if that is None.

    A clip means the states of its name, with or without the suffix, or of its content if the file
    states digests: of several those with the most sites. States without a site of one of `kinds`,
    such as a model's answers, or of no clip are not used. Raises LabelError if two files hold one
    name, a clip has no states, or states have no labels.
    """
    given = [one for one in given if kinds & {site.kind for site in one.states.sites}]
    names = [bare_name(one.name) for one in given]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise LabelError(
            f"videos whose states are there twice: {listing(twice)}",
            cure="give each video one name, in all files together",
        )
    if clips is None:
        return _own_labels(given)
    by_name = dict(zip(names, given, strict=True))
    fewest_first = sorted(given, key=lambda one: len(one.states.sites))
    by_content = {one.states.video_id: one for one in fewest_first}
    found = {one.name: _states_of(one, by_name, by_content) for one in clips}
    lacking = [name for name, states in found.items() if states is None]
    if lacking:
        raise LabelError(
            f"no states of {counted(len(lacking), 'labelled video')}: {listing(lacking)}",
            cure=f"name the arrays as the labels do; the states are of {listing(names)}",
        )
    return [_labelled(one, states) for one in clips if (states := found[one.name]) is not None]


def _own_labels(given: Sequence[GivenStates]) -> list[Pair]:
    lacking = [one.name for one in given if one.labels is None]
    if lacking:
        raise LabelError(
            f"without labels: {counted(len(lacking), 'video')} of {len(given)}, {listing(lacking)}",
            cure="add an array NAME/labels to the file, or name a CSV of labels",
        )
    return [(one.states, one.labels) for one in given if one.labels is not None]


def _states_of(
    clip: Video, by_name: Mapping[str, GivenStates], by_content: Mapping[str, GivenStates]
) -> GivenStates | None:
    found = by_name.get(bare_name(clip.name))
    if found is not None:
        return found
    try:
        return by_content.get(video.digest(clip.path))
    except VideoError:  # the clip need not be here
        return None


def _labelled(clip: Video, given: GivenStates) -> Pair:
    states = given.states if clip.group is None else replace(given.states, group=clip.group)
    return states, label_segments(states.starts, states.ends, clip.events)
