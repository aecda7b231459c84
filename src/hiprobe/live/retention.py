"""Which clips are deleted first. Pure rules: no file and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.live.cameras import ClipSettings

DAY_S = 86_400.0
GB = 1e9


@dataclass(frozen=True)
class KeptClip:
    """What is kept of an alert: files of `size` bytes together, `saved` at that Unix time.

    `name` is `<camera>/<alert>`. `reviewed`: somebody has judged the alert.
    """

    name: str
    size: int
    saved: float
    reviewed: bool = False


def to_delete(kept: Sequence[KeptClip], settings: ClipSettings, now: float) -> list[KeptClip]:
    """Return what is to be deleted at the Unix time `now`, in that order.

    First what is too old; then, while all together take too much, the oldest of what was reviewed,
    and only then the oldest of what was not.

    >>> kept = [KeptClip("a/seen", 900_000_000, 200.0, True), KeptClip("a/new", 900_000_000, 1.0)]
    >>> [one.name for one in to_delete(kept, ClipSettings(keep_gb=1.0), 300.0)]
    ['a/seen']
    """
    old = [one for one in kept if now - one.saved > _most_days(one, settings) * DAY_S]
    rest = [one for one in kept if one not in old]
    rest.sort(key=lambda one: (not one.reviewed, one.saved, one.name))
    excess = sum(one.size for one in rest) - settings.keep_gb * GB
    found = sorted(old, key=lambda one: one.saved)
    for one in rest:
        if excess <= 0:
            break
        found.append(one)
        excess -= one.size
    return found


def _most_days(one: KeptClip, settings: ClipSettings) -> float:
    return settings.keep_days if one.reviewed else settings.keep_unreviewed_days
