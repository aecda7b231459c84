"""Feed a training run: which clips each step sees, and what the model gets of each.

The order depends on nothing but the run's seed, the step and the shards that were there when an
epoch began, so that a run that was stopped continues with the same clips. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from training import store
from training.drawn.clips import training_clip
from training.sample import Sample, of_drawn, sample
from training.segments import SIZE
from training.text import NAME, PLACES_WORDS, STATES, exchanges, tokenizer
from training.world.filming.recording import play

SLOTS = (32, 14, 12)  # tokens reserved for each of the three questions with its answer
YES_NO_WEIGHT = 4.0
DRAWN = ""  # stands for a shard's name where the clip is drawn instead
Spec = tuple[int, int, str, int]  # step, place in the batch, shard, row
Epoch = dict[str, Any]  # number, first step, shards as [name, clips, SHA-256]


class Plan:
    """Which clips each step sees.

    `epochs` are those that began already. An epoch takes the shards that `folder` holds when it
    begins.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        batch: int,
        drawn: float,
        renderer: str,
        mixed: bool = False,
        epochs: list[Epoch] | None = None,
    ) -> None:
        self.folder, self.seed, self.renderer, self.mixed = folder, seed, renderer, mixed
        self.drawn = round(batch * drawn)
        self.stored = batch - self.drawn
        self.epochs = epochs or []
        self._order: tuple[int, list[tuple[str, int]]] = (-1, [])
        for epoch in self.epochs:
            for name, _, sha256 in epoch["shards"]:
                store.check(folder / name, sha256)

    def batch(self, step: int) -> list[Spec]:
        """Return the clips of a step; steps are asked for in order."""
        rows = [(DRAWN, 0)] * self.drawn
        if self.stored:
            epoch = self._epoch(step)
            first = (step - epoch["first"]) * self.stored
            rows = self._rows(epoch)[first : first + self.stored] + rows
        return [(step, place, name, row) for place, (name, row) in enumerate(rows)]

    def since(self, step: int) -> list[Epoch]:
        """Return the epochs that a run that continues at `step` needs."""
        return [e for e in self.epochs if e["first"] + self._steps(e) > step]

    def _epoch(self, step: int) -> Epoch:
        while not self.epochs or step >= self.epochs[-1]["first"] + self._steps(self.epochs[-1]):
            self._begin()
        return next(e for e in reversed(self.epochs) if e["first"] <= step)

    def _begin(self) -> None:
        last = self.epochs[-1] if self.epochs else None
        number, first = (last["number"] + 1, last["first"] + self._steps(last)) if last else (0, 0)
        shards = self._shards(last)
        epoch = {"number": number, "first": first, "shards": shards}
        if not self._steps(epoch):
            raise store.ShardError(f"an epoch needs {self.stored} clips: prepare more")
        self.epochs.append(epoch)

    def _shards(self, last: Epoch | None) -> list[list[Any]]:
        try:
            found = store.usable(self.folder, self.renderer, mixed=self.mixed)
        except store.ShardError as error:
            if last is None:
                raise
            print(f"new shards are not used: {error}", flush=True)
            shards: list[list[Any]] = last["shards"]
            return shards
        strange = [entry.name for entry in found if not set(entry.states) <= set(STATES)]
        if strange:
            print(f"shards with states that have no words are not used: {strange}", flush=True)
        return [[e.name, e.clips, e.sha256] for e in found if e.name not in strange]

    def _steps(self, epoch: Epoch) -> int:
        return sum(int(clips) for _, clips, _ in epoch["shards"]) // max(1, self.stored)

    def _rows(self, epoch: Epoch) -> list[tuple[str, int]]:
        if self._order[0] != epoch["number"]:
            shards = [(name, clips) for name, clips, _ in epoch["shards"]]
            self._order = epoch["number"], store.order(self.seed, epoch["number"], shards)
        return self._order[1]


class Steps(Sampler[list[Spec]]):
    """The clips of the steps `first` to `last`, step by step."""

    def __init__(self, plan: Plan, first: int, last: int) -> None:
        self.plan, self.first, self.last = plan, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[Spec]]:
        return (self.plan.batch(step) for step in range(self.first, self.last))


@dataclass(frozen=True)
class Look:
    """How clips are turned into items: what of the run's settings matters to them."""

    seed: int = 1
    size: int = SIZE
    tokens: int = 36
    style: str = "name"
    yes_no: float = YES_NO_WEIGHT


