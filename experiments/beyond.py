"""Try variants beyond the paper: several layers, neighbours in time, prompts, visual tokens.

Every variant is fitted on the same draws as `hiprobe` and `output_layer` and counts as better only
if it beats both. Run: `python -m experiments.beyond`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.fits import dlsp, hiprobe, raw_scores, scores
from experiments.footage import Footage, draw, most
from experiments.measure import Interval, interval, verdict
from experiments.pooled import pooled
from experiments.prompts import LIMIT, SAME
from experiments.read import prompt_of, read_prompts
from experiments.selection import SIZES
from experiments.study import Study, load, main, present
from experiments.tables import Claim, Table
from hiprobe.errors import HiProbeError
from hiprobe.types import HiddenStates

Array = NDArray[np.float64]
Variant = Callable[[Footage, Footage], Array]
BASE, OUTPUT = "`hiprobe`: DLSP's layer", "`output_layer`"


def base(train: Footage, test: Footage) -> Array:
    """Return the smoothed scores (n,) of a probe at DLSP's layer."""
    return scores(hiprobe(), train, test, tuple(dlsp(train, train.y)))


def output(train: Footage, test: Footage) -> Array:
    """Return the smoothed scores (n,) of a probe at the last layer."""
    return scores(hiprobe(), train, test, (len(train.sites) - 1,))


def joined(count: int | None) -> Variant:
    """Fit on the states of the `count` most salient layers (None: of all) as one long vector."""

    def variant(train: Footage, test: Footage) -> Array:
        curve = hiprobe().select(train, train.y).curves["score"]
        return scores(
            hiprobe(), train, test, tuple(sorted(int(i) for i in np.argsort(-curve)[:count]))
        )

    return variant


def averaged(first: float) -> Variant:
    """Average the log-odds of one probe per layer, from a share `first` of the depth on."""

    def variant(train: Footage, test: Footage) -> Array:
        sites = range(int(first * len(train.sites)), len(train.sites))
        odds = [_odds(raw_scores(hiprobe(), train, test, (site,))) for site in sites]
        return test.smoothed(np.asarray(1 / (1 + np.exp(-np.mean(odds, 0)))))

    return variant


def _odds(p: Array) -> Array:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def in_time(change: Callable[[Array], Array], inner: Variant) -> Variant:
    """Run `inner` on the states of each video after `change`, which takes (segments, sites, D)."""

    def variant(train: Footage, test: Footage) -> Array:
        return inner(
            *(
                part.with_states([_changed(one, change) for one in part.states])
                for part in (train, test)
            )
        )

    return variant


def _changed(one: HiddenStates, change: Callable[[Array], Array]) -> HiddenStates:
    return replace(one, values=change(np.asarray(one.values, np.float64)))


def neighbours(values: Array) -> Array:
    """Join each state with those before and after it; at the ends it is repeated."""
    before, after = (
        np.concatenate([values[:1], values[:-1]]),
        np.concatenate([values[1:], values[-1:]]),
    )
    return np.concatenate([before, values, after], axis=2)


def before(values: Array) -> Array:
    """Join each state with the one before it, which a live detector can do."""
    return np.concatenate([values, np.concatenate([values[:1], values[:-1]])], axis=2)


def less_mean(values: Array) -> Array:
    """Subtract the mean state of the video, so that what is usual in this place cancels out."""
    return np.asarray(values - values.mean(0))


def with_mean(values: Array) -> Array:
    """Join each state with the mean state of its video."""
    return np.concatenate([values, np.broadcast_to(values.mean(0), values.shape)], axis=2)


VARIANTS: Mapping[str, Variant] = {
    BASE: base,
    OUTPUT: output,
    "all layers, joined": joined(None),
    "the two most salient layers, joined": joined(2),
    "all layers, mean log-odds": averaged(0.0),
    "the upper half, mean log-odds": averaged(0.5),
    "DLSP's layer with both neighbours in time": in_time(neighbours, base),
    "last layer with both neighbours in time": in_time(neighbours, output),
    "last layer with the segment before": in_time(before, output),
    "DLSP's layer less the video's mean": in_time(less_mean, base),
    "last layer less the video's mean": in_time(less_mean, output),
    "last layer beside the video's mean": in_time(with_mean, output),
    "all layers less the video's mean, mean log-odds": in_time(less_mean, averaged(0.0)),
}


