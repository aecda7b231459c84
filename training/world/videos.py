"""Render longer videos of the world: sample clips, the demonstration, hours of ordinary life.

Knows no words. Frames are rendered in parts, so that memory does not grow with the length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.world import happenings
from training.world.acts import Act
from training.world.clips import Scene, in_view
from training.world.drawing.background import background
from training.world.drawing.raster import draw
from training.world.filming.film import expose, meter, random_film
from training.world.filming.optics import Weather
from training.world.filming.overlays import lay, random_overlay
from training.world.place import Rng
from training.world.places.places import random_place
from training.world.shapes import Array, Shapes
from training.world.traffic.traffic import NEEDS_LANES

PART = 40  # frames rendered at once
UNDO_S, REST_S = 0.8, 3.0


@dataclass(frozen=True)
class Span:
    """An event of a video: what happens and from when to when, in seconds."""

    kind: str
    start: float
    end: float


def local_times(t: Array, start: float, end: float) -> Array:
    """Return the times of an event's act: seconds since its onset, and back again after its end.

    After the end the act is played backwards within UNDO_S seconds, then goes to and fro in what
    came before the onset, so that a fallen person gets up and stays.
    """
    after = np.maximum(t - end, 0.0)
    back = (end - start) * (1 - np.minimum(after / UNDO_S, 1.0))
    rest = np.abs(np.mod(after - UNDO_S, 2 * REST_S) - REST_S) - REST_S
    return np.asarray(np.where(t <= end, t - start, np.where(after < UNDO_S, back, rest)))


def plan(rng: Rng, spans: Sequence[Span], seconds: float, fps: float, busy: float) -> Scene:
    """Draw a place with its acts over a whole video; every event must be in view."""
    t = (np.arange(round(seconds * fps)) + 0.5) / fps
    kinds = happenings.by_name()
    for _ in range(20):
        place = random_place(rng, lanes=any(span.kind in NEEDS_LANES for span in spans))
        acts = [kinds[s.kind](rng, place, local_times(t, s.start, s.end)) for s in spans]
        if all(in_view(place, act) for act in acts):
            break
    else:
        raise ValueError(f"none of 20 places shows all of {[span.kind for span in spans]}")
    names = ["event"] * len(acts)
    for _ in range(int(rng.poisson(busy * (1.5 + seconds / 12)))):
        acts.append(happenings.ordinary(rng, place)(rng, place, t + rng.uniform(0, 20)))
        names.append("ordinary")
    return Scene(place, acts, names)


def frames(rng: Rng, scene: Scene, size: int, fps: float) -> Iterator[Array]:
    """Yield the frames uint8 (n, size, size, 3) of a video in parts, all from one camera."""
    film = random_film(rng, infrared=scene.place.infrared)
    weather = Weather() if scene.place.indoor else film.weather
    film = replace(film, interlaced=False, weather=weather)
    style, seed = random_overlay(rng), int(rng.integers(1 << 31))
    empty = background(scene.place, size, size)
    exposure = meter(film, empty[0][None])
    count = len(scene.acts[0].where) if scene.acts else 0
    for first in range(0, count, PART):
        part = slice(first, min(first + PART, count))
        times = (np.arange(part.start, part.stop) + 0.5) / fps
        noise = np.random.default_rng([seed, first])
        light = _drawn(scene, part, empty)
        yield lay(style, expose(film, light, noise, times=times, exposure=exposure), times)


def _drawn(scene: Scene, part: slice, empty: tuple[Array, Array, Array]) -> Array:
    some = [_cut(act, part) for act in scene.acts]
    out = draw(scene.place, Shapes.join([act.shapes for act in some]), empty).frames
    for act in some:
        if act.flash is not None:
            out += act.flash[:, None, None, None].astype(np.float32)
    return out


def _cut(act: Act, part: slice) -> Act:
    """Return what an act shows in some of its frames."""
    shapes = Shapes(act.shapes.capsules[part], act.shapes.quads[part], act.shapes.puffs[part])
    flash = None if act.flash is None else act.flash[part]
    return replace(act, shapes=shapes, where=act.where[part], on=act.on[part], flash=flash)
