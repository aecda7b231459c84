"""How a detected event is checked by asking the model: the question, and what counts as yes.

Log-odds and labels only: no models and no videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.methods import likelihood
from hiprobe.probe.calibration import Pair
from hiprobe.probe.threshold import calibrate
from hiprobe.ranges import require
from hiprobe.types import Event, HiddenStates, LabelArray, Recipe, Verification

QUESTION = likelihood.PROMPTS[0]
PRIOR = 60  # anomalous segments for which the level of 0 counts
NO_LABELS = "log-odds of 0, as no labels of both classes were given"
CALIBRATED = "best F1 on the labelled segments, drawn towards 0 as they are few"
GIVEN = "given with the settings"
NOT_ASKED = "off: the model's yes and no cannot be read"
NOT_WANTED = "off, as it was asked to be"
REPEATS = "off: the method asks the same question already"
# Every text that says where a level comes from, but for those of a false-alarm rate.
SOURCES = (NO_LABELS, CALIBRATED, GIVEN, NOT_ASKED, NOT_WANTED, REPEATS)


@dataclass(frozen=True)
class VerificationRule:
    """Ask the model `question` about an event; confirm it from log-odds of `threshold` on.

    The log-odds are those of yes against no, at the event's peak segment, or their mean over up to
    `segments` segments around the peak. `source` says where the threshold comes from. Raises
    ValueError for an empty question or a number out of range.

    >>> VerificationRule(threshold=0.5).check(0.2)
    Verification(result='rejected', log_odds=0.2)
    """

    question: str = QUESTION
    threshold: float = 0.0
    source: str = NO_LABELS
    segments: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.question, str) or not self.question:
            raise ValueError(f"the question must be a text, got {self.question!r}")
        require("threshold", self.threshold, "the threshold of a verification")
        require("checked segments", self.segments)

    def check(self, log_odds: float) -> Verification:
        """Return what the log-odds say of an event."""
        return Verification("confirmed" if log_odds >= self.threshold else "rejected", log_odds)

    def at(self, level: float | None) -> VerificationRule:
        """Return the rule with another threshold; None keeps its own.

        >>> VerificationRule().at(1.5).threshold, VerificationRule().at(None).threshold
        (1.5, 0.0)
        """
        return self if level is None else replace(self, threshold=level)

    def to_json(self) -> dict[str, Any]:
        """Return the rule as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> VerificationRule:
        """Build a rule from the values of `to_json`; raises TypeError or ValueError."""
        return cls(**values)


def find_rule(
    method: str,
    recipe: Recipe,
    model: object,
    answers: Sequence[Pair] | None,
    level: float | None = None,
) -> tuple[VerificationRule | None, str]:
    """Return the rule for a probe and where its threshold is from; None and the reason without one.

    `answers` are the logits and labels of the labelled segments, if they were read; a `level` given
    is used as it is. A probe of `likelihood` has no rule: its score is the model's answer to the
    same question, so that a check would only repeat it.
    """
    if method == "likelihood" and recipe.prompts == (QUESTION,):
        return None, REPEATS
    if answers is None and not getattr(model, "answers_yes_no", False):
        return None, NOT_ASKED
    if level is not None:
        return VerificationRule(QUESTION, level, GIVEN), GIVEN
    rule = VerificationRule(QUESTION, *verification_threshold(*labelled_odds(answers or ())))
    return rule, rule.source


def labelled_odds(answers: Sequence[Pair]) -> tuple[NDArray[np.float64], LabelArray]:
    """Return the log-odds (n,) of yes against no, and the labels (n,), of all segments."""
    odds = [yes_over_no(states.values[:, 0]) for states, _ in answers]
    labels = [labels for _, labels in answers]
    return np.concatenate([np.empty(0), *odds]), np.concatenate([np.empty(0, np.int8), *labels])


def yes_over_no(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log-odds yes - no (n,) of logits (n, 2)."""
    yes, no = logits.astype(np.float64).T
    return np.asarray(yes - no)


def answered_odds(
    answers: Sequence[Pair], found: Sequence[tuple[str, Sequence[Event]]]
) -> list[float]:
    """Return the log-odds at the peak of each event of labelled videos, named by their digest.

    `answers` hold the logits of all their segments. Raises KeyError for a video without.
    """
    known = {states.video_id: states for states, _ in answers}
    return [_at_peak(known[video], event) for video, events in found for event in events]


def _at_peak(states: HiddenStates, event: Event) -> float:
    assert event.peak is not None, "a detected event has a peak"
    place = max(int(np.searchsorted(states.starts, event.peak, side="right")) - 1, 0)
    return float(yes_over_no(states.values[[place], 0])[0])


def verification_threshold(odds: NDArray[np.float64], labels: LabelArray) -> tuple[float, str]:
    """Choose the log-odds from which on an event is confirmed, and say how.

    `odds` (n,) are those of labelled segments, `labels` (n,) 1, 0 or -1 (left out). Yes and no are
    equally likely at 0, which is the threshold without labels of both classes. With labels it is
    the one with the best F1 on these segments, as `calibrate` finds it, times `n / (n + PRIOR)` for
    `n` anomalous segments: a few labels say little against 0. Nothing is fitted, so these log-odds
    are out of fold. The rule is our own.

    >>> verification_threshold(np.array([-3.0, -1.0, 1.0, 4.0]), np.array([0, 0, 1, 1], np.int8))[0]
    0.0
    """
    anomalous = int((labels == 1).sum())
    if not anomalous or not (labels == 0).any():
        return 0.0, NO_LABELS
    return calibrate(odds, labels) * anomalous / (anomalous + PRIOR), CALIBRATED
