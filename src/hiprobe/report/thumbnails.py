"""The frames shown beside events, and the report that holds them. Reads the video; knows no model."""

from __future__ import annotations

from pathlib import Path

from hiprobe import video
from hiprobe.report.page import write_report
from hiprobe.report.picture import Thumbnail
from hiprobe.types import Result

MOST = 12  # thumbnails of one result
INSTANT_S = 0.04  # of the span that one frame is read from


def peak_frames(result: Result) -> list[Thumbnail]:
    """Read the frame at the peak of each of the first 12 events.

    Returns (time in seconds, frame uint8 (height, width, 3)) pairs. Raises VideoError.
    """
    peaks = [event.peak for event in result.events[:MOST] if event.peak is not None]
    return [(peak, video.span(result.path, peak, peak + INSTANT_S, 1).frames[0]) for peak in peaks]


def report_video(result: Result, folder: Path) -> None:
    """Write the report of a result into `folder`, with thumbnails read from the video at its path.

    Raises ValueError for a result without scores, StoreError and VideoError.
    """
    write_report(result, Path(result.path), folder, peak_frames(result))
