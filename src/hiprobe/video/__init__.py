"""A recording as segments, with its facts, its digest and a copy for browsers.

Knows no model and no score.
"""

from __future__ import annotations

from hiprobe.video.clips import cut_clip
from hiprobe.video.content import digest
from hiprobe.video.decoder import (
    SegmentReader,
    VideoInfo,
    browser_copy,
    frame_times,
    info,
    segments,
    span,
    spans,
    warm,
)
from hiprobe.video.files import VIDEO_SUFFIXES, find
from hiprobe.video.names import Root, name_videos
from hiprobe.video.recorded import NamePattern

__all__ = [
    "VIDEO_SUFFIXES",
    "NamePattern",
    "Root",
    "SegmentReader",
    "VideoInfo",
    "browser_copy",
    "cut_clip",
    "digest",
    "find",
    "frame_times",
    "info",
    "name_videos",
    "segments",
    "span",
    "spans",
    "warm",
]
