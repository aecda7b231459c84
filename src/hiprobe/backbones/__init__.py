"""Load a frozen multimodal LLM by name and read it through one protocol. Knows no torch.

Every file of this folder whose name has no leading underscore is a plug-in with a `load` function.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiprobe import plugins
from hiprobe.backbones import _folder
from hiprobe.backbones._catalogue import ENTRIES, PROVEN, CatalogueEntry
from hiprobe.backbones._work import SegmentWork, noise_segments
from hiprobe.embedded import MODEL as SHIPPED
from hiprobe.errors import ModelError, UsageError
from hiprobe.types import Recipe, Segment, Site

__all__ = [
    "MEMBERS",
    "PROVEN",
    "Backbone",
    "CatalogueEntry",
    "Loading",
    "ModelFacts",
    "SegmentWork",
    "block_speed",
    "catalogue",
    "deepest",
    "device_facts",
    "full_name",
    "load",
    "name_of",
    "names",
    "noise_segments",
    "widths",
]

Clock = Callable[[], float]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelFacts(Protocol):
    """What is known about a model without running it.

    - `recipe`: the settings it reads with unless others are given.
    - `layers`: number of decoder blocks; `heads`: attention heads per block.
    - `width`, `head_width`: length of a residual vector and of a head vector.
    - `head_layers`: the blocks whose heads can be read.
    - `batch`: the most segments that one forward pass takes.
    - `explain_prompt`: the question asked about an event.
    - `explain_span_s`: how many seconds of an event the model is shown, None for the whole event.
    - `notice`: one line for the user, or None.
    - `provenance`: JSON values that say what ran, among them `dtype` and `device`, and
      `name` if the model has one that is easier to read than the recipe's id.
    """

    recipe: Recipe
    layers: int
    heads: int
    width: int
    head_width: int
    head_layers: tuple[int, ...]
    batch: int
    explain_prompt: str
    explain_span_s: float | None
    notice: str | None
    provenance: Mapping[str, Any]


@runtime_checkable
class Backbone(ModelFacts, Protocol):
    """A frozen multimodal LLM: its hidden states are read, and it is asked only to explain.

    A segment with the pixels of the one before it is not read again but gets the same states, if
    what the model gets of their times is equal too. An attribute `reads_times` says what that is:
    "length" (of the segment), "moments" (of its frames, from its start), both as by default, or ().

    An attribute `answers_yes_no` says whether its yes and its no can be read, at the site
    `Site("logit", layers - 1)`: the logits (yes, no) with which it would begin its answer. Detected
    events are then checked by asking the model. Without it, False. Other logit sites name the
    answers to read (`Site.answers`).

    A method `unknown_words(text)` returns the words of a text that its tokenizer does not have.
    Methods that would ask with such a word are refused. Without it, none.

    A method `work(recipe)` returns the `SegmentWork` of a pass over one segment, from which it is
    told in advance how long a command takes. Without it nothing is told. Methods
    `seen_size(recipe)` and `check_size(recipe)` say what (height, width) it really gets of the
    frames of a recipe, and refuse sizes that it would scale up again. Without them, any size is
    taken.

    >>> from hiprobe import backbones, embedded, video
    >>> model = backbones.load("embedded", device="cpu", max_layer=3)
    >>> clip = next(iter(sorted(embedded.CLIPS.glob("*.mp4"))))
    >>> segments = [next(video.segments(clip, model.recipe))]
    >>> values = model.read(segments, [Site("residual", 2), Site("residual", 3)])
    >>> values.shape, str(values.dtype)
    ((1, 2, 160), 'float32')
    """

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Return the vectors (segments, sites, width) at `sites`, at the last prompt position.

        All sites have one width. Raises ModelError for a site that the model does not have,
        RecipeMismatch for segments or a recipe that do not fit the model.
        """
        ...

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        """Answer `prompt` about `segment`: the text, and whether it says that it is abnormal.

        The second value is None if the answer does not say. The text has at most `max_tokens`
        tokens and 2,000 characters; after `deadline_s` seconds no token but the first is started.
        """
        ...


MEMBERS = (*ModelFacts.__annotations__, "read", "explain")


@dataclass(frozen=True)
class Loading:
    """Which model to load, and how: the arguments of `load`."""

    name: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    max_layer: int | None = None
    compiled: bool = False

    def load(self) -> Backbone:
        """Load the model; raises what `load` raises."""
        return load(
            self.name,
            revision=self.revision,
            device=self.device,
            dtype=self.dtype,
            max_layer=self.max_layer,
            compiled=self.compiled,
        )


def widths(loading: Loading) -> tuple[int, ...] | None:
    """Return the widths of a model's vectors, on which the speed of a machine depends.

    Reads its configuration, which is fetched if need be, and no weights. () if it is quantised,
    None if it does not say. Raises ModelError.

    >>> widths(Loading("embedded"))
    (160, 160)
    """
    name = full_name(loading.name)
    if name == "embedded":
        name = str(SHIPPED)
    elif name in names() or plugins.OUTSIDE.fullmatch(name):
        return None
    auto = importlib.import_module(f"{__name__}.auto")
    return cast("tuple[int, ...] | None", auto.config_widths(name, loading.revision))


def names() -> tuple[str, ...]:
    """Return the plug-ins that can be loaded by name alone, sorted.

    >>> "embedded" in names()
    True
    """
    return tuple(name for name in plugins.names(__path__, __name__) if name != "auto")


