"""Rendered scenes as H.264 files of 640 x 480 at 25 fps, for an RTSP server that only sends them.

Each clip of the package is encoded once; a stream is some of them one after the other. Knows no
watcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet
from hiprobe import embedded

FPS, WIDTH, HEIGHT = 25, 640, 480
# The part of a clip that is taken: six segments of 1.6 s, of which an event fills two to four.
FROM_S, TO_S = 1.6, 11.2
# Clips whose event is over before their end: others would run into the next clip.
EVENTS = tuple(f"abnormal_{one:02d}" for one in (0, 1, 2, 5, 6, 7, 8, 9, 12, 13))
ORDINARY = tuple(f"normal_{one:02d}" for one in range(14))
TICK = Fraction(1, FPS)


def media(path: Path) -> str:
    """Write the pipeline of a server that sends a file as it is, in real time."""
    return (
        f"filesrc location={path} ! qtdemux ! queue ! h264parse ! "
        "rtph264pay name=pay0 pt=96 config-interval=1"
    )


def stream(folder: Path, clips: Sequence[str], seconds: float) -> Path:
    """Write a file of at least `seconds` of these clips, again and again; return it."""
    name, made = f"{clips[0]}-{len(clips)}-{seconds:.0f}.mp4", folder.joinpath
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
    with av.open(str(embedded.CLIPS / path.name)) as source, av.open(str(path), "w") as target:
        out = target.add_stream("libx264", FPS, options=options)
        out.width, out.height, out.pix_fmt, out.time_base = WIDTH, HEIGHT, "yuv420p", TICK
        for number, image in enumerate(played(source)):
            scaled = image.reformat(WIDTH, HEIGHT, "yuv420p")
            scaled.pts, scaled.time_base, scaled.pict_type = number, TICK, 0
            target.mux(out.encode(scaled))
        target.mux(out.encode(None))
    return path


def played(source: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """Yield the frame on screen at each tick of the part that is taken."""
    images = [one for one in source.decode(video=0)]
    times, place = [float(one.time or 0) for one in images], 0
    for tick in range(round((TO_S - FROM_S) * FPS)):
        while place + 1 < len(times) and times[place + 1] <= FROM_S + tick / FPS + 1e-6:
            place += 1
        yield images[place]
