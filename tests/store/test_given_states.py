"""Hidden states from a file: what other tools write is read, and what is not of the format refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from hiprobe.errors import StoreError
from hiprobe.evaluation.export import export_states
from hiprobe.store import given_states, load_states, read_given_states, save_states, state_files
from hiprobe.store.given_states import OTHER, OWN
from hiprobe.types import Gap, HiddenStates, Recipe, Site

RECIPE = {"model": "org/model", "prompts": ["Anything odd?"], "frames": 8}
ABOUT: dict[str, Any] = {
    "schema": OTHER,
    "tool": "vllm 0.11",
    "sites": ["residual/layer3/prompt0", "residual/layer7/prompt0"],
    "recipe": RECIPE,
}
Arrays = dict[str, np.ndarray]


def arrays(name: str = "a", segments: int = 5, **more: Any) -> Arrays:
    edges = np.arange(segments + 1) * 2.0
    values = np.random.default_rng(0).normal(size=(segments, 2, 4)).astype(np.float32)
    at = f"{name}/" if name else ""
    found = {f"{at}values": values, f"{at}starts": edges[:-1], f"{at}ends": edges[1:]}
    return {**found, **{f"{at}{key}": value for key, value in more.items()}}


def write(path: Path, about: Any = None, found: Arrays | None = None) -> Path:
    text, found = json.dumps(ABOUT if about is None else about), found or arrays()
    if path.suffix == ".npz":
        np.savez(path, index=text, **found)  # type: ignore[arg-type]
    else:
        save_file({k: np.ascontiguousarray(v) for k, v in found.items()}, path, {"hiprobe": text})
    return path


BOTH = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


@BOTH
def test_what_another_tool_saved(tmp_path: Path, suffix: str) -> None:
    labels = np.array([0, 1, 1, -1, 0], np.int64)
    both = {**arrays("cam1/0900.mp4", labels=labels), **arrays("b", 3)}
    first, second = read_given_states(write(tmp_path / f"s{suffix}", found=both))
    assert (first.name, second.name) == ("b", "cam1/0900.mp4")
    assert (first.labels, first.tool) == (None, "vllm 0.11")
    assert second.labels is not None
    assert second.labels.tolist() == labels.tolist()
    assert np.array_equal(second.states.values, both["cam1/0900.mp4/values"])
    assert second.states.sites == (Site("residual", 3), Site("residual", 7))
    assert second.states.recipe == Recipe(
        "external:org/model", ("Anything odd?",), segment_s=2.0, frames=8
    )
    assert (second.states.duration, second.states.gaps) == (10.0, ())
    assert first.states.video_id != second.states.video_id


@BOTH
def test_one_video_needs_no_name_and_may_have_settings_of_its_own(
    tmp_path: Path, suffix: str
) -> None:
    own = {
        "gaps": [{"start": 4.0, "end": 6.0, "reason": "lost"}],
        "group": "cam1",
        "duration": 11.0,
    }
    about = {**ABOUT, "entries": {"till3": {**own, "video": "0" * 64}}}
    (one,) = read_given_states(write(tmp_path / f"till3{suffix}", about, arrays("")))
    assert (one.name, one.states.video_id, one.states.group) == ("till3", "0" * 64, "cam1")
    assert one.states.gaps == (Gap(4.0, 6.0, "lost"),)
    assert one.states.duration == 11.0


def test_half_precisions_are_read_as_they_are(tmp_path: Path) -> None:
    values = torch.randn(5, 2, 4)
    edges = torch.arange(6, dtype=torch.float64) * 2.0
    for dtype, read in ((torch.bfloat16, np.float32), (torch.float16, np.float16)):
        path = tmp_path / "s.safetensors"
        found = {
            "a/values": values.to(dtype),
            "a/starts": edges[:-1].clone(),
            "a/ends": edges[1:].clone(),
        }
        save_torch(found, path, {"hiprobe": json.dumps(ABOUT)})
        (one,) = read_given_states(path)
        assert one.states.values.dtype == read
        assert np.array_equal(one.states.values, values.to(dtype).float().numpy().astype(read))


def test_what_export_writes_is_read_with_its_own_recipe(tmp_path: Path) -> None:
    edges = np.arange(4) * 1.6
    recipe, sites = Recipe("org/model", ("Odd?",), "abc", frames=2), (Site("head", 1, 2),)
    stored = HiddenStates(
        "5" * 64, recipe, sites, edges[:-1], edges[1:], np.ones((3, 1, 4), np.float32), 4.9,
        (Gap(1.0, 1.2, "lost"),), 3,
    )  # fmt: skip
    save_states(tmp_path / "store", stored, "float32")
    export_states(tmp_path / "store", tmp_path / "s.npz")
    (one,) = read_given_states(tmp_path / "s.npz")
    (kept,) = map(load_states, state_files(tmp_path / "store"))
    assert one.tool is None
    assert np.array_equal(one.states.values, kept.values)
    for name in ("video_id", "recipe", "sites", "duration", "gaps", "damaged_packets", "sources"):
        assert getattr(one.states, name) == getattr(kept, name)


def changed(**more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**ABOUT, **more}.items() if value is not None}


WRONG: dict[str, tuple[Any, Arrays, str]] = {
    "another schema": (changed(schema="x/1"), arrays(), "the schema must be"),
    "no object": ([1], arrays(), "got 'list'"),
    "no sites": (changed(sites=None), arrays(), "video 'a': it lacks sites"),
    "no recipe": (changed(recipe=None), arrays(), "it lacks recipe"),
    "no tool": (changed(tool=None), arrays(), "tool must be a name"),
    "a path as tool": (changed(tool="/home/ada/x.py"), arrays(), "tool must be a name"),
    "a path as model": (changed(recipe={**RECIPE, "model": "/m"}), arrays(), "must be a name"),
    "no frames": (changed(recipe={"model": "a", "prompts": ["b"]}), arrays(), r"lacks \['frames'\]"),
    "a typing error": (changed(recipe={**RECIPE, "frame": 1}), arrays(), r"unknown \['frame'\]"),
    "not a site": (changed(sites=["layer3", "layer7"]), arrays(), "not a site"),
    "a site twice": (changed(sites=["residual/layer3/prompt0"] * 2), arrays(), "there twice"),
    "another number of sites": (changed(sites=ABOUT["sites"][:1]), arrays(), "as many sites"),
    "no ends": (ABOUT, {k: v for k, v in arrays().items() if k != "a/ends"}, "it lacks array ends"),
    "an unknown array": (ABOUT, {**arrays(), "a/pixels": np.zeros(3)}, "is none of NAME/values"),
    "no array": (ABOUT, {"a/labels": np.zeros(3, int)}, "it lacks array values"),
    "whole numbers": (ABOUT, {**arrays(), "a/values": np.zeros((5, 2, 4), int)}, "floating-point"),
    "too few times": (ABOUT, {**arrays(), "a/ends": np.arange(4.0)}, "as many starts and ends"),
    "times backwards": (ABOUT, {**arrays(), "a/starts": np.arange(5.0)[::-1]}, "time order"),
    "a time that is not a number": (ABOUT, {**arrays(), "a/ends": np.full(5, np.nan)}, "got nan"),
    "labels of another kind": (ABOUT, arrays(labels=np.full(5, 2)), "must be 1"),
    "too few labels": (ABOUT, arrays(labels=np.zeros(4, int)), "each of 5 segments"),
    "labels between": (ABOUT, arrays(labels=np.full(5, 0.5)), "a whole number"),
    "not a digest": (changed(entries={"a": {"video": "x"}}), arrays(), "a SHA-256"),
    "a gap that is a number": (changed(entries={"a": {"gaps": [3]}}), arrays(), "not a file of hidden"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_not_of_the_format_is_refused_by_name(
    tmp_path: Path, suffix: str, kind: str
) -> None:
    about, found, reason = WRONG[kind]
    path = write(tmp_path / f"s{suffix}", about, found)
    with pytest.raises(StoreError, match=reason) as caught:
        read_given_states(path)
    assert str(caught.value).startswith(f"{path}: not a file of hidden states")
    assert "docs/states.md" in str(caught.value)


def pickled(path: Path) -> None:
    np.savez(path, index=json.dumps(ABOUT), **{"a/values": np.array([print], object)})


def raw_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(ABOUT))


def without_index(path: Path) -> None:
    np.savez(path, **arrays())  # type: ignore[arg-type]


def cut(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:-300])


@pytest.mark.parametrize("make", [pickled, raw_pickle, without_index, cut])
def test_a_damaged_or_hostile_npz_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "s.npz"
    make(path)
    with pytest.raises(StoreError, match="not a file of hidden states"):
        read_given_states(path)


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, zeros = tmp_path / "s.npz", np.zeros((100_000, 2, 4), np.float32)
    np.savez_compressed(path, index=json.dumps(ABOUT), **{"a/values": zeros})
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(given_states, "MOST_BYTES", 100_000)
    with pytest.raises(StoreError, match="more than 100,000"):
        read_given_states(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.pt").write_bytes(b"x")
    (tmp_path / "s.safetensors").write_bytes(b"x" * 20)
    for name, reason in (
        ("s.pt", "must end in .npz or .safetensors"),
        ("s.safetensors", "length of the header"),
        ("none.npz", "No such file"),
        ("", "not a regular file"),
    ):
        with pytest.raises(StoreError, match=reason):
            read_given_states(tmp_path / name)


def test_the_schemas_are_told_apart(tmp_path: Path) -> None:
    """Only a file that hiprobe wrote may claim states that hiprobe's own are compared with."""
    own = {**ABOUT, "schema": OWN, "recipe": Recipe("org/model", ("a?",)).to_json()}
    (one,) = read_given_states(write(tmp_path / "a.npz", own))
    assert one.states.recipe.model == "org/model"
    (two,) = read_given_states(write(tmp_path / "b.npz"))
    assert two.states.recipe.model == "external:org/model"
