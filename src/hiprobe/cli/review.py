"""`hiprobe review`: look at results on a web page, correct them, refit the probe."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from hiprobe.cli._interrupt import Interruption
from hiprobe.cli._labels import label_words
from hiprobe.cli._options import OUT, AnomalyLabel, ModelOfProbe, NormalLabel
from hiprobe.cli._page_options import LOOPBACK, PORT, AllowHost, Host, Port, Token, Who
from hiprobe.errors import UsageError

STOPPED = "stopped: all judgements are saved; the same command opens the page again"


def review(
    out: Annotated[
        Path, typer.Argument(help="The folder of results: the -o of hiprobe detect.")
    ] = OUT,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="The folder with the videos, if it is not where detect found them. They are "
            "found by name and content; no other folder is served."
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="The probe to use, a file or org/name@revision of the hub, instead of "
            "OUT/probe.safetensors. A refit that you accept "
            "replaces OUT/probe.safetensors.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="The clips that the probe was fitted on, if they are not where fit found them. "
            "Their labels count in a refit. They are remembered."
        ),
    ] = None,
    normal_label: NormalLabel = None,
    anomaly_label: AnomalyLabel = None,
    store: Annotated[
        Path | None,
        typer.Option(help="The store with the hidden states of fit, if it is elsewhere."),
    ] = None,
    host: Host = LOOPBACK,
    port: Port = PORT,
    token: Token = None,
    allow_host: AllowHost = None,
    who: Who = None,
    model: ModelOfProbe = None,
) -> None:
    """Serve a web page to look at results, correct them, and refit the probe.

    Probe, model, labels and videos are those of fit and detect, if that was on this machine.
    """
    try:
        from hiprobe.cli import _reviewed
        from hiprobe.cli._terminal import warn
        from hiprobe.review import server
        from hiprobe.review.guard import Guard
        from hiprobe.review.session import Session
        from hiprobe.store.run_record import PROBE
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the review page needs the package {error.name}", cure="pip install 'hiprobe[review]'"
        ) from error
    if videos is not None and not videos.is_dir():
        raise UsageError("no such folder of videos", where=videos, cure="check --videos")
    guard = Guard(host, port, token, tuple(allow_host or ()))
    by = who or getpass.getuser()
    known = _reviewed.known(out, probe)
    session = Session(out, known.roots(videos), out / PROBE, (out / ".store", *known.stores(store)))
    _reviewed.take_probe(session, known, by)
    _reviewed.take_labels(session, known.labels(labels, label_words(normal_label, anomaly_label)))
    if not session.roots:
        warn("where the videos are is not known here: to see them, give --videos FOLDER")
    typer.echo("review page (stop it with Ctrl-C):", err=True)
    server.serve_page(
        session,
        guard,
        who=by,
        model=known.model(model),
        ready=_say_ready,
    )


def _say_ready(address: str) -> None:
    """Print the address; from now on Ctrl-C is the usual way to stop."""
    Interruption(STOPPED).listen()
    typer.echo(address)
