"""`hiprobe evaluate`: compare scores, a probe or random draws with the truth of a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _passed, _quiet, _ray, _run
from hiprobe.cli._chosen import read_probe
from hiprobe.cli._labels import label_words
from hiprobe.cli._options import (
    OUT,
    AnomalyLabel,
    AsJson,
    Compile,
    Device,
    Dtype,
    Method,
    Model,
    NormalLabel,
    Quiet,
    Ray,
    Revision,
    Store,
    Verbose,
    Worker,
)
from hiprobe.errors import HiProbeError, UsageError

if TYPE_CHECKING:
    from hiprobe.backbones import Loading, ModelFacts
    from hiprobe.cli._progress import Bar
    from hiprobe.evaluation import Comparison, DrawSummary, Report
    from hiprobe.evaluation.benchmark import Benchmark, Evaluated
    from hiprobe.probe import Probe
    from hiprobe.types import Video

Share = Annotated[
    str,
    typer.Option(help="Share of the labelled training videos in each draw, e.g. 1% or 0.01."),
]


def evaluate(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Option(
            help="ucf_crime, xd_violence, shanghaitech, ucsd_ped, folder or module:attribute."
        ),
    ],
    root: Annotated[
        Path,
        typer.Option(help="The folder with the data set's annotation; with folder, also a CSV."),
    ],
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate these scores of every frame: a JSON or NPZ with one array for each "
            "video, a CSV video,start_frame,end_frame,score, or the folder that detect wrote."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="With --scores: compare them with these scores of the same videos, figure by "
            "figure, with a paired bootstrap."
        ),
    ] = None,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="Evaluate this probe, a file or org/name@revision of the hub: run detect on the "
            "test videos.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fit on this many random draws of the training videos; report mean and spread.",
        ),
    ] = None,
    share: Share = "1%",
    limit: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Try a run on so few videos of each split, half of them with an event; "
            "its figures are not those of the data set.",
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(help="The folder with the videos or folders of frames, by default the root."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Frames per second of folders of frames; with --threshold, of a score file.",
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="How the annotation is read, by default as the data set says."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="With a score file: runs of frames with at least this score are events, "
            "for the event figures."
        ),
    ] = None,
    against_threshold: Annotated[
        float | None,
        typer.Option(help="The threshold of a score file given to --against."),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Leave out videos and frames without scores; "
            "their number is printed beside every figure.",
        ),
    ] = False,
    normal_label: NormalLabel = None,
    anomaly_label: AnomalyLabel = None,
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
    compiled: Compile = False,
    ray: Ray = None,
    worker: Worker = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare frame scores with a benchmark's truth, and with scores that need no model.

    The scores come from one of --scores (a file of any detector, or results of detect), --probe
    (detect on the test videos) and --seeds (probes fitted on random draws of the training videos).
    Prints ROC-AUC and average precision with 95 % intervals over videos, AUC within videos and per
    class, events, recall against false alarms per hour, and the definition of each figure. With
    --against it prints which of two sets of scores is better in each figure instead. A video that
    is missing or cannot be read is an error: no video is left out silently.
    """
    from hiprobe.backbones import Loading
    from hiprobe.evaluation import benchmark
    from hiprobe.evaluation.given_scores import ScoreSource

    _quiet.be_quiet(quiet)
    if [scores, probe, seeds].count(None) != 2:
        raise UsageError("give exactly one of --scores, --probe and --seeds")
    if threshold is not None and scores is None:
        raise UsageError("--threshold needs --scores: a probe has its own threshold")
    if against is not None and scores is None:
        raise UsageError("--against needs --scores", cure="give the scores to compare with them")
    if against_threshold is not None and against is None:
        raise UsageError("--against-threshold needs --against")
    if limit is not None and scores is not None:
        raise UsageError("--limit needs --probe or --seeds: it saves the reading of videos")
    if ray is None:
        _ray.without(worker)
    words = label_words(normal_label, anomaly_label)
    if videos is not None:
        _passed.watch(context, verbose).search(videos, pictures=fps is not None)
    bench = benchmark.Benchmark(dataset, root, videos, rule, fps, allow_missing, words, limit)
    _count_frames(bench, store)
    if scores is not None and against is not None:
        sources = ScoreSource(scores, threshold), ScoreSource(against, against_threshold)
        _show(benchmark.of_two(bench, *sources, seed=seed, bootstrap=bootstrap), to, as_json)
        return
    if scores is not None:
        made = benchmark.of_scores(
            bench, scores, threshold=threshold, seed=seed, bootstrap=bootstrap
        )
    else:
        request = _ModelEvaluation(
            bench, method, probe, seeds, _fraction(share), store, bootstrap, seed
        )
        made = request.run(Loading(model, revision, device, dtype, compiled=compiled), ray, worker)
    _show(made.report, to, as_json, made)
    raise typer.Exit(_run.exit_code(made.unread))


def _count_frames(bench: Benchmark, store: Path) -> None:
    """Count the frames of the test videos if the data set's frame counts are not there."""
    from hiprobe.cli._terminal import warn
    from hiprobe.evaluation.frame_counts import make_frame_counts

    def begin(videos: int) -> None:
        warn(f"there is no frame_counts.csv: counting the frames of {videos} test videos")

    made = make_frame_counts(bench, store, begin)
    if made is not None:
        warn(f"written: {made}")


