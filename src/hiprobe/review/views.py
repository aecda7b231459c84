"""The lists on the page: videos, events, moments, with their judgements. Knows no HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hiprobe.errors import StoreError
from hiprobe.report.heat import HeatMap, heat_map
from hiprobe.report.texts import says_normal
from hiprobe.review import results
from hiprobe.review.curve import spark
from hiprobe.review.judged_spans import by_video, latest_judgements
from hiprobe.review.judgements import Judgement
from hiprobe.review.media import preview_step
from hiprobe.review.results import ReviewedResult, ReviewedVideo
from hiprobe.review.session import Session
from hiprobe.types import Event

EACH = 20  # segments offered of one video
APART_S = 8.0  # at least, between two of them
ORDERS = ("worst", "random", "uncertain", "time")
SEGMENT_ORDERS = ("random", "uncertain")  # of segments, which are no alarms


@dataclass(frozen=True)
class Moment:
    """A span of a video to look at: an event, or a span that was judged without being one.

    Times are in seconds. `score` is None for a span that is not an event. `found` tells whether the
    score reaches the threshold. `parts` are judgements of less than half of an event, which has no
    `judgement` of its own then: it was judged at another threshold, for example. `event` is the
    event itself. `demoted` tells whether the model's own check rejected it, and no person has
    confirmed it.
    """

    entry: ReviewedVideo
    start: float
    end: float
    score: float | None
    peak: float
    label: str | None
    explanation: str | None
    judgement: Judgement | None
    found: bool
    parts: tuple[Judgement, ...] = ()
    event: Event | None = None

    @property
    def demoted(self) -> bool:
        """Whether this is a demoted event that no person has confirmed."""
        said = (self.judgement, *self.parts)
        return (
            self.event is not None
            and self.event.demoted
            and not any(one.anomalous for one in said if one)
        )

    @property
    def hidden(self) -> bool:
        """Whether it is shown on demand only: a demoted event that nobody judged."""
        return self.demoted and self.judgement is None and not self.parts

    @property
    def heat(self) -> HeatMap | None:
        """Where in the picture the score comes from, if that is known."""
        return None if self.event is None else heat_map(self.event)

    @property
    def says_normal(self) -> bool:
        """Whether the model's own words say that nothing abnormal happens."""
        return says_normal(self.label, self.explanation)

    @property
    def preview(self) -> int:
        """Number of the preview nearest to the peak."""
        return round(self.peak / preview_step(self.entry.duration))


@dataclass(frozen=True)
class Card:
    """A video in the list: time and score of its worst moment, and counts.

    `events` counts alarms, of which `judged` and `partly` were judged, `demoted` the demoted events
    that no person has confirmed. `alarm` is the highest score of an alarm. `error` says why its
    result cannot be read. `score` is None for a video without scores. `same` are the names of the
    other videos with the same content.
    """

    entry: ReviewedVideo
    peak: float = 0.0
    score: float | None = None
    events: int = 0
    demoted: int = 0
    alarm: float | None = None
    judged: int = 0
    partly: int = 0
    gaps: int = 0
    spark: str = ""
    notice: str | None = None
    error: str | None = None
    same: tuple[str, ...] = ()

    @property
    def preview(self) -> int:
        """Number of the preview nearest to the worst moment."""
        return round(self.peak / preview_step(self.entry.duration))


def cards(session: Session, name: str = "", only: str = "all") -> list[Card]:
    """List the videos whose name contains `name`.

    Those with alarms come first, by the highest score of an alarm, then the others by the score of
    their worst moment; those without scores come last. `only` is "all", "events" (with alarms),
    "open" (with an alarm that nobody judged), "demoted" (with demoted events) or "unscored"
    (failed, or with gaps).
    """
    standing = by_video(session.judgements.standing())
    shared = results.shared_content(session.entries())
    found = [
        replace(
            _card(session, entry, standing.get(entry.video_id or "", [])),
            same=results.others(entry, shared),
        )
        for entry in session.entries()
        if name.casefold() in entry.name.casefold()
    ]
    keep = {
        "all": lambda c: True,
        "events": lambda c: c.events > 0,
        "open": lambda c: c.events > c.judged,
        "demoted": lambda c: c.demoted > 0,
        "unscored": lambda c: c.score is None or c.gaps > 0,
    }[only]
    return sorted(filter(keep, found), key=_worst, reverse=True)


def _worst(card: Card) -> tuple[bool, float]:
    score = card.score if card.alarm is None else card.alarm
    return card.events > 0, -np.inf if score is None else score


def _card(session: Session, entry: ReviewedVideo, standing: Sequence[Judgement]) -> Card:
    if entry.folder is None:
        return Card(entry)
    try:
        shown = session.shown(entry)
    except StoreError as error:
        return Card(entry, error=str(error))
    if not len(shown.scores.starts):
        return Card(entry, gaps=len(shown.scores.lost))
    worst = int(np.argmax(shown.scores.smoothed))
    peak = float(shown.scores.starts[worst] + shown.scores.ends[worst]) / 2
    rows = [_event_row(entry, *pair) for pair in _judged(shown.events, standing)]
    found = [row for row in rows if not row.demoted]
    return Card(
        entry,
        peak,
        float(shown.scores.smoothed[worst]),
        len(found),
        len(rows) - len(found),
        max((row.score for row in found if row.score is not None), default=None),
        sum(row.judgement is not None for row in found),
        sum(bool(row.parts) for row in found),
        len(shown.scores.lost),
        spark(shown.scores, entry.duration),
        shown.notice,
    )


