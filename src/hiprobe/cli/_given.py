"""`fit --states`: fit a probe on hidden states from files, without a model and without videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _run
from hiprobe.errors import UsageError, counted

if TYPE_CHECKING:
    from hiprobe.pipeline import Pair
    from hiprobe.probe import Probe
    from hiprobe.store import GivenStates
    from hiprobe.types import Site

States = Annotated[
    list[Path] | None,
    typer.Option(
        "--states",
        metavar="FILE",
        help="Fit on the hidden states in this .npz or .safetensors, which hiprobe export or "
        "another tool wrote, and read no video. Labels are those of DATA, or in the file. "
        "Repeatable.",
    ),
]
# Options on reading videos, which have no effect on states that were read.
ON_READING = (
    *("model", "prompt", "segment", "frames", "size", "normal", "store", "revision", "device"),
    *("dtype", "verify", "unit", "compiled"),
)


@dataclass(frozen=True)
class GivenFit:
    """The files of hidden states, and how to fit on them."""

    files: Sequence[Path]
    request: _run.FitRequest

    def check(self, context: typer.Context) -> None:
        """Raise UsageError for a missing file and for options that do not go with given states."""
        absent = [path for path in self.files if not path.exists()]
        if absent:
            raise UsageError("no such file", where=absent[0], cure="check --states")
        wrong = [
            name
            for name in ON_READING
            if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        ]
        if wrong:
            (option,) = (one.opts[0] for one in context.command.params if one.name == wrong[0])
            raise UsageError(
                f"{option} is about reading videos, and --states reads none",
                cure="leave it out",
            )
        if self.request.known_method != self.request.method:
            raise UsageError(
                "--method auto asks the model in several ways, and --states asks nothing",
                cure="name a method",
            )

    def pairs(self) -> tuple[list[Pair], dict[str, Any]]:
        """Read the states and their labels; also return what is known of how they were read."""
        from hiprobe import methods, pipeline, store

        how = methods.load(self.request.method)
        kinds = {site.kind for site in how.sites(layers=32, heads=8)}  # of a model of any size
        given = [one for path in self.files for one in store.read_given_states(path)]
        clips = None if self.request.data is None else self.request.clips
        pairs = pipeline.labelled_states(given, clips, kinds)
        _say(given, pairs)
        return pairs, _provenance(given)

    def fit(self) -> Probe:
        """Read the states, say what there is, and fit."""
        self.request.check_options()
        pairs, provenance = self.pairs()
        saved = _saved_layers(self.request.method, pairs)
        return _run.fit_pairs(self.request, _Reader(provenance), pairs, saved=saved)


@dataclass(frozen=True)
class _Reader:
    """What read the states, as far as `fit` asks: no model, only its provenance."""

    provenance: dict[str, Any]


def _saved_layers(method: str, pairs: Sequence[Pair]) -> tuple[Site, ...] | None:
    """Return the layers to select from if the file has some of those that the method reads.

    None if it has all of them, none, or if the method does not select a layer.
    """
    from hiprobe import methods

    there = set.intersection(*(set(states.sites) for states, _ in pairs)) if pairs else set()
    if any(site.kind != "residual" for site in there) or not there:
        return None
    wanted = methods.load(method).sites(layers=1 + max(site.layer for site in there), heads=8)
    some = tuple(site for site in wanted if site in there)
    return some if there == set(some) and len(some) < len(wanted) else None


def _provenance(given: Sequence[GivenStates]) -> dict[str, Any]:
    tools = sorted({one.tool for one in given if one.tool is not None})
    kinds = sorted({str(one.states.values.dtype) for one in given})
    return {"dtype": ", ".join(kinds), **({"tool": ", ".join(tools)} if tools else {})}


def _say(given: Sequence[GivenStates], pairs: Sequence[Pair]) -> None:
    """Say what was read, on standard error, before the fit begins."""
    from hiprobe.cli._terminal import err

    first = pairs[0][0] if pairs else given[0].states
    segments = sum(len(one.states.starts) for one in given)
    unused = len(given) - len(pairs)
    left = f"; {unused} without labels are not used" if unused else ""
    err.print(
        f"states: {counted(len(given), 'video')}, {counted(segments, 'segment')}, "
        f"{counted(len(first.sites), 'site')}, {first.values.shape[2]} wide{left}",
        soft_wrap=True,
    )
