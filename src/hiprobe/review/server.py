"""The web server of one results folder. The routes are in `pages` and `actions`."""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from hiprobe.errors import (
    EnvironmentFailed,
    HiProbeError,
    StoreError,
    UsageError,
    VideoError,
)
from hiprobe.pipeline import ignore
from hiprobe.review import actions, downloads, live_actions, live_health, live_pages, pages
from hiprobe.review.connections import AT_ONCE, BoundedConnection, most_connections
from hiprobe.review.guard import Guard
from hiprobe.review.live_session import LiveSession
from hiprobe.review.session import Session

STATIC = Path(__file__).with_name("static")
GRACE_S = 2  # for requests that are answered when the server ends


def application(
    session: Session, guard: Guard, *, who: str = "", model: str | None = None
) -> FastAPI:
    """Build the web application of one results folder; every request passes `guard`.

    `who` is the reviewer until another name is set on the page; `model` is what a run loads, None
    if that is not known.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.session, app.state.who, app.state.model = session, who, model
    app.state.proposals, app.state.run, app.state.starting = {}, None, threading.Lock()
    app.state.live, app.state.judged, app.state.guard = None, ignore, guard
    app.middleware("http")(guard)
    app.add_exception_handler(HiProbeError, _named)
    app.add_exception_handler(HTTPException, _refused)
    if isinstance(session, LiveSession):
        _add_live(app, session)
    app.include_router(pages.router)
    app.include_router(actions.router)
    app.include_router(downloads.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _add_live(app: FastAPI, session: LiveSession) -> None:
    """Add the page of a watcher, which is the first one then; every judgement counts at once."""
    app.state.live = live_pages.LiveParts.of(session)
    app.state.judged = app.state.live.refit.request
    app.include_router(live_pages.router)
    app.include_router(live_pages.streams)
    app.include_router(live_health.router)
    app.include_router(live_actions.router)


def _named(_request: Request, error: Exception) -> Response:
    """Answer with the error on one line; a missing video is a 404."""
    ours = isinstance(error, StoreError | EnvironmentFailed)
    status = 404 if isinstance(error, VideoError) else 500 if ours else 400
    return PlainTextResponse(f"{type(error).__name__}: {error}", status)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(str(error.detail), error.status_code)


def _say(address: str) -> None:
    """Print the address at once, also into a pipe."""
    print(address, flush=True)


def serve_page(
    session: Session,
    guard: Guard,
    *,
    who: str = "",
    model: str | None = None,
    ready: Callable[[str], None] = _say,
) -> None:
    """Serve the page until interrupted; `ready` is called with the address, without the token.

    Raises UsageError if the address or port cannot be used, and EnvironmentFailed if too few files
    may be open.
    """
    page = PageServer(session, guard, who=who, model=model)
    ready(page.address)
    page.run()


class PageServer:
    """The page of a session on a port that listens at once; `run` or `start` serves it.

    `bound` is its port from `bind_port`, if that is held already. Raises UsageError if the address
    or port cannot be used, and EnvironmentFailed if too few files may be open.
    """

    def __init__(
        self,
        session: Session,
        guard: Guard,
        *,
        who: str = "",
        model: str | None = None,
        bound: socket.socket | None = None,
    ) -> None:
        BoundedConnection.most = most_connections()
        self._listening = _listen(guard, bound or bind_port(guard))
        self.address = guard.address
        self.app = application(session, guard, who=who, model=model)
        self._server = uvicorn.Server(_settings(self.app))
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until interrupted."""
        # The first refit needs scikit-learn, which takes a second to load.
        threading.Thread(target=_load_early, daemon=True).start()
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self._end_jobs()

    def start(self) -> None:
        """Serve in a thread, until `close`."""
        self._thread = threading.Thread(target=self.run, name="page", daemon=True)
        self._thread.start()

    def close(self, within_s: float = GRACE_S + 1.0) -> None:
        """End every connection and every job, within some seconds."""
        self._server.should_exit = True
        if self.app.state.live is not None:
            self.app.state.live.feed.close()
        if self._thread is not None:
            self._thread.join(within_s)
        self._listening.close()

    def _end_jobs(self) -> None:
        if self.app.state.run is not None:
            self.app.state.run.cancel()
        if self.app.state.live is not None:
            self.app.state.live.close()


def _settings(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        backlog=AT_ONCE,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def _load_early() -> None:
    with suppress(ImportError, MemoryError, OSError):  # the refit reports it
        importlib.import_module("sklearn.linear_model")


def bind_port(guard: Guard) -> socket.socket:
    """Hold the port of a page, at which nobody is answered yet.

    Raises UsageError if the address or port cannot be used.
    """
    bound: socket.socket | None = None
    try:
        bound = socket.socket(socket.AF_INET6 if ":" in guard.host else socket.AF_INET)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((guard.host.strip("[]"), guard.port))
    except OSError as error:
        if bound is not None:
            bound.close()
        raise _unusable(guard, error) from error
    return bound


def _listen(guard: Guard, bound: socket.socket) -> socket.socket:
    """Listen before the address is printed, so that a fast browser waits and is not refused."""
    try:
        bound.listen(128)
    except OSError as error:
        raise _unusable(guard, error) from error
    return bound


def _unusable(guard: Guard, error: OSError) -> UsageError:
    return UsageError(
        f"port {guard.port} cannot be used: {error.strerror}",
        where=guard.host,
        cure="choose another --port",
    )
