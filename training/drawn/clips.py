"""Put a scene, actors and a camera together into labelled frames.

Knows no model and no words. A clip is one segment: 8 frames, 0.2 s apart. The same code renders
longer videos for demonstrations and evaluation.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from training.drawn import events, scenes
from training.drawn.acts import Act, drive, stand, stroll
from training.drawn.draw import Array, paint, rect, transform
from training.drawn.scenes import Rng, Scene
from training.segments import FRAMES, GRID, SEGMENT_S, SIZE, TIMES

PART = 40  # frames of a video with a camera that are rendered at once
STATES = ("walk", "stand", "drive", *events.LOOK_ALIKES, *events.ANOMALIES)
PLACES = ("left", "middle", "right")
FAMILIES = {"seen": scenes.SEEN, "unseen": scenes.UNSEEN, "final": scenes.FINAL}
MAKERS = {
    **events.LOOK_ALIKES,
    **events.ANOMALIES,
    **events.UNSEEN_ANOMALIES,
    **events.FINAL_ANOMALIES,
}
ABNORMAL = {*events.ANOMALIES, *events.UNSEEN_ANOMALIES, *events.FINAL_ANOMALIES}


@dataclass
class Clip:
    """Frames uint8 (frames, size, size, 3), what they show and where.

    `kind` is None if the clip shows ordinary life only. `position` is the mean focus (x, y) of what
    the clip shows while it goes on, as a fraction of the frame, and `x` its first part; both are
    None if it has no particular place.
    """

    frames: Array
    kind: str | None
    abnormal: bool
    x: float | None
    people: int
    cars: int
    states: list[str] = field(default_factory=list)
    cells: Array = field(default_factory=lambda: np.zeros((GRID * GRID, len(STATES)), np.float32))
    position: tuple[float, float] | None = None

    @property
    def place(self) -> str | None:
        """Name the third of the frame where it happens, None if it has no particular place."""
        return None if self.x is None else PLACES[int(np.clip(self.x * 3, 0, 2))]


def pick_scene(rng: Rng, family: str, lanes: bool) -> Scene:
    """Draw a scene of a family; `lanes` requires a road.

    The family "train" mixes plain, recoloured and random scenes.
    """
    while True:
        draw = rng.random()
        if family == "train" and draw > 0.55:
            scene = scenes.random_scene(rng)
        else:
            makers = FAMILIES["seen" if family == "train" else family]
            scene = makers[rng.integers(len(makers))](rng)
            if family == "train" and draw > 0.25:
                scenes.recolour(rng, scene)
                scenes.clutter(rng, scene, int(rng.integers(0, 5)))
        if scene.lanes or not lanes:
            return scene


def ordinary(rng: Rng, scene: Scene, t: Array, busy: float) -> list[Act]:
    """Draw passers-by and cars.

    A longer video gets more of them, since each is in view for a few seconds only.
    """
    longer = 1 + max(0.0, float(np.ptp(t)) - SEGMENT_S) * 0.1
    acts = [stroll(rng, scene, t) for _ in range(rng.poisson(1.3 * busy * longer))]
    acts += [stand(rng, scene, t) for _ in range(rng.poisson(0.4 * busy))]
    if scene.lanes:
        acts += [drive(rng, scene, t) for _ in range(rng.poisson(0.5 * busy * longer))]
    return acts


def _texture(rng: Rng, size: int, cells: int = 14) -> Array:
    u = (np.arange(size) + 0.5) / size * (cells - 1)
    low = np.minimum(u.astype(int), cells - 2)
    mix = np.zeros((size, cells), np.float32)
    mix[np.arange(size), low], mix[np.arange(size), low + 1] = 1 - (u - low), u - low
    return np.asarray((mix @ rng.standard_normal((cells, cells)) @ mix.T)[..., None], np.float32)


def render(
    rng: Rng, scene: Scene, acts: Sequence[Act], size: int, *, strength: float, count: int
) -> tuple[Array, Array]:
    """Render frames and where each act is in them.

    Returns frames float32 (count, size, size, 3) in 0..1 and the focus of each act (acts, count, 2)
    as the camera sees it. `strength` in 0..1 scales the camera's zoom, tilt and shift, poles in the
    foreground, and defects of the film.
    """
    zoom = float(np.exp(rng.uniform(-0.2, 0.26) * strength))
    angle = np.radians(rng.uniform(-3, 3)) * strength
    shift = tuple(rng.uniform(-0.06, 0.06, 2) * strength)
    frames = np.empty((1, size, size, 3), np.float32)
    frames[:] = scene.base
    frames += scene.texture * _texture(rng, size)
    if scene.behind:
        paint(frames, transform(np.stack(scene.behind, 1), zoom, angle, shift).astype(np.float32))
    frames = np.repeat(np.clip(frames, 0, 1), count, 0)
    order = sorted(acts, key=lambda act: act.depth)
    if strength > 0 and rng.random() < 0.2 * strength:
        x = rng.uniform(0, 1)
        pole = rect(x - 0.012, -0.3, x + 0.012, 1.3, rng.uniform(0.05, 0.6, 3))
        scene.before.append(pole)
    layers = [act.prims for act in order] + [part[None].repeat(count, 0) for part in scene.before]
    if layers:
        paint(frames, transform(np.concatenate(layers, 1), zoom, angle, shift).astype(np.float32))
    for act in acts:
        if act.flash is not None:
            frames += act.flash[:, None, None, None].astype(np.float32)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom
    focus = [(act.focus - 0.5) @ turn.T + 0.5 + shift for act in acts]
    return frames, np.array(focus).reshape(len(acts), count, 2)


def film(rng: Rng, frames: Array, strength: float, noise: Rng | None = None) -> Array:
    """Add the defects of a real recording; returns uint8 frames.

    Exposure, gamma, colour cast, fog, vignette, flicker, blur, noise and JPEG. `rng` draws what a
    camera has for good, and also what differs between frames unless `noise` draws that.
    """
    count, size = frames.shape[:2]
    noise = rng if noise is None else noise
    steps = np.linspace(0, 1, 1024, dtype=np.float32)
    gain = np.exp(rng.uniform(-0.3, 0.22) * strength) * (
        1 + 0.08 * strength * rng.uniform(-1, 1, 3)
    )
    curve = (steps ** np.exp(rng.uniform(-0.3, 0.3) * strength))[:, None] * gain.astype(np.float32)
    levels = (np.clip(frames, 0, 1) * 1023).astype(np.int16)
    out = np.stack([curve[:, c][levels[..., c]] for c in range(3)], -1)
    out *= (1 + 0.02 * strength * noise.standard_normal((count, 1, 1, 1))).astype(np.float32)
    if rng.random() < 0.3 * strength:
        out += rng.uniform(0.05, 0.35) * (rng.uniform(0.5, 0.95) - out)
    if rng.random() < 0.3 * strength:
        axis = np.linspace(-1, 1, size)
        out *= (1 - rng.uniform(0.1, 0.4) * (axis[:, None] ** 2 + axis**2) / 2)[..., None]
    if rng.random() < 0.3 * strength:
        keep = rng.uniform(0.4, 0.8)
        out = keep * out + (1 - keep) * 0.25 * sum(
            np.roll(out, d, a) for a in (1, 2) for d in (1, -1)
        )
    if strength > 0:
        out += np.float32(rng.uniform(0, 0.045) * strength) * _grain(noise, out.size).reshape(
            out.shape
        )
    pixels = (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.2 * strength:
        pixels = np.stack([_jpeg(frame, int(noise.integers(35, 90))) for frame in pixels])
    return np.asarray(pixels)


_POOL = np.random.default_rng(0).standard_normal(1 << 22, np.float32)


def _grain(rng: Rng, count: int) -> Array:
    if count > len(_POOL) // 2:
        return rng.standard_normal(count, np.float32)
    start = int(rng.integers(0, len(_POOL) - count))
    return np.asarray(_POOL[start : start + count])


def _jpeg(frame: Array, quality: int) -> Array:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _position(focus: Array, when: Array) -> tuple[float, float]:
    shown = focus[when if when.any() else slice(None)]
    return float(shown[:, 0].mean()), float(shown[:, 1].mean())


def _cells(acts: Sequence[Act], focus: Array, active: Sequence[Array]) -> Array:
    out = np.zeros((GRID * GRID, len(STATES)), np.float32)
    for act, path, on in zip(acts, focus, active, strict=True):
        inside = on & (path >= 0).all(1) & (path < 1).all(1)
        if act.state in STATES and inside.any():
            where = (path[inside] * GRID).astype(int)
            out[where[:, 1] * GRID + where[:, 0], STATES.index(act.state)] = 1.0
    return out


def make_clip(
    rng: Rng,
    family: str,
    kind: str | None,
    onset: float = -1.0,
    *,
    strength: float = 1.0,
    size: int = SIZE,
) -> Clip:
    """Render one segment.

    If the onset of an anomaly is after the end of the clip, it has not happened yet and the clip is
    normal.
    """
    busy = float(rng.uniform(0.2, 1.4))
    scene = pick_scene(rng, family, kind in events.NEEDS_LANES)
    acts = ordinary(rng, scene, TIMES, busy)
    active = [np.ones(FRAMES, bool)] * len(acts)
    if kind is not None:
        acts.insert(0, MAKERS[kind](rng, scene, TIMES - onset))
        active.insert(0, (onset <= TIMES) if kind in ABNORMAL else np.ones(FRAMES, bool))
        if kind in ABNORMAL and rng.random() < 0.12:
            other = rng.choice(
                [k for k in events.LOOK_ALIKES if scene.lanes or k not in events.NEEDS_LANES]
            )
            acts.append(MAKERS[str(other)](rng, scene, TIMES + 1))
            active.append(np.ones(FRAMES, bool))
    frames, focus = render(rng, scene, acts, size, strength=strength, count=FRAMES)
    seen = [((path > 0.02) & (path < 0.98)).all(1).mean() >= 0.5 for path in focus]
    shown = kind if kind is not None and (kind not in ABNORMAL or active[0].any()) else None
    spread = shown in (None, "panic", "jog", "pass_by")
    position = None if spread else _position(focus[0], active[0])
    return Clip(
        frames=film(rng, frames, strength),
        kind=shown,
        abnormal=shown in ABNORMAL,
        x=None if position is None else position[0],
        people=sum(act.people for act, s in zip(acts, seen, strict=True) if s),
        cars=sum(act.cars for act, s in zip(acts, seen, strict=True) if s),
        states=[act.state for act, s, on in zip(acts, seen, active, strict=True) if s and on.any()],
        cells=_cells(acts, focus, active),
        position=position,
    )


HARD = {"fall": 3.0, "hit": 3.0, "fight": 2.0, "crash": 1.5}


def training_clip(rng: Rng, *, hard: bool = False) -> Clip:
    """Draw a clip of the training mixture.

    45 % anomalies, 25 % look-alikes, 5 % just before an anomaly, 25 % plain. `hard` draws the
    anomalies that are learnt last more often than the others.
    """
    draw = rng.random()
    if draw < 0.5:
        weights = np.array([HARD.get(kind, 1.0) for kind in events.ANOMALIES])
        kind = str(rng.choice(list(events.ANOMALIES), p=weights / weights.sum() if hard else None))
        early = rng.uniform(-4, 0) if rng.random() < 0.6 else rng.uniform(0, 0.75)
        return make_clip(rng, "train", kind, early if draw < 0.45 else rng.uniform(1.65, 2.6))
    if draw < 0.75:
        return make_clip(
            rng, "train", str(rng.choice(list(events.LOOK_ALIKES))), rng.uniform(-1.5, 0.3)
        )
    return make_clip(rng, "train", None)


def make_video(
    rng: Rng,
    family: str,
    spans: Sequence[tuple[str, float, float]],
    duration: float,
    *,
    fps: float = 10,
    size: int = 240,
    strength: float = 0.35,
    busy: float = 0.8,
    camera: Sequence[int] | None = None,
) -> tuple[Array, list[tuple[float, float]]]:
    """Render a longer video with events, and their true spans.

    `spans` holds `(kind, start, end)` in seconds. Returns frames uint8 (n, size, size, 3) and the
    true `(start, end)` of each event. After its end an event is played backwards quickly (a fallen
    person gets up in 0.6 s); the true span lasts until then. Videos with the same seed `camera`
    show the same place through the same lens, if they need the same kind of place; by default
    `rng` draws the place too.
    """
    t = (np.arange(round(duration * fps)) + 0.5) / fps
    look = rng if camera is None else np.random.default_rng(camera)
    scene = pick_scene(look, family, any(kind in events.NEEDS_LANES for kind, _, _ in spans))
    acts, truth = ordinary(rng, scene, t, busy), []
    for kind, start, end in spans:
        local = np.where(t < end, t - start, 0.6 - (t - end))
        act = MAKERS[kind](rng, scene, local)
        shown = (t > start - 2.5) & (t < end + 3.0)
        act.prims[..., 10] *= shown[:, None]
        acts.append(act)
        truth.append((start, min(duration, end + 0.6)))
    if camera is None:
        frames, _ = render(rng, scene, acts, size, strength=strength, count=len(t))
        return film(rng, frames, strength), truth
    parts = []
    for first in range(0, len(t), PART):
        # Each part begins with the same camera; together the arrays would be too large for caches.
        eye = copy.deepcopy(look)
        some = [_part(act, slice(first, first + PART)) for act in acts]
        place = replace(scene, before=list(scene.before))
        count = min(PART, len(t) - first)
        frames, _ = render(eye, place, some, size, strength=strength, count=count)
        parts.append(film(eye, frames, strength, rng))
    return np.concatenate(parts), truth


def _part(act: Act, frames: slice) -> Act:
    """Return what an act shows in some of its frames."""
    flash = None if act.flash is None else act.flash[frames]
    return replace(act, prims=act.prims[frames], focus=act.focus[frames], flash=flash)
