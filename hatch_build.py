"""What the package index shows: README with links and images that work there, and the project's links.

The address of the repository is in one place, `[tool.hatch.metadata.hooks.custom]` in pyproject.toml.
While it is empty, links to files of the repository become their text, and images are left out.
"""

from __future__ import annotations

import re
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
    for pattern, place, kind in (
        (LINK, 2, "blob"),
        (ANCHOR, 1, "blob"),
        (IMAGE, 2, "raw"),
        (PICTURE, 1, "raw"),
    ):
        text = pattern.sub(lambda found: _rewritten(found, place, kind, repository, tag), text)
    return re.sub("\0", lambda _: code.pop(0), text)


def _rewritten(found: re.Match[str], place: int, kind: str, repository: str, tag: str) -> str:
    """Return a link or image with an absolute address; without a repository, what remains of it."""
    target = found[place]
    if re.match(r"[a-z]+:", target):
        return found[0]
    if not repository:
        return found[3 - place] if kind == "blob" else ""
    path = f"README.md{target}" if target.startswith("#") else target
    start, end = (edge - found.start() for edge in found.span(place))
    return f"{found[0][:start]}{repository}/{kind}/{tag}/{path}{found[0][end:]}"
