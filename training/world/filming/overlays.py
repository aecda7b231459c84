"""Write into pictures what recorders, players and broadcasters write: clocks, names, banners, bars.

Knows nothing of what the pictures show, so that no overlay can tell normal from abnormal. Pictures
are uint8 (frames, height, width, 3); positions and sizes are fractions of their sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.world.filming.screen import Screen, random_screen, show

Array = NDArray[Any]
Rng = np.random.Generator
Colour = tuple[int, int, int]
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif",
         "plain", "bitmap", "segments")  # fmt: skip
CLOCKS = (
    "%d-%m-%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%m/%d/%y %I:%M:%S %p", "%H:%M:%S", "%d.%m.%Y",
    "%d/%m/%Y %a %H:%M:%S", "%Y-%m-%d %H:%M:%S:%f", "%d/%m/%Y\n%H:%M:%S",
)  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
INKS: tuple[Colour, ...] = ((255, 255, 255), (235, 235, 225), (255, 240, 80), (120, 255, 120),
                            (255, 80, 60), (20, 20, 20), (120, 220, 255))  # fmt: skip
# Which strokes of a seven-segment digit shine: top, upper left and right, middle, lower, bottom.
SEGMENTS = {"0": 0x77, "1": 0x24, "2": 0x5D, "3": 0x6D, "4": 0x2E, "5": 0x6B, "6": 0x7B, "7": 0x25,
            "8": 0x7F, "9": 0x6F, "-": 0x08}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A line of writing, or a clock if `start` is given (`words` is then a format of datetime).

    (x, y) is its upper left corner; the right one if x is above 0.5, the lower if y is above 0.95.
    `back` is "none", "shadow", "outline", "box" or "round".
    """

    words: str
    x: float
    y: float
    size: float
    font: str = "DejaVuSans"
    ink: Colour = (255, 255, 255)
    paper: Colour = (0, 0, 0)
    back: str = "none"
    opacity: float = 1.0
    narrow: float = 1.0
    start: datetime | None = None
    speed: float = 0.0


@dataclass(frozen=True)
class Area:
    """A plate of one colour from (x0, y0) to (x1, y1): "box", "disc" or "ring"."""

    x0: float
    y0: float
    x1: float
    y1: float
    colour: Colour
    opacity: float = 1.0
    shape: str = "box"


@dataclass(frozen=True)
class Overlay:
    """All that is laid over the pictures of one camera.

    `camera` is written first; then the picture is shown on a `screen` that another camera films;
    then it is put into the `window` (x0, y0, x1, y1), cut or shrunk, over bars of colour `bars` or
    (None) a blurred copy; then the `player` writes.
    """

    camera: tuple[Area | Text, ...] = ()
    screen: Screen | None = None
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    cut: bool = False
    bars: int | None = 0
    player: tuple[Area | Text, ...] = ()


def overlay(rng: Rng, frames: Array) -> Array:
    """Draw an overlay and lay it over frames that are 0.2 s apart."""
    return lay(random_overlay(rng), frames)


def random_overlay(rng: Rng, strength: float = 1.0) -> Overlay:
    """Draw an overlay; at `strength` 0 there is none, at 1 as many as among CCTV videos."""
    u = rng.random(10) / max(strength, 1e-9)
    camera: list[Area | Text] = []
    if u[0] < 0.55:
        camera += _captions(rng)
    player: list[Area | Text] = []
    for chance, most, make in zip(
        u[1:6],
        (0.08, 0.1, 0.1, 0.03, 0.015),
        (_banner, _logo, _mark, _controls, _ring),
        strict=True,
    ):
        if chance < most:
            player += make(rng)
    window, cut, bars = _window(rng) if u[6] < 0.14 else ((0.0, 0.0, 1.0, 1.0), False, 0)
    screen = random_screen(rng) if u[7] < 0.05 else None
    return Overlay(tuple(camera), screen, window, cut, bars, tuple(player))


