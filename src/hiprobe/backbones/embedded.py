"""The small video MLLM that is shipped in the package, for rendered scenes, demonstrations and tests. Knows no weights.

It is a standard checkpoint folder, read through exactly the path of a large model.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hiprobe.backbones import Backbone, auto
from hiprobe.errors import ModelError


def load(
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
) -> Backbone:
    """The shipped model; raises ModelError if this copy of the package holds none."""
    folder = Path(str(files("hiprobe"))) / "embedded" / "model"
    if not folder.is_dir():
        raise ModelError(
            "this copy of hiprobe holds no embedded model", where=folder, cure="install the wheel"
        )
    return auto.load(
        str(folder), revision=revision, device=device, dtype=dtype, max_layer=max_layer
    )
