"""Everything the browser reads: pages, parts of pages, curves, media. Changes only caches."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from hiprobe.errors import HiProbeError, MissingVideo, ProbeError
from hiprobe.probe import Probe
from hiprobe.probe.curves import saliency_curves
from hiprobe.report.curves import value_range
from hiprobe.report.texts import FITTED_ON, wall_clock
from hiprobe.review import curve, run_process, similar, views
from hiprobe.review.copies import MEDIA_TYPES
from hiprobe.review.judged_spans import count_spans
from hiprobe.review.judgements import KINDS
from hiprobe.review.media import PREVIEWS, preview_step
from hiprobe.review.rendering import HeadToo, SessionOf, render_page
from hiprobe.review.results import DIGEST, ReviewedResult, ReviewedVideo
from hiprobe.review.session import Session

PAGE = 200  # rows of a list at once
router = APIRouter(route_class=HeadToo)


def entry_of(video: str, session: SessionOf) -> ReviewedVideo:
    """Find the scored video with this digest; anything else, such as a path, is a 404."""
    entry = session.entry(video) if DIGEST.fullmatch(video) else None
    if entry is None:
        raise HTTPException(404, "no such video")
    return entry


EntryOf = Annotated[ReviewedVideo, Depends(entry_of)]


@router.get("/")
@router.get("/videos")  # the first page is that of the cameras if some are watched
def videos(
    request: Request,
    session: SessionOf,
    q: str = "",
    only: Literal["all", "events", "open", "demoted", "unscored"] = "all",
    page: int = 0,
) -> Response:
    """List the videos: those with alarms first, the worst at the top."""
    found = views.cards(session, q, only)
    first = max(0, page) * PAGE
    return render_page(
        request,
        "videos",
        cards=found[first : first + PAGE],
        total=len(found),
        first=first,
        q=q,
        only=only,
        page=max(0, page),
        size=PAGE,
        out=session.out.resolve().name,
        probe=session.probe(),
        notice=next((card.notice for card in found if card.notice), None),
    )


@router.get("/v/{video}")
def video_page(
    request: Request,
    session: SessionOf,
    entry: EntryOf,
    t: float | None = None,
    threshold: float | None = None,
    demoted: bool = False,
) -> Response:
    """Show one video: player, curve, events; demoted ones that nobody judged only on demand."""
    shown = session.shown(entry)
    probe = session.probe()
    cards = [card for card in views.cards(session) if card.score is not None]
    order = [card.entry.video_id for card in cards]
    here = order.index(entry.video_id) + 1 if entry.video_id in order else 0
    after = order[here:][:1] if here else []
    open_ = [card for card in cards[here:] + cards[: max(0, here - 1)] if card.events > card.judged]
    return render_page(
        request,
        "video",
        entry=entry,
        shown=shown,
        same=session.same_content(entry),
        t=t,
        step=preview_step(entry.duration),
        limits=value_range(np.append(shown.scores.smoothed, shown.scores.raw)),
        duration=max(entry.duration, float(shown.scores.ends.max(initial=0.1))),
        after=after[0] if after else None,
        open=open_[0].entry if open_ else None,
        probe=probe,
        old=probe is not None and shown.probe != probe.digest,
        recorded=wall_clock(shown.recorded),
        fitted_on=FITTED_ON if probe and entry.video_id in probe.fitted_videos else None,
        **event_values(session, shown, threshold, demoted),
    )


@router.get("/v/{video}/events")
def events_page(
    request: Request, session: SessionOf, entry: EntryOf, threshold: float, demoted: bool = False
) -> Response:
    """List the events at a threshold, as a part of the page."""
    values = event_values(session, session.shown(entry), threshold, demoted)
    return render_page(request, "_events", entry=entry, said="", **values)


def event_values(
    session: Session, shown: ReviewedResult, threshold: float | None, demoted: bool
) -> dict[str, Any]:
    """Collect what the list of events needs; without a threshold, at the one in use.

    Demoted events that nobody judged are listed with `demoted` only.
    """
    limits = shown.scores.threshold[np.isfinite(shown.scores.threshold)]
    in_use = float(np.median(limits)) if len(limits) else 0.5
    moved = threshold is not None and np.isfinite(threshold) and abs(threshold - in_use) > 1e-9
    found = session.events(shown, float(threshold or 0.0)) if moved else shown.events
    every = views.rows(shown, found, session.judgements.standing(str(shown.entry.video_id)))
    rows = [row for row in every if demoted or not row.hidden]
    return {
        "rows": rows,
        "demoted": demoted,
        "low": sum(row.demoted for row in every),
        "threshold": threshold if moved else in_use,
        "in_use": in_use,
        "moved": moved,
        "adaptive": bool(len(limits) and np.ptp(limits) > 1e-9),
        "version": _version(rows),
    }


def _version(rows: list[views.Moment]) -> str:
    """Hash everything that the list of events shows."""
    shown_values = [
        (row.start, row.end, row.score, row.label, row.explanation, row.found) for row in rows
    ]
    judged = [(row.judgement, row.parts, row.event) for row in rows]
    return hashlib.sha256(repr([shown_values, judged]).encode("utf-8", "replace")).hexdigest()[:16]


@router.get("/v/{video}/curve.json")
def curve_points(
    session: SessionOf, entry: EntryOf, start: float = 0.0, end: float = 1e12
) -> Response:
    """Return the curve from `start` to `end` seconds, thinned to what a screen can show."""
    return JSONResponse(curve.points(session.shown(entry).scores, start, end))


@router.get("/v/{video}/player")
def player(request: Request, session: SessionOf, entry: EntryOf) -> Response:
    """Show the player, or why there is none, or that a copy is being made."""
    try:
        ready, trouble = session.media.playable(entry) is not None, None
    except HiProbeError as error:
        ready, trouble = False, str(error)
    return render_page(request, "_player", entry=entry, ready=ready, trouble=trouble)


@router.get("/media/{video}")
def media(session: SessionOf, entry: EntryOf) -> Response:
    """Send the bytes of a video, or a range of them."""
    path = session.media.playable(entry)
    if path is None:
        raise MissingVideo(
            "the copy for browsers is not ready yet", where=entry.name, cure="try again soon"
        )
    return FileResponse(
        path,
        media_type=MEDIA_TYPES.get(path.suffix.lower(), "video/mp4"),
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/preview/{video}/{number}.jpg")
def preview(session: SessionOf, entry: EntryOf, number: int) -> Response:
    """Send a small picture of one moment."""
    if not 0 <= number <= PREVIEWS:
        raise HTTPException(404, "no such preview")
    return FileResponse(
        session.media.preview(entry, number),
        media_type="image/jpeg",
        headers={"Cache-Control": "private, max-age=3600"},
    )


@router.get("/v/{video}/similar")
def similar_to(request: Request, session: SessionOf, entry: EntryOf, t: float) -> Response:
    """List the segments of all videos that are like the one at `t` seconds."""
    probe = session.needed_probe()
    kept = {states.video_id: (one, states) for one, states in session.every_state(probe)}
    found = similar.neighbours(
        [states for _, states in kept.values()], probe.sites, str(entry.video_id), t
    )
    rows = [
        (
            kept[one.video_id][0],
            one,
            round(one.start / preview_step(kept[one.video_id][0].duration)),
        )
        for one in found
    ]
    return render_page(request, "_similar", entry=entry, t=t, rows=rows, videos=len(kept))


@router.get("/moments")
def moments_page(
    request: Request,
    session: SessionOf,
    order: Literal["worst", "random", "uncertain", "time"] = "worst",
    q: str = "",
    judged: str = "open",
    words: Literal["any", "normal", "other"] = "any",
    demoted: bool = False,
    page: int = 0,
) -> Response:
    """List moments of all videos, to judge one by one or many at once."""
    found = views.moments(session, order, q, judged, words, demoted=demoted)
    first = max(0, page) * PAGE
    alarms = order not in views.SEGMENT_ORDERS and judged not in ("missed", "normal")
    return render_page(
        request,
        "moments",
        rows=found[first : first + PAGE],
        total=len(found),
        order=order,
        q=q,
        judged=judged,
        words=words,
        demoted=demoted,
        offered=("true_alarm", "false_alarm") if alarms else ("anomalous", "normal"),
        page=max(0, page),
        first=first,
        size=PAGE,
        orders=views.ORDERS,
    )


@router.get("/layers")
def layers_page(request: Request, session: SessionOf) -> Response:
    """Show the saliency of each layer, as saved in the probe, and the chosen layer."""
    probe, curves, trouble = session.probe(), None, None
    try:
        curves = saliency_curves(session.needed_probe(), session.probe_path)
    except ProbeError as error:
        trouble = str(error)
    return render_page(
        request,
        "layers",
        probe=probe,
        curves=curves,
        chosen_by=_chosen_by(probe),
        trouble=trouble,
        names={
            "saliency": "saliency S = z(KL) + z(LDR) − z(H)",
            "kl": "KL divergence",
            "ldr": "local discriminant ratio",
            "entropy": "histogram entropy",
            "auc": "AUC, out of fold",
        },
    )


def _chosen_by(probe: Probe | None) -> str | None:
    """Return the digest of the probe whose fit chose the layer, if a refit has kept it since."""
    chose = probe and probe.provenance.get("selection")
    return str(chose.get("probe")) if isinstance(chose, dict) else None


@router.get("/probes")
def probes(request: Request, session: SessionOf) -> Response:
    """List every probe that was ever in use, and offer a refit."""
    return render_page(
        request,
        "probes",
        kept=session.judgements.probes(),
        chosen=session.judgements.chosen_probe(),
        count=count_spans(session.judgements.standing(), list(KINDS)),
        labelled=len(session.judgements.labelled()),
        probe=session.probe(),
        target=f"{session.probe_path.absolute().parent.name}/{session.probe_path.name}",
    )


@router.get("/run")
def run_page(request: Request, session: SessionOf) -> Response:
    """List the folders to run detection in, and show the run in progress."""
    found = list(run_process.folders(session.roots))
    return render_page(
        request,
        "run",
        folders=found[:1000],
        known=any(root.whole for root in session.roots),
        run=request.app.state.run,
        model=request.app.state.model,
        probe=session.probe(),
        folder_error=None,
    )


@router.get("/run/progress")
def run_progress(request: Request) -> Response:
    """Show the progress of the run, as a part of the page."""
    return render_page(request, "_run", run=request.app.state.run, folder_error=None)
