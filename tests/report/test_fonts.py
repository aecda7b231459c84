"""Names in any script on the timeline: with an installed font, and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

NAME = "监控-front.mp4"
PROGRAM = """
import sys, warnings
import numpy as np
warnings.simplefilter("error")
from pathlib import Path
from hiprobe import Event, Result, Scores, report
starts = np.array([0.0, 1.6])
values = np.array([0.1, 0.9])
scores = Scores(starts, starts + 1.6, values, values, np.full(2, 0.5))
event = Event(1.6, 3.2, 2.4, 0.9, None, "监控")
made_with = {"model": {"id": "m", "revision": None, "sites": []}, "probe": "p"}
result = Result(sys.argv[1], "0" * 64, "done", 3.2, scores, (event,), provenance=made_with)
report.write_report(result, None, Path(sys.argv[2]))
"""


def install(folder: Path) -> None:
    """Install a font in which both letters of the name are a filled square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder([".notdef", "square"])
    made.setupCharacterMap({ord(letter): "square" for letter in "监控"})
    made.setupGlyf({".notdef": empty, "square": square})
    made.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 0)})
    made.setupHorizontalHeader(ascent=900, descent=-100)
    made.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    made.setupOS2(usWeightClass=400, sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    made.setupPost()
    folder.mkdir(parents=True)
    made.save(folder / "squares.ttf")


def timeline(folder: Path, name: str, home: Path | None = None) -> Image.Image:
    """Draw the timeline in a new process; `home` is where the user's fonts are, if not as here."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, folder],
        env={
            **os.environ,
            "PYTHONPATH": ":".join(sys.path),
            **({"HOME": str(home), "XDG_DATA_HOME": ""} if home else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert name in (folder / "report.html").read_text("utf-8")
    return Image.open(folder / "timeline.png").convert("L")


def headline(picture: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return the ink of the first line of the picture."""
    return np.asarray(picture)[:60] < 128


@pytest.mark.skipif(sys.platform != "linux", reason="fonts of a user are found elsewhere")
def test_a_font_of_the_machine_has_the_letters(tmp_path: Path) -> None:
    install(tmp_path / "home" / ".local" / "share" / "fonts")
    ink = headline(timeline(tmp_path / "out", NAME, tmp_path / "home"))
    columns = ink.any(axis=0).nonzero()[0]
    letters = ink[:, columns[0] : columns[0] + 20]
    filled = letters[letters.any(axis=1)]
    assert filled.mean() > 0.95  # the square, where a missing glyph would be an outline


def test_without_such_a_font_the_letters_are_replaced(tmp_path: Path) -> None:
    replaced = timeline(tmp_path / "a", "\U000f0000\U000f0001-front.mp4")
    plain = timeline(tmp_path / "b", "??-front.mp4")
    assert np.array_equal(headline(replaced), headline(plain))
