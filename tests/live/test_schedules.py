"""Schedules: days, times, midnight and time zones; what never applies is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.live.schedules import DAYS, Schedule, TimeSpan

MONDAY = datetime(2025, 12, 1, tzinfo=UTC)


def applies(texts: list[str], day: int, hour: float) -> bool:
    moment = MONDAY + timedelta(days=day, hours=hour)
    return Schedule.parse(texts, UTC).applies(moment.timestamp())


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    night = ["mon-fri 22:00-06:00"]
    assert [applies(night, 0, hour) for hour in (21.99, 22, 23.99)] == [False, True, True]
    assert applies(night, 5, 5.9)  # Saturday morning, of Friday
    assert not applies(night, 5, 6)
    assert not applies(night, 5, 23)
    assert not applies(night, 0, 5)  # Monday morning, of Sunday


def test_days_and_whole_days() -> None:
    assert [applies(["sat,sun"], day, 12) for day in range(7)] == [False] * 5 + [True] * 2
    assert [applies(["fri-mon"], day, 12) for day in range(7)] == [True, *[False] * 3, *[True] * 3]
    assert all(applies(["08:00-18:00"], day, 8) for day in range(7))
    assert all(applies(["daily 00:00-24:00"], day, 23.999) for day in range(7))
    assert applies(["mon 08:00-09:00", "tue 10:00-11:00"], 1, 10.5)


def test_without_spans_it_always_applies() -> None:
    assert Schedule().applies(0.0)


def test_the_time_zone_counts() -> None:
    noon = Schedule.parse(["12:00-13:00"], ZoneInfo("Asia/Tokyo"))
    assert noon.applies((MONDAY + timedelta(hours=3.5)).timestamp())
    assert not noon.applies((MONDAY + timedelta(hours=12.5)).timestamp())


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["22:00-22:00"], "it never applies"),
        (["mon 00:00-00:00"], "it never applies"),
        ([], "it never applies"),
        (["25:00-26:00"], "from 00:00 to 24:00"),
        (["24:00-06:00"], "from 00:00 to 24:00"),
        (["08:60-09:00"], "from 00:00 to 24:00"),
        (["weekdays 08:00-09:00"], "a day must be one of mon, tue"),
        (["mon-funday"], "a day must be one of"),
        (["mon tue 08:00-09:00"], "it must be like"),
        ([""], "it must be like"),
        (["8-18"], "a day must be one of"),
    ],
)
def test_wrong_spans_are_refused(texts: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Schedule.parse(texts)


@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.integers(0, 6),
    st.integers(0, 1439),
)
def test_a_span_holds_as_many_minutes_as_it_is_long(
    days: set[int], start: int, end: int, day: int, minute: int
) -> None:
    if start == end:
        return
    text = f"{','.join(DAYS[one] for one in days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    span = TimeSpan.parse(text)
    length = (end - start) % 1440 or 1440
    begins = [one * 1440 + start for one in days]
    at = day * 1440 + minute
    assert span.holds(day, minute) == any((at - begin) % (7 * 1440) < length for begin in begins)
