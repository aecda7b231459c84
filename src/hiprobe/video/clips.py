"""Cut a span of a video into a clip. Knows no event; a child process does the work (`cutting`)."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from hiprobe.disk.atomic import replacing
from hiprobe.video.decoder import ask_decoder, check_span


def cut_clip(
    path: str | PathLike[str], start: float, end: float, out: str | PathLike[str], *, exact: bool
) -> tuple[float, float]:
    """Write the span from `start` to `end`, in seconds, as an MP4 to `out`, whole or not at all.

    Without `exact` packets are copied, with their sound, from the last keyframe at or before the
    start on. With it the frames of the span are encoded again, in H.264 and without sound. Returns
    the span that the clip has, in seconds of the video.

    Raises UsageError for a span that is not valid and for a video that cannot be copied, StoreError
    where the clip cannot be written, and the errors of `segments`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from hiprobe import video
    >>> from hiprobe.embedded import VIDEO
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clip = Path(folder) / "clip.mp4"
    ...     span = video.cut_clip(VIDEO, 6.0, 6.5, clip, exact=True)
    ...     span, len(video.frame_times(clip))
    ((6.0, 6.5), 5)
    """
    check_span(path, start, end, 1)
    out = Path(out)
    with replacing(out) as temporary:
        files = os.fspath(temporary), exact, os.fspath(out)
        ((span, _),) = ask_decoder(path, "cut", [start, end], *files)
    return span[0], span[1]
