"""The examples in docstrings: each public name has one, and every example gives what it says."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import hiprobe

HOUSE = Path(hiprobe.__file__).parent
INTERFACES = (
    *("video", "report", "plot", "evaluation", "probe", "checks", "backbones", "datasets"),
    "formats",
)
PROTOCOLS = ("backbones.Backbone", "methods.Method", "sinks.Sink")
WITHOUT = {  # public names without an example, and why
    "backbones.CatalogueEntry": "a row of `hiprobe models`",
    "backbones.Loading": "the arguments of `load`",
    "backbones.ModelFacts": "the part of `Backbone` that needs no weights",
    "checks.BrokenPromise": "an error",
    "datasets.categories": "needs the annotation of a public data set",
    "datasets.truth": "needs the annotation of a public data set",
    "datasets.uncounted": "needs the annotation of a public data set",
    "report.Thumbnail": "a time and a picture",
    "formats.FrameScores": "three arrays; `ScoreFormat` has an example",
    "formats.read_label_file": "needs a file of labels; `LabelFormat` has an example",
}


def with_examples() -> Iterator[str]:
    """The modules of the package that have an example somewhere."""
    for file in sorted(HOUSE.rglob("*.py")):
        source = file.read_text("utf-8")
        if ">>> " not in source:
            continue
        tree = ast.parse(source)
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
        texts = (ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, owners))
        if any(">>> " in text for text in texts):
            parts = file.relative_to(HOUSE.parent).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__")


MODULES = list(with_examples())


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted
    assert not done.failed


def public() -> Iterator[tuple[str, Any]]:
    """Every function and class in `hiprobe.__all__`, and in the interfaces of its folders."""
    for name in hiprobe.__all__:
        if not isinstance(getattr(hiprobe, name), ModuleType):
            yield name, getattr(hiprobe, name)
    for folder in INTERFACES:
        module = getattr(hiprobe, folder)
        for name in module.__all__:
            if callable(getattr(module, name)):
                yield f"{folder}.{name}", getattr(module, name)
    for dotted in PROTOCOLS:
        folder, _, name = dotted.partition(".")
        yield dotted, getattr(getattr(hiprobe, folder), name)


def test_every_public_name_has_an_example() -> None:
    lacking = {name for name, thing in public() if ">>> " not in (thing.__doc__ or "")}
    assert lacking == set(WITHOUT)
