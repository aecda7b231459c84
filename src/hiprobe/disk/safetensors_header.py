"""The header of a safetensors file, which may come from a stranger. JSON only: no tensors.

A file is a length (8 bytes, little-endian), a JSON object of that length, and the tensors.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, NoReturn

MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library


def read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """Read the header of a file of `size` bytes.

    Returns its entries by name, and the offset in bytes at which the tensors begin. Raises
    ValueError if it is empty, longer than the file or than 100 MB, or not a JSON object, and
    RecursionError if it is nested too deeply.

    >>> from io import BytesIO
    >>> read_header(BytesIO((2).to_bytes(8, "little") + b"{}"), size=10)
    ({}, 10)
    """
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(size - 8, MAX_HEADER):
        raise ValueError(
            f"the length of the header must be above 0 and fit into the file ({size} bytes), "
            f"got {length}"
        )
    entries = strict_json(file.read(length))
    if not isinstance(entries, dict):
        raise ValueError(f"the header must be a JSON object, got {type(entries).__name__}")
    return entries, 8 + length


def strict_json(text: bytes | str) -> Any:
    """Parse JSON; raises ValueError for a key that appears twice in an object, NaN or infinity."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a key appears twice among {[key for key, _ in pairs][:8]}")
    return dict(pairs)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
