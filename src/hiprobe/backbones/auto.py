"""Read any video MLLM that transformers has a class for, from the hub or a local folder.

One class serves every family: `model.get_decoder().layers` gives the depth, `self_attn.o_proj` the
heads. Knows no video file and no probe.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones._answers import answer_logits, tells_apart, unknown_words
from hiprobe.backbones._batching import (
    bytes_taken,
    card_room,
    cpu_batch,
    fitting_batch,
    largest_batch,
    prefetched,
)
from hiprobe.backbones._compiling import compile_blocks
from hiprobe.backbones._copying import Lane, to_device
from hiprobe.backbones._counting import count_work
from hiprobe.backbones._devices import pick_device
from hiprobe.backbones._explaining import (
    answer,
    says_abnormal,
    shown_frames,
    tries,
)
from hiprobe.backbones._failures import named_failure
from hiprobe.backbones._folder import (
    Checkpoint,
    checkpoint_settings,
    find_checkpoint,
    normal_words,
)
from hiprobe.backbones._memory import one_memory_error, too_large
from hiprobe.backbones._processing import (
    Inputs,
    Known,
    collate,
    load_processor,
    make_each,
    make_inputs,
    prompt_text,
    same_inputs,
    shapes,
)
from hiprobe.backbones._prompts import EXPLAIN_PROMPT, PROMPT
from hiprobe.backbones._reading import (
    States,
    decoder_of,
    encode_video,
    finite_array,
    last_states,
    with_features,
)
from hiprobe.backbones._requests import Readable, check_recipe, head_layout
from hiprobe.backbones._sharing import PLACED, prefix_cache, prefix_length, shares_prefix, suffix
from hiprobe.backbones._sizes import check_size, seen_size
from hiprobe.backbones._weights import (
    devices,
    entry,
    layout,
    load_config,
    load_weights,
    pick_dtype,
    quantiser,
    quiet,
    shorten,
)
from hiprobe.backbones._work import SIZE, SegmentWork, noise_segments
from hiprobe.errors import ModelError
from hiprobe.types import FRAMES, SEGMENT_S, YES_NO, Recipe, Segment, Site


def load(
    name: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
    compiled: bool = False,
) -> AutoBackbone:
    """Load the video MLLM `name`, `org/name` or a local folder, on a device.

    With `device` "auto" a model larger than one card is spread over all cards and the machine's
    memory. `compiled`: its blocks are compiled when they are first run; what is read then differs
    by rounding. Raises ModelError, UsageError for an unknown dtype.
    """
    found = find_checkpoint(name, revision)
    with quiet():
        config = load_config(found)
        with named_failure(found):
            processor = load_processor(found, config.model_type)
    depth = config.get_text_config().num_hidden_layers
    if max_layer is not None and not 0 <= max_layer < depth:
        raise ModelError(
            f"there is no block {max_layer}; it has 0 to {depth - 1}",
            where=name,
            cure="give one of them",
        )
    cut = shorten(config, max_layer)
    where = pick_device(device)
    precision = pick_dtype(dtype, where, quantiser(config) is not None)
    model = load_weights(
        found, config, layout(found, config, where, precision, device == "auto"), precision
    )
    with named_failure(found):
        made = AutoBackbone(found, model, processor, depth, cut)
    if compiled:
        compile_blocks(model, str(found.model if found.revision else found.folder))
        made.provenance = {**made.provenance, "compiled": True}
    return made


def config_widths(name: str, revision: str | None = None) -> tuple[int, ...] | None:
    """Return the widths of the vectors of a model's encoder and decoder, from its configuration.

    () for a quantised checkpoint, which has a precision of its own; None if it does not state them,
    as in families that cannot be loaded. Raises ModelError.
    """
    found = find_checkpoint(name, revision)
    with quiet():
        config = load_config(found)
    if quantiser(config) is not None:
        return ()
    try:
        encoder = (
            getattr(config.vision_config, "embed_dim", None) or config.vision_config.hidden_size
        )
        return int(encoder), int(config.get_text_config().hidden_size)
    except (AttributeError, TypeError):  # such as one width per stage
        return None


class AutoBackbone:
    """A loaded video MLLM; `hiprobe.backbones.Backbone` says what its attributes mean."""

    def __init__(
        self, found: Checkpoint, model: Any, processor: Any, depth: int, cut: bool
    ) -> None:
        values = checkpoint_settings(found)
        self.recipe = _recipe(found, values, processor)
        prompt_text(processor, self.recipe.prompts[0])  # a template that fails is found here
        self.explain_prompt: str = values.get("explain_prompt", EXPLAIN_PROMPT)
        self.explain_span_s: float | None = values.get("explain_span_s")
        self.notice: str | None = values.get("notice")
        self.batch = largest_batch(model.device)
        self._fitting: dict[Any, int] = {}
        self._known: Known = {}
        self._normal = normal_words(values)
        self._name = found.model
        self._model, self._processor, self._cut, self._entry = model, processor, cut, entry(model)
        self._lane = Lane(self._entry)
        self._parameters = set(inspect.signature(model.forward).parameters)
        self._decoder = decoder_of(model, found.model)
        # What several prompts have in common is computed once.
        self.shares_prompts = shares_prefix(model.config, processor)
        processor.video_processor.device = (
            self._entry if self._entry.type == "cuda" else torch.device("cpu")
        )
        text = model.config.get_text_config()
        self.layers, self.heads, self.width = (
            depth,
            int(text.num_attention_heads),
            int(text.hidden_size),
        )
        self.head_width, self.head_layers = head_layout(self._decoder.layers, self.heads)
        self.provenance: Mapping[str, Any] = {
            "id": found.model,
            "name": found.name,
            "revision": found.revision,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": ", ".join(devices(model)),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    @cached_property
    def reads_times(self) -> tuple[str, ...]:
        """What the model gets of a segment's times: "length", "moments" of frames, both or none.

        Found by making inputs of one picture at several times.
        """
        usual = self._inputs_at(1.0, 1.0)
        others = {"length": self._inputs_at(3.0, 1.0), "moments": self._inputs_at(1.0, 0.1)}
        return tuple(name for name, inputs in others.items() if not same_inputs(usual, inputs))

    @cached_property
    def answers_yes_no(self) -> bool:
        """Whether its tokenizer tells yes from no by their first tokens."""
        return tells_apart(self._processor.tokenizer, YES_NO)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of `text` that its tokenizer does not have, such as () of most."""
        return unknown_words(self._processor.tokenizer, text)

    def _inputs_at(self, length: float, pace: float) -> Inputs:
        """Make inputs of black frames in a segment of `length` minutes: any clock tells those."""
        count = self.recipe.frames
        frames = np.zeros((count, *(self.recipe.size or SIZE), 3), np.uint8)
        times = np.arange(count) * 60.0 * pace / count
        return self._inputs(Segment(frames, times, 0.0, 60.0 * length, 0), {0: PROMPT})[0]

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Return vectors float32 (segments, sites, width) at `sites`, at the last prompt position.

        `width` is the hidden size for residual sites, the head width for head sites and the number
        of answers for logit sites; one call reads one width. `recipe` gives the prompts, by default
        the backbone's own. The pass stops after the deepest block that is asked for. Raises
        ModelError for a site the model does not have, RecipeMismatch for segments or a recipe that
        do not fit it, OutOfMemory if one segment alone does not fit into memory.

        With several prompts in the recipe, the video's part of the prompt is computed once if the
        family allows it, whichever sites are read. The bits then differ from those with one prompt
        (within 5e-5 of scale), but are the same every time.
        """
        recipe = self.recipe if recipe is None else recipe
        check_recipe(segments, recipe, self.recipe, self._name)
        width = self._readable().width_of(sites, recipe)
        batch = self._batch(segments, sites, recipe.prompts, width)
        windows = [segments[at : at + batch] for at in range(0, len(segments), batch)]
        made = prefetched(
            lambda window: self._lane.prepare(partial(self._made, window, sites, recipe.prompts)),
            windows,
        )
        parts = [
            self._read_window(inputs.take(), window, sites, recipe.prompts, width)
            for inputs, window in zip(made, windows, strict=True)
        ]
        return np.concatenate([np.empty((0, len(sites), width), np.float32), *parts])

    def work(self, recipe: Recipe | None = None) -> SegmentWork:
        """Count what a pass over a segment computes with one of the prompts; runs no layer."""
        recipe = self.recipe if recipe is None else recipe
        inputs = self._inputs(noise_segments(recipe)[0], {0: recipe.prompts[0]})
        return count_work(self._model, inputs[0])

    def seen_size(self, recipe: Recipe) -> tuple[int, int] | None:
        """Return the (height, width) that the model gets, None if that of each video's own.

        Raises UsageError or ModelError for a size that it does not take.
        """
        return seen_size(self._processor.video_processor, recipe)

    def check_size(self, recipe: Recipe) -> None:
        """Raise UsageError or ModelError for a size that the model does not take or scales up."""
        check_size(self._processor.video_processor, recipe)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        """Answer `prompt` about `segment` greedily: the text, and whether it says abnormal.

        The second value is None if the answer does not say. The text has at most `max_tokens`
        tokens and 2,000 characters; after `deadline_s` seconds no token but the first is started. A
        clip that does not fit into memory is shown with fewer, then smaller frames, and the text
        ends with a note that says so. Raises ModelError if the model was loaded without its upper
        blocks, OutOfMemory if a quarter of the frames still does not fit.
        """
        if self._cut:
            raise ModelError(
                "it was loaded only to read, without its upper blocks",
                where=self._name,
                cure="load it without max_layer",
            )

        def ask(clip: Segment, seconds: float) -> str:
            inputs = self._on_device(make_inputs(self._processor, clip, prompt))
            return answer(self._model, self._processor.tokenizer, inputs, max_tokens, seconds)

        sizes = tries(len(segment.times), self._processor.video_processor.fixed_size is None)
        try:
            text, note = shown_frames(ask, segment, sizes, deadline_s)
        except torch.OutOfMemoryError as error:
            raise too_large(segment, error) from error
        return text + note, says_abnormal(text, self._normal)

    def _readable(self) -> Readable:
        loaded = len(self._decoder.layers)
        return Readable(
            self._name,
            self.layers,
            loaded,
            self.heads,
            self.width,
            self.head_width,
            self.head_layers,
        )

    def _batch(
        self, segments: Sequence[Segment], sites: Sequence[Site], prompts: Sequence[str], width: int
    ) -> int:
        """Choose the segments in a pass: on a card as many as its memory holds, measured once."""
        device = self._model.device
        if device.type == "cpu" and segments:
            return min(self.batch, cpu_batch(*segments[0].frames.shape[:3]))
        if device.type != "cuda" or len(segments) < 2:
            return self.batch
        asked = frozenset((site.prompt, site.kind, site.layer) for site in sites)
        key = segments[0].frames.shape, tuple(prompts), asked
        if key not in self._fitting:
            one = partial(self._read_one, segments[0], sites, prompts, width)
            self._fitting[key] = fitting_batch(bytes_taken(one, device), card_room(device))
        return min(self.batch, self._fitting[key])

    def _read_one(
        self, segment: Segment, sites: Sequence[Site], prompts: Sequence[str], width: int
    ) -> None:
        self._read_window(self._made([segment], sites, prompts), [segment], sites, prompts, width)

    def _made(
        self, segments: Sequence[Segment], sites: Sequence[Site], prompts: Sequence[str]
    ) -> list[dict[int, Inputs]]:
        """Make the inputs of some segments, by the numbers of the prompts that are asked."""
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
        """Read a few segments; only equal input shapes share a batch, as padding changes states."""
        once = self.shares_prompts and len(prompts) > 1
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
        """Read one batch; if memory runs out, its two halves, down to single segments."""
        try:
            with one_memory_error():
                return self._read_batch(made, sites, once)
        except torch.OutOfMemoryError as error:
            if len(made) == 1:
                raise too_large(segments[0], error) from error
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(made) // 2
        parts = [(made[:half], segments[:half]), (made[half:], segments[half:])]
        return np.concatenate([self._read_group(*part, sites, once) for part in parts])

    def _read_batch(
        self, made: list[dict[int, Inputs]], sites: Sequence[Site], once: bool
    ) -> NDArray[np.float32]:
        """Run one forward pass for each prompt; `once`: what they share is computed before them."""
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
        return finite_array(values, self._name)

    def _whole(
        self, made: list[dict[int, Inputs]], prompts: Sequence[int]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the arguments of each prompt's pass; the frames are encoded once."""
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
        """Yield the arguments of each prompt's pass over its own words, after the shared part."""
        first = self._on_device(collate([inputs[prompts[0]] for inputs in made]))
        length = prefix_length(first["input_ids"], self._model.config)
        deepest = max(self.layers - 1 if site.kind == "logit" else site.layer for site in sites)
        cache = prefix_cache(self._model, first, length, deepest)
        for prompt in prompts:
            some = [
                {name: value for name, value in inputs[prompt].items() if name in PLACED}
                for inputs in made
            ]
            yield prompt, suffix(self._model, self._on_device(collate(some)), cache, length)

    def _read_prompt(self, inputs: Mapping[str, Any], sites: Sequence[Site]) -> Tensor:
        """Return the vectors (batch, sites, width) of one prompt's batch."""
        if sites[0].kind == "logit":
            return self._answer_logits(inputs, sites)
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

    def _answer_logits(self, inputs: Mapping[str, Any], sites: Sequence[Site]) -> Tensor:
        """Return the logits (batch, sites, answers) with which the answers would begin."""
        keep = {"logits_to_keep": 1} if "logits_to_keep" in self._parameters else {}
        logits = self._model(**inputs, **keep).logits[:, -1].float()
        try:
            return answer_logits(self._processor.tokenizer, logits, sites)
        except ValueError as error:
            raise ModelError(
                str(error), where=self._name, cure="use a method that reads hidden states"
            ) from error

    def _inputs(self, segment: Segment, prompts: Mapping[int, str]) -> dict[int, Inputs]:
        try:
            with one_memory_error():
                return make_each(self._processor, segment, prompts, self._known)
        except torch.OutOfMemoryError as error:
            raise too_large(segment, error) from error

    def _on_device(self, inputs: Inputs) -> Inputs:
        """Move the inputs of this family's forward to its device; only pixels get its precision."""
        device, dtype = self._entry, self._model.dtype
        return {
            name: to_device(value, device, dtype if name.startswith("pixel_values") else None)
            for name, value in inputs.items()
            if name in self._parameters
        }


def _recipe(found: Checkpoint, values: Mapping[str, Any], processor: Any) -> Recipe:
    """Make the default recipe: what `hiprobe.json` says, else HeadHunt-VAD's sampling."""
    size = values.get("size", processor.video_processor.fixed_size or SIZE)
    return Recipe(
        model=found.model,
        revision=found.revision,
        prompts=tuple(values.get("prompts", (PROMPT,))),
        segment_s=float(values.get("segment_s", SEGMENT_S)),
        frames=values.get("frames", FRAMES),
        size=None if size is None else (int(size[0]), int(size[1])),
    )