def _captions(rng: Rng) -> list[Area | Text]:
    """Draw the clock and the name of a camera, in one style, in one or two corners."""
    ink = INKS[int(rng.choice(len(INKS), p=[0.62, 0.12, 0.07, 0.05, 0.02, 0.06, 0.06]))]
    dark = sum(ink) < 200
    style = Text(
        "", 0.0, 0.0, float(np.exp(rng.uniform(np.log(0.028), np.log(0.085)))),
        font=str(rng.choice(FONTS)), ink=ink, paper=(240, 240, 240) if dark else (0, 0, 0),
        back=str(rng.choice(["none", "shadow", "outline", "box", "round"],
                            p=[0.4, 0.2, 0.2, 0.12, 0.08])),
        opacity=float(rng.uniform(0.7, 1.0)), narrow=float(rng.uniform(0.55, 1.0)),
    )  # fmt: skip
    corners = [(x, y) for x in (0.02, 0.98) for y in (0.02, 0.98)]
    picked = [corners[i] for i in rng.permutation(4)]
    start = datetime(2009, 1, 1) + timedelta(seconds=float(rng.uniform(0, 5e8)))
    out: list[Area | Text] = []
    if rng.random() < 0.85:
        words = str(rng.choice(CLOCKS))
        if style.font == "segments":
            words = "%H:%M:%S"
        out.append(replace(style, words=words, x=picked[0][0], y=picked[0][1], start=start))
    if rng.random() < 0.6 and style.font != "segments":
        x, y = picked[1]
        if style.size > 0.045 and y == picked[0][1]:  # long lines would meet
            y = 1.0 - y
        out.append(replace(style, words=_name(rng), x=x, y=y))
    return out


def _name(rng: Rng) -> str:
    number = int(rng.integers(1, 33))
    first = str(rng.choice(["CAM", "Camera", "CH", "CAM ", "Channel", "IPC", "D", "Kamera", ""]))
    return f"{first} {number:02d}" if rng.random() < 0.7 else _word(rng, 4, 10)


def _word(rng: Rng, least: int, most: int) -> str:
    return "".join(LETTERS[i] for i in rng.integers(26, size=rng.integers(least, most + 1)))


def _sentence(rng: Rng, words: int) -> str:
    return " ".join(_word(rng, 2, 9).capitalize() for _ in range(words))


def _paint(rng: Rng) -> Colour:
    """Draw a strong colour, often red, white, blue or black."""
    common = ((200, 15, 20), (245, 245, 245), (20, 50, 150), (10, 10, 10), (250, 190, 20))
    if rng.random() < 0.7:
        return common[int(rng.integers(len(common)))]
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _on(colour: Colour) -> Colour:
    """Return the colour of writing that can be read on `colour`."""
    return (15, 15, 15) if sum(colour) > 400 else (250, 250, 250)


def _banner(rng: Rng) -> list[Area | Text]:
    """Draw the banner of a news programme at the lower edge, perhaps with a running line."""
    colour, top = _paint(rng), float(rng.uniform(0.78, 0.9))
    height, left = float(rng.uniform(0.06, 0.11)), float(rng.choice([0.0, rng.uniform(0, 0.15)]))
    font = str(rng.choice(FONTS[:3]))
    out: list[Area | Text] = [
        Area(left, top, 1.0 - left * rng.integers(2), top + height, colour, rng.uniform(0.75, 1)),
        Text(_sentence(rng, int(rng.integers(2, 6))), left + 0.02, top + 0.02, height * 0.6, font,
             _on(colour), narrow=0.7),
    ]  # fmt: skip
    if rng.random() < 0.5:
        second, y = _paint(rng), top + height
        out.append(Area(left, y, 1.0, min(1.0, y + 0.06), second))
        speed = float(rng.choice([0.0, 0.15]))
        out.append(Text(_sentence(rng, 8), left + 0.02, y + 0.01, 0.04, font, _on(second),
                        narrow=0.7, speed=speed))  # fmt: skip
    return out + (_logo(rng) if rng.random() < 0.6 else [])


def _logo(rng: Rng) -> list[Area | Text]:
    """Draw a sign in a corner."""
    width, height = rng.uniform(0.06, 0.22), rng.uniform(0.05, 0.12)
    x, y = rng.choice([0.03, 0.97 - width]), rng.choice([0.03, 0.97 - height])
    colour, opacity = _paint(rng), float(rng.uniform(0.5, 1))
    shape = str(rng.choice(["box", "disc"]))
    area = Area(float(x), float(y), float(x + width), float(y + height), colour, opacity, shape)
    words = _word(rng, 2, 6)
    text = Text(words, float(x + 0.1 * width), float(y + 0.2 * height), float(height * 0.55),
                FONTS[1], _on(colour), opacity=opacity, narrow=0.6)  # fmt: skip
    return [area, text] if rng.random() < 0.8 else [area]


def _mark(rng: Rng) -> list[Area | Text]:
    """Draw the pale name of a site."""
    words = _word(rng, 5, 10).capitalize() + str(rng.choice([".com", "", " TV", ".net"]))
    x, y = rng.uniform(0.02, 0.5), rng.choice([rng.uniform(0, 0.1), rng.uniform(0.8, 0.93)])
    size, opacity = float(rng.uniform(0.03, 0.09)), float(rng.uniform(0.25, 0.9))
    return [Text(words, float(x), float(min(y, 0.49)) if y < 0.5 else float(y), size,
                 str(rng.choice(FONTS[:5])), opacity=opacity, narrow=0.8)]  # fmt: skip


