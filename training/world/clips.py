"""Put a place, acts and a camera together into a recorded and labelled clip.

A clip is one segment, stored as the H.264 stream of its 8 frames of 192 x 192: twice the size that
the model reads, so that parts of the picture can be shown to it as well. Knows no words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.segments import FRAMES, TIMES
from training.world import happenings
from training.world.acts import Act
from training.world.drawing.background import background
from training.world.drawing.raster import Drawn, draw
from training.world.drawing.tracing import traced
from training.world.filming.film import Film, expose, random_film
from training.world.filming.optics import Weather
from training.world.filming.overlays import Overlay, lay, random_overlay
from training.world.filming.recording import random_recorder
from training.world.place import Place, Rng
from training.world.places.places import random_place
from training.world.shapes import Array, Shapes

SIDE = 192
WHOLE = (0.0, 0.0, 1.0, 1.0)
MIXTURE = {"anomaly": 0.46, "before": 0.05, "look_alike": 0.27, "ordinary": 0.22}
SHORT = 0.22  # share of clips that are shorter than a segment
STRENGTH = (0.1, 1.0)  # of the film's defects: clips are as good or as bad as real ones
LEAST = 0.5  # share of the main act that furniture must leave in view
TRIES, FAINT = 4, 12.0  # films tried, and the contrast in grey levels that is too little to see
SMALLEST = 0.035  # size of the main act's box, as a fraction of the picture's side
SIZES = (0.06, 0.4)  # of clips: the least size is drawn, so that most people are large enough


@dataclass(frozen=True)
class Shown:
    """One act as the camera sees it.

    `box` (8, 4) holds left, top, right and bottom of what matters as fractions of the picture;
    `on` (8,) says in which frames it is going on.
    """

    state: str
    kind: str
    box: Array
    on: Array
    people: int
    vehicles: int


@dataclass(frozen=True)
class Footage:
    """The H.264 stream of a clip and what it shows.

    `trace` is what moves where, as `tracing.traced` returns it; None where it is not known, because
    the overlay has moved the picture.
    """

    data: bytes
    acts: list[Shown]
    trace: Array | None = None


@dataclass(frozen=True)
class Scene:
    """A place with its acts and their kinds, the main one first."""

    place: Place
    acts: list[Act]
    kinds: list[str]


def frame_times(rng: Rng) -> Array:
    """Return the times (8,) of the frames; some segments are short, as at the end of a video."""
    if rng.random() < 1 - SHORT:
        return TIMES
    return TIMES * float(np.exp(rng.uniform(np.log(0.12), 0.0)))


def exposures(rng: Rng, film: Film, times: Array) -> tuple[Array, int]:
    """Return the times of all pictures to draw, and how many make up one frame.

    Two for the fields of an interlaced film, three for motion blur.
    """
    if film.interlaced:
        later = min(0.02, 0.5 * float(times[1] - times[0]))
        return (times[:, None] + np.array([0.0, later])).ravel(), 2
    if rng.random() < 0.6:
        return times, 1
    shutter = min(float(rng.uniform(0.03, 0.12)), 0.9 * float(times[1] - times[0]))
    return (times[:, None] + np.linspace(-0.5, 0.5, 3) * shutter).ravel(), 3


def compose(rng: Rng, t: Array, content: str | None = None) -> Scene:
    """Draw a place and what happens in it; what happens must be in view."""
    if content is None:
        content = str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
    least = float(np.exp(rng.uniform(*np.log(SIZES))))
    for _ in range(12):
        scene = _attempt(rng, t, content)
        if content == "ordinary" or in_view(scene.place, scene.acts[0], least):
            return scene
    return _attempt(rng, t, "ordinary")


def onset(rng: Rng, content: str, soon: bool = False) -> float:
    """Draw when the main act begins, in seconds from the start of the clip.

    `soon` is for what is over and still after two seconds.
    """
    if content == "before":
        return float(rng.uniform(1.7, 2.8))
    if content == "look_alike":
        return float(rng.uniform(-3.0, 0.3))
    early = -1.5 if soon else -5.0
    return float(rng.uniform(early, -0.2) if rng.random() < 0.7 else rng.uniform(-0.2, 0.7))


def _attempt(rng: Rng, t: Array, content: str) -> Scene:
    acts: list[Act] = []
    kinds: list[str] = []
    if content == "ordinary":
        place = random_place(rng, lanes=rng.random() < 0.2)
    else:
        groups = happenings.LOOK_ALIKES if content == "look_alike" else happenings.ANOMALIES
        make, lanes = happenings.pick(rng, groups)
        place = random_place(rng, lanes=lanes)
        acts.append(make(rng, place, t - onset(rng, content, make.__name__ in happenings.SOON)))
        kinds.append("look_alike" if content == "look_alike" else "anomaly")
    if rng.random() < 0.12:
        make, lanes = happenings.pick(rng, happenings.LOOK_ALIKES)
        if place.lanes or not lanes:
            acts.append(make(rng, place, t + rng.uniform(0, 3)))
            kinds.append("look_alike")
    for _ in range(min(7, rng.poisson(rng.choice([0.3, 1.2, 2.6])))):
        acts.append(happenings.ordinary(rng, place)(rng, place, t + rng.uniform(0, 20)))
        kinds.append("ordinary")
    return Scene(place, acts, kinds)


def in_view(place: Place, act: Act, least: float = SMALLEST) -> bool:
    """Tell whether an act is inside the picture, of `least` size, and not behind furniture."""
    box = boxes(place, act)
    size = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])
    middle = (box[:, :2] + box[:, 2:]) / 2
    inside = np.atleast_1d(((middle > 0.02) & (middle < 0.98)).all(1))
    on = np.asarray(act.on if act.on.any() else np.ones(len(size), bool))
    return bool(
        inside[on].mean() > 0.6 and np.median(size[on]) > least and _open(place, act) > LEAST
    )


def _open(place: Place, act: Act) -> float:
    """Return the share of the act's solids that no furniture hides, in the middle frame."""
    _, depth, _ = background(place, 48, 48)
    middle = slice(len(act.where) // 2, len(act.where) // 2 + 1)
    return _share(place, act.shapes.capsules[middle], depth[None])


def _clear(place: Place, act: Act, depths: Array) -> float:
    """Return the share of the act's solids that nothing hides while it is going on."""
    on = act.on if act.on.any() else np.ones(len(act.on), bool)
    return _share(place, act.shapes.capsules[on], depths[on])


def _share(place: Place, solids: Array, depths: Array) -> float:
    if not solids.size:
        return 1.0
    height, width = depths.shape[1:]
    where, far = place.camera.project((solids[..., 0:3] + solids[..., 4:7]) / 2)
    inside = ((where > 0) & (where < 1)).all(-1) & (far > 0.1)
    column = np.clip((where[..., 0] * width).astype(int), 0, width - 1)
    row = np.clip((where[..., 1] * height).astype(int), 0, height - 1)
    return float((inside & (far < depths[np.arange(len(far))[:, None], row, column] + 0.3)).mean())


def boxes(place: Place, act: Act) -> Array:
    """Return the boxes (frames, 4) of an act in the picture, from its centre and reach."""
    camera = place.camera
    where, depth = camera.project(act.where)
    half = act.reach * camera.focal / np.maximum(depth, 0.3)[:, None]
    box = np.concatenate([where - half, where + half], 1)
    box[depth < 0.2] = 1.5
    return np.asarray(np.clip(box, -0.5, 1.5), np.float32)


def paint(scene: Scene, times: Array, size: int = SIDE) -> tuple[Drawn, bool]:
    """Draw a scene at `times`, and say whether its main act is in view.

    Other acts may hide the main one.
    """
    empty = background(scene.place, size, size)
    if not scene.acts:
        frames, depths = (np.repeat(part[None], len(times), 0) for part in empty[:2])
        return Drawn(frames, depths, np.zeros_like(frames)), True
    shapes = Shapes.join([act.shapes for act in scene.acts])
    drawn = draw(scene.place, shapes, empty, times)
    for act in scene.acts:
        if act.flash is not None:
            drawn.frames[:] += act.flash[:, None, None, None].astype(np.float32)
    return drawn, _clear(scene.place, scene.acts[0], drawn.depths) > LEAST


def shown(scene: Scene, parts: int, style: Overlay) -> list[Shown]:
    """Say what the acts of a scene show, frame by frame, where the overlay leaves them."""
    middle = slice(parts // 2, None, parts)
    return [
        Shown(act.state, kind, moved(style, boxes(scene.place, act)[middle]), act.on[middle],
              act.people, act.vehicles)
        for act, kind in zip(scene.acts, scene.kinds, strict=True)
    ]  # fmt: skip


def moved(style: Overlay, box: Array) -> Array:
    """Return where boxes (frames, 4) are after the overlay has shrunk or tilted the picture."""
    corners = box.reshape(-1, 2, 2).astype(np.float64)
    if style.screen is not None:
        u, v = corners[..., :1], corners[..., 1:]
        a, b, c, d = np.reshape(style.screen.corners, (4, 2))
        corners = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)
    if not style.cut:
        low, high = np.array(style.window[:2]), np.array(style.window[2:])
        corners = low + corners * (high - low)
    return np.asarray(corners.reshape(-1, 4), np.float32)


def render_clip(rng: Rng, content: str | None = None) -> Footage:
    """Render and record one clip; `content` fixes its kind (see MIXTURE)."""
    for _ in range(TRIES):
        pixels, trace, acts, clear = _take(rng, content)
        if clear and (not acts or contrast(pixels, acts[0].box) >= FAINT):
            break
    return Footage(random_recorder(rng).keep(pixels), acts, trace)


def _take(rng: Rng, content: str | None) -> tuple[Array, Array | None, list[Shown], bool]:
    """Return the pictures of one clip, its trace, its acts, and whether the main one is in view."""
    strength = float(rng.uniform(*STRENGTH))
    film, style = random_film(rng, infrared=False, strength=strength), random_overlay(rng, 0.7)
    when = frame_times(rng)
    times, parts = exposures(rng, film, when)
    scene = compose(rng, times, content)
    if scene.place.infrared:
        film = random_film(rng, infrared=True, strength=strength)
    weather = Weather() if scene.place.indoor else film.weather
    film = replace(film, interlaced=parts == 2, weather=weather)
    drawn, clear = paint(scene, times)
    frames = drawn.frames
    if parts == 3:
        frames = frames.reshape(FRAMES, 3, *frames.shape[1:]).mean(1, dtype=np.float32)
    pixels = lay(style, expose(film, frames, rng, times=when, fields=parts == 2), when)
    moves = style.screen is not None or (style.window != WHOLE and not style.cut)
    trace = None if moves else traced(drawn.motion[parts // 2 :: parts])
    return pixels, trace, shown(scene, parts, style), clear


def contrast(pixels: Array, box: Array) -> float:
    """Return how much the pixels in a box differ, as a standard deviation in grey levels.

    Over the middle frame, or over time where that is more. `pixels` (frames, height, width, 3),
    `box` (frames, 4).
    """
    height, width = pixels.shape[1:3]
    left, top, right, bottom = np.clip(box[len(box) // 2], 0, 1) * (width, height, width, height)
    part = pixels[:, int(top) : int(bottom) + 1, int(left) : int(right) + 1, 1].astype(np.float32)
    return float(max(part[len(part) // 2].std(), part.std(0).max())) if part.size else 0.0
