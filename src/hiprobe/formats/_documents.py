"""Parse a file of labels that may come from a stranger: JSON, or XML without a document type.

An XML file cannot name entities of its own or other files, so nothing in it is expanded or fetched.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hiprobe.disk.regular import read_regular
from hiprobe.disk.safetensors_header import strict_json
from hiprobe.errors import LabelError
from hiprobe.ranges import LATEST_S

MOST_BYTES = 2**26  # of a file of labels, as of a table of labels
MOST_ELEMENTS = 1_000_000  # of an XML file: 64 MiB of <a/> would take gigabytes
MOST_DEPTH = 64
_INVALID = (ValueError, RecursionError, LookupError, expat.ExpatError)


def read_document(path: Path) -> Any:
    """Return the values of a `.json` file, or the outermost element of an XML file.

    Raises LabelError for a file that cannot be read or parsed, has more than 64 MiB or a million
    elements, is nested too deeply, or declares a document type.
    """
    kind = "JSON" if path.suffix.lower() == ".json" else "XML"
    try:
        data = read_regular(path, MOST_BYTES)
        return strict_json(data.decode("utf-8-sig")) if kind == "JSON" else parse_xml(data)
    except OSError as error:
        raise LabelError(f"cannot be read: {error.strerror}", where=path) from error
    except _INVALID as error:
        raise LabelError(
            f"cannot be read as {kind}: {error}", where=path, cure="export it again"
        ) from error


def parse_xml(data: bytes) -> Element:
    """Parse XML without a document type.

    Raises ValueError or ExpatError for anything else.

    >>> parse_xml(b'<a><b c="1"/></a>')[0].get("c")
    '1'
    """
    builder, parser = _Builder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.begin, builder.finish
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.Parse(data, True)
    return builder.close()


class _Builder:
    """Builds the elements, and counts them."""

    def __init__(self) -> None:
        self._tree, self._elements, self._depth = TreeBuilder(), 0, 0
        self.data, self.close = self._tree.data, self._tree.close

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self._elements, self._depth = self._elements + 1, self._depth + 1
        if self._elements > MOST_ELEMENTS or self._depth > MOST_DEPTH:
            raise ValueError(
                f"more than {MOST_ELEMENTS:,} elements, or more than {MOST_DEPTH} inside each other"
            )
        self._tree.start(tag, attributes)

    def finish(self, tag: str) -> None:
        """End an element."""
        self._depth -= 1
        self._tree.end(tag)


def _refuse_document_type(*_: object) -> None:
    raise ValueError("it declares a document type, which labels do not need")


def read_number(value: Any, what: str, where: str) -> float:
    """Return a number from 0 to 31 years; raises LabelError for anything else.

    Text is read as a number, as all values of XML are text.

    >>> read_number("12.5", "start", "labels.xml")
    12.5
    """
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not 0 <= found <= LATEST_S:
        raise LabelError(
            f"{what} must be a number from 0 to {LATEST_S:.0f}, got {str(value)[:40]!r}",
            where=where,
        )
    return found


def read_whole(value: Any, what: str, where: str) -> int:
    """Return a whole number from 0 on; raises LabelError for anything else."""
    found = read_number(value, what, where)
    if found != int(found):
        raise LabelError(f"{what} must be a whole number, got {str(value)[:40]!r}", where=where)
    return int(found)


def check_order(start: float, end: float, where: str) -> None:
    """Raise LabelError unless a span ends after its start."""
    if not end > start:
        raise LabelError(
            f"the event must end after its start at {start:.10g}, got end {end:.10g}", where=where
        )
