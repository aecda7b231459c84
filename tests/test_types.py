"""The data types: a site is read back from its text, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.types import Site

layers, heads, prompts = st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 63)
answers = st.lists(st.from_regex(r"\A\w{1,8}\Z"), min_size=2, max_size=10, unique=True)
sites = st.one_of(
    st.builds(
        Site,
        st.just("logit"),
        layers,
        prompt=prompts,
        answers=answers.map(tuple).filter(lambda words: words != ("yes", "no")),
    ),
    st.builds(Site, st.sampled_from(["residual", "logit"]), layers, prompt=prompts),
    st.builds(Site, st.just("head"), layers, heads, prompts),
)


@given(sites)
def test_a_site_is_read_back_from_its_text(site: Site) -> None:
    assert Site.parse(str(site)) == site


@pytest.mark.parametrize(
    "text",
    [
        "",
        "residual",
        "residual/layer1",
        "residual/layer1/prompt0/",
        "residual/layer1/head2/prompt0",
        "head/layer1/prompt0",
        "residual/layer-1/prompt0",
        "residual/layer+1/prompt0",
        "residual/layer01/prompt0",
        "residual/layer1_0/prompt0",
        "residual/layer\N{FULLWIDTH DIGIT ONE}/prompt0",
        "residual/1/0",
        "residual/prompt0/layer1",
        "token/layer1/prompt0",
        "layer/layerx/prompt0",
        "logit/layer1/prompt0/answers=",
        "logit/layer1/prompt0/answers=a",
        "logit/layer1/prompt0/answers=a,a",
        "logit/layer1/prompt0/answers=a,b c",
        "logit/layer1/prompt0/answers=a,b/",
        "logit/layer1/answers=a,b",
        "logit/layer1/prompt0/answers=yes,no",
        "residual/layer1/prompt0/answers=a,b",
    ],
)
def test_other_text_is_not_a_site(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Site.parse(text)


@given(st.text())
def test_any_text_is_a_site_or_refused(text: str) -> None:
    try:
        site = Site.parse(text)
    except ValueError:
        return
    assert str(site) == text


def test_yes_and_no_need_no_answers_and_keep_the_text_of_stored_sites() -> None:
    assert str(Site("logit", 7)) == "logit/layer7/prompt0"
    assert Site.parse("logit/layer7/prompt0").answer_words == ("yes", "no")
    assert Site("logit", 7, answers=("no", "yes")).answer_words == ("no", "yes")
    with pytest.raises(ValueError, match="2 to 100 different words"):
        Site("logit", 7, answers=("1", "2", "1"))
    with pytest.raises(ValueError, match="only a site of kind 'logit' has answers"):
        Site("head", 7, 0, answers=("1", "2"))
