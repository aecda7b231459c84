"""Read tables as spreadsheets write them: UTF-8 or UTF-16, any line end, `,`, `;` or tab between.

Knows nothing of videos or labels.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.datasets import _times
from hiprobe.disk.regular import read_regular
from hiprobe.errors import LabelError

SEPARATORS = ",;\t"
MOST_BYTES = 2**26  # of a table or an annotation; UCF-Crime's largest has 20 kB


@dataclass(frozen=True)
class Row:
    """One line of a table: its cells by column, and the place `file:line` for errors.

    `comma` tells that decimals may be written with a comma.
    """

    where: str
    cells: dict[str, str | None]
    comma: bool = False

    @property
    def too_long(self) -> bool:
        """Whether there are more cells than columns."""
        return None in self.cells

    def text(self, column: str) -> str:
        """Return a cell without the spaces around it, empty if it is not there."""
        return (self.cells.get(column) or "").strip()

    def seconds(self, column: str, blank: float) -> float:
        """Return the time in a cell in seconds, or `blank`; raises LabelError for anything else."""
        text = self.text(column)
        found = _times.read_time(text, self.comma) if text else blank
        if found is None:
            raise LabelError(
                f"{column} must be a time from 0 on as seconds, mm:ss or h:mm:ss, got {text!r}",
                where=self.where,
                cure="write decimals with a point, such as 1.5" if "," in text else None,
            )
        return found


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, or in UTF-16 that begins with a byte order mark.

    Raises LabelError for anything else, and for more than 64 MiB.
    """
    try:
        data = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise LabelError(f"cannot be read: {error.strerror}", where=path) from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(
            f"cannot be read as UTF-8 or UTF-16: {error}", where=path, cure="save it as UTF-8"
        ) from error


def read_rows(path: Path, check: Callable[[Sequence[str], str], None]) -> list[Row]:
    """Read the rows of a table whose first line names the columns, leaving out blank rows.

    `check` gets the columns and the place of the first line, and raises LabelError for columns that
    will not do. Raises LabelError for a file that is not a table.
    """
    text = read_text(path)
    separator = _separator(text)
    # With newline="" the reader sees the line ends as they are.
    reader: csv.DictReader[str] = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True
    )
    try:
        check(reader.fieldnames or (), f"{path}:1")
        rows: list[tuple[int, dict[Any, Any]]] = [
            (reader.line_num, row) for row in reader if any(row.values())
        ]
    except csv.Error as error:
        raise LabelError(
            f"cannot be read as CSV: {error}", where=f"{path}:{reader.line_num}"
        ) from error
    return [Row(f"{path}:{number}", row, comma=separator == ";") for number, row in rows]


def _separator(text: str) -> str:
    """Return the most frequent separator of the first line; names of columns contain none."""
    return max(SEPARATORS, key=re.split(r"[\r\n]", text, maxsplit=1)[0].count)
