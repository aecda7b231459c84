"""What the browser changes on the live page: judgements of alerts, the probe. All are POST."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response
from fastapi.responses import JSONResponse

from hiprobe.live.alert_archive import footage_id
from hiprobe.review.judgements import Judgement, spoken
from hiprobe.review.live_pages import AlertOf, LiveOf, LiveParts, row_text
from hiprobe.review.rendering import WhoOf

router = APIRouter()


@router.post("/live/alerts/{alert}/judge")
def judge_alert(
    live: LiveOf,
    alert: AlertOf,
    who: WhoOf,
    kind: Annotated[Literal["true_alarm", "false_alarm"], Form()],
) -> Response:
    """Save a judgement of an alert; the probe is refitted in the background."""
    before = live.session.judgements.standing(footage_id(alert.id))
    live.session.judge_alert(alert, kind, who)
    live.refit.request(who)
    was = f", was {spoken(before[-1].kind)}" if before else ""
    return _answer(live, f"{spoken(kind)}: {alert.camera}{was}", [alert.id])


@router.post("/live/alerts/{alert}/see")
def see_alert(live: LiveOf, alert: AlertOf, who: WhoOf) -> Response:
    """Save that the reviewer has seen an alert."""
    live.session.see_alert(alert, who)
    return _answer(live, f"acknowledged: {alert.camera}", [alert.id])


@router.post("/live/alerts/{alert}/delete")
def delete_alert(live: LiveOf, alert: AlertOf, who: WhoOf) -> Response:
    """Delete an alert with its clip, its snapshot and its hidden states."""
    live.session.delete_alert(alert, who)
    live.feed.put("deleted", alert.id)
    return JSONResponse({"said": f"deleted: {alert.camera}", "rows": {}, "deleted": alert.id})


@router.post("/live/undo")
def undo_live(live: LiveOf, who: WhoOf) -> Response:
    """Undo the reviewer's newest judgements, of alerts or of recorded footage."""
    undone = live.session.undo(who)
    if undone:
        live.refit.request(who)
    return _answer(live, _said_undone(live, undone), live.session.alerts_of(undone))


@router.post("/live/restore")
def restore_probe(live: LiveOf, who: WhoOf) -> Response:
    """Put the probe that was in use before into use again."""
    change = live.refit.restore(who)
    return JSONResponse({"said": f"probe {change.digest[:12]} is in use again", "rows": {}})


def _answer(live: LiveParts, said: str, alerts: list[str]) -> Response:
    """Answer with the changed rows, and tell the other pages."""
    rows = {}
    for name in alerts:
        alert = live.session.watcher.alert(name)
        if alert is not None:
            rows[name] = row_text(live.session, alert)
            live.feed.put("alert", name)
    return JSONResponse({"said": said, "rows": rows})


def _said_undone(live: LiveParts, undone: list[Judgement]) -> str:
    if not undone:
        return "nothing to undo"
    name = live.session.names().get(undone[0].video, "")
    more = f" and {len(undone) - 1} more" if len(undone) > 1 else ""
    return f"undone: {spoken(undone[0].kind)}, {name}{more}"
