"""Plug-ins are found as files, as entry points of installed packages and by module:attribute."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.installed_packages import install

from hiprobe import backbones, datasets, methods, plugins, sinks
from hiprobe.errors import HiProbeError, UsageError
from hiprobe.probe import Probe

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
    assert plugins.names(kennel.__path__, "kennel") == ("cat", "dog")
    (tmp_path / "kennel" / "ant.py").write_text("def bark(): return 'tiny'\n")
    importlib.invalidate_caches()
    assert plugins.names(kennel.__path__, "kennel") == ("ant", "cat", "dog")
    assert plugins.load(kennel, "animal", "ant", ("bark",)).bark() == "tiny"


def test_a_plug_in_may_be_outside_the_folder(kennel: ModuleType) -> None:
    assert plugins.load(methods, "animal", "kennel.dog:bark", ())() == "woof"
    assert plugins.load(methods, "animal", "kennel.dog:Tail", ("wag",))().wag() == 1
    assert plugins.load(methods, "animal", "kennel.dog:Tail.wag", ("__call__",)).__name__ == "wag"


def test_an_unknown_name_lists_the_known_ones(kennel: ModuleType) -> None:
    with pytest.raises(
        UsageError, match=r"there is no animal 'cow'; choose cat, dog or module:attribute"
    ):
        plugins.load(kennel, "animal", "cow", ())


def test_a_missing_attribute_is_named(kennel: ModuleType) -> None:
    for name in ("cat", "kennel.cat:purr"):
        with pytest.raises(UsageError, match=f"animal '{name}' lacks bark, fetch"):
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
def test_an_object_that_loads_no_model_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"backbone .* (cannot be loaded|lacks)"):
        backbones.load(name)


# --- entry points of installed packages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on the Python path that packages can be installed into."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


BIRD = "def bark(): return 'tweet'\n"


def test_an_installed_package_adds_a_plug_in(kennel: ModuleType, site: Path) -> None:
    install(site, "bird-pack", {"kennel": {"bird": "birds", "duck": "birds:duck"}}, birds=BIRD)
    assert plugins.names(kennel.__path__, "kennel") == ("bird", "cat", "dog", "duck")
    assert "birds" not in sys.modules, "names imports nothing"
    assert plugins.load(kennel, "animal", "bird", ("bark",)).bark() == "tweet"


def test_a_file_of_the_folder_comes_before_an_entry_point(kennel: ModuleType, site: Path) -> None:
    install(site, "bird-pack", {"kennel": {"dog": "birds"}}, birds=BIRD)
    assert plugins.names(kennel.__path__, "kennel") == ("cat", "dog")
    assert plugins.load(kennel, "animal", "dog", ("bark",)).bark() == "woof"


def test_a_name_of_two_packages_is_an_error_that_names_both(kennel: ModuleType, site: Path) -> None:
    install(site, "bird-pack", {"kennel": {"bird": "birds"}}, birds=BIRD)
    install(site, "wing-pack", {"kennel": {"bird": "wings"}}, wings=BIRD)
    with pytest.raises(UsageError, match=r"several packages: .*bird-pack.*; uninstall") as caught:
        plugins.load(kennel, "animal", "bird", ())
    assert "wing-pack" in str(caught.value)


@pytest.mark.parametrize(
    ("target", "source", "reason"),
    [
        ("birds", "import no_such_library\n", "No module named 'no_such_library'"),
        ("birds", "def (\n", "SyntaxError"),
        ("birds", "1 / 0\n", "division by zero"),
        ("birds:duck", BIRD, "has no attribute 'duck'"),
        ("nowhere", "", "No module named 'nowhere'"),
    ],
)
def test_an_entry_point_that_fails_to_import_names_its_package(
    kennel: ModuleType, site: Path, target: str, source: str, reason: str
) -> None:
    install(site, "bird-pack", {"kennel": {"bird": target}}, birds=source)
    with pytest.raises(UsageError, match="bird-pack cannot be imported") as caught:
        plugins.load(kennel, "animal", "bird", ())
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", ["../dog", "a b", "_private", "org/name", "9"])
def test_an_entry_point_with_an_odd_name_is_left_out(
    kennel: ModuleType, site: Path, name: str
) -> None:
    install(site, "bird-pack", {"kennel": {name: "birds"}}, birds=BIRD)
    assert plugins.names(kennel.__path__, "kennel") == ("cat", "dog")
    with pytest.raises(UsageError, match="there is no animal"):
        plugins.load(kennel, "animal", name, ())


SINK = "from hiprobe.sinks.jsonl import network, open, schemas\n"
DATASET = "def load(root, split=None):\n    return iter(())\n"
BACKBONE = "from tests.support.fake_backbone import load as load\n"


def test_each_folder_finds_the_entry_points_of_its_group(site: Path, tmp_path: Path) -> None:
    groups = {
        "hiprobe.methods": {"theirs": "hiprobe.methods.one_class"},
        "hiprobe.sinks": {"theirs": "their_sink"},
        "hiprobe.datasets": {"theirs": "their_data"},
        "hiprobe.backbones": {"theirs": "their_model", "made": "their_model:load"},
    }
    modules = {"their_sink": SINK, "their_data": DATASET, "their_model": BACKBONE}
    install(site, "theirs", groups, **modules)
    for folder in (methods, sinks, datasets, backbones):
        assert "theirs" in folder.names()
    assert methods.load("theirs") is methods.load("one_class")
    assert callable(sinks.load("theirs").open)
    assert list(datasets.load("theirs", tmp_path)) == []
    for name in ("theirs", "made"):
        assert backbones.load(name, device="cpu").recipe.model == "mean_colour"


def test_the_command_line_fits_with_an_installed_method(site: Path, tmp_path: Path) -> None:
    install(site, "asks", {"hiprobe.methods": {"asks": "hiprobe.methods.likelihood"}})
    run = "import sys, hiprobe.cli; sys.argv[0] = 'hiprobe'; hiprobe.cli.main()"
    command = [sys.executable, "-c", run, "fit"]
    search = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(
        [*command, "--help"], capture_output=True, text=True, env={**search, "COLUMNS": "300"}
    )
    assert "asks, contrast" in ran.stdout
    probe = tmp_path / "p.safetensors"
    done = subprocess.run(
        [*command, "--method", "asks", "-o", str(probe)], capture_output=True, text=True, env=search
    )
    assert done.returncode == 0, done.stderr
    assert Probe.load(probe).method == "asks"
