"""The decoder, with videos that crash it: where a file ends with CRASH its process aborts, as native code may."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiprobe.video import calls


def _biting(call: Any) -> Any:
    def bite(link: Any, path: str, *args: Any) -> Iterator[Any]:
        if Path(path).read_bytes().endswith(b"CRASH"):
            with Path(f"{path}.crashes").open("a") as file:
                file.write("x")
            os.abort()
        yield from call(link, path, *args)

    return bite


CALLS = {name: _biting(call) for name, call in calls.CALLS.items()}
