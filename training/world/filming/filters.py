"""Filter pictures over time: move, scale, develop, sharpen, streak; all compiled for one core.

Knows no cameras and draws no random numbers; seeds are given. Pictures are float32 (frames,
height, width, 3) with values around 0..1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS = 4096  # entries of a tone curve, for light from 0 to TOP
TOP = 4.0


def resize(frames: Array, height: int, width: int, soft: float = 1.0) -> Array:
    """Scale pictures with a tent that is `soft` times as wide as it must be; soft > 1 blurs."""
    frames = np.ascontiguousarray(frames, np.float32)
    if frames.shape[1:3] == (height, width):
        away = np.arange(-int(soft), int(soft) + 1)
        tent = np.maximum(1.0 - np.abs(away) / soft, 0.0)
        return np.asarray(_blur(frames, (tent / tent.sum()).astype(np.float32)))
    rows, columns = _tent(frames.shape[1], height, soft), _tent(frames.shape[2], width, soft)
    return np.asarray(_columns(_rows(frames, *rows), *columns))


@lru_cache(256)
def _tent(old: int, new: int, soft: float) -> tuple[Array, Array]:
    """Return the first pixels (new,) and the weights (new, taps) that make each new pixel."""
    reach = max(old / new, 1.0) * soft
    centre = (np.arange(new) + 0.5) * old / new - 0.5
    taps = min(old, int(2 * reach) + 1)
    first = np.clip(np.ceil(centre - reach).astype(np.int64), 0, old - taps)
    away = np.abs(first[:, None] + np.arange(taps) - centre[:, None]) / reach
    weights = np.maximum(1.0 - away, 0.0)
    # Near an edge the outer pixels repeat: what falls outside counts for the edge itself.
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)
    return first, weights.astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _blur(frames: Array, weights: Array) -> Array:
    """Return pictures blurred in both directions; beyond the edge, the edge is repeated."""
    count, height, width = frames.shape[:3]
    out = np.empty_like(frames)
    old = frames.reshape(count, height, width * 3)
    new = out.reshape(count, height, width * 3)
    reach = len(weights) // 2
    row = np.empty((width + 2 * reach) * 3, np.float32)
    inner = row[reach * 3 : (reach + width) * 3]
    for f in range(count):
        for y in range(height):
            inner[:] = 0.0
            for k in range(-reach, reach + 1):
                w, source = weights[k + reach], old[f, min(max(y + k, 0), height - 1)]
                for x in range(width * 3):
                    inner[x] += w * source[x]
            for x in range(reach):
                for c in range(3):
                    row[x * 3 + c] = inner[c]
                    row[(width + reach + x) * 3 + c] = inner[(width - 1) * 3 + c]
            target = new[f, y]
            target[:] = 0.0
            for k in range(2 * reach + 1):
                w = weights[k]
                source = row[k * 3 : (k + width) * 3]
                for x in range(width * 3):
                    target[x] += w * source[x]
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _rows(frames: Array, first: Array, weights: Array) -> Array:
    count, _, width = frames.shape[:3]
    height, taps = weights.shape
    out = np.zeros((count, height, width, 3), np.float32)
    old = frames.reshape(count, frames.shape[1], width * 3)
    new = out.reshape(count, height, width * 3)
    for f in range(count):
        for y in range(height):
            for k in range(taps):
                w, row = weights[y, k], first[y] + k
                if w != 0.0:
                    for x in range(width * 3):
                        new[f, y, x] += w * old[f, row, x]
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _columns(frames: Array, first: Array, weights: Array) -> Array:
    count, height = frames.shape[:2]
    width, taps = weights.shape
    out = np.empty((count, height, width, 3), np.float32)
    for f in range(count):
        for y in range(height):
            for x in range(width):
                r, g, b = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                for k in range(taps):
                    w, column = weights[x, k], first[x] + k
                    r += w * frames[f, y, column, 0]
                    g += w * frames[f, y, column, 1]
                    b += w * frames[f, y, column, 2]
                out[f, y, x, 0], out[f, y, x, 1], out[f, y, x, 2] = r, g, b
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def warp(frames: Array, maps: Array) -> Array:
    """Return pictures whose pixel (x, y, 1) shows what `maps` (frames, 3, 3) times it points to.

    Positions are fractions of the picture's sides. Beyond the edge, the edge is repeated.
    """
    count, height, width = frames.shape[:3]
    out = np.empty_like(frames)
    half, none = np.float32(0.5), np.float32(0.0)
    wide, tall = np.float32(width), np.float32(height)
    right, bottom = np.float32(width - 1.001), np.float32(height - 1.001)
    for f in range(count):
        m = maps[f]
        for py in range(height):
            v = (np.float32(py) + half) / tall
            for px in range(width):
                u = (np.float32(px) + half) / wide
                w = np.float32(1.0) / (m[2, 0] * u + m[2, 1] * v + m[2, 2])
                x = (m[0, 0] * u + m[0, 1] * v + m[0, 2]) * w * wide - half
                y = (m[1, 0] * u + m[1, 1] * v + m[1, 2]) * w * tall - half
                x, y = min(max(x, none), right), min(max(y, none), bottom)
                x0, y0 = np.int32(x), np.int32(y)
                a, b = x - np.float32(x0), y - np.float32(y0)
                for c in range(3):
                    p, q = frames[f, y0, x0, c], frames[f, y0 + 1, x0, c]
                    top = p + a * (frames[f, y0, x0 + 1, c] - p)
                    low = q + a * (frames[f, y0 + 1, x0 + 1, c] - q)
                    out[f, py, px, c] = top + b * (low - top)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def highlights(frames: Array, gains: Array, limit: float) -> Array:
    """Return what exceeds `limit` after the gains (frames,), averaged over 4 x 4 pixels."""
    count, height, width = frames.shape[:3]
    out = np.zeros((count, max(1, height // 4), max(1, width // 4), 3), np.float32)
    share, least, none = np.float32(1 / 16), np.float32(limit), np.float32(0.0)
    most = np.float32(TOP)
    for f in range(count):
        gain = gains[f]
        for y in range(out.shape[1] * 4):
            row, source = out[f, y // 4], frames[f, y]
            for x in range(out.shape[2]):
                for k in range(4):
                    for c in range(3):
                        over = min(source[4 * x + k, c] * gain, most) - least
                        row[x, c] += share * max(over, none)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def develop(
    frames: Array, gains: Array, lens: Array, veil: Array, glow: Array, mix: Array, curve: Array,
    saturation: float, pattern: Array, noise: Array, seeds: Array,
) -> None:  # fmt: skip
    """Turn light into a picture in place.

    Light times `gains` (frames,) plus `glow` (frames, h, w, 3, any size), times `lens` (height,
    width), plus `veil` (height, width, 3), mixed by `mix` (3, 3), plus `pattern` (height, width)
    and noise, through `curve` (3, STEPS), to colours of some `saturation`. `noise` is (in the
    dark, in the light, of colours); the noise follows from `seeds` (frames,) uint64.
    """
    count, height, width = frames.shape[:3]
    rows, spill = glow.shape[1], np.zeros((width, 3), np.float32)
    one, none, most = np.float32(1.0), np.float32(0.0), np.float32(TOP)
    scale, colour = np.float32((STEPS - 1) / TOP), np.float32(saturation)
    unit = np.float32(1 / 147.8)  # one over the standard deviation of the sum of four bytes
    for f in range(count):
        state, gain = seeds[f] | np.uint64(1), gains[f]
        for y in range(height):
            if rows > 1:
                _stretch(glow[f], (y + 0.5) * rows / height - 0.5, spill)
            for x in range(width):
                state ^= state >> np.uint64(12)
                state ^= state << np.uint64(25)
                state ^= state >> np.uint64(27)
                n0, n1, n2 = _bytes(state * np.uint64(2685821657736338717))
                r = frames[f, y, x, 0] * gain + spill[x, 0]
                g = frames[f, y, x, 1] * gain + spill[x, 1]
                d = frames[f, y, x, 2] * gain + spill[x, 2]
                keep = lens[y, x]
                r, g, d = (
                    r * keep + veil[y, x, 0],
                    g * keep + veil[y, x, 1],
                    d * keep + veil[y, x, 2],
                )
                deep = (noise[0] + noise[1] * min(max(g, none), one)) * unit
                base = n0 * deep + pattern[y, x]
                red = mix[0, 0] * r + mix[0, 1] * g + mix[0, 2] * d + base + noise[2] * n1 * deep
                green = mix[1, 0] * r + mix[1, 1] * g + mix[1, 2] * d + base
                blue = mix[2, 0] * r + mix[2, 1] * g + mix[2, 2] * d + base + noise[2] * n2 * deep
                r = curve[0, np.int32(min(max(red, none), most) * scale)]
                g = curve[1, np.int32(min(max(green, none), most) * scale)]
                d = curve[2, np.int32(min(max(blue, none), most) * scale)]
                grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * d
                frames[f, y, x, 0] = grey + colour * (r - grey)
                frames[f, y, x, 1] = grey + colour * (g - grey)
                frames[f, y, x, 2] = grey + colour * (d - grey)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _stretch(picture: Array, y: float, out: Array) -> None:
    """Fill the row `out` (width, 3) with the picture at row `y`, interpolated both ways."""
    height, width = picture.shape[:2]
    y = min(max(y, 0.0), height - 1.001)
    y0 = int(y)
    b = np.float32(y - y0)
    step = width / out.shape[0]
    for i in range(out.shape[0]):
        x = min(max((i + 0.5) * step - 0.5, 0.0), width - 1.001)
        x0 = int(x)
        a = np.float32(x - x0)
        for c in range(3):
            left = picture[y0, x0, c] + b * (picture[y0 + 1, x0, c] - picture[y0, x0, c])
            right = picture[y0, x0 + 1, c] + b * (
                picture[y0 + 1, x0 + 1, c] - picture[y0, x0 + 1, c]
            )
            out[i, c] = left + a * (right - left)


@numba.njit(cache=True, nogil=True, inline="always")
def _bytes(bits: Any) -> Any:
    """Return one sum of four random bytes and two sums of two, centred and equally wide."""
    mask = np.uint64(255)
    a = np.float32(bits & mask) + np.float32((bits >> np.uint64(8)) & mask)
    a += np.float32((bits >> np.uint64(16)) & mask) + np.float32((bits >> np.uint64(24)) & mask)
    b = np.float32((bits >> np.uint64(32)) & mask) + np.float32((bits >> np.uint64(40)) & mask)
    c = np.float32((bits >> np.uint64(48)) & mask) + np.float32(bits >> np.uint64(56))
    wide = np.float32(1.41421)
    return a - np.float32(510.0), (b - np.float32(255.0)) * wide, (c - np.float32(255.0)) * wide


@numba.njit(cache=True, nogil=True, fastmath=True)
def sharpen(frames: Array, amount: float, reach: int, most: float) -> None:
    """Add `amount` times the difference to a neighbourhood of `reach` pixels, at most `most`."""
    count, height, width = frames.shape[:3]
    grey = np.empty((height, width), np.float32)
    flat = np.empty((height, width), np.float32)
    half, strong, limit = np.float32(0.5), np.float32(amount), np.float32(most)
    for f in range(count):
        for y in range(height):
            for x in range(width):
                r, g, b = frames[f, y, x, 0], frames[f, y, x, 1], frames[f, y, x, 2]
                grey[y, x] = np.float32(0.3) * r + np.float32(0.59) * g + np.float32(0.11) * b
        for y in range(height):
            up, down = max(y - reach, 0), min(y + reach, height - 1)
            for x in range(width):
                around = half * (grey[up, x] + grey[down, x])
                flat[y, x] = half * (around + grey[y, x])
        for y in range(height):
            for x in range(width):
                around = half * (flat[y, max(x - reach, 0)] + flat[y, min(x + reach, width - 1)])
                edge = strong * (grey[y, x] - half * (around + flat[y, x]))
                edge = min(max(edge, -limit), limit)
                for c in range(3):
                    frames[f, y, x, c] += edge


@numba.njit(cache=True, nogil=True, fastmath=True)
def streaks(frames: Array, lines: Array) -> None:
    """Blend thin soft lines (frames, n, 6) into the pictures: x y, dx dy, half width, strength.

    Lengths are fractions of the sides, the half width pixels; a line brightens towards white.
    """
    count, height, width = frames.shape[:3]
    for f in range(count):
        for n in range(lines.shape[1]):
            x0, y0 = lines[f, n, 0] * width, lines[f, n, 1] * height
            dx, dy = lines[f, n, 2] * width, lines[f, n, 3] * height
            half, strength = lines[f, n, 4], lines[f, n, 5]
            length = max(dx * dx + dy * dy, 1e-6)
            reach = half + 1.0
            for y in range(
                max(0, int(min(y0, y0 + dy) - reach)),
                min(height, int(max(y0, y0 + dy) + reach) + 1),
            ):
                for x in range(
                    max(0, int(min(x0, x0 + dx) - reach)),
                    min(width, int(max(x0, x0 + dx) + reach) + 1),
                ):
                    ax, ay = x + 0.5 - x0, y + 0.5 - y0
                    t = min(1.0, max(0.0, (ax * dx + ay * dy) / length))
                    d = ((ax - t * dx) ** 2 + (ay - t * dy) ** 2) ** 0.5
                    a = strength * min(1.0, max(0.0, half + 0.5 - d))
                    if a > 0.0:
                        for c in range(3):
                            frames[f, y, x, c] += a * (1.0 - frames[f, y, x, c])


@numba.njit(cache=True, nogil=True, fastmath=True)
def to_bytes(frames: Array, order: Array) -> Array:
    """Return pictures number `order` (n,) as uint8 (n, height, width, 3)."""
    height, width = frames.shape[1:3]
    out = np.empty((len(order), height, width, 3), np.uint8)
    old = frames.reshape(len(frames), height * width * 3)
    new = out.reshape(len(order), height * width * 3)
    for n in range(len(order)):
        for i in range(height * width * 3):
            value = old[order[n], i] * np.float32(255.0) + np.float32(0.5)
            new[n, i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
    return out
