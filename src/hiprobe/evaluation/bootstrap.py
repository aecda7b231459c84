"""The draws behind the intervals of a report: how many, and which videos are drawn together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bootstrap:
    """The draws behind the intervals: their number, seed, and the group of each video by name."""

    draws: int
    seed: int
    groups: Mapping[str, str]

    def of(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the arguments of an interval over the videos of these names."""
        own = [_group(self.groups, name) for name in names] if self.groups else None
        return {"resamples": self.draws, "seed": self.seed, "groups": own}

    def can(self, names: Collection[str]) -> bool:
        """Tell whether these videos are enough for an interval."""
        return len({_group(self.groups, name) for name in names}) > 1


def _group(groups: Mapping[str, str], name: str) -> str:
    """Return what a video is drawn with: its group, or itself."""
    return f"group {groups[name]}" if name in groups else f"video {name}"
