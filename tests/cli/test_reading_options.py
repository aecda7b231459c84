"""What the model reads, as options: questions, segment length, frames and their size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cli.test_commands import run
from tests.support.fake_backbone import MeanColourBackbone
from tests.support.numbered_videos import noisy, steady, write

from hiprobe.probe import Probe
from hiprobe.store import index
from hiprobe.types import Recipe, Segment, Site

__all__ = ["run"]  # a fixture

FAKE = ("-m", "tests.support.fake_backbone:load")
OPTIONS = ("--prompt", "Is it odd?", "--segment", "0.8", "--frames", "5", "--size", "24x40")
Read = list[tuple[str, float, tuple[int, ...]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Read:
    """What the model was given: question, length in seconds, and shape of the frames."""
    given: Read = []
    read = MeanColourBackbone.read

    def noted(
        self: MeanColourBackbone,
        segments: Sequence[Segment],
        sites: Sequence[Site],
        recipe: Recipe | None = None,
    ) -> NDArray[np.float32]:
        assert recipe is not None
        given.extend(
            (recipe.prompts[0], round(one.end - one.start, 3), one.frames.shape) for one in segments
        )
        return read(self, segments, sites, recipe)

    monkeypatch.setattr(MeanColourBackbone, "read", noted)
    return given


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dark normal clips and bright abnormal ones."""
    monkeypatch.chdir(tmp_path)
    for kind, grey in (("normal", 10), ("abnormal", 90)):
        (tmp_path / "clips" / kind).mkdir(parents=True)
        for number in range(3):
            write(
                tmp_path / "clips" / kind / f"{number}.mp4",
                steady(32, 10),
                rate=10,
                pictures=lambda i, low=grey + number: noisy(i) // 2 + low,
            )
    return tmp_path / "clips"


def check(seen: Read) -> None:
    assert {question for question, _, _ in seen} == {"Is it odd?"}
    assert {shape for _, _, shape in seen} == {(5, 24, 40, 3)}
    assert {length for _, length, _ in seen} == {0.8}
    seen.clear()


def test_what_fit_was_told_to_read_is_in_the_probe_and_read_by_detect(
    run: Any, tmp_path: Path, clips: Path, seen: Read
) -> None:
    assert run("fit", clips, *FAKE, *OPTIONS).code == 0
    assert len(seen) == 6 * 4
    check(seen)
    recipe = Probe.load(tmp_path / "probe.safetensors").recipe
    assert (recipe.prompts, recipe.segment_s) == (("Is it odd?",), 0.8)
    assert (recipe.frames, recipe.size) == (5, (24, 40))
    write(tmp_path / "new.mp4", steady(32, 10), rate=10, pictures=noisy)
    assert run("detect", tmp_path / "new.mp4", *FAKE, "--no-explain").code == 0
    assert len(seen) == 4
    check(seen)


def test_layers_and_extract_read_what_they_are_told_and_fit_finds_it(
    run: Any, tmp_path: Path, clips: Path, seen: Read
) -> None:
    store = ("--store", tmp_path / "s")
    assert run("extract", clips, *FAKE, *OPTIONS, *store).code == 0
    check(seen)
    assert {one.recipe.digest for one in _kept(tmp_path / "s")} == {_recipe().digest}
    assert run("fit", clips, *FAKE, *OPTIONS, *store).code == 0
    assert run("layers", clips, *FAKE, *OPTIONS, *store).code == 0
    assert seen == []
    assert run("layers", clips, *FAKE, "--size", "16", *store).code == 0
    assert {shape[1:3] for _, _, shape in seen} == {(16, 16)}


@pytest.mark.parametrize("size", ["1x1", "30x50"])
def test_a_size_that_the_model_cannot_cut_into_patches_is_named(
    run: Any, tmp_path: Path, normal_clip: Path, size: str
) -> None:
    ran = run("extract", normal_clip, "--size", size, "--store", tmp_path / "s")
    assert (ran.code, len(ran.errors)) == (2, 1)
    assert "multiples of 16 pixels, got " + size.replace("x", " x ") in ran.errors[0]
    assert "choose another --size" in ran.errors[0]


def _recipe() -> Recipe:
    return Recipe("mean_colour", ("Is it odd?",), segment_s=0.8, frames=5, size=(24, 40))


def _kept(store: Path) -> list[Any]:
    from hiprobe.store import load_states

    return [load_states(store / one.file) for one in index.stored_states(store)]


@pytest.mark.parametrize("command", [("extract",), ("fit", "-o", "p.safetensors")])
def test_a_backbone_that_does_not_compile_is_refused_by_name(
    command: tuple[str, ...], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, frames in (("normal", 20), ("abnormal", 30)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.mp4", steady(frames, 10), rate=10)
    said = run(command[0], tmp_path, *command[1:], *FAKE, "--compile")
    assert said.code == 4
    assert "this backbone cannot be compiled; leave out --compile" in " ".join(said.err.split())
