"""Turn rendered footage into what one training step sees: a view of it, and its labels.

A view is the whole picture or a part of it, scaled to the model's input. The labels are made from
the boxes of the acts, so they belong to the view. Knows no model and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from training import text
from training.drawn import clips as drawn
from training.segments import SIZE
from training.text import PLACES_WORDS, SPREAD, STATES, Content, Rng
from training.world.drawing.tracing import SCALE

Array = NDArray[Any]
CELL = 16  # pixels of a video token
WHOLE_SHARE, KEEP_SHARE, TRIES = 0.5, 0.85, 12
WHOLE = (0.0, 0.0, 1.0, 1.0)
INSIDE = (0.25, 0.75)  # an anomaly's box with a share in between is cut ambiguously
EVERYWHERE = {"panic", "explosion"}  # these are to be seen far outside their box
WIDE = 0.6  # a box wider than this share of the view has no place
Part = tuple[float, float, float, float]  # left, top, right, bottom as shares of the picture


class Shown(Protocol):
    """One act as the camera sees it; `training.world.clips` says what the parts mean."""

    @property
    def state(self) -> str:
        """Its name in `training.text`."""

    @property
    def kind(self) -> str:
        """One of "ordinary", "look_alike" and "anomaly"."""

    @property
    def box(self) -> Array:
        """Left, top, right and bottom (frames, 4) as shares of the picture."""

    @property
    def on(self) -> Array:
        """Whether it is going on (frames,)."""

    @property
    def people(self) -> int:
        """How many people take part."""

    @property
    def vehicles(self) -> int:
        """How many vehicles take part."""


@dataclass(frozen=True)
class Sample:
    """Frames uint8 (frames, size, size, 3), what they show, and what each cell shows.

    `cells` is float32 (grid * grid, states), row by row, 1 where an act of that state is. `motion`
    is float32 (4 * grid * grid, frames * 3): for each quarter of a cell, row by row, the share that
    something moving covers, and its velocity in views a second times that share; NaN if not known.
    """

    frames: Array
    content: Content
    cells: Array
    motion: Array


def sample(
    rng: Rng,
    frames: Array,
    acts: Sequence[Shown],
    size: int = SIZE,
    trace: Array | None = None,
) -> Sample:
    """Draw a view of frames uint8 (frames, height, width, 3) and label it.

    `trace` is what `training.world.drawing.tracing` makes of the clip.
    """
    part = choose(rng, acts)
    mirrored = bool(rng.random() < 0.5)
    gain, lift = _colours(rng)
    seen = resize(np.ascontiguousarray(frames), part, size, gain, lift)
    boxes = [in_view(act.box, part, mirrored) for act in acts]
    if mirrored:
        seen = np.ascontiguousarray(seen[:, :, ::-1])
    grid = size // CELL
    moving = motion(trace, part, mirrored, 2 * grid, len(frames))
    return Sample(seen, content(acts, boxes), cells(acts, boxes, grid), moving)


def whole(frames: Array, acts: Sequence[Shown], size: int = SIZE) -> Sample:
    """Make the sample that shows the whole picture, unchanged."""
    boxes = [in_view(act.box, WHOLE, False) for act in acts]
    seen = resize(np.ascontiguousarray(frames), WHOLE, size, np.ones(3), np.zeros(3))
    grid = size // CELL
    moving = motion(None, WHOLE, False, 2 * grid, len(frames))
    return Sample(seen, content(acts, boxes), cells(acts, boxes, grid), moving)


def of_drawn(clip: drawn.Clip, size: int = SIZE) -> Sample:
    """Convert a clip of the first renderer."""
    grid = size // CELL
    side = round(len(clip.cells) ** 0.5)
    rows = (np.arange(grid) * 2 + 1) * side // (2 * grid)
    found = np.zeros((grid, grid, len(STATES)), np.float32)
    places = [STATES.index(state) for state in drawn.STATES]
    found[..., places] = clip.cells.reshape(side, side, -1)[rows][:, rows]
    frames = resize(clip.frames, WHOLE, size, np.ones(3), np.zeros(3))
    known = tuple(state for state in clip.states if state in STATES)
    what = Content(clip.kind, clip.abnormal, clip.place, clip.people, clip.cars, known)
    moving = motion(None, WHOLE, False, 2 * grid, len(frames))
    return Sample(frames, what, found.reshape(grid * grid, -1), moving)


def motion(trace: Array | None, part: Part, mirrored: bool, grid: int, frames: int) -> Array:
    """Return what moves in the cells (grid * grid, frames * 3) of a part of the picture.

    Each cell takes four points of the trace int8 (frames, side, side, 3). NaN without a trace.
    """
    if trace is None:
        return np.full((grid * grid, frames * 3), np.nan, np.float32)
    side, points = trace.shape[1], (np.arange(2 * grid) + 0.5) / (2 * grid)
    left, top, right, bottom = part
    columns = ((left + points * (right - left)) * side).astype(int)
    rows = ((top + points * (bottom - top)) * side).astype(int)
    found = trace[:, rows][:, :, columns[::-1] if mirrored else columns].astype(np.float32)
    found[..., 0] /= 127
    turned = -1.0 if mirrored else 1.0
    found[..., 1] *= found[..., 0] * turned / (SCALE * (right - left))
    found[..., 2] *= found[..., 0] / (SCALE * (bottom - top))
    mean = found.reshape(frames, grid, 2, grid, 2, 3).mean((2, 4))
    return np.asarray(mean.transpose(1, 2, 0, 3).reshape(grid * grid, frames * 3))


def choose(rng: Rng, acts: Sequence[Shown]) -> Part:
    """Draw a part of the picture: all of it, or one that does not cut an anomaly ambiguously.

    Most parts keep what matters most in view, and always what is to be seen everywhere.
    """
    if rng.random() < WHOLE_SHARE:
        return WHOLE
    bad = [act for act in acts if act.kind == "anomaly" and act.on.any()]
    main = bad[:1] or [act for act in acts if act.kind == "look_alike"][:1]
    keep = rng.random() < KEEP_SHARE or any(act.state in EVERYWHERE for act in bad)
    for _ in range(TRIES):
        width = float(rng.uniform(0.45, 0.95))
        height = float(np.clip(width * np.exp(rng.uniform(-0.25, 0.25)), 0.45, 0.95))
        left, top = float(rng.uniform(0, 1 - width)), float(rng.uniform(0, 1 - height))
        part = (left, top, left + width, top + height)
        if keep and main and share_inside(main[0], part) <= INSIDE[1]:
            continue
        if all(not INSIDE[0] < share_inside(act, part) < INSIDE[1] for act in bad):
            return part
    return WHOLE


def share_inside(act: Shown, part: Part) -> float:
    """Return how much of an act's box, as far as the picture shows it, lies in a part of it."""
    box = np.clip(act.box[act.on] if act.on.any() else act.box, 0, 1)
    low = np.maximum(box[:, :2], part[:2])
    high = np.minimum(box[:, 2:], part[2:])
    area = (box[:, 2:] - box[:, :2]).prod(1)
    common = np.clip(high - low, 0, None).prod(1)
    return float(common.sum() / area.sum()) if area.sum() > 0 else 0.0


