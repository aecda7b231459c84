"""Backbones: a frozen multimodal LLM behind one protocol, by name. Knows no torch and no model family.

Every file of this folder whose name has no leading underscore is a plug-in with a `load` function.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiprobe import plugins
from hiprobe.backbones._catalogue import ENTRIES, PROVEN, CatalogueEntry
from hiprobe.errors import ModelError, UsageError
from hiprobe.types import Recipe, Segment, Site

__all__ = [
    "PROVEN",
    "Backbone",
    "CatalogueEntry",
    "Loading",
    "ModelFacts",
    "catalogue",
    "deepest",
    "load",
    "names",
]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelFacts(Protocol):
    """What is known of a model without running it.

    `layers`: decoder depth; `heads`: attention heads per block; `width`, `head_width`: length of a
    residual and of a head vector. `head_layers`: the blocks whose heads can be read.
    `explain_span_s`: how many seconds `explain` should be shown, None for the whole event.
    `notice`: one line for the user, or None.
    """

    recipe: Recipe
    layers: int
    heads: int
    width: int
    head_width: int
    head_layers: tuple[int, ...]
    explain_prompt: str
    explain_span_s: float | None
    notice: str | None
    provenance: Mapping[str, Any]


@runtime_checkable
class Backbone(ModelFacts, Protocol):
    """A frozen multimodal LLM that is read, and asked only to explain."""

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Vectors (segments, sites, width) at `sites`, of the last prompt position; sites share one width."""
        ...

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        """The model's answer to `prompt` about `segment`, and its verdict: abnormal, normal or None."""
        ...


_PARTS = (*ModelFacts.__annotations__, "read", "explain")


@dataclass(frozen=True)
class Loading:
    """Which model to load, and how: the arguments of `load`."""

    name: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    max_layer: int | None = None

    def load(self) -> Backbone:
        """Load the model; raises what `load` raises."""
        return load(
            self.name,
            revision=self.revision,
            device=self.device,
            dtype=self.dtype,
            max_layer=self.max_layer,
        )


def names() -> tuple[str, ...]:
    """The plug-ins of this folder that can be loaded by name alone."""
    return tuple(name for name in plugins.names(__path__) if name != "auto")


def catalogue() -> tuple[CatalogueEntry, ...]:
    """Checkpoints known to load, with what each needs; any other of their families loads as well."""
    return ENTRIES


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
) -> Backbone:
    """The backbone called `name`: a file of this folder, `org/name`, a local folder, or `module:attribute`.

    `max_layer` loads no decoder block above it, where the family allows it: enough to read, not to explain.
    `module:attribute` is called with the same keyword arguments. Raises UsageError for a name that is none of
    these, ModelError if the model cannot be loaded.
    """
    options: dict[str, Any] = {
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "max_layer": max_layer,
    }
    if name in names():
        return cast(Backbone, importlib.import_module(f"{__name__}.{name}").load(**options))
    if (name and Path(name).is_dir()) or _HUB_ID.fullmatch(name):
        return cast(Backbone, importlib.import_module(f"{__name__}.auto").load(name, **options))
    if plugins.OUTSIDE.fullmatch(name):
        return _outside(name, options)
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        raise ModelError("no such model folder", where=name, cure="check the path")
    known = ", ".join(names())
    raise UsageError(
        f"no backbone {name!r}", cure=f"give one of {known}, org/name, a folder or module:attribute"
    )


def deepest(sites: Sequence[Site]) -> int | None:
    """The `max_layer` that is enough to read `sites`; None if all blocks are needed, as for a logit."""
    if not sites or any(site.kind == "logit" for site in sites):
        return None
    return max(site.layer for site in sites)


def _outside(name: str, options: Mapping[str, Any]) -> Backbone:
    """What `module:attribute` gives; raises UsageError if it does not take the options or gives no backbone."""
    make = plugins.load(sys.modules[__name__], "backbone", name, ("__call__",))
    try:
        inspect.signature(make).bind(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name!r} is no backbone: {error}", cure=f"it must take {', '.join(options)}"
        ) from error
    made = make(**options)
    lacking = [part for part in _PARTS if not hasattr(made, part)]
    if lacking:
        raise UsageError(
            f"{name!r} makes no backbone: it has no {', '.join(lacking)}",
            cure="see docs/recipes.md",
        )
    return cast(Backbone, made)
