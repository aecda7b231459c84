"""The data types: a site is read back from its text, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.types import Site

layers, heads, prompts = st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 63)
sites = st.one_of(
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
