"""The program: its commands and the options of the program itself. Runs nothing.

A command's file is imported when that command is called, so that the help and a short command do
not wait for the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

import hiprobe

# In the order in which the help lists them, each with the first sentence of its own help.
COMMANDS = {
    "demo": "Find and explain anomalies with the shipped probe, then with one "
    "fitted on labelled clips.",
    "models": "List models that load, with the memory and the time that each needs "
    "on this machine.",
    "doctor": "Check this installation and measure this machine. Takes some seconds.",
    "fit": "Fit a probe on labelled clips; say which layer or heads it reads, and why.",
    "probe": "Look at a probe, and share it on the hub.",
    "layers": "Draw saliency over the layers: KL, LDR, entropy and their sum, each "
    "with its chance level.",
    "detect": "Find, locate and explain anomalies in videos.",
    "runs": "Count the videos of a result folder by status, and list those that "
    "are not done, with why.",
    "review": "Serve a web page to look at results, correct them, and refit the probe.",
    "watch": "Watch cameras: raise an alert within two segments, check and explain it, and end it.",
    "verify": "Verify what Frigate has found: confirmed, rejected or unsure, with a "
    "score and words.",
    "explain": "Ask the model about a span of a video.",
    "extract": "Read the hidden states of all layers and keep them.",
    "evaluate": "Compare frame scores with a benchmark's truth, and with scores that "
    "need no model.",
    "export": "Write events, scores of each frame or hidden states for other "
    "programs. No model runs.",
    "clips": "Cut the events of finished videos out of them, as MP4 clips. No model runs.",
}


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made from its file when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = _made(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _made(name: str) -> Any:
    found = getattr(importlib.import_module(f"hiprobe.cli.{name}"), name)
    if isinstance(found, typer.Typer):  # a group of commands
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


class _Program(TyperGroup):
    """The program, which lists its commands without importing them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help with the summaries of this file."""
        summaries = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        real, self.commands = self.commands, cast("MutableMapping[str, Any]", summaries)
        super().format_help(ctx, formatter)
        self.commands = real


app = typer.Typer(
    cls=_Program,
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
