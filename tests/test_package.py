"""The distributions: what is in them, what the package index shows, and that the wheel works alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from hatch_build import readable_anywhere, urls
from packaging.requirements import Requirement
from tests.test_project import PROJECT, ROOT

import hiprobe
from hiprobe import embedded

REPOSITORY = "https://github.com/OWNER/hiprobe"
README = """
[![a](a/a.png)](a/a.md) [b](CHANGELOG.md#b) [c](#c) [d](https://d.org) ![e](e.png) `[f](f)`
<a href="g.md">g</a> <img alt="h" src="h.svg" width="9">
```
[i](i.md)
```
"""
EXTRAS = {
    "review",
    "live",
    "alerts",
    "ray",
    "s3",
    "hub",
    "formats",
    "notebook",
    "docs",
    "train",
    "assembled",
    "dev",
}


def build(target: str, source: Path, folder: Path) -> Path:
    """Build `target`, `sdist` or `wheel`, from a checkout or an unpacked sdist."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, capture_output=True, check=True)
    (made,) = folder.glob("hiprobe-*")
    return made


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from this checkout and unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"hiprobe-{hiprobe.__version__}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, unpacked: Path) -> Path:
    """The wheel, built from the source distribution as an installer does."""
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def metadata(built: Path) -> Message:
    """The fields of the wheel's METADATA; the payload is what the package index shows."""
    with zipfile.ZipFile(built) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(wheel.read(name).decode())


def package_files(root: Path) -> set[str]:
    """The files of the package below `root`, by their name in a wheel."""
    found = ((root / "src" / "hiprobe").rglob("*"), root / "src")
    return {
        path.relative_to(found[1]).as_posix()
        for path in found[0]
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    names = set(zipfile.ZipFile(built).namelist())
    assert {"hiprobe/py.typed", "hiprobe/__main__.py"} <= names
    assert not package_files(ROOT) - names


def test_the_metadata_is_complete(metadata: Message) -> None:
    assert metadata["Version"] == hiprobe.__version__
    assert metadata["License-Expression"] == "Apache-2.0 AND 0BSD AND MIT"
    assert {Path(name).name for name in metadata.get_all("License-File", [])} == {
        "LICENSE",
        *(path.name for path in ROOT.rglob("src/**/*.LICENSE")),
    }
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    assert {"Author", "Summary", "Keywords", "Project-URL"} <= set(metadata)


def test_no_extra_brings_ray_but_its_own() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert [name for name in extras if name != "ray" and "ray" in map(named, extras[name])] == []
    assert "fsspec" in map(named, extras["s3"])


def named(requirement: str) -> str:
    return Requirement(requirement).name


def test_the_torch_of_a_user_is_kept() -> None:
    """Pip replaces an installed torch only if it is older than the bound."""
    (torch,) = (one for one in PROJECT["project"]["dependencies"] if named(one) == "torch")
    for installed in ("2.6.0", "2.9.1+cu128", "2.13.0+cpu", "3.0.0"):
        assert Requirement(torch).specifier.contains(installed)
    others = {named(one) for one in PROJECT["project"]["dependencies"]} - {"torch"}
    for other in sorted(others):
        for line in requires(other) or ():
            need = Requirement(line)
            if need.name == "torch" and (not need.marker or need.marker.evaluate({"extra": ""})):
                assert need.specifier.contains(version("torch")), f"{other}: {line}"


@pytest.mark.parametrize("repository", [REPOSITORY, ""])
def test_readme_has_no_relative_address_on_the_package_index(repository: str) -> None:
    page = readable_anywhere((ROOT / "README.md").read_text("utf-8"), repository, "v1")
    targets = re.findall(r"\]\(([^)\s]+)\)|\b(?:src|href|srcset)=\"([^\"]+)\"", page)
    assert all(re.match("https?://", one or other) for one, other in targets)


def test_readme_names_files_and_pictures_of_the_release() -> None:
    blob, raw = f"{REPOSITORY}/blob/v1", f"{REPOSITORY}/raw/v1"
    assert readable_anywhere(README, REPOSITORY, "v1") == (
        f"\n[![a]({raw}/a/a.png)]({blob}/a/a.md) [b]({blob}/CHANGELOG.md#b) "
        f"[c]({blob}/README.md#c) [d](https://d.org) ![e]({raw}/e.png) `[f](f)`\n"
        f'<a href="{blob}/g.md">g</a> <img alt="h" src="{raw}/h.svg" width="9">\n'
        "```\n[i](i.md)\n```\n"
    )
    assert urls(REPOSITORY, "v1")["Changelog"] == f"{blob}/CHANGELOG.md"


def test_readme_says_the_same_without_an_address() -> None:
    assert readable_anywhere(README, "", "v1") == (
        "\n b c [d](https://d.org)  `[f](f)`\ng \n```\n[i](i.md)\n```\n"
    )
    assert list(urls("", "v1")) == ["Paper"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, built: Path) -> Path:
    """The command `hiprobe` of the wheel, in an environment that sees the installed libraries."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, str(built)], check=True, capture_output=True)
    assert (site / "hiprobe" / "__init__.py").is_file()
    return folder / "bin" / "hiprobe"


@pytest.fixture(scope="module")
def run(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """A function that runs the wheel's command in one folder, empty at first: what it printed."""
    folder = tmp_path_factory.mktemp("empty")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(*arguments: str | Path) -> str:
        done = subprocess.run(
            [command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_the_wheel_works_in_an_empty_folder(run: Callable[..., str], normal_clip: Path) -> None:
    """The clips of the package stand for a user's; their states are those of the demonstration."""
    states = ("--store", Path("hiprobe-out", ".store"))
    assert "look, judge and refit: hiprobe review" in run("demo")
    assert "probe: probe.safetensors" in run("fit", embedded.CLIPS, "--no-verify", *states)
    assert "1 done" in run("detect", normal_clip, "-o", "found")
    assert "--allow-host" in run("review", "--help")
