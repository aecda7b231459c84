"""Probabilities that mean what they say, and a promised rate of false alarms: `python -m experiments.calibration`.

Platt: a logistic curve on out-of-fold log-odds (Platt 1999). Isotonic: a rising step function on them (Zadrozny and
Elkan 2002). Conformal: a segment alarms if few enough of the normal segments of other videos score as high (Vovk,
Gammerman and Shafer 2005; Bates et al. 2023 for outliers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import dlsp, fixed, hiprobe, out_of_fold, percent, raw_scores, scores, split
from experiments.footage import Footage, draw
from experiments.measure import interval, over_draws, verdict
from experiments.study import Data, Study, main
from experiments.tables import Claim, Table

Array = NDArray[np.float64]
Curve = Callable[[Array, Array], Callable[[Array], Array]]
BINS = 10
RATES = (0.05, 0.02, 0.01, 0.005, 0.002)
DAY_S = 86400.0


def odds(p: Array) -> Array:
    """Log-odds of probabilities, kept finite."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def as_it_is(held: Array, y: Array) -> Callable[[Array], Array]:
    """The smoothed score itself."""
    return lambda p: p


def platt(held: Array, y: Array) -> Callable[[Array], Array]:
    """A logistic curve through out-of-fold log-odds."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6).fit(odds(held)[:, None], y)
    return lambda p: np.asarray(model.predict_proba(odds(p)[:, None])[:, 1])


def isotonic(held: Array, y: Array) -> Callable[[Array], Array]:
    """A rising step function through out-of-fold scores."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(held, y)
    return lambda p: np.asarray(model.predict(p))


CURVES: Mapping[str, Curve] = {"the score as it is": as_it_is, "Platt": platt, "isotonic": isotonic}


def calibration_error(y: Array, p: Array) -> float:
    """Mean distance, over equal bins, of the mean probability from the share of positives (Naeini et al. 2015)."""
    where = np.minimum((p * BINS).astype(int), BINS - 1)
    parts = [np.flatnonzero(where == b) for b in range(BINS)]
    return float(
        sum(len(one) / len(y) * abs(p[one].mean() - y[one].mean()) for one in parts if len(one))
    )


