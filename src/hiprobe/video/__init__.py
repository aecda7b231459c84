"""A recording as segments, with its facts, digest and a copy for browsers. Knows no model and no score."""

from __future__ import annotations

from hiprobe.video.decoder import (
    SegmentReader,
    VideoInfo,
    browser_copy,
    frame_times,
    info,
    segments,
    span,
    warm,
)
from hiprobe.video.files import VIDEO_SUFFIXES, digest, find

__all__ = [
    "VIDEO_SUFFIXES",
    "SegmentReader",
    "VideoInfo",
    "browser_copy",
    "digest",
    "find",
    "frame_times",
    "info",
    "segments",
    "span",
    "warm",
]
