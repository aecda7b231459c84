"""What a person at a terminal sees: progress, tables, errors. Knows results and probes, runs nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hiprobe.errors import HiProbeError
from hiprobe.probe import Probe
from hiprobe.types import Result, Segment

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
SLOW_S = 2.0


def complain(error: HiProbeError) -> None:
    """A named error on one line of standard error."""
    err.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", soft_wrap=True)


def say(text: str) -> None:
    """A line on standard output, its markup kept."""
    out.print(text, soft_wrap=True)


def emit(value: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


class _Rate(ProgressColumn):
    """Seconds of video read in a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}x real time" if task.speed else "", style="cyan")


@contextmanager
def bar(durations: Mapping[str, float]) -> Iterator[Callable[[str, Segment], None]]:
    """A progress bar over seconds of video, shown once the work has taken two seconds; gives what reports segments."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), _Rate(),
               TimeRemainingColumn())
    shown = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    task = shown.add_task("reading", total=sum(durations.values()) or None)
    began, done, order = time.monotonic(), 0.0, list(durations)
    before = {path: sum(durations[p] for p in order[:i]) for i, path in enumerate(order)}

    def report(path: str, segment: Segment) -> None:
        nonlocal done
        done = max(done, before.get(path, 0.0) + segment.end)
        if not shown.live.is_started and time.monotonic() - began > SLOW_S:
            shown.start()
        shown.update(task, completed=done, description=escape(Path(path).name[:32]))

    try:
        yield report
    finally:
        shown.stop()


def fitted(probe: Probe) -> None:
    """Which layer a probe reads and why, its threshold and its out-of-fold AUC."""
    facts = probe.provenance
    count, auc, folds = facts["segments"], facts["auc"], facts["folds"]
    say(f"read [bold]{', '.join(facts['chosen'])}[/], {facts['why']}")
    say(f"  segments: {count['anomalous']} anomalous, {count['normal']} normal, {count['left_out']} left out")
    if auc:
        interval = "" if auc["low"] is None else f" [{auc['low']:.3f}, {auc['high']:.3f}] over videos"
        say(f"  out-of-fold AUC {auc['value']:.3f}{interval}; {folds['count']} folds by {folds['by']} chose the same "
            f"layer in {folds['agreement']:.0%}")
    say(f"  threshold {probe.localization.threshold:.3f}" if probe.localization.threshold is not None else
        f"  threshold: {probe.localization.rule}")
    for warning in facts["warnings"]:
        err.print(f"[yellow]{escape(warning)}[/]", soft_wrap=True)


def curves(probe: Probe) -> dict[str, Any]:
    """The saliency curves of a probe's provenance, as `report.layers_png` and `--json` take them."""
    facts = probe.provenance
    found: dict[str, Any] = {"layers": list(range(len(facts["candidates"]))), "sites": facts["candidates"],
                             "chosen": facts["candidates"].index(facts["chosen"][0]), "segments": facts["segments"],
                             **dict(facts["curves"].items())}
    found["saliency"] = found.pop("score", found.get("saliency"))
    if facts["baseline"]:
        for part in ("mean", "std"):
            for name, curve in facts["baseline"][part].items():
                found[f"{'saliency' if name == 'score' else name}_null_{part}"] = curve
    rows = [row["auc"] for row in facts["layers"] or ()]
    if rows and all(rows):
        found |= {"auc": [row["value"] for row in rows], "auc_low": [row["low"] for row in rows],
                  "auc_high": [row["high"] for row in rows]}
    return found


def layers(found: Mapping[str, Any]) -> Table:
    """The curves as a table, one row a layer, the chosen one marked; chance level is the mean under shuffled labels."""
    names = [name for name in ("kl", "ldr", "entropy", "saliency", "auc") if found.get(name)]
    table = Table(title=f"{found['segments']['anomalous']} anomalous, {found['segments']['normal']} normal segments")
    table.add_column("layer", justify="right")
    for name in names:
        chance = f"{name}_null_mean" in found and name != "saliency"
        table.add_column(f"{name} (chance)" if chance else name, justify="right")
    for index, layer in enumerate(found["layers"]):
        cells = [_cell(found, name, index) for name in names]
        mark = " <" if index == found["chosen"] else ""
        table.add_row(f"{layer}{mark}", *cells, style="bold" if mark else None)
    return table


def _cell(found: Mapping[str, Any], name: str, index: int) -> str:
    null = found.get(f"{name}_null_mean")
    chance = f" ({null[index]:.3f})" if null and name != "saliency" else ""
    return f"{found[name][index]:.3f}{chance}"


def total(results: Sequence[Result], folder: Path) -> None:
    """What each video of a run gave, and where everything lies."""
    if len(results) > 1:
        table = Table(title="videos")
        for column, side in (("video", "left"), ("status", "left"), ("segments", "right"), ("events", "right"),
                             ("note", "left")):
            table.add_column(column, justify=side, overflow="fold")  # type: ignore[arg-type]
        for result in results:
            gaps = "; ".join(f"{g.start:.1f}-{g.end:.1f} s: {g.reason}" for g in result.scores.gaps[:3]) if (
                result.scores) else ""
            segments = str(len(result.scores.starts)) if result.scores else ""
            table.add_row(escape(Path(result.path).name), result.status, segments,
                          str(len(result.events)) if result.scores else "", escape(result.reason or gaps))
        out.print(table)
    counts = {status: sum(r.status == status for r in results) for status in ("done", "partial", "failed")}
    say(", ".join(f"{number} {status}" for status, number in counts.items() if number)
        + f"; {sum(len(r.events) for r in results)} events; all in [bold]{escape(str(folder / 'manifest.jsonl'))}[/]")
