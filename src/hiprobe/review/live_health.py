"""What programs ask about a running watcher: whether it is well, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from hiprobe.live.status import metrics, troubles
from hiprobe.review.live_pages import LiveOf
from hiprobe.review.rendering import HeadToo

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter(route_class=HeadToo)


@router.get("/healthz")
def health(request: Request, live: LiveOf) -> PlainTextResponse:
    """Answer 200 if the watcher does its work, else 503, with a line for each trouble.

    Whoever has no token learns no more than that.
    """
    found = troubles(live.session.watcher.report())
    said = found if request.app.state.guard.knows(request) else ["not well"]
    return PlainTextResponse("\n".join(said if found else ["ok"]) + "\n", 503 if found else 200)


@router.get("/metrics")
def all_metrics(live: LiveOf) -> PlainTextResponse:
    """Answer with the metrics of the watcher as Prometheus reads them."""
    return PlainTextResponse(metrics(live.session.watcher.report()), media_type=PROMETHEUS)
