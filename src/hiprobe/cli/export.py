"""`hiprobe export`: hidden states, or scores of each frame, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli import _passed
from hiprobe.cli._chosen import load_probe
from hiprobe.cli._options import AsJson, Verbose

if TYPE_CHECKING:
    from hiprobe.types import Video


def export(
    context: typer.Context,
    store: Annotated[Path, typer.Argument(help="The .store folder of a run.")],
    to: Annotated[
        Path, typer.Option("--out", "-o", help="Hidden states: .npz; scores: .npz, .json, .csv.")
    ],
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="Write the scores that this probe, a file or org/name@revision of the hub, gives "
            "each frame of the videos, from the stored hidden states.",
        ),
    ] = None,
    videos: Annotated[
        list[str] | None,
        typer.Option(help="With --probe: videos, folders or globs. Repeatable."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="With --probe: scores before smoothing.")
    ] = False,
    method: Annotated[
        str | None,
        typer.Option(
            help="The module:attribute that the probe was fitted with. Its code is "
            "imported, so name it only if you trust it."
        ),
    ] = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Write hidden states, or scores of each frame, as plain arrays. No model runs.

    Hidden states: an NPZ with values, starts and ends of each video, and an index as JSON.
    Scores: what `hiprobe evaluate --scores` reads.
    """
    from hiprobe import evaluation
    from hiprobe.cli import _terminal
    from hiprobe.errors import UsageError
    from hiprobe.evaluation import export as _export

    if (probe is None) != (not videos):
        raise UsageError("scores need both --probe and --videos, hidden states need neither")
    seen = _passed.watch(context, verbose)
    if probe is None:
        count = _export.export_states(store, to)
    else:
        found = _export.export_scores(
            _named(videos or (), seen),
            load_probe(probe, method),
            store,
            raw=raw,
        )
        evaluation.write_scores(to, found)
        count = len(found)
    if as_json:
        _terminal.emit({"file": str(to), "entries": count})
    else:
        entries = "1 entry" if count == 1 else f"{count:,} entries"
        _terminal.say(f"{entries}: [bold]{_terminal.markup(to)}[/]")


def _named(paths: Sequence[str], seen: _passed.PassedOver) -> list[Video]:
    """Find and name the videos; raises the first error."""
    from hiprobe import video

    given = {path: list(map(str, video.find([path], seen.note_others))) for path in paths}
    return video.name_videos(given)[0]
