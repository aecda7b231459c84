"""Check a request to a model before anything runs: sites, segments, recipe. Knows no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiprobe.errors import ModelError, RecipeMismatch
from hiprobe.types import Recipe, Segment, Site


@dataclass(frozen=True)
class Readable:
    """What can be read of the model `name`: its sizes, and how many of its blocks are loaded."""

    name: str
    layers: int
    loaded: int
    heads: int
    width: int
    head_width: int
    head_layers: tuple[int, ...]

    def width_of(self, sites: Sequence[Site], recipe: Recipe) -> int:
        """Return the one width of `sites`; raises ModelError for those that cannot be read."""
        for site in sites:
            if reason := self.refusal(site, recipe):
                raise ModelError(
                    f"cannot read {site}: {reason}", where=self.name, cure="ask for another site"
                )
        by_kind = {"residual": self.width, "head": self.head_width}
        widths = {by_kind.get(site.kind, len(site.answer_words)) for site in sites}
        kinds = {site.kind == "logit" for site in sites}
        if len(widths) != 1 or len(kinds) != 1:
            raise ModelError(
                "the sites of one read must have one width and kind",
                where=self.name,
                cure="read them in separate calls",
            )
        return widths.pop()

    def refusal(self, site: Site, recipe: Recipe) -> str | None:
        """Say why `site` cannot be read under `recipe`; None if it can."""
        if site.layer >= self.layers:
            return f"the model has {self.layers} blocks"
        if site.prompt >= len(recipe.prompts):
            return f"the recipe has {len(recipe.prompts)} prompts"
        if self.loaded < self.layers and (site.kind == "logit" or site.layer >= self.loaded):
            return f"loaded only up to block {self.loaded - 1}"
        if site.head is not None and (
            site.head >= self.heads or site.layer not in self.head_layers
        ):
            return f"it has {self.heads} heads, in blocks {self.head_layers}"
        return None


def check_recipe(segments: Sequence[Segment], recipe: Recipe, own: Recipe, name: str) -> None:
    """Check that `recipe` is for the model of recipe `own`, and that the segments follow it.

    Raises RecipeMismatch.
    """
    if (recipe.model, recipe.revision) != (own.model, own.revision):
        raise RecipeMismatch(
            f"the recipe is for model {recipe.model}", where=name, cure="load that model"
        )
    for segment in segments:
        count, *size = segment.frames.shape[:3]
        if count != recipe.frames or (recipe.size is not None and tuple(size) != recipe.size):
            raise RecipeMismatch(
                f"segment {segment.index} has {count} frames of {size}, "
                f"the recipe {recipe.frames} of {recipe.size}"
            )


def head_layout(layers: Sequence[Any], heads: int) -> tuple[int, tuple[int, ...]]:
    """Find the most common width of a head and the blocks that have it.

    Blocks without `self_attn.o_proj` have no heads.
    """
    widths = {}
    for place, layer in enumerate(layers):
        projection = getattr(getattr(layer, "self_attn", None), "o_proj", None)
        if projection is not None:
            widths[place] = projection.in_features // heads
    if not widths:
        return 0, ()
    width = Counter(widths.values()).most_common(1)[0][0]
    return width, tuple(place for place, found in widths.items() if found == width)
