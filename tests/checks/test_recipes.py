"""The plug-ins written out in docs/recipes.md keep every promise, also as an installed package."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.installed_packages import install

import hiprobe
from hiprobe import backbones, checks, datasets, methods

RECIPES = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", RECIPES, re.DOTALL)
MODULES = {  # the module that a block is saved as, by what it defines
    "nearest": "class Nearest",
    "colours": "class Colours",
    "named_clips": "class NamedClips",
    "printer": "class Printer",
    "audacity": "class Audacity",
    "try_it": "checks.check_method",
}


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the Python path with the modules of the page, saved as it says."""
    folder = tmp_path / "saved"
    folder.mkdir()
    for name, defines in MODULES.items():
        found = [block for block in PYTHON if defines in block]
        assert len(found) == 1, name
        (folder / f"{name}.py").write_text(found[0])
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in MODULES:
        sys.modules.pop(name, None)


def test_every_block_of_the_page_is_run(saved: Path) -> None:
    assert len(PYTHON) == len(MODULES)
    runpy.run_path(str(saved / "try_it.py"))


def test_the_recipes_plug_ins_keep_every_promise(saved: Path, tmp_path: Path) -> None:
    for name in ("normal_1.mp4", "fall_2.mp4"):
        (tmp_path / name).touch()
    assert checks.check_method("nearest:nearest")
    assert checks.check_backbone("colours:load")
    assert checks.check_dataset("named_clips:named_clips", tmp_path)
    assert checks.check_sink("printer:printer", "alarm")
    assert checks.check_format("audacity:audacity")


def test_the_recipes_entry_points_are_found(saved: Path) -> None:
    block = re.findall(r"```toml\n(.*?)```", RECIPES, re.DOTALL)[0]
    rows = re.findall(r'^\[project\.entry-points\."(.+)"\]\n(\w+) = "(.+)"$', block, re.MULTILINE)
    install(saved, "recipes", {group: {name: target} for group, name, target in rows})
    assert "nearest" in methods.names()
    assert methods.load("nearest").LABELS == "normal"
    assert backbones.load("colours").recipe.model == "colours"


def test_the_recipes_backbone_and_data_set_are_fitted(saved: Path, clips: Path) -> None:
    model = backbones.load("colours:load")
    videos = datasets.load("named_clips:named_clips", clips)
    probe = hiprobe.fit("one_class", hiprobe.extract(videos, model, method="one_class"))
    assert probe.recipe.model == "colours"
