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
from hiprobe.review import actions, downloads, pages
from hiprobe.review.connections import AT_ONCE, BoundedConnection, most_connections
from hiprobe.review.guard import Guard
from hiprobe.review.session import Session

STATIC = Path(__file__).with_name("static")


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
    app.middleware("http")(guard)
    app.add_exception_handler(HiProbeError, _named)
    app.add_exception_handler(HTTPException, _refused)
    app.include_router(pages.router)
    app.include_router(actions.router)
    app.include_router(downloads.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _named(_request: Request, error: Exception) -> Response:
    """Answer with the error on one line; a missing video is a 404."""
    ours = isinstance(error, StoreError | EnvironmentFailed)
    status = 404 if isinstance(error, VideoError) else 500 if ours else 400
    return PlainTextResponse(f"{type(error).__name__}: {error}", status)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(str(error.detail), error.status_code)


def serve_page(
    session: Session,
    guard: Guard,
    *,
    who: str = "",
    model: str | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page until interrupted; `ready` is called with the address.

    Raises UsageError if the address or port cannot be used, and EnvironmentFailed if too few files
    may be open.
    """
    BoundedConnection.most = most_connections()
    listening = _listen(guard.host, guard.port)
    query = f"/?token={guard.token}" if guard.token else "/"
    ready(f"http://{guard.shown}:{guard.port}{query}")
    app = application(session, guard, who=who, model=model)
    # The first refit needs scikit-learn, which takes a second to load.
    threading.Thread(target=_load_early, daemon=True).start()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=BoundedConnection,
            backlog=AT_ONCE,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    try:
        server.run(sockets=[listening])
    finally:
        if app.state.run is not None:
            app.state.run.cancel()


def _load_early() -> None:
    with suppress(ImportError, MemoryError, OSError):  # the refit reports it
        importlib.import_module("sklearn.linear_model")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        # Before the address is printed, so that a fast browser waits instead of being refused.
        listening.listen(128)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be used: {error.strerror}",
            where=host,
            cure="choose another --port",
        ) from error
    return listening
