"""Reports of a result: a picture, and a self-contained page. Knows no model and no probe."""

from __future__ import annotations

from hiprobe.report.index_page import write_index
from hiprobe.report.page import report_html, write_report
from hiprobe.report.picture import Thumbnail, layers_png, timeline_png
from hiprobe.report.thumbnails import peak_frames, report_video

__all__ = [
    "Thumbnail",
    "layers_png",
    "peak_frames",
    "report_html",
    "report_video",
    "timeline_png",
    "write_index",
    "write_report",
]
