"""The child process of a run: detects in a folder's videos and says how far it is, one JSON object a line.

A process of its own, so that a run can be cancelled, and a model that crashes does not take the page with it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from hiprobe import backbones, pipeline, report, runs, store, video
from hiprobe.errors import HiProbeError, OutOfMemory, VideoError
from hiprobe.probe import Probe
from hiprobe.types import Result, Segment, Site


def tell_page(**values: Any) -> None:
    """One line to the page; what a library prints goes to standard error."""
    print(json.dumps(values), file=sys.__stdout__, flush=True)


def run(
    paths: Sequence[Path], probe: Probe, model: str, out: Path, *, explain: bool, all_layers: bool
) -> None:
    """Detects in each video that is not done yet; raises ModelError, StoreError, RecipeMismatch."""
    loaded = backbones.load(model)
    job = runs.DetectionRun(loaded, probe, out, explain=explain)
    sites = tuple(Site("residual", layer) for layer in range(loaded.layers)) if all_layers else ()

    def progress(path: str, segment: Segment) -> None:
        tell_page(file=Path(path).name, at=segment.end)

    for path in paths:
        tell_page(file=path.name, at=0.0, duration=_duration(path))
        if sites:
            _read_all(path, loaded, sites, probe, out, progress)
        before, left = job.done([path])
        for result in [*before, *job.detect(left, keep=_keep, progress=progress)]:
            store.note(out, [result])
            tell_page(
                done=path.name,
                status=result.status,
                events=len(result.events),
                reason=result.reason,
            )


def _keep(result: Result, place: Path) -> None:
    report.write_report(result, Path(result.path), place, _thumbnails(result))


def _read_all(
    path: Path,
    model: backbones.Backbone,
    sites: Sequence[Site],
    probe: Probe,
    out: Path,
    progress: pipeline.Progress,
) -> None:
    """Keeps all layers, so that a later refit may choose among them; a video that fails is named by `detect`."""
    try:
        pipeline.states(
            path, model, sites, recipe=probe.recipe, store=out / ".store", progress=progress
        )
    except (VideoError, OutOfMemory):
        return


def _duration(path: Path) -> float | None:
    try:
        return video.info(path).duration
    except VideoError:
        return None


def _thumbnails(result: Result) -> list[report.Thumbnail]:
    peaks = [event.peak for event in result.events[:12] if event.peak is not None]
    return [(peak, video.span(result.path, peak, peak + 0.04, 1).frames[0]) for peak in peaks]


def _end_with_the_page() -> None:
    """Ends this process once the page's has ended, which closes the pipe."""
    sys.stdin.read()
    os._exit(130)


def main() -> None:
    """Reads the job, one JSON object, from the first line of standard input."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_page, daemon=True).start()
    try:
        with redirect_stdout(sys.stderr):
            run(
                [Path(path) for path in job["paths"]],
                Probe.load(job["probe"]),
                job["model"],
                Path(job["out"]),
                explain=job["explain"],
                all_layers=job["all_layers"],
            )
    except HiProbeError as error:
        tell_page(error=f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # cancelled: what was finished is kept
        sys.exit(130)


if __name__ == "__main__":
    main()
