"""Every method by the share of the training videos that is labelled, 0.5 to 100 %: `python -m experiments.share`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.fits import CLASSES, percent, scores
from experiments.footage import Footage, draw, most
from experiments.measure import below, interval, verdict
from experiments.read import read_methods
from experiments.study import Study, main
from experiments.tables import Claim, Table
from hiprobe import methods
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.methods import Method

Array = NDArray[np.float64]
SHARES = (0.005, 0.01, 0.02, 0.04, 0.1, 0.2, 0.5, 1.0)
LEAST = 4  # segments of a class, as for a probe
SLOW = {
    "headhunt": 0.1
}  # its criteria take time with the square of the segments: not measured with more labels
CLOSE = 0.02  # of AUC: "as good as all labels"; our own
Read = Mapping[str, tuple[Footage, Footage]]


def compare(read: Read, seeds: int) -> Table:
    """One row a share, one column a method; `read` holds the train and test footage of each method's own sites."""
    whole = next(iter(read.values()))[0]
    counts = {share: 2 * round(share * len(whole) / 2) for share in SHARES}
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
        "A cell with the name of an error means that the method refuses so few labels. A method without labels has one "
        "figure; the embedded model was trained to answer exactly the question of `likelihood` on rendered scenes."
    )
    return Table(
        "Share of the training videos that is labelled",
        ("share", "videos", *(f"`{n}`" for n in read)),
        tuple(rows),
        note,
        _claims(found, counts, list(read)),
    )


def _aucs(how: Method, train: Footage, test: Footage, count: int, seeds: int) -> list[Array] | str:
    """Of each draw; one draw where all is drawn or nothing is fitted."""
    draws = 1 if how.LABELS == "none" or count == most(train) else seeds
    try:
        return [
            test.truth.aucs(scores(how, _enough(how, draw(train, count, seed)), test))
            for seed in range(draws)
        ]
    except HiProbeError as error:
        return type(error).__name__


def _enough(how: Method, some: Footage) -> Footage:
    """The same footage; raises LabelError where a probe would: fewer than `LEAST` segments of a class it fits on."""
    counts = [int((some.y == c).sum()) for c in CLASSES[how.LABELS]]
    if counts and min(counts) < LEAST:
        raise LabelError(
            f"{counts} segments of the classes it fits on: at least {LEAST} are needed"
        )
    return some


def _cell(found: list[Array] | str) -> str:
    return found if isinstance(found, str) else str(interval(found))


def _claims(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> tuple[Claim, ...]:
    """Whether 1 % of the labels, or 16 videos, come close to all of them."""
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
                f"`{name}` with {percent(share)} of the labels ({counts[share]} videos) loses less than {CLOSE} "
                f"against all of them ({counts[max(counts)]})"
            )
            out.append(Claim(text, f"loses {loss.signed()}", below(loss, CLOSE)))
    return (*_over_asking(found, counts, names), *_over_hiprobe(found, counts, names), *out)


def _over_hiprobe(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> list[Claim]:
    """Every other method that is fitted, on the same draws."""
    out = []
    for name in names:
        for share in [share for share in (0.01, 0.04, 0.1) if share in counts]:
            one, other = found[name, share], found.get(("hiprobe", share), "")
            if (
                name != "hiprobe"
                and not isinstance(one, str)
                and not isinstance(other, str)
                and len(one) == len(other)
            ):
                gap = interval([a - b for a, b in zip(one, other, strict=True)])
                out.append(
                    Claim(
                        f"`{name}` is better than `hiprobe`, {counts[share]} labelled videos",
                        gap.signed(),
                        verdict(gap),
                    )
                )
    return out


def _over_asking(
    found: Mapping[tuple[str, float], list[Array] | str],
    counts: Mapping[float, int],
    names: Sequence[str],
) -> list[Claim]:
    """The paper's first claim: reading a layer is better than asking the model, which needs no label."""
    out = []
    for share in [
        share for share in (0.01, 0.04, 1.0) if share in counts and "likelihood" in names
    ]:
        read, asked = found["hiprobe", share], found["likelihood", share]
        if not isinstance(read, str) and not isinstance(asked, str):
            gap = interval([one - asked[0] for one in read])
            out.append(
                Claim(
                    f"reading a layer (`hiprobe`, {counts[share]} labelled videos) is better than asking the "
                    "model (`likelihood`, none)",
                    gap.signed(),
                    verdict(gap),
                )
            )
    return out


def experiment(study: Study) -> Sequence[Table]:
    """The table of all methods that can be read, and a row for each that cannot."""
    read, lost = read_methods(study)
    tables = [compare(read, study.seeds)]
    if lost:
        tables.append(
            Table("Methods that were not measured", ("method", "why"), tuple(lost.items()))
        )
    return tables


if __name__ == "__main__":
    main(__doc__, experiment)
