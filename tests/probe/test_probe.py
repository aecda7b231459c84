"""Fitting reports honest metrics, a probe file is reproducible, and a damaged one is refused."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import re
import struct
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from sklearn.metrics import roc_auc_score

from hiprobe import methods
from hiprobe.errors import LabelError, ProbeError, RecipeMismatch, StoreError, UsageError
from hiprobe.localize import Localization, Rule, localize, smooth
from hiprobe.probe import MAX_BYTES, Probe, fit
from hiprobe.probe.calibration import calibration_set
from hiprobe.probe.refit import refit
from hiprobe.types import Gap, HiddenStates, Recipe, Site

RNG = np.random.default_rng
RECIPE = Recipe(model="sha256:abc", prompts=("Is anything abnormal?",))
RAW = Localization(sigma=0.0)
Pair = tuple[HiddenStates, np.ndarray]


def video(
    name: str,
    values: np.ndarray,
    labels: list[int] | np.ndarray,
    recipe: Recipe = RECIPE,
    gaps: tuple[Gap, ...] = (),
) -> Pair:
    edges = np.arange(len(values) + 1, dtype=np.float64) * 1.6
    sites = tuple(Site("residual", layer) for layer in range(values.shape[1]))
    states = HiddenStates(
        name, recipe, sites, edges[:-1], edges[1:], values.astype(np.float32), edges[-1], gaps
    )
    return states, np.asarray(labels, dtype=np.int8)


def planted(
    layer: int = 7,
    sites: int = 10,
    videos: int = 8,
    length: int = 6,
    width: int = 24,
    shift: float = 1.5,
    seed: int = 0,
) -> list[Pair]:
    """Videos of one class each; only `layer` tells which."""
    rng, out = RNG(seed), []
    for index in range(videos):
        values = rng.normal(size=(length, sites, width))
        values[:, layer] += shift * (index % 2)
        out.append(video(f"video{index}", values, np.full(length, index % 2)))
    return out


@pytest.fixture(scope="module")
def probe() -> Probe:
    return fit("hiprobe", planted(), provenance={"dtype": "float32", "device": "cpu"})


# honesty


def test_noise_gets_an_auc_of_one_half_although_it_separates_perfectly_in_sample() -> None:
    """16 samples of 160 dimensions at 6 layers, no signal: in-sample 1.0, out of fold chance."""
    held_out, in_sample = [], []
    for seed in range(30):
        values = RNG(seed).normal(size=(16, 6, 160))
        pairs = [video(f"v{i}", values[i : i + 1], [i % 2]) for i in range(16)]
        found = fit(
            "hiprobe", pairs, seed=seed, localization=RAW, permutations=0, layer_curve=False
        )
        raw = np.concatenate([found.score(states) for states, _ in pairs])
        in_sample.append(roc_auc_score(np.arange(16) % 2, raw))
        held_out.append(found.provenance["auc"]["value"])
    assert min(in_sample) == 1.0
    assert abs(np.mean(held_out) - 0.5) < 0.1
    assert np.min(held_out) < 0.4  # and not merely bounded from below


def test_layers_chosen_from_many_do_not_raise_the_auc_of_noise() -> None:
    """With 60 layers, a selection outside the folds would leak labels into every fold."""
    aucs = []
    for seed in range(12):
        values = RNG(100 + seed).normal(size=(24, 60, 4))
        pairs = [video(f"v{i}", values[i : i + 1], [i % 2]) for i in range(24)]
        found = fit(
            "hiprobe", pairs, seed=seed, localization=RAW, permutations=0, layer_curve=False
        )
        aucs.append(found.provenance["auc"]["value"])
    assert np.mean(aucs) < 0.58


def test_a_video_is_never_on_both_sides_of_a_fold() -> None:
    """Each video has its own look and a random label: folds of segments would recognise it."""
    aucs = []
    for seed in range(10):
        rng, pairs = RNG(seed), []
        for index in range(12):
            values = rng.normal(size=(1, 2, 30)) * 3 + rng.normal(size=(8, 2, 30)) * 0.1
            pairs.append(video(f"v{index}", values, np.full(8, index % 2)))
        found = fit("hiprobe", pairs, seed=seed, permutations=0, layer_curve=False)
        assert found.provenance["folds"]["by"] == "video"
        aucs.append(found.provenance["auc"]["value"])
    assert np.mean(aucs) < 0.65


def test_two_copies_of_a_video_are_one_group() -> None:
    pairs = planted(videos=4)
    twins = [(replace(states), labels) for states, labels in pairs]
    found = fit("hiprobe", pairs + twins, permutations=0, layer_curve=False)
    assert found.provenance["folds"]["count"] == 2
    assert len(found.provenance["videos"]) == 4


def test_the_saliency_of_noise_is_no_higher_than_its_baseline() -> None:
    values = RNG(0).normal(size=(16, 6, 160))
    pairs = [video(f"v{i}", values[i : i + 1], [i % 2]) for i in range(16)]
    record = fit("hiprobe", pairs, localization=RAW, layer_curve=False).provenance
    observed, chance = np.array(record["curves"]["kl"]), np.array(record["baseline"]["mean"]["kl"])
    assert observed.min() > 0.3
    assert observed == pytest.approx(chance, rel=0.25)


# what a fit reports


def test_the_layer_that_separates_is_chosen_in_every_fold_and_reported(probe: Probe) -> None:
    record = probe.provenance
    assert probe.sites == (Site("residual", 7),)
    assert record["chosen"] == ["residual/layer7/prompt0"]
    assert record["folds"] == {
        "count": 4,
        "by": "video",
        "sites": [["residual/layer7/prompt0"]] * 4,
        "agreement": 1.0,
    }
    assert record["segments"] == {"anomalous": 24, "normal": 24, "left_out": 0}
    assert record["videos"] == [f"video{i}" for i in range(8)]
    assert record["states"] == {"dtype": "float32", "device": "cpu"}
    assert record["warnings"] == []
    assert len(record["curves"]["score"]) == len(record["baseline"]["mean"]["kl"]) == 10
    by_layer = [layer["auc"]["value"] for layer in record["layers"]]
    assert by_layer[7] == 1.0
    assert max(by_layer[:7] + by_layer[8:]) < 0.9
    assert record["layers"][0]["auc"]["low"] <= by_layer[0] <= record["layers"][0]["auc"]["high"]


def test_folds_that_disagree_are_counted() -> None:
    values = RNG(3).normal(size=(16, 20, 40))
    pairs = [video(f"v{i}", values[i : i + 1], [i % 2]) for i in range(16)]
    found = fit("hiprobe", pairs, permutations=0, layer_curve=False)
    folds = found.provenance["folds"]
    assert (
        folds["agreement"]
        == sum(sites == [str(found.sites[0])] for sites in folds["sites"]) / folds["count"]
    )
    assert folds["agreement"] < 1


def test_the_calibrated_threshold_finds_the_events_of_a_new_video(probe: Probe) -> None:
    values = RNG(9).normal(size=(30, 10, 24))
    values[12:20, 7] += 1.5
    states, _ = video("new", values, np.zeros(30))
    _, events = localize(
        states.starts, states.ends, probe.score(states), states.gaps, probe.localization
    )
    assert len(events) == 1
    assert events[0].start == pytest.approx(12 * 1.6, abs=1.7)
    assert events[0].end == pytest.approx(20 * 1.6, abs=1.7)


def test_segments_left_out_are_not_fitted_but_take_part_in_smoothing() -> None:
    pairs = planted()
    longer = []
    for states, labels in pairs:
        values = np.concatenate([states.values, np.full((3, 10, 24), 40.0)])
        longer.append(video(states.video_id, values, np.r_[labels, -1, -1, -1]))
    unsmoothed = [
        fit("hiprobe", p, localization=RAW, permutations=0, layer_curve=False)
        for p in (pairs, longer)
    ]
    assert (unsmoothed[0].tensors["weight"] == unsmoothed[1].tensors["weight"]).all()
    assert unsmoothed[0].localization.threshold == unsmoothed[1].localization.threshold
    smoothed = [fit("hiprobe", p, permutations=0, layer_curve=False) for p in (pairs, longer)]
    assert smoothed[0].localization.threshold != smoothed[1].localization.threshold


def test_a_layer_may_be_forced() -> None:
    found = fit("hiprobe", planted(), sites=[Site("residual", 2)], permutations=0)
    assert found.sites == (Site("residual", 2),)
    assert found.provenance["why"] == "the only one offered"
    assert 0.1 < found.provenance["auc"]["value"] < 0.9


def test_output_layer_reads_the_deepest_layer() -> None:
    found = fit("output_layer", planted(), permutations=0)
    assert found.sites == (Site("residual", 9),)
    assert found.provenance["auc"]["value"] < 0.9


def test_one_video_with_both_classes_is_folded_by_segment_and_says_so() -> None:
    values = RNG(0).normal(size=(24, 3, 8))
    found = fit("hiprobe", [video("v", values, np.repeat([0, 1], 12))], permutations=0)
    assert found.provenance["folds"]["by"] == "segment"
    assert any("one video only" in line for line in found.provenance["warnings"])
    assert found.provenance["auc"]["low"] is None


def test_one_class_fits_on_normal_videos_and_alarms_on_few_of_them() -> None:
    pairs = [video(f"v{i}", RNG(i).normal(size=(40, 8, 10)), np.zeros(40)) for i in range(6)]
    found = fit("one_class", pairs)
    limit = found.localization.threshold
    assert limit is not None
    assert found.sites == (Site("residual", 5),)
    assert found.provenance["auc"] is None
    new = [
        smooth(found.score(video("n", RNG(50 + i).normal(size=(40, 8, 10)), np.zeros(40))[0]))
        for i in range(6)
    ]
    assert 0 <= np.mean(np.concatenate(new) >= limit) < 0.06
    strange = video("s", RNG(99).normal(2.0, size=(40, 8, 10)), np.zeros(40))[0]
    assert (smooth(found.score(strange)) >= limit).all()


@pytest.mark.parametrize("depth", [1, 2, 7, 8, 28, 32, 33, 80])
def test_one_class_finds_its_site_whether_all_layers_were_read_or_only_that_one(depth: int) -> None:
    site = Site("residual", min(5 * depth // 8, depth - 1))
    whole = [video(f"v{i}", RNG(i).normal(size=(4, depth, 3)), np.zeros(4)) for i in range(3)]
    alone = [
        (replace(states, sites=(site,), values=states.at((site,))), labels)
        for states, labels in whole
    ]
    one, other = (fit("one_class", pairs) for pairs in (whole, alone))
    assert one.sites == other.sites == (site,)
    assert all((one.tensors[name] == other.tensors[name]).all() for name in one.tensors)


def test_one_class_never_fits_on_an_anomaly() -> None:
    normal = [video(f"n{i}", RNG(i).normal(size=(12, 8, 10)), np.zeros(12)) for i in range(4)]
    anomalous = [
        video(f"a{i}", RNG(9 + i).normal(3, size=(12, 8, 10)), np.ones(12)) for i in range(2)
    ]
    alone, both = (fit("one_class", p) for p in (normal, normal + anomalous))
    assert all((alone.tensors[k] == both.tensors[k]).all() for k in alone.tensors)
    assert both.provenance["auc"]["value"] == 1.0


def test_other_rules_keep_their_threshold() -> None:
    fixed, adaptive = Localization(rule="fixed", threshold=0.65), Localization(rule="adaptive")
    for rule in (fixed, replace(fixed, rule="raised"), adaptive):
        found = fit("hiprobe", planted(), localization=rule, permutations=0, layer_curve=False)
        assert found.localization == rule


@pytest.mark.parametrize("rule", ["fixed", "raised"])
def test_a_refit_calibrates_a_threshold_that_was_set(rule: Rule) -> None:
    pairs = planted()
    old = fit("hiprobe", pairs, localization=Localization(rule=rule, threshold=0.99))
    made = refit(old, pairs, [labels for _, labels in pairs]).probe.localization
    assert made.rule == "calibrated"
    assert made.threshold is not None
    assert made.threshold < 0.99


def test_a_method_from_outside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores the mean of the last site: no fit, no labels."""
    (tmp_path / "mean_method.py").write_text("""
import numpy as np
from hiprobe.methods import Selection
from hiprobe.types import Site

class Mean:
    LABELS, PROMPTS = "none", ()
    def sites(self, layers, heads): return (Site("residual", layers - 1),)
    def select(self, values, labels): return Selection((0,))
    def fit(self, values, labels):
        assert len(values) == 0
        return {"sign": np.array([1.0])}
    def score(self, values, tensors): return tensors["sign"] * values.mean((1, 2), dtype=np.float64)

mean = Mean()
""")
    monkeypatch.syspath_prepend(tmp_path)
    found = fit("mean_method:mean", planted(layer=9))
    assert found.provenance["auc"]["value"] == 1.0
    found.save(tmp_path / "p.safetensors")
    with pytest.raises(ProbeError, match="outside the package"):
        Probe.load(tmp_path / "p.safetensors")
    same = Probe.load(tmp_path / "p.safetensors", method="mean_method:mean")
    states = planted(layer=9)[1][0]
    assert (same.score(states) == found.score(states)).all()
    sys.modules.pop("mean_method")


