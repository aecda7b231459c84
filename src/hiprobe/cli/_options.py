"""The options that several commands share, each with one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hiprobe import plugins

OUT = Path("hiprobe-out")
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="embedded, a hub id such as Qwen/Qwen2.5-VL-7B-Instruct, a "
        "local folder, or module:attribute.",
    ),
]
Revision = Annotated[
    str | None, typer.Option(help="Commit, tag or branch of a hub model; recorded in the probe.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="Folder for results; its .store keeps the hidden states."),
]
Store = Annotated[
    Path, typer.Option(help="Folder that keeps hidden states, so that no video is read twice.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", help="List the files in folders that were passed over, and why."),
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
        help="Let the workers of a Ray cluster read. The address is local (all cores of this "
        "machine), auto (the Ray that runs here) or HOST:PORT.",
    ),
]
Worker = Annotated[
    str | None,
    typer.Option(
        "--worker",
        metavar="CPUS[,GPUS]",
        help="With --ray: the CPUs and GPUs of each worker, by default one CPU. With a part of "
        "a GPU several workers share it, for example 2,0.25.",
    ),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        help="Videos, folders or globs; with --ray also addresses such as s3://bucket/folder."
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
