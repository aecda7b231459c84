"""Plug-ins are found by file name or by module:attribute, and nothing else is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hiprobe import backbones, datasets, methods, plugins, sinks
from hiprobe.errors import HiProbeError, UsageError

FOLDERS = {"methods": methods, "datasets": datasets, "sinks": sinks, "backbones": backbones}


@pytest.fixture
def kennel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package `kennel` with the plug-ins `dog` and `cat` and a private file."""
    folder = tmp_path / "kennel"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "dog.py").write_text(
        "def bark(): return 'woof'\nclass Tail:\n    def wag(self): return 1\n"
    )
    (folder / "cat.py").write_text("def purr(): return 'rrr'\n")
    (folder / "_hidden.py").write_text("def bark(): return 'no'\n")
    (folder / "notes.txt").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    package = importlib.import_module("kennel")
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "kennel"]:
        del sys.modules[name]


def test_a_file_dropped_in_is_a_plug_in(kennel: ModuleType, tmp_path: Path) -> None:
    assert plugins.names(kennel.__path__) == ("cat", "dog")
    (tmp_path / "kennel" / "ant.py").write_text("def bark(): return 'tiny'\n")
    importlib.invalidate_caches()
    assert plugins.names(kennel.__path__) == ("ant", "cat", "dog")
    assert plugins.load(kennel, "animal", "ant", ("bark",)).bark() == "tiny"


def test_one_from_outside_needs_no_place_in_the_folder(kennel: ModuleType) -> None:
    assert plugins.load(methods, "animal", "kennel.dog:bark", ())() == "woof"
    assert plugins.load(methods, "animal", "kennel.dog:Tail", ("wag",))().wag() == 1
    assert plugins.load(methods, "animal", "kennel.dog:Tail.wag", ("__call__",)).__name__ == "wag"


def test_an_unknown_name_lists_the_known_ones(kennel: ModuleType) -> None:
    with pytest.raises(
        UsageError, match=r"there is no animal 'cow'; choose cat, dog or module:attribute"
    ):
        plugins.load(kennel, "animal", "cow", ())


def test_what_is_missing_of_one_is_named(kennel: ModuleType) -> None:
    for name in ("cat", "kennel.cat:purr"):
        with pytest.raises(UsageError, match=f"'{name}' is no animal: it has no bark, fetch"):
            plugins.load(kennel, "animal", name, ("bark", "fetch", "__doc__"))


@pytest.mark.parametrize(
    "name",
    [
        "_hidden",
        "__init__",
        "",
        ".",
        "../dog",
        "dog.py",
        "kennel.dog",
        "Dog",
        "notes",
        "os",
        ":",
        ":x",
        "kennel:",
        "nowhere:x",
        "kennel.dog:meow",
        "kennel.dog:bark.loud",
        "..dog:bark",
        "kennel dog:bark",
        "kennel.dog:",
        "kennel.none:x",
        "a:b:c",
        "\0:x",
    ],
)
def test_nothing_else_is_a_plug_in(kennel: ModuleType, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        plugins.load(kennel, "animal", name, ())
    assert str(caught.value).isprintable()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_is_listed_and_loads(folder: str) -> None:
    package = FOLDERS[folder]
    files = {
        path.stem
        for path in Path(package.__path__[0]).glob("*.py")
        if not path.name.startswith("_")
    }
    assert set(package.names()) == files - ({"auto"} if folder == "backbones" else set())
    for name in package.names():
        importlib.import_module(f"{package.__name__}.{name}")


@pytest.mark.parametrize(
    "load", [methods.load, sinks.load, backbones.load, lambda name: datasets.load(name, ".")]
)
@pytest.mark.parametrize("name", ["nosuch", "os:nosuch", "nowhere.at.all:x", ""])
def test_every_folder_names_what_it_lacks(load: object, name: str) -> None:
    with pytest.raises(HiProbeError) as caught:
        load(name)  # type: ignore[operator]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["os:getcwd", "os:sep"])
def test_something_that_loads_no_model_is_no_backbone(name: str) -> None:
    with pytest.raises(UsageError, match="no backbone"):
        backbones.load(name)
