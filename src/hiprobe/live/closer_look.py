"""Look at an event more closely: check it, find its boundaries, explain it, and say where it is.

As `detect` does, but of frames that are kept instead of a file, and in small steps, so that the
next segments need not wait. Knows no camera and no message.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hiprobe.backbones import Backbone
from hiprobe.live.open_frames import OpenFrames
from hiprobe.live.track import View
from hiprobe.localize import Localization
from hiprobe.pipeline.explanation import shown_span
from hiprobe.pipeline.reading import Reading, ReadPlan
from hiprobe.pipeline.refinement import apart, refined_events, windows_to_refine
from hiprobe.pipeline.verification import answer_plan, check_events, peak_windows
from hiprobe.pipeline.where import mapped, with_parts_hidden
from hiprobe.pipeline.window_states import VideoWindows, states_of
from hiprobe.probe import Probe
from hiprobe.store import Window
from hiprobe.types import Event, FloatArray, HiddenStates

Steps = Generator[Event | None, None, Event]  # may also give what is found out in between


@dataclass(frozen=True)
class LookOptions:
    """What is asked of the model about an alert.

    Segments wait during an explanation, so it ends after `deadline_s` seconds.
    """

    verify: bool = True
    explain: bool = True
    where: bool = True
    max_tokens: int = 96
    deadline_s: float = 8.0


@dataclass(frozen=True)
class OpenWindows(VideoWindows):
    """Windows of frames that are kept; each is read once."""

    frames: OpenFrames = field(default_factory=OpenFrames)
    known: dict[tuple[ReadPlan, Window], FloatArray] = field(default_factory=dict)

    def states(self, plan: ReadPlan, windows: Sequence[Window]) -> HiddenStates:
        """Return the states of `windows` in their order; raises LookupError without frames."""
        return states_of(self.video_id, plan, {one: self.value(plan, one) for one in windows})

    def value(self, plan: ReadPlan, window: Window) -> FloatArray:
        """Return the states (sites, width) of one window."""
        if (plan, window) not in self.known:
            shown = self.frames.window(*window, plan.recipe.frames)
            model = self.reading.backbone(self.path)
            self.known[plan, window] = model.read([shown], plan.sites, plan.recipe)[0]
        return self.known[plan, window]


class CloserLook:
    """Looks at one event of a camera by what is known around it.

    The methods are generators, which pause after each pass of the model and return the event. They
    raise the errors of the model, and LookupError if frames are missing.
    """

    def __init__(
        self,
        model: Backbone,
        probe: Probe,
        settings: Localization,
        view: View,
        options: LookOptions,
    ) -> None:
        self._model, self._probe, self._settings = model, probe, settings
        self._view, self._options = view, options
        self._windows = OpenWindows("", "", Reading(model), view.frames)

    def check(self, event: Event) -> Steps:
        """Ask the model about the event; one that it rejects gets severity low."""
        rule = self._probe.verification
        if rule is None or not self._options.verify:
            return event
        rule, scores = rule.at(self._settings.confirm), self._view.scores
        plan = answer_plan(self._model, self._probe.recipe, rule.question)
        for window in peak_windows(event, scores, rule.segments):
            self._windows.value(plan, window)
            yield None
        again = replace(event, severity="medium")
        ((checked,), _) = check_events([again], scores, rule, self._windows, self._probe.recipe)
        return checked

    def refine(self, event: Event) -> Steps:
        """Find the boundaries of an event that is over, unless segments near it were dropped."""
        if not self._settings.refine or not self._view.whole:
            return event
        # Those before it are only in the way here: they were refined in their time.
        earlier = [replace(one, severity="low") for one in self._view.earlier]
        events, scores = [*earlier, event], self._view.scores
        wanted = windows_to_refine(events, scores)
        if not all(self._view.frames.covers(*one) for one in wanted):
            return event
        plan = ReadPlan(self._probe.sites, self._probe.recipe)
        for window in wanted:
            self._windows.value(plan, window)
            yield None
        raw = self._probe.score(self._windows.states(plan, wanted)).tolist() if wanted else []
        extra = dict(zip(wanted, raw, strict=True))
        refined = refined_events(events, scores, self._settings, extra)[-1]
        before = self._view.before
        return refined if before is None else apart([before, refined])[-1]

    def describe(self, event: Event, known: Event) -> Steps:
        """Let the model explain the event, and find where it is; a demoted one gets neither.

        What is `known` of an event is kept if the model would be shown the same.
        """
        if event.demoted:
            return replace(event, explanation=None, box=None, heat=None)
        event = yield from self._explain(event, known)
        return (yield from self._locate(event, known))

    def _explain(self, event: Event, known: Event) -> Steps:
        if not self._options.explain:
            return event
        span = shown_span(event, self._model.explain_span_s)
        if known.explanation and shown_span(known, self._model.explain_span_s) == span:
            return replace(event, explanation=known.explanation)
        clip = self._view.frames.window(*span, self._probe.recipe.frames)
        limits = (self._options.max_tokens, self._options.deadline_s)
        text, _ = self._model.explain(clip, self._model.explain_prompt, *limits)
        yield None
        return replace(event, explanation=text)

    def _locate(self, event: Event, known: Event) -> Steps:
        if not self._options.where:
            return event
        if known.heat is not None and known.peak == event.peak:
            return replace(event, heat=known.heat, box=known.box)
        probe, values = self._probe, list[FloatArray]()
        (window,) = peak_windows(event, self._view.scores)
        parts = with_parts_hidden(self._view.frames.window(*window, probe.recipe.frames))
        for first in range(0, len(parts), self._model.batch):
            some = parts[first : first + self._model.batch]
            values.append(self._model.read(some, probe.sites, probe.recipe))
            yield None
        return mapped(event, np.concatenate(values), probe)
