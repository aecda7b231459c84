"""Score test videos by the controls of a probe, and compare the probe with them.

A control needs no model; its scorer was fitted on the clips of the probe. Knows no files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiprobe.evaluation.bootstrap import Bootstrap
from hiprobe.localize import localize
from hiprobe.metrics import Pair, Ranking, central_interval, draw_videos, frame_auc
from hiprobe.probe import Probe
from hiprobe.probe.controls import WORDS, control_scorers, of_video
from hiprobe.types import HiddenStates, Scores

Array = NDArray[np.float64]
Interval = tuple[float, float]
ALL = "control: all controls"


@dataclass
class VideoControls:
    """What is known of test videos without a model, filled one video at a time.

    `scores` holds frame scores (frames,) by control and video, `attributes` numbers (frames,) by
    attribute and video; a codec is the number of its name in `codecs`.
    """

    scores: dict[str, dict[str, Array]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Array]] = field(default_factory=dict)
    codecs: list[str] = field(default_factory=list)

    def add(self, name: str, states: HiddenStates, probe: Probe, times: Array) -> None:
        """Add a video whose frames are shown at `times` (frames,), if its controls are known.

        Raises ProbeError for a probe whose controls are not valid.
        """
        if states.controls is None:
            return
        for control, scorer in control_scorers(probe.provenance).items():
            raw = scorer.score(states)
            scores, _ = localize(states.starts, states.ends, raw, states.gaps, probe.localization)
            row = f"control: {WORDS.get(control, control)}"
            self.scores.setdefault(row, {})[name] = scores.at(times)
        for attribute, values in self._attributes(states, times):
            self.attributes.setdefault(attribute, {})[name] = values

    def whole(self, names: Collection[str]) -> dict[str, dict[str, Array]]:
        """Return the scores of the controls that are known of all videos of these names."""
        return {row: held for row, held in self.scores.items() if held.keys() >= set(names)}

    def _attributes(self, states: HiddenStates, times: Array) -> Iterator[tuple[str, Array]]:
        known = states.controls
        assert known is not None
        light = known.brightness
        shown = Scores(states.starts, states.ends, light, light, light, states.gaps)
        if known.facts.codec not in self.codecs:
            self.codecs.append(known.facts.codec)
        numbers = of_video(known, states.duration)
        numbers["codec"] = float(self.codecs.index(known.facts.codec))
        yield "brightness", shown.at(times)
        for name in ("resolution", "bytes_per_second", "codec"):
            yield name, np.full(len(times), numbers[name])


@dataclass(frozen=True)
class ControlGap:
    """The ROC-AUC of the scores less that of all controls, with its 95 % interval over videos."""

    value: float
    interval: Interval | None

    def finding(self) -> str | None:
        """Return a sentence if the controls do as well; None if they do not."""
        if (self.value if self.interval is None else self.interval[0]) > 0:
            return None
        return (
            "The controls, which need no model, rank these frames as well as the probe, as far as "
            "these videos can tell: the probe has not shown that it is worth anything on them."
        )


def control_gap(
    pairs: Mapping[str, Pair], control: Mapping[str, Pair], drawn: Bootstrap
) -> ControlGap:
    """Compare the scores with all controls on the same frames and the same draws of videos."""
    one, other = list(pairs.values()), list(control.values())
    value = frame_auc(one) - frame_auc(other)
    if not drawn.draws or not drawn.can(pairs):
        return ControlGap(value, None)
    draws = draw_videos(len(one), **drawn.of(pairs))
    gaps = Ranking(one).drawn(draws)[0] - Ranking(other).drawn(draws)[0]
    return ControlGap(value, central_interval(gaps, 0.95))
