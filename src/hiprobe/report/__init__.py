"""A result as a picture, a table and a self-contained page. Knows no model and no probe, only what a result says."""

from __future__ import annotations

from hiprobe.report.page import events_table, report_html, write_report
from hiprobe.report.picture import Thumbnail, layers_png, timeline_png

__all__ = ["Thumbnail", "events_table", "layers_png", "report_html", "timeline_png", "write_report"]
