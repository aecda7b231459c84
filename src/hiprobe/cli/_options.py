"""The options that several commands share, each with one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe import plugins, ranges
from hiprobe.errors import UsageError

OUT = Path("hiprobe-out")


def _full_name(name: str | None) -> str | None:
    """Return the hub id that a short name means, and any other name as it is."""
    if name is None or name == "embedded":
        return name
    from hiprobe import backbones

    return backbones.full_name(name)


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="embedded, a name from hiprobe models such as qwen3-vl-8b, a hub id such as "
        "Qwen/Qwen2.5-VL-7B-Instruct, a local folder, or module:attribute.",
        callback=_full_name,
    ),
]
ModelOfProbe = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="embedded, a name from hiprobe models such as qwen3-vl-8b, a hub id such as "
        "Qwen/Qwen2.5-VL-7B-Instruct, a local folder, or module:attribute. Default: the model of "
        "the probe.",
        callback=_full_name,
    ),
]
ProbeOfFolder = Annotated[
    Path | None,
    typer.Option(
        "--probe",
        "-p",
        help="A probe made by hiprobe fit, or org/name@revision of the hub. Default: "
        "probe.safetensors in the folder for results, then in the working folder, then the one "
        "shipped with hiprobe.",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(help="Commit, tag or branch of a hub model; it is recorded."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[
    str,
    typer.Option(
        help="auto (float32 on a CPU), float32, bfloat16, float16, or fastest: on a CPU bfloat16 "
        "if it was measured to be faster on this machine."
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the model's blocks for the shapes that are read most. The first pass takes "
        "minutes, and hidden states differ by rounding.",
    ),
]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="Folder for results; its .store keeps the hidden states."),
]
Store = Annotated[
    Path, typer.Option(help="Folder that keeps hidden states, so that no video is read twice.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, one object per line.")
]
VideosOfResults = Annotated[
    list[str] | None,
    typer.Option(
        "--videos",
        help="The videos, folders or globs that hiprobe detect was given, if they are elsewhere "
        "now. Repeatable.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Overwrite files that are in the folder already.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", help="List the files in folders that were passed over, and why."),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        help="Show no progress and nothing before the results: which probe and model, and how long "
        "it will take. Warnings and errors are shown.",
    ),
]
OutOrAddress = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        help="Folder for results; its .store keeps the hidden states. With "
        "--ray also an address such as s3://bucket/run.",
    ),
]
StoreOrAddress = Annotated[
    str,
    typer.Option(
        help="Folder that keeps hidden states, so that no video is read twice; with "
        "--ray also an address."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a Ray cluster. The address is local (all cores of this machine), auto (the "
        "Ray that runs on this machine) or HOST:PORT.",
    ),
]
Worker = Annotated[
    str | None,
    typer.Option(
        "--worker",
        metavar="CPUS[,GPUS]",
        help="With --ray: the CPUs and GPUs of each worker, by default one CPU. Several workers "
        "can share a GPU, for example 2,0.25.",
    ),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        help="Videos, folders or globs; with --ray also addresses such as s3://bucket/folder."
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify/--no-verify",
        help="Ask the model about each detected event and demote those that it rejects. It is then "
        "loaded whole.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of folds and permutations.")]
# Found by path, because importing the methods would load numpy.
_METHODS = plugins.names([str(Path(plugins.__file__).parent / "methods")], "hiprobe.methods")
Method = Annotated[
    str,
    typer.Option(
        help="How layers or heads are chosen and segments scored: "
        f"{', '.join(_METHODS)} or module:attribute."
    ),
]
MethodOrAuto = Annotated[
    str,
    typer.Option(
        "--method",
        help="How layers or heads are chosen and segments scored: "
        f"{', '.join(_METHODS)} or module:attribute; auto compares all and chooses.",
    ),
]
NormalLabel = Annotated[
    list[str] | None,
    typer.Option(
        "--normal-label",
        metavar="TEXT",
        help="A label of the CSV that means normal, in upper or lower case. Repeat it for several.",
    ),
]
AnomalyLabel = Annotated[
    list[str] | None,
    typer.Option(
        "--anomaly-label",
        metavar="TEXT",
        help="A label of the CSV that names an anomaly although it begins with a word such as no, "
        "for example 'no helmet'. Repeat it for several.",
    ),
]


def check_range(option: str, name: str, value: float) -> None:
    """Raise UsageError unless the value of an option is in the range of the number `name`."""
    try:
        ranges.require(name, value, option)
    except ValueError as error:
        raise UsageError(str(error)) from error
