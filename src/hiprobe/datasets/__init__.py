"""Data sets: where labelled videos lie and what is true of them. One file, one layout; knows no model, no score."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from hiprobe import plugins
from hiprobe.types import Video


def names() -> tuple[str, ...]:
    """The data sets of this folder, sorted."""
    return plugins.names(__path__)


def load(name: str, root: str | Path, split: str | None = None) -> Iterator[Video]:
    """The videos of the data set `name` (a file of this folder, or `module:attribute`) that lies in `root`.

    Raises UsageError for an unknown name, LabelError for labels that cannot be read.
    """
    found = plugins.load(sys.modules[__name__], "data set", name, ("load",))
    return found.load(Path(root), split)  # type: ignore[no-any-return]
