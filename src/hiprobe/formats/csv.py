"""CSV: events, or all scores, as a table for spreadsheets. Knows no model and no video.

A text cell that a spreadsheet would run as a formula gets a leading apostrophe, as OWASP advises.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hiprobe.formats import VideoEvents
from hiprobe.formats._numbers import number
from hiprobe.types import Result
from hiprobe.types.tables import SCORE_COLUMNS, score_rows

suffix, one_file, needs = ".csv", True, "nothing"
Line = Mapping[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (
    "schema",
    "id",
    "video_name",
    "video_digest",
    "video_duration",
    "video_recorded",
    "start",
    "end",
    "peak_time",
    "peak_score",
    "threshold",
    "severity",
    "verification_result",
    "verification_log_odds",
    "box",
    "label",
    "explanation",
    "model_id",
    "model_revision",
    "model_sites",
    "probe",
)


def events_csv(lines: Sequence[Line]) -> str:
    """Make a header and one row per event; nested keys are joined by `_`, lists by spaces."""
    return csv_text(COLUMNS, (_flat(line) for line in lines))


def write_events(videos: Sequence[VideoEvents]) -> str:
    """Make a header and one row per event of all videos."""
    return events_csv([line for one in videos for line in one.lines])


def scores_csv(result: Result) -> str:
    """Make one row per segment and per gap, in order of time; times are in seconds.

    A gap has no scores, no source and the status `gap: reason`. Raises ValueError without scores.
    """
    scores = result.scores
    if scores is None:
        raise ValueError(f"a {result.status} result has no scores to write")
    return csv_text(SCORE_COLUMNS, score_rows(scores))


def _flat(line: Line) -> list[Any]:
    flat = dict(line)
    for key in ("video", "verification", "model"):
        flat |= {f"{key}_{name}": value for name, value in line[key].items()}
    return [
        " ".join(map(str, flat[column])) if isinstance(flat[column], list) else flat[column]
        for column in COLUMNS
    ]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Make a CSV with `header`: formulas are made harmless, numbers have 6 decimals."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: float | str | None) -> str:
    if isinstance(value, str):
        # Python before 3.13 leaves a lone CR unquoted, and a reader then ends the row there.
        line = value.replace("\r\n", "\n").replace("\r", "\n")
        return f"'{line}" if line.startswith(FORMULA) else line
    rounded = number(value)
    return "" if rounded is None else f"{rounded:.6f}"
