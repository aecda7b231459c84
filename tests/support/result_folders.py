"""The folder of a result, by the contract alone: `<stem>-<16 hex of sha256(name NUL digest)>`."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath


def folder_name(name: str, digest: str) -> str:
    key = hashlib.sha256(name.encode() + b"\0" + digest.encode()).hexdigest()
    return f"{PurePosixPath(name).stem}-{key[:16]}"