def test_a_calibration_set_gives_the_rows_and_sites_asked_for() -> None:
    """Videos of unequal length and precision, one without a segment; some rows, then all."""
    pairs = [
        video(f"v{i}", RNG(i).normal(size=(length, 4, 3)), np.arange(length) % 2)
        for i, length in enumerate((5, 0, 12, 1))
    ]
    half = replace(pairs[2][0], values=pairs[2][0].values.astype(np.float16))
    data = calibration_set(
        methods.load("hiprobe"), [pairs[0], pairs[1], (half, pairs[2][1]), pairs[3]], None
    )
    whole = np.concatenate([pairs[0][0].values, half.values, pairs[3][0].values])
    rows = np.arange(18) % 2 == 1
    for found, want in (
        (data.at((2, 0)), whole[:, [2, 0]]),
        (data.at((3,), rows), whole[rows][:, [3]]),
        (data.at((1, 2), ~rows & rows), whole[:0, [1, 2]]),
        (data[:, 1], whole[:, 1]),
    ):
        assert found.dtype == want.dtype == np.float32
        assert (found == want).all()


def test_a_fit_has_one_layer_in_memory_as_read_and_once_in_float64() -> None:
    """The videos are made before memory is counted, as if they were mapped from files."""
    pairs = planted(layer=1, sites=2, videos=40, length=20, width=4096)
    layer = 800 * 4096 * 8
    fit("hiprobe", pairs[:4], permutations=0, layer_curve=False)  # what is imported on the way
    tracemalloc.start()
    found = fit("hiprobe", pairs, permutations=0, layer_curve=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.sites == (Site("residual", 1),)
    assert peak < 1.8 * layer  # a fifth of it for the products of 800 segments with each other


# what a fit refuses


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 1, 1, 1], "24 anomalous and 0 normal"),
        ([0, 0, 0, 0], "0 anomalous and 24 normal"),
        ([-1, -1, -1, -1], r"\(24 left out\)"),
    ],
)
def test_one_class_of_labels_is_a_named_error(labels: list[int], message: str) -> None:
    pairs = [
        video(f"v{i}", RNG(i).normal(size=(6, 2, 4)), np.full(6, c)) for i, c in enumerate(labels)
    ]
    with pytest.raises(LabelError, match=message):
        fit("hiprobe", pairs)


