"""The same extract and detect on Ray: workers read, this process gives out, counts attempts and keeps the index.

Results are those of a local run, byte for byte at equal batch, threads and kind of device. Knows no picture, no page.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from hiprobe import backbones, pipeline, runs
from hiprobe.errors import HiProbeError, StoreError
from hiprobe.probe import Probe
from hiprobe.scale.ledger import Extracted, ResultLedger, StateLedger
from hiprobe.scale.pool import Cluster, Pool
from hiprobe.scale.scheduler import Scheduler
from hiprobe.scale.worker import Described, Keep, Loading, Work
from hiprobe.store import remote
from hiprobe.store.leases import LeaseHolder
from hiprobe.types import Recipe, Result, Site

__all__ = [
    "Cluster",
    "Described",
    "Extracted",
    "Loading",
    "account",
    "detect_on_ray",
    "extract_on_ray",
    "local_home",
]

STORE = runs.STORE
Failed = Callable[[HiProbeError], None]
Told = Callable[[int], None]


def _nothing(*_: object) -> None:
    """What nobody asked for."""


def local_home(out: str | Path) -> Path:
    """The folder for the index and the manifest of the results in `out`: itself, or for an address one in the cache."""
    if not remote.is_address(out):
        return Path(remote.strip_scheme(str(out)))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "hiprobe" / "runs" / sha256(str(out).rstrip("/").encode()).hexdigest()[:16]


def detect_on_ray(
    paths: Sequence[str | Path],
    loading: Loading,
    probe: Probe,
    out: str | Path,
    *,
    cluster: Cluster | None = None,
    explain: bool = True,
    keep: Keep | None = None,
    failed: Failed = _nothing,
    workers: Told = _nothing,
    about: Callable[[Described], None] = _nothing,
    again: bool = False,
) -> Iterator[Result]:
    """A result of each video, in the order in which they end; what was done before in `out` is not done again.

    Paths and `out` may be addresses that fsspec speaks; folders (a model's too) must be seen by all nodes under the
    same path; paths come back absolute. `keep`
    writes the files of a new result, on the worker. `workers` is told how many there are after each end, `about` how
    the workers describe the model. A video that cannot be read is `failed`, one that ends its worker or decoder twice
    `quarantined`; `failed` is told why. Raises UsageError where Ray cannot be reached, RecipeMismatch, ModelError and
    StoreError, also where not all are accounted for.
    """
    given, to = [_everywhere(path) for path in paths], _folder(out)
    with Pool(cluster or Cluster(), _found(loading), len(given)) as pool:
        model = _model(pool)
        about(model)
        pipeline.check_probe(model, probe)
        settings = runs.result_settings(model, probe, explain)
        pool.begin(
            Work(
                f"{to}/{STORE}",
                probe.recipe,
                tuple(probe.sites),
                probe,
                to,
                explain,
                keep,
                span_s=pool.cluster.span_s,
            )
        )
        with LeaseHolder(local_home(out) / STORE, settings, len(given), driver=True) as worker:
            book = ResultLedger(worker, to, local_home(out), settings, failed, again)
            ended: Counter[str] = Counter()
            for result in Scheduler(pool, book, given, probe.recipe.segment_s).ends():
                ended[result.status] += 1
                workers(pool.size)
                yield result
    account(len(given), ended)


def extract_on_ray(
    paths: Sequence[str | Path],
    loading: Loading,
    root: str | Path,
    *,
    method: str = "hiprobe",
    sites: Sequence[Site] | None = None,
    recipe: Recipe | None = None,
    cluster: Cluster | None = None,
    also: Callable[[str, str], object] | None = None,
    failed: Failed = _nothing,
    workers: Told = _nothing,
    about: Callable[[Described], None] = _nothing,
) -> Iterator[Extracted]:
    """Keeps the hidden states of each video in the store `root`, at the sites that `method` reads, or at `sites`.

    `also` is called by the worker with each video as a file and its digest. Otherwise as `detect_on_ray`.
    """
    given, to = [_everywhere(path) for path in paths], _folder(root)
    with Pool(cluster or Cluster(), _found(loading), len(given)) as pool:
        model = _model(pool)
        about(model)
        wanted = pipeline.sites_for(method, model, sites)
        recipe = recipe or pipeline.recipe_for(method, model)
        pool.begin(Work(to, recipe, wanted, also=also, span_s=pool.cluster.span_s))
        ended: Counter[str] = Counter()
        for one in Scheduler(pool, StateLedger(to, failed), given, recipe.segment_s).ends():
            ended[one.status] += 1
            workers(pool.size)
            yield one
    account(len(given), ended)


def account(given: int, ended: Counter[str]) -> None:
    """Raises StoreError unless done + partial + failed + quarantined = given."""
    if sum(ended.values()) != given:
        told = ", ".join(f"{number} {status}" for status, number in sorted(ended.items()))
        raise StoreError(
            f"{given} videos given, accounted for: {told or 'none'}", cure="give the command again"
        )


def _everywhere(path: str | Path) -> str:
    """An address, or a path that means the same whatever the working folder is: a worker has its own."""
    return (
        str(path)
        if remote.is_address(path)
        else str(Path(remote.strip_scheme(str(path))).absolute())
    )


def _folder(out: str | Path) -> str:
    return _everywhere(out).rstrip("/") if remote.is_address(out) else _everywhere(out)


def _found(loading: Loading) -> Loading:
    """The model folder as every worker finds it, or what is no folder as it is."""
    here = loading.name not in backbones.names() and loading.name and Path(loading.name).is_dir()
    return replace(loading, name=_everywhere(loading.name)) if here else loading


def _model(pool: Pool) -> Described:
    assert pool.model is not None
    return pool.model
