"""Check a method: its sites, selection, fit and scores on made-up hidden states of two classes."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.checks.promises import Broken, lacking, run_checks, title
from hiprobe.methods import Selection
from hiprobe.saliency import Baseline
from hiprobe.types import FloatArray, LabelArray, Site

LAYERS, HEADS = 4, 2
ROWS, WIDTH = 40, 12
EVERY = 4  # one row in so many is anomalous
USABLE = {"both": (0, 1), "normal": (0,), "none": ()}
_MEMBERS = ("LABELS", "PROMPTS", "sites", "select", "fit", "score")


class MethodTrial:
    """A method and its results on 40 made-up segments; each part is computed when first used."""

    def __init__(self, method: Any) -> None:
        self.method = method

    @cached_property
    def sites(self) -> tuple[Any, ...]:
        """The sites it offers in a model of 4 layers with 2 heads each."""
        return tuple(self.method.sites(LAYERS, HEADS))

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """Hidden states (rows, sites, width): anomalous rows are 4 higher in every dimension."""
        if self.sites[0].kind == "logit":
            return self._logits(len(self.sites[0].answer_words))
        values = np.random.default_rng(0).normal(3.0, 5.0, (ROWS, len(self.sites), WIDTH))
        values[self.anomalous] += 4.0
        return values.astype(np.float32)

    def _logits(self, answers: int) -> NDArray[np.float32]:
        """Made-up logits of answers (rows, sites, answers): of anomalous rows the right ones rise.

        Of yes and no that is yes, or no to a question of `BENIGN`; of a scale its upper half.
        """
        values = np.random.default_rng(0).normal(3.0, 5.0, (ROWS, len(self.sites), answers))
        upper = np.arange(answers) >= answers / 2
        benign = [site.prompt in getattr(self.method, "BENIGN", ()) for site in self.sites]
        rises = np.array([upper == ((answers > 2) != one) for one in benign])
        values[self.anomalous] += 4.0 * rises
        return values.astype(np.float32)

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which rows are anomalous, (rows,)."""
        return np.equal(np.arange(ROWS) % EVERY, EVERY - 1)

    @cached_property
    def labels(self) -> LabelArray:
        """Labels (rows,): -1 where the method may not use the class."""
        labels = self.anomalous.astype(np.int8)
        return np.where(np.isin(labels, USABLE[self.method.LABELS]), labels, -1).astype(np.int8)

    @cached_property
    def selection(self) -> Selection:
        """What it selects."""
        found: Selection = self.method.select(self.values.copy(), self.labels)
        return found

    @cached_property
    def chosen(self) -> list[int]:
        """The sites it selects, as indices."""
        return list(self.selection.indices)

    @property
    def rows(self) -> FloatArray:
        """The values (usable rows, chosen, width) that it is fitted on."""
        return self.values[self.labels >= 0][:, self.chosen]

    @property
    def row_labels(self) -> LabelArray:
        """The labels (usable rows,) that it is fitted on."""
        return self.labels[self.labels >= 0]

    @cached_property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What it fits."""
        found: dict[str, NDArray[Any]] = self.method.fit(self.rows, self.row_labels)
        return found

    def score(self, values: FloatArray) -> Any:
        """Its scores of `values` (n, sites, width)."""
        return self.method.score(values[:, self.chosen], self.tensors)


def check_method(method: Any) -> list[str]:
    """Check a method, given by name or as an object; return the promises it keeps.

    Raises BrokenPromise for the first promise it breaks, UsageError for a name that is not found.

    >>> len(check_method("hiprobe")) > 10
    True
    """
    found = methods.load(method) if isinstance(method, str) else method
    optional = [_its_baseline_repeats] if hasattr(found, "baseline") else []
    return run_checks(title("method", method), MethodTrial(found), [*_CHECKS, *optional])


def _it_has_every_member(trial: MethodTrial) -> Broken | None:
    return lacking(trial.method, _MEMBERS)


def _it_states_its_labels_and_prompts(trial: MethodTrial) -> Broken | None:
    method = trial.method
    if method.LABELS not in USABLE:
        return Broken(f"LABELS is {method.LABELS!r}", f"use one of {', '.join(USABLE)}")
    if not isinstance(method.PROMPTS, tuple) or not all(
        isinstance(text, str) and text for text in method.PROMPTS
    ):
        return Broken(f"PROMPTS is {method.PROMPTS!r}", "use a tuple of questions, () for none")
    benign = getattr(method, "BENIGN", ())
    if not isinstance(benign, tuple) or not set(benign) <= set(range(len(method.PROMPTS))):
        return Broken(f"BENIGN is {benign!r}", "use a tuple of numbers of PROMPTS")
    if not hasattr(method, "THRESHOLD") and method.LABELS != "none":
        return None
    threshold = getattr(method, "THRESHOLD", None)
    if not isinstance(threshold, float) or not math.isfinite(threshold):
        return Broken(f"THRESHOLD is {threshold!r}", "a method without labels needs a finite float")
    return None


def _it_offers_sites_of_the_model(trial: MethodTrial) -> Broken | None:
    sites = trial.sites
    if not sites or not all(isinstance(site, Site) for site in sites):
        return Broken(f"sites gives {str(sites)[:80]}", "return a tuple of at least one Site")
    if len(set(sites)) < len(sites) or len({site.kind for site in sites}) > 1:
        return Broken("sites are repeated or of several kinds", "offer each site of one kind once")
    outside = [site for site in sites if site.layer >= LAYERS or (site.head or 0) >= HEADS]
    if outside:
        return Broken(
            f"{outside[0]} is not in a model of {LAYERS} layers with {HEADS} heads",
            "count layers and heads from 0, and use the arguments",
        )
    return None


def _its_sites_use_every_prompt(trial: MethodTrial) -> Broken | None:
    used = {site.prompt for site in trial.sites}
    wanted = set(range(max(len(trial.method.PROMPTS), 1)))
    if used != wanted:
        return Broken(
            f"sites use prompts {sorted(used)} of {sorted(wanted)}", "use each of PROMPTS"
        )
    return None


def _it_selects_offered_sites(trial: MethodTrial) -> Broken | None:
    count, found = len(trial.sites), trial.chosen
    if not found or len(set(found)) < len(found) or not set(found) <= set(range(count)):
        return Broken(
            f"select chooses {found[:8]} of {count} sites", "return distinct indices into the sites"
        )
    return None


def _its_curves_have_one_value_for_each_site(trial: MethodTrial) -> Broken | None:
    for name, curve in trial.selection.curves.items():
        if np.shape(curve) != (len(trial.sites),) or not np.isfinite(curve).all():
            return Broken(
                f"curve {name!r} has shape {np.shape(curve)}", "give one finite number per site"
            )
    return None


def _rows_left_out_change_no_selection(trial: MethodTrial) -> Broken | None:
    labels, other = trial.labels.copy(), trial.values.copy()
    labels[:: EVERY * 2] = -1
    before = list(trial.method.select(trial.values.copy(), labels).indices)
    other[labels < 0] = np.random.default_rng(1).normal(size=other[labels < 0].shape) * 1000
    after = list(trial.method.select(other, labels).indices)
    if before != after:
        return Broken(
            f"the selection {before[:8]} became {after[:8]}",
            "select from rows with labels >= 0 only",
        )
    return None


def _it_fits_finite_float_tensors(trial: MethodTrial) -> Broken | None:
    tensors = trial.tensors
    if not isinstance(tensors, dict) or not all(isinstance(name, str) for name in tensors):
        return Broken(f"fit gives {type(tensors).__name__}", "return arrays by their names")
    for name, tensor in tensors.items():
        kind = getattr(tensor, "dtype", type(tensor).__name__)
        if str(kind) not in ("float32", "float64") or not np.isfinite(tensor).all():
            return Broken(f"tensor {name!r} is {kind} {tensor!s:.60}", "return finite float arrays")
    return None


def _it_fits_the_same_again(trial: MethodTrial) -> Broken | None:
    again = trial.method.fit(trial.rows, trial.row_labels)
    if again.keys() != trial.tensors.keys():
        return Broken("a second fit has tensors of other names", "return the same names every time")
    for name, tensor in trial.tensors.items():
        if not np.array_equal(tensor, again[name]):
            return Broken(f"a second fit gives a different {name!r}", "seed what is random")
    return None


def _it_scores_each_segment(trial: MethodTrial) -> Broken | None:
    for count in (ROWS, 0):
        scores = trial.score(trial.values[:count])
        kind, shape = getattr(scores, "dtype", type(scores).__name__), np.shape(scores)
        if kind != np.float64 or shape != (count,) or not np.isfinite(scores).all():
            return Broken(
                f"{count} segments give {kind} {shape}", "return finite float64 scores (segments,)"
            )
    return None


def _a_score_depends_on_its_own_segment_only(trial: MethodTrial) -> Broken | None:
    together = trial.score(trial.values)
    alone = np.concatenate([trial.score(trial.values[row : row + 1]) for row in range(ROWS)])
    if not np.allclose(alone, together, rtol=1e-9, atol=0):
        return Broken(
            f"scores alone and together differ by {np.abs(alone - together).max():.2g}",
            "score each row from its values and the tensors alone",
        )
    return None


def _anomalous_segments_score_higher(trial: MethodTrial) -> Broken | None:
    scores = trial.score(trial.values)
    anomalous, normal = scores[trial.anomalous].mean(), scores[~trial.anomalous].mean()
    if anomalous <= normal:
        return Broken(
            f"anomalous segments score {anomalous:.3g} on average, normal ones {normal:.3g}",
            "return higher scores for anomalous segments",
        )
    return None


def _it_scores_zeros_without_a_numerical_error(trial: MethodTrial) -> Broken | None:
    zeros = np.zeros_like(trial.values[:2])
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        scores = trial.score(zeros)
    finite = bool(np.isfinite(scores).all())
    return None if finite else Broken(f"zeros score {scores}", "keep every score finite")


def _it_leaves_its_arguments_as_they_are(trial: MethodTrial) -> Broken | None:
    rows, labels = trial.rows.copy(), trial.row_labels.copy()
    tensors = {name: tensor.copy() for name, tensor in trial.tensors.items()}
    trial.method.fit(rows, labels)
    trial.method.score(rows, tensors)
    same = np.array_equal(rows, trial.rows) and np.array_equal(labels, trial.row_labels)
    if not same or any(not np.array_equal(trial.tensors[name], tensors[name]) for name in tensors):
        return Broken("fit or score wrote into its arguments", "work on a copy")
    return None


def _its_baseline_repeats(trial: MethodTrial) -> Broken | None:
    one, two = (trial.method.baseline(trial.values.copy(), trial.labels, 3, 0) for _ in range(2))
    if not isinstance(one, Baseline) or one.mean.keys() != one.std.keys():
        return Broken(f"baseline gives {type(one).__name__}", "return a saliency.Baseline")
    for name, curve in one.mean.items():
        if curve.shape != (len(trial.sites),) or not np.array_equal(curve, two.mean[name]):
            return Broken(f"curve {name!r} is not the same (sites,) twice", "use the seed")
    return None


_CHECKS = (
    _it_has_every_member,
    _it_states_its_labels_and_prompts,
    _it_offers_sites_of_the_model,
    _its_sites_use_every_prompt,
    _it_selects_offered_sites,
    _its_curves_have_one_value_for_each_site,
    _rows_left_out_change_no_selection,
    _it_fits_finite_float_tensors,
    _it_fits_the_same_again,
    _it_scores_each_segment,
    _a_score_depends_on_its_own_segment_only,
    _anomalous_segments_score_higher,
    _it_scores_zeros_without_a_numerical_error,
    _it_leaves_its_arguments_as_they_are,
)
