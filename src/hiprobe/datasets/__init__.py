"""Data sets: where labelled videos lie and what is true of them. One file is one layout; knows no model and no score."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.types import Video


def names() -> tuple[str, ...]:
    """The data sets of this folder, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load(name: str, root: str | Path, split: str | None = None) -> Iterator[Video]:
    """The videos of the data set `name` (a file of this folder, or `module:attribute`) that lies in `root`.

    Raises UsageError for an unknown name, LabelError for labels that cannot be read.
    """
    found = _outside(name) if ":" in name else _inside(name)
    return found.load(Path(root), split)  # type: ignore[no-any-return]


def _inside(name: str) -> Any:
    if name not in names():
        raise UsageError(f"there is no data set {name!r}", cure=f"choose {', '.join(names())} or module:attribute")
    return importlib.import_module(f"{__name__}.{name}")


def _outside(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"there is no data set {name!r}: {error}") from error
