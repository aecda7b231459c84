"""HiProbe: find, locate and explain anomalies in video.

It reads the hidden states of a frozen multimodal LLM.

Names are loaded when first used, so that `import hiprobe` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from hiprobe.errors import UnsupportedPlatform

if sys.platform == "win32":  # the decoder's limits and the locks of files need fcntl and resource
    raise UnsupportedPlatform(
        "HiProbe runs on Linux and macOS, not on Windows", cure="use WSL 2 there"
    )

__version__ = "0.1.0"  # the only place: the build reads it from here

_HOME = {
    "Event": "types",
    "Gap": "types",
    "HiddenStates": "types",
    "Recipe": "types",
    "Result": "types",
    "Scores": "types",
    "Segment": "types",
    "Site": "types",
    "Video": "types",
    "HiProbeError": "errors",
    "Probe": "probe",
    "fit": "probe",
    "segments": "video",
    "extract": "pipeline",
    "detect": "pipeline",
    "detect_all": "pipeline",
    "explain": "pipeline",
}
_MODULES = (
    "backbones",
    "checks",
    "datasets",
    "errors",
    "evaluation",
    "formats",
    "methods",
    "metrics",
    "pipeline",
    "plot",
    "probe",
    "report",
    "saliency",
    "sinks",
    "sklearn",
    "store",
    "types",
    "video",
)
__all__ = sorted({*_HOME, *_MODULES})


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"hiprobe.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"hiprobe.{_HOME[name]}"), name)
    raise AttributeError(f"module 'hiprobe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