def test_three_segments_of_a_class_are_too_few() -> None:
    pairs = [
        video("a", np.zeros((3, 2, 4)), [1, 1, 1]),
        video("n", np.zeros((9, 2, 4)), np.zeros(9)),
    ]
    with pytest.raises(
        LabelError, match=r"at least 4 anomalous and 4 normal .* got 3 anomalous and 9"
    ):
        fit("hiprobe", pairs)
    with pytest.raises(LabelError, match="no video"):
        fit("hiprobe", [])


def test_wrong_labels_folds_and_sites_are_named_errors() -> None:
    pairs = planted()
    with pytest.raises(LabelError, match="video0"):
        fit("hiprobe", [(pairs[0][0], np.zeros(5, np.int8)), *pairs[1:]])
    with pytest.raises(LabelError, match="video0"):
        fit("hiprobe", [(pairs[0][0], np.full(6, 2, np.int8)), *pairs[1:]])
    with pytest.raises(UsageError, match="folds must be at least 2, got 1"):
        fit("hiprobe", pairs, folds=1)
    with pytest.raises(UsageError, match="no method"):
        fit("hyprobe", pairs)
    with pytest.raises(ProbeError, match="not read: residual/layer10"):
        fit("hiprobe", pairs, sites=[Site("residual", 10)])


