"""Tell whether the scores of normal frames depend on how a video was made. Arrays only.

A detector that gives higher scores to bright, small or heavily compressed videos finds these and
not anomalies, which the ROC-AUC alone does not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.evaluation.controls import VideoControls
from hiprobe.metrics import auc_interval, frame_auc
from hiprobe.probe.controls import WORDS

Array = NDArray[np.float64]
Interval = tuple[float, float]
ATTRIBUTES = ("resolution", "brightness", "bytes_per_second", "codec")


@dataclass(frozen=True)
class NormalSplit:
    """How well the scores separate two groups of normal frames, which they should not.

    `groups` describes the two, `frames` and `videos` count them. `auc` is the ROC-AUC with the
    second group as the positive one: 0.5 if the scores do not depend on the attribute. It is None,
    and there are no groups, if all frames are equal in it.

    >>> NormalSplit("resolution").cells()
    ['resolution', 'all equal', '', '', '']
    """

    attribute: str
    groups: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    videos: tuple[int, ...] = ()
    auc: float | None = None
    interval: Interval | None = None

    def cells(self) -> list[str]:
        """Return the attribute, the groups, and how many frames and videos they have, as text."""
        if self.auc is None:
            return [self.attribute, "all equal", "", "", ""]
        counts = (" and ".join(f"{n:,}" for n in each) for each in (self.frames, self.videos))
        return [self.attribute, *self.groups, *counts]


def normal_splits(
    normal: Mapping[str, NDArray[np.bool_]],
    scores: Mapping[str, Array],
    known: VideoControls,
    drawn: Bootstrap,
) -> tuple[NormalSplit, ...]:
    """Split the normal frames of all videos by each attribute that is known.

    `normal` (frames,) says which frames of a video are normal and have a score. Frames are split at
    the median, or by codec into the usual one and the others.
    """
    found = []
    for attribute in ATTRIBUTES:
        per_video = known.attributes.get(attribute, {})
        values = {
            name: per_video[name][normal[name]]
            for name in sorted(per_video)
            if name in normal and normal[name].any()
        }
        if values:
            own = {name: scores[name][normal[name]] for name in values}
            found.append(_split(attribute, values, own, known.codecs, drawn))
    return tuple(found)


def _split(
    attribute: str,
    values: Mapping[str, Array],
    scores: Mapping[str, Array],
    codecs: Sequence[str],
    drawn: Bootstrap,
) -> NormalSplit:
    """Return the split of frames by `values`, which are those of the frames of `scores`."""
    word, every = WORDS.get(attribute, attribute), np.concatenate(list(values.values()))
    if (every == every[0]).all():
        return NormalSplit(word)
    limit, groups = _by_codec(every, codecs) if attribute == "codec" else _at_median(every)
    second = {
        name: (held != limit if attribute == "codec" else held > limit).astype(np.int8)
        for name, held in values.items()
    }
    pairs = {name: (second[name], scores[name]) for name in values}
    can = drawn.draws and drawn.can(pairs)
    return NormalSplit(
        word,
        groups,
        tuple(int(sum((one == side).sum() for one in second.values())) for side in (0, 1)),
        tuple(sum(bool((one == side).any()) for one in second.values()) for side in (0, 1)),
        frame_auc(list(pairs.values())),
        auc_interval(list(pairs.values()), **drawn.of(pairs)) if can else None,
    )


def _by_codec(every: Array, codecs: Sequence[str]) -> tuple[float, tuple[str, str]]:
    """Return the number of the codec that most frames have, and the words for both groups."""
    usual = int(np.bincount(every.astype(np.int64)).argmax())
    others = sorted(codecs[int(one)] for one in np.unique(every) if one != usual)
    return float(usual), (codecs[usual], ", ".join(others))


def _at_median(every: Array) -> tuple[float, tuple[str, str]]:
    """Return the highest value of the first group, and the words for both groups.

    It is the median, or the value below it if more than half of the frames have the highest one.
    """
    limit = float(np.median(every))
    if not (every > limit).any():
        limit = float(every[every < limit].max())
    return limit, (f"at most {round(limit, 1):,.10g}", f"above {round(limit, 1):,.10g}")
