"""Turn the light of a scene into pictures as a CCTV camera delivers them.

Knows no scenes. Light is float32 around 0..1, what the camera delivers uint8, both (frames, height,
width, 3). What belongs to a camera follows from its settings alone, so that a long video can be
exposed in parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.world.filming import filters
from training.world.filming.optics import (
    Lens,
    Motion,
    Weather,
    lens_maps,
    motion_maps,
    streak_lines,
)

Array = NDArray[Any]
Rng = np.random.Generator
Triple = tuple[float, float, float]
PLAIN: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Film:
    """All settings of one camera. The defaults are a perfect one.

    Exposure: the camera brings the mean to `level` and the standard deviation to `contrast`, with
    at most `boost` times more light; `gammas`, `gains` and `lifts` are per colour; `soft_top`
    rounds off highlights. Colour: `balance` is the share of a cast that the camera corrects, `mix`
    leads from the light's to the sensor's colours, `grey` pictures have no other, `saturation` 1
    is natural. Optics: `bloom` and `smear` of what is brighter than `limit`; `blur` 1 is sharp, 2
    visibly soft. Sensor: `native` its height and width in pixels if it has fewer than the picture;
    `noise` (in the dark, in the light, share of colours), `pattern` (per pixel, per row) that
    stays. Processing: `sharp` (amount, reach in pixels, limit), `trail` the share of the frame
    before. Timing: `rate` frames per second (0: all), `stutter` the chance that a frame repeats
    the one before, `interlaced` cameras want `fields`; `flicker` and `jump` change the exposure.
    `damage` is the chance that blocks of a call's frames are lost.
    """

    seed: int = 0
    level: float = 0.4
    contrast: float = 0.22
    boost: float = 3.0
    gammas: Triple = (1.0, 1.0, 1.0)
    gains: Triple = (1.0, 1.0, 1.0)
    lifts: Triple = (0.0, 0.0, 0.0)
    soft_top: bool = False
    balance: float = 0.0
    mix: tuple[Triple, Triple, Triple] = PLAIN
    grey: bool = False
    saturation: float = 1.0
    bloom: float = 0.0
    smear: float = 0.0
    limit: float = 1.0
    lens: Lens = field(default_factory=Lens)
    weather: Weather = field(default_factory=Weather)
    motion: Motion = field(default_factory=Motion)
    blur: float = 1.0
    native: tuple[int, int] | None = None
    noise: Triple = (0.0, 0.0, 0.0)
    pattern: tuple[float, float] = (0.0, 0.0)
    sharp: tuple[float, int, float] = (0.0, 1, 0.2)
    trail: float = 0.0
    rate: float = 0.0
    stutter: float = 0.0
    interlaced: bool = False
    flicker: float = 0.0
    jump: float = 0.0
    damage: float = 0.0


class Exposure(NamedTuple):
    """What a camera chose: gain of the light, slope and offset of the picture, gains of colours."""

    gain: float
    slope: float
    offset: float
    white: Triple = (1.0, 1.0, 1.0)


def random_film(rng: Rng, *, infrared: bool, strength: float = 1.0) -> Film:
    """Draw a camera; `strength` 0 is a nearly perfect one, 1 any CCTV camera."""
    poor = float(strength * rng.beta(1.3, 1.7))
    film = Film(seed=int(rng.integers(2**32)))
    for part in (_exposure, _optics, _sensor, _timing):
        film = part(film, rng, poor, strength)
    film = _moving(film, rng, strength)
    grey = infrared or rng.random() < 0.04 * strength
    return _grey(film, rng, strength) if grey else _coloured(film, rng, poor, strength)


def _triple(values: Any) -> Triple:
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def _exposure(film: Film, rng: Rng, poor: float, strength: float) -> Film:
    gamma = np.exp(rng.normal(-0.15, 0.22 * strength))
    level, contrast = rng.normal((0.39, 0.235), (0.075 * strength, 0.045 * strength))
    if rng.random() < 0.12 * strength:  # blown out
        level, contrast = rng.uniform((0.48, 0.27), (0.64, 0.36))
    return replace(
        film,
        level=float(np.clip(level, 0.22, 0.64)),
        contrast=float(np.clip(contrast, 0.12, 0.36)),
        boost=float(rng.uniform(1.5, 8.0)),
        gammas=_triple([gamma] * 3),
        soft_top=bool(rng.random() < 0.4),
        flicker=float(rng.uniform(0.01, 0.06)) if rng.random() < 0.08 * strength else 0.0,
        jump=0.05 * strength,
    )


def _coloured(film: Film, rng: Rng, poor: float, strength: float) -> Film:
    """Draw a colour cast that differs between shadows and highlights, and a saturation."""
    cast = strength * rng.gamma(1.5, 0.5)
    gains = np.exp(cast * rng.normal(0, 0.06, 3) * (1, 0.6, 1))
    gammas = np.exp(cast * rng.normal(0, 0.08, 3)) * film.gammas
    lifts = film.lifts + cast * rng.normal(0, 0.018, 3)
    mix = np.array(PLAIN)
    if rng.random() < 0.04 * strength:  # infrared light gets in: black clothes turn purple
        mix = mix + rng.uniform(0.15, 0.5) * np.outer((1.0, 0.1, 0.8), (0.6, 0.3, 0.1))
    if rng.random() < 0.06 * strength:  # sodium lamps: hardly any blue
        mix = mix * np.array([[1.1], [0.85], [rng.uniform(0.3, 0.6)]])
    saturation = np.exp(rng.normal(-0.2, 0.38 * strength)) * (1 - 0.4 * poor)
    return replace(
        film, balance=float(rng.uniform(0, 0.9)),
        gains=_triple(gains), gammas=_triple(gammas), lifts=_triple(lifts),
        mix=(_triple(mix[0]), _triple(mix[1]), _triple(mix[2])),
        saturation=float(np.clip(saturation, 0.15, 1.7)),
    )  # fmt: skip


def _grey(film: Film, rng: Rng, strength: float) -> Film:
    """Draw the grey picture of an infrared or an old camera; some are a little tinted."""
    weights = _triple(rng.dirichlet((2.5, 2.5, 1.5)))
    tint = rng.normal(0, 0.02, 3) * (rng.random() < 0.35)
    spot = float(rng.uniform(0.2, 0.8)) if rng.random() < 0.6 * strength else film.lens.vignette
    return replace(
        film, grey=True, mix=(weights, weights, weights), lifts=_triple(film.lifts + tint),
        gains=_triple(1 + tint), noise=(*film.noise[:2], 0.0),
        lens=replace(film.lens, vignette=spot),
    )  # fmt: skip


def _optics(film: Film, rng: Rng, poor: float, strength: float) -> Film:
    u = rng.random(8)
    lens = Lens(
        vignette=float(rng.uniform(0.1, 0.7)) * strength if u[0] < 0.35 else 0.0,
        fog=float(rng.uniform(0.1, 0.55)) * strength if u[1] < 0.1 else 0.0,
        haze=float(rng.uniform(0.4, 0.9)),
        spots=int(rng.integers(1, 12)) if u[2] < 0.14 * strength else 0,
        wet=bool(u[3] < 0.4),
        flare=float(rng.uniform(0.05, 0.4)) if u[4] < 0.08 * strength else 0.0,
    )
    bloom = float(rng.uniform(0.1, 0.8)) * strength if u[5] < 0.4 else 0.0
    return replace(
        film, lens=lens, weather=_weather(rng, strength), bloom=bloom,
        smear=float(rng.uniform(0.1, 0.5)) if bloom and u[6] < 0.08 else 0.0,
        limit=float(rng.uniform(0.7, 1.1)),
        blur=float(1.0 + 0.36 * min(strength, 1.0) + poor * rng.exponential(0.35)),
    )  # fmt: skip


def _weather(rng: Rng, strength: float) -> Weather:
    kind, strong = rng.random(), float(rng.uniform(0.15, 0.6))
    slope = float(rng.normal(0, 0.35))
    if kind < 0.04 * strength:
        return Weather(
            int(rng.integers(20, 160)), float(rng.uniform(0.05, 0.2)), 0.25, slope, strong
        )
    if kind < 0.07 * strength:
        return Weather(
            int(rng.integers(20, 200)), 0.012, float(rng.uniform(0.4, 1.4)), slope, strong
        )
    if kind < 0.085 * strength:  # insects in the light of the camera
        return Weather(int(rng.integers(1, 4)), 0.1, float(rng.uniform(0.5, 2)), slope * 8, strong)
    return Weather()


def _sensor(film: Film, rng: Rng, poor: float, strength: float) -> Film:
    native = None
    if rng.random() < strength * (0.06 + 0.3 * poor):
        side = np.exp(rng.uniform(np.log(150 - 70 * poor), np.log(180)))
        native = (int(side), int(min(192, side * rng.uniform(0.8, 1.4))))
    noise = 0.004 * strength + 0.024 * poor * rng.random() ** 2
    rows = float(noise * rng.uniform(0.2, 0.8)) if rng.random() < 0.1 else 0.0
    return replace(
        film,
        native=native,
        noise=(float(noise), float(noise * rng.uniform(0.3, 1.5)), float(rng.uniform(0.2, 1.2))),
        pattern=(float(noise * rng.uniform(0, 0.5)), rows),
        sharp=(float(strength * rng.gamma(2.0, 0.6)), int(rng.integers(1, 3)),
               float(rng.uniform(0.08, 0.3))),
        trail=float(rng.uniform(0.15, 0.5)) if rng.random() < 0.12 * strength else 0.0,
        damage=0.02 * strength,
    )  # fmt: skip


def _timing(film: Film, rng: Rng, poor: float, strength: float) -> Film:
    slow, jerky, lines = rng.random(3) < strength * np.array([0.07, 0.04, 0.06])
    return replace(
        film,
        rate=float(rng.choice([2.0, 2.5, 3.0, 4.0])) if slow else 0.0,
        stutter=float(rng.uniform(0.1, 0.4)) if jerky else 0.0,
        interlaced=bool(lines),
        native=None if lines else film.native,
    )


def _moving(film: Film, rng: Rng, strength: float) -> Film:
    kind = rng.random() / max(strength, 1e-9)
    period, motion = float(rng.uniform(1.2, 5.0)), Motion()
    if kind < 0.07:  # in the hand
        sway, roll = rng.uniform(0.006, 0.035), rng.uniform(0, 0.03)
        motion = Motion(float(sway), period, float(rng.uniform(0, 0.004)), float(roll))
    elif kind < 0.12:  # a post in the wind, a vehicle
        motion = Motion(jitter=float(rng.uniform(0.002, 0.01)))
    elif kind < 0.17:
        speed = np.clip(rng.normal(0, 0.03, 2), -0.07, 0.07) * (1, 0.4)
        motion = Motion(pan=(float(speed[0]), float(speed[1])), zoom=float(rng.normal(0, 0.03)))
    return replace(film, motion=motion)


def expose(
    film: Film, frames: Array, rng: Rng, *, times: Array | None = None, fields: bool = False,
    exposure: Exposure | None = None,
) -> Array:  # fmt: skip
    """Return uint8 pictures (t, H, W, 3) of light, float32 (t, H, W, 3).

    `times` (t,) are the seconds of the frames, by default 0.2 apart. With `fields`, `frames` is
    (2 t, H, W, 3): the odd rows of picture i are those of frame 2 i + 1, a little later (interlaced
    cameras). `exposure` is what `meter` returned for the first frames of a long video.
    """
    if fields:
        frames = _interleaved(frames)
    count, height, width = frames.shape[:3]
    times = np.arange(count) * 0.2 if times is None else np.asarray(times, float)
    streams = [np.random.default_rng(s) for s in rng.integers(2**63, size=5)]
    kept, order = _held(film, times, streams[0])
    light = np.ascontiguousarray(frames[kept], np.float32)
    exposure = meter(film, light[:1]) if exposure is None else exposure
    light = _seen(film, light, times[kept], streams[1])
    _developed(film, light, exposure, times[kept], streams[2:4])
    if film.native is not None:
        light = filters.resize(light, height, width)
    return _damaged(film, np.asarray(filters.to_bytes(light, order)), streams[4])


def meter(film: Film, frames: Array) -> Exposure:
    """Choose the exposure for light (t, H, W, 3)."""
    small = np.clip(frames[:, ::5, ::5].reshape(-1, 3), 0, None) @ np.array(film.mix).T
    grey = small @ np.array([0.3, 0.59, 0.11])
    gain = float(np.clip(0.42 / max(float(grey.mean()), 1e-3), 0.4, film.boost))
    white = (max(float(grey.mean()), 1e-3) / np.maximum(small.mean(0), 1e-3)) ** film.balance
    shown = np.clip(grey * gain, 0, 1.2) ** film.gammas[1]
    slope = float(np.clip(film.contrast / max(float(shown.std()), 1e-3), 0.7, 2.0))
    offset = film.level - slope * float(shown.mean())
    return Exposure(gain, slope, min(offset, 0.03), _triple(np.clip(white, 0.5, 2.0)))


def _interleaved(frames: Array) -> Array:
    if len(frames) % 2:
        raise ValueError(f"fields need two frames for each picture, got {len(frames)} frames")
    out = frames[::2].copy()
    out[:, 1::2] = frames[1::2, 1::2]
    return out


def _held(film: Film, times: Array, rng: Rng) -> tuple[Array, Array]:
    """Return which frames the camera takes and, for each picture, which of these it shows."""
    index = np.arange(len(times))
    shown = index.copy()
    if film.rate > 0:
        shown = np.searchsorted(
            np.floor(times * film.rate + 1e-6), np.floor(times * film.rate + 1e-6)
        )
    late = rng.random(len(times)) < film.stutter
    late[:1] = False
    shown = np.maximum.accumulate(np.where(late, 0, shown))
    kept, order = np.unique(shown, return_inverse=True)
    return kept, order


def _seen(film: Film, light: Array, times: Array, rng: Rng) -> Array:
    """Return what the lens throws on the sensor."""
    height, width = light.shape[1:3]
    if not film.motion.still:
        light = filters.warp(light, motion_maps(film.motion, film.seed, times, rng))
    height, width = film.native or (height, width)
    light = filters.resize(light, height, width, film.blur)
    if film.weather.count:
        filters.streaks(light, streak_lines(film.weather, rng, len(light)))
    return light


def _developed(film: Film, light: Array, exposure: Exposure, times: Array, rngs: list[Rng]) -> None:
    count, height, width = light.shape[:3]
    gains = (exposure.gain * _brightness(film, times, rngs[0])).astype(np.float32)
    keep, add = lens_maps(film.lens, film.seed, height, width)
    filters.develop(
        light, gains, keep, add, _glow(film, light, gains), np.array(film.mix, np.float32),
        _curve(film, exposure), 1.0 if film.grey else film.saturation,
        _fixed(film, height, width), np.array(film.noise, np.float32),
        np.asarray(rngs[1].integers(2**63, size=count), np.uint64),
    )  # fmt: skip
    if film.sharp[0] > 0:
        filters.sharpen(light, *film.sharp)
    for index in range(1, count if film.trail else 0):
        light[index] += np.float32(film.trail) * (light[index - 1] - light[index])


def _brightness(film: Film, times: Array, rng: Rng) -> Array:
    """Return how much brighter (1: as bright) each frame is, from flicker and jumps."""
    out = 1.0 + film.flicker * np.sin(times * rng.uniform(5, 60) + rng.uniform(0, 6))
    if rng.random() < film.jump:
        out = out * np.where(times >= rng.choice(times), np.exp(rng.normal(0, 0.3)), 1.0)
    return np.asarray(out)


def _glow(film: Film, light: Array, gains: Array) -> Array:
    """Return the light that spills from highlights, at a quarter of the size."""
    if not film.bloom:
        return np.zeros((len(light), 1, 1, 3), np.float32)
    over = filters.highlights(light, gains, film.limit)
    glow = np.float32(film.bloom) * filters.resize(over, over.shape[1], over.shape[2], 5.0)
    if film.smear:
        glow += np.float32(film.smear) * over.mean(1, keepdims=True)
    return np.asarray(glow)


def _curve(film: Film, exposure: Exposure) -> Array:
    """Return what each amount of light (3, STEPS) looks like."""
    gains = np.array(film.gains) * exposure.white
    light = np.linspace(0, filters.TOP, filters.STEPS)[None] * gains[:, None]
    shown = exposure.slope * light ** np.array(film.gammas)[:, None] + exposure.offset
    shown = shown + np.array(film.lifts)[:, None]
    if film.soft_top:
        shown = np.where(shown > 0.75, 0.75 + 0.25 * np.tanh((shown - 0.75) / 0.25), shown)
    curve: Array = np.clip(shown, 0, 1).astype(np.float32)
    return curve


def _fixed(film: Film, height: int, width: int) -> Array:
    """Return the pattern (height, width) of a sensor that stays the same."""
    if not any(film.pattern):
        return np.zeros((height, width), np.float32)
    rng = np.random.default_rng(film.seed)
    pixels = film.pattern[0] * rng.standard_normal((height, width))
    rows = film.pattern[1] * rng.standard_normal((height, 1))
    fixed: Array = (pixels + rows).astype(np.float32)
    return fixed


def _damaged(film: Film, frames: Array, rng: Rng) -> Array:
    """Lose a run of blocks: the picture before stays there, shifted, or it turns grey."""
    if rng.random() >= film.damage:
        return frames
    height, width = frames.shape[1:3]
    for _ in range(rng.integers(1, 5)):
        y, x = (16 * int(rng.integers(side // 16)) for side in (height, width))
        first, tall = int(rng.integers(len(frames))), 16 * int(rng.integers(1, 4))
        last = first + int(rng.integers(1, 4))
        shift = int(rng.integers(-24, 25))
        before = np.roll(frames[max(first - 1, 0), y : y + tall], shift, 1)[:, x:]
        frames[first:last, y : y + tall, x:] = before if rng.random() < 0.75 else 128
    return frames
