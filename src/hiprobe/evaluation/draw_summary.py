"""The same evaluation over several draws of a training set: mean and standard deviation. Computes no metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiprobe.evaluation.tables import DEFINITIONS, Report, markdown_table, markdown_text


@dataclass(frozen=True)
class DrawSummary:
    """One `Report` a draw, on the same test videos; `draws` says of each what was fitted on and what was chosen.

    The standard deviation is that of a sample (n - 1) over the draws; a figure undefined in some of them is reported
    over the others, with their number.
    """

    reports: tuple[Report, ...]
    draws: tuple[Mapping[str, Any], ...]

    def figures(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """For each score, then each figure: `mean`, `std` and the number of draws `n`; events under `events`."""
        tables = [{row.name: row.figures() for row in report.rows} for report in self.reports]
        if all(report.events for report in self.reports):
            tables = [
                {**found, "events": dict(report.events.figures)} if report.events else found
                for found, report in zip(tables, self.reports, strict=True)
            ]
        return {
            name: {key: _summary([one[name][key] for one in tables]) for key in figures}
            for name, figures in tables[0].items()
        }

    def to_json(self) -> dict[str, Any]:
        """As JSON values: the summary, then every draw with its report."""
        return {
            "figures": self.figures(),
            "draws": [
                {**draw, "report": report.to_json()}
                for draw, report in zip(self.draws, self.reports, strict=True)
            ],
        }

    def to_markdown(self) -> str:
        """As Markdown: mean and standard deviation, the draws, the definitions."""
        first, found = self.reports[0], self.figures()
        titles = ["score", *(title for title, _ in DEFINITIONS.values())]
        rows = [
            [
                row.name + first.beside(),
                *(self._cell(found[row.name][key], row.control) for key in DEFINITIONS),
            ]
            for row in first.rows
        ]
        head = (
            f"{first.videos} test videos{first.beside()}, {len(self.reports)} draws of the training videos. Mean ± "
            "standard deviation over the draws; the controls need no training."
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
        if "events" not in found:
            return []
        return [
            markdown_table(
                ("events", "mean ± standard deviation"),
                [
                    [name + self.reports[0].beside(), self._cell(one)]
                    for name, one in found["events"].items()
                ],
            )
        ]

    def _cell(self, figure: Mapping[str, Any], alone: bool = False) -> str:
        """Mean and deviation, with the number of draws where not all define the figure."""
        if figure["mean"] is None:
            return "undefined"
        spread = "" if figure["std"] is None or alone else f" ± {figure['std']:.4f}"
        some = f" (of {figure['n']} draws)" if figure["n"] < len(self.reports) else ""
        return f"{figure['mean']:.4f}{spread}{some}"

    def _drawn(self) -> str:
        """What each draw held and chose, and its own figures."""
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


def _summary(values: list[float | None]) -> dict[str, float | int | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }
