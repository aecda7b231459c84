"""What detect, extract and evaluate do alike with --ray: find videos at addresses, tell how the run stands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli import _run
from hiprobe.errors import HiProbeError, OutOfMemory, Quarantined, UsageError

if TYPE_CHECKING:
    from hiprobe.probe import Probe
    from hiprobe.scale import Cluster, Described, Loading
    from hiprobe.types import Result


def check_installed() -> None:
    """Raises UsageError where Ray is not installed."""
    try:
        import hiprobe.scale  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"--ray needs {error.name}", cure="pip install 'hiprobe[ray]'") from error


def results_home(out: str) -> Path:
    """The folder with the index of the results in `out`, a folder or an address; raises UsageError without Ray."""
    if "://" not in out:
        return Path(out)
    check_installed()
    from hiprobe import scale

    return scale.local_home(out)


def cluster(address: str, worker: str | None) -> Cluster:
    """The cluster at `address`, and what `--worker` says that each worker takes, else one CPU; raises UsageError."""
    check_installed()
    from hiprobe.scale import Cluster

    worker = "1" if worker is None else worker
    cpus, _, gpus = worker.partition(",")
    try:
        found = Cluster(address, cpus=int(cpus), gpus=float(gpus or 0))
    except ValueError as error:
        raise UsageError(
            f"--worker {worker}", cure="write CPUs, or CPUs,GPUs such as 2,0.25"
        ) from error
    if found.cpus < 1 or not 0 <= found.gpus < math.inf or (found.gpus > 1 and found.gpus % 1):
        raise UsageError(f"--worker {worker}", cure="write CPUs, or CPUs,GPUs such as 2,0.25")
    return found


def without(worker: str | None, *paths: str) -> None:
    """Raises UsageError for what only a run on Ray takes: `--worker`, and an address in the place of a path."""
    if worker is not None:
        raise UsageError("--worker is for --ray", cure="add --ray local, or leave it out")
    for path in paths:
        if "://" in path:
            raise UsageError(
                "this is an address, and no path of this machine",
                where=path,
                cure="--ray local reads and writes addresses such as s3://bucket/folder",
            )


def find_everywhere(paths: Sequence[str]) -> tuple[list[str], list[Result]]:
    """The videos meant by paths and addresses, each once, and a failed result for each that means none."""
    from hiprobe import pipeline
    from hiprobe.cli._terminal import complain
    from hiprobe.store import remote
    from hiprobe.video.files import is_video

    here, failed = _run.find_videos(
        [remote.strip_scheme(path) for path in paths if not remote.is_address(path)]
    )
    found = [str(path.absolute()) for path in here]
    for path in filter(remote.is_address, paths):
        try:
            found += remote.find_addresses(path, is_video)
        except HiProbeError as error:
            complain(error)
            failed.append(pipeline.failure(path, error))
    return list(dict.fromkeys(found)), failed


def detect_and_show(
    paths: Sequence[str],
    failed: Sequence[Result],
    loading: Loading,
    probe: Probe,
    out: str,
    at: Cluster,
    explain: bool,
    again: bool,
    as_json: bool,
) -> int:
    """Detects on the cluster, tells each result as it comes, keeps none; the exit code."""
    from hiprobe import scale, store
    from hiprobe.cli import _terminal
    from hiprobe.store import remote

    folder, counts, events = scale.local_home(out), Counter(one.status for one in failed), 0
    crew = [0]
    if remote.is_address(out):
        remote.pull(out.rstrip("/"), folder, (store.MANIFEST,))  # what other drivers have entered
    with store.Notes(folder) as notes, _terminal.cluster_bar(len(paths)) as told:
        notes.add(failed)
        for result in scale.detect_on_ray(
            paths,
            loading,
            probe,
            out,
            cluster=at,
            explain=explain,
            keep=_run.keep,
            failed=_terminal.complain,
            workers=partial(crew.__setitem__, 0),
            about=_warn,
            again=again,
        ):
            notes.add([result])
            told(result.status, result.duration, crew[0])
            _run.tell(result, out.rstrip("/") if remote.is_address(out) else folder, as_json)
            counts[result.status] += 1
            events += len(result.events)
    if remote.is_address(out):
        remote.push([folder / store.MANIFEST], out.rstrip("/"))
    if not as_json:
        ended = ", ".join(f"{number} {status}" for status, number in counts.items())
        _terminal.say(f"{ended}; {events} events; all in [bold]{_terminal.markup(out)}[/]")
    return 3 if counts["failed"] + counts["quarantined"] else 0


def extract_and_show(
    paths: Sequence[str],
    failed: Sequence[Result],
    loading: Loading,
    root: str,
    method: str,
    at: Cluster,
    as_json: bool,
) -> int:
    """Extracts on the cluster and tells each video as it comes; the exit code."""
    from hiprobe import scale
    from hiprobe.cli import _terminal

    crew, lost = [0], len(failed)
    with _terminal.cluster_bar(len(paths)) as told:
        for one in scale.extract_on_ray(
            paths,
            loading,
            root,
            method=method,
            cluster=at,
            failed=_terminal.complain,
            workers=partial(crew.__setitem__, 0),
            about=_warn,
        ):
            told(one.status, one.duration, crew[0])
            segments, sites, width = one.shape
            lost += one.reason is not None
            if as_json and one.reason is None:
                _terminal.emit(
                    {
                        "video": one.video_id,
                        "segments": segments,
                        "sites": sites,
                        "width": width,
                        "duration": one.duration,
                        "gaps": one.gaps,
                    }
                )
            elif one.reason is None:
                _terminal.say(
                    f"{one.video_id[:8]}  {segments} segments x {sites} sites x {width} wide"
                )
    return 3 if lost else 0


def _warn(model: Described) -> None:
    from hiprobe.cli import _terminal

    if model.notice:
        _terminal.warn(model.notice)


def _unread(error: HiProbeError) -> None:
    """Says what only workers know; any other failure is met again, and said, by what goes over the videos next."""
    from hiprobe.cli import _terminal

    if isinstance(error, Quarantined | OutOfMemory):
        _terminal.complain(error)


def read_on_ray(
    videos: Sequence[str],
    model: str,
    how: tuple[str | None, str, str],
    store: Path,
    method: str,
    at: Cluster,
    probe: Probe | None,
) -> Described:
    """Keeps states and frame times of `videos` in `store`, so that what follows reads none; the model, described."""
    from hiprobe import scale
    from hiprobe.cli import _terminal
    from hiprobe.evaluation import benchmark

    sites, recipe = (probe.sites, probe.recipe) if probe else (None, None)
    crew = [0]
    described: list[Described] = []
    loading = scale.Loading(model, *how)
    with _terminal.cluster_bar(len(videos)) as told:
        for one in scale.extract_on_ray(
            videos,
            loading,
            store,
            method=probe.method if probe else method,
            sites=sites,
            recipe=recipe,
            cluster=at,
            about=described.append,
            also=partial(benchmark.kept_frame_times, kept=store.absolute()),
            failed=_unread,
            workers=partial(crew.__setitem__, 0),
        ):
            told(one.status, one.duration, crew[0])
    return described[0]
