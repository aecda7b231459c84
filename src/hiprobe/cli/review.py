"""`hiprobe review`: look at results on a web page, correct them, refit the probe."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli._labels import label_words
from hiprobe.cli._options import OUT, AnomalyLabel, Model, NormalLabel
from hiprobe.errors import HiProbeError, UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.datasets import LabelWords
    from hiprobe.review.session import Session


def review(
    out: Annotated[
        Path, typer.Argument(help="The folder of results: the -o of hiprobe detect.")
    ] = OUT,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="The folder with the videos. They are found by name and content; no other "
            "folder is served."
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="The probe in use; a refit that you accept replaces this file. Default: the "
            "one used last, or the only *.probe.safetensors in OUT.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="The clips that the probe was fitted on, as for fit. Their labels count in a "
            "refit. They are remembered."
        ),
    ] = None,
    normal_label: NormalLabel = None,
    anomaly_label: AnomalyLabel = None,
    store: Annotated[
        Path | None,
        typer.Option(help="The store with the hidden states of fit, if it is not OUT/.store."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but loopback needs --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8010,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="HIPROBE_TOKEN",
            help="A secret of 16 characters or more, needed to open the page.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name by which browsers open the page, with or without a port: of this "
            "machine, or of a proxy in front of it. Give it as often as needed.",
        ),
    ] = None,
    who: Annotated[
        str | None,
        typer.Option(help="Your name, saved with each judgement. Default: your login name."),
    ] = None,
    model: Model = "embedded",
) -> None:
    """Serve a web page to look at results, correct them, and refit the probe."""
    try:
        from hiprobe.review import server
        from hiprobe.review.guard import Guard
        from hiprobe.review.session import Session
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the review page needs the package {error.name}", cure="pip install 'hiprobe[review]'"
        ) from error
    if videos is not None and not videos.is_dir():
        raise UsageError("no such folder of videos", where=videos, cure="check --videos")
    guard = Guard(host, port, token, tuple(allow_host or ()))
    session = Session(
        out,
        videos,
        probe or out / "probe.safetensors",
        (out / ".store", *([store] if store else [])),
    )
    by = who or getpass.getuser()
    _take_probe(session, probe, by)
    if labels is not None:
        _take_labels(session, labels, label_words(normal_label, anomaly_label))
    typer.echo("review page (stop it with Ctrl-C):", err=True)
    server.serve_page(
        session, guard, who=by, model=model, ready=lambda address: typer.echo(address)
    )


def _take_probe(session: Session, path: Path | None, who: str) -> None:
    """Use the probe that was given, or the only one in the folder if none is in use yet."""
    from hiprobe.probe import Probe

    found = sorted(session.out.glob("*.probe.safetensors"))
    if path is None and len(found) == 1:
        session.probe_path = found[0]
        path = None if session.judgements.chosen_probe() else found[0]
    if path is not None:
        given = Probe.load(path)
        session.keep(given, who, f"given: {path.name}")
        if session.judgements.chosen_probe() != given.digest:
            session.judgements.choose_probe(given.digest, who)


def _take_labels(session: Session, data: Path, words: LabelWords | None = None) -> None:
    """Remember the labels of the clips that can be read; the errors of the others are printed."""
    from hiprobe import datasets, pipeline, video
    from hiprobe.cli._terminal import complain

    known, clips = [], list(datasets.load("folder", data, words=words))
    pipeline.check_copies(clips)
    for one in clips:
        if one.events is None:
            continue
        try:
            digest = video.digest(one.path)
            known.append((digest, one.events))
            if one.group is not None:
                session.groups[digest] = one.group
        except VideoError as error:
            complain(error)
    if not known:
        raise HiProbeError(
            "no labelled clip can be read", where=data, cure="give the folder that fit was given"
        )
    session.judgements.set_labelled(known)
