"""Turn a table of results into Markdown and JSON. Knows no experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """Hold a claim, the figure it is judged by, and the answer: yes, no or undecided."""

    text: str
    figure: str
    answer: str


@dataclass(frozen=True)
class Table:
    """Hold a titled table of text cells, the note below it, and the claims that it decides.

    Raises ValueError if a row does not have one cell per column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    claims: tuple[Claim, ...] = field(default=())

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(
                f"{self.title}: a row must have {len(self.columns)} columns, got {wrong[0]}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Table:
        """Return the table that `to_json` gave these values for."""
        claims = tuple(Claim(**claim) for claim in values["claims"])
        rows = tuple(tuple(row) for row in values["rows"])
        return cls(values["title"], tuple(values["columns"]), rows, values["note"], claims)

    def to_markdown(self) -> str:
        """Return a heading, the table and the note as Markdown."""
        note = ["", self.note] if self.note else []
        return "\n".join([f"### {self.title}", "", markdown(self.columns, self.rows), *note, ""])


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
