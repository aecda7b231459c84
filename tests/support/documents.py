"""The commands of the documentation, and what a page says about running them.

Commands are in a block fenced with ```sh, or with ```console if it shows what they print; then
those after `$ ` are run. Python is in one fenced with ```python. Nothing else is a command.

A mark is a comment on the line before such a block, or before another mark of it:

    <!-- not run: hub -->                        left out, for one of `REASONS`
    <!-- run with: MODEL=embedded, 12=5000 -->   run with other words
    <!-- run first: hiprobe detect shop/ -->     run after what the reader has done already
    <!-- exit code: 2 -->                        run, and ends with this code
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REASONS = {
    "gpu": "needs a GPU",
    "hub": "needs a model from the hub",
    "data set": "needs a public data set",
    "camera": "needs a camera, a broker, a phone or another service of yours",
    "index": "installs from the package index",
    "system": "installs or starts services, containers or a cluster",
    "tool": "needs a program of another project",
    "file": "needs a file of yours",
    "hours": "takes hours",
    "part": "is a part of a program or of a command",
}
# How a line begins that is meant for a shell, to find blocks without a fence for it.
COMMANDS = "cd|cp|curl|docker|export|git|hiprobe|install|make|pip|python3?|ray|DATA=.*"
START = re.compile(rf"(?:\$ )?(?:[A-Z_]+=\S* )*(?:{COMMANDS})\b")
MARK = re.compile(r"^ *<!-- (not run|run with|run first|exit code): (.+?) -->$")
FENCE = re.compile(r"^ *```(\w*)$")
SHELL = ("sh", "console")
SAVED = re.compile(r"Save it as (?:module )?`(\w+)(?:\.py)?`")


@dataclass(frozen=True)
class Block:
    """Lines that a reader is meant to give to a shell or to Python."""

    page: Path
    line: int
    text: str
    python: bool
    saved_as: str | None
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> str | None:
        """Why it is not run; None if it is. Raises KeyError for an unknown reason."""
        reason = self.marks.get("not run")
        return None if reason is None else REASONS[reason]

    @property
    def code(self) -> int:
        """The exit code that the page promises."""
        return int(self.marks.get("exit code", "0"))

    @property
    def where(self) -> str:
        """Page and line, to be found in an editor."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def runnable(self) -> str:
        """The text with what its marks add and change, without prompts and what they print."""
        lines = self.text.splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        text = "\n".join(lines)
        for pair in filter(None, self.marks.get("run with", "").split(", ")):
            old, _, new = pair.partition("=")
            text = re.sub(rf"(?<![\w/-]){re.escape(old)}(?![\w-])", new, text)
        return "\n".join(filter(None, (self.marks.get("run first"), text)))


def pages() -> list[Path]:
    """The pages for people. Those in docs/data are made by commands that take hours."""
    found = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [page for page in found if page.parent != REPOSITORY / "docs" / "data"]


def blocks(page: Path) -> Iterator[Block]:
    """Every block of commands and of Python of `page`, in its order."""
    lines = page.read_text("utf-8").splitlines()
    for start, end, language in _fences(lines):
        if language in (*SHELL, "python"):
            yield _block(page, lines, start, end)


def faults(page: Path) -> list[str]:
    """What a page has that this reader would pass over: commands, or marks that mark nothing."""
    lines = page.read_text("utf-8").splitlines()
    inside: set[int] = set()
    marked: set[int] = set()
    found = []
    for start, end, language in _fences(lines):
        inside |= set(range(start, end + 1))
        if language in (*SHELL, "python"):
            marked |= set(range(_first_mark(lines, start), start))
        elif not language or (language != "text" and START.match(lines[start + 1].strip())):
            found.append(f"{page.name}:{start + 1}: name the language; commands have `sh`")
    for number, line in enumerate(lines):
        if number not in inside and re.match(r" {4}", line) and START.match(line.strip()):
            found.append(f"{page.name}:{number + 1}: put commands between fences")
        if number not in marked | inside and re.search(
            r"^ *<!-- *(not run|run with|run first|exit)", line
        ):
            found.append(f"{page.name}:{number + 1}: a mark without a block")
        if number in marked and (mark := MARK.match(line)) and not _known(mark[1], mark[2]):
            found.append(f"{page.name}:{number + 1}: {mark[2]} is not a known reason")
    return found


def _known(kind: str, words: str) -> bool:
    return kind != "not run" or words in REASONS


def _fences(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """First and last line of each fenced block, and its language."""
    number = 0
    while number < len(lines):
        if fence := FENCE.match(lines[number]):
            start = number
            number += 1
            while number < len(lines) and not FENCE.match(lines[number]):
                number += 1
            yield start, number, fence[1]
        number += 1


def _first_mark(lines: list[str], start: int) -> int:
    """The line of the first mark of the block that begins at `start`; itself if it has none."""
    while start and MARK.match(lines[start - 1]):
        start -= 1
    return start


def _block(page: Path, lines: list[str], start: int, end: int) -> Block:
    """The block between two fences, with its marks."""
    python = lines[start].strip() == "```python"
    text = "\n".join(line if python else line.strip() for line in lines[start + 1 : end])
    above = _first_mark(lines, start)
    marks = {m[1]: m[2] for m in map(MARK.match, lines[above:start]) if m}
    saved = SAVED.search(" ".join(lines[max(0, above - 3) : above])) if python else None
    return Block(page, start + 1, text, python, saved[1] if saved else None, marks)
