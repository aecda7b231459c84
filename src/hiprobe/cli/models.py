"""`hiprobe models`: which models load, what each needs, and which to try first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hiprobe.cli._options import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from hiprobe.backbones import CatalogueEntry


def models(as_json: AsJson = False) -> None:
    """List models that load, what each needs, and first choices for a laptop, one GPU and a server.

    Any other checkpoint of these families loads too, by its hub id or from a local folder.
    Params: parameters in billions. Memory: the weights alone in 16 bits, two bytes for each
    parameter. Layers and width are those of the decoder: its blocks and their hidden size.
    """
    from hiprobe import backbones
    from hiprobe.cli import _terminal

    entries = backbones.catalogue()
    if as_json:
        for entry in entries:
            _terminal.emit(entry.to_json())
        return
    _terminal.show(_table(entries))
    for line in _lines(entries):
        _terminal.say(_terminal.markup(line))


def _table(entries: tuple[CatalogueEntry, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("model", no_wrap=True, min_width=max(len(entry.model) for entry in entries))
    for name in ("params\n(1e9)", "memory\n(GB)", "layers", "width"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for entry in entries:
        table.add_row(*_cells(entry), style="bold" if entry.good_for else None)
    return table


def _cells(entry: CatalogueEntry) -> tuple[str, ...]:
    return (
        entry.model,
        _short(entry.parameters / 1e9),
        _short(entry.fp16_gb),
        str(entry.layers),
        str(entry.width or "?"),
        entry.licence or "?",
    )


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}" if value >= 0.1 else f"{value:.1g}"


def _lines(entries: tuple[CatalogueEntry, ...]) -> Iterator[str]:
    """Yield the notes below the table."""
    from hiprobe import backbones

    for choice in dict.fromkeys(entry.good_for for entry in entries if entry.good_for):
        yield f"First choice for {choice}: " + ", ".join(
            each.model for each in entries if each.good_for == choice
        )
    yield "First choices are by size; their accuracy was not compared. ?: not confirmed."
    for frames in sorted({entry.frames for entry in entries}):
        fewer = [entry.model for entry in entries if entry.frames == frames]
        yield f"Frames per segment: {frames}" + (
            f" ({', '.join(fewer)})" if len(fewer) < len(entries) / 2 else ""
        )
    for note in dict.fromkeys(entry.note for entry in entries if entry.note):
        yield f"{', '.join(entry.model for entry in entries if entry.note == note)}: {note}"
    tested = ", ".join(sorted(backbones.PROVEN))
    yield f"Tested, as a tiny model of the same architecture: {tested}."
