"""Find the events of a finished result again, with another threshold, smoothing or merging.

The raw scores are part of a result, so neither the video nor the model is needed. To refine
boundaries, the scores of more windows are needed, which a store may hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hiprobe import localize as _localize
from hiprobe.localize import Localization
from hiprobe.pipeline.explanation import wants_words
from hiprobe.pipeline.reading import ReadPlan
from hiprobe.pipeline.refinement import refined_events, windows_to_refine
from hiprobe.pipeline.verification import peak_windows, with_answer
from hiprobe.pipeline.where import with_maps
from hiprobe.pipeline.window_states import states_of
from hiprobe.probe import Probe, VerificationRule
from hiprobe.store import Window, WindowsKey, find_windows
from hiprobe.types import Event, Result, Scores

ScoresOf = Callable[[Sequence[Window]], Mapping[Window, float]]


def no_scores(windows: Sequence[Window]) -> Mapping[Window, float]:
    """Return nothing: no scores of single windows are known."""
    return {}


def relocalized(
    result: Result,
    localization: Localization,
    scores_of: ScoresOf = no_scores,
    *,
    rule: VerificationRule | None = None,
) -> Result:
    """Return the result that `detect` would have made with `localization`.

    An event keeps its label and explanation if its span and peak are the same, its map if its peak
    is the same, and the model's answer, which `rule` judges again, if it was asked about the same
    windows; others have none. `scores_of` returns the known raw scores of windows. Raises
    ValueError for a result without scores, KeyError if refining needs the score of a window that is
    not known.

    >>> import numpy as np
    >>> from hiprobe.types import Scores
    >>> edges, raw = np.arange(4) * 1.6, np.array([0.2, 0.7, 0.2])
    >>> scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(3, 0.9))
    >>> lower = Localization(sigma=0.0, rule="fixed", threshold=0.5, refine=False)
    >>> found = relocalized(Result("a.mp4", "", "done", 4.8, scores), lower)
    >>> [(event.start, event.end) for event in found.events]
    [(1.6, 3.2)]
    """
    if result.scores is None:
        raise ValueError(f"a result with status {result.status!r} has no scores")
    old, refined = result.scores, 0
    scores, events = _localize.localize(
        old.starts, old.ends, old.raw, old.gaps, localization, old.sources
    )
    rule = None if rule is None else rule.at(localization.confirm)
    events = with_answers(events, result.events, scores, rule)
    most = 1 if rule is None else rule.segments
    asked = {window for one in events for window in peak_windows(one, scores, most)}
    verified = len(asked) if _any_answer(events) else 0
    if localization.refine:
        wanted = windows_to_refine(events, scores)
        refined = len(wanted)
        events = refined_events(events, scores, localization, scores_of(wanted))
    events = with_words(with_maps(events, result.events), result.events)
    return replace(
        result,
        scores=scores,
        events=events,
        provenance={**result.provenance, "threshold_from": localization.threshold_from},
        refined=refined,
        verified=verified,
    )


def _any_answer(events: Sequence[Event]) -> bool:
    return any(event.verification.log_odds is not None for event in events)


def with_answers(
    events: Sequence[Event],
    known: Sequence[Event],
    scores: Scores,
    rule: VerificationRule | None = None,
) -> tuple[Event, ...]:
    """Give each event the answer about the known event with the same windows to ask about.

    `rule` judges the log-odds again; without one the judgement stays. If it asks about several
    segments no answer is taken over: which ones depended on the event before it was refined.
    """
    if rule is not None and rule.segments > 1:
        return tuple(events)
    answers = {
        tuple(peak_windows(one, scores)): one.verification if rule is None else rule.check(odds)
        for one in known
        if (odds := one.verification.log_odds) is not None
    }
    return tuple(
        event
        if (same := answers.get(tuple(peak_windows(event, scores)))) is None
        else with_answer(event, same)
        for event in events
    )


def with_words(events: Sequence[Event], known: Sequence[Event]) -> tuple[Event, ...]:
    """Give each event the label and explanation of the known event with exactly its times.

    A demoted event has no explanation, whatever was known.
    """
    words = {(one.start, one.end, one.peak): one for one in known}
    return tuple(
        event
        if (same := words.get((event.start, event.end, event.peak))) is None
        else replace(
            event, label=same.label, explanation=None if event.demoted else same.explanation
        )
        for event in events
    )


def are_explained(events: Sequence[Event]) -> bool:
    """Tell whether every event that wants an explanation has one."""
    return not any(wants_words(event) for event in events)


def stored_scores(store: Path, video_id: str, probe: Probe, dtype: str) -> ScoresOf:
    """Return a function that scores the windows of a video whose states `store` keeps."""
    plan = ReadPlan(tuple(probe.sites), probe.recipe)
    key = WindowsKey(video_id, plan.recipe, plan.sites, dtype)

    def scores_of(windows: Sequence[Window]) -> Mapping[Window, float]:
        kept = find_windows(store, key)
        found = {window: kept[window] for window in windows if window in kept}
        if not found:
            return {}
        raw = probe.score(states_of(video_id, plan, found))
        return dict(zip(found, raw.tolist(), strict=True))

    return scores_of
