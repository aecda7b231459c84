"""Make models that differ from the assembled one in what was learnt, as controls.

They lie beside it, as they share its files. Knows no clips.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from experiments.assembled import parts
from experiments.assembled.branches import Projector

BLOCKS = "model.language_model.layers."


def untrained_projector(seed: int = 0) -> Path:
    """Return the folder of the model with a projector that was not trained."""
    target = parts.home() / f"untrained-projector-{seed}"
    if not target.is_dir():
        held = parts.load_parts()
        torch.manual_seed(seed)
        projector = Projector(parts.config(held), held.language, 0)
        trained, frozen = parts.named_in_model(projector.state_dict()), parts.write_frozen(held)
        notice = "its projector is untrained"
        parts.write_folder(target, lambda to: parts.write_model(to, frozen, trained, notice))
    return target


def random_blocks(folder: Path, seed: int = 0) -> Path:
    """Return the folder of the model in `folder` whose language blocks have random weights.

    Words, vision and projector stay. (A vision tower of random weights sees nothing: its
    activations vanish.)
    """
    target = parts.home() / f"random-blocks-{seed}"
    if target.is_dir():
        shutil.rmtree(target)  # of an earlier projector
    parts.write_folder(target, lambda to: _with_random_blocks(folder, to, seed))
    return target


def _with_random_blocks(folder: Path, target: Path, seed: int) -> None:
    for file in folder.iterdir():
        if file.name != parts.FROZEN_FILE:
            shutil.copyfile(file, target / file.name)
    held: Any = parts.load_parts().language
    torch.manual_seed(seed)
    drawn = LlamaForCausalLM(held.config).model.state_dict()
    state = load_file(folder / parts.FROZEN_FILE)
    prefix = BLOCKS.removesuffix("layers.")
    state |= {name: drawn[name.removeprefix(prefix)] for name in state if name.startswith(BLOCKS)}
    save_file(state, target / parts.FROZEN_FILE, metadata={"format": "pt"})