class Clips(Dataset[tuple[Tensor, ...]]):
    """The items of a run, by step, place in the batch, shard and row.

    Each item holds frames, token ids, the loss weight of predicting the next token, the states of
    the cells, and what moves in them. It depends on nothing but the seed and what it is asked for.
    """

    def __init__(self, folder: Path, look: Look) -> None:
        self.folder, self.look, self.words = folder, look, tokenizer()

    def __getitem__(self, spec: Spec) -> tuple[Tensor, ...]:
        step, place, name, row = spec
        rng = np.random.default_rng([self.look.seed, step, place])
        found = self._sample(rng, name, row)
        pairs = [(e.question, e.answer) for e in exchanges(rng, found.content, self.look.style)]
        ids, weight = encode(self.words, pairs, self.look.tokens, self.look.yes_no)
        cells, motion = torch.from_numpy(found.cells), torch.from_numpy(found.motion)
        return torch.from_numpy(found.frames), ids, weight, cells, motion

    def _sample(self, rng: np.random.Generator, name: str, row: int) -> Sample:
        if name == DRAWN:
            return of_drawn(training_clip(rng), self.look.size)
        clip = store.shard(self.folder / name).clip(row)
        return sample(rng, play(clip.data), clip.acts, self.look.size, clip.trace)


def loader(plan: Plan, clips: Clips, first: int, last: int, workers: int) -> Any:
    """Make the loader of the batches of some steps."""
    ahead = 6 if workers else None
    return DataLoader(
        clips, batch_sampler=Steps(plan, first, last), num_workers=workers, prefetch_factor=ahead
    )


def prefix(tokens: int) -> int:
    """Return how many token ids come before the first question, for a video of `tokens` tokens."""
    return 3 + tokens + 1


def encode(
    words: Any, pairs: list[tuple[str, str]], tokens: int = 36, yes_no: float = YES_NO_WEIGHT
) -> tuple[Tensor, Tensor]:
    """Encode the video and its questions.

    Returns token ids (length,) and the loss weight (length,) of predicting the next one; `yes_no`
    is the weight of the second answer's first token. Raises ValueError if a question with its
    answer does not fit its slot.
    """
    text = "<|im_start|>user <|vision_start|>" + "<|video_pad|>" * tokens + "<|vision_end|>"
    start = prefix(tokens)
    ids = torch.zeros(start + sum(SLOTS), dtype=torch.long)
    weight = torch.zeros(len(ids))
    ids[:start] = torch.tensor(_ids(words, text))
    heavy = _heavy(words)
    for number, ((question, answer), slot) in enumerate(zip(pairs, SLOTS, strict=True)):
        ask = _ids(words, f"{question}<|im_end|><|im_start|>assistant")
        reply = _ids(words, f"{answer}<|im_end|>")
        both = ask + reply
        if len(both) > slot:
            raise ValueError(
                f"a question with its answer must have at most {slot} tokens, got {len(both)}: "
                f"shorten {question!r} {answer!r}, or widen SLOTS"
            )
        ids[start : start + len(both)] = torch.tensor(both)
        first = start + len(ask) - 1
        weight[first : first + len(reply)] = torch.tensor([heavy.get(t, 1.0) for t in reply])
        weight[first] = yes_no if number == 1 else max(2.0, float(weight[first]))
        start += slot
    return ids, weight


@lru_cache(4096)
def _ids(words: Any, text: str) -> tuple[int, ...]:
    return tuple(words(text)["input_ids"])


@lru_cache(4)
def _heavy(words: Any) -> dict[int, float]:
    """Return the loss weights of the words that matter most: names and places."""
    ids = words.convert_tokens_to_ids
    return {ids(name): 2.0 for name in NAME.values()} | {ids(w): 3.0 for w in PLACES_WORDS}


def layout(family: Any, model: Any, words: Any, tokens: int) -> tuple[Tensor, Tensor]:
    """Return rotary positions (..., 1, length) and the mask (length, length).

    Each question attends to the video and to itself only.
    """
    before = prefix(tokens)
    ids = encode(words, [("Where is it?", "nowhere")] * 3, tokens)[0][None, :before]
    first = family.prefix_positions(model, ids)
    slots = [
        (first.max() + 1 + torch.arange(slot)).expand(*first.shape[:-1], slot) for slot in SLOTS
    ]
    part = torch.tensor(sum(([i + 1] * slot for i, slot in enumerate(SLOTS)), [0] * before))
    causal = torch.arange(len(part))[:, None] >= torch.arange(len(part))
    mask = causal & ((part[None] == 0) | (part[:, None] == part[None]))
    allowed = torch.zeros(len(part), len(part)).masked_fill(~mask, -1e4)
    return torch.cat([first, *slots], -1), allowed
