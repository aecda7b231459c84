"""What the browser saves as a file: all judgements, and labels for `hiprobe fit`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from hiprobe.formats import csv
from hiprobe.review.judgements import Judgement
from hiprobe.review.label_table import label_table
from hiprobe.review.rendering import HeadToo, SessionOf, render_page

COLUMNS = (
    "id",
    "batch",
    "at",
    "who",
    "name",
    "video",
    "start",
    "end",
    "kind",
    "undone_at",
    "undone_by",
)
router = APIRouter(route_class=HeadToo)


@router.get("/judgements.csv")
def judgements_csv(session: SessionOf) -> Response:
    """Send every judgement, undone ones too, as a CSV table."""
    names = session.names()
    rows = [_row(one, names.get(one.video, "")) for one in session.judgements.all()]
    return _saved(csv.csv_text(COLUMNS, rows), "judgements.csv")


@router.get("/labels.csv")
def labels_csv(session: SessionOf) -> Response:
    """Send the judged videos as labels for `hiprobe fit`."""
    return _saved(label_table(session).to_csv(), "labels.csv")


@router.get("/labels")
def labels(request: Request, session: SessionOf) -> Response:
    """Say which videos `labels.csv` holds and which it leaves out, as a part of the page."""
    folder = None if session.base is None else session.base.name
    return render_page(request, "_labels", table=label_table(session), folder=folder)


def _saved(text: str, name: str) -> Response:
    """Answer with a file; a name of a video that is not UTF-8 has question marks in it."""
    return Response(
        text.encode("utf-8", "replace"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _row(judgement: Judgement, name: str) -> list[Any]:
    numbers = {"id": str(judgement.id), "batch": str(judgement.batch)}  # without decimals
    values = {**vars(judgement), **numbers, "name": name}
    return [values[column] for column in COLUMNS]
