"""`hiprobe models`: which models load, what each needs here, and which to try first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hiprobe.cli._options import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from hiprobe.backbones import CatalogueEntry
    from hiprobe.estimate import Machine

WIDE = 115  # columns of a terminal that also shows the hub ids


def models(as_json: AsJson = False) -> None:
    """List models that load, with the memory and the time that each needs on this machine.

    Any other checkpoint of these families loads too, by its hub id or from a local folder.
    --model takes the names in the first column. Params: parameters in billions. Memory: the weights
    that are held to read block 20 of 28, or the same share of another depth. Time: an estimate for
    one segment of 1.6 s at that depth (docs/performance.md); the speed of this machine is measured
    the first time, which takes a second or two.
    """
    from rich.text import Text

    from hiprobe import backbones, estimate
    from hiprobe.cli import _terminal

    entries, here = backbones.catalogue(), estimate.this_machine()
    if as_json:
        for entry in entries:
            _terminal.emit({**entry.to_json(), **_needs(entry, here)})
        return
    _terminal.show(_table(entries, here, _terminal.out.width >= WIDE))
    for line in _lines(entries, here):
        _terminal.show(Text(line))


def _needs(entry: CatalogueEntry, here: Machine) -> dict[str, Any]:
    """Return what a model needs on this machine, as JSON values; None what is not known."""
    from hiprobe import estimate

    work, dtype = entry.work, here.speeds.dtype
    known = (
        {}
        if work is None
        else {
            "blocks_read": estimate.depth_read(work),
            "memory_gb": round(estimate.memory_gb(work, dtype), 3),
            "fits": here.holds(work),
            "segment_s": None if (told := here.segment_s(work)) is None else float(f"{told:.3g}"),
        }
    )
    nothing = dict.fromkeys(("blocks_read", "memory_gb", "fits", "segment_s"))
    return {"device": here.speeds.device, "dtype": dtype, **nothing, **known}


def _table(entries: Sequence[CatalogueEntry], here: Machine, wide: bool) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("model", no_wrap=True)
    for name in ("params\n(1e9)", "memory\n(GB)", "time per\nsegment", "layers"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    if wide:
        table.add_column("on the hub", no_wrap=True)
    for entry in entries:
        cells = _cells(entry, here)
        table.add_row(*cells, *([entry.model] if wide else []))
    return table


def _cells(entry: CatalogueEntry, here: Machine) -> tuple[str, ...]:
    from hiprobe.estimate import memory_gb, say_duration

    work = entry.work
    memory = "?" if work is None else _short(memory_gb(work, here.speeds.dtype))
    fits = work is not None and here.holds(work)
    told = None if work is None else here.segment_s(work)
    time = "no room" if work and not fits else "?" if told is None else say_duration(told)
    layers = str(entry.layers)
    return entry.short, _short(entry.parameters / 1e9), memory, time, layers, entry.licence or "?"


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}" if value >= 0.1 else f"{value:.1g}"


def _lines(entries: Sequence[CatalogueEntry], here: Machine) -> Iterator[str]:
    """Yield the notes below the table."""
    from hiprobe import backbones, estimate
    from hiprobe.cli._doctor import BUSY
    from hiprobe.types import FRAMES

    yield f"This machine: {here.name}, {here.speeds.device} in {here.speeds.dtype}. ?: not known."
    if here.error:
        yield f"Note: {here.speeds.device} cannot compute: {here.error}."
    if here.speeds.busy:
        yield f"Note: {BUSY}."
    yield "Models that keep up with a camera (a segment in 1.6 s), the largest of each family:"
    for machine in (here, *estimate.MACHINES):
        found = estimate.first_choices(entries, machine)
        name = "this machine" if machine is here else machine.name
        yield f"  {name}: {', '.join(one.short for one in found) or 'none'}"
    yield "They are chosen by size; their accuracy was not compared."
    others = [f"{one.short}: {one.frames}" for one in entries if one.frames != FRAMES]
    yield f"Frames per segment: {FRAMES} ({', '.join(others)})."
    for note in dict.fromkeys(entry.note for entry in entries if entry.note):
        yield f"{', '.join(entry.short for entry in entries if entry.note == note)}: {note}"
    unsure = ", ".join(entry.short for entry in entries if not entry.confirmed)
    yield f"Sizes not confirmed: {unsure}."
    tested = ", ".join(sorted(backbones.PROVEN))
    yield f"Tested, as a tiny model of the same architecture: {tested}."
