"""The paper's experiments, each as curves of figures over draws of labelled videos.

A curve is (draws, figures, 1 + resamples), as `paper_reading.Tested.figures` gives it. The scorer
is that of `hiprobe_c1` unless a row says otherwise, so that only one thing changes from row to row.
Knows no file, no published figure and no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments import localization, scorers
from experiments.fits import dlsp, out_of_fold, raw_scores, split
from experiments.footage import Footage
from experiments.paper_reading import Tested
from experiments.read import prompt_of
from experiments.selection import five_eighths_of
from hiprobe import methods
from hiprobe.evaluation.measure import centre_prior
from hiprobe.localize import Localization
from hiprobe.probe.threshold import calibrate
from hiprobe.saliency import permutation_baseline, saliency

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[np.generic]]
SIGMAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
PAPER = Localization.named("paper")
PERMUTATIONS = 5
CURVES = ("kl", "ldr", "entropy", "score")
SCORERS = {
    "by_labels": "logistic regression (`hiprobe`)",
    "svm": "linear SVM",
    "mlp": "MLP, 64 hidden",
}


@dataclass(frozen=True)
class Data:
    """The labelled draws and the test videos of one data set, and what the draws share.

    `units` are the same labelled videos as one vector each.
    """

    draws: tuple[Footage, ...]
    every: Footage
    test: Tested
    units: tuple[Footage, ...] = ()

    @cached_property
    def sites(self) -> list[int]:
        """Return the layer that DLSP chooses in each draw."""
        return [int(dlsp(some, some.y)[0]) for some in self.draws]

    def figures(self, raw: Iterable[Array], rule: Localization = PAPER) -> Array:
        """Return the curve of the raw scores (n,) of each draw, smoothed as `rule` says."""
        smoothed = (self.test.footage.smoothed(one, rule) for one in raw)
        return np.stack([self.test.figures(one) for one in smoothed])


def layers(data: Data) -> Arrays:
    """Return the curve of each layer, what each rule chooses, and the saliency of each layer."""
    test, count = data.test.footage, len(data.every.sites)
    how, known = methods.load("hiprobe_c1"), [some.y >= 0 for some in data.draws]
    curves = []
    for site in range(count):  # the states of a large test set are read once for all draws
        one, held = (data.every.sites[site],), test.values((test.sites[site],))
        for some, keep in zip(data.draws, known, strict=True):
            tensors = how.fit(some.values(one)[keep], some.y[keep])
            raw = how.score(held, tensors)
            curves.append(data.test.figures(test.smoothed(raw, PAPER)))
    by_layer = np.stack(curves).reshape(count, len(data.draws), *curves[0].shape).swapaxes(0, 1)
    found = [saliency(some, some.y) for some in data.draws]
    chance = [permutation_baseline(s, s.y, PERMUTATIONS, i).mean for i, s in enumerate(data.draws)]
    return {
        "layers": by_layer,
        "saliency": np.array([[one.curves()[name] for name in CURVES] for one in found]),
        "shuffled": np.array([[one[name] for name in CURVES] for one in chance]),
    }


def rules(made: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int64]]:
    """Return the layer (draws,) that each rule takes, from what `layers` returned."""
    curves, by_layer = np.asarray(made["saliency"]), np.asarray(made["layers"])
    draws, count = by_layer.shape[:2]
    kl, ldr = (_z(curves[:, i]) for i in (0, 1))
    return {
        "dlsp": curves[:, CURVES.index("score")].argmax(1),
        "kl": kl.argmax(1),
        "ldr": ldr.argmax(1),
        "no_entropy": (kl + ldr).argmax(1),
        "five_eighths": np.full(draws, five_eighths_of(count)),
        "last": np.full(draws, count - 1),
    }


def best_layer(made: Mapping[str, NDArray[np.generic]], figure: int) -> int:
    """Return the layer with the highest mean figure on the test videos: no method."""
    return int(np.asarray(made["layers"])[:, :, figure, 0].mean(0).argmax())


def _z(curves: Array) -> Array:
    spread = np.maximum(curves.std(1, keepdims=True), 1e-12)
    return np.asarray((curves - curves.mean(1, keepdims=True)) / spread)


def labels(data: Data) -> Arrays:
    """Return the curves with half of each draw's videos, and with those of all draws together."""
    test, how = data.test.footage, methods.load("hiprobe_c1")
    halves = [halved(some, seed) for seed, some in enumerate(data.draws)]
    sizes = [np.mean([len(o) for o in some]) for some in (halves, data.draws, [data.every])]
    return {
        "half": data.figures(raw_scores(how, some, test) for some in halves),
        "every": data.figures([raw_scores(how, data.every, test)]),
        "sizes": np.array(sizes),
    }