def rows(
    shown: ReviewedResult, events: Sequence[Event], standing: Sequence[Judgement]
) -> list[Moment]:
    """List events, and the spans that were judged outside of them, demoted events last.

    Both parts are in time order.
    """
    found = [_event_row(shown.entry, *one) for one in _judged(events, standing)]
    starts, ends = (
        np.array([getattr(event, side) for event in events]) for side in ("start", "end")
    )
    outside: dict[tuple[float, float], Judgement] = {}
    for judgement in standing:
        if not ((judgement.start < ends) & (starts < judgement.end)).any():
            outside[judgement.start, judgement.end] = judgement
    found += [
        Moment(shown.entry, start, end, None, (start + end) / 2, None, None, judgement, False)
        for (start, end), judgement in outside.items()
    ]
    return sorted(found, key=lambda row: (row.demoted, row.start))


def _judged(
    events: Sequence[Event], standing: Sequence[Judgement]
) -> Iterator[tuple[Event, Judgement | None, tuple[Judgement, ...]]]:
    """List events with the judgement that counts, or else with those of a part of them."""
    starts, ends = (np.array([getattr(j, side) for j in standing]) for side in ("start", "end"))
    for event, latest in zip(events, latest_judgements(events, standing), strict=True):
        touching = () if latest else np.flatnonzero((starts < event.end) & (event.start < ends))
        yield event, latest, tuple(standing[int(index)] for index in touching)


def _event_row(
    entry: ReviewedVideo, event: Event, judgement: Judgement | None, parts: tuple[Judgement, ...]
) -> Moment:
    peak = event.peak if event.peak is not None else (event.start + event.end) / 2
    return Moment(
        entry,
        event.start,
        event.end,
        event.score,
        peak,
        event.label,
        event.explanation,
        judgement,
        True,
        parts,
        event,
    )


def moments(
    session: Session,
    order: str = "worst",
    name: str = "",
    judged: str = "open",
    words: str = "any",
    *,
    demoted: bool = False,
) -> list[Moment]:
    """List spans of all videos whose name contains `name`.

    Args:
        session: the review.
        order: "worst" (events, the highest score first), "time" (events by video and time),
            "random" or "uncertain". The last two list segments that nobody judged: in an order that
            changes with the number of judgements, or the smoothed score nearest to the threshold
            first.
        name: a part of the video's name.
        judged: "any", "open" (not judged) or a kind of judgement; for events only.
        words: "any", "normal" (the model's own words say that it is normal) or "other"; for events
            only.
        demoted: also list demoted events that nobody judged, after the others if the worst come
            first.
    """
    standing = by_video(session.judgements.standing())
    shown = list(_readable(session, name))
    if order in SEGMENT_ORDERS:
        rng = np.random.default_rng(sum(map(len, standing.values()))) if order == "random" else None
        near = [
            pair
            for one in shown
            for pair in _segments(one, standing.get(one.entry.video_id or "", []), rng)
        ]
        return [row for _, row in sorted(near, key=lambda pair: pair[0])]
    found = [
        row
        for one in shown
        for row in rows(one, one.events, standing.get(one.entry.video_id or "", []))
        if _fits(row, judged)
        and (demoted or not row.hidden)
        and (words == "any" or row.says_normal == (words == "normal"))
    ]
    return (
        found
        if order == "time"
        else sorted(
            found, key=lambda row: (row.demoted, np.inf if row.score is None else -row.score)
        )
    )


def _readable(session: Session, name: str) -> Iterator[ReviewedResult]:
    """List the results that can be read; the list of videos shows the others, see `Card.error`."""
    for entry in session.entries():
        if entry.folder is not None and name.casefold() in entry.name.casefold():
            with suppress(StoreError):
                yield session.shown(entry)


def _fits(row: Moment, judged: str) -> bool:
    if judged == "open":
        return row.judgement is None
    return judged == "any" or (row.judgement is not None and row.judgement.kind == judged)


def _segments(
    shown: ReviewedResult,
    standing: Sequence[Judgement],
    rng: np.random.Generator | None,
) -> Iterator[tuple[float, Moment]]:
    """List segments to judge, with the number that orders them."""
    scores = shown.scores
    distance = (
        np.abs(scores.smoothed - scores.threshold)
        if rng is None
        else rng.random(len(scores.starts))
    )
    taken: list[float] = []
    for index in np.argsort(distance, kind="stable"):
        start, end = float(scores.starts[index]), float(scores.ends[index])
        if len(taken) == EACH or not np.isfinite(distance[index]):
            return
        if (
            any(abs(start - other) < APART_S for other in taken)
            or latest_judgements([Event(start, end)], standing)[0]
        ):
            continue
        taken.append(start)
        row = Moment(
            shown.entry,
            start,
            end,
            float(scores.smoothed[index]),
            (start + end) / 2,
            None,
            None,
            None,
            bool(scores.smoothed[index] >= scores.threshold[index]),
        )
        yield float(distance[index]), row
