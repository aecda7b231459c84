"""Rendered scenes as H.264 files of 640 x 480 at 25 fps, for an RTSP server that only sends them.

Each clip of the package is encoded once; a stream is some of them one after the other. Knows no
watcher.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet

from hiprobe import embedded

FPS, WIDTH, HEIGHT = 25, 640, 480
# The part of a clip that is taken: six segments of 1.6 s, of which an event fills two to four.
FROM_S, TO_S = 1.6, 11.2
# Clips whose event is over before their end: others would run into the next clip.
EVENTS = tuple(f"abnormal_{one:02d}" for one in (0, 1, 2, 5, 6, 7, 8, 9, 12, 13))
ORDINARY = tuple(f"normal_{one:02d}" for one in range(14))
STILL = "-still"  # at the end of a name: the last picture of that clip, with noise
NOISE = 3.0  # levels of 255, as a cheap sensor has by day
TICK = Fraction(1, FPS)


def media(path: Path) -> str:
    """Write the pipeline of a server that sends a file as it is, in real time."""
    return (
        f"filesrc location={path} ! qtdemux ! queue ! h264parse ! "
        "rtph264pay name=pay0 pt=96 config-interval=1"
    )


def mostly_still(clip: str, times: int) -> tuple[str, ...]:
    """Return a clip, and so many times its length in which nothing moves."""
    return (clip, *[clip + STILL] * times)


def stream(folder: Path, clips: Sequence[str], seconds: float) -> Path:
    """Write a file of at least `seconds` of these clips, again and again; return it."""
    name, made = f"{clips[0]}-{digest(clips)}-{seconds:.0f}.mp4", folder.joinpath
    if made(name).exists():
        return made(name)
    parts = [encoded(folder, one) for one in clips]
    with av.open(str(made("part.mp4")), "w") as target:
        with av.open(str(parts[0])) as first:
            out = target.add_stream_from_template(first.streams.video[0])
        place, each = 0, round((TO_S - FROM_S) * FPS)
        while place * each < seconds * FPS:
            for packet in packets(parts[place % len(parts)]):
                packet.stream = out
                ticks = round(1 / (packet.time_base * FPS))
                packet.pts = (round(packet.pts / ticks) + place * each) * ticks
                packet.dts = packet.pts
                target.mux(packet)
            place += 1
    return made("part.mp4").rename(made(name))


def digest(clips: Sequence[str]) -> str:
    """Return a short name of these clips in this order."""
    return hashlib.sha256(" ".join(clips).encode()).hexdigest()[:8]


def packets(path: Path) -> Iterator[Packet[av.VideoStream]]:
    """Yield the packets of a file."""
    with av.open(str(path)) as source:
        yield from (one for one in source.demux(video=0) if one.size)


def encoded(folder: Path, clip: str) -> Path:
    """Encode a part of a clip of the package, without frames that need later ones; return it."""
    path = folder / f"{clip}.mp4"
    if path.exists():
        return path
    options = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "g": str(2 * FPS)}
    original, part = embedded.CLIPS / f"{clip.removesuffix(STILL)}.mp4", folder / "part.mp4"
    with av.open(str(original)) as source, av.open(str(part), "w") as target:
        out = target.add_stream("libx264", FPS, options=options)
        out.width, out.height, out.pix_fmt, out.time_base = WIDTH, HEIGHT, "yuv420p", TICK
        images = played(source)
        for number, image in enumerate(still(images) if clip.endswith(STILL) else images):
            scaled = image.reformat(WIDTH, HEIGHT, "yuv420p")
            scaled.pts, scaled.time_base, scaled.pict_type = number, TICK, 0
            target.mux(out.encode(scaled))
        target.mux(out.encode(None))
    return part.rename(path)


def still(images: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield the last picture as often as there are pictures, each with other noise."""
    chance, every = np.random.default_rng(0), list(images)
    last = every[-1].reformat(WIDTH, HEIGHT, "rgb24").to_ndarray().astype(np.float32)
    for _ in every:
        noise = chance.normal(0.0, NOISE, (HEIGHT, WIDTH, 1)).astype(np.float32)
        pixels = np.clip(last + noise, 0, 255).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(pixels, format="rgb24")


def played(source: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """Yield the frame on screen at each tick of the part that is taken."""
    images = list(source.decode(video=0))
    times, place = [float(one.time or 0) for one in images], 0
    for tick in range(round((TO_S - FROM_S) * FPS)):
        while place + 1 < len(times) and times[place + 1] <= FROM_S + tick / FPS + 1e-6:
            place += 1
        yield images[place]
