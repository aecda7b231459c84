"""Turn segments and prompts into model inputs: chat template, tokenizer, frames with their times.

Each family keeps its own transformers processor class; only the video processor is replaced, as
theirs needs torchvision. Times are milliseconds from the segment's start, so that equal content
makes equal inputs anywhere in a video. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoTokenizer
from transformers.models.auto import processing_auto
from transformers.video_utils import VideoMetadata

from hiprobe.backbones._failures import named_inputs_failure, named_template_failure
from hiprobe.backbones._folder import Checkpoint
from hiprobe.backbones._video import VideoProcessor, video_processor
from hiprobe.errors import ModelError
from hiprobe.types import Segment

# Pairs of a prompt and a clip's times whose text inputs are remembered, a few kB each.
KNOWN = 256
Inputs = dict[str, Tensor]
Known = dict[Hashable, tuple[Inputs, tuple[str, ...]]]


def load_processor(found: Checkpoint, family: str) -> Any:
    """Load the family's own processor with a torch-only video processor; raises ModelError."""
    kind = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"].get(family)
    if kind is None:
        raise ModelError(
            f"transformers has no processor for {family!r}",
            where=found.model,
            cure="use another model",
        )
    settings = found.json("processor_config.json") or {}
    video = video_processor(_video_settings(found, settings), family)
    tokenizer = AutoTokenizer.from_pretrained(
        found.folder, trust_remote_code=False, local_files_only=True
    )
    template = _chat_template(found, settings, tokenizer)
    return _assemble(
        getattr(transformers, kind), tokenizer, video, {**settings, "chat_template": template}
    )


def _assemble(kind: Any, tokenizer: Any, video: VideoProcessor, settings: Mapping[str, Any]) -> Any:
    # transformers checks the class of each part; images and sound are not used.
    lenient: Any = type(
        kind.__name__,
        (kind,),
        {
            "check_argument_for_proper_class": lambda self, name, part: type(part),
            "__repr__": lambda self: kind.__name__,  # theirs writes every part as JSON
        },
    )
    parts = {"tokenizer": tokenizer, "video_processor": video}
    arguments = [parts.get(name) for name in kind.get_attributes()]
    return lenient.from_args_and_dict(
        arguments, {k: v for k, v in settings.items() if k != "audio_tokenizer"}
    )


