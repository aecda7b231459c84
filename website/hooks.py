"""Hooks of the site's build: files from outside `docs/`, and no call to another server.

`docs/` is read on its own, in the repository, too. So its pages link to `../examples/FILE`, which
the site brings as a file of its own, and to `../CHANGELOG.md`, which it brings as a page.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")  # of the repository, that are pages of the site
FILES = (  # that it offers as they are
    *("LICENSE", "Dockerfile", "Dockerfile.cuda", "constraints.txt", "examples"),
    *(".github/workflows/tests.yml", "training/world/places/TEXTURES.md"),
)
LINK = re.compile(r"(\]\()([^)\s#:]+)([^)\s]*\))")
# What a browser fetches by itself: not the links, which a reader follows.
FETCHED = (
    re.compile(
        r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    ),
    re.compile(
        r"<link\b(?![^>]*rel=[\"']?(?:canonical|next|prev))[^>]*?\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    ),
    re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')\s]+)"),
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and files from outside `docs/`."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    for top in FILES:
        for path in _files_in(ROOT / top):
            place = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def _files_in(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Point links that leave `docs/`, or that begin outside it, at the site's own files."""
    # Where the page is in the repository, and where its folder is in the site.
    inside = page.file.src_uri not in PAGES
    folder = posixpath.dirname(page.file.src_uri)
    home = posixpath.join("docs", folder) if inside else ""

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(home, match[2]))
        place = target.removeprefix("docs/")
        if target == "README.md":  # the repository's: the site begins with its own
            return match[1] + posixpath.relpath("README.md", folder or ".") + ")"
        if inside == target.startswith("docs/") or files.get_file_from_path(place) is None:
            return match[0]
        return match[1] + posixpath.relpath(place, folder or ".") + match[3]

    return LINK.sub(moved, markdown)


def on_post_build(config: Any) -> None:
    """Refuse a site whose pages fetch anything from another server."""
    site = Path(config.site_dir)
    for path in sorted(one for one in site.rglob("*") if one.suffix in (".html", ".css")):
        text = path.read_text("utf-8")
        for pattern in FETCHED:
            if found := pattern.search(text):
                where = path.relative_to(site)
                raise PluginError(f"{where} fetches {found[1]}: bring the file with the site")
