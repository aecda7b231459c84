"""Average hidden states over the visual tokens instead of taking the last position.

It wraps a backbone of any transformers model, whose `read` then returns the mean over the video's
positions at each block. It knows no experiment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones import Backbone
from hiprobe.errors import ModelError
from hiprobe.types import Recipe, Segment, Site


class Pooled:
    """Read residual sites of `backbone` for one prompt as means over the visual tokens.

    The recipe does not tell these means from last positions, so keep them in a store of their own.
    """

    def __init__(self, backbone: Any) -> None:
        self._backbone, self.recipe = backbone, backbone.recipe
        self.provenance: Mapping[str, Any] = backbone.provenance
        config = backbone._model.config
        token = getattr(config, "video_token_id", None) or getattr(
            config, "video_token_index", None
        )
        if token is None:
            raise ModelError(
                "visual tokens cannot be averaged: the model's configuration names no video token"
            )
        self._token = int(token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Return means (segments, sites, width); raise ModelError for any other kind of site."""
        if {(site.kind, site.prompt) for site in sites} != {("residual", 0)}:
            raise ModelError("only residual sites of the first prompt can be averaged")
        layers = sorted({site.layer for site in sites})
        out = []
        # Read one segment at a time, so that padding cannot mix up the positions.
        for segment in segments:
            with _means(self._backbone, layers, self._token) as found:
                self._backbone.read([segment], sites, recipe)
            out.append([found[site.layer] for site in sites])
        return np.array(out, np.float32)


@contextmanager
def _means(
    backbone: Any, layers: Sequence[int], token: int
) -> Iterator[dict[int, NDArray[np.float32]]]:
    found: dict[int, NDArray[np.float32]] = {}
    seen: list[Any] = []

    def note(module: Any, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        seen.append(named["input_ids"] == token)

    def pool(layer: int) -> Any:
        def hook(module: Any, given: tuple[Any, ...], output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            found[layer] = hidden[seen[-1]].float().mean(0).cpu().numpy()

        return hook

    handles = [backbone._model.base_model.register_forward_pre_hook(note, with_kwargs=True)]
    handles += [
        backbone._decoder.layers[layer].register_forward_hook(pool(layer)) for layer in layers
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def pooled(backbone: Backbone) -> Backbone:
    """Return `backbone` with means over visual tokens in place of last positions."""
    return Pooled(backbone)
