"""Answers other than yes and no, and words that a tokenizer does not have."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.reference_reading import clips

from hiprobe import pipeline
from hiprobe.backbones import Backbone, _answers
from hiprobe.errors import ModelError
from hiprobe.methods import graded, ordinal
from hiprobe.pipeline import RecipeOptions, method_passes
from hiprobe.types import Recipe, Site

DIGITS = tuple("0123456789")


def digits_of(qwen: Any) -> np.ndarray:
    """The log-sum-exp of no more than the token of each digit, from the whole model."""
    seen: list[torch.Tensor] = []
    head = qwen._model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, given, output: seen.append(output))
    qwen.read(*one(qwen), recipe=alone(qwen))
    handle.remove()
    tokens = qwen._processor.tokenizer.convert_tokens_to_ids(list(DIGITS))
    return seen[0][0, -1, tokens].float().numpy()


def alone(model: Any) -> Recipe:
    return dataclasses.replace(model.recipe, prompts=model.recipe.prompts[:1])


def one(model: Any, *sites: Site) -> tuple[list[Any], list[Site]]:
    recipe = model.recipe
    return clips(1, recipe.frames, recipe.size or (64, 64)), [
        *(sites or (Site("logit", model.layers - 1),))
    ]


def test_the_logits_of_the_digits_are_read_where_the_tokenizer_has_them(qwen: Any) -> None:
    sites = graded.sites(qwen.layers, qwen.heads)
    values = qwen.read(*one(qwen, *sites), recipe=alone(qwen))
    assert values.shape == (1, 1, 10)
    np.testing.assert_allclose(values[0, 0], digits_of(qwen), rtol=1e-5, atol=1e-5)


def test_sites_with_as_many_answers_are_read_together(qwen: Any) -> None:
    last = qwen.layers - 1
    sites = [Site("logit", last), Site("logit", last, answers=("no", "yes"))]
    first, second = qwen.read(*one(qwen, *sites), recipe=alone(qwen))[0]
    assert (first == second[::-1]).all()
    with pytest.raises(ModelError, match="one width and kind"):
        qwen.read(*one(qwen, sites[0], Site("logit", last, answers=DIGITS)), recipe=alone(qwen))


def test_answers_that_cannot_be_told_apart_are_a_named_error(shipped: Backbone) -> None:
    last = shipped.layers - 1
    asked = one(shipped, Site("logit", last, answers=DIGITS))
    with pytest.raises(ModelError, match=r"does not tell 0, .*8 and 9 apart by the first token"):
        shipped.read(*asked, recipe=alone(shipped))
    assert not _answers.tells_apart(shipped._processor.tokenizer, ("one", "one's"))  # type: ignore[attr-defined]


def test_words_that_are_not_in_the_vocabulary_are_found(shipped: Any, qwen: Any) -> None:
    assert shipped.unknown_words("Is anything severely abnormal, or odd?") == ("severely", "odd")
    assert qwen.unknown_words("answer yes or no") == ()


@pytest.mark.parametrize(
    ("method", "words"),
    [("ordinal", "at, least, barely"), ("graded", "dangerous, with"), ("headhunt_published", "An")],
)
def test_a_method_that_asks_with_unknown_words_is_refused(
    shipped: Backbone, method: str, words: str
) -> None:
    with pytest.raises(ModelError, match=f"{method} asks with words .* not know: {words}"):
        pipeline.recipe_for(method, shipped)
    own = ("Is anything abnormal?",) * len(pipeline.recipe_options.methods.load(method).PROMPTS)
    assert pipeline.recipe_for(method, shipped, own).prompts == own


def test_auto_says_which_methods_the_model_has_no_words_for(
    shipped: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ordinal, "AUTO", True)
        found = method_passes("hiprobe", shipped, RecipeOptions())
    assert set(found.left_out) == {"ordinal"}
    assert "extremely" in found.left_out["ordinal"]
    served = [one.methods for one in found.passes]
    assert served == [one.methods for one in method_passes("hiprobe", shipped).passes]
    assert ("head_vote", "output_heads") in served
    assert not {"contrast", "graded", "headhunt_published", "sphere"} & set(sum(served, ()))
