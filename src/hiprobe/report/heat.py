"""Where in the picture the score of an event comes from, as drawing and words. Knows no page."""

from __future__ import annotations

from dataclasses import dataclass

from hiprobe.types import Box, Event, Heat

FAINTEST = 0.05  # share of the strongest cell below which a cell is not drawn
DENSEST = 0.5  # opacity of the strongest cell
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map in the units of its grid, and its opacity from 0 to 1."""

    x: int
    y: int
    opacity: float


@dataclass(frozen=True)
class HeatMap:
    """What is drawn over a picture: a grid of cells, a box relative to the frame, a caption."""

    columns: int
    rows: int
    cells: tuple[Cell, ...]
    box: Box | None
    caption: str


def heat_map(event: Event) -> HeatMap | None:
    """Return the drawing of an event's heat and box; None for an event that has neither.

    Cells that carry nothing, or lower the score, are left out.

    >>> event = Event(0.0, 1.6, heat=((0.0, 2.0), (1.0, -1.0)))
    >>> found = heat_map(event)
    >>> [(cell.x, cell.y, cell.opacity) for cell in found.cells]
    [(1, 0, 0.5), (0, 1, 0.25)]
    >>> found.caption
    'Where the score comes from: strongest at the upper right.'
    """
    if event.box is None and event.heat is None:
        return None
    heat = event.heat or ((0.0,),)
    strongest = max(max(row) for row in heat)
    box = event.box or (_strongest(heat, strongest) if strongest > 0 else None)
    said = f"strongest at the {place(box)}" if box else "no part of the picture carries it alone"
    caption = f"Where the score comes from: {said}."
    return HeatMap(len(heat[0]), len(heat), _cells(heat, strongest), box, caption)


def place(box: Box) -> str:
    """Say in which ninth of the picture the middle of a box is.

    >>> place((0.0, 0.0, 0.25, 0.25)), place((0.5, 0.5, 0.1, 0.1)), place((0.3, 0.8, 0.3, 0.2))
    ('upper left', 'centre', 'lower centre')
    """
    x, y, width, height = box
    column, row = (min(2, int(3 * middle)) for middle in (x + width / 2, y + height / 2))
    return "centre" if row == column == 1 else f"{_ROWS[row]} {_COLUMNS[column]}"


def _strongest(heat: Heat, strongest: float) -> Box:
    """Return the first of the strongest cells as a box."""
    rows, columns = len(heat), len(heat[0])
    y = next(index for index, row in enumerate(heat) if strongest in row)
    return heat[y].index(strongest) / columns, y / rows, 1 / columns, 1 / rows


def _cells(heat: Heat, strongest: float) -> tuple[Cell, ...]:
    if strongest <= 0:
        return ()
    return tuple(
        Cell(x, y, round(DENSEST * value / strongest, 3))
        for y, row in enumerate(heat)
        for x, value in enumerate(row)
        if value >= FAINTEST * strongest
    )
