"""Compare fitting on segments with fitting on one vector of each whole video (HeadHunt-VAD).

Segments are scored either way. Run: `python -m experiments.units`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.fits import scores
from experiments.footage import Footage, draw
from experiments.measure import interval, verdict
from experiments.study import Study, load, main
from experiments.tables import Claim, Table
from hiprobe import methods, pipeline
from hiprobe.types import Unit

Array = NDArray[np.float64]
METHODS = ("hiprobe", "hiprobe_c1", "output_layer")
PROTOCOLS: Mapping[str, tuple[Unit, bool]] = {
    "segments, labels by interval": ("segment", True),
    "segments, labels by video": ("segment", False),
    "whole videos": ("video", False),
}


def by_video(train: Footage) -> Footage:
    """Return the footage with the label of its video on every segment."""
    return train.relabelled(train.abnormal[train.group].astype(np.int8))


def curves(
    study: Study, name: str, labelled: Mapping[Unit, Footage], test: Footage
) -> dict[str, list[Array]]:
    """Return the AUCs of each protocol and draw, for one method."""
    found: dict[str, list[Array]] = {}
    for protocol, (unit, exact) in PROTOCOLS.items():
        train = labelled[unit] if exact else by_video(labelled[unit])
        found[protocol] = [
            test.truth.aucs(scores(methods.load(name), draw(train, study.videos, seed), test))
            for seed in range(study.seeds)
        ]
    return found


def experiment(study: Study) -> Sequence[Table]:
    """Return one table: methods by protocols."""
    backbone, rows, claims = load(study.models[0]), [], []
    for name in METHODS:
        sites = pipeline.sites_for(name, backbone)
        recipe = pipeline.recipe_for(name, backbone)
        labelled: dict[Unit, Footage] = {
            unit: study.footage("train", sites=sites, recipe=replace(recipe, unit=unit))
            for unit in ("segment", "video")
        }
        test = study.footage("test", sites=sites, recipe=recipe)
        found = curves(study, name, labelled, test)
        exact, inherited, whole = found.values()
        rows.append((f"`{name}`", *(str(interval(one)) for one in found.values())))
        for other, words in ((exact, "by interval"), (inherited, "by video")):
            gap = interval([a - b for a, b in zip(whole, other, strict=True)])
            text = f"`{name}`: whole videos are better than segments labelled {words}"
            claims.append(Claim(text, gap.signed(), verdict(gap)))
    title = f"What a probe is fitted on: {study.videos} labelled videos, {study.seeds} draws"
    return [Table(title, ("method", *PROTOCOLS), tuple(rows), claims=tuple(claims))]


if __name__ == "__main__":
    main(__doc__, experiment)