def test_mixed_recipes_and_values_that_are_not_finite_name_the_video() -> None:
    pairs = planted()
    other = video("stranger", pairs[0][0].values, pairs[0][1], replace(RECIPE, frames=8))
    with pytest.raises(RecipeMismatch, match="stranger"):
        fit("hiprobe", [*pairs, other])
    for bad in (np.nan, np.inf):
        values = pairs[3][0].values.copy()
        values[4, 9, 0] = bad
        with pytest.raises(ProbeError, match=r"video3.*segment 4"):
            fit("hiprobe", [*pairs[:3], video("video3", values, pairs[3][1])])


def test_score_refuses_another_recipe_site_width_and_nan(probe: Probe) -> None:
    states = planted()[0][0]
    with pytest.raises(RecipeMismatch, match=r"frame size None, not \(96, 96\)"):
        probe.score(replace(states, recipe=replace(RECIPE, size=(96, 96))))
    with pytest.raises(ProbeError, match=r"video0.*layer7"):
        probe.score(replace(states, sites=states.sites[:5], values=states.values[:, :5]))
    with pytest.raises(ProbeError, match="12 wide, the probe needs 24"):
        probe.score(replace(states, values=states.values[:, :, :12]))
    values = states.values.copy()
    values[2, 7, 5] = np.nan
    with pytest.raises(ProbeError, match="segment 2"):
        probe.score(replace(states, values=values))
    values[2, 0, 0], values[2, 7, 5] = np.nan, 0.0
    assert np.isfinite(probe.score(replace(states, values=values))).all()  # a site it does not read


