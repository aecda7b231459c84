"""Say several captions of each photograph in one pass: branches after what they share.

The photograph and the question come first; each caption follows as a branch that sees them and
itself, but no other caption. The states are those of one pass for each caption, at a third of the
cost. Knows no photographs and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.llava_onevision.modeling_llava_onevision import (
    LlavaOnevisionMultiModalProjector,
)


@dataclass(frozen=True)
class Branches:
    """The tokens of some photographs with their captions, and what is to be predicted where.

    - `ids` and `positions` (n, T): tokens, and their places if each caption came alone.
    - `seen` (n, T, T): which tokens a token sees.
    - `rows` and `columns` (m,): the states that predict, and `targets` (m,) the tokens that follow.
    - `captions` (m,): the number of the caption that a target is of, counted through the batch.
    """

    ids: Tensor
    positions: Tensor
    seen: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor
    captions: Tensor


def arrange(prefix: Sequence[int], said: Sequence[Sequence[Sequence[int]]]) -> Branches:
    """Return the branches of each photograph's captions, `said[photograph][caption]` tokens."""
    shared = len(prefix)
    length = shared + max(sum(len(one) - 1 for one in captions) for captions in said)
    ids = torch.zeros(len(said), length, dtype=torch.long)
    positions, branch = torch.zeros_like(ids), torch.full_like(ids, -1)
    ids[:, :shared], positions[:, :shared] = torch.tensor(prefix), torch.arange(shared)
    branch[:, :shared] = 0
    wanted, number = [], 0
    for row, captions in enumerate(said):
        at = shared
        for own, tokens in enumerate(captions, 1):
            end = at + len(tokens) - 1
            ids[row, at:end] = torch.tensor(tokens[:-1])
            positions[row, at:end] = torch.arange(shared, shared + len(tokens) - 1)
            branch[row, at:end] = own
            places = [shared - 1, *range(at, end)]
            wanted += [(row, *pair, number) for pair in zip(places, tokens, strict=True)]
            at, number = end, number + 1
    order = torch.arange(length)
    same = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    rows, columns, targets, owners = torch.tensor(wanted).T
    return Branches(
        ids, positions, same & (order[:, None] >= order), rows, columns, targets, owners
    )


class Projector(nn.Module):
    """The part that is trained, and the frozen language model that hears it.

    `video` is the number of the token that stands for a cell of a frame.
    """

    def __init__(self, config: Any, language: Any, video: int) -> None:
        super().__init__()
        self.layers = LlavaOnevisionMultiModalProjector(config)
        width = config.text_config.hidden_size
        self.newline = nn.Parameter(torch.randn(width) / width**0.5)
        # In a tuple, so that it is not among the parameters.
        self._language, self._video = (language,), video

    @property
    def words(self) -> Tensor:
        """The embeddings (tokens, width) of the language model."""
        embeddings: Tensor = self._language[0].get_input_embeddings().weight.detach()
        return embeddings

    def embedded(self, features: Tensor, ids: Tensor) -> Tensor:
        """Return the inputs (n, T, width) of tokens, with the projected features (n, 49, 1280)."""
        (language,) = self._language
        words: Tensor = language.get_input_embeddings()(ids)
        end = self.newline.expand(len(features), 1, -1)
        seen = torch.cat([self.layers(features), end], 1).to(words.dtype)
        return words.masked_scatter((ids == self._video)[..., None], seen)

    def surprise(self, features: Tensor, said: Branches) -> Tensor:
        """Return the negative log-likelihood (m,) of each target."""
        (language,) = self._language
        inputs = self.embedded(features, said.ids)
        hidden = torch.finfo(inputs.dtype).min
        mask = torch.zeros_like(said.seen, dtype=inputs.dtype).masked_fill_(~said.seen, hidden)
        states = language.model(
            inputs_embeds=inputs,
            attention_mask=mask[:, None],
            position_ids=said.positions,
            use_cache=False,
        ).last_hidden_state
        logits = language.lm_head(states[said.rows, said.columns]).float()
        return F.cross_entropy(logits, said.targets, reduction="none")
