"""The page of a running watcher: what the browser reads. Knows no judgement that changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from hiprobe.errors import HiProbeError
from hiprobe.live.alert import Alert
from hiprobe.review import live_media, live_views
from hiprobe.review.live_feed import FeedItem, LiveFeed
from hiprobe.review.live_refit import LiveRefit, ProbeChange
from hiprobe.review.live_session import LiveSession
from hiprobe.review.live_stream import LiveMessages, Tiles
from hiprobe.review.rendering import HeadToo, render_page, render_part

MOST_ALERTS = 100  # rows at once
ALERT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
Show = Literal["all", "open", "judged"]
router = APIRouter(route_class=HeadToo)
streams = APIRouter()  # no HEAD: a stream has no end


@dataclass
class LiveParts:
    """What the live page needs beside its session: the feed, the messages and the refits."""

    session: LiveSession
    feed: LiveFeed
    refit: LiveRefit
    messages: LiveMessages

    @classmethod
    def of(cls, session: LiveSession) -> LiveParts:
        """Start the parts of a session's page."""
        feed = LiveFeed(session.watcher)

        def tell(change: ProbeChange) -> None:
            feed.put("probe", change.digest)

        refit = LiveRefit(session, tell)
        messages = LiveMessages(
            feed, lambda item: _message(session, refit, item), lambda: _tile_parts(session)
        )
        return cls(session, feed, refit, messages)

    def close(self) -> None:
        """End the streams, and the refit after the one that is running."""
        self.feed.close()
        self.refit.close()


def live_of(request: Request) -> LiveParts:
    """Return the parts of the live page that the application was made for."""
    return cast(LiveParts, request.app.state.live)


def alert_of(alert: str, live: Annotated[LiveParts, Depends(live_of)]) -> Alert:
    """Find the alert with this id; anything else is a 404."""
    found = live.session.watcher.alert(alert) if ALERT_ID.fullmatch(alert) else None
    if found is None:
        raise HTTPException(404, "no such alert: it may have been deleted")
    return found


LiveOf = Annotated[LiveParts, Depends(live_of)]
AlertOf = Annotated[Alert, Depends(alert_of)]


@router.get("/")
def live_page(
    request: Request,
    live: LiveOf,
    alert: str = "",
    camera: str = "",
    show: Show = "all",
    before: float | None = None,
) -> Response:
    """Show a tile per camera, and alerts, the newest first; `alert` is the one to begin with."""
    mark = live.feed.mark  # first, so that nothing is missed in between
    alerts = live.session.watcher.alerts(before, MOST_ALERTS + 1)
    rows = live_views.alert_rows(live.session, alerts[:MOST_ALERTS])
    shown = [row for row in rows if _fits(row, camera, show)]
    status = live.session.watcher.status()
    return render_page(
        request,
        "live",
        tiles=live_views.tiles(live.session),
        sinks=[one for one in status.sinks if one.reason],
        rows=_with_wanted(live, shown, alert),
        wanted=alert,
        camera=camera,
        show=show,
        mark=mark,
        before=before,
        older=rows[-1].alert.start if len(alerts) > MOST_ALERTS else None,
        **_probe_values(live.session, live.refit),
    )


def _fits(row: live_views.AlertRow, camera: str, show: Show) -> bool:
    judged = row.judgement is not None
    wanted = {"all": True, "open": row.open, "judged": judged}[show]
    return wanted and camera in ("", row.alert.camera)


def _with_wanted(
    live: LiveParts, rows: Sequence[live_views.AlertRow], wanted: str
) -> list[live_views.AlertRow]:
    """Add the alert that is asked for by its address, if it is kept and not among the rows."""
    found = None
    if ALERT_ID.fullmatch(wanted) and all(row.alert.id != wanted for row in rows):
        found = live.session.watcher.alert(wanted)
    more = [] if found is None else [live_views.alert_row(live.session, found)]
    return sorted([*rows, *more], key=lambda row: row.alert.start, reverse=True)


