"""Make what the package index shows: README with links and images that work there, and addresses.

The repository is named in one place, `[tool.hatch.metadata.hooks.custom]` of pyproject.toml. While
it is empty, links to files of the repository become their text, and images are left out.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAPER = "https://arxiv.org/abs/2507.17394"
PAGES = {"Homepage": "", "Issues": "/issues"}
FILES = {"Documentation": "docs/README.md", "Changelog": "CHANGELOG.md"}
CODE = re.compile(r"^(```|~~~).*?^\1[ \t]*$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[((?:!\[[^\]]*\]\([^)]*\)|[^\[\]])*)\]\(([^)\s]+)\)")
PICTURE = re.compile(r'<(?:img|source)\b[^>]*?\b(?:src|srcset)="([^"]+)"[^>]*>', re.IGNORECASE)
ANCHOR = re.compile(r'<a\b[^>]*?\bhref="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL | re.IGNORECASE)


class ProjectPage(MetadataHookInterface):
    """Sets `readme` and `urls` from README.md and the address of the repository."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the two fields to `metadata`, the table `project` of pyproject.toml."""
        repository = self.config["repository"].rstrip("/")
        tag = f"v{metadata['version']}"
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["urls"] = urls(repository, tag)
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readable_anywhere(text, repository, tag),
        }


def urls(repository: str, tag: str) -> dict[str, str]:
    """Return the links of the project page; only the paper's while there is no repository."""
    pages = {name: repository + path for name, path in PAGES.items()}
    files = {name: f"{repository}/blob/{tag}/{path}" for name, path in FILES.items()}
    return {**(pages | files if repository else {}), "Paper": PAPER}


def readable_anywhere(text: str, repository: str, tag: str) -> str:
    """Return README with addresses that do not depend on where it is shown; code stays as it is."""
    code = [match[0] for match in CODE.finditer(text)]
    text = CODE.sub("\0", text)
    links, pictures = (f"{repository}/{kind}/{tag}/" for kind in ("blob", "raw"))
    absolute = partial(_absolute, base=links if repository else None)
    text = ANCHOR.sub(partial(absolute, place=1, label=2), LINK.sub(absolute, text))
    absolute = partial(_absolute, base=pictures if repository else None, label=None)
    text = PICTURE.sub(partial(absolute, place=1), IMAGE.sub(absolute, text))
    return re.sub("\0", lambda _: code.pop(0), text)


def _absolute(found: re.Match[str], base: str | None, place: int = 2, label: int | None = 1) -> str:
    """Return a link or image with the address in group `place` below `base`; or only its label."""
    target = found[place]
    if re.match(r"[a-z]+:", target):
        return found[0]
    if base is None:
        return found[label] if label else ""
    path = f"README.md{target}" if target.startswith("#") else target
    start, end = (edge - found.start() for edge in found.span(place))
    return f"{found[0][:start]}{base}{path}{found[0][end:]}"
