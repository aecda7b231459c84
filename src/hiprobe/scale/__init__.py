"""The same extract and detect on Ray: workers read, this process gives out, counts attempts and keeps the index."""

from __future__ import annotations

from hiprobe.scale.ledger import Extracted
from hiprobe.scale.pool import Cluster
from hiprobe.scale.run import account, detect_on_ray, extract_on_ray, local_home
from hiprobe.scale.worker import Described, Loading

__all__ = [
    "Cluster",
    "Described",
    "Extracted",
    "Loading",
    "account",
    "detect_on_ray",
    "extract_on_ray",
    "local_home",
]
