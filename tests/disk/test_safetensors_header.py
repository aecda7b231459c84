"""The header of a safetensors file is read as the library writes it, within bounds."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from safetensors.numpy import save

from hiprobe.disk.safetensors_header import MAX_HEADER, read_header


def test_the_header_says_where_each_tensor_is() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = save({"values": values}, {"made": "here"})
    entries, body = read_header(BytesIO(data), len(data))
    first, last = entries["values"]["data_offsets"]
    assert entries["__metadata__"] == {"made": "here"}
    assert (np.frombuffer(data[body + first : body + last], np.float32) == values.ravel()).all()


def headed(text: str, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text.encode()


@pytest.mark.parametrize(
    ("data", "size", "reason"),
    [
        (b"", None, "got 0"),
        (headed("{}", 3), None, "10 bytes.*got 3"),
        (headed("{}", 2**63), None, "length of the header"),
        (headed("{}", MAX_HEADER + 1), 2**40, "length of the header"),
        (headed("[]"), None, "list"),
        (headed("nope"), None, "Expecting value"),
        (headed('{"a": 1, "a": 2}'), None, "twice"),
        (headed('{"a": NaN}'), None, "NaN"),
    ],
)
def test_a_header_outside_its_bounds_is_refused(data: bytes, size: int | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_header(BytesIO(data), len(data) if size is None else size)
