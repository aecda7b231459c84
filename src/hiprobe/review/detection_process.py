"""The child process of a run: detects in videos and reports its progress, one JSON object a line.

It is a process of its own so that a run can be cancelled and a crashing model does not end the
page.
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
from hiprobe.review.run_process import DetectionJob
from hiprobe.types import Segment, Site, Video, unicode


def tell_page(**values: Any) -> None:
    """Send one line to the page; what a library prints goes to standard error."""
    print(json.dumps(values), file=sys.__stdout__, flush=True)


def run_job(job: DetectionJob) -> None:
    """Detect in each video that is not done yet, with the options of the folder's last run.

    Raises ModelError, ProbeError, StoreError and RecipeMismatch.
    """
    probe, model = Probe.load(job.probe), backbones.load(job.model)
    options = runs.run_options(job.out, probe)
    run = runs.DetectionRun(model, probe, job.out, explain=job.explain, **vars(options))
    layers = range(model.layers) if job.all_layers else ()
    sites = tuple(Site("residual", layer) for layer in layers)
    for one in (Video(path, name=name) for path, name in job.videos):
        tell_page(file=unicode(one.name), at=0.0, duration=_duration(one.path))
        if sites:
            _keep_states(one.path, run, sites)
        _detect(one, run)
    report.write_index(job.out)


def _progress(path: str, segment: Segment) -> None:
    tell_page(file=Path(path).name, at=segment.end)


def _detect(one: Video, run: runs.DetectionRun) -> None:
    before, left = run.done([one])
    for result in [*before, *run.detect(left, keep=report.report_video, progress=_progress)]:
        store.note(run.out, [result])
        tell_page(
            done=unicode(one.name),
            status=result.status,
            events=len(result.alarms),
            demoted=len(result.demoted),
            reason=result.reason,
        )


def _keep_states(path: str, run: runs.DetectionRun, sites: Sequence[Site]) -> None:
    """Keep the states at `sites`, so that a later refit may choose among them."""
    try:
        pipeline.states(
            path,
            run.model,
            sites,
            recipe=run.probe.recipe,
            store=run.out / runs.STORE,
            progress=_progress,
        )
    except (VideoError, OutOfMemory):
        return  # detection fails for the same reason and reports it


def _duration(path: str) -> float | None:
    try:
        return video.info(path).duration
    except VideoError:
        return None


def _end_with_the_page() -> None:
    """End this process when the page's process ends, which closes the pipe."""
    sys.stdin.read()
    os._exit(130)


def run_from_stdin() -> None:
    """Run the job on the first line of standard input; exits with the code of the error, if any."""
    job = DetectionJob.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_the_page, daemon=True).start()
    try:
        with redirect_stdout(sys.stderr):
            run_job(job)
    except HiProbeError as error:
        tell_page(error=f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # cancelled: what was finished is kept
        sys.exit(130)


if __name__ == "__main__":
    run_from_stdin()
