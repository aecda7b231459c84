"""A model assembled from packages: SmolLM2-135M-Instruct that sees through EfficientNet-Lite0.

`--model experiments.assembled:load` reads it through the same backbone as any other model. It has
to be made first: `python -m experiments.assembled.train`.
"""

from __future__ import annotations

from typing import Any


def load(
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    max_layer: int | None = None,
) -> Any:
    """Load the assembled model from HIPROBE_RUNS with the last projector that was written."""
    from experiments.assembled import parts, vision
    from hiprobe.backbones import auto

    vision.register()
    folder = str(parts.model_folder())
    return auto.load(folder, revision=revision, device=device, dtype=dtype, max_layer=max_layer)
