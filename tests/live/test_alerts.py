"""An alert is raised at once, and the offline rule ends or withdraws it: pure logic."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiprobe.errors import UsageError
from hiprobe.live.alerts import AlertLife, AlertStep, ScoredSegment
from hiprobe.localize import Localization, localize
from hiprobe.types import Event, Gap

L = 1.6
FINAL = Localization(rule="fixed", threshold=0.5)
EARLY = replace(FINAL, smoothing="causal", threshold=0.55)


def life(early: Localization = EARLY, final: Localization = FINAL) -> AlertLife:
    numbers = itertools.count(1)
    return AlertLife(early, final, L, make_id=lambda: f"a{next(numbers)}")


def watched(
    one: AlertLife, raw: Sequence[float], gaps: Sequence[int] = (), first: int = 0
) -> list[tuple[int, AlertStep]]:
    """Push scores and end the run; return each step with the segment after which it came."""
    found = []
    for place, score in enumerate(raw, first):
        steps = one.push(place * L, (place + 1) * L, score, gap=place in gaps)
        found += [(place, step) for step in steps]
    return found + [(first + len(raw), step) for step in one.end_run()]


def ended(steps: Sequence[tuple[int, AlertStep]]) -> list[tuple[float, float]]:
    return [(step.event.start, step.event.end) for _, step in steps if step.kind == "end"]


def kinds(steps: Sequence[tuple[int, AlertStep]]) -> list[tuple[int, str, str]]:
    return [(place, step.id, step.kind) for place, step in steps]


QUIET = [0.05] * 12
EVENT = [0.05, 0.95, 0.95, 0.95, 0.05]


def test_an_alert_is_raised_after_its_first_segment_and_ends_when_it_is_settled() -> None:
    steps = watched(life(), QUIET + EVENT + QUIET)
    # Segments 13 to 15 are the event; the causal score of the first is already at the threshold.
    (raised, new), (closed, end) = steps
    assert (raised, new.kind, new.provisional, new.event.start) == (13, "new", True, 13 * L)
    assert (closed, end.kind, end.provisional) == (21, "end", False)
    assert end.id == new.id
    assert (end.event.start, end.event.end) == pytest.approx((13 * L, 16 * L))


def test_what_the_offline_rule_does_not_find_is_withdrawn() -> None:
    """One high segment is enough for a low causal threshold, and not for the Gaussian."""
    early = replace(EARLY, threshold=0.4)
    (raised, new), (gone, last) = watched(life(early), [*QUIET, 0.9, *QUIET, *QUIET])
    assert (raised, new.kind, last.kind, last.id) == (12, "new", "withdrawn", new.id)
    assert gone <= 12 + 8


def test_an_alert_that_the_offline_rule_denies_is_withdrawn_while_the_causal_one_goes_on() -> None:
    """Scores between two thresholds that disagree: the alert is not left open, nor raised again."""
    early = replace(EARLY, threshold=0.3)
    steps = watched(life(early), QUIET + [0.4] * 60 + QUIET)
    assert [kind for _, _, kind in kinds(steps)] == ["new", "withdrawn"]
    assert steps[1][0] - steps[0][0] <= 8


def test_a_denied_alert_that_becomes_an_event_after_all_is_raised_again() -> None:
    early = replace(EARLY, threshold=0.3)
    steps = watched(life(early), QUIET + [0.4] * 20 + [0.9] * 4 + [0.4] * 10 + QUIET)
    assert [kind for _, _, kind in kinds(steps)] == ["new", "withdrawn", "new", "end"]


def test_an_event_that_the_causal_rule_missed_is_raised_by_the_offline_rule() -> None:
    steps = watched(life(replace(EARLY, threshold=0.99)), QUIET + EVENT + QUIET)
    assert [(s.kind, s.provisional) for _, s in steps] == [("new", False), ("end", False)]
    assert steps[0][1].id == steps[1][1].id


def test_a_second_event_gets_its_alert_before_the_first_one_is_settled() -> None:
    steps = watched(life(), [*QUIET, *EVENT, 0.05, *EVENT, *QUIET, *QUIET])
    assert [(one, kind) for _, one, kind in kinds(steps)] == [
        ("a1", "new"),
        ("a2", "new"),
        ("a1", "end"),
        ("a2", "end"),
    ]
    assert steps[1][0] < steps[2][0]


def test_the_end_of_a_run_ends_what_is_open() -> None:
    steps = watched(life(), [*QUIET, 0.95, 0.95])
    assert [kind for _, _, kind in kinds(steps)] == ["new", "end"]
    assert ended(steps)[0] == pytest.approx((12 * L, 14 * L))


def resting(cooldown_s: float) -> AlertLife:
    return AlertLife(EARLY, FINAL, L, cooldown_s)


def test_after_an_alert_another_one_is_raised_only_after_its_cooldown() -> None:
    """The second event is over before that, the third goes on until then."""
    raw = QUIET + EVENT + QUIET + EVENT + QUIET + [0.95] * 30 + QUIET
    one = resting(70.0)
    steps = watched(one, raw)
    assert [step.kind for _, step in steps] == ["new", "end", "new", "end"]
    assert one.rested == 1
    over, raised = steps[1][1].event.end, steps[2]
    assert over + 70.0 < (raised[0] + 1) * L <= over + 70.0 + L
    assert raised[1].event.start == pytest.approx((12 + 5 + 12 + 5 + 12) * L, abs=L)
    assert len(watched(resting(0.0), raw)) == 6


def test_a_cooldown_begins_when_an_event_is_over_not_when_that_is_settled() -> None:
    raw = [*QUIET, *EVENT, 0.05, *EVENT, *QUIET, *QUIET]
    assert [step.kind for _, step in watched(resting(30.0), raw)] == ["new", "end"]


def test_a_false_alarm_is_forgiven() -> None:
    one, raw = resting(60.0), QUIET + EVENT + QUIET
    assert [step.kind for _, step in watched_without_end(one, raw)] == ["new", "end"]
    one.forgive()
    assert [step.kind for _, step in watched(one, EVENT + QUIET, first=len(raw))] == ["new", "end"]


def test_an_alert_that_is_withdrawn_keeps_nothing_from_being_raised() -> None:
    one = AlertLife(replace(EARLY, threshold=0.4), FINAL, L, 600.0)
    steps = watched(one, [*QUIET, 0.9, *QUIET, *EVENT, *QUIET])
    assert [step.kind for _, step in steps] == ["new", "withdrawn", "new", "end"]


def test_events_shorter_than_the_minimum_are_not_raised() -> None:
    long = replace(FINAL, min_s=4.0)
    early = replace(EARLY, min_s=4.0)
    steps = watched(life(early, long), QUIET + EVENT + QUIET)
    assert steps[0][0] == 15  # three segments are 4.8 s
    assert watched(life(early, long), [*QUIET, 0.95, *QUIET]) == []


def test_settings_without_a_threshold_are_refused() -> None:
    with pytest.raises(UsageError, match="has no threshold"):
        AlertLife(EARLY, Localization(), L)


SCORES = st.lists(st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.55, 0.8, 1.0]), min_size=1, max_size=60)


def check_lives(steps: Sequence[AlertStep]) -> None:
    """Each alert is new, then it is over once."""
    lives: dict[str, list[str]] = {}
    for step in steps:
        lives.setdefault(step.id, []).append(step.kind)
    assert all(one in (["new", "end"], ["new", "withdrawn"]) for one in lives.values()), lives


@settings(deadline=None, max_examples=300)
@given(
    SCORES,
    st.sampled_from([0.3, 0.5, 0.55, 0.7]),
    st.sampled_from([0.0, 0.7, 1.0, 1.5]),
    st.sampled_from([0.0, 2.0, 5.0]),
    st.sampled_from([0.6, 0.9, 1.0]),
    st.sets(st.integers(1, 59), max_size=2),
)
def test_the_alerts_that_end_are_the_events_of_the_whole_video(
    raw: list[float], limit: float, sigma: float, merge_s: float, extend: float, gaps: set[int]
) -> None:
    final = replace(FINAL, sigma=sigma, merge_s=merge_s, extend=extend)
    early = replace(final, smoothing="causal", threshold=limit)
    steps = watched(life(early, final), raw, tuple(gaps))
    check_lives([step for _, step in steps])
    edges = np.arange(len(raw) + 1) * L
    lost = tuple(Gap(place * L, place * L, "lost") for place in gaps)
    _, events = localize(edges[:-1], edges[1:], np.array(raw), lost, final)
    found = [step.event for _, step in steps if step.kind == "end"]
    assert found == list(events)


@settings(deadline=None, max_examples=200)
@given(SCORES, SCORES, st.integers(0, 50), st.sampled_from([0.3, 0.55, 0.8]))
def test_a_restart_with_other_scores_keeps_every_life_whole(
    before: list[float], after: list[float], kept: int, limit: float
) -> None:
    one = life()
    steps = [step for _, step in watched_without_end(one, before)]
    rest = [ScoredSegment(i * L, (i + 1) * L, 1 - raw) for i, raw in enumerate(before)]
    run = rest[-kept:] if kept else []
    changed = replace(EARLY, threshold=limit)
    steps += one.restart(changed, FINAL, run, cut=len(run) < len(rest))
    steps += [step for _, step in watched(one, after, first=len(before))]
    check_lives(steps)
    ends = [step.event for step in steps if step.kind == "end"]
    assert all(event.start <= event.peak <= event.end for event in ends if event.peak is not None)
    assert all(first.end + L <= last.start + 1e-6 for first, last in itertools.pairwise(ends)), ends


def watched_without_end(one: AlertLife, raw: Sequence[float]) -> list[tuple[int, AlertStep]]:
    return [
        (i, step) for i, score in enumerate(raw) for step in one.push(i * L, (i + 1) * L, score)
    ]


def test_a_probe_that_sees_nothing_there_withdraws_an_open_alert() -> None:
    one = life()
    raised = watched_without_end(one, QUIET + [0.95] * 8)
    assert kinds(raised) == [(12, "a1", "new")]
    run = [ScoredSegment(i * L, (i + 1) * L, 0.05) for i in range(20)]
    steps = one.restart(EARLY, FINAL, run)
    steps += [step for _, step in watched(one, QUIET, first=20)]
    assert [(step.id, step.kind) for step in steps] == [("a1", "withdrawn")]


def test_an_open_alert_keeps_its_id_and_its_start_over_a_restart() -> None:
    one = life()
    watched_without_end(one, QUIET + [0.95] * 40)
    run = [ScoredSegment(i * L, (i + 1) * L, 0.9) for i in range(30, 52)]
    steps = one.restart(EARLY, FINAL, run, cut=True)
    steps += [step for _, step in watched(one, QUIET, first=52)]
    (end,) = steps
    assert (end.id, end.kind) == ("a1", "end")
    assert (end.event.start, end.event.end) == pytest.approx((12 * L, 52 * L))


def test_an_event_before_a_restart_gets_no_second_end() -> None:
    one = life()
    first = watched_without_end(one, QUIET + EVENT + QUIET)
    assert [step.kind for _, step in first] == ["new", "end"]
    raw = QUIET + EVENT + QUIET
    run = [ScoredSegment(i * L, (i + 1) * L, score) for i, score in enumerate(raw)]
    steps = one.restart(EARLY, FINAL, run)
    assert steps + [step for _, step in watched(one, QUIET, first=len(raw))] == []


def test_an_event_after_a_restart_begins_after_the_one_that_has_ended() -> None:
    one = life()
    watched_without_end(one, QUIET + EVENT + QUIET)
    # Another probe sees one long event there, the highest in what has ended already.
    raw = QUIET + [0.9] * 5 + [0.8] * 20
    run = [ScoredSegment(i * L, (i + 1) * L, score) for i, score in enumerate(raw)]
    steps = one.restart(EARLY, FINAL, run)
    steps += [step for _, step in watched(one, QUIET, first=len(raw))]
    ((name, end),) = [(step.id, step.event) for step in steps if step.kind == "end"]
    assert name == "a2"
    # A segment is left between them, as between any two events of one run.
    assert (end.start, end.end) == pytest.approx((17 * L, 37 * L))
    assert end.peak is not None
    assert end.start < end.peak < end.end
    assert end.score == pytest.approx(0.8, abs=0.05)


def test_alerts_tells_what_is_open() -> None:
    one = life()
    watched_without_end(one, QUIET + [0.95] * 3)
    ((name, event),) = one.alerts
    assert (name, event.start) == ("a1", pytest.approx(12 * L))
    assert isinstance(event, Event)
    one.end_run()
    assert one.alerts == []
