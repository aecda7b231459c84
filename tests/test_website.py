"""The site and the notebook, as far as that can be checked without building or running them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")

from mkdocs.config import load_config
from website import docstrings, hooks, tidy_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"


def test_doctests_become_code_blocks_as_far_indented_as_they_are() -> None:
    text = "Add.\n\n>>> 1 + 1\n2\n\nExample:\n    >>> f()\n    3\n\nMore."
    assert docstrings.fenced(text) == (
        "Add.\n\n```python\n>>> 1 + 1\n2\n```\n\n"
        "Example:\n    ```python\n    >>> f()\n    3\n    ```\n\nMore."
    )
    assert docstrings.fenced("No example: a >> b.") == "No example: a >> b."


@pytest.mark.parametrize(
    "text",
    [
        "<script src=https://cdn.example.org/x.js></script>",
        '<img alt="a" src="//example.org/x.png">',
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
        "@import 'https://example.org/x.css'; a { color: red }",
        "a { background: url(https://example.org/x.png) }",
    ],
)
def test_what_a_browser_would_fetch_elsewhere_is_found(text: str) -> None:
    assert any(pattern.search(text) for pattern in hooks.FETCHED)


def test_links_and_own_files_are_not_fetched_elsewhere() -> None:
    text = (
        '<a href="https://example.org">x</a><img src="../images/a.png"><script src="a.js"></script>'
        '<link rel="canonical" href="https://example.org/"> a { background: url("data:x") }'
    )
    assert not any(pattern.search(text) for pattern in hooks.FETCHED)


def test_the_site_can_be_built_from_a_clone() -> None:
    load_config(str(ROOT / "mkdocs.yml"))  # which is an error if a folder that it names is missing


def test_the_notebook_is_valid_and_shows_nothing_of_this_machine() -> None:
    text = NOTEBOOK.read_text("utf-8")
    assert tidy_notebook.tidy(text) == text, "make notebook"
    for cell in json.loads(text)["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code":
            ast.parse(re.sub(r"^%.*", "", code, flags=re.MULTILINE))
            assert cell["outputs"] or "import" in code, "make notebook"
            assert all(output["output_type"] != "error" for output in cell["outputs"])
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)


def test_the_notebook_goes_through_the_whole_method() -> None:
    text = NOTEBOOK.read_text("utf-8")
    for verb in ("extract", "fit", "layer_curves", "detect", "timeline", "heat", "explain"):
        assert f".{verb}(" in text