def compare(
    title: str,
    variants: Mapping[str, Variant],
    train: Footage,
    test: Footage,
    videos: int,
    seeds: int,
) -> Table:
    """Return a table with one row per variant; the first two are the ones to beat."""
    draws = [draw(train, videos, seed) for seed in range(seeds)]
    found = {
        name: [test.truth.aucs(variant(some, test)) for some in draws]
        for name, variant in variants.items()
    }
    rivals = list(found)[:2]
    gaps = {
        name: [
            interval([a - b for a, b in zip(found[name], found[rival], strict=True)])
            for rival in rivals
        ]
        for name in found
    }
    rows = [
        (
            name,
            str(interval(found[name])),
            *(gap.signed() for gap in gaps[name]),
            _beats_both(gaps[name]),
        )
        for name in found
    ]
    rows[:2] = [(*row[:4], "") for row in rows[:2]]
    where = title.rpartition(", ")[2] + ", " if ", " in title else ""
    figures = {name: " and ".join(gap.signed() for gap in gaps[name]) for name in found}
    claims = tuple(
        Claim(
            f"{name}: beats both, {where}{videos} labelled videos",
            figures[name],
            _beats_both(gaps[name]),
        )
        for name in list(found)[2:]
    )
    return Table(
        f"{title}: {videos} labelled videos",
        ("variant", "AUC", *(f"minus {name}" for name in rivals), "beats both"),
        tuple(rows),
        claims=claims,
    )


def _beats_both(gaps: Sequence[Interval]) -> str:
    answers = [verdict(gap) for gap in gaps]
    return "yes" if set(answers) == {"yes"} else "no" if "no" in answers else "undecided"


def prompts(inner: Variant, join: bool) -> Variant:
    """Run `inner` over the wordings that ask for anomalies.

    Their states become one vector if `join` is set; otherwise their scores are averaged.
    """

    def mean(train: Footage, test: Footage) -> Array:
        return np.asarray(
            np.mean([inner(prompt_of(train, p), prompt_of(test, p)) for p in range(SAME)], 0)
        )

    def joint(train: Footage, test: Footage) -> Array:
        return inner(_side_by_side(train), _side_by_side(test))

    return joint if join else mean


def _side_by_side(footage: Footage) -> Footage:
    parts = [prompt_of(footage, p) for p in range(SAME)]
    return footage.with_states(
        [
            replace(one, values=np.concatenate([part.states[i].values for part in parts], axis=2))
            for i, one in enumerate(parts[0].states)
        ]
    )


PROMPTS: Mapping[str, Variant] = {
    BASE: lambda train, test: base(prompt_of(train, 0), prompt_of(test, 0)),
    OUTPUT: lambda train, test: output(prompt_of(train, 0), prompt_of(test, 0)),
    f"DLSP's layer, mean score of {SAME} prompts": prompts(base, False),
    f"DLSP's layer, {SAME} prompts joined": prompts(base, True),
    f"last layer, mean score of {SAME} prompts": prompts(output, False),
    f"last layer, {SAME} prompts joined": prompts(output, True),
}


def visual(
    study: Study, train: Footage, test: Footage
) -> tuple[Mapping[str, Variant], Footage, Footage]:
    """Return variants on visual tokens, with train and test footage that holds both kinds of state.

    The sites of the last position come first, then those of the means over visual tokens.
    """
    own = replace(study, store=study.store.with_name(study.store.name + "-pooled"))
    backbone = pooled(load(study.models[0]))
    parts = [
        own.footage(split, backbone=backbone, limit=len(last) if split == "train" else None)
        for split, last in (("train", train), ("test", test))
    ]
    both = [_stacked(last, mean) for last, mean in zip((train, test), parts, strict=True)]

    def at(part: int, inner: Variant) -> Variant:
        return lambda a, b: inner(prompt_of(a, part), prompt_of(b, part))

    variants = {
        BASE: at(0, base),
        OUTPUT: at(0, output),
        "visual tokens, DLSP's layer": at(1, base),
        "visual tokens, last layer": at(1, output),
    }
    return variants, both[0], both[1]


