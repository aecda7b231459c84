"""`hiprobe fit --method auto`: what it reads, says and writes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.fake_backbone import MeanColourBackbone
from tests.support.numbered_videos import encode, steady

from hiprobe import cli, pipeline
from hiprobe.errors import ModelError
from hiprobe.probe import Probe
from hiprobe.types import Recipe, Segment, Site

Fit = Callable[..., tuple[int, str, str]]


class Seeing(MeanColourBackbone):
    """Sees the mean colour only when it is asked several questions; else noise. Says no answer."""

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        if sites[0].kind == "logit":
            raise ModelError("the tokenizer has no word for yes", where="mean_colour")
        values = super().read(segments, sites, recipe)
        if recipe is not None and len(recipe.prompts) > 1:
            return values
        seeds = [int(segment.frames.astype(np.int64).sum()) for segment in segments]
        noise = [np.random.default_rng(seed).normal(size=values.shape[1:]) for seed in seeds]
        return np.array(noise, np.float32).reshape(values.shape)


def load(**_: Any) -> Seeing:
    return Seeing()


def picture(index: int, bright: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng([index, bright]).integers(0, 60, (32, 32, 3))
    return np.clip(noise + bright, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten videos of 8 s; the second half of every other one is a little brighter."""
    folder = tmp_path_factory.mktemp("clips")
    rows = [("path", "label", "start", "end")]
    for n in range(10):
        event = n % 2 == 1

        def drawn(index: int, n: int = n, event: bool = event) -> NDArray[np.uint8]:
            return picture(index, 60 + n + 40 * (event and index >= 20))

        encode(folder / f"{n}.mp4", steady(40, 5), rate=5, pictures=drawn)
        rows.append((f"{n}.mp4", *(("fire", "4", "8") if event else ("normal", "", ""))))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "labels.csv"


@pytest.fixture
def fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clips: Path
) -> Fit:
    """Runs `hiprobe fit --method auto` on the clips."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*more: str) -> tuple[int, str, str]:
        model = f"{__name__}:load"
        base = ["fit", str(clips), "--method", "auto", "--model", model]
        places = ["-o", str(tmp_path / "p.safetensors"), "--store", str(tmp_path / "store")]
        monkeypatch.setattr(sys, "argv", ["hiprobe", *base, *places, *more])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return run


def test_it_reads_each_recipe_once_chooses_and_says_why(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("READ_LOG", str(log))
    code, out, err = fit()
    assert code == 0
    assert "auto: 5 passes over 10 videos" in err
    assert "hiprobe, hiprobe_c1, one_class, output_layer" in err
    assert "likelihood was not compared: the tokenizer has no word for yes" in err
    assert "is best inside the folds, and the choice gains" in " ".join(out.split())
    assert "what was tried, 5 folds" in out
    probe = Probe.load(tmp_path / "p.safetensors")
    choice = probe.provenance["choice"]
    assert probe.method == choice["method"] != "hiprobe"
    assert probe.localization.sigma == choice["sigma"]
    assert choice["decided"]
    assert choice["gain"]["low"] > 0
    assert set(choice["left_out"]) == {"likelihood"}
    # One batch a video: the layers, the heads, and the five questions twice.
    assert len(log.read_text().splitlines()) == 40


def test_a_second_time_only_the_store_is_read_and_a_given_sigma_is_the_only_one_tried(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit("--sigma", "0.75")
    first = (tmp_path / "p.safetensors").read_bytes()
    monkeypatch.setenv("READ_LOG", str(tmp_path / "log"))
    code, out, _ = fit("--sigma", "0.75", "--json")
    found = json.loads(out)
    assert code == 0
    assert not (tmp_path / "log").exists()
    assert (tmp_path / "p.safetensors").read_bytes() == first
    names = {one["method"] for one in found["choice"]["tried"]}
    own = {"hiprobe", "hiprobe_c1", "one_class", "output_layer", "headhunt", "several_prompts"}
    own |= {"head_vote", "output_heads"}
    assert names == own
    assert (
        {one["sigma"] for one in found["choice"]["tried"]} == {0.75} == {found["choice"]["sigma"]}
    )
    assert all(set(one["outer"]) == {"value", "low", "high"} for one in found["choice"]["tried"])


@pytest.mark.parametrize(
    "option", [("--layer", "1"), ("--prompt", "Is it on fire?"), ("--prefer-early",)]
)
def test_options_that_depend_on_the_method_are_refused(fit: Fit, option: tuple[str, str]) -> None:
    code, _, err = fit(*option)
    assert code != 0
    assert f"{option[0]} depends on the method" in err


def test_methods_that_share_a_recipe_share_a_pass_and_others_say_why_not() -> None:
    class Headless(Seeing):
        head_layers: Any = ()

    model: Any = Headless()
    found = pipeline.method_passes("hiprobe", model)
    assert [one.methods for one in found.passes] == [
        ("hiprobe", "hiprobe_c1", "one_class", "output_layer"),
        ("likelihood",),
        ("several_prompts",),
    ]
    assert found.pass_of("output_layer").plan.sites == tuple(Site("residual", n) for n in range(3))
    assert found.pass_of("hiprobe").plan.recipe == model.recipe
    assert "no site that method headhunt reads" in found.left_out["headhunt"]
