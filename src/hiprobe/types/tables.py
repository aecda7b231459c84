"""Results as tables: rows, HTML for notebooks, and data frames where pandas is installed.

Knows no file, no page and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from hiprobe.errors import UsageError, counted
from hiprobe.types.events import UNREAD, Gap

if TYPE_CHECKING:
    from pandas import DataFrame

    from hiprobe.types.events import Event
    from hiprobe.types.results import Result, Scores

SCORE_COLUMNS = ("start", "end", "raw", "smoothed", "threshold", "status", "source")
EVENT_COLUMNS = (
    *("video", "start", "end", "peak", "score", "severity"),
    *("check", "log_odds", "label", "explanation", "box"),
)
SHOWN = ("start", "end", "score", "severity", "check", "explanation")  # in a notebook


def score_rows(scores: Scores) -> list[list[Any]]:
    """Make one row of `SCORE_COLUMNS` per segment and per gap, in order of time, in seconds.

    A gap has no scores, no source and the status `gap: reason`; a window that was left out on
    purpose has the status and the source `unread`.
    """
    columns = (scores.starts, scores.ends, scores.raw, scores.smoothed, scores.threshold)
    rows: list[list[Any]] = [
        [*map(float, row), "scored", source]
        for *row, source in zip(*columns, scores.sources, strict=True)
    ]
    rows += [[gap.start, gap.end, None, None, None, *_unscored(gap)] for gap in scores.gaps]
    return sorted(rows, key=lambda row: (row[0], row[1]))


def _unscored(gap: Gap) -> tuple[str, str]:
    """Return the status and the source of a span without scores."""
    return (UNREAD, UNREAD) if gap.unread else (f"gap: {' '.join(gap.reason.split())}", "")


def event_rows(name: str, events: Iterable[Event]) -> list[list[Any]]:
    """Make one row of `EVENT_COLUMNS` per event of the video `name`."""
    return [
        [
            *(name, one.start, one.end, one.peak, one.score, one.severity),
            *(one.verification.result, one.verification.log_odds),
            *(one.label, one.explanation, one.box),
        ]
        for one in events
    ]


def frame(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> DataFrame:
    """Make a data frame; raises UsageError if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            f"a data frame needs the package {error.name}", cure="pip install 'hiprobe[notebook]'"
        ) from error
    return pandas.DataFrame(list(rows), columns=list(columns))


def result_html(result: Result) -> str:
    """Make the HTML by which a notebook shows a result: a line, and a row per event."""
    alarms, demoted = counted(len(result.alarms), "event"), len(result.demoted)
    parts = [
        f"<strong>{escape(result.name)}</strong>",
        escape(result.status if result.reason is None else f"{result.status}: {result.reason}"),
        f"{result.duration:.1f} s",
        f"{alarms}, {demoted} demoted" if demoted else alarms,
    ]
    rows = [
        dict(zip(EVENT_COLUMNS, row, strict=True)) for row in event_rows(result.name, result.events)
    ]
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(row[column])}</td>" for column in SHOWN) + "</tr>"
        for row in rows
    )
    head = "".join(f"<th>{column}</th>" for column in SHOWN)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f"<div><p>{' · '.join(parts)}</p>{table}</div>"


def facts_html(facts: Mapping[str, Any]) -> str:
    """Make the HTML table by which a notebook shows named facts; an unknown one is left out."""
    rows = [
        f"<tr><th>{escape(name)}</th><td>{_cell(value)}</td></tr>"
        for name, value in facts.items()
        if value is not None
    ]
    return f"<table>{''.join(rows)}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else escape(str(value))
