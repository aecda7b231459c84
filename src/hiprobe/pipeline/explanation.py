"""Let the model that was read describe an event in words. Knows no probe and no score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe import video
from hiprobe.backbones import Backbone
from hiprobe.types import Event, Recipe

MAX_TOKENS = 96
DEADLINE_S = 60.0


def explain(
    path: str | Path,
    model: Backbone,
    event: Event,
    *,
    prompt: str | None = None,
    recipe: Recipe | None = None,
    max_tokens: int = MAX_TOKENS,
    deadline_s: float = DEADLINE_S,
) -> tuple[str, bool | None]:
    """Return the model's words about one event, and whether they call it abnormal.

    The second value is None if the words say neither. The model sees the event's own frames, at
    most `model.explain_span_s` seconds of them around its peak.

    >>> from hiprobe import backbones, embedded
    >>> model = backbones.load("embedded", device="cpu")
    >>> text, abnormal = explain(embedded.VIDEO, model, Event(6.2, 11.6))
    >>> text.split(",")[0], abnormal
    ('fight', True)
    """
    recipe = recipe or model.recipe
    start, end = shown_span(event, model.explain_span_s)
    clip = video.span(path, start, end, recipe.frames, recipe.size)
    return model.explain(clip, prompt or model.explain_prompt, max_tokens, deadline_s)


@dataclass(frozen=True)
class ExplainLimits:
    """The longest answer, in tokens, and the longest time to give it, in seconds."""

    max_tokens: int = MAX_TOKENS
    deadline_s: float = DEADLINE_S


def explained(
    path: str | Path, model: Backbone, recipe: Recipe, event: Event, limits: ExplainLimits
) -> Event:
    """Return the event with the model's words about it."""
    text, _abnormal = explain(path, model, event, recipe=recipe, **vars(limits))
    return replace(event, explanation=text)


def wants_words(event: Event) -> bool:
    """Tell whether the model has to explain an event: it has not yet, and it is no demoted one."""
    return event.explanation is None and not event.demoted


def shown_span(event: Event, longest: float | None) -> tuple[float, float]:
    """Return the part of an event to show: all, or `longest` seconds of it around its peak.

    >>> shown_span(Event(0.0, 9.0, peak=2.0), 3.0)
    (0.5, 3.5)
    """
    if longest is None or event.end - event.start <= longest:
        return event.start, event.end
    middle = event.peak if event.peak is not None else (event.start + event.end) / 2
    start = min(max(middle - longest / 2, event.start), event.end - longest)
    return start, start + longest
