"""Make the curves over layers for the provenance of a probe, and read them back from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hiprobe.errors import ProbeError
from hiprobe.localize import Localization
from hiprobe.methods import Method
from hiprobe.probe.calibration import Calibration, usable
from hiprobe.probe.file import Probe
from hiprobe.probe.folds import Folds
from hiprobe.probe.held_out import held_out, pooled_auc
from hiprobe.types import Site


def shuffled_curves(
    how: Method, data: Calibration, permutations: int, seed: int
) -> dict[str, Any] | None:
    """Compute the method's curves under shuffled labels; None without curves or permutations."""
    measure = getattr(how, "baseline", None)
    if measure is None or not permutations:
        return None
    found = measure(data, usable(how, data.labels), permutations, seed)
    mean, std = (
        {name: curve.tolist() for name, curve in part.items()} for part in (found.mean, found.std)
    )
    return {"permutations": permutations, "mean": mean, "std": std}


def auc_by_layer(
    how: Method, data: Calibration, split: Folds, settings: Localization, seed: int
) -> list[dict[str, Any]] | None:
    """Compute the out-of-fold AUC of each site on its own, of scores smoothed as `settings` say.

    None for methods that do not read layers, as a model has thousands of heads.
    """
    if any(site.kind != "residual" for site in data.sites):
        return None
    curve = []
    for index in range(len(data.sites)):
        raw, _ = held_out(how, data, split, fixed=(index,))
        curve.append(
            {
                "site": str(data.sites[index]),
                "auc": pooled_auc(data, data.smoothed(raw, settings), seed),
            }
        )
    return curve


COUNTS = ("anomalous", "normal", "left_out")
METRICS = ("kl", "ldr", "entropy", "score")


def saliency_curves(probe: Probe, where: Path) -> dict[str, Any]:
    """Return the saliency curves of a probe's provenance, for the layer plot and its JSON.

    A refit that keeps the layer has those of the fit that chose it. Raises ProbeError, naming the
    file or folder `where`, if there are none, as with a method that does not select a layer.
    """
    try:
        return _curves(probe.provenance.get("selection") or probe.provenance)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ProbeError(
            f"a probe of method {probe.method!r} has no saliency curves",
            where=where,
            cure="give labelled clips, or a probe whose method selects its layer",
        ) from error


def _curves(facts: Mapping[str, Any]) -> dict[str, Any]:
    layers = [Site.parse(site).layer for site in facts["candidates"]]
    found: dict[str, Any] = {
        "layers": layers,
        "sites": facts["candidates"],
        "segments": {name: int(facts["segments"][name]) for name in COUNTS},
        "chosen": layers[facts["candidates"].index(facts["chosen"][0])],
        **{name: [float(value) for value in facts["curves"][name]] for name in METRICS},
    }
    found["saliency"] = found.pop("score")
    if facts["baseline"]:
        for part in ("mean", "std"):
            for name, curve in facts["baseline"][part].items():
                found[f"{'saliency' if name == 'score' else name}_null_{part}"] = curve
    rows = [row["auc"] for row in facts["layers"] or ()]
    if rows and all(rows):
        found |= {
            "auc": [row["value"] for row in rows],
            "auc_low": [row["low"] for row in rows],
            "auc_high": [row["high"] for row in rows],
        }
    _check_curves(found, len(layers))
    return found


def _check_curves(found: Mapping[str, Any], layers: int) -> None:
    """Raise ValueError unless every curve holds one finite number, or None, for each layer."""
    for name, curve in found.items():
        if name in ("sites", "segments", "chosen"):
            continue
        numbers = [value for value in curve if value is not None]
        if len(curve) != layers or not all(math.isfinite(value) for value in numbers):
            raise ValueError(f"the curve {name!r} must hold one finite number for each layer")
