"""Train the embedded MLLM from scratch on rendered clips.

    python -m training.train OUT --steps N --seed S

The loss has two parts: the words of the answers, and what each video token shows, which counts less
and less. A run that was stopped continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from training import llava
from training import model as qwen
from training.clips import STATES, training_clip
from training.text import PLACES_WORDS, exchanges, tokenizer

SLOTS = (34, 26, 22)  # tokens reserved for each of the three questions with its answer
FAMILIES: dict[str, Any] = {"qwen2_5_vl": qwen, "llava_onevision": llava}


class Clips(Dataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """The clips of a run; clip i is drawn from (seed, i).

    Each item holds frames, token ids, the loss weight of predicting the next token, and token
    states.
    """

    def __init__(
        self, seed: int, count: int, hard_from: int | None = None, tokens: int = qwen.TOKENS
    ) -> None:
        self.seed, self.count, self.words, self.tokens = seed, count, tokenizer(), tokens
        self.hard_from = count if hard_from is None else hard_from

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, index])
        clip = training_clip(rng, hard=index >= self.hard_from)
        ids, weight = encode(
            self.words, [(e.question, e.answer) for e in exchanges(rng, clip)], self.tokens
        )
        return torch.from_numpy(clip.frames), ids, weight, torch.from_numpy(clip.cells)


def prefix(tokens: int) -> int:
    """Return how many token ids come before the first question, for a video of `tokens` tokens."""
    return 3 + tokens + 1


def encode(
    words: Any, pairs: list[tuple[str, str]], tokens: int = qwen.TOKENS
) -> tuple[Tensor, Tensor]:
    """Encode the video and its questions.

    Returns token ids (length,) and the loss weight (length,) of predicting the next one. Raises
    ValueError if a question with its answer does not fit its slot.
    """
    text = "<|im_start|>user <|vision_start|>" + "<|video_pad|>" * tokens + "<|vision_end|>"
    before = prefix(tokens)
    length = before + sum(SLOTS)
    ids, weight = torch.zeros(length, dtype=torch.long), torch.zeros(length)
    ids[:before] = torch.tensor(words(text)["input_ids"])
    places, start = {words.convert_tokens_to_ids(w) for w in PLACES_WORDS}, before
    for (question, answer), slot in zip(pairs, SLOTS, strict=True):
        ask = words(f"{question}<|im_end|><|im_start|>assistant")["input_ids"]
        reply = words(f"{answer}<|im_end|>")["input_ids"]
        both = ask + reply
        if len(both) > slot:
            raise ValueError(
                f"a question with its answer must have at most {slot} tokens, got {len(both)}: "
                f"shorten {question!r} {answer!r}, or widen SLOTS"
            )
        ids[start : start + len(both)] = torch.tensor(both)
        first = start + len(ask) - 1
        for offset, token in enumerate(reply):
            weight[first + offset] = 3.0 if token in places else 2.0 if offset == 0 else 1.0
        start += slot
    return ids, weight


def layout(family: Any, model: Any, words: Any) -> tuple[Tensor, Tensor]:
    """Return rotary positions (..., 1, length) and the mask (length, length).

    Each question attends to the video and to itself only.
    """
    before = prefix(family.TOKENS)
    ids = encode(words, [("Where is it?", "nowhere")] * 3, family.TOKENS)[0][None, :before]
    first = family.prefix_positions(model, ids)
    slots = [
        (first.max() + 1 + torch.arange(slot)).expand(*first.shape[:-1], slot) for slot in SLOTS
    ]
    part = torch.tensor(sum(([i + 1] * slot for i, slot in enumerate(SLOTS)), [0] * before))
    causal = torch.arange(len(part))[:, None] >= torch.arange(len(part))
    mask = causal & ((part[None] == 0) | (part[:, None] == part[None]))
    return torch.cat([first, *slots], -1), torch.zeros(len(part), len(part)).masked_fill(
        ~mask, -1e4
    )


def losses(net: Any, batch: list[Tensor], positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of the words and the loss of the video tokens for one batch.

    The last item of the batch says what each token shows.
    """
    frames, ids, weight, shown = batch
    with torch.autocast("cpu", torch.bfloat16):
        seen = net.see(frames)
        hidden = net.speak(seen, ids, positions, mask)
        want = weight[:, :-1] > 0
        logits = F.linear(hidden[:, :-1][want], net.model.lm_head.weight)
        states = net.look(seen)
    words = F.cross_entropy(logits.float(), ids[:, 1:][want], reduction="none")
    scale = weight[:, :-1][want]
    what = F.binary_cross_entropy_with_logits(
        states.float(), shown, pos_weight=torch.full((len(STATES),), 4.0)
    )
    return (words * scale).sum() / scale.sum(), what


