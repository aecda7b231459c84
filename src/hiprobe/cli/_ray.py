"""What detect, extract and evaluate share with --ray: videos at addresses, progress of a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli import _run
from hiprobe.errors import HiProbeError, OutOfMemory, Quarantined, UsageError

if TYPE_CHECKING:
    from hiprobe.backbones import Loading
    from hiprobe.cli._detection import DetectionRequest, Output
    from hiprobe.cli._reading import ReadingOptions
    from hiprobe.cli._videos import Found
    from hiprobe.probe import Probe
    from hiprobe.scale import Cluster, Described, RayRun
    from hiprobe.types import Video


def check_installed() -> None:
    """Raise UsageError where Ray is not installed."""
    try:
        import hiprobe.scale  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"--ray needs {error.name}", cure="pip install 'hiprobe[ray]'") from error


def results_home(out: str) -> Path:
    """Return the folder with the index of the results in `out`, a folder or an address.

    Raises UsageError for an address where Ray is not installed.
    """
    if "://" not in out:
        return Path(out)
    check_installed()
    from hiprobe import scale

    return scale.local_home(out)


def cluster(address: str, worker: str | None) -> Cluster:
    """Return the cluster at `address`, with the CPUs and GPUs that `--worker` gives each worker.

    Raises UsageError for a malformed `--worker`.
    """
    check_installed()
    from hiprobe.scale import Cluster

    worker = "1" if worker is None else worker
    cpus, _, gpus = worker.partition(",")
    try:
        found = Cluster(address, cpus=int(cpus), gpus=float(gpus or 0))
    except ValueError as error:
        raise UsageError(
            f"--worker must be CPUS or CPUS,GPUS, got {worker}", cure="write for example 2,0.25"
        ) from error
    if found.cpus < 1 or not 0 <= found.gpus < math.inf or (found.gpus > 1 and found.gpus % 1):
        raise UsageError(
            f"--worker must be CPUS or CPUS,GPUS, got {worker}", cure="write for example 2,0.25"
        )
    return found


def without(worker: str | None, *paths: str) -> None:
    """Raise UsageError for what only a run on Ray takes: `--worker`, or an address as a path."""
    from hiprobe.sinks import shown_target

    if worker is not None:
        raise UsageError("--worker needs --ray", cure="add --ray local, or leave it out")
    for path in paths:
        if path.lower().startswith(("rtsp://", "rtsps://")):
            raise UsageError(
                "this is a camera, not a video that has ended",
                where=shown_target(path),
                cure="use hiprobe watch",
            )
        if "://" in path:
            raise UsageError(
                "this is an address, not a path on this machine",
                where=shown_target(path) if "@" in path else path,
                cure="--ray local reads and writes addresses such as s3://bucket/folder",
            )


def show_ray_detection(
    found: Found, run: RayRun, asked: DetectionRequest, output: Output, again: bool
) -> int:
    """Detect on the cluster and show each result as it comes; return the exit code."""
    from hiprobe import report, scale, store
    from hiprobe.cli import _terminal
    from hiprobe.cli._detection import keep
    from hiprobe.store import remote

    out, folder = str(output.folder), asked.out
    counts: Counter[str] = Counter(one.status for one in found.failed)
    events, before = [0, 0], set[str]()  # alarms and demoted; names of videos done before
    shown = replace(output, folder=out.rstrip("/") if remote.is_address(out) else folder)
    if remote.is_address(out):
        # What other drivers have noted.
        remote.pull(out.rstrip("/"), folder, (store.MANIFEST,))
    with store.Notes(folder) as notes, _terminal.cluster_bar(len(found.videos)) as bar:
        notes.add(found.failed)
        for result in scale.detect_on_ray(
            found.videos,
            replace(run, workers=bar.set_workers, keep=keep, before=before.add),
            asked.probe,
            out,
            explain=asked.explain,
            verify=asked.verify,
            localization=asked.localization,
            time_from_name=asked.time_from_name,
            where=asked.where,
            again=again,
        ):
            notes.add([result])
            bar.advance(result.status, result.duration)
            shown.show(result, new=result.name not in before)
            counts[result.status] += 1
            events[0] += len(result.alarms)
            events[1] += len(result.demoted)
    pages = report.write_index(folder, out.rstrip("/").rpartition("/")[2])
    if remote.is_address(out):
        remote.push([folder / store.MANIFEST, *pages], out.rstrip("/"))
    if not shown.as_json:
        _terminal.end(counts, *events)
    return _run.exit_code(counts["failed"] + counts["quarantined"])


def extract_and_show(
    videos: Sequence[Video], run: RayRun, store: str, reading: ReadingOptions, as_json: bool
) -> int:
    """Extract on the cluster and show each video as it comes; return how many failed."""
    from hiprobe import scale
    from hiprobe.cli import _terminal

    lost = 0
    with _terminal.cluster_bar(len(videos)) as bar:
        run = replace(run, workers=bar.set_workers)
        for one in scale.extract_on_ray(
            videos, run, store, method=reading.method, options=reading.options
        ):
            bar.advance(one.status, one.duration)
            lost += one.reason is not None
            if one.reason is None:
                _run.show_states(one.video_id, one.shape, one.duration, one.gaps, as_json)
    return lost


def ray_run(address: str, worker: str | None, loading: Loading) -> RayRun:
    """Return the run on the cluster at `address`; its failures and notice are shown."""
    from hiprobe.estimate import FASTEST

    if loading.dtype == FASTEST:
        raise UsageError(
            "--dtype fastest measures one machine, and --ray uses several",
            cure="give --dtype float32 or bfloat16",
        )
    check_installed()
    from hiprobe.cli._terminal import complain_about
    from hiprobe.scale import RayRun

    return RayRun(loading, cluster(address, worker), complain_about, about=_warn)


def _warn(model: Described) -> None:
    from hiprobe.cli import _terminal

    if model.notice:
        _terminal.warn(model.notice)


def _complain_if_unread(path: str, error: HiProbeError) -> None:
    """Show an error that only workers know of; later steps meet and show any other."""
    from hiprobe.cli import _terminal

    if isinstance(error, Quarantined | OutOfMemory):
        _terminal.complain_about(path, error)


def read_on_ray(
    videos: Sequence[str], run: RayRun, store: Path, method: str, probe: Probe | None
) -> Described:
    """Keep states and frame times of `videos` in `store`; return facts about the model.

    Later steps then read no video.
    """
    from hiprobe import scale
    from hiprobe.cli import _terminal
    from hiprobe.evaluation.frame_times import kept_frame_times
    from hiprobe.pipeline import ReadPlan

    plan = None if probe is None else ReadPlan(tuple(probe.sites), probe.recipe)
    described: list[Described] = []
    with _terminal.cluster_bar(len(videos)) as bar:
        run = replace(
            run, failed=_complain_if_unread, workers=bar.set_workers, about=described.append
        )
        also = partial(kept_frame_times, store=store.absolute())
        for one in scale.extract_on_ray(videos, run, store, method=method, plan=plan, also=also):
            bar.advance(one.status, one.duration)
    return described[0]
