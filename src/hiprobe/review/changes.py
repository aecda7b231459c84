"""What another probe would change: events that appear and vanish, and judgements that it meets.

Computed from kept hidden states, so a video without them is not compared. Knows no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hiprobe.errors import StoreError
from hiprobe.probe import Probe
from hiprobe.review.judged_spans import anomalous_spans, by_video, latest_judgements
from hiprobe.review.results import ReviewedVideo
from hiprobe.review.session import Session, score_states
from hiprobe.types import Event, HiddenStates

Judged = tuple[ReviewedVideo, HiddenStates]


@dataclass(frozen=True)
class Change:
    """An event or a judged span of a video that the other probe finds, or no longer finds."""

    entry: ReviewedVideo
    event: Event


@dataclass
class Changes:
    """The events that `appear` and `vanish`, and what happens to what was judged.

    `confirmed` counts the spans judged anomalous that the probe in use finds; `lost` are those that
    the other one would not. `missed` counts those that it does not find, `found` are those that the
    other one would. `rejected` counts the events judged false or normal, `silenced` those that the
    other one would not find. `unread` counts videos with judgements that cannot be compared.
    """

    appear: list[Change] = field(default_factory=list)
    vanish: list[Change] = field(default_factory=list)
    lost: list[Change] = field(default_factory=list)
    found: list[Change] = field(default_factory=list)
    confirmed: int = 0
    missed: int = 0
    rejected: int = 0
    silenced: int = 0
    unread: int = 0


def changes(session: Session, probe: Probe, among: Sequence[Judged] | None = None) -> Changes:
    """Compare the events of the probe in use with those of another; raises ProbeError, StoreError.

    `among` are the videos to compare with their states, by default all that have some. A span
    counts as found if an event overlaps it.
    """
    standing, made = by_video(session.judgements.standing()), Changes()
    compared = set()
    videos = session.every_state(probe) if among is None else among
    for entry, old, new in _events(session, probe, videos):
        compared.add(entry.video_id)
        made.appear += [Change(entry, event) for event in _alone(new, old)]
        made.vanish += [Change(entry, event) for event in _alone(old, new)]
        said = standing.get(str(entry.video_id), [])
        for span in anomalous_spans(said):
            _count(made, Change(entry, Event(*span)), old, new)
        for event, judgement in zip(old, latest_judgements(old, said), strict=True):
            made.rejected += (wrong := judgement is not None and not judgement.anomalous)
            made.silenced += wrong and not _touching(event, new)
    made.unread = len(standing.keys() - compared) if among is None else 0
    return made


def _events(
    session: Session, probe: Probe, videos: Iterable[Judged]
) -> Iterator[tuple[ReviewedVideo, tuple[Event, ...], tuple[Event, ...]]]:
    """List each video with its events now and with the other probe; damaged results are left out.

    The list of videos shows a damaged result.
    """
    for entry, states in videos:
        try:
            old = session.shown(entry).events
        except StoreError:
            continue
        yield entry, old, score_states(states, probe)[1]


def _count(made: Changes, span: Change, old: Sequence[Event], new: Sequence[Event]) -> None:
    """Count one span that was judged anomalous."""
    then = _touching(span.event, new)
    if _touching(span.event, old):
        made.confirmed += 1
        made.lost += [] if then else [span]
    else:
        made.missed += 1
        made.found += [span] if then else []


def _alone(some: Sequence[Event], others: Sequence[Event]) -> list[Event]:
    return [one for one in some if not _touching(one, others)]


def _touching(one: Event, others: Sequence[Event]) -> list[Event]:
    return [o for o in others if o.start < one.end and one.start < o.end]
