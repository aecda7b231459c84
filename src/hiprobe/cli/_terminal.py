"""What is shown in a terminal: progress, tables, errors. Knows results and probes; runs nothing."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hiprobe.cli import _quiet
from hiprobe.errors import HiProbeError, StoreError, counted, one_line
from hiprobe.probe import Probe
from hiprobe.probe.summary import doubts, folds_line
from hiprobe.store.leases import RunRecord, VideoRecord
from hiprobe.types import STATUSES, Event, Result, unicode

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(error: HiProbeError) -> None:
    """Print a named error on one line of standard error."""
    err.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)


def complain_about(_path: str, error: HiProbeError) -> None:
    """Print the error of a failed video; a callback."""
    complain(error)


def warn(text: str) -> None:
    """Print a line on standard error, without markup."""
    err.print(Text(one_line(text), "yellow"), soft_wrap=True)


def say(text: str) -> None:
    """Print a line with markup on standard output; raises StoreError if it cannot be written."""
    with _written():
        out.print(text, soft_wrap=True)


def show(table: Table | Text) -> None:
    """Print a table or plain text on standard output; raises StoreError if that fails."""
    with _written():
        out.print(table)


def markup(path: str | Path) -> str:
    """Return a path, or another text from outside, as one line of markup that has no effect."""
    return escape(one_line(str(path)))


def emit(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of standard output, ASCII only.

    Raises StoreError if it cannot be written.
    """
    with _written():
        print(json.dumps(value), flush=True)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the other end of the pipe has stopped reading
    except OSError as error:
        raise StoreError(f"cannot write: {error.strerror}", where="standard output") from error


class ClusterBar:
    """A progress bar over videos that workers read."""

    def __init__(self, live: Progress, videos: int) -> None:
        self._live, self._workers, self._failed, self._seconds = live, 0, 0, 0.0
        self._task = live.add_task("reading", total=videos, rate="", lost="")
        self._began = time.monotonic()

    def set_workers(self, number: int) -> None:
        """Note how many workers are ready."""
        self._workers = number

    def advance(self, status: str, seconds: float) -> None:
        """Count a video that has ended, `seconds` long."""
        self._seconds += seconds
        self._failed += status in ("failed", "quarantined")
        speed = self._seconds / max(time.monotonic() - self._began, 1e-3)
        rate = f"{speed:.1f}x real time, {counted(self._workers, 'worker')}"
        lost = f"{self._failed} failed" if self._failed else ""
        self._live.update(self._task, advance=1, rate=rate, lost=lost)


@contextmanager
def cluster_bar(videos: int) -> Iterator[ClusterBar]:
    """Yield a `ClusterBar` that is shown during a `with` block."""
    columns = (
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} videos"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}", style="cyan"),
        TextColumn("{task.fields[lost]}", style="red"),
    )
    live = Progress(
        *columns,
        console=err,
        transient=True,
        disable=_quiet.asked or not err.is_terminal,
        redirect_stdout=out.is_terminal,
    )
    bar = ClusterBar(live, videos)
    with live:
        yield bar


def fitted(probe: Probe) -> None:
    """Show which sites a probe reads and why, its AUC, its thresholds and where they are from."""
    from hiprobe.probe.early_layer import in_words

    facts = probe.provenance
    count, auc, folds = facts["segments"], facts["auc"], facts["folds"]
    say(f"read [bold]{', '.join(facts['chosen'])}[/], {facts['why']}")
    if "prefer_early" in facts and facts["prefer_early"]["instead_of"] not in facts["chosen"]:
        say(f"  {in_words(facts['prefer_early'])}")
    for reason in _reasons(facts):
        say(reason)
    used = f"{count['anomalous']} anomalous, {count['normal']} normal"
    say(f"  segments: {used}, {count['left_out']} left out")
    if auc:
        over = "groups" if facts.get("groups") else "videos"
        interval = (
            "" if auc["low"] is None else f" [{auc['low']:.3f}, {auc['high']:.3f}] over {over}"
        )
        say(f"  out-of-fold AUC {auc['value']:.3f}{interval}; {folds_line(folds)}")
    for line in _controls(facts.get("controls")):
        say(line)
    say(
        f"  threshold {probe.localization.threshold:.3f}: {facts['threshold_from']}"
        if (probe.localization.threshold is not None)
        else f"  threshold: {probe.localization.rule}"
    )
    rule = probe.verification
    level = "" if rule is None else f"confirmed from log-odds {rule.threshold:.2f} on: "
    say(f"  verification: {level}{facts['verification']}")
    for doubt in doubts(facts):
        warn(doubt)