def in_view(box: Array, part: Part, mirrored: bool) -> Array:
    """Return boxes (frames, 4) as shares of a part of the picture, mirrored if asked."""
    left, top, right, bottom = part
    moved = (box - (left, top, left, top)) / np.tile((right - left, bottom - top), 2)
    if mirrored:
        moved[:, [0, 2]] = 1 - moved[:, [2, 0]]
    return np.asarray(moved, np.float32)


def is_seen(box: Array, when: Array) -> bool:
    """Tell whether the centre of a box is in the view in at least half of the frames `when`."""
    centre = (box[when, :2] + box[when, 2:]) / 2
    return bool(len(centre)) and bool(((centre > 0) & (centre < 1)).all(1).mean() >= 0.5)


def content(acts: Sequence[Shown], boxes: Sequence[Array]) -> Content:
    """Say what a view shows, from its acts and their boxes in the view."""
    text.check_states(act.state for act in acts)
    pairs = list(zip(acts, boxes, strict=True))
    shown = [(act, box) for act, box in pairs if is_seen(box, np.asarray(act.on, bool))]
    there = [act for act, box in pairs if is_seen(box, np.ones(len(box), bool))]
    main = _main(shown)
    place = None if main is None else _place(*main)
    return Content(
        kind=_kind(main, there),
        abnormal=main is not None and main[0].kind == "anomaly",
        place=place,
        people=sum(act.people for act in there),
        vehicles=sum(act.vehicles for act in there),
        states=tuple(dict.fromkeys(act.state for act, _ in shown)),
    )


def _kind(main: tuple[Shown, Array] | None, there: Sequence[Shown]) -> str | None:
    if main is not None:
        return main[0].state
    return None if there else "empty"


