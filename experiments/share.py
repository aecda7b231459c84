"""Compare every method by the share of the training videos that is labelled, 0.5 to 100 %.

Run: `python -m experiments.share`; with `--only METHOD` and `--share 0.04`, each as often as you
like, only some of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import CLASSES, percent, scores
from experiments.footage import Footage, draw, most
from experiments.measure import below, interval, verdict
from experiments.read import read_methods
from experiments.study import Study, arguments, show
from experiments.tables import Claim, Table
from hiprobe import methods
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.methods import Method

Array = NDArray[np.float64]
SHARES = (0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1.0)
LEAST = 4  # segments of a class, as for a probe
# Its criteria take time with the square of the segments, so larger shares are not measured.
SLOW = {"headhunt": 0.1}
HEADS = (("output_heads", "output_layer"), ("head_vote", "output_layer"))
CLOSE = 0.02  # the loss of AUC below which labels are "as good as all"; our own
Read = Mapping[str, tuple[Footage, Footage]]


def compare(read: Read, seeds: int, shares: Sequence[float] = SHARES) -> Table:
    """Return a table with one row per share and one column per method.

    `read` holds train and test footage at the sites of each method.
    """
    whole = max((train for train, _ in read.values()), key=len)
    counts = {share: 2 * round(share * len(whole) / 2) for share in shares}
    counts = {share: min(count, most(whole)) for share, count in counts.items() if count >= 2}
    found = {
        (name, share): _aucs(methods.load(name), *read[name], count, seeds)
        if share <= SLOW.get(name, 1.0)
        else "not measured"
        for name in read
        for share, count in counts.items()
    }
    rows = [
        (percent(share), str(count), *(_cell(found[name, share]) for name in read))
        for share, count in counts.items()
    ]
    note = (
        "A cell with the name of an error means that the method refuses so few labels. A method "
        "without labels has one "
        "figure; the embedded model was trained to answer exactly the question of `likelihood` on "
        "rendered scenes."
    )
    return Table(
        "Share of the training videos that is labelled",
        ("share", "videos", *(f"`{n}`" for n in read)),
        tuple(rows),
        note,
        _claims(found, counts, list(read)),
    )


def _aucs(how: Method, train: Footage, test: Footage, count: int, seeds: int) -> list[Array] | str:
    """Return the AUCs of each draw, or the name of the error if the method refuses.

    There is only one if all videos are drawn or nothing is fitted.
    """
    try:
        if how.LABELS == "none":
            return [test.truth.aucs(scores(how, train, test))]
        return [
            test.truth.aucs(scores(how, _enough(how, draw(train, count, seed)), test))
            for seed in range(1 if count == most(train) else seeds)
        ]
    except HiProbeError as error:
        return type(error).__name__


def _enough(how: Method, some: Footage) -> Footage:
    """Return `some`; raise LabelError for fewer than `LEAST` segments of a class, as a probe."""
    counts = [int((some.y == c).sum()) for c in CLASSES[how.LABELS]]
    if counts and min(counts) < LEAST:
        raise LabelError(f"each class needs at least {LEAST} segments to fit on, got {counts}")
    return some


def _cell(found: list[Array] | str) -> str:
    return found if isinstance(found, str) else str(interval(found))


def _claims(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> tuple[Claim, ...]:
    """Judge whether 1 % or 4 % of the labels come close to all of them, and the claims below."""
    out = []
    for name in names:
        every = found[name, max(counts)]
        for share in (0.01, 0.04):
            few = found.get((name, share), "")
            if (
                isinstance(few, str)
                or isinstance(every, str)
                or methods.load(name).LABELS == "none"
            ):
                continue
            loss = interval([every[0] - one for one in few])
            text = (
                f"`{name}` with {percent(share)} of the labels ({counts[share]} videos) loses less "
                f"than {CLOSE} "
                f"against {percent(max(counts))} of them ({counts[max(counts)]})"
            )
            out.append(Claim(text, f"loses {loss.signed()}", below(loss, CLOSE)))
    return (*_over_asking(found, counts, names), *_over_others(found, counts, names), *out)


def _over_others(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> list[Claim]:
    """Compare every other fitted method with `hiprobe`, and `HEADS`, on the same draws."""
    pairs = [(name, "hiprobe") for name in names if name != "hiprobe"]
    out = []
    for name, base in (*pairs, *HEADS):
        for share in [share for share in (0.01, 0.04, 0.1) if share in counts]:
            one, other = found.get((name, share), ""), found.get((base, share), "")
            if not isinstance(one, str) and not isinstance(other, str) and len(one) == len(other):
                gap = interval([a - b for a, b in zip(one, other, strict=True)])
                text = f"`{name}` is better than `{base}`, {counts[share]} labelled videos"
                out.append(Claim(text, gap.signed(), verdict(gap)))
    return out


def _over_asking(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> list[Claim]:
    """Judge the paper's first claim: reading a layer is better than asking the model."""
    out = []
    for share in [
        share for share in (0.01, 0.04, 1.0) if share in counts and "likelihood" in names
    ]:
        read, asked = found["hiprobe", share], found["likelihood", share]
        if not isinstance(read, str) and not isinstance(asked, str):
            gap = interval([one - asked[0] for one in read])
            out.append(
                Claim(
                    f"reading a layer (`hiprobe`, {counts[share]} labelled videos) is better than "
                    "asking the "
                    "model (`likelihood`, none)",
                    gap.signed(),
                    verdict(gap),
                )
            )
    return out


def experiment(
    study: Study, only: Sequence[str] = (), shares: Sequence[float] = SHARES
) -> Sequence[Table]:
    """Return the table of the methods that can be read, and a row for each that cannot.

    `only` names some of the methods; () means all.
    """
    without = [name for name in methods.names() if only and name not in only]
    read, lost = read_methods(study, without, drawn=False)
    tables = [compare(read, study.seeds, shares)]
    if lost:
        tables.append(
            Table("Methods that were not measured", ("method", "why"), tuple(lost.items()))
        )
    return tables


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", action="append", default=[], help="a method; repeat for several")
    parser.add_argument("--share", action="append", type=float, help="a share; repeat for several")
    own, rest = parser.parse_known_args()
    show(experiment(arguments(__doc__, rest), own.only, own.share or SHARES))


if __name__ == "__main__":
    main()