@streams.get("/live/stream")
async def live_stream(request: Request, live: LiveOf, mark: str | None = None) -> Response:
    """Send what changes as server-sent events, from the one that the page has seen last."""
    last = request.headers.get("last-event-id") or mark
    return StreamingResponse(live.messages.stream(last), media_type="text/event-stream")


@router.get("/live/picture/{camera}")
def live_picture(live: LiveOf, camera: str) -> Response:
    """Send the newest picture of a camera."""
    cameras = {one.name for one in live.session.watcher.status().cameras}
    picture = live.session.watcher.picture(camera) if camera in cameras else None
    if picture is None:
        raise HTTPException(404, "there is no picture of this camera yet")
    return Response(picture, media_type="image/jpeg")


@router.get("/live/alerts/{alert}")
def alert_facts(request: Request, live: LiveOf, alert: AlertOf) -> Response:
    """Show what is known of one alert, as a part of the page."""
    row = live_views.alert_row(live.session, alert)
    cameras = live.session.watcher.status().cameras
    place = next((one.place for one in cameras if one.name == alert.camera), None)
    return render_page(request, "_alert_facts", row=row, place=place)


@router.get("/live/alerts/{alert}/player")
def alert_player(request: Request, live: LiveOf, alert: AlertOf) -> Response:
    """Show the player, or why there is none, or that a copy is being made."""
    ready, trouble = False, None
    if alert.clip is not None:
        try:
            ready = live_media.clip(live.session, alert) is not None
        except HiProbeError as error:
            trouble = str(error)
    return render_page(request, "_alert_player", alert=alert, ready=ready, trouble=trouble)


@router.get("/live/alerts/{alert}/clip.mp4")
def alert_clip(live: LiveOf, alert: AlertOf) -> Response:
    """Send the bytes of a clip, or a range of them."""
    path = live_media.clip(live.session, alert)
    if path is None:
        raise HTTPException(404, "the copy for browsers is not ready yet: try again soon")
    return FileResponse(path, media_type="video/mp4")


@router.get("/live/alerts/{alert}/snapshot.jpg")
def alert_snapshot(live: LiveOf, alert: AlertOf) -> Response:
    """Send the picture of an alert's peak."""
    return FileResponse(live_media.snapshot(live.session, alert), media_type="image/jpeg")


def row_text(session: LiveSession, alert: Alert) -> str:
    """Render the row of one alert."""
    return render_part("_alert", row=live_views.alert_row(session, alert))


def _message(session: LiveSession, refit: LiveRefit, item: FeedItem) -> dict[str, Any] | None:
    """Make what pages are told of a change; None if the alert is gone by now."""
    if item.kind == "probe":
        html = render_part("_live_probe", **_probe_values(session, refit))
        return {"html": html, "said": _said(refit.last)}
    if item.kind == "deleted":
        return {"id": item.name}
    alert = session.watcher.alert(item.name)
    if alert is None:
        return None
    return {"id": alert.id, "type": alert.type, "html": row_text(session, alert)}


def _said(change: ProbeChange | None) -> str:
    """Say in a line what became of the probe."""
    if change is None:
        return ""
    if change.trouble:
        return f"The probe stays as it is: {change.trouble}"
    how = "was refitted" if change.how == "refit" else "was taken back"
    return f"The probe {how} and is in use after {change.seconds:.1f} s."


def _tile_parts(session: LiveSession) -> Tiles:
    return {
        tile.camera.name: {
            "html": render_part("_tile_facts", tile=tile),
            "stamp": tile.stamp,
            "alarm": tile.alarm,
        }
        for tile in live_views.tiles(session)
    }


def _probe_values(session: LiveSession, refit: LiveRefit) -> dict[str, Any]:
    previous = session.judgements.previous_probe()
    return {"probe": session.probe(), "change": refit.last, "previous": previous}
