"""Every number that a file may hold is checked when it is loaded: type, range, and one named line."""

from __future__ import annotations

import copy
import json
import math
import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from hiprobe import embedded, store
from hiprobe.errors import HiProbeError, ModelError, ProbeError, StoreError, UnsupportedVideo
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.ranges import RANGES, in_range, require, require_all
from hiprobe.store import results
from hiprobe.types import Event, Gap, HiddenStates, Recipe, Result, Scores, Site

RECIPE = Recipe("org/model", ("What happens?",), frames=4, size=(32, 32))
SITES = (Site("residual", 1), Site("head", 1, head=2))
EDGES = np.arange(4) * 1.6
Path_ = tuple[str | int, ...]


def outside(name: str) -> st.SearchStrategy[Any]:
    """Draw what is not the number `name`: too low, too high, not finite, of another type."""
    limits = RANGES[name]
    wrong = [True, False, "1", "", [], {}, 10**400, -(10**400), math.nan, math.inf, -math.inf]
    more = [2.5, 3.0] if limits.whole else []
    return st.one_of(
        st.sampled_from([*wrong, *more]),
        st.integers(max_value=math.ceil(limits.low) - 1),
        st.integers(min_value=math.floor(limits.high) + 1),
        st.floats(max_value=limits.low, exclude_max=True),
        st.floats(min_value=limits.high, exclude_min=True),
    )


def inside(name: str) -> st.SearchStrategy[Any]:
    limits = RANGES[name]
    if limits.whole:
        return st.integers(int(limits.low), int(limits.high))
    return st.floats(limits.low, limits.high)


@given(st.data(), st.sampled_from(sorted(RANGES)))
def test_a_range_holds_its_numbers_and_no_others(data: st.DataObject, name: str) -> None:
    good, bad = data.draw(inside(name)), data.draw(outside(name))
    assert in_range(name, good)
    assert not in_range(name, bad)
    require_all(name, [good, good])
    with pytest.raises(ValueError, match="must be") as caught:
        require_all(name, [good, bad])
    assert str(caught.value).startswith(name)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


# -- what is written, then changed in one place, then loaded


def probe_file(change: Callable[[Any], None], folder: Path) -> Any:
    zeros = np.zeros(6)
    tensors = {"mean": zeros, "scale": zeros + 1, "weight": zeros, "bias": np.zeros(1)}
    rules = Localization(rule="fixed", threshold=0.5, extend=0.5)
    made = Probe("hiprobe", RECIPE, SITES, 3, tensors, rules, {"auc": {"low": 0.5}})
    return changed_safetensors(made.to_bytes(), change, folder / "p.safetensors", Probe.load)


def states_file(change: Callable[[Any], None], folder: Path) -> Any:
    values = np.zeros((3, 2, 3), np.float32)
    gaps = (Gap(1.0, 2.0, "damaged data"),)
    states = HiddenStates("ab" * 32, RECIPE, SITES, EDGES[:-1], EDGES[1:], values, 4.8, gaps, 2)
    path = store.save_states(folder, states, "float32")
    return changed_safetensors(path.read_bytes(), change, path, store.load_states)


def changed_safetensors(
    data: bytes, change: Callable[[Any], None], path: Path, read: Callable[[Path], Any]
) -> Any:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["hiprobe"])
    arrays = load(data)
    change({"header": header, "arrays": arrays})
    path.write_bytes(save(arrays, {"hiprobe": json.dumps(header)}))
    return read(path)


def result_file(change: Callable[[Any], None], folder: Path) -> Any:
    raw, gaps = np.array([0.1, 0.9, 0.2]), (Gap(1.0, 2.0, "damaged data"),)
    scores = Scores(EDGES[:-1], EDGES[1:], raw, raw, np.full(3, 0.5), gaps)
    event = Event(1.6, 3.2, peak=2.4, score=0.9)
    results.save_result(folder, Result("a.mp4", "ab" * 32, "done", 4.8, scores, (event,)), {})
    values = json.loads((folder / results.NAME).read_text())
    change(values)
    (folder / results.NAME).write_text(json.dumps(values))
    return results.read_result(folder)


