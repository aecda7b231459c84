"""Reads what experiments need beside the default states: methods' own sites, several prompts. Fits nothing."""

from __future__ import annotations

from dataclasses import replace

from experiments.footage import Footage
from experiments.study import Study, load
from hiprobe import methods, pipeline
from hiprobe.errors import HiProbeError
from hiprobe.types import Site

WORDINGS = (  # the first is the default; the next ask the same in other words, the last two ask something else
    "Identify any abnormal events or safety hazards in this video.",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
    "Is anything abnormal? Answer yes or no.",
    "Describe this video.",
    "How many people are there?",
)


def read_methods(study: Study) -> tuple[dict[str, tuple[Footage, Footage]], dict[str, str]]:
    """Train and test footage at each method's own sites, and the reasons why some methods could not be read."""
    backbone, read, lost = load(study.models[0]), {}, {}
    for name in methods.names():
        how = methods.load(name)
        sites = methods.candidates(how, backbone.layers, backbone.heads, backbone.head_layers)
        recipe = pipeline.recipe_for(name, backbone)
        try:
            read[name] = (
                study.footage("train", sites=sites, recipe=recipe),
                study.footage("test", sites=sites, recipe=recipe),
            )
        except HiProbeError as error:
            lost[name] = str(error)
    return read, lost


def read_prompts(
    study: Study, limit: int | None = None, model: str | None = None
) -> tuple[Footage, Footage]:
    """Train and test footage at every layer under each of `WORDINGS`: site order is prompt, then layer."""
    backbone = load(model or study.models[0])
    recipe = replace(backbone.recipe, prompts=WORDINGS)
    sites = [
        Site("residual", layer, prompt=prompt)
        for prompt in range(len(WORDINGS))
        for layer in range(backbone.layers)
    ]
    return (
        study.footage("train", model=model, sites=sites, recipe=recipe, limit=limit),
        study.footage("test", model=model, sites=sites, recipe=recipe),
    )


def prompt_of(footage: Footage, prompt: int) -> Footage:
    """The footage at the sites of one prompt alone."""
    sites = tuple(site for site in footage.sites if site.prompt == prompt)
    return footage.with_states(
        [replace(one, sites=sites, values=one.at(sites)) for one in footage.states]
    )
