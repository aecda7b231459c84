"""A recording as segments, with its facts, digest and a copy for browsers. Knows no model and no score."""

from __future__ import annotations

from hiprobe.video.decoder import (
    SegmentReader,
    VideoInfo,
    frame_times,
    info,
    proxy,
    segments,
    span,
    warm,
)
from hiprobe.video.files import VIDEO_SUFFIXES, digest, find

__all__ = [
    "VIDEO_SUFFIXES",
    "SegmentReader",
    "VideoInfo",
    "digest",
    "find",
    "frame_times",
    "info",
    "proxy",
    "segments",
    "span",
    "warm",
]
