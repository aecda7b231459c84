"""What a camera's child process is asked to open. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

from hiprobe.live.address import Kind

OPEN_S = 10.0  # for a camera to answer, and to say what it sends


@dataclass(frozen=True)
class StreamRequest:
    """The address of a stream, its kind, and how RTSP is carried ("tcp" or "udp").

    `open_s` and `silent_s` are how long to wait for an answer, and for the next packet, in seconds.
    """

    url: str = field(repr=False)
    kind: Kind
    transport: str = "tcp"
    open_s: float = OPEN_S
    silent_s: float = 15.0