def settings_file(change: Callable[[Any], None], folder: Path) -> Any:
    from hiprobe.backbones import _folder

    values = {"frames": 8, "size": [32, 32], "segment_s": 1.6, "explain_span_s": 3.0}
    change(values)
    (folder / "hiprobe.json").write_text(json.dumps(values))
    return _folder.checkpoint_settings(_folder.Checkpoint(folder, "m", None))


def config_file(change: Callable[[Any], None], folder: Path) -> Any:
    from hiprobe.backbones import _folder, _weights

    model = Path(embedded.__file__).parent / "model"
    values = json.loads((model / "config.json").read_text())
    change(values)
    (folder / "config.json").write_text(json.dumps(values))
    return _weights.load_config(_folder.Checkpoint(folder, "m", None))


def processor_file(change: Callable[[Any], None], folder: Path) -> Any:
    from hiprobe.backbones._video import video_processor

    values = {
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "size": {"shortest_edge": 784, "longest_edge": 7840},
    }
    change(values)
    return video_processor(values, "qwen2_vl")


Case = tuple[Callable[[Callable[[Any], None], Path], Any], type[HiProbeError], Path_, str]
CASES: list[Case] = [
    *(
        (probe_file, ProbeError, ("header", *place), name)
        for place, name in [
            (("recipe", "segment_s"), "segment_s"),
            (("recipe", "frames"), "frames"),
            (("recipe", "size", 0), "height"),
            (("recipe", "size", 1), "width"),
            (("width",), "vector width"),
            (("sites", 0, "layer"), "layer"),
            (("sites", 0, "prompt"), "prompt"),
            (("sites", 1, "head"), "head"),
            (("localization", "sigma"), "sigma"),
            (("localization", "kappa"), "kappa"),
            (("localization", "warmup"), "warmup"),
            (("localization", "lag"), "lag"),
            (("localization", "threshold"), "threshold"),
            (("localization", "merge_s"), "merge_s"),
            (("localization", "min_s"), "min_s"),
            (("localization", "extend"), "extend"),
        ]
    ),
    *(
        (states_file, StoreError, ("header", *place), name)
        for place, name in [
            (("recipe", "frames"), "frames"),
            (("sites", 0, "layer"), "layer"),
            (("duration",), "duration"),
            (("damaged_packets",), "damaged packets"),
            (("gaps", 0, "start"), "start"),
            (("gaps", 0, "end"), "end"),
        ]
    ),
    *(
        (result_file, StoreError, place, name)
        for place, name in [
            (("duration",), "duration"),
            (("scores", "starts", 0), "start"),
            (("scores", "ends", 0), "end"),
            (("scores", "raw", 1), "score"),
            (("scores", "smoothed", 1), "score"),
            (("scores", "threshold", 1), "threshold"),
            (("gaps", 0, "start"), "start"),
            (("gaps", 0, "end"), "end"),
            (("events", 0, "start"), "start"),
            (("events", 0, "end"), "end"),
            (("events", 0, "peak"), "peak"),
            (("events", 0, "score"), "score"),
        ]
    ),
    *(
        (settings_file, ModelError, place, name)
        for place, name in [
            (("frames",), "frames"),
            (("segment_s",), "segment_s"),
            (("explain_span_s",), "explain_span_s"),
            (("size", 0), "height"),
            (("size", 1), "width"),
        ]
    ),
    *(
        (config_file, ModelError, place, name)
        for place, name in [
            (("text_config", "num_hidden_layers"), "blocks"),
            (("text_config", "num_attention_heads"), "heads"),
            (("text_config", "hidden_size"), "model width"),
            (("vision_config", "depth"), "blocks"),
        ]
    ),
    *(
        (processor_file, ModelError, place, name)
        for place, name in [
            (("patch_size",), "patch"),
            (("temporal_patch_size",), "patch"),
            (("merge_size",), "patch"),
            (("resample",), "resampling filter"),
            (("rescale_factor",), "factor"),
            (("image_mean", 1), "factor"),
            (("image_std", 1), "divisor"),
            (("size", "longest_edge"), "pixels"),
        ]
    ),
]


