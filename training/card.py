"""Writes the model card's tables from measurements: `python -m training.card RUN.json CARD.json FINAL.json`.

Replaces what stands between the marks in `docs/embedded.md`; nothing in those tables is typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DOCS = Path(__file__).parents[1] / "docs"
Rows = list[dict[str, Any]]


def spread(rows: Rows, get: Callable[[dict[str, Any]], float], percent: bool = False) -> str:
    """Mean and standard deviation over the evaluation seeds."""
    values = np.array([get(row) for row in rows])
    if percent:
        return f"{100 * values.mean():.1f} % ± {100 * values.std(ddof=1):.1f}"
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def reached(rows: Rows, get: Callable[[dict[str, Any]], float], aim: float, *, most: bool = False) -> str:
    """Whether the mean reaches the aim."""
    mean = float(np.mean([get(row) for row in rows]))
    return "yes" if (mean <= aim if most else mean >= aim) else "**no**"


def aims(card: dict[str, Any]) -> str:
    """The table of aims: seen and unseen scenes, each with its aim and whether it was reached."""
    lines = ["| | seen scenes | aim | reached | unseen scenes | aim | reached |", "|---|---|---|---|---|---|---|"]

    def line(name: str, key: str, get: Callable[[dict[str, Any]], float], seen: float, unseen: float,
             most: bool = False) -> None:
        cells = [name]
        for family, aim in (("seen", seen), ("unseen", unseen)):
            rows = card[key.format(family)]
            shown = f"{'<=' if most else '>='} {f'{100 * aim:g} %' if most else f'{aim:g}'}"
            cells += [spread(rows, get, most), shown, reached(rows, get, aim, most=most)]
        lines.append("| " + " | ".join(cells) + " |")

    line("names the right anomaly when asked to describe", "words {}", lambda r: r["named"], 0.92, 0.85)
    line("normal clips called abnormal (1/3 look-alikes)", "words {}", lambda r: r["false_alarms"], 0.03, 0.08, True)
    line("position words right", "words {}", lambda r: r["placed"], 0.85, 0.80)
    for few, hard in ((64, ((0.985, 0.95), (0.94, 0.92))), (8, ((0.95, 0.90), (0.88, 0.86)))):
        for types, (seen, unseen) in zip(("seen", "unseen"), hard, strict=True):
            kind = "seen" if types == "seen" else "never-rendered"
            line(f"frame AUC of the probe, {few} + {few} labelled segments, {kind} types",
                 "probe {} scenes " + types + " types", lambda r, f=few: r[f"own_{f}"]["auc"], seen, unseen)
    return "\n".join(lines)


def details(card: dict[str, Any], families: tuple[str, ...], types: tuple[str, str]) -> str:
    """What the aims do not show: labels carried over, whole videos, look-alikes apart, the last layer, each type."""
    lines = ["| | " + " | ".join(f"{f} scenes" for f in families) + " |", "|---" * (len(families) + 1) + "|"]

    def line(name: str, cells: list[str]) -> None:
        lines.append(f"| {name} | " + " | ".join(cells) + " |")

    for name, key in (("look-alikes called abnormal", "false_alarms_look_alikes"),
                      ("plain normal clips called abnormal", "false_alarms_plain"),
                      ("anomalies called normal", "missed")):
        line(name, [spread(card[f"words {f}"], lambda r, k=key: r[k], True) for f in families])
    for kind in card[f"words {families[0]}"][0]["named_by_type"]:
        line(f"names {kind}", [spread(card[f"words {f}"], lambda r, k=kind: r["named_by_type"][k]) for f in families])
    for few in (64, 8):
        for t in types:
            rows = [card[f"probe {f} scenes {t} types"] for f in families]
            line(f"probe, {few} + {few} labels of seen scenes and types, tested on {t} types",
                 [spread(r, lambda x, n=few: x[f"carried_{n}" if f"carried_{n}" in x else f"own_{n}"]["auc"])
                  for r in rows])
            line(f"last layer instead, {few} + {few} own labels, {t} types",
                 [spread(r, lambda x, n=few: x[f"own_{n}"]["by_layer"][-1]) for r in rows])
            line(f"best single layer (chosen on the test clips), {few} + {few} own labels, {t} types",
                 [spread(r, lambda x, n=few: max(x[f"own_{n}"]["by_layer"])) for r in rows])
            line(f"layer chosen by DLSP, {few} + {few}, {t} types: each draw",
                 [" ".join(str(layer) for x in r for layer in x[f"own_{few}"]["layers"]) for r in rows])
    line("whole videos of 16 s, event anywhere, frame AUC, raw scores",
         [spread(card[f"videos {f}"], lambda r: r["raw"]) for f in families])
    line("the same, smoothed", [spread(card[f"videos {f}"], lambda r: r["smoothed"]) for f in families])
    return "\n".join(lines)


def last_row(final: dict[str, Any]) -> str:
    """The third family and the last two types, measured once."""
    said = final["words final"]
    cells = [("names the right anomaly (seen types)", spread(said, lambda r: r["named"])),
             ("normal clips called abnormal", spread(said, lambda r: r["false_alarms"], True)),
             ("position words right", spread(said, lambda r: r["placed"]))]
    for few in (64, 8):
        for types, name in (("seen", "seen types"), ("final", "climb and snatch")):
            rows = final[f"probe final scenes {types} types"]
            cells.append((f"frame AUC of the probe, {few} + {few}, {name}",
                          spread(rows, lambda r, f=few: r[f"own_{f}"]["auc"])))
    return "| third family of scenes | |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in cells)


def put(text: str, name: str, table: str) -> str:
    """`text` with what stands between the marks of `name` replaced."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"docs/embedded.md has no marks for {name}")
    return pattern.sub(lambda m: f"{m[1]}{table}\n{m[2]}", text)


def main() -> None:
    """Fills the card."""
    run, card, final = (json.loads(Path(path).read_text()) for path in sys.argv[1:4])
    path = DOCS / "embedded.md"
    text = put(path.read_text(), "aims", aims(card))
    text = put(text, "details", details(card, ("seen", "unseen"), ("seen", "unseen")))
    text = put(text, "final", last_row(final))
    facts = ", ".join(f"{name} {value}" for name, value in run.items())
    path.write_text(put(text, "run", f"`{facts}`"))


if __name__ == "__main__":
    main()
