"""`hiprobe evaluate`: scores, a probe, or draws of a training set against the truth of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _ray, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Device,
    Dtype,
    Method,
    Model,
    Ray,
    Revision,
    Store,
    Worker,
)
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.evaluation.benchmark import Benchmark, Evaluated

Share = Annotated[
    str,
    typer.Option(help="The part of the labelled training videos in each draw, e.g. 1% or 0.01."),
]


def evaluate(
    dataset: Annotated[
        str,
        typer.Option(
            help="ucf_crime, xd_violence, shanghaitech, ucsd_ped, folder or module:attribute."
        ),
    ],
    root: Annotated[
        Path, typer.Option(help="The folder with the data set's annotation; the CSV of a folder.")
    ],
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate these scores of every frame: a JSON or NPZ of one array "
            "a video, or a CSV video,start_frame,end_frame,score."
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option("--probe", "-p", help="Evaluate this probe: run detect on the test videos."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fit on so many random draws of the training videos and report mean and spread.",
        ),
    ] = None,
    share: Share = "1%",
    videos: Annotated[
        Path | None,
        typer.Option(
            help="The folder with the videos, or folders of frames; the root if left out."
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Frames a second of folders of frames, and with --threshold of a score file.",
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="How the annotation is read; the data set's own way if left out."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="With --scores: runs of frames from this score on are events, "
            "for the event figures."
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Leave out videos and frames without scores; "
            "their number stands beside every figure.",
        ),
    ] = False,
    model: Model = "embedded",
    method: Method = "hiprobe",
    store: Store = OUT / ".store",
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Draws of whole videos for the 95 % intervals; 0 for none.")
    ] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the bootstrap, and of the first draw.")
    ] = 0,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where the report goes: a .json or .md file, else a "
            "folder for both, figures and scores.",
        ),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    ray: Ray = None,
    worker: Worker = None,
    as_json: AsJson = False,
) -> None:
    """Compare frame scores with a benchmark's truth and with what needs no model at all.

    The scores come from one of --scores (a file of any detector), --probe (detect on the test videos) and --seeds
    (probes fitted on random draws of the training videos). Prints ROC-AUC and average precision with 95 % intervals
    over videos, AUC within videos and per class, events, and the definition of each figure. A video that is missing
    or cannot be read is an error: none is left out of an average unseen.
    """
    from hiprobe.cli import _terminal
    from hiprobe.evaluation import benchmark

    if [scores, probe, seeds].count(None) != 2:
        raise UsageError("give one of --scores, --probe and --seeds")
    if threshold is not None and scores is None:
        raise UsageError("--threshold is for --scores: a probe brings its own")
    if ray is None:
        _ray.without(worker)
    bench = benchmark.Benchmark(dataset, root, videos, rule, fps, allow_missing)
    if scores is not None:
        made = benchmark.of_scores(
            bench, scores, threshold=threshold, seed=seed, bootstrap=bootstrap
        )
    else:
        made = _run_model(
            bench,
            model,
            method,
            probe,
            seeds,
            share,
            store,
            bootstrap,
            seed,
            (revision, device, dtype),
            ray,
            worker,
        )
    try:
        if to is not None:
            _write(made, to)
    finally:  # a report that cannot be written is shown all the same
        if as_json:
            _terminal.emit(made.report.to_json())
        else:
            print(made.report.to_markdown(), end="")
    raise typer.Exit(3 if made.unread else 0)


def _run_model(
    bench: Benchmark,
    model: str,
    method: str,
    probe: Path | None,
    seeds: int | None,
    share: str,
    store: Path,
    bootstrap: int,
    seed: int,
    loading: tuple[str | None, str, str],
    ray: str | None,
    worker: str | None,
) -> Evaluated:
    """The evaluation of a probe, or of draws, with progress shown and failures named as they come."""
    from hiprobe.cli._terminal import bar, complain
    from hiprobe.evaluation import benchmark
    from hiprobe.probe import Probe

    fraction = _fraction(share)
    outside = method if ":" in method else None
    fitted = None if probe is None else Probe.load(probe, method=outside)
    tests = [
        one.path for one in bench.present("test")[1].values()
    ]  # missing ones are named at once
    lengths = _run.seconds(tests if ray is None else ())
    if ray is None:
        backbone = _run.load_model(model, *loading)
    else:
        drawn = [] if fitted else _drawn(bench, seeds or 1, fraction, seed)
        backbone = _ray.read_on_ray(
            [*tests, *drawn], model, loading, store, method, _ray.cluster(ray, worker), fitted
        )
    with bar(lengths) as progress:
        if fitted is not None:
            return benchmark.of_probe(
                bench,
                backbone,
                fitted,
                kept=store,
                seed=seed,
                bootstrap=bootstrap,
                progress=progress,
                failed=complain,
            )
        return benchmark.of_draws(
            bench,
            backbone,
            method,
            kept=store,
            draws=seeds or 1,
            share=fraction,
            seed=seed,
            progress=progress,
            failed=complain,
        )


def _drawn(bench: Benchmark, draws: int, share: float, seed: int) -> list[str]:
    """The training videos that any of the draws holds and that are there."""
    from hiprobe.evaluation import benchmark
    from hiprobe.video import pictures

    train = bench.part("train")
    names = {name for i in range(draws) for name in benchmark.draw(train, share, seed + i)}
    return [train[name].path for name in sorted(names) if pictures.exists(train[name].path)]


def _fraction(share: str) -> float:
    try:
        value = float(share[:-1]) / 100 if share.endswith("%") else float(share)
    except ValueError as error:
        raise UsageError(f"{share!r} is no share", cure="write 1% or 0.01") from error
    if not 0 < value <= 1:
        raise UsageError(f"a share of {share}", cure="write 1% or 0.01")
    return value


def _write(made: Evaluated, to: Path) -> None:
    """The report as the one file asked for, or as a folder with the scores and the figures beside it."""
    from hiprobe import evaluation, plot
    from hiprobe.store import write_atomic

    texts: dict[str, Any] = {
        ".json": json.dumps(made.report.to_json(), indent=2) + "\n",
        ".md": made.report.to_markdown(),
    }
    # a video's name may be no text
    files = {suffix: text.encode(errors="backslashreplace") for suffix, text in texts.items()}
    if to.suffix in files:
        write_atomic(to, files[to.suffix])
        return
    for suffix, data in files.items():
        write_atomic(to / f"report{suffix}", data)
    evaluation.write_scores(to / "scores.npz", made.scores)
    if made.raw is not None:
        evaluation.write_scores(to / "raw.npz", made.raw)
    plot.write_plots(to, made.truth, made.scores, raw=made.raw, found=made.found)
