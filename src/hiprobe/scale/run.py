"""Extract and detect on Ray: workers read; this process distributes work and keeps the index.

It also counts attempts. Results equal those of a local run byte for byte, given the same batch
size, threads and kind of device. Knows no picture and no page.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from hiprobe import backbones, pipeline, runs
from hiprobe.backbones import Loading
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import StoreError, counted
from hiprobe.localize import Localization
from hiprobe.pipeline import Failed, ReadPlan, RecipeOptions, ignore
from hiprobe.probe import Probe
from hiprobe.runs import Given, as_video
from hiprobe.scale.cluster import Cluster
from hiprobe.scale.ledger import Extracted, ResultLedger, StateLedger
from hiprobe.scale.pool import Pool
from hiprobe.scale.scheduler import Scheduler
from hiprobe.scale.worker import Described, Keep, Work
from hiprobe.store import remote, run_record
from hiprobe.store.leases import LeaseHolder
from hiprobe.types import Result, Video

End = TypeVar("End", Result, Extracted)


@dataclass(frozen=True)
class RayRun:
    """The cluster of a run, the model that its workers load, and the callbacks.

    `failed` gets the path and the error of a video that could not be read, `workers` their number
    after each video that ended, `about` the model as the workers describe it. `keep` writes the
    files of a new result, on the worker. `before` gets the name of each video whose result was
    there already.
    """

    loading: Loading
    cluster: Cluster = field(default_factory=Cluster)
    failed: Failed = ignore
    workers: Callable[[int], None] = ignore
    about: Callable[[Described], None] = ignore
    keep: Keep | None = None
    before: Callable[[str], None] = ignore

    def pool(self, videos: int) -> Pool:
        """Return the workers for that many videos, to be used in a `with`."""
        return Pool(self.cluster, _found(self.loading), videos)


def local_home(out: str | Path) -> Path:
    """Return the folder for the index and the manifest of the results in `out`.

    It is `out` itself; for an address it is a folder in the user's cache.
    """
    if not remote.is_address(out):
        return Path(remote.strip_scheme(str(out)))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hiprobe" / "runs" / sha256(str(out).rstrip("/").encode()).hexdigest()[:16]


def detect_on_ray(
    videos: Sequence[Given],
    run: RayRun,
    probe: Probe,
    out: str | Path,
    *,
    explain: bool = True,
    verify: bool = True,
    localization: Localization | None = None,
    time_from_name: str | None = None,
    where: bool = False,
    again: bool = False,
) -> Iterator[Result]:
    """Yield a result of each video as it finishes; videos finished before are not redone.

    Videos (or paths) and `out` may be addresses that fsspec reads. Folders, also a model's, must be
    seen by all nodes under the same path. Paths come back absolute. A video that cannot be read is
    `failed`, one that crashes its worker or decoder twice `quarantined`. Raises UsageError where
    Ray cannot be reached, RecipeMismatch, ModelError, and StoreError, also where not all videos are
    accounted for.
    """
    given, to = [_everywhere(one) for one in videos], _folder(out)
    with run.pool(len(given)) as pool:
        model = _model(pool)
        run.about(model)
        pipeline.check_probe(model, probe)
        settings = {
            **runs.result_settings(model, probe, explain, localization, verify=verify),
            **runs.time_setting(time_from_name),
            **runs.where_setting(where),
        }
        store, sites, span_s = f"{to}/{runs.STORE}", tuple(probe.sites), run.cluster.span_s
        work = Work(store, probe.recipe, sites, probe, to, explain, verify, run.keep, span_s=span_s)
        work = replace(work, localization=localization, where=where)
        pool.begin(replace(work, time_from_name=time_from_name))
        refuse_links(local_home(out), local_home(out) / runs.STORE)
        _record(out, probe, settings)
        with LeaseHolder(local_home(out) / runs.STORE, settings, len(given), driver=True) as worker:
            home = local_home(out)
            ledger = ResultLedger(worker, to, home, settings, run.failed, again, run.before)
            scheduler = Scheduler(pool, ledger, given, probe.recipe.segment_s)
            yield from _counted(run, pool, scheduler, len(given))


def extract_on_ray(
    videos: Sequence[Given],
    run: RayRun,
    store: str | Path,
    *,
    method: str = "hiprobe",
    plan: ReadPlan | None = None,
    options: RecipeOptions | None = None,
    also: Callable[[str, str], object] | None = None,
) -> Iterator[Extracted]:
    """Keep the hidden states of each video in `store`, a folder or an address.

    They are read at the sites and by the recipe of `method` with `options`, or by `plan`. `also` is
    called by the worker with each video as a file, and its digest. Otherwise as `detect_on_ray`.
    """
    given, to = [_everywhere(one) for one in videos], _folder(store)
    with run.pool(len(given)) as pool:
        model = _model(pool)
        run.about(model)
        plan = plan or ReadPlan(
            pipeline.sites_for(method, model), (options or RecipeOptions()).recipe(method, model)
        )
        pool.begin(Work(to, plan.recipe, plan.sites, also=also, span_s=run.cluster.span_s))
        ledger = StateLedger(to, run.failed)
        scheduler = Scheduler(pool, ledger, given, plan.recipe.segment_s)
        yield from _counted(run, pool, scheduler, len(given))


def _record(out: str | Path, probe: Probe, settings: dict[str, Any]) -> None:
    """Keep the probe and the facts of the run beside the results."""
    home, address = local_home(out), str(out).rstrip("/")
    if remote.is_address(out):
        remote.pull(address, home, (run_record.PROBE, run_record.NAME))
    changed = runs.record_run(home, probe, settings)
    if remote.is_address(out):
        remote.push(changed, address)


def _counted(run: RayRun, pool: Pool, scheduler: Scheduler[End], given: int) -> Iterator[End]:
    """Yield the outcome of each video, reporting the number of workers; then check the count."""
    ended: Counter[str] = Counter()
    for one in scheduler.ends():
        ended[one.status] += 1
        run.workers(pool.size)
        yield one
    account(given, ended)


def account(given: int, ended: Counter[str]) -> None:
    """Raise StoreError unless done + partial + failed + quarantined = given."""
    if sum(ended.values()) != given:
        counts = ", ".join(f"{number} {status}" for status, number in sorted(ended.items()))
        raise StoreError(
            f"{counted(given, 'video')} given, accounted for: {counts or 'none'}",
            cure="run the command again",
        )


def _seen_by_all_nodes(path: str | Path) -> str:
    """Return an address, or an absolute path: each worker has a working folder of its own."""
    return (
        str(path)
        if remote.is_address(path)
        else str(Path(remote.strip_scheme(str(path))).absolute())
    )


def _everywhere(given: Given) -> Video:
    """Return a video whose path every worker sees."""
    one = as_video(given)
    return replace(one, path=_seen_by_all_nodes(one.path))


def _folder(out: str | Path) -> str:
    return (
        _seen_by_all_nodes(out).rstrip("/") if remote.is_address(out) else _seen_by_all_nodes(out)
    )


def _found(loading: Loading) -> Loading:
    """Return the model folder under the path that every worker sees; any other name unchanged."""
    here = loading.name not in backbones.names() and loading.name and Path(loading.name).is_dir()
    return replace(loading, name=_seen_by_all_nodes(loading.name)) if here else loading


def _model(pool: Pool) -> Described:
    assert pool.model is not None
    return pool.model
