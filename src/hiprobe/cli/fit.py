"""`hiprobe fit`: fit a probe on labelled clips."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hiprobe.cli import _passed, _run
from hiprobe.cli._choosing import say_choice_of_method
from hiprobe.cli._false_alarms import (
    FalseAlarmOptions,
    FalseAlarms,
    Normal,
    NormalReading,
    find_normal,
    set_in_probe,
)
from hiprobe.cli._given import GivenFit, States
from hiprobe.cli._labels import (
    check_normal,
    label_words,
    warn_of_copies,
    warn_of_few,
    warn_of_short,
)
from hiprobe.cli._localization import (
    Confirm,
    EventOptions,
    Extend,
    Merge,
    MinLength,
    Named,
    Refine,
    Sigma,
    SmoothingKind,
    Threshold,
)
from hiprobe.cli._options import (
    OUT,
    AnomalyLabel,
    AsJson,
    Compile,
    Device,
    Dtype,
    MethodOrAuto,
    Model,
    NormalLabel,
    Revision,
    Seed,
    Store,
    Verbose,
)
from hiprobe.cli._reading import Frames, Prompt, SegmentLength, Size, UnitOption, recipe_options
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.datasets import LabelCounts


def fit(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with normal/ and abnormal/, or a CSV with the columns "
            "path,label,start,end,split,group. A method that fits on normal videos needs no "
            "abnormal/; a method without labels needs no data."
        ),
    ] = None,
    probe: Annotated[Path, typer.Option("-o", "--out", help="The probe file to write.")] = Path(
        "probe.safetensors"
    ),
    states: States = None,
    model: Model = "embedded",
    method: MethodOrAuto = "hiprobe",
    layer: Annotated[
        int | None, typer.Option(help="Read this layer instead of choosing one.")
    ] = None,
    prefer_early: Annotated[
        bool,
        typer.Option(
            "--prefer-early",
            help="Read the first layer whose out-of-fold AUC is at most 0.01 below that of the "
            "chosen one: faster, where the layers take most of the time.",
        ),
    ] = False,
    prompt: Prompt = None,
    segment: SegmentLength = None,
    frames: Frames = None,
    size: Size = None,
    unit: UnitOption = None,
    threshold: Threshold = None,
    localization: Named = None,
    smoothing: SmoothingKind = None,
    sigma: Sigma = None,
    extend: Extend = None,
    min_length: MinLength = None,
    merge: Merge = None,
    refine: Refine = None,
    confirm: Confirm = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify",
            help="Also ask the model about the labelled clips, so that detect can check events by "
            "asking it. This reads the clips once more.",
        ),
    ] = True,
    false_alarms: FalseAlarms = None,
    normal: Normal = None,
    split: Annotated[str | None, typer.Option(help="Take only the CSV rows of this split.")] = None,
    normal_label: NormalLabel = None,
    anomaly_label: AnomalyLabel = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Say how the labels are understood, and load no model."),
    ] = False,
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Fit a probe on labelled clips; say which layer or heads it reads, and why.

    A row of the CSV is a video or one event of it: the label `normal` or a word for the anomaly,
    and start and end in seconds, mm:ss or h:mm:ss, both blank for the whole video. Paths are
    relative to the folder of the CSV. Videos with the same group, such as the name of the camera,
    are never on both sides of a cross-validation. The first line says how the labels were
    understood.

    With --false-alarms-per-day normal footage, by its events, sets the level of the model's check;
    without a check, the threshold. It is that of --normal, or the normal clips, each scored by a
    probe that was not fitted on it.

    With --states a probe is fitted on hidden states that hiprobe export, vLLM, nnsight or a script
    has saved; docs/states.md has the format.

    With --method auto all methods and several widths of smoothing are compared by nested
    cross-validation over videos. A method other than hiprobe is used only if it is surely better.
    """
    from hiprobe.backbones import Loading
    from hiprobe.cli._terminal import emit, fitted, markup, say
    from hiprobe.localize import Localization

    seen = _passed.watch(context, verbose)
    seen.search_clips(data)
    words = label_words(normal_label, anomaly_label)
    options = recipe_options(prompt, segment, frames, size, unit)
    events = EventOptions(
        threshold, sigma, min_length, merge, localization, smoothing, extend, refine, confirm
    )
    rules = events.over(Localization())
    rate = FalseAlarmOptions(false_alarms, normal)
    rate.check(threshold, confirm)
    request = _run.FitRequest(
        *(data, method, layer, options, rules, split, seed, words),
        verify=verify,
        false_alarms_per_day=None if normal else false_alarms,
        sigmas=() if sigma is None else (sigma,),
        states_given=bool(states),
        prefer_early=prefer_early,
    )
    given = GivenFit(states, request) if states else None
    if given is not None:
        given.check(context)
    understood = _understood(request, as_json)
    if check:
        _stop_at(understood, request.known_method, as_json)
    _run.check_output(probe, [data, *(states or ()), *(clip.path for clip in request.clips)])
    failed: list[str] = []
    if given is not None:
        made = given.fit()
        made.save(probe)
    else:
        footage = NormalReading(find_normal(normal, seen) if normal else [], store)
        backbone = _run.load_backbone(Loading(model, revision, device, dtype, compiled=compiled))
        made, failed = _run.fit_probe(request, backbone, store)
        if normal and false_alarms:
            made = set_in_probe(false_alarms, footage, backbone, made)
            failed += footage.lost
        made.save(probe)
        _run.keep_fit(probe.parent, made.digest, request, model, store)
    if as_json:
        emit(
            {
                "probe": str(probe),
                "digest": made.digest,
                "threshold": made.localization.threshold,
                **made.provenance,
                "clips": understood and asdict(understood),
                "failed": failed,
            }
        )
    else:
        if "choice" in made.provenance:
            say_choice_of_method(made.provenance["choice"])
        fitted(made)
        say(f"probe: [bold]{markup(probe)}[/] ({made.digest[:8]})")
        if given is None:
            say(f"use it: [bold]{markup(_use(probe, made.method))}[/]")
    raise typer.Exit(_run.exit_code(failed))


def _use(probe: Path, method: str) -> str:
    """Return the command that detects with the probe; code of one's own is named again."""
    own = f" --method {shlex.quote(method)}" if ":" in method else ""
    return f"hiprobe detect VIDEO -p {shlex.quote(str(probe))}{own}"


def _understood(request: _run.FitRequest, as_json: bool) -> LabelCounts | None:
    """Say how the labels were understood, and check them; return None without labels."""
    from hiprobe import datasets
    from hiprobe.cli._terminal import markup, say

    request.check_options()
    if request.data is None:
        return None
    counts = datasets.count_labels(request.clips, request.segment_s)
    if not as_json:
        say(markup(str(counts)))
    check_normal(request.clips, request.known_method, request.words)
    if not request.states_given:  # the clips need not be there
        warn_of_copies(request.clips)
    warn_of_short(counts, request.segment_s)
    return counts


def _stop_at(understood: LabelCounts | None, method: str, as_json: bool) -> NoReturn:
    from hiprobe.cli._terminal import emit

    if understood is None:
        raise UsageError("--check needs labelled clips", cure="name a folder or a CSV of them")
    if as_json:
        emit(asdict(understood))
    warn_of_few(understood, method)
    raise typer.Exit