def _video_settings(found: Checkpoint, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the checkpoint's video settings, in transformers' order of preference."""
    if "video_processor" in settings:
        return dict(settings["video_processor"])
    values = found.json("video_preprocessor_config.json") or found.json("preprocessor_config.json")
    if values is None:
        raise ModelError(
            "has no processor_config.json, video_preprocessor_config.json "
            "or preprocessor_config.json",
            where=found.folder,
            cure="fetch the model again; a text-only model cannot be used",
        )
    return values


def _chat_template(found: Checkpoint, settings: Mapping[str, Any], tokenizer: Any) -> str:
    written = found.text("chat_template.jinja")
    if written is not None:
        return written
    legacy = (found.json("chat_template.json") or {}).get("chat_template")
    template = legacy or settings.get("chat_template") or tokenizer.chat_template
    if not isinstance(template, str):
        raise ModelError(
            "has no chat template", where=found.folder, cure="use an instruction-tuned checkpoint"
        )
    return template


def video_metadata(segment: Segment) -> VideoMetadata:
    """State a segment's times for transformers: milliseconds from its start, at 1,000 fps."""
    duration, moments = segment.clock_ms
    return VideoMetadata(
        total_num_frames=duration,
        fps=1000.0,
        width=segment.frames.shape[2],
        height=segment.frames.shape[1],
        duration=duration / 1000,
        frames_indices=list(moments),
    )


def prompt_text(processor: Any, prompt: str) -> str:
    """Write the chat with one video and `prompt`, up to the answer, with thinking turned off.

    Raises ModelError for a prompt with a control token, and for a template that fails.
    """
    for token in (processor.video_token, processor.image_token):
        if token in prompt:
            raise ModelError(
                f"the prompt holds the control token {token}", cure="leave it out of the prompt"
            )
    content = [{"type": "video"}, {"type": "text", "text": prompt}]
    options = (
        {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    )
    with named_template_failure(str(processor.tokenizer.name_or_path)):
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=False,
            add_generation_prompt=True,
            **options,
        )
    return str(text)


def make_inputs(processor: Any, segment: Segment, prompt: str) -> Inputs:
    """Make the inputs of one segment and one prompt, batch size 1.

    They are on the CPU, but pixels on the device of the video processor. Raises ModelError if the
    model's template, tokenizer and settings do not fit each other.
    """
    text = prompt_text(processor, prompt)
    start = processor.tokenizer.bos_token
    options = {"add_special_tokens": False} if start and text.startswith(start) else {}
    with named_inputs_failure(str(processor.tokenizer.name_or_path)):
        made = processor(
            text=[text],
            videos=[segment.frames],
            video_metadata=[video_metadata(segment)],
            do_sample_frames=False,
            return_tensors="pt",
            **options,
        )
        if not made["input_ids"].numel():
            raise ValueError("the prompt has no tokens")
    return {name: value for name, value in made.items() if isinstance(value, Tensor)}


def make_each(
    processor: Any, segment: Segment, prompts: Mapping[int, str], known: Known
) -> dict[int, Inputs]:
    """Make the inputs of one segment and several prompts, by number; the pixels are made once.

    `known` remembers the text inputs of a prompt beside a clip of these times and sizes, as they
    depend on nothing else.
    """
    with processor.video_processor.keeping(segment.frames) as packed:
        beside = _times(segment), _tokens(packed)
        return {
            number: _made(processor, segment, prompt, packed, (prompt, *beside), known)
            for number, prompt in prompts.items()
        }


def _made(
    processor: Any,
    segment: Segment,
    prompt: str,
    packed: Mapping[str, Any],
    key: Hashable,
    known: Known,
) -> Inputs:
    if key in known:
        text, names = known[key]
        return {**text, **{name: packed[name] for name in names}}
    made = make_inputs(processor, segment, prompt)
    names = tuple(name for name, value in packed.items() if made.get(name) is value)
    text = {name: value for name, value in made.items() if name not in names}
    # Otherwise the processor has made further tensors from the pixels.
    if len(names) == sum(isinstance(value, Tensor) for value in packed.values()):
        if len(known) >= KNOWN:
            known.clear()
        known[key] = text, names
    return made


def _times(segment: Segment) -> Hashable:
    """Return everything about a segment that a processor uses, except the pixels."""
    seen = video_metadata(segment)
    return seen.total_num_frames, seen.width, seen.height, tuple(seen.frames_indices or ())


def _tokens(packed: Mapping[str, Any]) -> Hashable:
    """Return everything about the pixels that a processor uses, except their values.

    That is shapes, grids, and which tokens are dropped.
    """
    return tuple((name, _without_pixels(name, value)) for name, value in packed.items())


def _without_pixels(name: str, value: Any) -> Hashable:
    if not isinstance(value, Tensor):
        return tuple(value)
    content = b"" if name.startswith("pixel_") else value.cpu().numpy().tobytes()
    return tuple(value.shape), content


def shapes(inputs: Inputs) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what must be equal for two inputs to share a batch without padding."""
    return tuple(sorted((name, tuple(value.shape)) for name, value in inputs.items()))


def same_inputs(one: Inputs, other: Inputs) -> bool:
    """Tell whether two inputs are equal in every tensor."""
    return shapes(one) == shapes(other) and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


def collate(batch: Sequence[Inputs]) -> Inputs:
    """Join inputs of equal shapes into one batch, along the first dimension of every tensor."""
    return {name: torch.cat([inputs[name] for inputs in batch]) for name in batch[0]}
