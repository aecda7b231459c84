"""Summarise the same evaluation over several draws of a training set.

It computes means and standard deviations of figures, and no metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiprobe.errors import counted
from hiprobe.evaluation.markdown import markdown_table, markdown_text
from hiprobe.evaluation.tables import DEFINITIONS, Report

FROC = "froc: "


@dataclass(frozen=True)
class DrawSummary:
    """One `Report` per draw on the same test videos, and a summary of them.

    `draws` says what each draw was fitted on and which sites it chose. The standard deviation is
    that of a sample (n - 1) over the draws. A figure that is undefined in some draws is reported
    over the others, with their number.

    >>> import numpy as np
    >>> from hiprobe.evaluation import evaluate
    >>> truth = {"a": np.array([0, 1], np.uint8), "b": np.array([0, 0], np.uint8)}
    >>> scores = {"a": np.array([0.2, 0.9]), "b": np.array([0.1, 0.3])}
    >>> report = evaluate(truth, scores, bootstrap=0)
    >>> summary = DrawSummary((report, report), ({"seed": 0}, {"seed": 1}))
    >>> summary.figures()["scores"]["auc"]
    {'mean': 1.0, 'std': 0.0, 'n': 2}
    """

    reports: tuple[Report, ...]
    draws: tuple[Mapping[str, Any], ...]

    def figures(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """Return `mean`, `std` and number of draws `n` for each figure of each score.

        Those of the alarms are under `events`, those with demoted events under `with_demoted`, and
        recall at each number of false alarms per hour under `froc: ` and how events were found.
        """
        demoted = any(report.with_demoted for report in self.reports)
        tables = [
            {row.name: row.figures() for row in report.rows} | _event_tables(report, demoted)
            for report in self.reports
        ]
        everywhere = [name for name in tables[0] if all(name in one for one in tables)]
        return {
            name: {key: _summary([one[name][key] for one in tables]) for key in tables[0][name]}
            for name in everywhere
        }

    def to_json(self) -> dict[str, Any]:
        """Return the summary and every draw with its report as JSON values."""
        return {
            "figures": self.figures(),
            "draws": [
                {**draw, "report": report.to_json()}
                for draw, report in zip(self.draws, self.reports, strict=True)
            ],
        }

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """Return means and standard deviations, the draws and the definitions as Markdown."""
        first, found = self.reports[0], self.figures()
        titles = ["score", *(title for title, _ in DEFINITIONS.values())]
        rows = [
            [
                row.name + first.beside(),
                *(self._cell(found[row.name][key], row.control) for key in DEFINITIONS),
            ]
            for row in first.rows
            if row.name in found
        ]
        tested = f"{counted(first.videos, 'test video')}{first.beside()}"
        head = (
            f"{tested}, {counted(len(self.reports), 'draw')} of the training videos. Mean ± "
            "standard deviation over the draws; what needs no training has none."
        )
        words = first.definitions()
        del words["interval"]
        blocks = [
            head,
            markdown_table(titles, rows),
            *self._events(found),
            self._drawn(),
            "\n".join(f"- **{name}**: {text}" for name, text in words.items()),
            "\n".join(
                f"- {key}: {markdown_text(value)}"
                for key, value in first.provenance.items()
                if key != "scores"
            ),
        ]
        return "\n\n".join(blocks) + "\n"

    def _events(self, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
        return [
            markdown_table(
                (name.replace("_", " "), "mean ± standard deviation"),
                [[key + self.reports[0].beside(), self._cell(one)] for key, one in some.items()],
            )
            for name, some in found.items()
            if name in ("events", "with_demoted") or name.startswith(FROC)
        ]

    def _cell(self, figure: Mapping[str, Any], alone: bool = False) -> str:
        """Return mean and deviation as text, with the number of draws if some lack the figure."""
        if figure["mean"] is None:
            return "undefined"
        same = figure["std"] is None or (alone and not figure["std"])
        spread = "" if same else f" ± {figure['std']:.4f}"
        some = f" (of {figure['n']} draws)" if figure["n"] < len(self.reports) else ""
        return f"{figure['mean']:.4f}{spread}{some}"

    def _drawn(self) -> str:
        """Return a table of what each draw was fitted on and chose, with its own figures."""
        keys = [key for key in self.draws[0] if key != "videos"]
        rows = [
            [
                *(markdown_text(draw[key]) for key in keys),
                f"{report.rows[0].pooled.auc:.4f}",
                f"{report.rows[0].pooled.ap_step:.4f}",
            ]
            for draw, report in zip(self.draws, self.reports, strict=True)
        ]
        return markdown_table((*keys, DEFINITIONS["auc"][0], DEFINITIONS["ap_step"][0]), rows)


def _event_tables(report: Report, demoted: bool) -> dict[str, dict[str, float | None]]:
    """Return the figures of a report that are about events; `demoted` asks for both blocks."""
    if report.events is None:
        return {}
    found = {"events": dict(report.events.figures)}
    if demoted:
        found["with_demoted"] = dict((report.with_demoted or report.events).figures)
    return found | {f"{FROC}{row.name}": dict(row.recalls) for row in report.froc}


def _summary(values: list[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }
