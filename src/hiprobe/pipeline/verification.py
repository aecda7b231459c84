"""Check detected events by asking the same frozen model. Knows no threshold of scores.

No text is generated: the log-odds of yes against no are read at the event's peak segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hiprobe.backbones import ModelFacts
from hiprobe.pipeline.reading import ReadPlan
from hiprobe.pipeline.window_states import VideoWindows
from hiprobe.probe import VerificationRule
from hiprobe.probe.verification_rule import QUESTION, yes_over_no
from hiprobe.store import Window
from hiprobe.types import Event, Recipe, Scores, Site, Verification


def answer_plan(model: ModelFacts, recipe: Recipe, question: str = QUESTION) -> ReadPlan:
    """Return how to read the model's yes and no to `question` about each segment."""
    asked = replace(recipe, prompts=(question,), unit="segment")
    return ReadPlan((Site("logit", model.layers - 1),), asked)


def check_events(
    events: Sequence[Event],
    scores: Scores,
    rule: VerificationRule,
    windows: VideoWindows,
    recipe: Recipe,
) -> tuple[tuple[Event, ...], int]:
    """Return the events with the model's answer, and how many windows it was asked about.

    A rejected event gets severity low. Raises the errors of `VideoWindows.states`.
    """
    asked = [peak_windows(event, scores, rule.segments) for event in events]
    every = sorted({window for some in asked for window in some})
    if not every:
        return tuple(events), 0
    states = windows.states(answer_plan(windows.reading.model, recipe, rule.question), every)
    odds = dict(zip(every, yes_over_no(states.values[:, 0]).tolist(), strict=True))
    answers = [float(np.mean([odds[window] for window in some])) for some in asked]
    checked = map(with_answer, events, map(rule.check, answers))
    return tuple(checked), len(every)


def peak_windows(event: Event, scores: Scores, most: int = 1) -> list[Window]:
    """Return the windows of the video's grid to ask about: that of the peak, and its neighbours.

    At most `most`, the nearest to the peak first; neighbours only if their middle is in the event.
    """
    assert event.peak is not None
    centres = (scores.starts + scores.ends) / 2
    peak = max(int(np.searchsorted(scores.starts, event.peak, side="right")) - 1, 0)
    inside = (centres >= event.start) & (centres <= event.end)
    inside[peak] = True
    far = np.where(inside, np.abs(np.arange(len(centres)) - peak), np.inf)
    nearest = [int(i) for i in np.argsort(far, kind="stable")[:most] if inside[i]]
    return [(float(scores.starts[i]), float(scores.ends[i])) for i in nearest]


def with_answer(event: Event, answer: Verification) -> Event:
    """Return the event with the model's answer; a rejected one is demoted."""
    severity = "low" if answer.result == "rejected" else event.severity
    return replace(event, verification=answer, severity=severity)


def are_checked(events: Sequence[Event]) -> bool:
    """Tell whether the model was asked about every event."""
    return all(event.verification.log_odds is not None for event in events)
