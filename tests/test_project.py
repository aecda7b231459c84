"""What surrounds the code and must agree with it: the wheel, the version and the citation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import hiprobe

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
YAML_FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        ROOT / "CITATION.cff",
        ROOT / ".pre-commit-config.yaml",
        *(ROOT / ".github").rglob("*.yml"),
    ]
)


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize("name", YAML_FILES)
def test_a_yaml_file_can_be_read(name: str) -> None:
    assert isinstance(read_yaml(name), dict)


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == hiprobe.__version__
    assert {"message", "title", "authors", "license"} <= set(citation)
    (paper,) = citation["references"]
    assert "2507.17394" in str(paper["identifiers"])
    assert all(author["family-names"] and author["given-names"] for author in paper["authors"])


def test_the_changelog_has_a_section_for_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] == "Unreleased"
    assert hiprobe.__version__ in headings


def test_the_workflow_tests_every_python_version_that_is_declared() -> None:
    declared = [
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    ]
    matrix = read_yaml(".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == declared
    assert PROJECT["project"]["requires-python"] == f">={declared[0]}"
