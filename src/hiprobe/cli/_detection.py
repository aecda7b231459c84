"""Detection in many videos, shown in a terminal: what is asked, what is kept, what is said."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.cli._run import exit_code_of, say_forecast, seconds
from hiprobe.errors import counted

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.cli._chosen import ChosenProbe
    from hiprobe.cli._sinks import SinkOutput
    from hiprobe.cli._videos import Found
    from hiprobe.localize import Localization
    from hiprobe.pipeline import WindowsToRead
    from hiprobe.probe import Probe
    from hiprobe.runs import DetectionRun
    from hiprobe.types import Gap, Result, Video


@dataclass(frozen=True)
class Output:
    """Where the results of a detection go, and how they are shown.

    With `demoted` the demoted events are shown too; `--json` always has them in a list of their
    own.
    """

    folder: str | Path
    as_json: bool = False
    sinks: SinkOutput | None = None
    demoted: bool = False

    def show(self, result: Result, *, new: bool = True) -> None:
        """Show one result, made by this command if it is `new`; give its events to the sinks."""
        show_result(result, self)
        if self.sinks is not None:
            self.sinks.add(result, new=new)

    def check(self, inputs: Iterable[str | Path]) -> None:
        """Raise UsageError for a sink that would overwrite an input or a result."""
        if self.sinks is not None:
            self.sinks.check(inputs, self.folder)

    def end(self, found: Found) -> None:
        """Name the page that lists all results, if a video was found; write the sinks."""
        if found.videos and not self.as_json:
            show_pages(self.folder)
        if self.sinks is not None:
            self.sinks.write(one.name for one in found.videos)


def _all_windows() -> WindowsToRead:
    from hiprobe.pipeline import ALL

    return ALL


@dataclass(frozen=True)
class DetectionRequest:
    """What `hiprobe detect` asks for: the probe, how events are found, and where results go.

    `dtype` is the precision that finished results must have, "auto" for any; None does every video
    with the model.
    """

    probe: Probe
    out: Path
    localization: Localization
    explain: bool = True
    verify: bool = True
    dtype: str | None = "auto"
    time_from_name: str | None = None
    where: bool = False
    windows: WindowsToRead = field(default_factory=_all_windows)

    def run(self, model: Backbone) -> DetectionRun:
        """Return the run with this model; raises RecipeMismatch for a probe of another model."""
        from hiprobe.runs import DetectionRun

        return DetectionRun(
            model,
            self.probe,
            self.out,
            explain=self.explain,
            verify=self.verify,
            localization=self.localization,
            time_from_name=self.time_from_name,
            where=self.where,
            windows=self.windows,
        )

    def finished(
        self, videos: Sequence[Video], again: Callable[[str], None]
    ) -> tuple[list[Result], list[Video]]:
        """Return the results that need no model, and the videos left.

        `again` gets the name of each video whose events were found again in its stored scores.
        """
        from hiprobe.runs import Wanted, without_model

        def keep_again(result: Result, place: Path) -> None:
            keep(result, place)
            again(result.name)

        if self.dtype is None:
            return [], list(videos)
        wanted = Wanted(
            self.probe,
            self.localization,
            self.explain,
            self.verify,
            self.dtype,
            self.time_from_name,
            self.where,
            self.windows,
        )
        return without_model(self.out, videos, wanted, keep_again)


def show_detection(
    found: Found, asked: DetectionRequest, load: Callable[[], Backbone], output: Output
) -> int:
    """Detect in the videos, show each result and the sum; return the exit code."""
    from hiprobe.cli import _terminal

    if found.videos or asked.out.is_dir():
        results = [*found.failed, *_with_progress(found, asked, load, output)]
    else:  # no folder is made for results that do not exist
        results = found.failed
        for result in results:
            output.show(result)
    if not output.as_json:
        _terminal.total(results)
    return exit_code_of(results)


def _with_progress(
    found: Found, asked: DetectionRequest, load: Callable[[], Backbone], output: Output
) -> list[Result]:
    """Detect in each video that is not done yet; write its files as soon as it is done.

    The model is loaded if a video is left. `OUT/index.html` lists all videos at the end.
    """
    from hiprobe import store
    from hiprobe.pipeline import decode_before_model
    from hiprobe.runs import STORE

    again = set[str]()
    before, left = asked.finished(found.videos, again.add)
    plan = asked.windows.plan(asked.probe, asked.localization)
    if left:
        decode_before_model(left[0].path, asked.out / STORE, plan)
    run = asked.run(load()) if left else None
    if run is not None:
        same, left = run.done(left)
        before += same
    if before and not output.as_json:
        _say_finished(len(before), len(found.videos))
    if run is not None:
        say_forecast(run.model, plan, left, asked.out / STORE)
    made = [*found.failed, *before]
    with _index_written(asked.out), store.Notes(asked.out) as notes:
        notes.add(made)
        for result in made:
            output.show(result, new=result.name in again)
        for result in _detected(run, left) if run is not None else ():
            notes.add([result])
            output.show(result)
            made.append(result)
    order = {one.name: place for place, one in enumerate(found.videos)}
    return sorted(made[len(found.failed) :], key=lambda result: order[result.name])


@contextmanager
def _index_written(out: Path) -> Iterator[None]:
    """Write the page that lists all videos, after an interruption too."""
    from hiprobe import report

    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        report.write_index(out)
        raise
    report.write_index(out)


def _detected(run: DetectionRun, left: Sequence[Video]) -> Iterator[Result]:
    """Yield the result of each video, with progress shown."""
    from hiprobe.cli import _terminal
    from hiprobe.cli._progress import bar

    with bar(seconds(one.path for one in left)) as progress:
        for result in run.detect(
            left,
            keep=keep,
            failed=_terminal.complain_about,
            progress=progress,
            waiting=_waiting,
        ):
            progress.end(result.path)
            yield result


def _say_finished(before: int, videos: int) -> None:
    from hiprobe.cli import _terminal

    goes_on = (
        f"{before} of {videos} were finished before, continuing"
        if before < videos
        else "all were finished before"
    )
    _terminal.say(f"{goes_on}; --again does them again")


def warn_of_untimed(pattern: str, videos: Sequence[Video]) -> None:
    """Say how many names have no time by `pattern`; raises UsageError for an invalid pattern."""
    from hiprobe.cli._terminal import warn
    from hiprobe.video import NamePattern

    times = NamePattern(pattern)
    without = [one.name for one in videos if times.time(one.name) is None]
    if without:
        warn(
            f"--time-from-name {pattern}: {len(without)} of {len(videos)} names have no such time, "
            f"the first is {without[0]}"
        )


def keep_places(out: Path, found: Found, chosen: ChosenProbe) -> None:
    """Remember where videos were found, and what the probe was fitted on, on this machine."""
    from hiprobe.store.local_places import LocalPlaces, add_places

    if not found.videos:
        return
    fits = {} if chosen.fit is None else {chosen.probe.digest: chosen.fit}
    add_places(out, found.places().joined(LocalPlaces((), fits)))


def show_pages(out: str | Path) -> None:
    """Name the page that lists all results, and the command to review them."""
    from hiprobe.cli import _terminal
    from hiprobe.cli._options import OUT

    folder = str(out).rstrip("/")
    _terminal.say(f"all results: [bold]{_terminal.markup(f'{folder}/index.html')}[/]")
    if "://" not in folder:
        given = "" if Path(folder) == OUT else f" {shlex.quote(folder)}"
        _terminal.say(f"look, judge and refit: [bold]hiprobe review{_terminal.markup(given)}[/]")


def _waiting(videos: int) -> None:
    from hiprobe.cli._terminal import warn
    from hiprobe.store.leases import LEASE_S

    warn(
        f"waiting for {counted(videos, 'video')} that another worker holds; "
        f"if it has died, for at most {LEASE_S:g} s"
    )


def keep(result: Result, place: Path) -> None:
    """Write the files of a result that people look at; the first one loads matplotlib."""
    from hiprobe import report

    report.report_video(result, place)


def show_result(result: Result, output: Output) -> None:
    """Show one result, once its files are written in the output folder (or address)."""
    from hiprobe import sinks, store
    from hiprobe.cli import _terminal
    from hiprobe.report.texts import left_out, windows_lines
    from hiprobe.types import unicode

    if output.as_json:
        _terminal.emit(
            {
                "name": unicode(result.name),
                "path": result.path,
                "status": result.status,
                "reason": result.reason,
                "fitted_on_this_video": bool(result.provenance.get("fitted_on_this_video")),
                "scored_s": round(result.scores.scored_s, 3) if result.scores else 0.0,
                "gaps": [_gap(gap) for gap in result.scores.lost] if result.scores else [],
                "repeated": result.scores.repeated if result.scores else 0,
                "carried": result.scores.carried if result.scores else 0,
                "unread": len(result.scores.unread) if result.scores else 0,
                "events": [sinks.event_line(result, event) for event in result.alarms],
                "demoted": [sinks.event_line(result, event) for event in result.demoted],
            }
        )
    elif result.scores is not None:
        _terminal.show(_terminal.events_table(result, demoted=output.demoted))
        if not output.demoted and result.demoted:
            _terminal.say(left_out(len(result.demoted), len(result.alarms)))
        if said := _terminal.fitted_on(result):
            _terminal.say(f"[yellow]{said}[/]")
        place = store.result_folder(Path(), result)
        page = _terminal.markup(f"{output.folder}/{place}/report.html")
        _terminal.say(f"report: [bold]{page}[/]")
        for line in windows_lines(result.scores):
            _terminal.say(line)


def _gap(gap: Gap) -> dict[str, Any]:
    from hiprobe.sinks import number

    return {"start": number(gap.start), "end": number(gap.end), "reason": gap.reason}
