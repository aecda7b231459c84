"""Find the events of a finished result again, with another threshold, smoothing or merging.

The raw scores are part of a result, so neither the video nor the model is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiprobe import localize as _localize
from hiprobe.localize import Localization
from hiprobe.types import Event, Result


def relocalized(result: Result, localization: Localization) -> Result:
    """Return the result that `detect` would have made with `localization`.

    An event keeps its label and explanation if its span and peak are the same; others have none.
    Raises ValueError for a result without scores.

    >>> import numpy as np
    >>> from hiprobe.types import Scores
    >>> edges, raw = np.arange(4) * 1.6, np.array([0.2, 0.7, 0.2])
    >>> scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(3, 0.9))
    >>> lower = Localization(sigma=0.0, rule="fixed", threshold=0.5)
    >>> found = relocalized(Result("a.mp4", "", "done", 4.8, scores), lower)
    >>> [(event.start, event.end) for event in found.events]
    [(1.6, 3.2)]
    """
    if result.scores is None:
        raise ValueError(f"a result with status {result.status!r} has no scores")
    old = result.scores
    scores, events = _localize.localize(
        old.starts, old.ends, old.raw, old.gaps, localization, old.sources
    )
    return replace(result, scores=scores, events=with_words(events, result.events))


def with_words(events: Sequence[Event], known: Sequence[Event]) -> tuple[Event, ...]:
    """Give each event the label and explanation of the known event with exactly its times."""
    words = {(one.start, one.end, one.peak): one for one in known}
    return tuple(
        event
        if (same := words.get((event.start, event.end, event.peak))) is None
        else replace(event, label=same.label, explanation=same.explanation)
        for event in events
    )


def are_explained(events: Sequence[Event]) -> bool:
    """Tell whether every event has an explanation."""
    return all(event.explanation is not None for event in events)
