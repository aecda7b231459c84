"""A table of results as Markdown and JSON. Knows no experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """One line of "does the paper's claim hold here": the claim, the figure it is judged by, the answer."""

    text: str
    figure: str
    answer: str


@dataclass(frozen=True)
class Table:
    """A titled table of cells as text, a note below it, and the claims that its numbers decide."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    claims: tuple[Claim, ...] = field(default=())

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"{self.title}: {len(self.columns)} columns, but a row {wrong[0]}")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Table:
        """The inverse of `to_json`."""
        claims = tuple(Claim(**claim) for claim in values["claims"])
        rows = tuple(tuple(row) for row in values["rows"])
        return cls(values["title"], tuple(values["columns"]), rows, values["note"], claims)

    def to_markdown(self) -> str:
        """A heading, the table, the note."""
        note = ["", self.note] if self.note else []
        return "\n".join([f"### {self.title}", "", markdown(self.columns, self.rows), *note, ""])


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
