"""Show the examples of docstrings as code: Markdown would take doctests for text."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import griffe


def fenced(text: str) -> str:
    """Put each doctest of a docstring into a code block, as far indented as it is."""
    blocks = []
    for blank, group in groupby(text.split("\n"), key=lambda line: not line.strip()):
        lines = list(group)
        first = next((i for i, line in enumerate(lines) if line.lstrip().startswith(">>> ")), None)
        if not blank and first is not None:
            indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
            lines[first:] = [f"{indent}```python", *lines[first:], f"{indent}```"]
        blocks += lines
    return "\n".join(blocks)


class Examples(griffe.Extension):
    """Fences the doctests of every object that is documented."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring before it is rendered."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
