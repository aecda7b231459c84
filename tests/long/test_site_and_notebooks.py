"""The documentation site builds without a warning, and notebooks and the Space's page run."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.support.documents import REPOSITORY

from hiprobe import embedded

pytestmark = pytest.mark.long
NOTEBOOKS = sorted((REPOSITORY / "examples").rglob("*.ipynb"))
LONGEST_S = 3600


def notebook(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def not_run_here(path: Path) -> bool:
    """Whether the notebook says in its metadata that it needs another machine."""
    return bool(notebook(path)["metadata"].get("hiprobe", {}).get("not_run_here"))


def test_the_site_builds_strictly(counted: Counter[str]) -> None:
    if not re.search(r"^docs:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE):
        pytest.skip("the Makefile has no target docs")
    done = subprocess.run(
        ["make", "docs"], cwd=REPOSITORY, capture_output=True, text=True, timeout=LONGEST_S
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    counted["site built strictly"] += 1


@pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: path.relative_to(REPOSITORY).as_posix()
)
def test_a_notebook_runs(path: Path, tmp_path: Path, counted: Counter[str]) -> None:
    if not_run_here(path):
        counted["notebooks left out: marked as not run here"] += 1
        pytest.skip("marked as not run here")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    client = nbclient.NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=LONGEST_S,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    counted["notebooks run"] += 1


def test_the_page_of_the_space_shows_events(counted: Counter[str]) -> None:
    analyse = runpy.run_path(str(REPOSITORY / "examples" / "space" / "app.py"))["analyse"]
    picture, rows, page = analyse(str(embedded.VIDEO))
    assert Path(picture).is_file()
    assert Path(page).is_file()
    assert {row[3] for row in rows} == {"confirmed"}
    counted["video analysed by examples/space/app.py"] += 1
