"""Check that captions of held-out photographs match their own photograph better than another.

    python -m experiments.assembled.match [--limit N] [--untrained]

Prints the share of captions that are likelier beside their own photograph than beside another
held-out one, drawn at random, with a 95 % interval from bootstrap draws of photographs. Half is
chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from experiments.assembled import parts
from experiments.assembled.branches import Projector
from experiments.assembled.photographs import HELD_OUT
from experiments.assembled.train import PHOTOGRAPHS, Lesson, Settings, prepare
from experiments.measure import Interval

SEED, DRAWS, BATCH = 0, 1000, 4
Array = NDArray[np.float64]


def gains(projector: Projector, lesson: Lesson, numbers: Sequence[int]) -> Array:
    """Return how much likelier (photographs, captions) each caption is beside its own photograph.

    In natural logarithms of the likelihood of the whole caption. The other photograph is the next
    one in a random order, so that each serves once.
    """
    turned = np.random.default_rng(SEED).permutation(np.array(numbers))
    found = []
    for first in range(0, len(turned), BATCH):
        own = turned[first : first + BATCH].tolist()
        others = np.roll(turned, -1)[first : first + BATCH].tolist()
        features, said = lesson(own)
        with torch.inference_mode():
            beside = [
                _by_caption(projector.surprise(seen, said), said.captions)
                for seen in (features, lesson.features(others))
            ]
        found.append((beside[1] - beside[0]).view(len(own), -1))
    return torch.cat(found).double().numpy()


def _by_caption(surprise: Tensor, captions: Tensor) -> Tensor:
    """Return the sum (captions,) of what is given for each token."""
    return torch.zeros(int(captions.max()) + 1).index_add_(0, captions, surprise)


def share(gained: Array) -> Interval:
    """Return the share of gains (photographs, captions) above 0, with an interval."""
    each = (gained > 0).mean(1)
    drawn = np.random.default_rng(SEED).integers(0, len(each), (DRAWS, len(each)))
    low, high = np.quantile(each[drawn].mean(1), [0.025, 0.975])
    return Interval(float(each.mean()), float(low), float(high))


def restore(projector: Projector, folder: Path) -> None:
    """Give the projector the weights of a written model."""
    state, held = projector.state_dict(), load_file(folder / parts.TRAINED_FILE)
    names = parts.named_in_model({name: torch.tensor(0) for name in state})
    pairs = zip(state, names, strict=True)
    projector.load_state_dict({ours: held[theirs] for ours, theirs in pairs})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the share."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--photographs", type=Path, default=PHOTOGRAPHS, help="their folder")
    options.add_argument("--limit", type=int, default=HELD_OUT, help="how many photographs")
    options.add_argument("--untrained", action="store_true", help="a new projector, as a control")
    given = options.parse_args(arguments)
    torch.set_num_threads(1)
    projector, lesson = prepare(given.photographs, Settings())
    if not given.untrained:
        restore(projector, parts.model_folder())
    held = lesson.photographs.held_out[: given.limit]
    gained = gains(projector, lesson, held)
    which = "untrained" if given.untrained else parts.model_folder().resolve().name
    print(f"{which}: {share(gained)} of {gained.size} captions of {len(gained)} photographs")


if __name__ == "__main__":
    main()
