"""Judgements as a `labels.csv` for `hiprobe fit`. Knows no page.

Everything in a row's video that is not in an event counts as normal in a fit. So a video goes in
only if it was looked at as a whole: every event of it is judged, demoted ones too, or it was judged
to be normal from start to end. The others are listed with the reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.datasets import LabelWords
from hiprobe.errors import HiProbeError, LabelError, MissingVideo
from hiprobe.formats.csv import FORMULA, csv_text
from hiprobe.review.judged_spans import (
    anomalous_spans,
    by_video,
    covered_s,
    judged_spans,
    latest_judgements,
)
from hiprobe.review.judgements import Judgement
from hiprobe.review.results import ReviewedResult, ReviewedVideo
from hiprobe.review.session import Session

COLUMNS = ("path", "label", "start", "end")
ANOMALY = "anomaly"  # the label of an event for which the model has no usable word
WHOLE = 0.99  # share of a video that has to be judged, as players and segments end a little early
Row = tuple[str, str, float | None, float | None]


@dataclass(frozen=True)
class LeftOut:
    """A video with judgements that is not in the table, and why."""

    entry: ReviewedVideo
    why: str


@dataclass(frozen=True)
class LabelTable:
    """The rows of a `labels.csv`, how many videos they are about, and the videos left out."""

    rows: tuple[Row, ...]
    anomalous: int
    normal: int
    left_out: tuple[LeftOut, ...]

    def to_csv(self) -> str:
        """Write the table; paths are relative to the folder of the videos."""
        return csv_text(COLUMNS, self.rows)


def label_table(session: Session) -> LabelTable:
    """Make the table of all judged videos; raises StoreError if the judgements cannot be read."""
    standing, rows, left_out = by_video(session.judgements.standing()), [], []
    counts, done = {True: 0, False: 0}, set[str | None]()
    for entry in session.entries():
        said = standing.get(entry.video_id or "", [])
        if not said or entry.video_id in done:
            continue  # two files with the same content are one clip
        try:
            found = _rows(session, entry, said)
            rows += found
            counts[found[0][1] != "normal"] += 1
            done.add(entry.video_id)
        except HiProbeError as error:
            left_out.append(LeftOut(entry, error.reason))
    return LabelTable(tuple(rows), counts[True], counts[False], tuple(left_out))


def _rows(session: Session, entry: ReviewedVideo, said: Sequence[Judgement]) -> list[Row]:
    """Make the rows of one video; raises a HiProbeError with the reason if it has no row."""
    shown = session.shown(entry)
    _check_looked_at(shown, said)
    path = _path(session, entry)
    spans = anomalous_spans(said)
    return [(path, _label(shown, *span), *span) for span in spans] or [(path, "normal", None, None)]


def _check_looked_at(shown: ReviewedResult, said: Sequence[Judgement]) -> None:
    latest = zip(shown.events, latest_judgements(shown.events, said), strict=True)
    open_ = [event.demoted for event, judgement in latest if judgement is None]
    if open_:
        hidden = f", {sum(open_)} of them demoted" if any(open_) else ""
        are = "event is" if len(open_) == 1 else "events are"
        raise HiProbeError(f"{len(open_)} {are} not judged{hidden}")
    missed = any(one.anomalous for _, one in judged_spans(said))
    if not shown.events and not missed and covered_s(said) < WHOLE * shown.entry.duration:
        raise HiProbeError("no event, and not judged normal from start to end")


def _path(session: Session, entry: ReviewedVideo) -> str:
    """Return the path of a video relative to the videos folder, so that a spreadsheet keeps it."""
    if session.base is None:
        several = "in several folders" if session.roots else "not known"
        raise MissingVideo(f"the folder of the videos is {several}: start with --videos")
    path = session.media.source(entry).relative_to(session.base).as_posix()
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in path):
        raise HiProbeError("its name has characters that a table cannot hold: rename it")
    # A text that a spreadsheet would run as a formula gets an apostrophe, which no path survives.
    return f"./{path}" if path.startswith((*FORMULA, " ")) else path


def _label(shown: ReviewedResult, start: float, end: float) -> str:
    """Return the model's word for what it found there, unless it might be read as normal."""
    for event in shown.events:
        word = " ".join((event.label or "").split())
        if event.start < end and start < event.end and word:
            return word if _names_an_anomaly(word) else ANOMALY
    return ANOMALY


def _names_an_anomaly(word: str) -> bool:
    try:
        return not LabelWords().is_normal(word, "")
    except LabelError:
        return False
