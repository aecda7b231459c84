"""Refuse scores that cannot be compared with the truth. Computes no metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.datasets import FrameLabels, listing
from hiprobe.errors import LabelError, VideoError, counted
from hiprobe.types import Video

if TYPE_CHECKING:
    from hiprobe.evaluation.measure import Detection

Scores = Mapping[str, NDArray[np.float64]]

CURE = "give every frame of every video one score, and read truth and scores by the same rule"


def check_scores(
    truth: Mapping[str, FrameLabels],
    scores: Scores,
    categories: Mapping[str, Sequence[str]] | None,
    failed: Mapping[str, str],
    allow_missing: bool,
) -> None:
    """Raise one LabelError that counts and names all videos that cannot be compared."""
    if not truth or (allow_missing and not truth.keys() & scores.keys()):
        raise LabelError(
            "there is no video to evaluate"
            if not truth
            else f"no scores for {counted(len(truth), 'video')}"
        )
    faults = {
        **_missing_scores(truth, scores, failed, allow_missing),
        "scored video{s} not in the truth": scores.keys() - truth.keys(),
        **_wrong_scores(truth, scores, allow_missing),
        "video{s} without a class": truth.keys() - categories.keys() if categories else (),
    }
    lines = [
        f"{len(names)} {fault.format(s='s' * (len(names) != 1))}: {listing(names)}"
        for fault, names in faults.items()
        if names
    ]
    if lines:
        raise LabelError("; ".join(lines), cure=CURE)


def _missing_scores(
    truth: Mapping[str, FrameLabels],
    scores: Scores,
    failed: Mapping[str, str],
    allow_missing: bool,
) -> dict[str, Collection[str]]:
    asked = truth.keys() | failed.keys()
    lacking = set() if allow_missing else asked - scores.keys()
    names = [f"{name} ({failed[name]})" if name in failed else name for name in lacking]
    return {f"of {counted(len(asked), 'video')} without scores": names}


def _wrong_scores(
    truth: Mapping[str, FrameLabels], scores: Scores, allow_missing: bool
) -> dict[str, Collection[str]]:
    """Return the videos with another number of frames, and those with NaN or infinite scores."""
    both = sorted(truth.keys() & scores.keys())
    odd = [name for name in both if np.shape(scores[name]) != truth[name].shape]
    wrong = np.isinf if allow_missing else lambda values: ~np.isfinite(values)
    lost = {name: count for name in both if (count := int(wrong(scores[name]).sum()))}
    frames = counted(sum(lost.values()), "frame")
    return {
        "video{s} with another number of frames": [
            f"{name} ({truth[name].size} in the truth, {np.size(scores[name])} scored)"
            for name in odd
        ],
        f"video{{s}} with scores that are not finite, {frames} in all": [
            f"{name} ({count})" for name, count in lost.items()
        ],
    }


def check_times(scores: Scores, found: Mapping[str, Detection] | None) -> None:
    """Raise LabelError for scored videos whose detection does not give the time of every frame."""
    if found is None:
        return
    odd = [
        name for name in scores if name not in found or len(found[name].times) != len(scores[name])
    ]
    if odd:
        raise LabelError(
            f"{counted(len(odd), 'scored video')} without the time of every frame: {listing(odd)}",
            cure="give one time in seconds for each scored frame",
        )


def check_apart(tests: Mapping[str, Video], fitted: Set[str], how: str) -> None:
    """Raise LabelError for test videos whose content was, or would be, used for fitting."""
    shared = [name for name, one in tests.items() if fitted and _digest(one.path) in fitted]
    if shared:
        raise LabelError(
            f"{counted(len(shared), 'test video')} with the content of videos that the probe "
            f"{how}: "
            f"{listing(shared)}",
            cure="keep training and test videos apart",
        )


def _digest(path: str) -> str | None:
    """Return the digest of a file, or None if it cannot be read: detection will report that."""
    try:
        return video.digest(path)
    except VideoError:
        return None
