"""Read what experiments need beyond the default states. It fits nothing.

These are the sites of each method, and several prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.footage import Footage
from experiments.study import Study, load
from hiprobe import methods, pipeline
from hiprobe.errors import HiProbeError
from hiprobe.types import Site

# The first is the default, the next four ask the same, the last two ask something else.
WORDINGS = (
    "Identify any abnormal events or safety hazards in this video.",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
    "Is anything abnormal? Answer yes or no.",
    "Describe this video.",
    "How many people are there?",
)


def read_methods(
    study: Study, without: Sequence[str] = (), *, drawn: bool = True
) -> tuple[dict[str, tuple[Footage, Footage]], dict[str, str]]:
    """Return train and test footage at the sites of each method but those `without`.

    The second value gives the reason for each method that could not be read. Unless methods without
    labels are `drawn` for too, their train footage is that of the test: nothing is fitted to it.
    """
    backbone, read, lost = load(study.models[0]), {}, {}
    for name in (name for name in methods.names() if name not in without):
        how = methods.load(name)
        sites = methods.candidates(how, backbone.layers, backbone.heads, backbone.head_layers)
        try:
            recipe = pipeline.recipe_for(name, backbone)
            test = study.footage("test", sites=sites, recipe=recipe)
            fits = drawn or how.LABELS != "none"
            train = study.footage("train", sites=sites, recipe=recipe) if fits else test
            read[name] = train, test
        except HiProbeError as error:
            lost[name] = str(error)
    return read, lost


def read_prompts(
    study: Study, limit: int | None = None, model: str | None = None
) -> tuple[Footage, Footage]:
    """Return train and test footage at every layer under each of `WORDINGS`.

    Sites are ordered by prompt, then by layer.
    """
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
    """Return the footage at the sites of one prompt alone."""
    sites = tuple(site for site in footage.sites if site.prompt == prompt)
    return footage.with_states(
        [replace(one, sites=sites, values=one.at(sites)) for one in footage.states]
    )
