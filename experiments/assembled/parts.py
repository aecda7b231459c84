"""Where the parts of the assembled model lie, and how they are put together in one folder.

Everything lies in HIPROBE_RUNS/assembled (or below ~/.cache/hiprobe-training), outside the work
tree. Knows no photographs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoTokenizer,
    LlamaForCausalLM,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
)

from experiments.assembled import vision
from hiprobe.errors import ModelError
from training import store

# Two names for code files that the language model reserves and never learnt much about.
PLACEHOLDERS = {"<file_sep>": "<image>", "<filename>": "<video>"}
TEMPLATE = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] %}{% if part['type'] == 'video' %}<video>
{% elif part['type'] == 'image' %}<image>
{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
FRAMES = 8  # a frame takes 49 tokens; 16 frames would take twice the time
TRAINED = ("model.multi_modal_projector.", "model.image_newline")
FROZEN_FILE, TRAINED_FILE = "model-frozen.safetensors", "model-projector.safetensors"


def home() -> Path:
    """Return the folder of the assembled model's parts."""
    return store.home() / "assembled"


def language_folder() -> Path:
    """Return the folder of the converted language model and its tokenizer."""
    return home() / "language"


def vision_file() -> Path:
    """Return the file of the converted vision tower."""
    return home() / "vision.safetensors"


def model_folder() -> Path:
    """Return the folder of the model with the last projector that was written."""
    return home() / "model"


def write_folder(folder: Path, save: Callable[[Path], object]) -> None:
    """Write a folder with `save`, so that it appears whole or not at all."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save(part)
    part.rename(folder)


def write_file(file: Path, save: Callable[[Path], object]) -> None:
    """Write a file with `save`, so that it appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    save(part)
    part.replace(file)


@dataclass(frozen=True)
class Parts:
    """The language model with its tokenizer, and the vision tower; nothing of them is trained."""

    language: LlamaForCausalLM
    words: Any
    tower: vision.EfficientNetLiteModel

    @cached_property
    def width(self) -> int:
        """The width of the language model."""
        return int(self.language.config.hidden_size)


def load_parts() -> Parts:
    """Load the converted parts, in 32 bits; raises ModelError if they have not been made."""
    if not vision_file().is_file() or not language_folder().is_dir():
        raise ModelError(
            "the assembled model is not there",
            where=home(),
            cure="make it with python -m experiments.assembled.train",
        )
    language: Any = LlamaForCausalLM
    model = language.from_pretrained(language_folder(), dtype=torch.float32, local_files_only=True)
    words = AutoTokenizer.from_pretrained(language_folder(), local_files_only=True)
    tower = vision.EfficientNetLiteModel(vision.EfficientNetLiteConfig())
    tower.load_state_dict(load_file(vision_file()))
    return Parts(vision.frozen(model), words, vision.frozen(tower))


def config(parts: Parts) -> LlavaOnevisionConfig:
    """Return the configuration of the whole: LLaVA-OneVision with these two parts."""
    vision.register()
    ids = {name: parts.words.convert_tokens_to_ids(old) for old, name in PLACEHOLDERS.items()}
    return LlavaOnevisionConfig(
        text_config=parts.language.config.to_dict(),
        vision_config=parts.tower.config.to_dict(),
        image_token_index=ids["<image>"],
        video_token_index=ids["<video>"],
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )


def assemble(parts: Parts) -> Any:
    """Return the whole model, with a new projector."""
    whole: Any = LlavaOnevisionForConditionalGeneration(config(parts))
    whole.model.language_model.load_state_dict(parts.language.model.state_dict())
    whole.model.vision_tower.load_state_dict(parts.tower.state_dict())
    whole.tie_weights()
    return whole.eval()


def named_in_model(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the trained tensors of `branches.Projector` by their names in the whole model."""
    places = {"layers.": TRAINED[0], "newline": TRAINED[1]}
    return {
        name.replace(ours, theirs): value
        for name, value in state.items()
        for ours, theirs in places.items()
        if name.startswith(ours)
    }


def write_frozen(parts: Parts) -> Path:
    """Write all that is not trained, as a folder of a model without its projector; return it."""
    folder = home() / "frozen"
    if not folder.is_dir():
        write_folder(folder, lambda to: _save_frozen(parts, to))
    return folder


def _save_frozen(parts: Parts, folder: Path) -> None:
    whole = assemble(parts)
    state = {
        name: value.contiguous()
        for name, value in whole.state_dict().items()
        if not name.startswith(TRAINED) and name != "lm_head.weight"
    }
    save_file(state, folder / FROZEN_FILE, metadata={"format": "pt"})
    whole.config.architectures = [type(whole).__name__]
    whole.config.save_pretrained(folder)
    parts.words.save_pretrained(folder)
    _name_placeholders(folder)
    for name, value in _settings().items():
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def _name_placeholders(folder: Path) -> None:
    """Give the two reserved tokens the names of what they stand for; their numbers stay."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text()
        for old, new in PLACEHOLDERS.items():
            text = text.replace(json.dumps(old), json.dumps(new))
        (folder / name).write_text(text)


def _settings() -> dict[str, dict[str, Any]]:
    side = vision.SIZE
    return {
        "video_preprocessor_config.json": {
            "video_processor_type": "LlavaOnevisionVideoProcessor",
            "do_sample_frames": False,
            "resample": 3,
            "size": {"height": side, "width": side},
            **vision.PIXELS,
        },
        "processor_config.json": {
            "processor_class": "LlavaOnevisionProcessor",
            "num_image_tokens": 4 * vision.CELLS**2,  # halved twice for a video
            "vision_feature_select_strategy": "full",
            "image_token": "<image>",
            "video_token": "<video>",
        },
    }


def write_model(folder: Path, frozen: Path, trained: Mapping[str, Tensor], notice: str) -> None:
    """Write the model with a projector into a new folder, which links to the frozen weights.

    `notice` is the line that a user of the model is told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in frozen.iterdir():
        os.link(file, folder / file.name)
    save_file(dict(trained), folder / TRAINED_FILE, metadata={"format": "pt"})
    settings = {"frames": FRAMES, "size": [vision.SIZE, vision.SIZE], "notice": notice}
    (folder / "hiprobe.json").write_text(json.dumps(settings, indent=2) + "\n")
    _write_index(folder, trained)


def _write_index(folder: Path, trained: Mapping[str, Tensor]) -> None:
    from safetensors import safe_open

    opening: Any = safe_open
    with opening(str(folder / FROZEN_FILE), "pt") as held:
        frozen = list(held.keys())
    listed = dict.fromkeys(frozen, FROZEN_FILE) | dict.fromkeys(trained, TRAINED_FILE)
    size = sum((folder / name).stat().st_size for name in (FROZEN_FILE, TRAINED_FILE))
    index = {"metadata": {"total_size": size}, "weight_map": listed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
