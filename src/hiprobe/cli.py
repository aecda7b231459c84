"""The command line: one command per pipeline function, and its exit code; what is shown is made in `terminal`.

Exit codes: 0 done, 2 wrong usage, 3 some inputs failed, 4 the environment failed (disk, model), 130 interrupted.
"""

from __future__ import annotations

import io
import math
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.errors import HiProbeError, UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.pipeline import Pair
    from hiprobe.probe import Probe
    from hiprobe.types import Recipe, Result, Site, Video

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  rich_markup_mode="markdown", context_settings={"help_option_names": ["-h", "--help"]},
                  epilog="Exit codes: 0 done, 2 wrong usage, 3 some inputs failed (each is named on standard error, "
                         "the others are done), 4 the disk or the model failed, 130 interrupted.",
                  help="Find, locate and explain anomalies in video by reading the hidden states of a frozen "
                       "multimodal LLM. Begin with `hiprobe demo`.")

OUT = Path("hiprobe-out")
Model = Annotated[str, typer.Option("--model", "-m", help="embedded, a hub id such as Qwen/Qwen2.5-VL-7B-Instruct, a "
                                    "local folder, or module:attribute.")]
Revision = Annotated[str | None, typer.Option(help="Commit, tag or branch of a hub model; kept in the probe.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for results; hidden states are kept in its .store.")]
Store = Annotated[Path, typer.Option(help="Folder that keeps hidden states, so that none is read twice.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]
Paths = Annotated[list[str], typer.Argument(help="Videos, folders or globs.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of folds and permutations.")]
Method = Annotated[str, typer.Option(help="How layers are chosen and segments scored: hiprobe, output_layer, one_class "
                                     "or module:attribute.")]


def main() -> None:
    """Runs the command line; a named error becomes one line and its exit code."""
    signal.signal(signal.SIGINT, _interrupted)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name or the model's words, on an ASCII terminal
    try:
        app()
    except HiProbeError as error:
        from hiprobe.terminal import complain

        complain(error)
        sys.exit(error.exit_code)


def _interrupted(_signal: int, _frame: Any) -> None:
    print("interrupted: what was finished is kept; the same command goes on from there", file=sys.stderr)
    raise SystemExit(130)


@app.command()
def demo(folder: Out = OUT) -> None:
    """Fit a probe on the shipped clips, then find and explain the anomalies of a shipped video.

    Model, labelled clips and video are in the package: no network, no argument. All of them are rendered, so this
    shows how the tool works, not how well a model does on real footage.
    """
    from hiprobe import embedded
    from hiprobe.terminal import fitted, say, shown

    model = _load("embedded", None, "auto", "auto")
    say(f"[bold]1. fit[/] on the labelled clips in {shown(embedded.CLIPS)}")
    probe, _ = _fit(embedded.CLIPS, model, "hiprobe", folder / ".store", layer_curve=False)
    probe.save(folder / "demo.probe.safetensors")
    fitted(probe)
    say(f"\n[bold]2. detect[/] in {embedded.VIDEO.name}: a place that neither the model nor the probe has seen")
    results = _detect([embedded.VIDEO], model, probe, folder)
    raise typer.Exit(_code(results))


@app.command()
def detect(
    paths: Paths,
    probe: Annotated[Path, typer.Option("--probe", "-p", help="A probe made by hiprobe fit.")],
    model: Model = "embedded",
    folder: Out = OUT,
    explain: Annotated[bool, typer.Option(help="Let the model put each event into words.")] = True,
    method: Annotated[str | None, typer.Option(help="The module:attribute that the probe was fitted with: name it if "
                                               "you trust that code.")] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Find, locate and explain anomalies in videos.

    Each video gets a folder with report.html, timeline.png, events.jsonl, scores.csv and events.vtt; manifest.jsonl
    lists all. A video that cannot be read is named, the others go on, and the exit code is 3.
    """
    from hiprobe.probe import Probe
    from hiprobe.terminal import total

    fitted = Probe.load(probe, method=method)
    found, failed = _find(paths)
    results = failed + _detect(found, _load(model, revision, device, dtype), fitted, folder, explain, as_json, failed)
    if not as_json:
        total(results, folder)
    raise typer.Exit(_code(results))


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(help="A folder with normal/ and abnormal/, or a CSV: "
                                         "path,label,start,end,split.")],
    probe: Annotated[Path, typer.Option("-o", "--out", help="Where the probe goes.")] = Path("probe.safetensors"),
    model: Model = "embedded",
    method: Method = "hiprobe",
    layer: Annotated[int | None, typer.Option(help="Read this layer instead of choosing one.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Ask this instead of the model's own question.")] = None,
    split: Annotated[str | None, typer.Option(help="Take only the CSV rows of this split.")] = None,
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Fit a probe on labelled clips, and say which layer it reads and why.

    A row of the CSV is a video or one event of it: the label `normal` or a word for the anomaly, its start and end in
    seconds, both blank for the whole video. Paths count from the folder of the CSV.
    """
    from hiprobe.terminal import emit, fitted, say, shown

    backbone = _load(model, revision, device, dtype)
    made, failed = _fit(data, backbone, method, store, layer=layer, prompt=prompt, split=split, seed=seed)
    made.save(probe)
    if as_json:
        emit({"probe": str(probe), "digest": made.digest, "threshold": made.localization.threshold,
              **made.provenance, "failed": failed})
    else:
        fitted(made)
        say(f"probe: [bold]{shown(probe)}[/] ({made.digest[:8]})")
    raise typer.Exit(3 if failed else 0)


@app.command()
def layers(
    data: Annotated[Path, typer.Argument(help="Labelled clips as for fit, or a probe made by fit.")],
    picture: Annotated[Path, typer.Option("-o", "--out", help="Where the picture goes.")] = Path("layers.png"),
    model: Model = "embedded",
    store: Store = OUT / ".store",
    seed: Seed = 0,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw saliency over depth: KL, LDR, entropy and their sum beside chance, and the cross-validated AUC per layer."""
    from hiprobe import report, terminal
    from hiprobe.probe import Probe

    failed: list[str] = []
    if data.suffix == ".safetensors":
        made = Probe.load(data)
    else:
        made, failed = _fit(data, _load(model, revision, device, dtype), "hiprobe", store, seed=seed)
    curves = terminal.curves(made, data)
    report.layers_png(curves, picture)
    if as_json:
        terminal.emit(curves)
    else:
        terminal.show(terminal.layers(curves))
        terminal.say(f"picture: [bold]{terminal.shown(picture)}[/]")
    raise typer.Exit(3 if failed else 0)


@app.command()
def explain(
    path: Annotated[str, typer.Argument(help="A video.")],
    start: Annotated[float, typer.Option(min=0.0, help="The first second to show.")] = 0.0,
    end: Annotated[float | None, typer.Option(help="The last second to show; the video's end if left out.")] = None,
    question: Annotated[str | None, typer.Option("--question", "-q", help="The model's own if left out.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 96,
    deadline: Annotated[float, typer.Option(min=0.1, help="The longest time to answer, in seconds.")] = 60.0,
    model: Model = "embedded",
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Ask the model about a span of a video. No probe is used: this is the model's answer, not a score."""
    from rich.text import Text

    from hiprobe import pipeline, terminal, video
    from hiprobe.types import Event

    stop = end if end is not None else float(video.frame_times(path)[-1]) + 1e-3
    if not start < stop < math.inf:
        raise UsageError(f"the span ends at {stop:g} s, not after its start at {start:g} s", where=path)
    text, verdict = pipeline.explain(path, _load(model, revision, device, dtype), Event(start, stop), prompt=question,
                                     max_tokens=max_tokens, deadline_s=deadline)
    if as_json:
        terminal.emit({"path": path, "start": start, "end": stop, "text": text, "abnormal": verdict})
    else:
        terminal.show(Text(text))


@app.command()
def extract(
    paths: Paths,
    model: Model = "embedded",
    method: Method = "hiprobe",
    store: Store = OUT / ".store",
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Read the hidden states of all layers and keep them, so that fit and detect need not run the model again."""
    from hiprobe import terminal
    from hiprobe.types import Video

    found, failed = _find(paths)
    backbone = _load(model, revision, device, dtype)
    lost = [result.path for result in failed]
    for states, _ in _extract([Video(str(path)) for path in found], backbone, method, store, lost):
        segments, sites, width = states.values.shape
        if as_json:
            terminal.emit({"video": states.video_id, "segments": segments, "sites": sites, "width": width,
                           "duration": states.duration, "gaps": len(states.gaps)})
        else:
            terminal.say(f"{states.video_id[:8]}  {segments} segments x {sites} sites x {width} wide")
    raise typer.Exit(3 if lost else 0)


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Option(help="Scores of every frame: a JSON or NPZ of one array a video, or a CSV "
                                         "video,start_frame,end_frame,score.")],
    dataset: Annotated[str, typer.Option(help="ucf_crime, xd_violence, shanghaitech, ucsd_ped or module:attribute.")],
    root: Annotated[Path, typer.Option(help="The folder with the data set's annotation.")],
    rule: Annotated[str | None, typer.Option(help="How the annotation is read; the data set's own way if left "
                                             "out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Where the report goes: JSON for .json, else "
                                            "Markdown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare frame scores, from any detector, with a benchmark's truth and with what needs no model at all.

    Prints ROC-AUC and average precision with 95 % intervals over videos, AUC within videos and per class. A video
    without scores, or with too few, is an error: none is left out of an average.
    """
    import json

    from hiprobe import datasets, evaluation, store, terminal

    truth = datasets.truth(dataset, root, rule=rule)
    about = {"data set": dataset, "rule": rule or datasets.rules(dataset)[0]}
    made = evaluation.evaluate(truth, evaluation.read_scores(scores), categories=datasets.categories(dataset, root),
                               seed=seed, about=about)
    if to is not None:
        text = json.dumps(made.to_json(), indent=2) + "\n" if to.suffix == ".json" else made.to_markdown()
        store.write_atomic(to, text.encode())
    if as_json:
        terminal.emit(made.to_json())
    else:
        print(made.to_markdown(), end="")


def _load(name: str, revision: str | None, device: str, dtype: str) -> Backbone:
    from hiprobe import backbones
    from hiprobe.terminal import warn

    model = backbones.load(name, revision=revision, device=device, dtype=dtype)
    if model.notice:
        warn(model.notice)
    return model


def _find(paths: Sequence[str]) -> tuple[list[Path], list[Result]]:
    """The videos meant by `paths`, each once, and a failed result for each path that means none."""
    from hiprobe import pipeline, video
    from hiprobe.terminal import complain

    found: dict[Path, Path] = {}
    failed = []
    for path in paths:
        try:
            for file in video.find([path]):
                found.setdefault(file.resolve(), file)
        except VideoError as error:
            complain(error)
            failed.append(pipeline.failure(path, error))
    return list(found.values()), failed


def _seconds(paths: Iterable[str]) -> dict[str, float]:
    """How long each video says it is, for the progress bar; one that cannot be read counts nothing here."""
    from hiprobe import video
    from hiprobe.terminal import err

    stated = {}
    for path in paths if err.is_terminal else ():
        try:
            stated[path] = video.info(path).duration or 0.0
        except VideoError:
            stated[path] = 0.0
    return stated


def _extract(videos: Sequence[Video], model: Backbone, method: str, store: Path, lost: list[str],
             recipe: Recipe | None = None, sites: Sequence[Site] | None = None) -> list[Pair]:
    from hiprobe import pipeline
    from hiprobe.terminal import bar, complain

    def failed(one: Video, error: HiProbeError) -> None:
        complain(error)
        lost.append(one.path)

    with bar(_seconds(one.path for one in videos)) as progress:
        return list(pipeline.extract(videos, model, method=method, sites=sites, recipe=recipe, root=store,
                                     progress=progress, failed=failed))


def _fit(data: Path, model: Backbone, method: str, store: Path, *, layer: int | None = None, prompt: str | None = None,
         split: str | None = None, seed: int = 0, layer_curve: bool = True) -> tuple[Probe, list[str]]:
    """A probe fitted on labelled clips, and the paths that could not be read."""
    from dataclasses import replace

    from hiprobe import datasets, pipeline
    from hiprobe.types import Site

    if layer is not None and not 0 <= layer < model.layers:
        raise UsageError(f"layer {layer} of a model whose layers are 0 to {model.layers - 1}")
    if prompt is not None and not prompt.strip():
        raise UsageError("the prompt is empty")
    recipe = model.recipe if prompt is None else replace(model.recipe, prompts=(prompt,))
    sites = None if layer is None else (Site("residual", layer),)
    lost: list[str] = []
    pairs = _extract(list(datasets.load("folder", data, split)), model, method, store, lost, recipe, sites)
    return pipeline.fit(method, pairs, model=model, seed=seed, sites=sites, layer_curve=layer_curve), lost


def _detect(paths: Sequence[Path], model: Backbone, probe: Probe, folder: Path, explain: bool = True,
            as_json: bool = False, failed: Sequence[Result] = ()) -> list[Result]:
    """Detects in each video and writes what was found as soon as the video is done."""
    from hiprobe import pipeline, report, store, terminal

    results = []
    store.note(folder, failed)
    for result in failed:
        _tell(result, folder, as_json)
    with terminal.bar(_seconds(map(str, paths))) as progress:
        for result in pipeline.detect_all(paths, model, probe, failed=terminal.complain, explain=explain,
                                          root=folder / ".store", progress=progress):
            if result.scores is not None:
                report.write(result, Path(result.path), store.result_folder(folder, result), _thumbnails(result))
            store.note(folder, [result])
            _tell(result, folder, as_json)
            results.append(result)
    return results


def _tell(result: Result, folder: Path, as_json: bool) -> None:
    """What is said of one result, once its files are written."""
    from hiprobe import report, sinks, store, terminal

    if as_json:
        terminal.emit({"path": result.path, "status": result.status, "reason": result.reason,
                       "events": [sinks.event_line(result, event) for event in result.events]})
    elif result.scores is not None:
        terminal.show(report.events_table(result))
        terminal.say(f"report: [bold]{terminal.shown(store.result_folder(folder, result) / 'report.html')}[/]")


def _thumbnails(result: Result) -> list[tuple[float, Any]]:
    """The frame at the peak of each of the first 12 events."""
    from hiprobe import video

    peaks = [event.peak for event in result.events[:12] if event.peak is not None]
    return [(peak, video.span(result.path, peak, peak + 0.04, 1).frames[0]) for peak in peaks]


def _code(results: Iterable[Result]) -> int:
    return 3 if any(result.status in ("failed", "quarantined") for result in results) else 0
