"""The commands of the documentation, and what a page says about running them.

A mark is a comment on the line before a block:

    <!-- not run: hub -->                        left out, for one of `REASONS`
    <!-- run with: MODEL=embedded, 12=5000 -->   run with other words
    <!-- exit code: 2 -->                        run, and ends with this code

A block of shell commands is fenced or indented, and begins with a known command.
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
    "hours": "takes hours",
    "part": "is a part of a program or of a command",
}
COMMANDS = "cd|cp|curl|docker|export|git|hiprobe|install|make|pip|python3?|ray|DATA=.*"
START = re.compile(rf"(?:\$ )?(?:[A-Z_]+=\S* )*(?:{COMMANDS})\b")
MARK = re.compile(r"^ *<!-- (not run|run with|exit code): (.+?) -->$")
FENCE = re.compile(r"^ *```(\w*)$")
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
        """The text with the words of the mark `run with`, without prompts and their output."""
        lines = self.text.splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        text = "\n".join(lines)
        for pair in filter(None, self.marks.get("run with", "").split(", ")):
            old, _, new = pair.partition("=")
            text = re.sub(rf"(?<![\w/-]){re.escape(old)}(?![\w-])", new, text)
        return text


def pages() -> list[Path]:
    """The pages for people. Those in docs/data are made by commands that take hours."""
    found = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [page for page in found if page.parent != REPOSITORY / "docs" / "data"]


def blocks(page: Path) -> Iterator[Block]:
    """Every block of commands and of Python of `page`, in its order."""
    lines = page.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = FENCE.match(lines[number])
        indented = not fence and _begins_indented(lines, number)
        end = _end(lines, number, bool(fence)) if fence or indented else number
        if fence or indented:
            inside = lines[number + bool(fence) : end]
            found = _block(page, lines, number, inside, fence[1] if fence else "")
            if found:
                yield found
        number = end + 1


def _begins_indented(lines: list[str], number: int) -> bool:
    """Whether an indented block begins here, and not a list's second paragraph."""
    before = lines[number - 1] if number else ""
    return bool(
        re.match(r" {4}\S", lines[number])
        and (not before or MARK.match(before))
        and START.match(lines[number].strip())
    )


def _end(lines: list[str], number: int, fenced: bool) -> int:
    """The line that ends the block: its closing fence, or the first that is not indented."""
    number += 1
    while number < len(lines) and (
        not FENCE.match(lines[number]) if fenced else lines[number].startswith("    ")
    ):
        number += 1
    return number


def _block(
    page: Path, lines: list[str], number: int, inside: list[str], language: str
) -> Block | None:
    """The block that begins at line `number`, unless it is neither commands nor Python."""
    text = "\n".join(line.strip() if language != "python" else line for line in inside)
    python = language == "python"
    if not python and (language not in ("", "sh", "bash", "console") or not START.match(text)):
        return None
    above = number
    while above and (MARK.match(lines[above - 1]) or not lines[above - 1].strip()):
        above -= 1
    marks = {m[1]: m[2] for m in map(MARK.match, lines[above:number]) if m}
    saved = SAVED.search(" ".join(lines[max(0, above - 3) : above])) if python else None
    return Block(page, number + 1, text, python, saved[1] if saved else None, marks)
