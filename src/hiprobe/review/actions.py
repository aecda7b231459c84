"""Everything the browser changes: judgements, probes, runs. All are POST requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from hiprobe.errors import HiProbeError, UsageError
from hiprobe.ranges import RANGES, in_range
from hiprobe.review import proposals
from hiprobe.review.judged_spans import by_video, fitting_kind, latest_judgements
from hiprobe.review.judgements import Judgement, Span, reviewer, spoken
from hiprobe.review.pages import EntryOf, event_values
from hiprobe.review.proposals import Proposal
from hiprobe.review.rendering import SessionOf, WhoOf, render_page
from hiprobe.review.results import DIGEST, ReviewedVideo
from hiprobe.review.run_process import DetectionJob, RunProcess, videos_in
from hiprobe.review.session import Session
from hiprobe.types import Event

KEEP = 8  # unanswered proposals
router = APIRouter()
Text = Annotated[str, Form()]
Number = Annotated[float, Form()]
Flag = Annotated[bool, Form()]


@router.post("/v/{video}/judge")
def judge(
    request: Request,
    session: SessionOf,
    entry: EntryOf,
    who: WhoOf,
    kind: Text,
    start: Number,
    end: Number,
    threshold: Number,
    demoted: Flag = False,
    version: Text = "",
) -> Response:
    """Save a judgement of a span; answers with what changes in the list of events."""
    span = _span(entry, start, end)
    before = event_values(session, session.shown(entry), threshold, demoted)
    row = next((row for row in before["rows"] if (row.start, row.end) == span[1:]), None)
    kind = fitting_kind(kind, alarm=row is not None and row.found)
    session.judgements.judge([span], kind, who)
    request.app.state.judged(who)
    was = "" if row is None or row.judgement is None else f", was {spoken(row.judgement.kind)}"
    said = f"{spoken(kind)}: {span[1]:.1f} to {span[2]:.1f} s{was}"
    return _changed(request, session, entry, said, before, version)


@router.post("/v/{video}/undo")
def undo_in_video(
    request: Request,
    session: SessionOf,
    entry: EntryOf,
    who: WhoOf,
    threshold: Number,
    demoted: Flag = False,
    version: Text = "",
) -> Response:
    """Undo the reviewer's newest batch; answers with what changes in the list of events."""
    before = event_values(session, session.shown(entry), threshold, demoted)
    said = _undo(request, session, who)
    return _changed(request, session, entry, said, before, version)


def _changed(
    request: Request,
    session: Session,
    entry: ReviewedVideo,
    said: str,
    before: dict[str, Any],
    version: str,
) -> Response:
    """Send the rows that changed if the page shows the list of `before`, else the whole list."""
    after = event_values(session, session.shown(entry), before["threshold"], before["demoted"])
    pairs = list(zip(before["rows"], after["rows"], strict=False))
    same = len(before["rows"]) == len(after["rows"]) and all(
        a.start == b.start and a.end == b.end for a, b in pairs
    )
    if not same or version != before["version"]:
        return render_page(request, "_events", entry=entry, said=said, **after)
    answer = render_page(
        request, "_changed", said=said, changed=[b for a, b in pairs if a != b], **after
    )
    answer.headers["HX-Reswap"] = "none"  # each part names its own target
    return answer


@router.post("/moments/judge")
def judge_many(
    request: Request, session: SessionOf, who: WhoOf, kind: Text, span: Annotated[list[str], Form()]
) -> Response:
    """Save one kind of judgement of many spans, which are undone together."""
    spans = [_parse(session, text) for text in span]
    found = [(one, fitting_kind(kind, alarm=_is_alarm(session, one))) for one in spans]
    other = _judged_otherwise(session, found)
    session.judgements.judge_each(found, who)
    request.app.state.judged(who)
    said = _counted(found) + (f"; {other} of them had another judgement before" if other else "")
    return Response(said, media_type="text/plain", headers={"HX-Refresh": "true"})


def _judged_otherwise(session: Session, judged: Sequence[tuple[Span, str]]) -> int:
    """Count the spans whose judgement so far is of another kind."""
    standing = by_video(session.judgements.standing())
    before = [
        (latest_judgements([Event(start, end)], standing.get(video, []))[0], kind)
        for (video, start, end), kind in judged
    ]
    return sum(latest is not None and latest.kind != kind for latest, kind in before)


def _counted(judged: Sequence[tuple[Span, str]]) -> str:
    """Say what was saved: "missed: 2 spans, true alarm: 1 span"."""
    kinds = Counter(kind for _, kind in judged)
    return ", ".join(
        f"{spoken(kind)}: {number} span{'' if number == 1 else 's'}"
        for kind, number in kinds.items()
    )


def _is_alarm(session: Session, span: Span) -> bool:
    """Tell whether a span is an event as it is shown, or lies in one by half or more."""
    entry = session.entry(span[0])
    events = () if entry is None else session.shown(entry).events
    half = 0.5 * (span[2] - span[1])
    return any(min(span[2], e.end) - max(span[1], e.start) >= half for e in events)


