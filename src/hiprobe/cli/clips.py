"""`hiprobe clips`: cut the events of finished videos out of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli import _passed, _run
from hiprobe.cli._finished import check_folder, sources_of, tell_left_out
from hiprobe.cli._options import OUT, AsJson, Overwrite, Verbose, VideosOfResults
from hiprobe.errors import UsageError, counted

if TYPE_CHECKING:
    from hiprobe.evaluation.event_clips import EventClip

MOST_AROUND_S = 3600.0


def clips(
    context: typer.Context,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A folder that hiprobe detect wrote.")
    ] = OUT,
    to: Annotated[Path, typer.Option("--out", "-o", help="The folder for the clips.")] = Path(
        "event-clips"  # clips/ is where labelled ones are
    ),
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Encode again, so that a clip has exactly the frames of its event. It has no "
            "sound. Without it the clip begins at the last keyframe before the event, and nothing "
            "is encoded.",
        ),
    ] = False,
    around: Annotated[
        float, typer.Option(help="Seconds of the video to keep before and after each event.")
    ] = 0.0,
    videos: VideosOfResults = None,
    show_demoted: Annotated[
        bool,
        typer.Option("--show-demoted", help="Cut the events that the model rejected too."),
    ] = False,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Cut the events of finished videos out of them, as MP4 clips. No model runs.

    A clip is called after its video and the seconds of its event: front/0900_5.7-11.7.mp4.
    """
    from hiprobe.evaluation.event_clips import ClipOptions, cut_events
    from hiprobe.evaluation.finished_videos import finished_videos

    if not 0 <= around <= MOST_AROUND_S:
        raise UsageError(f"--around must be 0 to {MOST_AROUND_S:g} seconds, got {around:g}")
    check_folder(to, out)
    results, unread = finished_videos(out)
    sources = sources_of(out, videos or (), _passed.watch(context, verbose))
    told = _Told(as_json)
    options = ClipOptions(to, exact, around, show_demoted, overwrite)
    for clip in cut_events(results, sources, options):
        told.tell(clip)
    if not as_json:
        told.sum_up(to)
    tell_left_out(unread, 0 if show_demoted else sum(len(one.demoted) for one in results))
    raise typer.Exit(_run.exit_code(told.failed))


@dataclass
class _Told:
    """Tells of each clip as it comes, and counts."""

    as_json: bool
    made: int = 0
    failed: int = 0

    def tell(self, clip: EventClip) -> None:
        from hiprobe.cli._terminal import complain, emit, markup, say

        if clip.error is not None:
            self.failed += 1
            complain(clip.error)
        elif clip.span is not None:
            self.made += 1
            start, end = clip.span
            line = clip.line
            if self.as_json:
                emit(
                    {
                        "file": str(clip.place),
                        "start": round(start, 6),
                        "end": round(end, 6),
                        "event": {key: line[key] for key in ("id", "start", "end", "label")},
                        "video": line["video"]["name"],
                    }
                )
            else:
                say(f"{markup(clip.place)}  {start:.1f} to {end:.1f} s")

    def sum_up(self, to: Path) -> None:
        from hiprobe.cli._terminal import markup, say

        say(f"{counted(self.made, 'clip')}: [bold]{markup(to)}[/]")
