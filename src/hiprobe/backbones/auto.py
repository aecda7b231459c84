"""Any video MLLM that transformers has a class for, from the hub or a local folder. Knows no video file, no probe.

One class serves every family: `model.get_decoder().layers` is the depth, `self_attn.o_proj` the heads.
"""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones._batching import ahead, batch_room, fitting, largest, taken
from hiprobe.backbones._explaining import answer, answer_tokens, shown_frames, tries, verdict
from hiprobe.backbones._folder import Checkpoint, checkpoint_settings, find_checkpoint
from hiprobe.backbones._memory import one_memory_error
from hiprobe.backbones._processing import (
    Inputs,
    Known,
    collate,
    load_processor,
    make_each,
    make_inputs,
    shapes,
)
from hiprobe.backbones._reading import States, encode_video, last_states, with_features
from hiprobe.backbones._sharing import prefix_cache, prefix_length, shares_prefix, suffix
from hiprobe.backbones._weights import (
    devices,
    entry,
    layout,
    load_config,
    load_model,
    named_failure,
    pick_device,
    pick_dtype,
    quantiser,
    shorten,
)
from hiprobe.errors import ModelError, OutOfMemory, RecipeMismatch
from hiprobe.types import Recipe, Segment, Site

PROMPT = "Identify any abnormal events or safety hazards in this video."
EXPLAIN_PROMPT = (
    "Is there an abnormal event or a safety hazard in this video? "
    "Answer yes or no first, then say in one sentence what happens."
)
SIZE = (448, 448)  # for families that take any size; a multiple of every family's token size


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
) -> AutoBackbone:
    """The video MLLM `name` (`org/name` or a local folder) on a device; raises ModelError, on one line.

    With `device` "auto" a model larger than one card is spread over all cards and the machine's memory.
    """
    found = find_checkpoint(name, revision)
    config = load_config(found)
    with named_failure(found):
        processor = load_processor(found, config.model_type)
    depth = config.get_text_config().num_hidden_layers
    if max_layer is not None and not 0 <= max_layer < depth:
        raise ModelError(
            f"no block {max_layer}, it has 0 to {depth - 1}", where=name, cure="give one of them"
        )
    cut = shorten(config, max_layer)
    where = pick_device(device)
    precision = pick_dtype(dtype, where, quantiser(config) is not None)
    model = load_model(
        found, config, layout(found, config, where, precision, device == "auto"), precision
    )
    return AutoBackbone(found, model, processor, depth, cut)