def test_score_of_no_segment_and_of_states_that_hold_only_its_site(probe: Probe) -> None:
    states = planted()[1][0]
    empty = replace(
        states,
        starts=states.starts[:0],
        ends=states.ends[:0],
        values=states.values[:0],
        sources=(),
    )
    assert probe.score(empty).shape == (0,)
    only = replace(states, sites=(Site("residual", 7),), values=states.values[:, 7:8])
    assert (probe.score(only) == probe.score(states)).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "org/other"}, "model 'sha256:abc', not 'org/other'"),
        ({"prompts": ("Really?",)}, "prompts"),
        ({"frames": 8}, "frames per segment 16, not 8"),
        ({"segment_s": 2.0}, "segment length 1.6, not 2.0"),
        ({"size": (96, 96)}, "frame size None, not \\(96, 96\\)"),
        ({"revision": "abc"}, "revision"),
    ],
)
def test_check_names_what_differs(probe: Probe, change: dict[str, Any], named: str) -> None:
    probe.check(Recipe.from_json(RECIPE.to_json()))
    with pytest.raises(RecipeMismatch, match=named) as caught:
        probe.check(replace(RECIPE, **change))
    assert str(caught.value).count(", not ") == 1


# the file


def test_a_probe_survives_its_file(probe: Probe, tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    probe.save(path)
    same, states = Probe.load(path), planted(seed=5)[1][0]
    assert (same.score(states) == probe.score(states)).all()
    assert (same.method, same.recipe, same.sites) == ("hiprobe", RECIPE, probe.sites)
    assert same.localization == probe.localization
    assert same.provenance == probe.provenance
    assert same.digest == probe.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_input_and_seed_give_the_same_bytes_and_another_seed_does_not(
    probe: Probe,
) -> None:
    states = {"device": "cpu", "dtype": "float32"}
    again = [fit("hiprobe", planted(), seed=seed, provenance=states) for seed in (0, 1)]
    assert again[0].to_bytes() == probe.to_bytes()
    assert again[1].digest != probe.digest


def test_saving_over_a_folder_is_a_named_error(probe: Probe, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        probe.save(tmp_path)


def test_a_tensor_that_is_not_finite_is_refused(probe: Probe) -> None:
    with pytest.raises(ProbeError, match="bias"):
        replace(probe, tensors={**probe.tensors, "bias": np.array([np.nan])})


Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]


def rewritten(probe: Probe, change: Change) -> bytes:
    """The file with its header and tensors changed, in a valid container."""
    data = probe.to_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["hiprobe"])
    tensors = {name: tensor.copy() for name, tensor in probe.tensors.items()}
    change(header, tensors)
    return save(tensors, {"hiprobe": json.dumps(header)})


