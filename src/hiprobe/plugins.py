"""Find a plug-in by its name. Knows no plug-in and no kind of plug-in.

A name is looked up in this order:

1. `module:attribute` is imported from anywhere on the Python path.
2. A file of the package's folder, such as `hiprobe/methods/one_class.py`. An installed package
   cannot replace it.
3. An entry point of an installed package, in the group named after the package, such as
   `hiprobe.methods`. A name that several packages offer is an error.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
FAILURES = (  # what a plug-in's code may raise
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_ENTRY_NAME = re.compile(r"[A-Za-z][\w-]*")


def names(folder: Iterable[str], group: str) -> tuple[str, ...]:
    """Return the plug-ins of a package, sorted: its public files and the installed entry points.

    `folder` is the package's `__path__` and `group` its name. No plug-in is imported. Entry points
    whose name is not made of letters, digits, `_` and `-` are left out.

    >>> import hiprobe.sinks
    >>> names(hiprobe.sinks.__path__, "hiprobe.sinks")[:3]
    ('apprise', 'csv', 'frigate')
    """
    return tuple(sorted({*built_in(folder), *(entry.name for entry in _entries(group))}))


def load(package: ModuleType, kind: str, name: str, needs: Sequence[str]) -> Any:
    """Import the plug-in `name` of `package` and check that it has the attributes `needs`.

    `kind` is the word for it in errors. Raises UsageError if there is no such plug-in, if it cannot
    be imported, or if an attribute is missing.

    >>> import hiprobe.sinks
    >>> load(hiprobe.sinks, "sink", "jsonl", ["open"]).__name__
    'hiprobe.sinks.jsonl'
    """
    found = _find(package, kind, name)
    missing = [part for part in needs if not hasattr(found, part)]
    if missing:
        raise UsageError(
            f"{kind} {name!r} lacks {', '.join(missing)}", cure="define it; see docs/recipes.md"
        )
    return found


def _find(package: ModuleType, kind: str, name: str) -> Any:
    if ":" in name:
        return _outside(kind, name)
    if name in built_in(package.__path__):
        return importlib.import_module(f"{package.__name__}.{name}")
    return _installed(package, kind, name)


def built_in(folder: Iterable[str]) -> list[str]:
    """Return the names of a package's public files, which are its own plug-ins.

    >>> import hiprobe.sinks
    >>> built_in(hiprobe.sinks.__path__)
    ['apprise', 'csv', 'frigate', 'jsonl', 'mqtt', 'webhook', 'webvtt']
    """
    found = (module.name for module in pkgutil.iter_modules(list(folder)))
    return [name for name in found if not name.startswith("_")]


def _entries(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # slow to import

    return [entry for entry in entry_points(group=group) if _ENTRY_NAME.fullmatch(entry.name)]


def _outside(kind: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except FAILURES as error:
        raise UsageError(
            f"there is no {kind} {name!r}: {error}", cure="give an importable module:attribute"
        ) from error
    return found


def _installed(package: ModuleType, kind: str, name: str) -> Any:
    found = [entry for entry in _entries(package.__name__) if entry.name == name]
    if not found:
        known = ", ".join(names(package.__path__, package.__name__))
        raise UsageError(f"there is no {kind} {name!r}", cure=f"choose {known} or module:attribute")
    if len(found) > 1:
        raise UsageError(
            f"{kind} {name!r} is offered by several packages: {', '.join(map(_origin, found))}",
            cure="uninstall all but one, or give module:attribute",
        )
    return _imported(kind, found[0])


def _imported(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except FAILURES as error:
        raise UsageError(
            f"{kind} {entry.name!r} of the installed package {_origin(entry)} cannot be imported"
            f" ({type(error).__name__}: {error})",
            cure="repair or uninstall that package",
        ) from error


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