def _controls(rng: Rng) -> list[Area | Text]:
    """Draw the controls of a player."""
    y, done, grey = rng.uniform(0.86, 0.95), rng.uniform(0.1, 0.9), int(rng.integers(20, 230))
    bar = Area(0.05, float(y + 0.015), 0.95, float(y + 0.03), (150, 150, 150))
    return [
        Area(0.0, float(y), 1.0, 1.0, (grey, grey, grey), float(rng.uniform(0.4, 1))), bar,
        replace(bar, x1=float(done), colour=_paint(rng)),
    ]  # fmt: skip


def _ring(rng: Rng) -> list[Area | Text]:
    """Draw a circle that marks nothing in particular."""
    x, y, size = rng.uniform(0, 0.7), rng.uniform(0, 0.7), rng.uniform(0.12, 0.4)
    colour: Colour = (230, 20, 20) if rng.random() < 0.7 else (250, 230, 30)
    return [Area(float(x), float(y), float(x + size), float(y + size), colour, 1.0, "ring")]


def _window(rng: Rng) -> tuple[tuple[float, float, float, float], bool, int | None]:
    """Draw bars above and below, left and right, on one side, or around."""
    kind, bar = rng.random(), float(rng.uniform(0.03, 0.16))
    side = float(rng.uniform(0.04, 0.2))
    if kind < 0.45:
        window = (0.0, bar, 1.0, 1.0 - bar)
    elif kind < 0.75:
        window = (side, 0.0, 1.0 - side, 1.0)
    elif kind < 0.9:
        window = (bar, bar, 1.0 - bar, 1.0 - bar)
    else:
        window = (0.0, 0.0, 1.0 - bar * rng.integers(2), 1.0 - bar)
    bars = None if 0.45 < kind < 0.55 else int(rng.choice([0, 0, 0, 0, 0, 0, 16, 16, 30, 60, 255]))
    return window, bool(rng.random() < 0.35), bars


def lay(style: Overlay, frames: Array, times: Array | None = None) -> Array:
    """Lay an overlay over frames (t, H, W, 3) taken at `times` (t,), by default 0.2 s apart."""
    times = np.arange(len(frames)) * 0.2 if times is None else np.asarray(times, float)
    frames = frames.copy()
    for item in style.camera:
        _put(item, frames, times)
    if style.screen is not None:
        frames = show(style.screen, frames, times)
    if style.window != (0.0, 0.0, 1.0, 1.0):
        frames = _framed(style, frames)
    for item in style.player:
        _put(item, frames, times)
    return frames


def _framed(style: Overlay, frames: Array) -> Array:
    height, width = frames.shape[1:3]
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(style.window, (width, height) * 2, strict=True))
    inside = slice(y0, y1), slice(x0, x1)
    out = np.full_like(frames, style.bars or 0)
    smooth = Image.Resampling.BILINEAR
    for index, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        if style.bars is None:
            out[index] = picture.resize((6, 6), smooth).resize((width, height), smooth)
        out[index][inside] = (
            frame[inside] if style.cut else np.asarray(picture.resize((x1 - x0, y1 - y0), smooth))
        )
    return out


def _put(item: Area | Text, frames: Array, times: Array) -> None:
    if isinstance(item, Area):
        _put_area(item, frames)
        return
    height, width = frames.shape[1:3]
    if item.start is None and not item.speed:
        _blend(frames, item, _patch(item, item.words, height, width), 0.0)
        return
    for index, time in enumerate(times):
        words = _clock(item.words, item.start, float(time)) if item.start else item.words
        patch = _patch(item, words, height, width)
        _blend(frames[index : index + 1], item, patch, item.speed * float(time))


def _clock(words: str, start: datetime, time: float) -> str:
    """Return the time; `%f` counts frames, 25 in a second."""
    now = start + timedelta(seconds=time)
    return now.strftime(words.replace("%f", f"{now.microsecond // 40000:02d}"))


def _put_area(area: Area, frames: Array) -> None:
    height, width = frames.shape[1:3]
    sides = zip((area.x0, area.y0, area.x1, area.y1), (width, height) * 2, strict=True)
    x0, y0, x1, y1 = (min(max(0, round(share * side)), side) for share, side in sides)
    if x1 <= x0 or y1 <= y0:
        return
    mask = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)), 255 if area.shape == "box" else 0)
    corners = (0, 0, mask.width - 1, mask.height - 1)
    if area.shape != "box":
        fill, edge = (255, 0) if area.shape == "disc" else (0, 5)
        ImageDraw.Draw(mask).ellipse(corners, fill=fill, outline=255, width=edge)
    shown = np.asarray(mask.resize((x1 - x0, y1 - y0), Image.Resampling.BOX), np.float32) / 255
    _mix(frames[:, y0:y1, x0:x1], shown * area.opacity, np.array(area.colour, np.float32))


