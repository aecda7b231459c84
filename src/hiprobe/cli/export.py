"""`hiprobe export`: events, scores of each frame, or hidden states, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from hiprobe.cli import _passed
from hiprobe.cli._chosen import load_probe
from hiprobe.cli._finished import check_folder, named_videos, sources_of, tell_left_out
from hiprobe.cli._options import OUT, AsJson, Overwrite, Verbose


def export(
    context: typer.Context,
    to: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The file, or the folder if the format has one file per video. Without --format: "
            ".npz for hidden states; .npz, .json or .csv for scores.",
        ),
    ],
    store: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT]",
            help="With --format a folder that hiprobe detect wrote, else its .store folder; "
            f"without it {OUT} or {OUT / '.store'}.",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="Events: activitynet, csv, cvat, edl, ffmetadata, fiftyone, label_studio, otio, "
            "srt, webvtt or youtube. Scores of each frame: npy or parquet. Or module:attribute.",
        ),
    ] = None,
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
        typer.Option(
            help="With --probe: videos, folders or globs. With --format: those that hiprobe detect "
            "was given, if they are elsewhere now. Repeatable."
        ),
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
    show_demoted: Annotated[
        bool,
        typer.Option(
            "--show-demoted", help="With --format: write the events that the model rejected too."
        ),
    ] = False,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Write events, scores of each frame or hidden states for other programs. No model runs.

    With --format: the events, or the scores of each frame, of the finished videos. Without it
    plain arrays. Hidden states: an NPZ with values, starts and ends of each video, and an index as
    JSON. Scores, with --probe: what `hiprobe evaluate --scores` reads.
    """
    from hiprobe import evaluation
    from hiprobe.cli import _terminal
    from hiprobe.errors import UsageError
    from hiprobe.evaluation import export as _export

    seen = _passed.watch(context, verbose)
    store = store or (OUT / ".store" if format_ is None else OUT)
    if format_ is not None:
        if probe is not None or raw or method is not None:
            raise UsageError("--probe, --raw and --method do not go with --format")
        _write(_Formatted(store, to, format_, show_demoted, overwrite), videos or (), seen, as_json)
        return
    if show_demoted or overwrite:
        raise UsageError("--show-demoted and --overwrite need --format")
    if (probe is None) != (not videos):
        raise UsageError("scores need both --probe and --videos, hidden states need neither")
    if probe is None:
        count = _export.export_states(store, to)
    else:
        found = _export.export_scores(
            named_videos(videos or (), seen),
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


class _Formatted(NamedTuple):
    """The options of an export in a format."""

    out: Path
    to: Path
    format: str
    demoted: bool
    overwrite: bool


def _write(
    given: _Formatted, videos: Sequence[str], seen: _passed.PassedOver, as_json: bool
) -> None:
    """Write the results of a folder in a format, and say what was written."""
    from hiprobe.cli import _terminal
    from hiprobe.cli._sinks import target_refusal
    from hiprobe.errors import UsageError, counted
    from hiprobe.evaluation.export_formats import Export, export_format

    reason = "" if given.to.is_dir() else target_refusal(given.to, set(), given.out)
    if reason:
        raise UsageError(reason, where=given.to, cure="choose another -o")
    if given.to.is_dir():
        check_folder(given.to, given.out)
    wanted = Export(given.format, given.to, given.demoted, given.overwrite)
    made = export_format(given.out, wanted, sources_of(given.out, videos, seen))
    if as_json:
        files = [str(path) for path in made.files]
        _terminal.emit({"files": files, "videos": made.videos, "left_out": made.unread})
    else:
        what = f"{counted(made.videos, 'video')} in {counted(len(made.files), 'file')}"
        _terminal.say(f"{what}: [bold]{_terminal.markup(given.to)}[/]")
    tell_left_out(made.unread, made.demoted)
