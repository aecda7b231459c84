"""One statement of a user's labels about a video. Opens no file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hiprobe.types import Event


@dataclass(frozen=True)
class LabelRow:
    """What a row of a table, or a part of another file of labels, says about `video`.

    `event` is None if it says that the video is normal. `base` is the folder that paths are
    relative to; `where` is the place, for errors.
    """

    base: Path
    video: Path
    event: Event | None
    split: str | None
    group: str | None
    where: str
