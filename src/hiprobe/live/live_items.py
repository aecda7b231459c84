"""What a source gives: segments, changes of state, and footage. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import HiProbeError
from hiprobe.types import Segment

State = Literal["online", "offline", "frozen", "changed", "ended"]


@dataclass(frozen=True)
class LiveSegment:
    """A segment of a camera as it is read; `segment` is in seconds of the camera's own clock.

    That clock is 0 at the camera's first frame and never goes back: what is missing after a
    connection was lost, or because the reader was slow, is missing in it, and `segment.index` also
    counts what was dropped. `wall` is the Unix time of its start in seconds. `jump`: since the
    segment before, Unix time has not passed as the camera's clock has, as this machine's clock was
    set.
    """

    camera: str
    segment: Segment
    wall: float
    jump: bool = False


@dataclass(frozen=True)
class Status:
    """A change of a camera's state, at Unix time `wall`; `detail` says why, without an address.

    - `online`: pictures come, or change again.
    - `offline`: none come; connecting goes on.
    - `frozen`: they come, but none is new.
    - `changed`: they have another size.
    - `ended`: a file was played, or could not be.

    `error` is the named error behind it, if there is one.
    """

    camera: str
    state: State
    detail: str
    wall: float
    error: HiProbeError | None = None


@dataclass(frozen=True)
class Footage:
    """Some seconds of a camera as they were received: an opaque file in `data`, uint8 (bytes,).

    `start` and `end` are on the camera's clock; `wall` is the Unix time of `start`. `key`: it can
    be shown from its beginning.
    """

    camera: str
    start: float
    end: float
    wall: float
    key: bool
    data: NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True)
class SourceCounts:
    """What a source has counted since it began.

    `dropped` of its `segments` were not taken in time. `damaged` packets and `lost_s` seconds of
    video did not arrive whole, and the camera's clock has leapt `leaps` times.
    """

    segments: int = 0
    dropped: int = 0
    connections: int = 0
    damaged: int = 0
    leaps: int = 0
    lost_s: float = 0.0
