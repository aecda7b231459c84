"""A named error as JSON values and back, to cross between processes.

Knows no process and no socket.
"""

from __future__ import annotations

import os
from typing import Any

from hiprobe import errors
from hiprobe.errors import HiProbeError


def pack_error(error: HiProbeError) -> list[str | None]:
    """Return the error as JSON values: the name of its class, the reason, where, and the cure."""
    where = None if error.where is None else os.fspath(error.where)
    return [type(error).__name__, error.reason, where, error.cure]


def unpack_error(values: list[Any]) -> HiProbeError:
    """Return the error from which `pack_error` made `values`.

    A class that is not in `hiprobe.errors` (a plug-in may have its own) becomes HiProbeError.
    """
    name, reason, where, cure = values
    kind = getattr(errors, name, HiProbeError)
    known = isinstance(kind, type) and issubclass(kind, HiProbeError)
    return (kind if known else HiProbeError)(reason, where=where, cure=cure)
