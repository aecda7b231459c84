"""Begin the projector by naming what a photograph shows, before the language model is asked.

Each cell of a photograph is to be close to a word of its captions, by the language model's own
embeddings. That costs a thirtieth of a pass of the language model, and its cells are then words
that it can read. Knows no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.assembled.branches import Projector


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of all captions: `numbers` (v,), their embeddings (v, width), log of their shares.

    `place` maps a token's number to its row.
    """

    numbers: Tensor
    embeddings: Tensor
    prior: Tensor
    place: dict[int, int]

    @classmethod
    def of(cls, captions: Iterable[Sequence[int]], embeddings: Tensor) -> Vocabulary:
        """Count the tokens of captions; `embeddings` (tokens, width) are the language model's."""
        counted = torch.bincount(torch.tensor([token for one in captions for token in one]))
        numbers = counted.nonzero()[:, 0]
        share = counted[numbers] / counted.sum()
        place = {token: row for row, token in enumerate(numbers.tolist())}
        return cls(numbers, embeddings[numbers].float(), share.log(), place)

    def wanted(self, captions: Sequence[Sequence[Sequence[int]]]) -> Tensor:
        """Return the share (n, v) of each token in the captions of each photograph.

        A token counts by how much rarer it is than the most frequent: "a" tells nothing. One that
        was not counted is left out.
        """
        made = torch.zeros(len(captions), len(self.numbers))
        for row, said in enumerate(captions):
            for token in (token for one in said for token in one if token in self.place):
                made[row, self.place[token]] += 1
        made *= self.prior.max() - self.prior
        return made / made.sum(1, keepdim=True)


def surprise(projector: Projector, words: Vocabulary, features: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the wanted tokens, of any cell of a photograph.

    A cell's likelihood of a token follows from their product, as in the language model's output.
    """
    cells = projector.layers(features)
    each = F.log_softmax(cells @ words.embeddings.T + words.prior, -1)
    named = each.logsumexp(1) - torch.log(torch.tensor(float(cells.shape[1])))
    return -(wanted * named).sum(1).mean()
