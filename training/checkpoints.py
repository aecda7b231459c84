"""Keep and restore the state of a training run, and begin one from older weights.

A checkpoint is written completely or not at all, and is checked by its SHA-256 when it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.store import write_atomically

KEPT = 2  # checkpoints of a run, and written models
WORD_TENSORS = ("model.language_model.embed_tokens.weight", "lm_head.weight")


def keep(run: Path, step: int, state: dict[str, Any]) -> Path:
    """Write a checkpoint of a step and its digest, and delete all but the last two."""
    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = folder / f"step-{step:08d}.pt"
    write_atomically(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode())
    write_atomically(path, data)
    for old in sorted(folder.glob("step-*.pt"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)
    return path


def latest(run: Path) -> dict[str, Any] | None:
    """Read the last checkpoint that is not damaged; None if there is none."""
    for path in sorted((run / "checkpoints").glob("step-*.pt"), reverse=True):
        data, noted = path.read_bytes(), path.with_suffix(".sha256")
        if noted.is_file() and noted.read_text() == hashlib.sha256(data).hexdigest():
            state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True)
            return state
        print(f"{path} is damaged and not used", flush=True)
    return None


def write_model(run: Path, step: int, save: Any) -> Path:
    """Write a model with `save(folder)` and let `run`/model point to it; the last two are kept."""
    folder = run / f"model-{step:08d}"
    part = run / f".{folder.name}.tmp"
    shutil.rmtree(part, ignore_errors=True)
    save(part)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    link = run / ".model.tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    os.replace(link, run / "model")
    for old in sorted(run.glob("model-*"))[:-KEPT]:
        shutil.rmtree(old)
    return folder


def take_over(model: Any, words: Any, folder: Path) -> dict[str, int]:
    """Begin with the weights of a model in `folder`, matching its words by their spelling.

    New words are drawn as if they were old ones; layers that `folder` does not have stay as they
    are. Returns how many words and other tensors were taken. Raises ValueError if a tensor has
    another shape.
    """
    old = type(model).from_pretrained(folder, dtype=torch.float32).state_dict()
    known = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    state, taken = model.state_dict(), 0
    for name, value in state.items():
        if name in WORD_TENSORS or name not in old:
            continue
        if value.shape != old[name].shape:
            raise ValueError(
                f"{name} must have the shape {tuple(value.shape)}, got {tuple(old[name].shape)} "
                f"in {folder}: train with the same sizes"
            )
        value.copy_(old[name])
        taken += 1
    common = _take_words(state[WORD_TENSORS[0]], old[WORD_TENSORS[0]], words.get_vocab(), known)
    return {"words": common, "tensors": taken}


def _take_words(new: Tensor, old: Tensor, vocabulary: dict[str, int], known: dict[str, int]) -> int:
    if new.shape[1] != old.shape[1]:
        raise ValueError(f"words must have the width {new.shape[1]}, got {old.shape[1]}")
    middle, spread = old.mean(0), old.std(0)
    new.copy_(middle + spread * new / new.std())
    common = vocabulary.keys() & known.keys()
    for word in common:
        new[vocabulary[word]] = old[known[word]]
    return len(common)
