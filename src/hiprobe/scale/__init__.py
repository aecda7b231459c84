"""Extract and detect on Ray: workers read; this process distributes work and keeps the index."""

from __future__ import annotations

from hiprobe.backbones import Loading
from hiprobe.scale.cluster import Cluster
from hiprobe.scale.ledger import Extracted
from hiprobe.scale.run import RayRun, account, detect_on_ray, extract_on_ray, local_home
from hiprobe.scale.worker import Described

__all__ = [
    "Cluster",
    "Described",
    "Extracted",
    "Loading",
    "RayRun",
    "account",
    "detect_on_ray",
    "extract_on_ray",
    "local_home",
]