def halved(some: Footage, seed: int) -> Footage:
    """Return a random half of the videos of each class, at least one."""
    rng, kept = np.random.default_rng([seed, 616]), list[int]()
    for abnormal in (True, False):
        there = rng.permutation(np.flatnonzero(some.abnormal == abnormal))
        kept += sorted(int(i) for i in there[: max(1, len(there) // 2)])
    return some.take(kept)


def scorer(data: Data) -> Arrays:
    """Return the curve of each scorer at the layer that DLSP chooses."""
    found: Arrays = {}
    for name, title in SCORERS.items():
        raw = (
            scorers.raw_scores(scorers.SCORERS[title], some, data.test.footage, site, seed)
            for seed, (some, site) in enumerate(zip(data.draws, data.sites, strict=True))
        )
        found[name] = data.figures(raw)
    return found


def smoothing(data: Data) -> Arrays:
    """Return the curve of each sigma, and the events without smoothing and with sigma 1.5.

    Events are (draws, 3): the threshold, event F1 and false events an hour. The threshold has the
    best F1 on out-of-fold scores of the labelled videos.
    """
    how = methods.load("hiprobe_c1")
    raw = [raw_scores(how, some, data.test.footage) for some in data.draws]
    held = [
        out_of_fold(some, split(some, seed), dlsp, how, smooth=False)[0]
        for seed, some in enumerate(data.draws)
    ]
    found: Arrays = {}
    for sigma in SIGMAS:
        found[f"sigma_{sigma:g}"] = data.figures(raw, replace(PAPER, sigma=sigma))
    for sigma in (0.0, PAPER.sigma):
        rule = replace(PAPER, sigma=sigma)
        events = [_events(data, rule, *one) for one in zip(data.draws, held, raw, strict=True)]
        found[f"events_{sigma:g}"] = np.array(events)
    return found


def _events(
    data: Data, rule: Localization, some: Footage, held: Array, raw: Array
) -> tuple[float, float, float]:
    """Return threshold, event F1 and false events an hour of one draw."""
    known = some.y >= 0
    threshold = calibrate(some.smoothed(held, rule)[known], some.y[known])
    settings = replace(rule, rule="fixed", threshold=threshold)
    return threshold, *localization.events_of(data.test.footage, raw, settings)


def units(data: Data) -> Arrays:
    """Return the curve of probes that are fitted on one vector of each whole video."""
    how = methods.load("hiprobe_c1")
    return {"units": data.figures(raw_scores(how, o, data.test.footage) for o in data.units)}


def transfer(data: Data, other: Data) -> Arrays:
    """Return the curves on the test videos of `data` of probes fitted on draws of `other`."""
    how, test, last = methods.load("hiprobe_c1"), data.test.footage, len(data.every.sites) - 1
    return {
        "transfer": data.figures(raw_scores(how, some, test) for some in other.draws),
        "transfer_last": data.figures(raw_scores(how, o, test, (last,)) for o in other.draws),
    }


def without_model(data: Data) -> Arrays:
    """Return figures of a perfect video label times a centre prior, and of motion alone.

    Motion is the mean difference of neighbouring frames, without labels.
    """
    nothing = np.zeros(len(data.test.footage.y))
    prior = [(y, centre_prior(len(y)) * float(y.any())) for y, _ in data.test.frames(nothing)]
    known = [one.controls for one in data.test.footage.states]
    found: Arrays = {"prior": data.test.of_frames(prior)[None]}
    if all(one is not None for one in known):
        motion = np.concatenate([one.motion for one in known if one is not None])
        found["motion"] = data.figures([motion])
    return found


def method(name: str, data: Data) -> Arrays:
    """Return the curve of a method on data that was read for it."""
    how, test = methods.load(name), data.test.footage
    draws = [data.every] if how.LABELS == "none" else data.draws
    return {name: data.figures(raw_scores(how, some, test) for some in draws)}


def wordings(data: Data) -> Arrays:
    """Return the curve of each wording alone; DLSP chooses among the layers under it."""
    how, found = methods.load("hiprobe_c1"), Arrays()
    for number in sorted({site.prompt for site in data.every.sites}):
        draws = (prompt_of(some, number) for some in data.draws)
        found[f"prompt_{number}"] = data.figures(
            raw_scores(how, some, data.test.footage) for some in draws
        )
    return found
