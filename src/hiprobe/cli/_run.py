"""What several commands share: load a model, extract, fit."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.errors import HiProbeError, UsageError, VideoError, counted

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone, Loading, ModelFacts
    from hiprobe.datasets import LabelWords
    from hiprobe.localize import Localization
    from hiprobe.pipeline import Pair, ReadPlan, RecipeOptions
    from hiprobe.probe import Probe
    from hiprobe.probe.fitting import HasProvenance
    from hiprobe.types import Recipe, Result, Site, Video


def load_backbone(loading: Loading) -> Backbone:
    """Load the model, whole or up to one block, and show its notice."""
    from hiprobe import video
    from hiprobe.cli._terminal import warn

    # Starts while the model loads: the decoder's process takes a third of a second.
    video.warm()
    with _collector_paused():
        model = in_precision(loading).load()
    if model.notice:
        warn(model.notice)
    return model


def in_precision(loading: Loading) -> Loading:
    """Decide what `--dtype fastest` means for a model on this machine, and say it."""
    from hiprobe import estimate
    from hiprobe.cli import _quiet

    if loading.dtype != estimate.FASTEST:
        return loading
    decided, reason = estimate.fastest(loading)
    _quiet.say_first(f"precision: {reason}")
    return decided


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector away from objects made in the block, now and later.

    Torch and transformers are 600,000 objects; each full collection over them takes a quarter of
    a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def check_output(out: Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise UsageError if the file to write is an input of the command."""
    if out.resolve() in {Path(path).resolve() for path in inputs if path is not None}:
        raise UsageError(
            "the file to write is an input of this command", where=out, cure="give another -o"
        )


def seconds(paths: Iterable[str]) -> dict[str, float]:
    """Return the stated length of each video, for the progress bar; 0 for an unreadable one."""
    from hiprobe import video
    from hiprobe.cli import _quiet
    from hiprobe.cli._terminal import err

    stated = {}
    for path in paths if err.is_terminal and not _quiet.asked else ():
        try:
            stated[path] = video.info(path).duration or 0.0
        except VideoError:
            stated[path] = 0.0
    return stated


def say_forecast(
    model: ModelFacts, plan: ReadPlan, videos: Sequence[Video], store: Path | None
) -> None:
    """Say how long reading the videos will take; nothing if all of them are stored."""
    from hiprobe import estimate
    from hiprobe.cli import _quiet

    if _quiet.asked:
        return
    found = estimate.forecast(model, plan.sites, plan.recipe, videos, store)
    if found is not None:
        fewer = " if every segment is read; fewer will be" if plan.kept_as else ""
        _quiet.say_first(f"{found}{fewer}")


def extract_with_progress(
    videos: Sequence[Video], model: Backbone, store: Path, plan: ReadPlan, lost: list[str]
) -> list[Pair]:
    """Return hidden states and labels of each video; paths that cannot be read go to `lost`."""
    from hiprobe.cli._progress import bar
    from hiprobe.cli._terminal import complain
    from hiprobe.pipeline import Reading, extract_pairs

    with bar(seconds(one.path for one in videos)) as progress:

        def failed(path: str, error: HiProbeError) -> None:
            complain(error)
            lost.append(path)
            progress.end(path)

        pairs: list[Pair] = []
        before, reading = len(lost), Reading(model, store, progress, failed)
        for pair in extract_pairs(videos, reading, plan):
            progress.end(videos[len(pairs) + len(lost) - before].path)
            pairs.append(pair)
        return pairs


@dataclass(frozen=True)
class FitRequest:
    """What a probe is fitted on, and how: the options of `hiprobe fit`."""

    data: Path | None
    method: str
    layer: int | None = None
    options: RecipeOptions | None = None
    localization: Localization | None = None
    split: str | None = None
    seed: int = 0
    words: LabelWords | None = None
    layer_curve: bool = True
    verify: bool = True
    false_alarms_per_day: float | None = None
    sigmas: tuple[float, ...] = ()  # to try with method auto; () for the usual ones
    states_given: bool = False  # so that the clips themselves need not be there
    prefer_early: bool = False  # read an earlier layer that is nearly as good

    @cached_property
    def clips(self) -> list[Video]:
        """The labelled clips, in the order of the labels; none without data."""
        from hiprobe import datasets

        if self.data is None:
            return []
        absent = self.states_given
        return list(datasets.load("folder", self.data, self.split, absent=absent, words=self.words))

    @property
    def segment_s(self) -> float:
        """The length of a segment in seconds, as far as it is known without the model."""
        from hiprobe.types import SEGMENT_S

        given = None if self.options is None else self.options.segment_s
        return SEGMENT_S if given is None else given

    @property
    def sites(self) -> tuple[Site, ...] | None:
        """The layer that was asked for; None to let the method choose."""
        from hiprobe.types import Site

        return None if self.layer is None else (Site("residual", self.layer),)

    @property
    def known_method(self) -> str:
        """The method, or the one that `auto` falls back to."""
        from hiprobe.probe import AUTO, FALLBACK

        return FALLBACK if self.method == AUTO else self.method

    def check_layer(self, model: Backbone) -> None:
        """Raise UsageError for a layer that the model does not have."""
        if self.layer is not None and not 0 <= self.layer < model.layers:
            raise UsageError(
                f"--layer must be 0 to {model.layers - 1} for this model, got {self.layer}"
            )

    def check_options(self) -> None:
        """Raise UsageError for an unknown method, and for what does not go together."""
        from hiprobe import methods

        methods.load(self.known_method)
        if self.known_method != self.method:
            self._check_auto()
        if self.options is not None:
            self.options.check(self.known_method)
            self._check_unit(self.options)
        if self.prefer_early:
            self._check_early()
        layer = self.layer is not None and not self.states_given
        if self.data is None and (layer or self.split is not None):
            raise UsageError(
                "--layer and --split need labelled clips", cure="name a folder or a CSV of them"
            )
        if self.data is None and self.words is not None:
            raise UsageError(
                "--normal-label and --anomaly-label need labelled clips", cure="name a CSV of them"
            )

    def _check_early(self) -> None:
        """Raise UsageError if there are no layers, or no labels, to prefer an earlier layer by."""
        from hiprobe.probe.early_layer import selects_layer

        if self.layer is not None or not selects_layer(self.known_method):
            what = "--layer names one" if self.layer is not None else "this method does not do that"
            raise UsageError(
                f"--prefer-early is for a method that selects a layer, and {what}",
                cure="leave it out",
            )
        if self.data is None and not self.states_given:
            raise UsageError("--prefer-early needs labelled clips", cure="name a folder of them")

    def _check_unit(self, options: RecipeOptions) -> None:
        """Raise UsageError for what whole videos cannot be combined with."""
        if options.unit == "video" and self.false_alarms_per_day is not None:
            raise UsageError(
                "--unit video gives no scores of normal segments for --false-alarms-per-day",
                cure="name normal footage with --normal",
            )

    def _check_auto(self) -> None:
        """Raise UsageError for what an automatic choice of the method cannot be combined with."""
        prompts = self.options is not None and bool(self.options.prompts)
        for given, option in (
            (self.layer is not None, "--layer"),
            (prompts, "--prompt"),
            (self.prefer_early, "--prefer-early"),
        ):
            if given:
                raise UsageError(
                    f"--method auto chooses the method, and {option} depends on the method",
                    cure=f"leave {option} out, or name a method",
                )
        if self.data is None:
            raise UsageError(
                "--method auto needs labelled clips", cure="name a folder or a CSV of them"
            )


