"""What one sink is sent of an alert, by its settings."""

from __future__ import annotations

from typing import Any

import pytest

from hiprobe.errors import UsageError
from hiprobe.live.routing import Knows, Line, decide, release
from hiprobe.sinks import SinkSettings

PHONE = SinkSettings(types=("new",), min_severity="medium", wait="verified")
EVERYTHING = SinkSettings()
IMPORTANT = SinkSettings(min_severity="high")


def message(
    kind: str,
    sequence: int,
    result: str = "not_checked",
    severity: str = "medium",
    words: str | None = None,
) -> dict[str, Any]:
    return {
        "explanation": words,
        "type": kind,
        "sequence": sequence,
        "severity": severity,
        "verification": {"result": result},
    }


NEW, UPDATE = message("new", 1), message("update", 2)
CHECKED = message("update", 3, "confirmed")
CONFIRMED = message("update", 3, "confirmed", words="a fall")
REJECTED = message("update", 3, "rejected", "low")
END, WITHDRAWN = message("end", 4, "confirmed"), message("withdrawn", 4)


def sent(settings: SinkSettings, *lines: Line, patient: bool = True) -> list[tuple[str, int]]:
    """The type and number of what a route sends for these messages.

    If it is not `patient`, the time to wait is over after each.
    """
    knows: Knows = "unseen"
    held: Line | None = None
    found: list[Line] = []
    for line in lines:
        made = decide(settings, knows, line, held)
        held = made.hold
        if held is not None and not patient:
            made, held = release(settings, held), None
        found += made.send
        knows = "told" if found else "held" if held is not None else "unseen"
    return [(one["type"], one["sequence"]) for one in found]


def test_a_sink_without_settings_gets_everything_as_it_is() -> None:
    assert sent(EVERYTHING, NEW, UPDATE, CONFIRMED, END) == [
        ("new", 1),
        ("update", 2),
        ("update", 3),
        ("end", 4),
    ]
    assert sent(EVERYTHING, NEW, REJECTED, WITHDRAWN)[-1] == ("withdrawn", 4)


def test_a_phone_gets_one_message_after_the_check() -> None:
    assert sent(PHONE, NEW, UPDATE) == []
    assert sent(PHONE, NEW, UPDATE, CONFIRMED, END) == [("new", 1)]
    assert sent(PHONE, NEW, message("update", 2, "unsure", words="a fall")) == [("new", 1)]


def test_a_phone_gets_the_explanation_in_its_one_message_if_that_comes_in_time() -> None:
    made = decide(PHONE, "held", CHECKED, NEW)
    assert (made.send, made.within_s) == ((), PHONE.explain_s)
    made = decide(PHONE, "held", CONFIRMED, made.hold)
    assert [(one["type"], one["explanation"]) for one in made.send] == [("new", "a fall")]
    assert sent(PHONE, NEW, CHECKED, patient=False) == [("new", 1)]
    hasty = PHONE.changed({"explain_s": 0})
    assert sent(hasty, NEW, CHECKED) == [("new", 1)]
    assert decide(PHONE, "unseen", NEW).within_s == PHONE.wait_s


def test_a_phone_gets_none_that_is_rejected_or_withdrawn() -> None:
    assert sent(PHONE, NEW, REJECTED, message("end", 4, "rejected", "low")) == []
    assert sent(PHONE, NEW, WITHDRAWN) == []


def test_an_end_without_a_check_is_waited_for_no_longer() -> None:
    assert sent(PHONE, NEW, message("end", 2)) == [("new", 1)]


def test_the_message_after_the_check_holds_the_newest_state() -> None:
    held = decide(PHONE, "held", UPDATE | {"snapshot": "a.jpg"}, NEW).hold
    assert held is not None
    assert (held["type"], held["sequence"], held["snapshot"]) == ("new", 1, "a.jpg")
    released = decide(PHONE, "held", CONFIRMED | {"snapshot": "b.jpg"}, held).send
    assert [one["snapshot"] for one in released] == ["b.jpg"]
    assert released[0]["verification"] == {"result": "confirmed"}


def test_once_the_time_to_wait_is_over_an_alert_is_sent_unchecked() -> None:
    assert sent(PHONE, NEW, patient=False) == [("new", 1)]
    assert sent(PHONE, message("new", 1, severity="low"), patient=False) == []


def test_an_alert_that_waits_for_its_check_until_its_end_is_new_and_over() -> None:
    waits = SinkSettings(wait="verified")
    assert sent(waits, NEW, UPDATE, END) == [("new", 1), ("end", 4)]


def test_an_alert_that_becomes_important_is_new_then() -> None:
    grave = message("update", 3, severity="high")
    assert sent(IMPORTANT, NEW, UPDATE, grave, END) == [("new", 3), ("end", 4)]
    ends = message("end", 2, severity="high")
    assert sent(IMPORTANT, NEW, ends) == [("new", 1), ("end", 2)]


def test_who_was_told_of_an_alert_learns_that_it_became_unimportant() -> None:
    grave = message("new", 1, severity="high")
    assert sent(IMPORTANT, grave, REJECTED, WITHDRAWN) == [
        ("new", 1),
        ("update", 3),
        ("withdrawn", 4),
    ]


def test_a_sink_of_ends_alone_gets_ends_alone() -> None:
    ends = SinkSettings(types=("end",))
    assert sent(ends, NEW, CONFIRMED, END) == [("end", 4)]
    assert sent(ends, NEW, WITHDRAWN) == []
    assert sent(SinkSettings(types=("withdrawn",)), NEW, WITHDRAWN) == [("withdrawn", 4)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"types": ["new", "old"]}, "types of a sink must be one or more of new, update"),
        ({"types": []}, "types of a sink"),
        ({"types": "new"}, "types of a sink must be a list, got new"),
        ({"min_severity": "urgent"}, "min_severity of a sink must be one of low, medium, high"),
        ({"wait": "confirmed"}, "wait of a sink must be one of verified, none, got confirmed"),
        ({"wait_s": -1}, "wait_s of a sink must be a number of seconds from 0 to 3600, got -1"),
        ({"wait_s": True}, "wait_s"),
        ({"wait_s": "30"}, "wait_s"),
        ({"severity": "low"}, "a sink has no setting 'severity'; use types, min_severity, wait"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        SinkSettings().changed(given)
