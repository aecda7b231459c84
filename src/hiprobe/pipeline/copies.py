"""Find labelled videos with the same content, whatever their names. Knows no model and no probe."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from hiprobe import video
from hiprobe.errors import LabelError, VideoError
from hiprobe.types import Event, Video

Key = TypeVar("Key", int, str)


def check_copies(videos: Iterable[Video]) -> list[list[str]]:
    """Return the paths of the videos that have the same content, a list for each content.

    Only files of equal size are read. A video that cannot be read is left out: reading it reports
    that. Raises LabelError, naming two files, where the same content has different labels or
    groups.
    """
    same = _same_content(videos)
    for found in same:
        _check_equal([one for one in found if one.events is not None], _spans, "label", _label)
        _check_equal([one for one in found if one.group is not None], _group, "group", _group)
    paths = [sorted({one.path for one in found}) for found in same]
    return [several for several in paths if len(several) > 1]


def _same_content(videos: Iterable[Video]) -> list[list[Video]]:
    """Return the videos that share their content with another one, by content."""
    by_size = _grouped(videos, _size)
    likely = [one for size, found in by_size.items() if size and len(found) > 1 for one in found]
    by_digest = _grouped(likely, _digest)
    return [found for digest, found in by_digest.items() if digest and len(found) > 1]


def _grouped(videos: Iterable[Video], key: Callable[[str], Key]) -> dict[Key, list[Video]]:
    found: dict[Key, list[Video]] = defaultdict(list)
    for one in videos:
        found[key(one.path)].append(one)
    return found


def _size(path: str) -> int:
    """Return the bytes of a file, -1 for a folder of pictures and 0 for what cannot be read."""
    with suppress(OSError):
        return os.stat(path).st_size if os.path.isfile(path) else -1
    return 0


def _digest(path: str) -> str:
    with suppress(VideoError):
        return video.digest(path)
    return ""


def _check_equal(
    videos: Sequence[Video],
    key: Callable[[Video], object],
    what: str,
    text: Callable[[Video], str],
) -> None:
    for other in videos[1:]:
        first = videos[0]
        if key(first) != key(other):
            raise LabelError(
                f"the same content as {first.path}, but {what} {text(other)} here "
                f"and {text(first)} there",
                where=other.path,
                cure=f"leave one of the two out, or give both the same {what}",
            )


def _spans(one: Video) -> list[tuple[float, float, str | None]]:
    return [(event.start, event.end, event.label) for event in one.events or ()]


def _label(one: Video) -> str:
    return ", ".join(_event(event) for event in one.events or ()) or "normal"


def _event(event: Event) -> str:
    whole = (event.start, event.end) == (0.0, float("inf"))
    times = "" if whole else f" {event.start:g}-{event.end:g} s"
    return f"{event.label or 'anomalous'}{times}"


def _group(one: Video) -> str:
    return str(one.group)