def _main(shown: Sequence[tuple[Shown, Array]]) -> tuple[Shown, Array] | None:
    """Return the act that is described: the largest of the most remarkable kind."""
    for kind in ("anomaly", "look_alike", "ordinary"):
        found = [pair for pair in shown if pair[0].kind == kind]
        if found:
            return max(found, key=lambda pair: _area(pair[1]))
    return None


def _area(box: Array) -> float:
    inside = np.clip(box, 0, 1)
    return float((inside[:, 2:] - inside[:, :2]).prod(1).mean())


def _place(act: Shown, box: Array) -> str | None:
    inside = np.clip(box[act.on], 0, 1)
    if act.state in SPREAD or (inside[:, 2] - inside[:, 0]).mean() > WIDE:
        return None
    centre = float((inside[:, 0] + inside[:, 2]).mean() / 2)
    return PLACES_WORDS[int(np.clip(centre * 3, 0, 2))]


def cells(acts: Sequence[Shown], boxes: Sequence[Array], grid: int) -> Array:
    """Mark the cells (grid * grid, states) that the box of each act covers while it goes on."""
    out = np.zeros((grid, grid, len(STATES)), np.float32)
    edges = np.arange(grid) / grid
    for act, box in zip(acts, boxes, strict=True):
        now = box[act.on]
        # A cell counts if the box reaches its middle half, or has its centre in it.
        across = _covers(now[:, 0], now[:, 2], edges, 1 / grid)
        down = _covers(now[:, 1], now[:, 3], edges, 1 / grid)
        if len(now):
            found = (down[:, :, None] & across[:, None, :]).any(0)
            out[..., STATES.index(act.state)] = np.maximum(out[..., STATES.index(act.state)], found)
    return out.reshape(grid * grid, -1)


def _covers(low: Array, high: Array, edges: Array, step: float) -> Array:
    """Tell which steps (frames, steps) an interval reaches the middle half of, or is centred in."""
    middle = (low + high)[:, None] / 2
    centred = (middle >= edges) & (middle < edges + step)
    reached = (low[:, None] < edges + 0.75 * step) & (high[:, None] > edges + 0.25 * step)
    return np.asarray(centred | reached)


def _colours(rng: Rng) -> tuple[Array, Array]:
    """Draw a gain and a lift of each channel: brightness, contrast and a slight cast."""
    gain = np.exp(rng.uniform(-0.2, 0.2)) * (1 + rng.uniform(-0.05, 0.05, 3))
    return gain, np.full(3, rng.uniform(-14, 14)) + 128 * (1 - gain) * rng.uniform(0, 1)


def resize(frames: Array, part: Part, size: int, gain: Array, lift: Array) -> Array:
    """Scale a part of uint8 frames to (frames, size, size, 3) by area, then p * gain + lift.

    Returns the frames themselves if there is nothing to do.
    """
    if part == WHOLE and frames.shape[1:3] == (size, size) and (gain == 1).all():
        return frames
    return np.asarray(_resize(frames, np.array(part), size, gain, lift))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _resize(frames: Array, part: Array, size: int, gain: Array, lift: Array) -> Array:
    count, height, width = frames.shape[:3]
    out = np.empty((count, size, size, 3), np.uint8)
    row = np.empty((width, 3), np.float32)
    scale = (part[3] - part[1]) * height / size, (part[2] - part[0]) * width / size
    for f in range(count):
        for y in range(size):
            top = part[1] * height + y * scale[0]
            _add_rows(frames[f], top, top + scale[0], row)
            for x in range(size):
                left = part[0] * width + x * scale[1]
                right = left + scale[1]
                red, green, blue = 0.0, 0.0, 0.0
                for j in range(int(left), min(int(np.ceil(right)), width)):
                    share = min(right, j + 1.0) - max(left, float(j))
                    red += row[j, 0] * share
                    green += row[j, 1] * share
                    blue += row[j, 2] * share
                area = scale[0] * scale[1]
                for c, value in enumerate((red, green, blue)):
                    wanted = value / area * gain[c] + lift[c] + 0.5
                    out[f, y, x, c] = np.uint8(min(max(wanted, 0.0), 255.0))
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_rows(frame: Array, top: float, bottom: float, row: Array) -> None:
    row[:] = 0.0
    for i in range(int(top), min(int(np.ceil(bottom)), frame.shape[0])):
        share = np.float32(min(bottom, i + 1.0) - max(top, float(i)))
        for j in range(frame.shape[1]):
            for c in range(3):
                row[j, c] += share * frame[i, j, c]
