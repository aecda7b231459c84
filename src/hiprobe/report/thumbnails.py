"""The frames shown beside events, and the report with them. Reads the video; knows no model."""

from __future__ import annotations

from pathlib import Path

from hiprobe import video
from hiprobe.report.page import write_report
from hiprobe.report.picture import Thumbnail
from hiprobe.types import Result

MOST = 12  # thumbnails of one result
INSTANT_S = 0.04  # of the span that one frame is read from


def peak_frames(result: Result) -> list[Thumbnail]:
    """Read the frame at the peak of each of the first 12 events, alarms before demoted events.

    Returns:
        (time in seconds, frame uint8 (height, width, 3)) pairs.

    Raises:
        VideoError: the video at the result's path cannot be read.

    Example:
        >>> from hiprobe import Event, Result, Scores, embedded, report
        >>> import numpy as np
        >>> clip = str(embedded.CLIPS / "normal_00.mp4")
        >>> scores = Scores(*[np.empty(0)] * 5)
        >>> result = Result(clip, "0" * 64, "done", 12.8, scores, (Event(3.2, 6.4, peak=4.8),))
        >>> [time for time, frame in report.peak_frames(result)]
        [4.8]
    """
    first = (*result.alarms, *result.demoted)[:MOST]
    peaks = [event.peak for event in first if event.peak is not None]
    return [(peak, video.span(result.path, peak, peak + INSTANT_S, 1).frames[0]) for peak in peaks]


def report_video(result: Result, folder: Path) -> None:
    """Write the files of `write_report`, with player and thumbnails of the result's own video.

    Raises:
        ValueError: the result has no scores.
        KeyError: the provenance lacks `model` or `probe`.
        StoreError: a file cannot be written.
        VideoError: the video cannot be read.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from hiprobe import Result, Scores, embedded, report
        >>> clip = str(embedded.CLIPS / "normal_00.mp4")
        >>> starts, values = np.array([0.0]), np.array([0.2])
        >>> scores = Scores(starts, starts + 12.8, values, values, np.full(1, 0.5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report.report_video(Result(clip, "0" * 64, "done", 12.8, scores), Path(folder))
        ...     "<video" in (Path(folder) / "report.html").read_text()
        True
    """
    write_report(result, Path(result.path), folder, peak_frames(result))
