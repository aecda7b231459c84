"""`fit --method auto`: read every method, choose one, fit it, and show what was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.cli import _run
from hiprobe.errors import ModelError, counted

if TYPE_CHECKING:
    from rich.table import Table

    from hiprobe.backbones import Backbone
    from hiprobe.pipeline import MethodPass, MethodPasses, Pair
    from hiprobe.probe import ChoiceSettings, Probe


def fit_chosen(request: _run.FitRequest, model: Backbone, store: Path) -> tuple[Probe, list[str]]:
    """Choose the method and the smoothing, and fit with them; also return the unreadable paths.

    The probe's provenance holds the choice.
    """
    from hiprobe import pipeline
    from hiprobe.probe import FALLBACK, choose_method

    found = pipeline.method_passes(FALLBACK, model, request.options)
    reader, settings = _MethodReader(request, model, store), _settings(request)
    _say_passes(found, len(request.clips))
    choice = choose_method(reader.readings(found.passes), settings)
    left_out = {**found.left_out, **reader.left_out, **choice.left_out}
    rule = replace(settings.localization, sigma=choice.sigma)
    chosen = replace(request, method=choice.method, localization=rule)
    read = found.pass_of(choice.method)
    pairs = reader.read(read, reader.lost)
    answers = _run.read_answers(chosen, model, store, read.plan.recipe, reader.lost)
    probe = _run.fit_pairs(chosen, model, pairs, answers)
    record = replace(choice, left_out=left_out).to_json()
    return replace(probe, provenance={**probe.provenance, "choice": record}), reader.lost


@dataclass
class _MethodReader:
    """Reads the clips of a request, one pass after the other, from the store where it can.

    `lost` are the paths that the first pass could not read; `left_out` are the methods of a later
    pass that failed, with the reason.
    """

    request: _run.FitRequest
    model: Backbone
    store: Path
    lost: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def readings(self, passes: tuple[MethodPass, ...]) -> Iterator[tuple[str, list[Pair]]]:
        """Yield each method with the hidden states and labels of the clips."""
        for number, one in enumerate(passes):
            lost: list[str] = []
            try:
                pairs = self.read(one, self.lost if number == 0 else lost)
            except ModelError as error:
                if number == 0:
                    raise
                self.left_out |= dict.fromkeys(one.methods, error.reason)
                continue
            if lost:
                reason = f"{counted(len(lost), 'video')} could not be read with its questions"
                self.left_out |= dict.fromkeys(one.methods, reason)
                continue
            yield from ((name, pairs) for name in one.methods)

    def read(self, one: MethodPass, lost: list[str]) -> list[Pair]:
        """Return states and labels of the clips that the first pass could read."""
        clips = [clip for clip in self.request.clips if clip.path not in self.lost]
        return _run.extract_with_progress(clips, self.model, self.store, one.plan, lost)


def _settings(request: _run.FitRequest) -> ChoiceSettings:
    from hiprobe.localize import Localization
    from hiprobe.probe import ChoiceSettings

    settings = ChoiceSettings(
        seed=request.seed, localization=request.localization or Localization()
    )
    return replace(settings, sigmas=request.sigmas) if request.sigmas else settings


def _say_passes(found: MethodPasses, clips: int) -> None:
    """Say how often the clips are read, and for which methods, before it begins."""
    from hiprobe.cli._terminal import err, markup

    served = "; ".join(", ".join(one.methods) for one in found.passes)
    number = len(found.passes)
    passes = f"{number} pass{'es' * (number != 1)}"
    err.print(
        markup(
            f"auto: {passes} over {counted(clips, 'video')} ({served}); "
            "what the store holds is not read again"
        ),
        soft_wrap=True,
    )


def choice_table(choice: Mapping[str, Any]) -> Table:
    """Return what was tried as a table: the best smoothing of each method, the used one marked."""
    from rich.table import Table

    table = Table(title=f"what was tried, {choice['folds']} folds")
    for column in ("method", "sigma", "inner", "outer [95 %]", "chosen in"):
        table.add_column(column, justify="left" if column == "method" else "right")
    used = choice["method"], choice["sigma"]
    for one in _best_of_each(choice["tried"], used):
        mark = " <" if (one["method"], one["sigma"]) == used else ""
        table.add_row(
            f"{one['method']}{mark}",
            f"{one['sigma']:g}",
            f"{one['inner']:.3f}",
            _with_interval(one["outer"]),
            f"{one['chosen_in']} of {choice['folds']}",
            style="bold" if mark else None,
        )
    return table


def _best_of_each(tried: list[dict[str, Any]], used: tuple[str, float]) -> Iterator[dict[str, Any]]:
    """Yield what is used, and the best of each method by its inner score, best first."""
    best: dict[str, dict[str, Any]] = {}
    for one in sorted(tried, key=lambda one: -one["inner"]):
        if (one["method"], one["sigma"]) == used or one["method"] not in best:
            best.setdefault(one["method"], one)
            yield one


def _with_interval(figure: Mapping[str, float | None]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def say_choice_of_method(choice: Mapping[str, Any]) -> None:
    """Show what `fit --method auto` tried, what it left out, and its reason in one sentence."""
    from hiprobe.cli._terminal import markup, say, show, warn

    if choice["tried"]:
        show(choice_table(choice))
    for name, reason in choice["left_out"].items():
        warn(f"{name} was not compared: {reason}")
    say(markup(choice["reason"]))