@dataclass(frozen=True)
class _ModelEvaluation:
    """An evaluation that reads videos: of one probe, or of draws where `probe` is None."""

    bench: Benchmark
    method: str
    probe: Path | None
    draws: int | None
    share: float
    store: Path
    bootstrap: int
    seed: int

    def run(self, loading: Loading, ray: str | None, worker: str | None) -> Evaluated:
        """Evaluate with progress shown and failures named as they come."""
        from hiprobe.cli._progress import bar

        outside = self.method if ":" in self.method else None
        fitted = None if self.probe is None else read_probe(self.probe, outside)
        # Missing videos are named before anything is read.
        tests = list(self.bench.present("test")[1].values())
        paths = [one.path for one in tests]
        lengths = _run.seconds(paths if ray is None else ())
        model = self._model(paths, fitted, loading, ray, worker)
        if ray is None:
            self._say_forecast(model, fitted, tests)
        with bar(lengths) as progress:
            return self._evaluate(model, fitted, progress)

    def _say_forecast(
        self, model: ModelFacts, fitted: Probe | None, tests: Sequence[Video]
    ) -> None:
        """Say how long the test videos, and with draws those of training, will take."""
        from hiprobe.pipeline import ReadPlan, recipe_for, sites_for

        if fitted is not None:
            plan, videos = ReadPlan(tuple(fitted.sites), fitted.recipe), list(tests)
        else:
            sites = sites_for(self.method, model)
            plan = ReadPlan(sites, recipe_for(self.method, model))
            videos = [*tests, *self._drawn()]
        _run.say_forecast(model, plan, videos, self.store)

    def _model(
        self,
        tests: Sequence[str],
        fitted: Probe | None,
        loading: Loading,
        ray: str | None,
        worker: str | None,
    ) -> ModelFacts:
        """Return the model; on Ray only facts about it, once its workers have read all videos."""
        if ray is None:
            return _run.load_backbone(loading)
        videos = [*tests, *([] if fitted else [one.path for one in self._drawn()])]
        method = fitted.method if fitted else self.method
        on_ray = _ray.ray_run(ray, worker, loading)
        return _ray.read_on_ray(videos, on_ray, self.store, method, fitted)

    def _evaluate(self, model: ModelFacts, fitted: Probe | None, progress: Bar) -> Evaluated:
        from hiprobe.cli._terminal import complain
        from hiprobe.evaluation.benchmark import evaluate_probe
        from hiprobe.evaluation.draws import evaluate_draws
        from hiprobe.pipeline import Reading

        def failed(path: str, error: HiProbeError) -> None:
            complain(error)
            progress.end(path)

        reading = Reading(model, self.store, progress, failed)
        if fitted is not None:
            return evaluate_probe(
                self.bench, reading, fitted, seed=self.seed, bootstrap=self.bootstrap
            )
        return evaluate_draws(
            self.bench,
            reading,
            self.method,
            draws=self.draws or 1,
            share=self.share,
            seed=self.seed,
        )

    def _drawn(self) -> list[Video]:
        """Return the training videos that any of the draws holds and that are there."""
        from hiprobe.evaluation.draws import draw
        from hiprobe.video import pictures

        train, seeds = self.bench.part("train"), range(self.seed, self.seed + (self.draws or 1))
        names = {name for seed in seeds for name in draw(train, self.share, seed)}
        return [train[name] for name in sorted(names) if pictures.exists(train[name].path)]


def _fraction(share: str) -> float:
    try:
        value = float(share[:-1]) / 100 if share.endswith("%") else float(share)
    except ValueError as error:
        raise UsageError(
            f"--share must be a percentage or a fraction, got {share!r}", cure="write 1% or 0.01"
        ) from error
    if not 0 < value <= 1:
        raise UsageError(
            f"--share must be above 0 and at most 100%, got {share}", cure="write 1% or 0.01"
        )
    return value


def _show(
    report: Report | DrawSummary | Comparison,
    to: Path | None,
    as_json: bool,
    made: Evaluated | None = None,
) -> None:
    """Write the report and print it; it is printed even if it cannot be written."""
    from hiprobe.cli import _terminal

    try:
        if to is not None:
            _write(report, to, made)
    finally:
        if as_json:
            _terminal.emit(report.to_json())
        else:
            print(report.to_markdown(), end="")


def _write(
    report: Report | DrawSummary | Comparison, to: Path, made: Evaluated | None = None
) -> None:
    """Write the report as the one file asked for, or as a folder, with what it was made from."""
    from hiprobe.store import write_atomic

    texts: dict[str, Any] = {
        ".json": json.dumps(report.to_json(), indent=2) + "\n",
        ".md": report.to_markdown(),
    }
    # The name of a video may not be valid text.
    files = {suffix: text.encode(errors="backslashreplace") for suffix, text in texts.items()}
    if to.suffix in files:
        write_atomic(to, files[to.suffix])
        return
    for suffix, data in files.items():
        write_atomic(to / f"report{suffix}", data)
    if made is not None:
        _write_arrays(made, to)


def _write_arrays(made: Evaluated, to: Path) -> None:
    """Write scores and figures; those of the last draw if there are several."""
    from hiprobe import evaluation, plot
    from hiprobe.report.picture import save_png

    evaluation.write_scores(to / "scores.npz", made.scores)
    if made.raw is not None:
        evaluation.write_scores(to / "raw.npz", made.raw)
    plot.write_plots(to, made.truth, made.scores, raw=made.raw, found=made.found)
    last = made.report if isinstance(made.report, evaluation.Report) else made.report.reports[-1]
    if last.froc:
        curves = {row.name: (row.false_per_hour, row.recall) for row in last.froc}
        save_png(plot.false_alarm_curve(curves), to / "froc.png")