def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return checkpoints known to load, and what each needs. Others of their families load too.

    >>> catalogue()[0].model
    'embedded'
    """
    return ENTRIES


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
    compiled: bool = False,
) -> Backbone:
    """Load the backbone `name`: a plug-in, `org/name`, a local folder or `module:attribute`.

    A short name of `hiprobe models`, such as `qwen3-vl-8b`, means its hub id. `revision` pins a hub
    model. `device` is auto, cpu, cuda or mps; `dtype` is auto, float32, bfloat16 or float16.
    `max_layer` loads no decoder block above it where the family allows that: enough to read, not to
    explain. `compiled` runs its blocks through torch.compile: the first pass takes minutes, and
    what is read differs by rounding. A plug-in's `load`, or the object `module:attribute` itself,
    is called with the same keyword arguments (`compiled` only if it is true). Raises UsageError for
    any other name, ModelError if the model cannot be loaded, or not be compiled here.

    >>> model = load("embedded", device="cpu")
    >>> model.layers, model.width
    (8, 160)
    """
    options: dict[str, Any] = {
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "max_layer": max_layer,
        **({"compiled": True} if compiled else {}),
    }
    name = full_name(name)
    known = names()
    own = name in known and name in plugins.built_in(__path__)
    if not own and ((name and Path(name).is_dir()) or _HUB_ID.fullmatch(name)):
        return cast(Backbone, importlib.import_module(f"{__name__}.auto").load(name, **options))
    if name in known or plugins.OUTSIDE.fullmatch(name):
        return _load_plugin(name, options)
    if "/" in name or "\\" in name or name.startswith((".", "~")):
        raise ModelError("there is no such model folder", where=name, cure="check the path")
    close = difflib.get_close_matches(name.lower(), [one.short for one in ENTRIES], 1)
    raise UsageError(
        f"there is no backbone {name!r}" + (f" (did you mean {close[0]}?)" if close else ""),
        cure=f"give one of {', '.join(known)}, a short name that `hiprobe models` lists, org/name, "
        "a folder or module:attribute",
    )


def full_name(name: str) -> str:
    """Return the hub id that a short name of the catalogue means, and any other name as it is.

    A plug-in or a local folder of that name comes first.

    >>> full_name("Qwen3-VL-8B"), full_name("embedded")
    ('Qwen/Qwen3-VL-8B-Instruct', 'embedded')
    """
    if not name or "/" in name or Path(name).is_dir() or name in names():
        return name
    return next((one.model for one in ENTRIES if one.short == name.lower()), name)


def device_facts() -> dict[str, Any]:
    """Return what torch says of this machine: `auto` device, threads, cards and their memory.

    Loads torch.

    >>> device_facts()["auto"] in ("cpu", "cuda", "mps")
    True
    """
    from hiprobe.backbones import _devices

    return _devices.list_devices()


def block_speed(width: int, device: str, dtype: str, clock: Clock = time.perf_counter) -> float:
    """Measure how many operations a second a block of this width takes; loads torch.

    `device` is as torch names it, `dtype` is float32, bfloat16 or float16; `clock` returns seconds.
    Takes a tenth of a second, more where the machine is slow or busy. Raises what torch raises.

    >>> block_speed(64, "cpu", "float32") > 1e6
    True
    """
    from hiprobe.backbones import _speed

    return _speed.time_block(width, device, dtype, clock)


def name_of(model: str) -> str | None:
    """Return the name that loads the model of a recipe; None for a folder of this machine.

    `model` is the recipe's: a hub id is its own name, and the content of the shipped model's folder
    means `embedded`.

    >>> name_of("Qwen/Qwen2.5-VL-7B-Instruct"), name_of("sha256:0")
    ('Qwen/Qwen2.5-VL-7B-Instruct', None)
    """
    if _HUB_ID.fullmatch(model):
        return model
    same = SHIPPED.is_dir() and model == _folder.local_id(SHIPPED)
    return "embedded" if same else None


def deepest(sites: Sequence[Site]) -> int | None:
    """Return the `max_layer` that is enough to read `sites`; None if all blocks are needed.

    >>> deepest([Site("residual", 2), Site("residual", 5)])
    5
    >>> deepest([Site("logit", 7)]) is None
    True
    """
    if not sites or any(site.kind == "logit" for site in sites):
        return None
    return max(site.layer for site in sites)


def _load_plugin(name: str, options: Mapping[str, Any]) -> Backbone:
    """Call the plug-in's `load`, or the plug-in itself, and check that it makes a backbone."""
    found = plugins.load(sys.modules[__name__], "backbone", name, ())
    make = getattr(found, "load", found)
    try:
        inspect.signature(make).bind(**options)
    except (TypeError, ValueError) as error:
        if "compiled" in options and "compiled" in str(error):
            raise _not_compiled(name) from error
        raise UsageError(
            f"backbone {name!r} cannot be loaded: {error}",
            cure=f"its load function must take {', '.join(options)}",
        ) from error
    made = make(**options)
    lacking = [part for part in MEMBERS if not hasattr(made, part)]
    if lacking:
        raise UsageError(
            f"the object that backbone {name!r} loads lacks {', '.join(lacking)}",
            cure="see docs/recipes.md",
        )
    if options.get("compiled") and not made.provenance.get("compiled"):
        raise _not_compiled(name)
    return cast(Backbone, made)


def _not_compiled(name: str) -> ModelError:
    return ModelError("this backbone cannot be compiled", where=name, cure="leave out --compile")
