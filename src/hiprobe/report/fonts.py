"""Text in any script: fonts of this machine take over where matplotlib's own lacks a letter."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

STAND_IN = "?"


def choose_fonts(figure: Figure) -> bool:
    """Give each text of a figure the fonts that its letters need.

    Returns: Whether a letter is in no font of this machine, and was replaced by `STAND_IN`.
    """
    replaced = [_choose(text) for text in figure.findobj(Text)]
    return any(replaced)


def _choose(text: Text) -> bool:
    content = text.get_text()
    own = _letters(findfont(text.get_fontproperties()))
    missing = {ord(c) for c in content if not c.isspace()} - own
    families = _families(frozenset(missing)) if missing else ()
    for family in families:
        missing -= _letters(_installed()[family])
    if families:
        text.set_fontfamily([*text.get_fontfamily(), *families])
        text.set_fontweight("normal")  # matplotlib warns of a family without a bold face
    if missing:
        text.set_text("".join(_stand_in(c) if ord(c) in missing else c for c in content))
    return bool(missing)


@cache
def _families(missing: frozenset[int]) -> tuple[str, ...]:
    """Choose font families that hold letters, each the one with the most that are still missing."""
    chosen, left = [], missing
    while left:
        best = max(_installed(), key=lambda name: len(left & _letters(_installed()[name])))
        if not left & _letters(_installed()[best]):
            break
        chosen.append(best)
        left -= _letters(_installed()[best])
    return tuple(chosen)


@cache
def _installed() -> dict[str, str]:
    """Return a file of each font family of the machine.

    Those that come with matplotlib are left out: they are for formulas, or draw a box for anything.
    """
    own = Path(matplotlib.get_data_path())
    return {
        entry.name: entry.fname
        for entry in sorted(fontManager.ttflist, key=lambda entry: (entry.name, entry.fname))
        if own not in Path(entry.fname).parents and not entry.name.startswith("LastResort")
    }


@cache
def _letters(file: str) -> frozenset[int]:
    """Return the code points that a font file has; none for a font of fixed sizes, or a bad one."""
    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):
        return frozenset()
    return frozenset(font.get_charmap()) if font.scalable else frozenset()


def _stand_in(letter: str) -> str:
    return "" if unicodedata.category(letter).startswith("M") else STAND_IN