def rate(step: int, steps: int, more: int, peak: float) -> float:
    """Return the learning rate of a step.

    It rises for 300 steps and falls as a cosine to 2 % of the peak; then the same again from half
    the peak.
    """
    if step >= steps:
        step, steps, peak = step - steps, more, peak / 2
    up = min(1.0, (step + 1) / 300)
    return peak * up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def groups(net: Any) -> list[dict[str, Any]]:
    """Make parameter groups with weight decay for matrices only."""
    wide = [p for p in net.parameters() if p.ndim > 1]
    thin = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": wide, "weight_decay": 0.05}, {"params": thin, "weight_decay": 0.0}]


def train(
    out: Path,
    *,
    steps: int,
    more: int,
    batch: int,
    seed: int,
    peak: float,
    workers: int,
    family: str = "qwen2_5_vl",
    save_every: int = 250,
) -> None:
    """Train `steps` steps of `batch` clips, then `more` steps on the harder mixture.

    The averaged weights are written to `out`/model.
    """
    kind = FAMILIES[family]
    model, words = kind.build(seed)
    net = kind.Trainee(model, len(STATES))
    positions, mask = layout(kind, model, words)
    optimiser = torch.optim.AdamW(groups(net), lr=peak, betas=(0.9, 0.98), fused=True)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    out.mkdir(parents=True, exist_ok=True)
    state, first = out / "state.pt", 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        average, first = kept["average"], kept["step"]
    total = steps + more
    data = Clips(seed, total * batch, steps * batch, kind.TOKENS)
    order = range(first * batch, total * batch)
    loader = DataLoader(
        data, batch, sampler=order, num_workers=workers, prefetch_factor=6 if workers else None
    )
    began, running = time.time(), np.zeros(2)
    for step, items in enumerate(loader, first):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps, more, peak)
        items[3] = kind.cells(items[3])
        talk, look = losses(net, items, positions, mask)
        loss: Any = talk + max(0.1, 1.0 - 2.0 * step / steps) * 2.0 * look
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        keep = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        running = (
            0.98 * running + 0.02 * np.array([talk.item(), look.item()])
            if step > first
            else np.array([talk.item(), look.item()])
        )
        if step % 50 == 49:
            line = {
                "step": step + 1,
                "talk": round(float(running[0]), 4),
                "look": round(float(running[1]), 4),
                "clips_per_s": round((step + 1 - first) * batch / (time.time() - began), 1),
            }
            print(json.dumps(line), flush=True)
        if step % save_every == save_every - 1 or step in (steps - 1, total - 1):
            kept = {
                "net": net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average,
                "step": step + 1,
            }
            torch.save(kept, state.with_suffix(".tmp"))
            os.replace(state.with_suffix(".tmp"), state)
            finished, _ = kind.build(seed)
            finished.load_state_dict(average)
            kind.save(finished, words, out / "model")
    before = (
        json.loads((out / "run.json").read_text())["seconds"] if (out / "run.json").exists() else 0
    )
    (out / "run.json").write_text(
        json.dumps(
            {
                "family": family,
                "steps": steps,
                "more": more,
                "batch": batch,
                "seed": seed,
                "peak": peak,
                "clips": total * batch,
                "parameters": sum(p.numel() for p in model.parameters()),
                "seconds": before + round(time.time() - began),
            }
        )
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--steps", type=int, default=3600, help="steps on the training mixture")
    parser.add_argument("--more", type=int, default=1200, help="steps on the harder mixture")
    parser.add_argument("--batch", type=int, default=48, help="clips per step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=3, help="threads of the model")
    parser.add_argument("--workers", type=int, default=2, help="processes that render clips")
    parser.add_argument("--family", choices=FAMILIES, default="qwen2_5_vl")
    args = parser.parse_args()
    # Otherwise vanishing gradients make the backward pass many times slower on a CPU.
    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    train(
        args.out,
        steps=args.steps,
        more=args.more,
        batch=args.batch,
        seed=args.seed,
        peak=args.peak,
        workers=args.workers,
        family=args.family,
    )


if __name__ == "__main__":
    main()
