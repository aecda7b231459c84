"""`hiprobe explain`: ask the model about a span of a video."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from hiprobe.cli import _run
from hiprobe.cli._options import AsJson, Device, Dtype, Model, Revision
from hiprobe.errors import UsageError


def explain(
    path: Annotated[str, typer.Argument(help="A video.")],
    start: Annotated[float, typer.Option(min=0.0, help="The first second to show.")] = 0.0,
    end: Annotated[
        float | None, typer.Option(help="The last second to show, by default the end of the video.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="By default the model's own question.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer, in tokens.")] = 96,
    deadline: Annotated[
        float, typer.Option(min=0.1, help="The longest time to answer, in seconds.")
    ] = 60.0,
    model: Model = "embedded",
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Ask the model about a span of a video.

    No probe is used: this is the model's answer, not a score.
    """
    from rich.text import Text

    from hiprobe import pipeline, video
    from hiprobe.backbones import Loading
    from hiprobe.cli import _terminal
    from hiprobe.types import Event

    stop = end if end is not None else float(video.frame_times(path)[-1]) + 1e-3
    if not start < stop < math.inf:
        raise UsageError(
            f"--end must be after --start and finite, got {stop:g} s after {start:g} s", where=path
        )
    if question is not None and not question.strip():
        raise UsageError("the question is empty", cure="leave --question out for the model's own")
    backbone = _run.load_backbone(Loading(model, revision, device, dtype))
    text, abnormal = pipeline.explain(
        path,
        backbone,
        Event(start, stop),
        prompt=question,
        max_tokens=max_tokens,
        deadline_s=deadline,
    )
    if as_json:
        _terminal.emit(
            {
                "path": path,
                "start": start,
                "end": round(stop, 6),
                "text": text,
                "abnormal": abnormal,
            }
        )
    else:
        _terminal.show(Text(text))
