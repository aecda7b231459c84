"""Finds a plug-in: a file of a package folder by its name, or `module:attribute` from outside. Knows none of them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from hiprobe.errors import UsageError

OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def names(folder: Iterable[str]) -> tuple[str, ...]:
    """The plug-ins of a package's `__path__`, sorted: its files without a leading underscore."""
    return tuple(
        sorted(m.name for m in pkgutil.iter_modules(list(folder)) if not m.name.startswith("_"))
    )


def load(package: ModuleType, kind: str, name: str, needs: Sequence[str]) -> Any:
    """The plug-in `name` of `package`, or from outside; raises UsageError if there is none or it lacks a need."""
    found = _outside(kind, name) if ":" in name else _inside(package, kind, name)
    missing = [part for part in needs if not hasattr(found, part)]
    if missing:
        raise UsageError(f"{name!r} is no {kind}: it has no {', '.join(missing)}")
    return found


def _inside(package: ModuleType, kind: str, name: str) -> Any:
    known = names(package.__path__)
    if name not in known:
        raise UsageError(
            f"there is no {kind} {name!r}", cure=f"choose {', '.join(known)} or module:attribute"
        )
    return importlib.import_module(f"{package.__name__}.{name}")


def _outside(kind: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(
            f"there is no {kind} {name!r}: {error}", cure="give an importable module:attribute"
        ) from error
    return found
