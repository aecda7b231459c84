"""Set up what an experiment runs on: data sets, models and seeds. It knows no experiment.

Hidden states are read once and kept. Without `--dataset`, experiments run on the rendered scenes
with the embedded model; missing scenes are rendered to `runs/results`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import rendered
from experiments.footage import Footage
from experiments.tables import Table
from hiprobe import backbones, datasets, methods, pipeline, video
from hiprobe.backbones import Backbone
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.labels import label_segments
from hiprobe.store import find_states
from hiprobe.types import Event, HiddenStates, Recipe, Site, Video

LLAVA = "runs/llava/model"  # a second architecture; exists only if it was trained here
Data = tuple[str, str]
PROGRESS = 100  # videos between two progress lines


@dataclass(frozen=True)
class Study:
    """Hold a data set as (name, folder), a `pair` of them for transfer, and models by name.

    `videos` is the number of labelled videos in a draw, `seeds` the number of draws. `limit` is the
    largest number of training videos to read, spread evenly over the list (None for all). `jobs`
    is the number of processes that read, each with its own model.
    """

    data: Data
    pair: tuple[Data, Data] | None
    models: tuple[str, ...]
    store: Path
    videos: int = 16
    seeds: int = 10
    limit: int | None = None
    jobs: int = 1

    def footage(
        self,
        split: str,
        *,
        model: str | None = None,
        sites: Sequence[Site] | None = None,
        recipe: Recipe | None = None,
        data: Data | None = None,
        limit: int | None = None,
        backbone: Backbone | None = None,
    ) -> Footage:
        """Return the videos of a split with their states at `sites` (default: all residual layers).

        States come from the store or are read. Raises LabelError if the split is empty, and the
        errors of reading: leaving a video out would change every figure.
        """
        name, root = data or self.data
        found = _spread(
            _videos(name, root, split), limit or (self.limit if split == "train" else None)
        )
        if not found:
            raise LabelError(f"there are no videos in the split {split!r}", where=root)
        backbone = backbone or load(model or self.models[0])
        wanted = tuple(sites or methods.load("hiprobe").sites(backbone.layers, backbone.heads))
        if self.jobs > 1 and backbone is load(model or self.models[0]):
            self._read_ahead([one.path for one in found], model or self.models[0], wanted, recipe)
        states = []
        for number, one in enumerate(found):
            if number % PROGRESS == 0:
                print(
                    f"{root} {split}: {number} of {len(found)} videos", file=sys.stderr, flush=True
                )
            states.append(
                pipeline.states(one.path, backbone, wanted, recipe=recipe, store=self.store)
            )
        events = [_events(one, read, name, root) for one, read in zip(found, states, strict=True)]
        labels = [
            label_segments(read.starts, read.ends, known)
            for read, known in zip(states, events, strict=True)
        ]
        return Footage(
            tuple(replace_sites(read, wanted) for read in states),
            tuple(labels),
            tuple(events),
            tuple(one.categories[0] if one.categories else "" for one in found),
        )

    def _read_ahead(
        self, paths: Sequence[str], model: str, sites: tuple[Site, ...], recipe: Recipe | None
    ) -> None:
        """Fill the store from several processes."""
        backbone = load(model)
        dtype, asked = str(backbone.provenance["dtype"]), recipe or backbone.recipe
        missing = [
            path
            for path in paths
            if find_states(self.store, video.digest(path), asked, sites, dtype) is None
        ]
        if len(missing) > self.jobs:
            print(
                f"{len(missing)} videos to read, {self.jobs} processes", file=sys.stderr, flush=True
            )
            with ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn")) as pool:
                read = partial(_read, model=model, sites=sites, recipe=recipe, store=self.store)
                list(pool.map(read, missing, chunksize=4))

    def has(self, split: str, data: Data | None = None) -> bool:
        """Return whether the data set has videos of this split."""
        try:
            return bool(_videos(*(data or self.data), split))
        except HiProbeError:
            return False


def _read(
    path: str, *, model: str, sites: tuple[Site, ...], recipe: Recipe | None, store: Path
) -> None:
    """Read one video into the store."""
    pipeline.states(path, load(model), sites, recipe=recipe, store=store)


def replace_sites(read: HiddenStates, wanted: tuple[Site, ...]) -> HiddenStates:
    """Return the states at `wanted` alone: the store may hold more sites than asked for."""
    return read if read.sites == wanted else replace(read, sites=wanted, values=read.at(wanted))


@cache
def load(name: str) -> Backbone:
    """Load the backbone called `name` once; the embedded sizes run on the CPU."""
    backbone = backbones.load(name)
    if backbone.notice:
        print(backbone.notice, file=sys.stderr)
    return backbone


@cache
def _videos(name: str, root: str, split: str) -> tuple[Video, ...]:
    return tuple(datasets.load(name, root, split))


def _spread(found: Sequence[Video], limit: int | None) -> list[Video]:
    if limit is None or limit >= len(found):
        return list(found)
    return [found[int(i)] for i in np.linspace(0, len(found) - 1, limit)]


def _events(one: Video, read: HiddenStates, name: str, root: str) -> tuple[Event, ...]:
    """Return the true events in seconds; labelled frames are converted by their times."""
    if one.events is not None:
        return one.events
    labels = _frames(name, root)[_stem(one.path, name, root)]
    return datasets.events_from_frames(labels, video.frame_times(one.path), read.duration)


@cache
def _frames(name: str, root: str) -> dict[str, NDArray[np.uint8]]:
    return datasets.truth(name, root)


def _stem(path: str, name: str, root: str) -> str:
    base = Path(path).name
    return base if base in _frames(name, root) else Path(path).stem


def present(models: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the models that can be read, and the local folders that are missing or unfinished."""
    missing = tuple(
        name
        for name in models
        if name.startswith(("runs/", ".", "/")) and not _finished(Path(name))
    )
    return tuple(name for name in models if name not in missing), missing