def _blend(frames: Array, text: Text, patch: Array, moved: float) -> None:
    """Lay a patch (h, w, 4) with colour and share over the frames, as far as it is inside."""
    height, width = frames.shape[1:3]
    tall, wide = patch.shape[:2]
    left = round((text.x - moved) * width) - (wide if text.x > 0.5 else 0)
    top = min(round(text.y * height) - (tall if text.y > 0.95 else 0), height - tall)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + wide, width), min(top + tall, height)
    if x0 < x1 and y0 < y1:
        part = patch[y0 - top : y1 - top, x0 - left : x1 - left]
        _mix(frames[:, y0:y1, x0:x1], part[..., 3], part[..., :3])


def _mix(part: Array, share: Array, colour: Array) -> None:
    mixed = part + share[..., None] * (colour - part)
    part[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _patch(text: Text, words: str, height: int, width: int) -> Array:
    """Draw writing as float32 (h, w, 4): colour in 0..255 and share in 0..1."""
    size = max(6, round(text.size * height * 2))
    if text.font == "segments":
        mask = _segments(words, size)
    else:
        mask = _written(words, _font(text.font, size), size)
    around = 2 + size // 8
    plate = Image.new("L", (mask.width + 2 * around, mask.height + 2 * around), 0)
    ink = plate.copy()
    ink.paste(mask, (around, around))
    if text.back in ("box", "round"):
        radius = plate.height // 3 if text.back == "round" else 0
        ImageDraw.Draw(plate).rounded_rectangle((0, 0, plate.width, plate.height), radius, 255)
    elif text.back in ("shadow", "outline"):
        steps = ((2, 2),) if text.back == "shadow" else ((-2, 0), (2, 0), (0, -2), (0, 2))
        for dx, dy in steps:
            plate.paste(255, (around + dx, around + dy), mask)
    narrow = text.narrow * width / height
    shape = max(2, round(plate.width * narrow / 2)), max(2, plate.height // 2)
    over, under = (np.asarray(part.resize(shape, Image.Resampling.BILINEAR), np.float32) / 255
                   for part in (ink, plate))  # fmt: skip
    share = np.maximum(over, under)
    blend = over / np.maximum(share, 1e-3)
    paper, front = np.array(text.paper, np.float32), np.array(text.ink, np.float32)
    colour = paper + blend[..., None] * (front - paper)
    return np.concatenate([colour, text.opacity * share[..., None]], -1)


@lru_cache(64)
def _font(name: str, size: int) -> Any:
    if name == "plain":
        return ImageFont.load_default(size)
    if name == "bitmap":
        return ImageFont.load_default_imagefont()
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(path), size)


def _written(words: str, font: Any, size: int) -> Image.Image:
    """Draw words; a bitmap font is scaled up without smoothing."""
    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), words, font=font)
    mask = Image.new("L", (int(box[2]) + 1, int(box[3]) + 1), 0)
    ImageDraw.Draw(mask).multiline_text((0, 0), words, font=font, fill=255)
    mask = mask.crop(mask.getbbox() or (0, 0, 1, 1))
    if isinstance(font, ImageFont.ImageFont):
        scale = size / 11
        tall, wide = round(mask.height * scale), round(mask.width * scale)
        mask = mask.resize((max(wide, 1), max(tall, 1)), Image.Resampling.NEAREST)
    return mask


def _segments(words: str, size: int) -> Image.Image:
    """Draw digits of seven strokes each."""
    wide, thick = size * 6 // 10, max(1, size // 7)
    mask = Image.new("L", (max(1, len(words) * (wide + thick)), size), 0)
    pen, half = ImageDraw.Draw(mask), size // 2
    for index, sign in enumerate(words):
        x, right = index * (wide + thick), index * (wide + thick) + wide - 1
        lines = (
            (x, 0, right, thick), (x, 0, x + thick, half), (right - thick, 0, right, half),
            (x, half - thick // 2, right, half + thick // 2), (x, half, x + thick, size),
            (right - thick, half, right, size), (x, size - thick, right, size),
        )  # fmt: skip
        for bit, line in enumerate(lines):
            if SEGMENTS.get(sign, 0) >> bit & 1:
                pen.rectangle(line, fill=255)
        if sign == ":":
            for y in (size // 3, size * 2 // 3):
                pen.rectangle((x + wide // 2, y, x + wide // 2 + thick, y + thick), fill=255)
    return mask
