"""Make the optimisers of a training run.

Muon makes every direction of a weight matrix move alike, so that what is faint in the pictures
(motion) is learnt as soon as what is strong (light). Words, heads and vectors get AdamW.
Knows no model.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

BETAS = (0.9, 0.98)
# Matrices of which each row has a meaning of its own.
ROWS = ("embed_tokens", "lm_head", "state_head", "motion_head")
KINDS = ("muon", "adamw")


class Optimisers:
    """Several optimisers, used like one.

    `folded` are pairs of a weight of more than two dimensions and the matrix that shares its
    memory: Muon takes matrices only.
    """

    def __init__(self, parts: list[Optimizer], folded: list[tuple[nn.Parameter, Tensor]]) -> None:
        self._parts, self._folded = parts, folded

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of all of them."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate

    def step(self) -> None:
        """Move the weights by the gradients, and forget these."""
        for weight, matrix in self._folded:
            if weight.grad is not None:
                matrix.grad, weight.grad = weight.grad.flatten(1), None
        for part in self._parts:
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what a checkpoint has to keep."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Continue from a checkpoint."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def optimisers(net: nn.Module, kind: str, decay: float) -> Optimisers:
    """Make the optimisers of a model; `kind` is "muon", or "adamw" for all weights.

    Weight decay is for matrices only. The rates are those of AdamW (Muon's update is scaled to the
    size of AdamW's; Liu et al. 2025, arXiv 2502.16982).
    """
    named = list(net.named_parameters())
    inner = {n: p for n, p in named if kind == "muon" and p.ndim > 1 and not _has_rows(n)}
    wide = [p for n, p in named if p.ndim > 1 and n not in inner]
    thin = [p for _, p in named if p.ndim <= 1]
    groups = [{"params": wide, "weight_decay": decay}, {"params": thin, "weight_decay": 0.0}]
    parts: list[Optimizer] = [AdamW(groups, betas=BETAS, fused=True)]
    matrices = [p if p.ndim == 2 else nn.Parameter(p.detach().flatten(1)) for p in inner.values()]
    if inner:
        parts.append(Muon(matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    pairs = zip(inner.values(), matrices, strict=True)
    return Optimisers(parts, [(p, m) for p, m in pairs if p is not m])


def _has_rows(name: str) -> bool:
    return any(part in name for part in ROWS)