def listed(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    header["tensors"] = {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()}


def put(name: str, make: Callable[[np.ndarray], np.ndarray], *, honest: bool) -> Change:
    def change(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        tensors[name] = make(tensors.get(name, np.zeros(3)))
        if honest:
            listed(header, tensors)

    return change


def drop(name: str, *, honest: bool) -> Change:
    def change(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        del tensors[name]
        if honest:
            listed(header, tensors)

    return change


def state(**values: Any) -> Change:
    return lambda header, _: header.update(values)


WRONG: dict[str, tuple[Change, str]] = {
    "nan": (put("weight", lambda t: t * np.nan, honest=True), "finite"),
    "infinite": (put("mean", lambda t: t + np.inf, honest=True), "finite"),
    "integers": (put("weight", lambda t: t.astype(np.int64), honest=True), "I64"),
    "halves": (put("weight", lambda t: t.astype(np.float16), honest=True), "F16"),
    "other dtype than stated": (
        put("weight", lambda t: t.astype(np.float32), honest=False),
        "tensors",
    ),
    "other shape than stated": (put("weight", lambda t: t[:-1], honest=False), "tensors"),
    "shape of no use": (put("weight", lambda t: t[:-1], honest=True), "."),
    "empty tensor": (put("bias", lambda t: t[:0], honest=True), "."),
    "zero scale": (put("scale", lambda t: t * 0, honest=True), "divide by zero"),
    "extra tensor": (put("extra", lambda t: t, honest=False), "tensors"),
    "tensor missing": (drop("bias", honest=False), "tensors"),
    "tensor missing throughout": (drop("bias", honest=True), "bias"),
    "key missing": (lambda header, _: header.pop("localization"), "header"),
    "key too many": (state(extra=1), "header"),
    "newer schema": (state(schema=3), "schema"),
    "unknown method": (state(method="nothing"), "nothing"),
    "code as method": (state(method="os:system"), "outside the package"),
    "method no text": (state(method=5), "."),
    "no sites": (state(sites=[]), "sites"),
    "wrong site": (state(sites=[{"kind": "residual", "layer": -1}]), "layer"),
    "huge width": (state(width=2**40), "width"),
    "zero width": (state(width=0), "width"),
    "other width": (state(width=23), "."),
    "recipe with a stranger": (
        lambda header, _: header["recipe"].update(temperature=1),
        "temperature",
    ),
    "recipe without model": (lambda header, _: header["recipe"].pop("model"), "model"),
    "prompts as text": (lambda header, _: header["recipe"].update(prompts="abc"), "recipe"),
    "recipe a list": (state(recipe=[]), "."),
    "sigma below zero": (lambda header, _: header["localization"].update(sigma=-1), "sigma"),
    "rule unknown": (lambda header, _: header["localization"].update(rule="guess"), "guess"),
    "sigma as text": (lambda header, _: header["localization"].update(sigma="1"), "."),
    "threshold not a number": (
        lambda header, _: header["localization"].update(threshold=math.nan),
        "NaN",
    ),
    "provenance no mapping": (state(provenance=3), "."),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_a_named_error_on_one_line_with_its_path(
    name: str, probe: Probe, tmp_path: Path
) -> None:
    path, (change, word) = tmp_path / "p.safetensors", WRONG[name]
    path.write_bytes(rewritten(probe, change))
    with pytest.raises(ProbeError, match=word) as caught:
        Probe.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "system" not in sys.modules


def test_an_unchanged_rewrite_is_valid(probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(rewritten(probe, lambda *_: None))
    assert Probe.load(tmp_path / "p").digest == probe.digest


def container(header: str, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + body


NOT_PROBES = {
    "empty": b"",
    "short": b"abc",
    "text": b"hello, this is not a probe at all",
    "pickle": pickle.dumps({"w": [1.0]}),
    "length beyond the file": struct.pack("<Q", 2**63) + b"{}",
    "not JSON": container("{nope"),
    "a list": container("[]"),
    "no header": save({"weight": np.zeros(3)}),
    "other header": save({"weight": np.zeros(3)}, {"format": "pt"}),
    "header no JSON": save({}, {"hiprobe": "{"}),
    "header a list": save({}, {"hiprobe": "[]"}),
    "header deep": save({}, {"hiprobe": "[" * 100_000}),
    "not UTF-8": struct.pack("<Q", 2) + b"\xff\xfe",
    "metadata a number": container('{"__metadata__": 1}'),
    "tensor a number": container('{"__metadata__": {"hiprobe": "{}"}, "w": 1}'),
}


@pytest.mark.parametrize("name", NOT_PROBES)
def test_another_file_is_a_named_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(NOT_PROBES[name])
    with pytest.raises(ProbeError, match=re.escape(str(tmp_path / "p"))):
        Probe.load(tmp_path / "p")


def test_repeated_keys_are_refused(probe: Probe, tmp_path: Path) -> None:
    data = probe.to_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    text, body = data[8 : 8 + size].decode(), data[8 + size :]
    tensor = re.search(r'"bias":\{[^}]*\}', text).group()  # type: ignore[union-attr]
    inner = text.replace(r"\"schema\":2", r"\"schema\":2,\"schema\":2")
    for doubled in (text.replace(tensor, f"{tensor},{tensor}"), inner):
        (tmp_path / "p").write_bytes(container(doubled, body))
        with pytest.raises(ProbeError, match="twice"):
            Probe.load(tmp_path / "p")


def test_missing_folder_and_oversized_files(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="no such file"):
        Probe.load(tmp_path / "nothing")
    with pytest.raises(ProbeError, match="not a regular file"):
        Probe.load(tmp_path)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ProbeError, match="more than"):
        Probe.load(tmp_path / "huge")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_refused_by_name_or_harmless(
    probe: Probe, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, path = probe.to_bytes(), tmp_path_factory.mktemp("fuzz") / "p"
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ProbeError):
            Probe.load(path)
    else:
        damaged = bytearray(whole)
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(damaged))
        with suppress(ProbeError, RecipeMismatch):
            assert np.isfinite(Probe.load(path).score(planted()[0][0])).all()
