"""Layer curves: KL, LDR, H, S beside shuffled labels, and the AUC of every layer: `python -m experiments.layers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.fits import counted, dlsp, every_layer
from experiments.footage import Footage, draw
from experiments.measure import interval, verdict
from experiments.study import Study, main, present
from experiments.tables import Claim, Table
from hiprobe.saliency import permutation_baseline, saliency

CURVES = ("kl", "ldr", "entropy", "score")
PERMUTATIONS = 20


@dataclass(frozen=True)
class Curves:
    """Of one model over draws: `saliency` and `chance` (draws, curves, layers), test `aucs` (draws, layers, 1 + R)."""

    saliency: NDArray[np.float64]
    chance: NDArray[np.float64]
    aucs: NDArray[np.float64]
    chosen: tuple[int, ...]


def curves(train: Footage, test: Footage, videos: int, seeds: int) -> Curves:
    """The curves of `seeds` draws of `videos` labelled videos; nothing of `test` is used to choose."""
    found, chance, aucs, chosen = [], [], [], []
    for seed in range(seeds):
        some = draw(train, videos, seed)
        measured, shuffled = (
            saliency(some, some.y),
            permutation_baseline(some, some.y, PERMUTATIONS, seed),
        )
        found.append([measured.curves()[name] for name in CURVES])
        chance.append([shuffled.mean[name] for name in CURVES])
        aucs.append([test.truth.aucs(one) for one in every_layer(some, test)])
        chosen += list(dlsp(some, some.y))
    return Curves(np.array(found), np.array(chance), np.array(aucs), tuple(chosen))


def table(name: str, made: Curves, videos: int) -> Table:
    """One row a layer."""
    mean, chance = made.saliency.mean(0), made.chance.mean(0)
    rows = []
    for layer in range(made.aucs.shape[1]):
        values = [f"{mean[i, layer]:.2f} ({chance[i, layer]:.2f})" for i in (0, 1)]
        rows.append(
            (
                str(layer),
                *values,
                f"{mean[2, layer]:.2f}",
                f"{mean[3, layer]:+.2f}",
                str(interval(list(made.aucs[:, layer]))),
                str(made.chosen.count(layer)),
            )
        )
    note = (
        f"Means over {len(made.chosen)} draws of {videos} labelled videos; in brackets the values under "
        f"{PERMUTATIONS} shuffles of the labels. H does not use the labels. Layers count from 0."
    )
    columns = ("layer", "KL (shuffled)", "LDR (shuffled)", "H", "S", "AUC", "DLSP chose it")
    return Table(f"Layer curves, {name}", columns, tuple(rows), note, claims(name, made))


def claims(name: str, made: Curves) -> tuple[Claim, ...]:
    """Middle layers against the output layer: the best of them by mean AUC, and the one that DLSP chose."""
    last = made.aucs.shape[1] - 1
    best = int(made.aucs[:, :last, 0].mean(0).argmax())
    middle = interval(list(made.aucs[:, best] - made.aucs[:, last]))
    picked = interval(
        [made.aucs[i, layer] - made.aucs[i, last] for i, layer in enumerate(made.chosen)]
    )
    return (
        Claim(
            f"{name}: a layer before the last is better than the last (the best of them on the test videos, "
            "which favours it)",
            f"layer {best} minus layer {last}: {middle.signed()}",
            verdict(middle),
        ),
        Claim(
            f"{name}: the layer that DLSP chooses is better than the last",
            f"{picked.signed()}; chose {counted(made.chosen)}",
            verdict(picked),
        ),
    )


def depth(models: Mapping[str, Curves]) -> Table:
    """Does a relative depth that DLSP found in one model serve in another? One row a pair of models."""
    rows = []
    for source, one in models.items():
        for target, other in models.items():
            to = [
                round(layer * (other.aucs.shape[1] - 1) / max(one.aucs.shape[1] - 1, 1))
                for layer in one.chosen
            ]
            picked = [other.aucs[i, layer] for i, layer in enumerate(to)]
            own = [other.aucs[i, layer] for i, layer in enumerate(other.chosen)]
            gap = interval([a - b for a, b in zip(picked, own, strict=True)])
            rows.append((source, target, counted(to), str(interval(picked)), gap.signed()))
    return Table(
        "Transfer of the layer between models",
        ("depth from", "used in", "layers", "AUC", "minus own DLSP"),
        tuple(rows),
        "The relative depth that DLSP chose in one model, used in another model on the same draw. A "
        "probe itself cannot be transferred: its width and its directions belong to one model.",
    )


def experiment(study: Study) -> Sequence[Table]:
    """Curves of every model that is there; the missing ones are named."""
    there, missing = present(study.models)
    made = {
        name: curves(
            study.footage("train", model=name),
            study.footage("test", model=name),
            study.videos,
            study.seeds,
        )
        for name in there
    }
    tables = [table(name, one, study.videos) for name, one in made.items()]
    tables += [depth(made)] if len(made) > 1 else []
    tables += [
        Table(
            f"Layer curves, {name}",
            ("not measured",),
            (("no such folder, or its training has not ended",),),
        )
        for name in missing
    ]
    return tables


if __name__ == "__main__":
    main(__doc__, experiment)
