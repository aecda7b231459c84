"""Turn event figures and FROC curves into JSON and Markdown, each with its definition.

Formatting only: it computes no metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hiprobe.evaluation.markdown import Intervals, cell, markdown_table
from hiprobe.metrics import TIOUS

EVENT_DEFINITIONS = {
    "f1": (
        "precision, recall and F1 at temporal intersection over union (tIoU) 0.1, 0.3 and 0.5: "
        "the events of each video are matched one to one, highest tIoU first, and the matches are "
        "summed over videos (tIoU as in ActivityNet, Caba Heilbron et al., CVPR 2015; the matching "
        "is our own)"
    ),
    "delay": (
        "seconds from the start of a true event to the first alarm that overlaps it, 0 if the "
        "alarm began earlier; over the true events that an alarm overlaps. The alarm begins where "
        "its event begins; a live run settles it later (our own)"
    ),
    "false_alarms": (
        "alarms that overlap no true event, divided by the hours, or days, of all videos (our own)"
    ),
    "boundary error": (
        "median of the absolute differences, in seconds, between the starts and between the ends "
        "of the pairs that match at tIoU 0.1; the boundary error is over both together (our own)"
    ),
    "demoted": (
        "a predicted event of low severity, which the model's own check rejected; an alarm is a "
        "predicted event that was not demoted"
    ),
}
FROC_DEFINITION = (
    "free-response ROC (Chakraborty 1989): the share of true events that an alarm matches at tIoU "
    "0.1, each once, against false alarms per hour. Recall at a rate is the highest of the "
    "thresholds with at most that many false alarms per hour, without interpolation; each "
    "bootstrap draw has its own threshold"
)


@dataclass(frozen=True)
class Events:
    """How the predicted events agree with the true ones.

    `counts`, `figures` and 95 % `intervals` use the names of `metrics.EventTable`. A figure is None
    where it is undefined.

    >>> Events({"true": 2, "predicted": 0}, {"delay_mean": None}).figures["delay_mean"] is None
    True
    """

    counts: Mapping[str, float]
    figures: Mapping[str, float | None]
    intervals: Intervals = field(default_factory=dict)


@dataclass(frozen=True)
class FrocRow:
    """Recall against false alarms per hour, and how its events were found.

    `recalls` and 95 % `intervals` are by false alarms per hour, as text; a recall is None without a
    true event. `thresholds`, `recall` and `false_per_hour` are the points of the curve.

    >>> FrocRow("scores", {"1": 0.75}).recalls["1"]
    0.75
    """

    name: str
    recalls: Mapping[str, float | None]
    intervals: Intervals = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()
    recall: tuple[float, ...] = ()
    false_per_hour: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the row and its curve as JSON values."""
        return asdict(self)


# What each row of the table of events shows: its title, its name in `Events`, its digits.
_ROWS = (
    *(
        (f"{title} at tIoU {at}", f"{name}@{at}", 4)
        for at in TIOUS
        for title, name in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
    ),
    ("false alarms per hour", "false_alarms_per_hour", 2),
    ("false alarms per day", "false_alarms_per_day", 1),
    ("delay, mean (s)", "delay_mean", 2),
    ("delay, median (s)", "delay_median", 2),
    ("start error, median (s)", "start_error_median", 2),
    ("end error, median (s)", "end_error_median", 2),
    ("boundary error, median (s)", "boundary_error_median", 2),
)


def events_markdown(events: Events, with_demoted: Events | None, beside: str) -> list[str]:
    """Return a sentence with the counts and a table of the figures, `beside` what was left out."""
    blocks = {"alarms only": events}
    if with_demoted is not None:
        blocks["with demoted events"] = with_demoted
    rows = [
        [
            title,
            *(cell(one.figures[name], one.intervals.get(name), digits) for one in blocks.values()),
        ]
        for title, name, digits in _ROWS
    ]
    return [_counts(events, with_demoted, beside), markdown_table(("events", *blocks), rows)]


def _counts(events: Events, with_demoted: Events | None, beside: str) -> str:
    counts = events.counts
    true, detected, predicted, false = (
        f"{counts[name]:.0f}" for name in ("true", "detected", "predicted", "false_alarms")
    )
    text = (
        f"Events{beside}: {true} true, {detected} of them overlapped by an alarm; {predicted} "
        f"predicted, {false} of them false, in {counts['hours']:.2f} hours."
    )
    if with_demoted is None:
        return f"{text} No event was demoted."
    demoted = with_demoted.counts["predicted"] - counts["predicted"]
    more = with_demoted.counts["false_alarms"] - counts["false_alarms"]
    return f"{text} {demoted:.0f} more were demoted, {more:.0f} of them false."


def froc_markdown(rows: Sequence[FrocRow], beside: str) -> list[str]:
    """Return a table of recall at each rate of false alarms, `beside` what was left out."""
    if not rows:
        return []
    titles = ("recall at false alarms per hour", *rows[0].recalls)
    cells = [
        [
            row.name + beside,
            *(cell(value, row.intervals.get(rate)) for rate, value in row.recalls.items()),
        ]
        for row in rows
    ]
    return [markdown_table(titles, cells)]
