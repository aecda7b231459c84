"""`hiprobe detect`: videos to results."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Annotated

import typer

from hiprobe.cli import _chosen, _detection, _passed, _quiet, _ray, _run
from hiprobe.cli._false_alarms import (
    FalseAlarmOptions,
    FalseAlarms,
    Normal,
    NormalReading,
    find_normal,
    set_for_run,
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
    AsJson,
    Compile,
    Device,
    Dtype,
    ModelOfProbe,
    OutOrAddress,
    Paths,
    ProbeOfFolder,
    Quiet,
    Ray,
    Revision,
    Verbose,
    Verify,
    Worker,
)
from hiprobe.cli._reading import Every, Still, windows_to_read
from hiprobe.cli._videos import find_videos


def detect(
    context: typer.Context,
    paths: Paths,
    probe: ProbeOfFolder = None,
    model: ModelOfProbe = None,
    out: OutOrAddress = str(OUT),
    explain: Annotated[
        bool, typer.Option(help="Let the model explain each event in words.")
    ] = True,
    verify: Verify = True,
    where: Annotated[
        bool,
        typer.Option(
            "--where",
            help="Also find where in the picture the score of each event comes from: a map and a "
            "box. The model reads 17 more segments for each alarm.",
        ),
    ] = False,
    every: Every = 1,
    still: Still = False,
    threshold: Threshold = None,
    localization: Named = None,
    smoothing: SmoothingKind = None,
    sigma: Sigma = None,
    extend: Extend = None,
    min_length: MinLength = None,
    merge: Merge = None,
    refine: Refine = None,
    confirm: Confirm = None,
    false_alarms: FalseAlarms = None,
    normal: Normal = None,
    time_from_name: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="How names of videos tell when they were recorded, for example %Y%m%d_%H%M%S. "
            "Default: the creation time in the file, if it has one.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="The module:attribute that the probe was fitted with. Its code is "
            "imported, so name it only if you trust it."
        ),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = False,
    again: Annotated[bool, typer.Option("--again", help="Also do finished videos again.")] = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="Also send events to a sink. The files csv, jsonl and webvtt get those of all "
            "videos of this command, for example jsonl=events.jsonl; webhook, mqtt and apprise "
            "those of new results, for example webhook=https://HOST/PATH; or module:attribute. "
            "Repeatable.",
        ),
    ] = None,
    show_demoted: Annotated[
        bool,
        typer.Option(
            "--show-demoted",
            help="Also show the events that the model's own check rejected, and send them to "
            "sinks. Nothing is computed again.",
        ),
    ] = False,
    ray: Ray = None,
    worker: Worker = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find, locate and explain anomalies in videos.

    Each video gets a folder with report.html, timeline.png, events.jsonl, scores.csv and
    events.vtt; index.html lists all videos, manifest.jsonl too. A video that cannot be read is
    named, the others continue, and the exit code is 3. An interrupted command continues when it is
    given again: videos finished with this probe and these settings are not read again. With another
    threshold, smoothing or merging, events are found again in the stored scores; the model is
    loaded only if it has to check, explain or locate a new one. Events that the model rejects when
    it is asked about them are demoted: kept in the results, but no alarms.

    With --every N most segments are not read and have no score, and with --still a segment that
    hardly differs from an earlier one has its score: both are faster and find less, and a result
    says which segments they are.

    With --false-alarms-per-day N and --normal FOLDER footage of this camera without anomalies,
    which is read once, sets the level of the model's check for this command; without a check, the
    threshold.
    """
    from hiprobe.cli._sinks import SinkOutput
    from hiprobe.runs import STORE, check_out, forget, verifies

    _quiet.be_quiet(quiet)
    rate = FalseAlarmOptions(false_alarms, normal)
    rate.check_detect(threshold, confirm, ray)
    windows = windows_to_read(every, still, ray)
    seen = _passed.watch(context, verbose)
    home = _ray.results_home(out)
    chosen = _chosen.choose_probe(probe, home, method)
    if not again:
        check_out(home, chosen.probe)
    name = _chosen.choose_model(model, chosen)
    if probe is None:
        _chosen.say_choice(chosen, name)
    events = EventOptions(
        threshold, sigma, min_length, merge, localization, smoothing, extend, refine, confirm
    )
    rules = (
        events.over_probe(chosen.probe)
        if false_alarms is None
        else events.over(chosen.probe.localization)
    )
    windows.settings(rules)  # which raises for a rule that they do not go with
    given = SinkOutput(sink or (), demoted=show_demoted)
    output = _detection.Output(out, as_json, given, show_demoted)
    # A check needs the answer of the whole model, as an explanation does.
    whole = explain or verifies(chosen.probe, verify)
    loading = replace(chosen.loading(name, revision, device, dtype, whole), compiled=compiled)
    if ray is None:
        _ray.without(worker, *paths, out)
    found = find_videos(paths, seen, anywhere=ray is not None)
    footage = NormalReading(find_normal(normal, seen) if normal else [], home / STORE)
    if time_from_name is not None:
        _detection.warn_of_untimed(time_from_name, found.videos)
    output.check([chosen.path, *(one.path for one in found.videos)])
    _detection.keep_places(home, found, chosen)
    # Only of the probe's own model is it known that finished results are its results.
    own = model is None and revision is None and not again
    asked = _detection.DetectionRequest(
        chosen.probe,
        home,
        rules,
        explain,
        verify,
        dtype if own else None,
        time_from_name,
        where,
        windows,
    )
    if ray is not None:
        on_ray = _ray.ray_run(ray, worker, loading)
        code = _ray.show_ray_detection(found, on_ray, asked, output, again)
    else:
        if again:
            forget(home, found.videos)
        load = cache(partial(_run.load_backbone, loading))
        if false_alarms is not None:
            asked = set_for_run(false_alarms, footage, load(), asked, found)
        code = _detection.show_detection(found, asked, load, output)
    output.end(found)
    raise typer.Exit(code or _run.exit_code(footage.lost))
