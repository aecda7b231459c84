"""Calls of a camera's child that fail with the camera's address in their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hiprobe.errors import CorruptVideo
from hiprobe.isolate.child import Item, Link


def stream(
    _link: Link, request: dict[str, Any], _grid: dict[str, Any], footage: bool
) -> Iterator[Item]:
    """Raise a bug, or with footage a named error, that quotes the address."""
    yield from ()
    words = f"cannot read {request['url']} (user {request['url'].split('/')[2].split('@')[0]})"
    if footage:
        raise CorruptVideo(words, where=request["url"], cure=f"try {request['url']} again")
    raise LookupError(words)


CALLS = {"stream": stream}
