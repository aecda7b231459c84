"""`hiprobe probe`: look at a probe, and share it on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli._chosen import read_probe
from hiprobe.cli._options import AsJson
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.probe import Probe

probe = typer.Typer(
    help="Look at a probe, and share it on the hub.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A probe file, or org/name@revision of the hub.")
]
Outside = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="The module:attribute that the probe was fitted with. Its code is imported, so name "
        "it only if you trust it.",
    ),
]


@probe.command("show")
def show_probe(file: File, method: Outside = None, as_json: AsJson = False) -> None:
    """Show what a probe reads, what it was fitted on and how good it is, with intervals.

    The figures are those of its own clips, each scored by a fit without it.
    """
    from hiprobe.cli import _terminal

    found = read_probe(file, method)
    if as_json:
        _terminal.emit(_as_json(found))
    else:
        _show_summary(found)


def _show_summary(found: Probe) -> None:
    from hiprobe.cli import _terminal
    from hiprobe.probe.summary import LIMITS, summarize

    summary = summarize(found)
    for title, lines in summary.sections.items():
        _terminal.say(f"[bold]{title}[/]")
        for name, text in lines:
            _terminal.say(f"  {_terminal.markup(name)}: {_terminal.markup(text)}")
    _terminal.say("[bold]limits[/]")
    for text in (*summary.doubts, *LIMITS):
        _terminal.say(f"  {_terminal.markup(text)}")


def _as_json(found: Probe) -> dict[str, Any]:
    rule, digests = found.verification, found.fitted_videos
    facts = {name: value for name, value in found.provenance.items() if name != "videos"}
    return {
        "digest": found.digest,
        "source": found.source,
        "method": found.method,
        "recipe": found.recipe.to_json(),
        "sites": [str(site) for site in found.sites],
        "width": found.width,
        "localization": found.localization.to_json(),
        "causal_threshold": found.causal_threshold,
        "verification": None if rule is None else rule.to_json(),
        "videos": found.video_count,
        "digests": len(digests),
        "provenance": facts,
    }


@probe.command("push")
def push_probe(
    file: File,
    name: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository on the hub.")],
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", help="What others may do with the probe, such as apache-2.0 or cc-by-4.0."
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(help="A sentence on the data for the card. It is published as it is."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody read it. Default: a private repository.")
    ] = False,
    digests: Annotated[
        bool,
        typer.Option(
            "--digests",
            help="Also publish the digests of the videos it was fitted on, so that evaluate can "
            "refuse to measure on them. Meant for public data sets.",
        ),
    ] = False,
    dry_run: Annotated[
        Path | None,
        typer.Option(
            "--dry-run",
            metavar="FOLDER",
            help="Write what would be uploaded into this folder, and upload nothing.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a probe and a generated card to the hub.

    No path, no name of a video, no label and no video content leaves this machine: what a fit wrote
    down is taken over field by field, and what is left out is named. The questions that the model
    is asked and the sentence of --about leave as they are. Log in first with `hf auth login`.
    """
    from hiprobe.cli import _terminal
    from hiprobe.hub import upload_files
    from hiprobe.probe.publishing import MESSAGE, Publication, files_to_share

    found = read_probe(file, None)
    files, left_out = files_to_share(found, name, Publication(licence, about, public, digests))
    if dry_run is None:
        place = str(upload_files(name, files, MESSAGE, public=public))
    else:
        place = _write(dry_run, files)
    if as_json:
        sizes = {path: len(data) for path, data in files.items()}
        _terminal.emit({"place": place, "files": sizes, "left_out": left_out})
        return
    if left_out:
        _terminal.say(f"left out: {_terminal.markup(', '.join(left_out))}")
    _terminal.say(f"published as they are: {len(found.recipe.prompts)} question(s) to the model")
    done = "uploaded" if dry_run is None else "written, not uploaded"
    _terminal.say(f"{done}: [bold]{_terminal.markup(place)}[/]")


def _write(folder: Path, files: dict[str, bytes]) -> str:
    from hiprobe.store import write_atomic

    if folder.exists() and not folder.is_dir():
        raise UsageError("not a folder", where=folder, cure="give another folder")
    for path, data in files.items():
        write_atomic(folder / path, data)
    return str(folder)