def probabilities(train: Footage, test: Footage, videos: int, seeds: int) -> Table:
    """ECE and Brier score on the test videos, one row a layer and curve; curves see labelled videos only."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    known = test.y >= 0
    for seed in range(seeds):
        some = draw(train, videos, seed)
        for where, choose in (("DLSP's", dlsp), ("last", fixed(len(train.sites) - 1))):
            held, _ = out_of_fold(some, split(some, seed), choose)
            p = scores(hiprobe(), some, test, tuple(choose(some, some.y)))[known]
            for name, curve in CURVES.items():
                mapped, y = (
                    curve(held[some.y >= 0], some.y[some.y >= 0].astype(float))(p),
                    test.y[known].astype(float),
                )
                pair = calibration_error(y, mapped), float(((mapped - y) ** 2).mean())
                found.setdefault((where, name), []).append(pair)
    first = next(iter(CURVES))
    gaps = {
        key: over_draws([a[1] - b[1] for a, b in zip(found[key[0], first], one, strict=True)])
        for key, one in found.items()
    }
    rows = [
        (*key, *(str(over_draws([pair[i] for pair in one])) for i in (0, 1)), gaps[key].signed())
        for key, one in found.items()
    ]
    claims = tuple(
        Claim(
            f"{name} calibration has a lower Brier score, {where} layer",
            f"gains {gaps[where, name].signed()}",
            verdict(gaps[where, name]),
        )
        for where, name in found
        if name != first
    )
    columns = ("layer", "curve", "ECE", "Brier", "Brier gained")
    return Table(
        f"Calibrated probabilities: {videos} labelled videos",
        columns,
        tuple(rows),
        f"Lower is better; ECE over {BINS} bins; t intervals over draws.",
        claims,
    )


def p_values(normal: Array, tested: Array) -> Array:
    """Conformal p-values (n,) of `tested` scores: (1 + how many of `normal` are as high) / (1 + how many there are)."""
    ranked = np.sort(normal)
    return np.asarray(
        (1 + len(ranked) - np.searchsorted(ranked, tested, "left")) / (1 + len(ranked))
    )


def promises(train: Footage, tests: Mapping[str, Footage], videos: int, seeds: int) -> Table:
    """Alarms in normal videos at each promised rate, calibrated on training videos that no probe was fitted on."""
    found: dict[tuple[str, float], list[Array]] = {}
    caught: dict[tuple[str, float], list[Array]] = {}
    sizes = []
    last = (len(train.sites) - 1,)
    for seed in range(seeds):
        some, rest = _apart(train, videos, seed)
        normal = raw_scores(hiprobe(), some, rest, last)[rest.y == 0]
        sizes.append(len(normal))
        for name, test in tests.items():
            p = p_values(normal, raw_scores(hiprobe(), some, test, last))
            for rate in RATES:
                found.setdefault((name, rate), []).append(
                    _share(test, p <= rate, ~test.abnormal[test.group])
                )
                caught.setdefault((name, rate), []).append(_share(test, p <= rate, test.y == 1))
    rows = [
        (
            name,
            percent(rate),
            *(_cell(one[name, rate]) for one in (found, caught)),
            _kept(found[name, rate], rate),
        )
        for name, rate in found
    ]
    columns = (
        "tested on",
        "promised",
        "alarms in normal videos",
        "anomalous segments caught",
        "promise kept",
    )
    note = _note(int(np.mean(sizes)), float(np.mean(train.states[0].ends - train.states[0].starts)))
    return Table(
        "A promised rate of false alarms (conformal)", columns, tuple(rows), note, _claims(found)
    )


def _note(calibrated: int, length: float) -> str:
    need = int(np.ceil(DAY_S / length))
    return (
        "Last layer, raw scores, each segment counted by itself; intervals over draws and test videos. Calibrated on "
        f"{calibrated} segments of normal training videos outside the draw, so the promise covers normal videos of "
        "the same places only; the other rows test what happens elsewhere. The "
        f'smallest p-value is 1 in {calibrated + 1}: "at most one false alarm a day" is 1 in {need} segments of '
        f"{length:g} s and needs at least {need - 1} normal segments, one day of the same camera."
    )


def _share(test: Footage, alarms: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Array:
    """The share (1 + resamples,) of `counted` segments that alarm: of all videos, then of each draw of them."""
    weights = test.truth.weights[test.group[counted]]
    total = weights.sum(0)
    with np.errstate(invalid="ignore"):
        return np.asarray((weights * alarms[counted, None]).sum(0) / total)


def _apart(train: Footage, videos: int, seed: int) -> tuple[Footage, Footage]:
    """A draw, and the normal training videos outside of it."""
    some = draw(train, videos, seed)
    used = {one.video_id for one in some.states}
    rest = [
        i
        for i, one in enumerate(train.states)
        if one.video_id not in used and not train.abnormal[i]
    ]
    return some, train.take(rest)


def _cell(shares: list[Array]) -> str:
    one = interval([100 * share for share in shares])
    return f"{one.mean:.2f} % [{one.low:.2f}, {one.high:.2f}]"


def _kept(shares: list[Array], rate: float) -> str:
    """The promise is about the mean: broken where the whole interval lies above, undecided where only the mean does."""
    figure = interval(shares)
    return "no" if figure.low > rate else "yes" if figure.mean <= rate else "undecided"


def _claims(found: Mapping[tuple[str, float], list[Array]]) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f"conformal alarms keep a promised {percent(rate)} in normal videos of {name}",
            _cell(one),
            _kept(one, rate),
        )
        for (name, rate), one in found.items()
        if rate == 0.01
    )


def experiment(study: Study) -> Sequence[Table]:
    """Both tables; the promise on every data set's test and long videos that there are."""
    train, test = study.footage("train"), study.footage("test")
    sets: Sequence[Data] = study.pair or (study.data,)
    tests = {
        f"{data[1].rpartition('/')[2]} {split}": study.footage(split, data=data)
        for data in sets
        for split in ("test", "long")
        if study.has(split, data)
    }
    return [
        probabilities(train, test, study.videos, study.seeds),
        promises(train, tests, study.videos, study.seeds),
    ]


if __name__ == "__main__":
    main(__doc__, experiment)
