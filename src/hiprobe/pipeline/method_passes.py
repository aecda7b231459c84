"""Which methods can be read together: one pass over a video serves all that share a recipe.

Knows no probe and no command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hiprobe import methods
from hiprobe.backbones import ModelFacts
from hiprobe.errors import ModelError
from hiprobe.pipeline.extraction import sites_for
from hiprobe.pipeline.reading import ReadPlan
from hiprobe.pipeline.recipe_options import RecipeOptions
from hiprobe.types import Recipe, Site


@dataclass(frozen=True)
class MethodPass:
    """The methods that one pass serves, and what it reads: the sites of all of them."""

    methods: tuple[str, ...]
    plan: ReadPlan


@dataclass(frozen=True)
class MethodPasses:
    """The passes that read several methods, and why each other method cannot be read."""

    passes: tuple[MethodPass, ...]
    left_out: Mapping[str, str]

    def pass_of(self, method: str) -> MethodPass:
        """Return the pass that serves `method`; raises KeyError if none does."""
        return {name: one for one in self.passes for name in one.methods}[method]


def method_passes(
    first: str, model: ModelFacts, options: RecipeOptions | None = None
) -> MethodPasses:
    """Return the passes that read the methods to compare, that of `first` at the beginning.

    Methods of one recipe that read the same kind of sites share a pass. Raises ModelError if the
    model has no site of `first`, or does not know a word of its questions.

    >>> from hiprobe import backbones
    >>> found = method_passes("hiprobe", backbones.load("embedded", device="cpu"))
    >>> [len(one.methods) for one in found.passes], found.passes[1].methods
    ([4, 2, 1, 1, 1], ('head_vote', 'output_heads'))
    """
    options, lost = options or RecipeOptions(), {}
    shared: dict[tuple[Recipe, tuple[str, ...]], dict[str, tuple[Site, ...]]] = {}
    for name in _compared(first):
        try:
            sites, recipe = sites_for(name, model), options.recipe(name, model)
        except ModelError as error:
            if name == first:
                raise
            lost[name] = error.reason
            continue
        kinds = tuple(sorted({f"{site.kind} {site.answers}" for site in sites}))
        shared.setdefault((recipe, kinds), {})[name] = sites
    passes = [
        MethodPass(tuple(served), ReadPlan(_joined(served.values()), recipe))
        for (recipe, _), served in shared.items()
    ]
    return MethodPasses(tuple(passes), lost)


def _compared(first: str) -> Iterator[str]:
    """Yield `first`, then every other method that does not ask to be left out (`AUTO`)."""
    yield first
    for name in methods.names():
        if name != first and getattr(methods.load(name), "AUTO", True):
            yield name


def _joined(several: Iterable[tuple[Site, ...]]) -> tuple[Site, ...]:
    """Return the sites of several methods, each once."""
    return tuple(dict.fromkeys(site for sites in several for site in sites))