class AutoBackbone:
    """A loaded video MLLM; see `hiprobe.backbones.Backbone` for what its attributes mean."""

    def __init__(
        self, found: Checkpoint, model: Any, processor: Any, depth: int, cut: bool
    ) -> None:
        values = checkpoint_settings(found)
        self.recipe = _recipe(found, values, processor)
        self.explain_prompt: str = values.get("explain_prompt", EXPLAIN_PROMPT)
        self.explain_span_s: float | None = values.get("explain_span_s")
        self.notice: str | None = values.get("notice")
        self.batch = largest(model.device)
        self._fitting: dict[Any, int] = {}
        self._known: Known = {}
        self._normal = values["verdict"]["normal"] if "verdict" in values else None
        self._name = found.model
        self._model, self._processor, self._cut, self._entry = model, processor, cut, entry(model)
        self._parameters = set(inspect.signature(model.forward).parameters)
        self._decoder = _decoder(model, found)
        self._shares_prefix = shares_prefix(model.config, processor)
        processor.video_processor.device = (
            self._entry if self._entry.type == "cuda" else torch.device("cpu")
        )
        text = model.config.get_text_config()
        self.layers, self.heads, self.width = (
            depth,
            int(text.num_attention_heads),
            int(text.hidden_size),
        )
        self.head_width, self.head_layers = _head_layout(self._decoder.layers, self.heads)
        self.provenance: Mapping[str, Any] = {
            "id": found.model,
            "revision": found.revision,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": ", ".join(devices(model)),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Vectors float32 (segments, sites, width) at `sites`, of the last prompt position.

        `width` is the hidden size for residual sites, the head width for head sites and 2 (yes, no) for logit sites;
        one call reads one kind. `recipe` gives the prompts, by default the backbone's own. The pass stops after the
        deepest block that is asked for. Raises ModelError for a site the model does not have, RecipeMismatch for
        segments or a recipe made for something else, OutOfMemory if one segment alone does not fit.

        Under a recipe with several prompts the video's part of the prompt is computed once, whatever is asked, where
        the family allows it: other bits than under a recipe of one prompt (within 5e-5 of scale), the same every time.
        """
        recipe = self.recipe if recipe is None else recipe
        self._check_recipe(segments, recipe)
        width = self._check_sites(sites, recipe)
        batch = self._batch(segments, sites, recipe.prompts, width)
        windows = [segments[at : at + batch] for at in range(0, len(segments), batch)]
        made = ahead(partial(self._made, sites=sites, prompts=recipe.prompts), windows)
        parts = [self._read_window(inputs, window, sites, recipe.prompts, width)
                 for inputs, window in zip(made, windows, strict=True)]  # fmt: skip
        return np.concatenate([np.empty((0, len(sites), width), np.float32), *parts])

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        """The greedy answer to `prompt` about `segment`, and its verdict (abnormal, normal, or None if unsaid).

        At most `max_tokens` tokens and 2,000 characters; no token is started after `deadline_s` seconds but the
        first. A clip that does not fit the memory is shown with fewer, then smaller frames, and the text ends with
        a note of it. Raises ModelError if the model was loaded without its upper blocks, OutOfMemory if a quarter
        of the frames still does not fit.
        """
        if self._cut:
            raise ModelError(
                "loaded only to read, without its upper blocks",
                where=self._name,
                cure="load all of it",
            )

        def ask(clip: Segment, seconds: float) -> str:
            inputs = self._on_device(make_inputs(self._processor, clip, prompt))
            return answer(self._model, self._processor.tokenizer, inputs, max_tokens, seconds)

        sizes = tries(len(segment.times), self._processor.video_processor.fixed_size is None)
        try:
            text, note = shown_frames(ask, segment, sizes, deadline_s)
        except torch.OutOfMemoryError as error:
            raise _too_large(segment) from error
        return text + note, verdict(text, self._normal)

    def _batch(
        self, segments: Sequence[Segment], sites: Sequence[Site], prompts: Sequence[str], width: int
    ) -> int:
        """Segments a pass; on a card, as many as its memory holds, found once for frames, prompts and depth."""
        device = self._model.device
        if device.type != "cuda" or len(segments) < 2:
            return self.batch
        asked = frozenset((site.prompt, site.kind, site.layer) for site in sites)
        key = segments[0].frames.shape, tuple(prompts), asked
        if key not in self._fitting:
            self._fitting[key] = fitting(taken(partial(self._read_one, segments[0], sites, prompts, width), device),
                                         batch_room(device))  # fmt: skip
        return min(self.batch, self._fitting[key])

    def _read_one(
        self, segment: Segment, sites: Sequence[Site], prompts: Sequence[str], width: int
    ) -> None:
        self._read_window(self._made([segment], sites, prompts), [segment], sites, prompts, width)

    def _made(
        self, segments: Sequence[Segment], sites: Sequence[Site], prompts: Sequence[str]
    ) -> list[dict[int, Inputs]]:
        """The inputs of some segments, by the numbers of the prompts that are asked."""
        asked = {site.prompt: prompts[site.prompt] for site in sites}
        return [self._inputs(segment, asked) for segment in segments]

    def _read_window(
        self,
        made: list[dict[int, Inputs]],
        segments: Sequence[Segment],
        sites: Sequence[Site],
        prompts: Sequence[str],
        width: int,
    ) -> NDArray[np.float32]:
        """Read a few segments, those of equal input shapes together: a padded batch would change the states."""
        once = self._shares_prefix and len(prompts) > 1
        groups: dict[Any, list[int]] = defaultdict(list)
        for place, inputs in enumerate(made):
            groups[tuple(shapes(inputs[at]) for at in sorted(inputs))].append(place)
        values = np.empty((len(segments), len(sites), width), np.float32)
        for places in groups.values():
            values[places] = self._read_group(
                [made[i] for i in places], [segments[i] for i in places], sites, once
            )
        return values

    def _read_group(
        self,
        made: list[dict[int, Inputs]],
        segments: list[Segment],
        sites: Sequence[Site],
        once: bool,
    ) -> NDArray[np.float32]:
        """One batch; out of memory, its two halves, down to single segments."""
        try:
            with one_memory_error():
                return self._read_batch(made, sites, once)
        except torch.OutOfMemoryError as error:
            if len(made) == 1:
                raise _too_large(segments[0]) from error
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(made) // 2
        parts = [(made[:half], segments[:half]), (made[half:], segments[half:])]
        return np.concatenate([self._read_group(*part, sites, once) for part in parts])

    def _read_batch(
        self, made: list[dict[int, Inputs]], sites: Sequence[Site], once: bool
    ) -> NDArray[np.float32]:
        """One forward pass per prompt; `once`: what the prompts share is in none of them, but before them."""
        columns: dict[int, list[int]] = defaultdict(list)
        for column, site in enumerate(sites):
            columns[site.prompt].append(column)
        passes = (
            self._after_prefix(made, list(columns), sites)
            if once
            else self._whole(made, list(columns))
        )
        parts: dict[int, Tensor] = {}
        with torch.inference_mode():
            for prompt, inputs in passes:
                part = self._read_prompt(inputs, [sites[column] for column in columns[prompt]])
                parts |= {column: part[:, at] for at, column in enumerate(columns[prompt])}
            values = (
                torch.stack([parts[column] for column in range(len(sites))], dim=1).float().cpu()
            )
        return self._finite(values)

    def _whole(
        self, made: list[dict[int, Inputs]], prompts: Sequence[int]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The arguments of each prompt's pass; with several prompts the frames are encoded once."""
        features: dict[str, Any] = {}
        for prompt in prompts:
            inputs: dict[str, Any] = self._on_device(collate([inputs[prompt] for inputs in made]))
            if len(prompts) > 1:
                features = features or encode_video(self._model, inputs)
                inputs = with_features(inputs, features)
            yield prompt, {**inputs, "use_cache": False}

    def _after_prefix(
        self, made: list[dict[int, Inputs]], prompts: Sequence[int], sites: Sequence[Site]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The arguments of each prompt's pass over its own words, the video's part having been computed."""
        first = self._on_device(collate([inputs[prompts[0]] for inputs in made]))
        length = prefix_length(first["input_ids"], self._model.config)
        deepest = max(self.layers - 1 if site.kind == "logit" else site.layer for site in sites)
        cache = prefix_cache(self._model, first, length, deepest)
        for prompt in prompts:
            ids = torch.cat([inputs[prompt]["input_ids"] for inputs in made])
            yield prompt, suffix(ids.to(self._entry), cache, length)

    def _read_prompt(self, inputs: Mapping[str, Any], sites: Sequence[Site]) -> Tensor:
        """Vectors (batch, sites, width) of one prompt's batch."""
        if sites[0].kind == "logit":
            return self._answer_logits(inputs)[:, None].expand(-1, len(sites), -1)
        residual = {site.layer for site in sites if site.kind == "residual"}
        heads = {site.layer for site in sites if site.kind == "head"}
        base = self._model.base_model  # without the LM head
        states = last_states(lambda: base(**inputs), self._decoder.layers, residual, heads)
        return torch.stack([self._vector(states, site) for site in sites], dim=1)

    def _vector(self, states: States, site: Site) -> Tensor:
        state = states[site.kind, site.layer]
        if site.head is None:
            return state
        return state[:, site.head * self.head_width : (site.head + 1) * self.head_width]

    def _answer_logits(self, inputs: Mapping[str, Any]) -> Tensor:
        """Log-sum-exp of the next-token logits over the spellings of yes and of no, (batch, 2)."""
        try:
            spellings = answer_tokens(self._processor.tokenizer)
        except ValueError as error:
            raise ModelError(
                str(error), where=self._name, cure="use a method that reads hidden states"
            ) from error
        keep = {"logits_to_keep": 1} if "logits_to_keep" in self._parameters else {}
        logits = self._model(**inputs, **keep).logits[:, -1].float()
        return torch.stack([logits[:, tokens].logsumexp(dim=-1) for tokens in spellings], dim=-1)

    def _inputs(self, segment: Segment, prompts: Mapping[int, str]) -> dict[int, Inputs]:
        try:
            with one_memory_error():
                return make_each(self._processor, segment, prompts, self._known)
        except torch.OutOfMemoryError as error:
            raise _too_large(segment) from error

    def _on_device(self, inputs: Inputs) -> Inputs:
        """The inputs that this family's forward takes, on its device; only pixels take its precision."""
        device, dtype = self._entry, self._model.dtype
        return {
            name: value.to(device, dtype) if name.startswith("pixel_values") else value.to(device)
            for name, value in inputs.items()
            if name in self._parameters
        }

    def _check_recipe(self, segments: Sequence[Segment], recipe: Recipe) -> None:
        if (recipe.model, recipe.revision) != (self.recipe.model, self.recipe.revision):
            raise RecipeMismatch(
                f"the recipe is for model {recipe.model}", where=self._name, cure="load that model"
            )
        for segment in segments:
            count, *size = segment.frames.shape[:3]
            if count != recipe.frames or (recipe.size is not None and tuple(size) != recipe.size):
                raise RecipeMismatch(
                    f"segment {segment.index} has {count} frames of {size}, the recipe {recipe.frames} of {recipe.size}"
                )

    def _check_sites(self, sites: Sequence[Site], recipe: Recipe) -> int:
        """The one width of `sites`; raises ModelError for those that cannot be read."""
        for site in sites:
            if reason := self._refusal(site, recipe):
                raise ModelError(
                    f"cannot read {site}: {reason}", where=self._name, cure="ask for another site"
                )
        widths = {
            {"residual": self.width, "head": self.head_width, "logit": 2}[site.kind]
            for site in sites
        }
        kinds = {site.kind == "logit" for site in sites}
        if len(widths) != 1 or len(kinds) != 1:
            raise ModelError(
                "one read needs sites of one width and kind",
                where=self._name,
                cure="read them apart",
            )
        return widths.pop()

    def _refusal(self, site: Site, recipe: Recipe) -> str | None:
        if site.layer >= self.layers:
            return f"the model has {self.layers} blocks"
        if site.prompt >= len(recipe.prompts):
            return f"the recipe has {len(recipe.prompts)} prompts"
        if self._cut and (site.kind == "logit" or site.layer >= len(self._decoder.layers)):
            return f"loaded only up to block {len(self._decoder.layers) - 1}"
        if site.head is not None and (
            site.head >= self.heads or site.layer not in self.head_layers
        ):
            return f"it has {self.heads} heads, in blocks {self.head_layers}"
        return None

    def _finite(self, values: Tensor) -> NDArray[np.float32]:
        if not bool(torch.isfinite(values).all()):
            raise ModelError(
                "hidden states overflow", where=self._name, cure="load it as bfloat16 or float32"
            )
        return np.asarray(values.numpy(), np.float32)


def _recipe(found: Checkpoint, values: Mapping[str, Any], processor: Any) -> Recipe:
    """The default recipe: what `hiprobe.json` says, else the paper's sampling and one question."""
    size = values.get("size", processor.video_processor.fixed_size or SIZE)
    return Recipe(
        model=found.model,
        revision=found.revision,
        prompts=tuple(values.get("prompts", (PROMPT,))),
        segment_s=float(values.get("segment_s", 1.6)),
        frames=values.get("frames", 16),
        size=None if size is None else (int(size[0]), int(size[1])),
    )


def _decoder(model: Any, found: Checkpoint) -> Any:
    decoder = model.get_decoder()
    if not isinstance(getattr(decoder, "layers", None), torch.nn.ModuleList):
        raise ModelError(
            f"{type(model).__name__} has no decoder.layers to read",
            where=found.model,
            cure="use another model",
        )
    return decoder


def _head_layout(layers: Sequence[Any], heads: int) -> tuple[int, tuple[int, ...]]:
    """The commonest width of a head and the blocks that have it; blocks without `self_attn.o_proj` have no heads."""
    widths = {}
    for place, layer in enumerate(layers):
        projection = getattr(getattr(layer, "self_attn", None), "o_proj", None)
        if projection is not None:
            widths[place] = projection.in_features // heads
    if not widths:
        return 0, ()
    width = Counter(widths.values()).most_common(1)[0][0]
    return width, tuple(place for place, found in widths.items() if found == width)


def _too_large(segment: Segment) -> OutOfMemory:
    return OutOfMemory(
        f"segment {segment.index} ({segment.start:.2f} to {segment.end:.2f} s) does not fit the memory, even alone",
        cure="use a smaller model, fewer or smaller frames, or 16 bits",
    )