@router.post("/moments/undo")
def undo_many(request: Request, session: SessionOf, who: WhoOf) -> Response:
    """Undo the reviewer's newest batch."""
    return Response(
        _undo(request, session, who),
        media_type="text/plain",
        headers={"HX-Refresh": "true"},
    )


@router.post("/who")
def set_who(who: Text) -> Response:
    """Remember the reviewer's name in this browser."""
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        "hiprobe-who", quote(reviewer(who)), max_age=365 * 86400, httponly=True, samesite="strict"
    )
    return answer


@router.post("/refit")
def refit_action(request: Request, session: SessionOf, choose: Flag = False) -> Response:
    """Propose a probe fitted on all labels; replaces nothing."""
    return _propose(request, lambda: proposals.propose_refit(session, choose=choose))


@router.post("/threshold")
def threshold(request: Request, session: SessionOf, threshold: Number) -> Response:
    """Propose the probe in use with another threshold; replaces nothing."""
    if not in_range("threshold", threshold):
        raise UsageError(f"the threshold must be {RANGES['threshold']}, got {threshold}")
    return _propose(request, lambda: proposals.propose_threshold(session, threshold))


@router.post("/probes/{digest}/use")
def use(request: Request, session: SessionOf, who: WhoOf, digest: str) -> Response:
    """Put a proposed or kept probe into use; the one that it replaces is kept."""
    waiting: dict[str, Proposal] = request.app.state.proposals
    proposal = waiting.pop(digest, None)
    if proposal is not None:
        session.keep(proposal.probe, who, proposal.what, proposal.figures, proposal.upto)
    elif not DIGEST.fullmatch(digest) or not session.kept(digest).exists():
        raise HTTPException(404, "no such probe")
    session.use(digest, who)
    return RedirectResponse("/probes", 303)


@router.post("/run")
def start_run(
    request: Request,
    session: SessionOf,
    folder: Text,
    explain: Annotated[bool, Form()] = False,
    all_layers: Annotated[bool, Form()] = False,
) -> Response:
    """Start detection in a folder under the videos folder, unless a run is in progress."""
    state = request.app.state
    if state.model is None:
        raise UsageError(
            "the model of the probe is not known here", cure="start hiprobe review with --model"
        )
    probe = session.needed_probe()
    with state.starting:
        if state.run is not None and state.run.running:
            raise UsageError("a run is already in progress", cure="wait for it, or cancel it")
        videos = videos_in(session.roots, folder)
        job = DetectionJob(
            videos, session.kept(probe.digest), state.model, session.out, explain, all_layers
        )
        state.run = RunProcess(folder, job)
        state.run.start()
    return render_page(request, "_run", run=state.run, folder_error=None)


@router.post("/run/cancel")
def cancel_run(request: Request) -> Response:
    """Cancel the run; what it finished is kept."""
    if request.app.state.run is not None:
        request.app.state.run.cancel()
    return render_page(request, "_run", run=request.app.state.run, folder_error=None)


def _propose(request: Request, make: Callable[[], Proposal]) -> Response:
    try:
        proposal = make()
    except HiProbeError as error:
        return render_page(request, "_proposal", proposal=None, trouble=str(error))
    waiting: dict[str, Proposal] = request.app.state.proposals
    waiting[proposal.probe.digest] = proposal
    while len(waiting) > KEEP:
        waiting.pop(next(iter(waiting)))
    return render_page(request, "_proposal", proposal=proposal, trouble=None)


def _span(entry: ReviewedVideo, start: float, end: float) -> Span:
    """Check a span and cut it at the video's end, as a player may show a little more."""
    if not (np.isfinite([start, end]).all() and 0 <= start < min(end, entry.duration)):
        raise UsageError(
            f"a span must have 0 <= start < end within the {entry.duration:.1f} s of the video, "
            f"got {start:.10g} to {end:.10g} s"
        )
    return str(entry.video_id), start, min(end, entry.duration)


def _parse(session: Session, text: str) -> Span:
    """Parse a span as a form sends it, `digest:start:end`."""
    try:
        video, start, end = text.split(":")
        times = float(start), float(end)
    except ValueError as error:
        raise UsageError(f"a span must be digest:start:end, got {text[:100]!r}") from error
    entry = session.entry(video)
    if entry is None:
        raise HTTPException(404, "no such video")
    return _span(entry, *times)


def _undo(request: Request, session: Session, who: str) -> str:
    """Undo the reviewer's newest batch, and say which it was."""
    batch = session.undo(who)
    if batch:
        request.app.state.judged(who)
    return _undone(batch)


def _undone(batch: list[Judgement]) -> str:
    if not batch:
        return "nothing to undo"
    more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
    return f"undone: {spoken(batch[0].kind)}, {batch[0].start:.1f} to {batch[0].end:.1f} s{more}"
