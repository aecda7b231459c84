"""The data types of the method: immutable, and validated on construction.

Numpy only: no files, no models. All times are presentation times in seconds; frame numbers are
derived from them.
"""

from __future__ import annotations

from hiprobe.types.controls import Controls, VideoFacts
from hiprobe.types.events import (
    SEVERITIES,
    UNREAD,
    VERIFICATION_RESULTS,
    Box,
    Event,
    Gap,
    Heat,
    Severity,
    Verification,
    VerificationResult,
)
from hiprobe.types.recipe import (
    EXTERNAL,
    FRAMES,
    SEGMENT_S,
    SITE_KINDS,
    UNITS,
    YES_NO,
    Recipe,
    Site,
    SiteKind,
    Unit,
    digest_json,
)
from hiprobe.types.results import (
    SOURCES,
    STATUSES,
    FloatArray,
    HiddenStates,
    LabelArray,
    Result,
    Scores,
    Source,
    Status,
)
from hiprobe.types.videos import (
    Segment,
    Video,
    file_name,
    unicode,
)

__all__ = [
    "EXTERNAL",
    "FRAMES",
    "SEGMENT_S",
    "SEVERITIES",
    "SITE_KINDS",
    "SOURCES",
    "STATUSES",
    "UNITS",
    "UNREAD",
    "VERIFICATION_RESULTS",
    "YES_NO",
    "Box",
    "Controls",
    "Event",
    "FloatArray",
    "Gap",
    "Heat",
    "HiddenStates",
    "LabelArray",
    "Recipe",
    "Result",
    "Scores",
    "Segment",
    "Severity",
    "Site",
    "SiteKind",
    "Source",
    "Status",
    "Unit",
    "Verification",
    "VerificationResult",
    "Video",
    "VideoFacts",
    "digest_json",
    "file_name",
    "unicode",
]
