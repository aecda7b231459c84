"""The program: its commands and the options of the program itself. Runs nothing."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

import hiprobe

# In the order in which the help lists them.
COMMANDS = (
    "demo",
    "models",
    "fit",
    "probe",
    "layers",
    "detect",
    "runs",
    "review",
    "watch",
    "verify",
    "explain",
    "extract",
    "evaluate",
    "export",
    "clips",
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 2 wrong usage, 3 some inputs failed (each is named on standard "
    "error, the others are done), 4 the disk, the model or the machine failed, 130 interrupted.",
    help="Find, locate and explain anomalies in video by reading the hidden states of a frozen "
    "multimodal LLM. Start with `hiprobe demo`.",
)

for _name in COMMANDS:
    _command = getattr(importlib.import_module(f"hiprobe.cli.{_name}"), _name)
    if isinstance(_command, typer.Typer):  # a group of commands
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hiprobe {hiprobe.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Declare the options of the program itself, before any command."""
