"""Hidden states averaged over the visual tokens instead of the last position, for any transformers model.

A stand-in for a backbone: `read` gives the mean over the video's positions at each block. Knows no experiment.
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
    """Reads residual sites of `backbone`, one prompt, as means over the visual tokens; keep them in a store apart."""

    def __init__(self, backbone: Any) -> None:
        self._backbone, self.recipe = backbone, backbone.recipe
        self.provenance: Mapping[str, Any] = backbone.provenance
        config = backbone._model.config
        token = getattr(config, "video_token_id", None) or getattr(
            config, "video_token_index", None
        )
        if token is None:
            raise ModelError(
                "its configuration names no video token: visual tokens cannot be pooled"
            )
        self._token = int(token)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Means (segments, sites, width); raises ModelError where the model hides its tokens."""
        if {(site.kind, site.prompt) for site in sites} != {("residual", 0)}:
            raise ModelError("only residual sites of the first prompt are pooled")
        layers = sorted({site.layer for site in sites})
        out = []
        for (
            segment
        ) in segments:  # one by one: so that no padding and no order of batches can mix them up
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
    """`backbone` with means over visual tokens in the place of last positions."""
    return Pooled(backbone)