def fit_probe(request: FitRequest, model: Backbone, store: Path) -> tuple[Probe, list[str]]:
    """Fit a probe with progress shown; also return the paths that could not be read."""
    from hiprobe import pipeline
    from hiprobe.cli._choosing import fit_chosen

    request.check_options()
    request.check_layer(model)
    if request.known_method != request.method:
        return fit_chosen(request, model, store)
    recipe = (request.options or pipeline.RecipeOptions()).recipe(request.method, model)
    if request.data is None:
        none = pipeline.unread(request.method, model, recipe=recipe)
        return fit_pairs(request, model, [none]), []
    plan = pipeline.ReadPlan(pipeline.sites_for(request.method, model, request.sites), recipe)
    lost: list[str] = []
    pairs = extract_with_progress(request.clips, model, store, plan, lost)
    answers = read_answers(request, model, store, recipe, lost)
    return fit_pairs(request, model, pairs, answers), lost


def fit_pairs(
    request: FitRequest,
    model: HasProvenance | None,
    pairs: Sequence[Pair],
    answers: list[Pair] | None = None,
    saved: tuple[Site, ...] | None = None,
) -> Probe:
    """Fit a probe as `request` says on hidden states, labels and answers that were read.

    `saved` are the only sites that the states have, if the method would look for others.
    """
    from hiprobe.localize import Localization
    from hiprobe.probe import fit

    return fit(
        request.method,
        pairs,
        model=model,
        seed=request.seed,
        sites=request.sites or saved,
        localization=request.localization or Localization(),
        layer_curve=request.layer_curve,
        verify=request.verify,
        answers=answers,
        false_alarms_per_day=request.false_alarms_per_day,
        prefer_early=request.prefer_early,
    )


def read_answers(
    request: FitRequest, model: Backbone, store: Path, recipe: Recipe, lost: list[str]
) -> list[Pair] | None:
    """Return the model's yes and no about the labelled clips; None if it is not to be asked."""
    from hiprobe import pipeline

    if not request.verify or not getattr(model, "answers_yes_no", False):
        return None
    clips = [one for one in request.clips if one.path not in lost]
    return extract_with_progress(clips, model, store, pipeline.answer_plan(model, recipe), lost)


def keep_fit(folder: Path, digest: str, request: FitRequest, model: str, store: Path) -> None:
    """Remember beside a probe, on this machine only, what it was fitted on."""
    from hiprobe.store.local_places import FittedOn, LocalPlaces, add_places

    words, own = request.words, Path(model).is_dir() or ":" in model
    fit = FittedOn(
        None if request.data is None else str(request.data.absolute()),
        request.split,
        tuple(words.normal) if words else (),
        tuple(words.anomaly) if words else (),
        str(store.absolute()),
        (str(Path(model).absolute()) if Path(model).is_dir() else model) if own else None,
    )
    add_places(folder, LocalPlaces((), {digest: fit}))


def show_states(
    video_id: str, shape: tuple[int, ...], duration: float, gaps: int, as_json: bool
) -> None:
    """Show what was extracted from one video: states of the shape (segments, sites, width)."""
    from hiprobe.cli import _terminal

    segments, sites, width = shape
    if as_json:
        values = {"video": video_id, "segments": segments, "sites": sites, "width": width}
        _terminal.emit({**values, "duration": round(duration, 6), "gaps": gaps})
    else:
        size = f"{counted(segments, 'segment')} x {counted(sites, 'site')} x {width} wide"
        _terminal.say(f"{video_id[:8]}  {size}")


def exit_code(failed: object) -> int:
    """Return the exit code of a command that continues past failures: 3 if any, else 0."""
    return HiProbeError.exit_code if failed else 0


def exit_code_of(results: Iterable[Result]) -> int:
    """Return the exit code for the results of a detection."""
    return exit_code(any(result.status in ("failed", "quarantined") for result in results))
