"""What every page is made with: templates, and who asks. Knows no route."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from hiprobe.live.alert import timestamp_utc
from hiprobe.report.templates import ASSETS
from hiprobe.report.texts import auc_text, check_words, clock, printable, probe_line, two
from hiprobe.review.judgements import KINDS, reviewer, spoken
from hiprobe.review.session import Session

# The pages by their addresses: of a results folder, and of a watcher.
RECORDED = {
    "/": "Videos",
    "/moments": "Moments",
    "/probes": "Probes",
    "/layers": "Layers",
    "/run": "Run",
}
WATCHED = {"/": "Live", "/videos": "Recorded", **dict(list(RECORDED.items())[1:])}
HTMX = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
    }
)


class HeadToo(APIRoute):
    """A route that also answers HEAD; the server then leaves out the body."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.methods = {"HEAD", *(self.methods or ())}


_environment = Environment(
    # The heat map is drawn as in a report.
    loader=ChoiceLoader([PackageLoader("hiprobe.review"), PackageLoader("hiprobe", ASSETS)]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "clock": clock,
    "checked": check_words,
    "two": two,
    "plain": printable,
    "spoken": spoken,
    "utc": timestamp_utc,
    "auc": auc_text,
    "probe_line": probe_line,
}


def session_of(request: Request) -> Session:
    """Return the session that the application was made for."""
    session: Session = request.app.state.session
    return session


def who_of(request: Request) -> str:
    """Return the reviewer's name: the one set on the page, else the one given at the start."""
    return reviewer(unquote(request.cookies.get("hiprobe-who", "")) or request.app.state.who)


SessionOf = Annotated[Session, Depends(session_of)]
WhoOf = Annotated[str, Depends(who_of)]


def render_page(request: Request, name: str, **values: Any) -> HTMLResponse:
    """Render a template; every value is escaped."""
    state = request.app.state
    places = RECORDED if state.live is None else WATCHED
    text = render_part(
        name,
        htmx=HTMX,
        who=who_of(request),
        path=request.url.path,
        places=places,
        kinds=list(KINDS),
        **values,
    )
    return HTMLResponse(text.encode("utf-8", "replace"))


def render_part(name: str, **values: Any) -> str:
    """Render a part that is the same for every reviewer; every value is escaped."""
    return _environment.get_template(f"{name}.html.jinja").render(**values)
