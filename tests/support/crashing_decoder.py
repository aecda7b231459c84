"""A decoder whose process aborts on files that end with CRASH, as native code may."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiprobe.video import calls


def _crashing(call: Any) -> Any:
    def call_or_abort(link: Any, path: str, *args: Any) -> Iterator[Any]:
        if Path(path).read_bytes().endswith(b"CRASH"):
            with Path(f"{path}.crashes").open("a") as file:
                file.write("x")
            os.abort()
        yield from call(link, path, *args)

    return call_or_abort


CALLS = {name: _crashing(call) for name, call in calls.CALLS.items()}
