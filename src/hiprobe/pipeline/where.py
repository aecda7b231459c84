"""Find where in the picture an event's score comes from, by hiding one part of it at a time.

Knows no page. It works with every method: only scores are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe import video
from hiprobe.backbones import Backbone
from hiprobe.probe import Probe
from hiprobe.types import Event, FloatArray, HiddenStates, Result, Segment

CELLS = 4  # of a side of the grid; the share of right answers was measured with it
Region = tuple[slice, slice]


def located(result: Result, model: Backbone, probe: Probe, known: Sequence[Event] = ()) -> Result:
    """Return the result with `heat` and `box` for each alarm, of the segment of its peak.

    `heat[row][column]` says by how much the score falls if this cell of a 4 x 4 grid is painted
    over, in the mean colour of the segment, in all frames; 1 is the largest fall. `box` is the cell
    with the largest fall. If no cell lowers the score, `heat` is 0 everywhere and `box` None. The
    model reads 17 segments for each alarm. An event takes the map of a `known` event with its peak;
    a demoted event gets none. Raises the errors of `video.span`, `model.read` and `Probe.score`.

    >>> from hiprobe import backbones, detect, embedded
    >>> model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    >>> found = detect(embedded.VIDEO, model, probe, explain=False)
    >>> located(replace(found, events=found.events[:1]), model, probe).events[0].box is not None
    True
    """
    events = [
        _located(result, event, model, probe) if _is_missing(event) else event
        for event in with_maps(result.events, known)
    ]
    return replace(result, events=tuple(events))


def are_located(events: Sequence[Event]) -> bool:
    """Tell whether every event that is not demoted has a map."""
    return not any(map(_is_missing, events))


def with_maps(events: Sequence[Event], known: Sequence[Event]) -> tuple[Event, ...]:
    """Give each event the map of a known event whose peak is in the same segment, or no map.

    A demoted event has no map, whatever was known.
    """
    maps = {one.peak: (one.heat, one.box) for one in known}
    wanted = [(one, None if one.demoted else one.peak) for one in events]
    found = [(event, *maps.get(peak, (None, None))) for event, peak in wanted]
    return tuple(replace(event, heat=heat, box=box) for event, heat, box in found)


def _is_missing(event: Event) -> bool:
    return event.heat is None and not event.demoted


def _located(result: Result, event: Event, model: Backbone, probe: Probe) -> Event:
    segment = _peak_segment(result, event, probe)
    values = model.read(with_parts_hidden(segment), probe.sites, probe.recipe)
    return mapped(event, values, probe)


def with_parts_hidden(segment: Segment) -> list[Segment]:
    """Return the segment, and a copy of it with each cell of the grid painted over, row by row."""
    return [segment, *_hidden(segment)]


def mapped(event: Event, values: FloatArray, probe: Probe) -> Event:
    """Return the event with its map.

    `values` (17, sites, width) are the states of its peak segment `with_parts_hidden`. Raises the
    errors of `Probe.score`.
    """
    edges = np.arange(len(values) + 1, dtype=np.float64)
    states = HiddenStates(
        "", probe.recipe, probe.sites, edges[:-1], edges[1:], values, float(edges[-1])
    )
    scores = probe.score(states)
    return _with_map(event, scores[0] - scores[1:])


def _peak_segment(result: Result, event: Event, probe: Probe) -> Segment:
    """Read the segment around the event's peak again, as it was scored."""
    scores = result.scores
    assert scores is not None, "a result with events has scores"
    assert event.peak is not None, "a detected event has a peak"
    place = int(np.argmin(np.abs((scores.starts + scores.ends) / 2 - event.peak)))
    start, end = float(scores.starts[place]), float(scores.ends[place])
    return video.span(Path(result.path), start, end, probe.recipe.frames, probe.recipe.size)


def _hidden(segment: Segment) -> Iterator[Segment]:
    """Yield a copy of the segment for each cell, row by row, with the cell painted over."""
    colour = np.rint(segment.frames.mean((0, 1, 2))).astype(np.uint8)
    for rows, columns in _cells(*segment.frames.shape[1:3]):
        frames = segment.frames.copy()
        frames[:, rows, columns] = colour
        yield replace(segment, frames=frames)


def _cells(height: int, width: int) -> Iterator[Region]:
    tall, wide = (np.rint(np.linspace(0, side, CELLS + 1)).astype(int) for side in (height, width))
    for top, bottom in pairwise(tall):
        for left, right in pairwise(wide):
            yield slice(top, bottom), slice(left, right)


def _with_map(event: Event, falls: NDArray[np.float64]) -> Event:
    """Return the event with its map, given how far the score falls without each cell (16,)."""
    strongest = int(falls.argmax())
    if falls[strongest] <= 0:
        return replace(event, heat=((0.0,) * CELLS,) * CELLS, box=None)
    rows = (falls / falls[strongest] + 0.0).reshape(CELLS, CELLS).tolist()
    row, column = divmod(strongest, CELLS)
    box = (column / CELLS, row / CELLS, 1 / CELLS, 1 / CELLS)
    return replace(event, heat=tuple(map(tuple, rows)), box=box)