def put(place: Path_, value: Any) -> Callable[[Any], None]:
    def change(values: Any) -> None:
        for step in place[:-1]:
            values = values[step]
        assert place[-1] in values or isinstance(place[-1], int)
        values[place[-1]] = copy.deepcopy(value)

    return change


@pytest.fixture(autouse=True)
def _allocates_little() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 600_000  # kB; torch and transformers are among them, once


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__} {case[2]}")
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_number_out_of_range_is_a_named_error(case: Case, data: st.DataObject) -> None:
    write, error, place, name = case
    value = data.draw(outside(name))
    with tempfile.TemporaryDirectory() as folder:
        with pytest.raises(error) as caught:
            write(put(place, value), Path(folder))
        line = str(caught.value)
        assert "\n" not in line
        assert len(line) < 500 + len(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__} {case[2]}")
def test_the_error_says_name_value_and_range(case: Case, tmp_path: Path) -> None:
    write, error, place, name = case
    low = RANGES[name].low
    value = int(low) - 7 if RANGES[name].whole else low * 2 - 7
    with pytest.raises(error) as caught:
        write(put(place, value), tmp_path)
    assert f"must be {RANGES[name]}, got {value}" in str(caught.value)


@pytest.mark.parametrize("write", sorted({case[0] for case in CASES}, key=lambda one: one.__name__))
def test_the_files_themselves_are_valid(write: Any, tmp_path: Path) -> None:
    assert write(lambda _: None, tmp_path) is not None


RULES = ("sigma", "kappa", "warmup", "lag", "threshold", "merge_s", "min_s", "extend")


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries({name: inside(name) for name in RULES}),
    st.fixed_dictionaries({name: inside(name) for name in ("segment_s", "frames")}),
)
def test_a_number_in_range_is_read_back(rules: Any, sampling: Any) -> None:
    recipe = Recipe("org/model", ("What happens?",), **sampling)
    localization = Localization(rule="fixed", **rules)

    def change(values: Any) -> None:
        values["header"]["recipe"] = recipe.to_json()
        values["header"]["localization"] = asdict(localization)

    with tempfile.TemporaryDirectory() as folder:
        found = probe_file(change, Path(folder))
    assert (found.recipe, found.localization) == (recipe, localization)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(("header", "recipe", "prompts"), ["a"] * 65), "number of prompts must be"),
        (put(("header", "recipe", "size"), [16000, 16000]), "bytes of a window must be"),
        (put(("header", "recipe", "size"), [32]), "size must be height and width"),
        (put(("header", "provenance", "auc"), {"low": 10**400}), "provenance must be"),
        (put(("header", "localization", "sigma"), 3e7), "sigma must be a number from 0 to 1000"),
        (put(("header", "localization", "sigma"), 1e18), "sigma must be a number from 0 to 1000"),
        (put(("header", "recipe", "frames"), 10**9), "frames must be a whole number from 1 to"),
    ],
)
def test_a_probe_that_asks_for_too_much_is_refused(
    change: Callable[[Any], None], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError, match=words):
        probe_file(change, tmp_path)


def test_arrays_of_states_are_checked(tmp_path: Path) -> None:
    for name, place, value in (("starts", 0, -1.0), ("ends", 2, 1e10), ("ends", 2, math.inf)):
        with pytest.raises(StoreError, match=name[:-1]):
            states_file(put(("arrays", name, place), value), tmp_path)


def test_a_frame_too_large_for_its_window_is_not_blamed_on_the_decoder(tmp_path: Path) -> None:
    """At the stored size the recipe alone does not tell how large a window is."""
    from PIL import Image

    from hiprobe import video

    for index in range(2):
        Image.new("RGB", (4000, 2000)).save(tmp_path / f"{index}.png", compress_level=1)
    recipe = Recipe("m", ("p",), frames=64, size=None)
    with pytest.raises(UnsupportedVideo, match="bytes of a window must be"):
        list(video.segments(f"{tmp_path}@1fps", recipe))


def test_require_names_the_number() -> None:
    with pytest.raises(ValueError, match=r"^--frames must be a whole number from 1 to 1024"):
        require("frames", True, "--frames")
