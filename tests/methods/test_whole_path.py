"""Every method from extract to detect, in Python and on the command line."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.numbered_videos import noisy, steady, write

import hiprobe
from hiprobe import cli, pipeline
from hiprobe.backbones import Backbone
from hiprobe.errors import LabelError, ModelError, ProbeError, UsageError
from hiprobe.methods import headhunt, likelihood
from hiprobe.probe import Probe, fit
from hiprobe.types import HiddenStates, Site, Video

RECIPES = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in this process: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    yield call
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the method that docs/recipes.md shows, saved as described there."""
    (tmp_path / "nearest.py").write_text(
        re.findall(r"```python\n(.*?)```", RECIPES.read_text(), re.DOTALL)[0]
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "nearest:nearest"
    sys.modules.pop("nearest", None)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of hidden states that the tests of this file share."""
    return tmp_path_factory.mktemp("methods") / "store"


@pytest.fixture(scope="session")
def few(clips: Path) -> Path:
    """Two of `clips` of each class: several questions take time."""
    rows = (clips / "labels.csv").read_text().splitlines()
    (clips / "few.csv").write_text("\n".join([rows[0], *rows[1:3], *rows[-2:]]) + "\n")
    return clips / "few.csv"


def short(path: Path) -> Path:
    """Two segments of noise."""
    return write(path, steady(32, 10), rate=10, pictures=noisy)


# -- headhunt


def test_headhunt_from_labelled_clips_to_a_detection(
    run: Run, tmp_path: Path, clips: Path, store: Path, normal_clip: Path, shipped: Backbone
) -> None:
    code, out, _ = run(
        "fit",
        clips,
        "--method",
        "headhunt",
        "-o",
        tmp_path / "p.safetensors",
        "--store",
        store,
        "--json",
    )
    said = json.loads(out)
    probe = Probe.load(tmp_path / "p.safetensors")
    assert code == 0
    assert len(said["candidates"]) == shipped.layers * shipped.heads * 5
    assert (probe.recipe.prompts, probe.width) == (headhunt.PROMPTS, shipped.head_width)
    assert [(site.kind, site.prompt) for site in probe.sites] == [("head", 0)] * 5
    assert len(set(probe.sites)) == 5
    assert probe.tensors["weight"].shape == (5 * shipped.head_width,)
    assert said["auc"]["value"] > 0.55  # heads say little in so small a model
    assert said["layers"] is None
    code, _, _ = run(
        "detect",
        normal_clip,
        "-p",
        tmp_path / "p.safetensors",
        "-o",
        tmp_path / "out",
        "--no-explain",
    )
    assert code == 0
    result = hiprobe.detect(normal_clip, shipped, probe, explain=False, store=store)
    by_hand = probe.score(pipeline.states(normal_clip, shipped, probe.sites, recipe=probe.recipe))
    assert result.scores is not None
    np.testing.assert_allclose(result.scores.raw, by_hand, rtol=1e-4)


def test_states_of_other_questions_are_not_found_in_the_store(
    tmp_path: Path, shipped: Backbone
) -> None:
    clip = short(tmp_path / "a.mp4")
    for method in ("hiprobe", "headhunt", "likelihood", "headhunt"):
        list(hiprobe.extract([Video(str(clip))], shipped, method=method, store=tmp_path / "store"))
    kept = [hiprobe.store.load_states(path) for path in (tmp_path / "store").rglob("*.safetensors")]
    assert sorted(len(one.recipe.prompts) for one in kept) == [1, 1, 5]
    assert sorted(one.values.shape[1:] for one in kept) == [(1, 2), (8, 160), (200, 32)]


def test_heads_chosen_from_many_do_not_raise_the_auc_of_noise() -> None:
    """A choice among 16 heads made outside the folds would leak labels into every fold."""
    sites, edges, found = headhunt.sites(4, 4), np.arange(2) * 1.6, []
    recipe = hiprobe.types.Recipe("m", headhunt.PROMPTS)
    for seed in range(3):
        values = np.random.default_rng(seed).normal(size=(24, 1, len(sites), 3)).astype(np.float32)
        pairs = [
            (
                HiddenStates(f"v{i}", recipe, sites, edges[:-1], edges[1:], values[i], 1.6),
                np.array([i % 2], np.int8),
            )
            for i in range(24)
        ]
        probe = fit("headhunt", pairs, seed=seed)
        assert 0 <= probe.provenance["folds"]["agreement"] < 1
        found.append(probe.provenance["auc"]["value"])
    assert np.mean(found) < 0.62


def test_headhunt_reads_only_the_blocks_that_have_heads(
    tmp_path: Path, loaded: Callable[[str], Any]
) -> None:
    """Qwen3.5: two of its four blocks have attention heads."""
    model = loaded("qwen3_5")
    assert model.head_layers == (1, 3)
    videos = [
        Video(
            str(
                write(
                    tmp_path / f"{i}.mp4",
                    steady(70, 10),
                    rate=10,
                    pictures=lambda index, i=i: noisy(index + 100 * i),
                )
            )
        )
        for i in range(2)
    ]
    pairs = list(hiprobe.extract(videos, model, method="headhunt"))
    assert {site.layer for site in pairs[0][0].sites} == {1, 3}
    probe = hiprobe.fit(
        "headhunt",
        [(states, np.full(len(states.starts), i, np.int8)) for i, (states, _) in enumerate(pairs)],
    )
    assert {site.layer for site in probe.sites} <= {1, 3}
    assert hiprobe.detect(videos[0].path, model, probe, explain=False).status == "done"


def test_a_model_without_heads_and_too_few_questions_are_named(
    shipped: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="headhunt asks 5 questions, not 1"):
        pipeline.recipe_for("headhunt", shipped, ["Really?"])
    with pytest.raises(ModelError, match="1 prompts"):
        shipped.read([], headhunt.sites(8, 5), shipped.recipe)
    monkeypatch.setattr(shipped, "head_layers", ())
    with pytest.raises(ModelError, match="no site that method headhunt reads"):
        list(hiprobe.extract([Video("a.mp4")], shipped, method="headhunt"))


# -- likelihood


def test_likelihood_needs_no_data_at_all(
    run: Run, tmp_path: Path, normal_clip: Path, shipped: Backbone
) -> None:
    code, out, _ = run("fit", "--method", "likelihood", "-o", tmp_path / "p.safetensors")
    assert (code, "threshold 0.500: the method's own" in out) == (0, True)
    probe = Probe.load(tmp_path / "p.safetensors")
    assert (probe.recipe.prompts, dict(probe.tensors), probe.sites) == (
        likelihood.PROMPTS,
        {},
        (Site("logit", 7),),
    )
    assert probe.provenance["segments"] == {"anomalous": 0, "normal": 0, "left_out": 0}
    assert probe.provenance["videos"] == []
    code, _, _ = run(
        "detect",
        normal_clip,
        "-p",
        tmp_path / "p.safetensors",
        "-o",
        tmp_path / "out",
        "--no-explain",
    )
    assert code == 0
    result = hiprobe.detect(normal_clip, shipped, probe, explain=False)
    logits = pipeline.states(normal_clip, shipped, probe.sites, recipe=probe.recipe).values[:, 0]
    assert result.scores is not None
    np.testing.assert_allclose(
        result.scores.raw, 1 / (1 + np.exp(logits[:, 1] - logits[:, 0])), rtol=1e-4
    )
    assert (result.scores.threshold == 0.5).all()


def test_likelihood_takes_labels_for_its_threshold_only(
    clips: Path, shipped: Backbone, store: Path
) -> None:
    pairs = list(
        hiprobe.extract(
            hiprobe.datasets.load("folder", clips), shipped, method="likelihood", store=store
        )
    )
    labelled = hiprobe.fit("likelihood", pairs)
    assert labelled.provenance["threshold_from"].startswith("best F1")
    assert labelled.provenance["auc"]["value"] > 0.9
    unknown = hiprobe.fit(
        "likelihood", [(states, np.full_like(labels, -1)) for states, labels in pairs]
    )
    assert (unknown.localization.threshold, unknown.provenance["auc"]) == (0.5, None)
    for states, _ in pairs:
        assert (unknown.score(states) == labelled.score(states)).all()


def test_another_question_may_be_asked(run: Run, tmp_path: Path) -> None:
    code, _, _ = run(
        "fit", "--method", "likelihood", "--prompt", "Is something burning?", "-o", tmp_path / "p"
    )
    assert (code, Probe.load(tmp_path / "p").recipe.prompts) == (0, ("Is something burning?",))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "hiprobe"), "fitted on labelled clips"),
        (
            ("CLIPS", "--method", "likelihood", "--layer", "3"),
            "reads logit sites, not residual/layer3",
        ),
        (
            ("CLIPS", "--method", "headhunt", "--layer", "3"),
            "reads head sites, not residual/layer3",
        ),
        (("CLIPS", "--method", "headhunt", "--prompt", "Really?"), "asks 5 questions, not 1"),
    ],
)
def test_what_a_method_cannot_do_is_wrong_usage(
    run: Run, tmp_path: Path, clips: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = [clips if one == "CLIPS" else one for one in arguments]
    code, _, err = run("fit", *places, "-o", tmp_path / "p", "--store", tmp_path / "store")
    assert (code, said in err, (tmp_path / "p").exists()) == (2, True, False)


def test_states_without_heads_do_not_fit_headhunt(
    few: Path, shipped: Backbone, store: Path
) -> None:
    pairs = list(hiprobe.extract(hiprobe.datasets.load("folder", few), shipped, store=store))
    with pytest.raises(ProbeError, match=r"not read: head/layer0/head0/prompt0"):
        hiprobe.fit("headhunt", pairs)


# -- one class


def test_one_class_is_fitted_on_a_folder_of_normal_videos_alone(
    run: Run, tmp_path: Path, clips: Path
) -> None:
    (tmp_path / "in" / "normal").mkdir(parents=True)
    for path in sorted(clips.glob("normal_*.mp4")):
        shutil.copy(path, tmp_path / "in" / "normal")
    code, out, err = run(
        "fit",
        tmp_path / "in",
        "--method",
        "one_class",
        "-o",
        tmp_path / "p",
        "--store",
        tmp_path / "s",
    )
    assert (code, err.count("\n")) == (0, 1)
    assert "0 anomalous, 32 normal" in out
    assert "0.99 quantile of out-of-fold scores of normal segments" in out
    probe = Probe.load(tmp_path / "p")
    assert (probe.sites, probe.provenance["auc"]) == ((Site("residual", 5),), None)
    anomalous = hiprobe.detect(
        clips / "abnormal_02.mp4", hiprobe.backbones.load("embedded"), probe, explain=False
    )
    assert anomalous.events
    with pytest.raises(LabelError):
        hiprobe.fit("one_class", [])


# -- a sixth


def test_the_recipes_method_from_fit_to_detect(
    nearest: str, tmp_path: Path, clips: Path, shipped: Backbone, store: Path, normal_clip: Path
) -> None:
    pairs = list(
        hiprobe.extract(
            hiprobe.datasets.load("folder", clips), shipped, method=nearest, store=store
        )
    )
    assert {site.layer for site in pairs[0][0].sites} >= {4, 5, 6, 7}
    probe = hiprobe.fit(nearest, pairs, model=shipped)
    assert probe.provenance["auc"]["value"] > 0.7
    assert probe.provenance["threshold_from"].startswith("0.99 quantile")
    probe.save(tmp_path / "p.safetensors")
    with pytest.raises(ProbeError, match="outside the package"):
        Probe.load(tmp_path / "p.safetensors")
    same = Probe.load(tmp_path / "p.safetensors", method=nearest)
    assert same.digest == probe.digest
    result = hiprobe.detect(normal_clip, shipped, same, explain=False, store=store)
    states = pipeline.states(normal_clip, shipped, same.sites, store=store)
    normal = np.concatenate([one.at(probe.sites)[labels == 0, 0] for one, labels in pairs]).astype(
        np.float64
    )
    distance = np.linalg.norm(
        states.at(probe.sites)[:, 0].astype(np.float64)[:, None] - normal, axis=2
    )
    closest = np.sort(distance)[:, :3].mean(1)
    assert result.scores is not None
    np.testing.assert_allclose(
        result.scores.raw, closest / (closest + probe.tensors["reach"]), rtol=1e-4, atol=1e-6
    )


def test_the_recipes_commands(
    nearest: str, run: Run, tmp_path: Path, clips: Path, store: Path, normal_clip: Path
) -> None:
    probe = tmp_path / "nearest.safetensors"
    assert run("fit", clips, "--method", nearest, "-o", probe, "--store", store)[0] == 0
    arguments = ("detect", normal_clip, "-p", probe, "-o", tmp_path / "out", "--no-explain")
    code, _, err = run(*arguments)
    assert (code, "code from outside the package" in err) == (3, True)
    assert run(*arguments, "--method", nearest)[0] == 0
    code, _, err = run("layers", probe, "--method", nearest, "-o", tmp_path / "l.png")
    assert (code, "has no saliency curves" in err) == (3, True)


def test_help_lists_the_methods_of_the_folder(run: Run) -> None:
    code, out, _ = run("fit", "--help")
    words = " ".join(re.sub(r"[│|]", " ", out).split())
    assert (code, f"{', '.join(hiprobe.methods.names())} or module:attribute" in words) == (0, True)


def test_a_probe_of_forced_heads_keeps_them(few: Path, shipped: Backbone, store: Path) -> None:
    pairs = list(
        hiprobe.extract(
            hiprobe.datasets.load("folder", few), shipped, method="headhunt", store=store
        )
    )
    first = hiprobe.fit("headhunt", pairs)
    again = hiprobe.fit(
        "headhunt",
        [
            (replace(one, sites=first.sites, values=one.at(first.sites)), labels)
            for one, labels in pairs
        ],
        sites=first.sites,
    )
    assert again.sites == first.sites
    assert all((again.tensors[name] == first.tensors[name]).all() for name in first.tensors)