def _stacked(last: Footage, mean: Footage) -> Footage:
    """Put both kinds of state into one footage; the means get the prompt number 1."""
    sites = (*last.sites, *(replace(site, prompt=1) for site in mean.sites))
    return last.with_states(
        [
            replace(a, sites=sites, values=np.concatenate([a.values, b.values], axis=1))
            for a, b in zip(last.states, mean.states, strict=True)
        ]
    )


def _joined(tables: Sequence[Table]) -> list[Table]:
    """Join the claims of the same variants at several sizes: yes only if it is yes at each size."""
    claims = []
    for same in zip(*(table.claims for table in tables), strict=True):
        answers = {claim.answer for claim in same}
        answer = "yes" if answers == {"yes"} else "no" if "no" in answers else "undecided"
        parts = [f"{claim.text.rpartition(', ')[2].split()[0]}: {claim.figure}" for claim in same]
        claims.append(
            Claim(
                f"{same[0].text.rpartition(',')[0]}, whatever the number of labelled videos",
                "; ".join(parts),
                answer,
            )
        )
    bare = [replace(table, claims=()) for table in tables]
    return [*bare[:-1], replace(bare[-1], claims=tuple(claims))] if bare else []


def elsewhere(study: Study) -> list[Table]:
    """Test the mean of all layers, the best variant so far, on other data sets and models."""
    parts = [
        (f"{a[1].rpartition('/')[2]} to {b[1].rpartition('/')[2]}", study.models[0], a, b)
        for a in study.pair or ()
        for b in study.pair or ()
    ]
    parts += [("the same videos", model, study.data, study.data) for model in _others(study)]
    rows, claims = [], []
    for what, model, one, other in parts:
        train, test = (
            study.footage("train", model=model, data=one),
            study.footage("test", model=model, data=other),
        )
        draws = [draw(train, min(study.videos, most(train)), seed) for seed in range(study.seeds)]
        found = [
            [test.truth.aucs(variant(some, test)) for some in draws]
            for variant in (averaged(0.0), base, output)
        ]
        gaps = [
            interval([a - b for a, b in zip(found[0], rival, strict=True)]) for rival in found[1:]
        ]
        rows.append(
            (
                what,
                model,
                *(str(interval(curves)) for curves in found),
                *(gap.signed() for gap in gaps),
                _beats_both(gaps),
            )
        )
        claims.append(
            Claim(
                f"the mean log-odds of all layers beat both, {what}, {model}",
                " and ".join(gap.signed() for gap in gaps),
                _beats_both(gaps),
            )
        )
    columns = (
        "labels to test",
        "model",
        "all layers",
        "`hiprobe`",
        "`output_layer`",
        "minus `hiprobe`",
        "minus `output_layer`",
        "beats both",
    )
    return (
        [
            Table(
                f"The mean log-odds of all layers elsewhere: {study.videos} labelled videos",
                columns,
                tuple(rows),
                claims=tuple(claims),
            )
        ]
        if rows
        else []
    )


def _others(study: Study) -> tuple[str, ...]:
    return present(study.models)[0][1:]


def experiment(study: Study) -> Sequence[Table]:
    """Return all tables; a table that cannot be measured gives the reason."""
    train, test = study.footage("train"), study.footage("test")
    sizes = [size for size in SIZES if size <= most(train)]
    tables = _joined(
        [
            compare("Layers and neighbours", VARIANTS, train, test, size, study.seeds)
            for size in sizes
        ]
    )
    tables += elsewhere(study)
    for model in (study.models[0], *_others(study)):
        read = read_prompts(study, study.limit or LIMIT, model)
        tables.append(
            compare(f"Several prompts, {model}", PROMPTS, *read, study.videos, study.seeds)
        )
    try:
        variants, *both = visual(study, study.footage("train", limit=study.limit or LIMIT), test)
        tables.append(
            compare("Visual tokens", variants, both[0], both[1], study.videos, study.seeds)
        )
    except HiProbeError as error:
        tables.append(Table("Visual tokens", ("figure",), ((f"not measured: {error}",),)))
    return tables


if __name__ == "__main__":
    main(__doc__, experiment)