def _finished(folder: Path) -> bool:
    """Return whether training has ended: it keeps `state.pt` and writes `run.json` at the end."""
    running = (folder.parent / "state.pt").exists() and not (folder.parent / "run.json").exists()
    return folder.is_dir() and not running


def arguments(doc: str | None, given: Sequence[str] | None = None) -> Study:
    """Return a study from the command line; render the scenes if no data set is named."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument(
        "--dataset", help="ucf_crime, xd_violence, folder, ...; rendered scenes if left out"
    )
    parser.add_argument("--root", help="folder or file of the data set")
    parser.add_argument("--other-dataset", help="a second data set, for transfer")
    parser.add_argument("--other-root", help="folder or file of the second data set")
    parser.add_argument(
        "--model", action="append", help="embedded, org/name or a folder; repeat for several"
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=rendered.FOLDER / "states",
        help="where hidden states are kept",
    )
    parser.add_argument("--videos", type=int, default=16, help="labelled videos in a draw")
    parser.add_argument("--seeds", type=int, default=10, help="number of draws")
    parser.add_argument("--limit", type=int, help="largest number of training videos to read")
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes that read, each with its own model"
    )
    args = parser.parse_args(given)
    if bool(args.dataset) != bool(args.root) or bool(args.other_dataset) != bool(args.other_root):
        parser.error("give --root with --dataset, and --other-root with --other-dataset")
    files_open()
    data, pair = scenes() if not args.dataset else ((args.dataset, args.root), None)
    if args.other_dataset:
        pair = data, (args.other_dataset, args.other_root)
    models = tuple(args.model or ("embedded",))
    return Study(data, pair, models, args.store, args.videos, args.seeds, args.limit, args.jobs)


def scenes(folder: Path = rendered.FOLDER) -> tuple[Data, tuple[Data, Data]]:
    """Render what is missing; return the main data set and the pair of families of scenes.

    The main data set trains on seen scenes and tests on unseen ones.
    """
    rendered.make(folder)
    return ("folder", str(folder / "main.csv")), (
        ("folder", str(folder / "seen")),
        ("folder", str(folder / "unseen")),
    )


def files_open() -> None:
    """Let this process open as many files as it may, because each video's states are one file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(doc: str | None, experiment: Callable[[Study], Sequence[Table]]) -> None:
    """Run one experiment from the command line and print its tables."""
    show(experiment(arguments(doc)))


def show(tables: Sequence[Table]) -> None:
    """Print tables, and the claims that they decide."""
    for table in tables:
        print(table.to_markdown())
        for claim in table.claims:
            print(f"- {claim.text}: **{claim.answer}** ({claim.figure})")
