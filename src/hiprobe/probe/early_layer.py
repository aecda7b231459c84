"""Prefer an earlier layer that is nearly as good as the selected one, as it is read sooner.

Hidden states and labels only. The rule is our own: of the layers that are not deeper than the one
that the method selects, the first whose out-of-fold AUC is at most `WITHIN` below its AUC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hiprobe import methods
from hiprobe.errors import UsageError
from hiprobe.localize import Localization
from hiprobe.methods import Labels, Method, Selection, Tensors
from hiprobe.metrics import frame_auc
from hiprobe.probe.calibration import CLASSES, Calibration
from hiprobe.probe.folds import Folds, make_folds
from hiprobe.probe.held_out import held_out, selected, videos_of
from hiprobe.types import FloatArray, LabelArray, Site

WITHIN = 0.01  # of AUC
NAME = "prefer_early"  # in the provenance of a probe


@dataclass(frozen=True)
class EarlySelection(Selection):
    """An earlier layer, `instead_of` the one that the method selected (an index), with both AUCs.

    If the method's own layer was kept, `instead_of` is that layer. `curves` are the method's.
    """

    instead_of: int = 0
    auc: float = 0.0
    auc_instead_of: float = 0.0

    def to_json(self, data: Calibration) -> dict[str, Any]:
        """Return what the provenance of a probe holds, with the names of sites."""
        (name,) = data.names((self.instead_of,))
        return {
            "within": WITHIN,
            "instead_of": name,
            "auc": self.auc,
            "auc_instead_of": self.auc_instead_of,
        }


@dataclass
class EarlyMethod:
    """A method that selects an earlier layer where that costs little; all else is the method's own.

    Layers are compared by cross-validation over videos with `folds` folds, on the labels that
    `select` gets, so that it may be called inside the folds of another one. Scores are smoothed as
    `localization` says.
    """

    how: Method
    localization: Localization
    folds: int
    seed: int
    LABELS: Labels
    PROMPTS: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.how, name)

    def sites(self, layers: int, heads: int) -> tuple[Site, ...]:
        """Return the sites of the method."""
        return self.how.sites(layers, heads)

    def select(self, values: Any, labels: LabelArray) -> EarlySelection:
        """Select by the method, then look for an earlier layer; `values` is a `Calibration`.

        Raises UsageError for a method that does not select one layer of several.
        """
        chosen = selected(self.how, values, labels)
        _check_layers(values, chosen)
        (best,) = chosen.indices
        known = replace(values, labels=labels)
        split = self._folds(known)
        least = self._auc(known, split, best)
        for index in _earlier(values, best):
            if (auc := self._auc(known, split, index)) >= least - WITHIN:
                return EarlySelection((index,), chosen.curves, best, auc, least)
        return EarlySelection((best,), chosen.curves, best, least, least)

    def fit(self, values: FloatArray, labels: LabelArray) -> dict[str, Any]:
        """Fit by the method."""
        return self.how.fit(values, labels)

    def score(self, values: FloatArray, tensors: Tensors) -> Any:
        """Score by the method."""
        return self.how.score(values, tensors)

    def _folds(self, data: Calibration) -> Folds:
        named, classes = data.named_groups > 0, CLASSES[self.LABELS]
        return make_folds(data.labels, data.groups, classes, self.folds, self.seed, named=named)

    def _auc(self, data: Calibration, split: Folds, index: int) -> float:
        """Compute the out-of-fold AUC of one layer."""
        raw, _ = held_out(self.how, data, split, fixed=(index,))
        return frame_auc(videos_of(data, data.smoothed(raw, self.localization)))


def selects_layer(method: str) -> bool:
    """Tell whether a method has several layers to select from and is fitted on both classes.

    >>> selects_layer("hiprobe"), selects_layer("output_layer"), selects_layer("headhunt")
    (True, False, False)
    """
    how = methods.load(method)
    offered = how.sites(32, 8)  # of a model of any size
    return len(offered) > 1 and how.LABELS == "both" and {s.kind for s in offered} == {"residual"}


def early(method: str, localization: Localization, folds: int, seed: int) -> EarlyMethod:
    """Return the method called `method` with the preference for earlier layers.

    Raises UsageError for a method that does not select among layers by labels of both classes.
    """
    how = methods.load(method)
    if not selects_layer(method):
        raise UsageError(
            f"an earlier layer is preferred among several, and {method} does not select a layer",
            cure="leave prefer_early out, or use the method hiprobe",
        )
    return EarlyMethod(how, localization, folds, seed, how.LABELS, how.PROMPTS)


def record(chosen: Selection, data: Calibration) -> dict[str, Any]:
    """Return what a fit with the preference adds to the provenance of its probe, else nothing."""
    return {NAME: chosen.to_json(data)} if isinstance(chosen, EarlySelection) else {}


def preferred(provenance: Mapping[str, Any]) -> bool:
    """Tell whether a probe, or the one that it is a refit of, was fitted with the preference.

    >>> preferred({"prefer_early": {"within": 0.01}}), preferred({})
    (True, False)
    """
    return any(NAME in facts for facts in (provenance, provenance.get("selection") or {}))


def in_words(found: Mapping[str, Any]) -> str:
    """Say what the preference did, from the provenance of a probe.

    >>> in_words({"instead_of": "residual/layer3/prompt0", "auc": 0.931, "auc_instead_of": 0.94})
    'instead of residual/layer3/prompt0: AUC 0.931, and 0.940 there'
    """
    return (
        f"instead of {found['instead_of']}: AUC {found['auc']:.3f}, "
        f"and {found['auc_instead_of']:.3f} there"
    )


def _earlier(data: Calibration, best: int) -> list[int]:
    """Return the sites of earlier layers with the same prompt, the earliest first."""
    site = data.sites[best]
    found = [
        (other.layer, index)
        for index, other in enumerate(data.sites)
        if other.prompt == site.prompt and other.layer < site.layer
    ]
    return [index for _, index in sorted(found)]


def _check_layers(data: Calibration, chosen: Selection) -> None:
    if len(data.sites) < 2 or len(chosen.indices) != 1:
        raise UsageError(
            "an earlier layer is preferred among several, "
            f"got {len(data.sites)} and {len(chosen.indices)} selected",
            cure="leave prefer_early out, or let the method select one layer",
        )
