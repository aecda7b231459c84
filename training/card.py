"""Write the tables of the model card.

    python -m training.card RUN.json CARD.json FINAL.json SECOND.json REAL.json

REAL.json is what `python -m experiments.real_footage --json REAL.json` wrote.

Replaces the text between the marks in `docs/embedded.md`, so that no number in those tables is
typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import card_real

DOCS = Path(__file__).parents[1] / "docs"
Rows = list[dict[str, Any]]
Array = NDArray[Any]


def values(rows: Rows, *path: str | int) -> Array:
    """Collect the value at `path` of each row."""
    out = []
    for row in rows:
        found: Any = row
        for step in path:
            found = found[step]
        out.append(found)
    return np.array(out, float)


def spread(found: Array, percent: bool = False) -> str:
    """Format mean and standard deviation over the evaluation seeds."""
    if percent:
        return f"{100 * found.mean():.1f} % ± {100 * found.std(ddof=1):.1f}"
    return f"{found.mean():.3f} ± {found.std(ddof=1):.3f}"


def line(name: str, cells: list[str]) -> str:
    """Format one row of a table."""
    return f"| {name} | " + " | ".join(cells) + " |"


def aims(card: dict[str, Any]) -> str:
    """Make the table of aims: for seen and unseen scenes, the aim and whether it was reached."""
    wanted: list[tuple[str, str, tuple[str, ...], float, float, bool]] = [
        (
            "names the right anomaly when asked to describe",
            "words {}",
            ("named",),
            0.92,
            0.85,
            False,
        ),
        (
            "normal clips called abnormal (1/3 look-alikes)",
            "words {}",
            ("false_alarms",),
            0.03,
            0.08,
            True,
        ),
        ("position words right", "words {}", ("placed",), 0.85, 0.80, False),
    ]
    for few, aimed in (
        (64, (("seen", 0.985, 0.95), ("unseen", 0.94, 0.92))),
        (8, (("seen", 0.95, 0.90), ("unseen", 0.88, 0.86))),
    ):
        for types, seen, unseen in aimed:
            kind = "seen" if types == "seen" else "never-rendered"
            name = f"frame AUC of the probe, {few} + {few} labelled segments, {kind} types"
            wanted.append(
                (
                    name,
                    "probe {} scenes " + types + " types",
                    (f"own_{few}", "auc"),
                    seen,
                    unseen,
                    False,
                )
            )
    lines = [
        "| | seen scenes | aim | reached | unseen scenes | aim | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, key, path, *goals, at_most in wanted:
        cells = []
        for family, aim in zip(("seen", "unseen"), goals, strict=True):
            found = values(card[key.format(family)], *path)
            met = found.mean() <= aim if at_most else found.mean() >= aim
            cells += [
                spread(found, at_most),
                f"<= {100 * aim:g} %" if at_most else f">= {aim:g}",
                "yes" if met else "**no**",
            ]
        lines.append(line(name, cells))
    return "\n".join(lines)


def details(card: dict[str, Any]) -> str:
    """Make the table of what the aims leave out.

    Look-alikes alone, each type of anomaly, labels carried over from seen scenes, other layers, and
    whole videos.
    """
    families, answers = ("seen", "unseen"), [card["words seen"], card["words unseen"]]
    lines = ["| | seen scenes | unseen scenes |", "|---|---|---|"]
    for name, key in (
        ("look-alikes called abnormal", "false_alarms_look_alikes"),
        ("plain normal clips called abnormal", "false_alarms_plain"),
        ("anomalies called normal", "missed"),
    ):
        lines.append(line(name, [spread(values(rows, key), True) for rows in answers]))
    for kind in answers[0][0]["named_by_type"]:
        lines.append(
            line(f"names {kind}", [spread(values(rows, "named_by_type", kind)) for rows in answers])
        )
    for few, types in ((64, "seen"), (64, "unseen"), (8, "seen"), (8, "unseen")):
        rows = [card[f"probe {family} scenes {types} types"] for family in families]
        lines += _probe_lines(rows, few, types)
    for name, key in (
        ("whole videos of 16 s, event anywhere, frame AUC, raw scores", "raw"),
        ("the same, smoothed", "smoothed"),
    ):
        lines.append(
            line(name, [spread(values(card[f"videos {family}"], key)) for family in families])
        )
    return "\n".join(lines)


def _probe_lines(rows: list[Rows], few: int, types: str) -> list[str]:
    own, carried, end = f"own_{few}", f"carried_{few}", f"{few} + {few}, {types} types"
    layers = [" ".join(str(layer) for row in part for layer in row[own]["layers"]) for part in rows]
    return [
        line(
            f"labels of seen scenes and types instead: {end}",
            [spread(values(part, carried if carried in part[0] else own, "auc")) for part in rows],
        ),
        line(
            f"the last layer instead: {end}",
            [spread(values(part, own, "by_layer", -1)) for part in rows],
        ),
        line(
            f"the best layer on the test clips: {end}",
            [spread(values(part, own, "by_layer").max(axis=1)) for part in rows],
        ),
        line(f"layers that DLSP chose, draw by draw: {end}", layers),
    ]


def last_row(final: dict[str, Any]) -> str:
    """Make the table of the third family and the last two types, which are measured once."""
    answers = final["words final"]
    cells = [
        ("names the right anomaly (seen types)", spread(values(answers, "named"))),
        ("normal clips called abnormal", spread(values(answers, "false_alarms"), True)),
        ("position words right", spread(values(answers, "placed"))),
    ]
    for few in (64, 8):
        for types, name in (("seen", "seen types"), ("final", "climb and snatch")):
            found = values(final[f"probe final scenes {types} types"], f"own_{few}", "auc")
            cells.append((f"frame AUC of the probe, {few} + {few}, {name}", spread(found)))
    cells.append(
        (
            "whole videos of 16 s, frame AUC, raw scores",
            spread(values(final["videos final"], "raw")),
        )
    )
    return "| third family of scenes | |\n|---|---|\n" + "\n".join(line(a, [b]) for a, b in cells)


def second(card: dict[str, Any]) -> str:
    """Make the table of the other model architecture, measured in the same way."""
    families = ("seen", "unseen")
    lines = ["| | seen scenes | unseen scenes |", "|---|---|---|"]
    for name, key, percent in (
        ("names the right anomaly", "named", False),
        ("normal clips called abnormal", "false_alarms", True),
        ("position words right", "placed", False),
    ):
        lines.append(
            line(
                name, [spread(values(card[f"words {family}"], key), percent) for family in families]
            )
        )
    for few in (64, 8):
        rows = [card[f"probe {family} scenes seen types"] for family in families]
        for name, path in (("DLSP's layer", ("auc",)), ("the last layer", ("by_layer", -1))):
            cells = [spread(values(part, f"own_{few}", *path)) for part in rows]
            lines.append(line(f"frame AUC of the probe, {few} + {few}, {name}", cells))
    return "\n".join(lines)


def put(text: str, name: str, table: str) -> str:
    """Return `text` with the part between the marks of `name` replaced by `table`.

    Raises ValueError if the text has no such marks.
    """
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(
            f"docs/embedded.md must contain <!-- {name} --> and <!-- /{name} -->: add them"
        )
    return pattern.sub(lambda m: f"{m[1]}{table}\n{m[2]}", text)


def main() -> None:
    """Fill in the card."""
    run, card, final, other, real = (json.loads(Path(path).read_text()) for path in sys.argv[1:6])
    path = DOCS / "embedded.md"
    text = put(path.read_text(), "aims", aims(card))
    text = put(text, "details", details(card))
    text = put(text, "final", last_row(final))
    text = put(text, "second", second(other))
    text = put(text, "real", f"{card_real.table(real)}\n\n{card_real.alarms(real)}")
    facts = ", ".join(f"{name} {value}" for name, value in run.items())
    path.write_text(put(text, "run", f"`{facts}`"))


if __name__ == "__main__":
    main()
