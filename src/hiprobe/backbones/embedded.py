"""Load the small video MLLM shipped in the package: for rendered scenes, demonstrations and tests.

It is a standard checkpoint folder, read exactly like a large model.
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
    compiled: bool = False,
) -> Backbone:
    """Load the shipped model; raises ModelError if this copy of the package does not hold it."""
    folder = Path(str(files("hiprobe"))) / "embedded" / "model"
    if not folder.is_dir():
        raise ModelError(
            "this copy of hiprobe holds no embedded model", where=folder, cure="install the wheel"
        )
    model = auto.load(
        str(folder),
        revision=revision,
        device=device,
        dtype=dtype,
        max_layer=max_layer,
        compiled=compiled,
    )
    model.provenance = {**model.provenance, "name": "embedded"}
    return model