def _controls(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what controls that need no model reach, and by how much the probe is better."""
    from hiprobe.probe.controls import WORDS, described_gap

    if not found:
        return
    rows = found["rows"]
    if rows:
        each = [f"{WORDS.get(name, name)} {row['auc']['value']:.3f}" for name, row in rows.items()]
        yield f"  AUC of controls without a model: {', '.join(each)}"
        gap = described_gap(rows["all"]["difference"])
        yield f"  AUC of the probe less that of all controls: {gap}"
    if found["left_out"]:
        yield f"  equal in all clips: {', '.join(WORDS.get(n, n) for n in found['left_out'])}"


def _reasons(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values by which the site was chosen, each beside its mean under shuffled labels."""
    index = facts["candidates"].index(facts["chosen"][0])
    chance = (facts["baseline"] or {}).get("mean", {})
    parts = []
    for name, curve in facts["curves"].items():
        beside = f" (chance {chance[name][index]:.3f})" if name in chance else ""
        parts += (
            [f"{'saliency' if name == 'score' else name} {curve[index]:.3f}{beside}"]
            if len(curve) > 1
            else []
        )
    if parts:
        yield f"  why: {', '.join(parts)}"


def events_table(result: Result, *, demoted: bool = False) -> Table:
    """Return the alarms as a table, one row each; with `demoted` the demoted events too, marked.

    Text is shown as it is, without markup or control characters.
    """
    from hiprobe.report.texts import printable, wall_clock

    events = result.events if demoted else result.alarms
    began = wall_clock(result.recorded)
    title = printable(unicode(result.name)) + (f", recorded {began}" if began else "")
    table = Table(title=Text(title), title_justify="left")
    labelled = any(event.label for event in events)
    for name in (*(("clock",) if began else ()), "start", "end", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("model's check", max_width=22)
    for name in ("label", "explanation") if labelled else ("explanation",):
        table.add_column(name, ratio=None if name == "label" else 1)
    for event in events:
        cells = (*_times(result, event), event.explanation)
        words = (*cells[:-1], event.label, cells[-1]) if labelled else cells
        style = "dim" if event.demoted else ""
        table.add_row(*(Text(printable(cell or ""), style) for cell in words))
    if not events:
        table.add_row(*([""] * (5 if began else 4)), Text(_none_found(result), style="dim"))
    return table


def _times(result: Result, event: Event) -> tuple[str, ...]:
    """Return the cells of an event up to the model's check of it."""
    from hiprobe.report.texts import check_words, clock, two, wall_clock

    at = wall_clock(result.recorded, event.start).partition(" ")[2][:8]
    return (
        *((at,) if wall_clock(result.recorded) else ()),
        clock(event.start),
        clock(event.end),
        two(event.score),
        ("demoted: " if event.demoted else "") + check_words(event.verification),
    )


def _none_found(result: Result) -> str:
    if result.demoted:
        return "no alarm: the model's own check rejected every event"
    return "no event: no score reaches the threshold"


def layers_table(found: Mapping[str, Any]) -> Table:
    """Return the curves as a table with one row per layer, the chosen one marked.

    Chance is the mean under shuffled labels.
    """
    names = [name for name in ("kl", "ldr", "entropy", "saliency", "auc") if found.get(name)]
    count = found["segments"]
    table = Table(title=f"{count['anomalous']} anomalous, {count['normal']} normal segments")
    table.add_column("layer", justify="right")
    for name in names:
        chance = f"{name}_null_mean" in found and name != "saliency"
        table.add_column(f"{name} (chance)" if chance else name, justify="right")
    for index, layer in enumerate(found["layers"]):
        cells = [_cell(found, name, index) for name in names]
        mark = " <" if layer == found["chosen"] else ""
        table.add_row(f"{layer}{mark}", *cells, style="bold" if mark else None)
    return table


def _cell(found: Mapping[str, Any], name: str, index: int) -> str:
    null = found.get(f"{name}_null_mean")
    chance = f" ({null[index]:.3f})" if null and name != "saliency" else ""
    return f"{found[name][index]:.3f}{chance}"


def state(item: VideoRecord, now: float) -> str:
    """Return the status of a video at Unix time `now`; "cut off" if its claim has expired."""
    if item.status != "claimed":
        return item.status
    return "in progress" if item.lease > now else "cut off"


def standing(run: RunRecord, items: Sequence[VideoRecord], now: float) -> None:
    """Show the status of the videos of a run: counts, and a row for each that is not done."""
    from hiprobe import backbones

    counts = Counter(state(item, now) for item in items)
    shown = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    probe, model = str(run.settings.get("probe"))[:8], str(run.settings.get("model"))
    model = backbones.name_of(model) or model
    say(markup(f"probe {probe}, model {model}: {shown}"))
    table = Table()
    for column in ("video", "status", "note"):
        table.add_column(column, overflow="fold")
    for item in items:
        if item.status != "done":
            table.add_row(markup(item.name), state(item, now), markup(item.reason or ""))
    if table.row_count:
        show(table)


def fitted_on(result: Result) -> str:
    """Say that the probe was fitted on this video; empty if it was not."""
    from hiprobe.report.texts import FITTED_ON

    return FITTED_ON if result.provenance.get("fitted_on_this_video") else ""


def _note(result: Result) -> str:
    """Say why a result is not complete or no test, and how much of the video was scored."""
    return "; ".join(filter(None, [_incomplete(result), fitted_on(result)]))


def _incomplete(result: Result) -> str:
    if result.scores is None or not (result.scores.lost or result.reason):
        return result.reason or ""
    gaps = [f"{gap.start:.1f}-{gap.end:.1f} s: {gap.reason}" for gap in result.scores.lost[:3]]
    return "; ".join(
        [f"{result.scores.scored_s:.1f} s scored", *filter(None, [result.reason]), *gaps]
    )


def _segments(result: Result) -> str:
    """Count the segments with a score, of how many, and those whose score is an earlier one's."""
    scores = result.scores
    if scores is None:
        return ""
    count, unread = len(scores.starts), len(scores.unread)
    kinds = {"repeated": scores.repeated, "carried": scores.carried}
    words = ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return (f"{count} of {count + unread}" if unread else str(count)) + (words and f" ({words})")


def _counts(result: Result) -> str:
    alarms, demoted = len(result.alarms), len(result.demoted)
    return f"{alarms} ({demoted} demoted)" if demoted else str(alarms)


def total(results: Sequence[Result]) -> None:
    """Show the outcome of each video of a run, and the sum."""
    if len(results) > 1:
        table = Table(title="videos")
        for column, side in (
            ("video", "left"),
            ("status", "left"),
            ("segments", "right"),
            ("events", "right"),
            ("note", "left"),
        ):
            table.add_column(column, justify=side, overflow="fold")  # type: ignore[arg-type]
        for result in results:
            table.add_row(
                markup(unicode(result.name)),
                result.status,
                _segments(result),
                _counts(result) if result.scores else "",
                markup(_note(result)),
            )
        show(table)

    counts = {status: sum(r.status == status for r in results) for status in STATUSES}
    alarms, demoted = (
        (len(result.alarms) for result in results),
        (len(result.demoted) for result in results),
    )
    end(counts, sum(alarms), sum(demoted))


def end(statuses: Mapping[str, int], alarms: int = 0, demoted: int = 0) -> None:
    """Show how many videos ended in which status, and how many events were found."""
    ended = ", ".join(f"{number} {status}" for status, number in statuses.items() if number)
    more = f", {demoted} demoted" if demoted else ""
    say(f"{ended}; {counted(alarms, 'event')}{more}")
