"""The header of a safetensors file, read from bytes that nobody vouches for. Knows JSON only: no tensors.

The format is a length (8 bytes, little-endian), a JSON object of that length, and the tensors.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, NoReturn

MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library


def read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """Read the header of a file of `size` bytes: its entries by name, and where the tensors begin (bytes).

    Raises ValueError for a header that is empty, longer than the file or than 100 MB, or not a JSON object, and
    RecursionError for one that is nested too deeply.
    """
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(size - 8, MAX_HEADER):
        raise ValueError(f"a header of {length} bytes in a file of {size}")
    entries = strict_json(file.read(length))
    if not isinstance(entries, dict):
        raise ValueError(f"the header is {type(entries).__name__}, not a JSON object")
    return entries, 8 + length


def strict_json(text: bytes | str) -> Any:
    """Parse JSON; raises ValueError for a key that appears twice in an object, NaN or infinity."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a key stands twice among {[key for key, _ in pairs][:8]}")
    return dict(pairs)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")
