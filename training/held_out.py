"""Measure a model in training on rendered clips that no training sees.

These numbers steer the training. What is reported of a model comes from elsewhere.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hiprobe.backbones import auto
from hiprobe.metrics import roc_auc
from training import store
from training.evaluate import describe
from training.feed import encode
from training.prepare import clips_folder
from training.sample import Sample, whole
from training.text import LOOK_ALIKES, NAME, WHERE, YES_NO, name_of
from training.world.filming.recording import play

PART = 50  # clips read at once
LOOKED = 250  # clips that are described


@cache
def samples(folder: Path, size: int) -> list[Sample]:
    """Read all held-out clips; none if there are none."""
    found = []
    for entry in store.entries(folder):
        store.check(folder / entry.name, entry.sha256)
        shard = store.shard(folder / entry.name)
        for clip in (shard.clip(row) for row in range(len(shard))):
            found.append(whole(play(clip.data), clip.acts, size))
    return found


def yes_scores(net: Any, words: Any, clips: list[Sample], layout: tuple[Tensor, Tensor]) -> Tensor:
    """Return how much more likely yes is than no (clips,) to the yes/no question, as log-odds."""
    ids, weight = encode(words, [(YES_NO, "yes"), (YES_NO, "yes"), (WHERE, "nowhere")], net.tokens)
    first = int((weight > 0).nonzero()[0])
    want = torch.zeros(len(ids), dtype=torch.bool)
    want[first] = True
    yes, no = (words.convert_tokens_to_ids(word) for word in ("yes", "no"))
    parts = []
    for start in range(0, len(clips), PART):
        frames = torch.from_numpy(np.stack([clip.frames for clip in clips[start : start + PART]]))
        n = len(frames)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            final = net.speak(net.see(frames), ids.expand(n, -1), *layout, want.expand(n, -1))
            logits = F.linear(final, net.model.lm_head.weight).float()
        parts.append(logits[:, yes] - logits[:, no])
    return torch.cat(parts)


def measure(
    net: Any, words: Any, model: Path, layout: tuple[Tensor, Tensor], size: int, style: str
) -> dict[str, Any]:
    """Measure yes/no answers of `net` and descriptions of `model`, the same weights in a folder.

    The AUC is that of anomalies against all other clips, `auc_look_alikes` against look-alikes
    only, and `auc_fights` that of fights against all other clips. Empty without held-out clips.
    """
    clips = samples(clips_folder(held_out=True), size)
    if not clips:
        return {}
    scores = yes_scores(net, words, clips, layout).numpy()
    bad = np.array([clip.content.abnormal for clip in clips])
    states = np.array([clip.content.kind or "" for clip in clips])
    alike = np.array([clip.content.kind in LOOK_ALIKES for clip in clips])
    fights = states == "fight"
    looked: Any = clips[:LOOKED]
    said = [name_of(answer, style) for answer in describe(auto.load(str(model)), looked)]
    names = [NAME[clip.content.kind] for clip in looked]
    right, normal = np.array(said) == names, np.array(names) == "normal"
    return {
        "auc": _auc(scores, bad, ~bad),
        "auc_look_alikes": _auc(scores, bad, alike),
        "auc_fights": _auc(scores, fights, ~bad),
        "named": _mean(right[~normal]),
        "false_alarms": _mean(~right[normal]),
        "clips": len(clips),
    }


def _auc(scores: Any, bad: Any, good: Any) -> float | None:
    if not bad.any() or not good.any():
        return None
    both = np.concatenate([scores[bad], scores[good]])
    return round(float(roc_auc(np.repeat([1, 0], [bad.sum(), good.sum()]), both)), 4)


def _mean(values: Any) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
