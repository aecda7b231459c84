"""Weights on one card, on several, offloaded, quantised, and loaded only as far as read."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.support import tiny_models
from tests.support.reference_reading import clips, residuals

from hiprobe import backbones
from hiprobe.backbones import _folder, _memory, _weights, auto
from hiprobe.backbones._processing import load_processor
from hiprobe.errors import ModelError
from hiprobe.types import Site

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")


@pytest.mark.parametrize(
    ("need", "device", "spread", "where"),
    [
        (20, GPU, True, "one"),  # it fits the card: nothing is spread
        (20, torch.device("cuda"), True, "one"),
        (20, torch.device("cuda:1"), True, "one"),
        (30, GPU, True, "all"),  # more than one card, less than all and the machine
        (30, GPU, False, None),  # the user named one card
        (144, GPU, True, "all"),
        (145, GPU, True, None),
        (100, CPU, True, "one"),
        (101, CPU, True, None),  # a machine without cards has nowhere else
        (100, torch.device("mps"), True, "one"),
        (101, torch.device("mps"), True, None),
    ],
)
def test_weights_go_to_one_place_if_they_fit_it(
    need: int, device: torch.device, spread: bool, where: str
) -> None:
    assert _memory.fits(need, device, spread, {0: 24, 1: 20, "cpu": 100}) == where


def test_free_memory_is_less_than_the_machine_has() -> None:
    import psutil

    assert 0 < _memory.free()["cpu"] < psutil.virtual_memory().total


def test_a_model_larger_than_what_is_free_is_refused_before_it_is_read(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files say that it takes 40 TB; nothing of that size is there."""
    found = _folder.find_checkpoint(str(checkpoint), None)
    header = {
        "huge": {
            "dtype": "BF16",
            "shape": [20_000_000_000_000],
            "data_offsets": [0, 40_000_000_000_000],
        }
    }
    written = json.dumps(header).encode()
    (checkpoint / "model.safetensors").write_bytes(len(written).to_bytes(8, "little") + written)
    config = _weights.load_config(found)
    with pytest.raises(
        ModelError, match=r"weights take 40000.0 GB and .* GB on cpu can be used; use a smaller"
    ):
        _weights.layout(found, config, CPU, "auto", True)
    with pytest.raises(ModelError, match=r"weights take 80000.0 GB"):
        backbones.load(str(checkpoint), device="cpu")


@pytest.mark.parametrize("name", tiny_models.FAMILIES)
def test_headers_tell_the_bytes_that_get_loaded(
    name: str, loaded: Callable[[str], Any], folders: Callable[[str], Path]
) -> None:
    """Counted from the files against the parameters in memory, whole and cut after two blocks."""
    found = _folder.find_checkpoint(str(folders(name)), None)
    cut: Any = backbones.load(str(folders(name)), device="cpu", max_layer=1)
    for model in (loaded(name), cut):
        held = sum(each.nbytes for each in model._model.parameters())
        blocks = len(model._decoder.layers)
        assert _folder.weight_bytes(found, blocks, 4) == pytest.approx(held, rel=0.01)
        assert _folder.weight_bytes(found, blocks, 2) == pytest.approx(held / 2, rel=0.01)


def test_a_damaged_header_is_named(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(
        ModelError, match=r"model\.safetensors: cannot be loaded.*fetch the weights again"
    ):
        backbones.load(str(checkpoint), device="cpu")


def test_a_missing_shard_is_named(checkpoint: Path) -> None:
    model = transformers.AutoModelForImageTextToText.from_pretrained(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    model.save_pretrained(checkpoint, max_shard_size="100KB")
    shards = sorted(checkpoint.glob("model-*.safetensors"))
    assert len(shards) > 2
    backbones.load(str(checkpoint), device="cpu")
    shards[1].unlink()
    with pytest.raises(
        ModelError, match=rf"{shards[1].name}: cannot be loaded.*fetch the weights again"
    ) as caught:
        backbones.load(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", tiny_models.FAMILIES)
def test_a_model_that_is_spread_reads_and_explains_the_same(
    name: str, loaded: Callable[[str], Any], folders: Callable[[str], Path]
) -> None:
    """With room for a part of the model accelerate fetches the rest from disk for each block."""
    whole, found = loaded(name), _folder.find_checkpoint(str(folders(name)), None)
    config = _weights.load_config(found)
    room = {"cpu": _folder.weight_bytes(found) * 3 // 4}
    model = _weights.load_weights(
        found, config, {"device_map": "auto", "max_memory": room}, torch.float32
    )
    spread = auto.AutoBackbone(
        found, model, load_processor(found, config.model_type), whole.layers, False
    )
    assert spread.provenance["device"] == "cpu, disk"
    assert _weights.entry(model) == CPU
    segments, recipe = clips(2), dataclasses.replace(whole.recipe, prompts=whole.recipe.prompts[:1])
    for sites in (
        residuals(whole),
        [Site("head", layer, 1) for layer in whole.head_layers],
        [Site("logit", 3)],
    ):
        np.testing.assert_array_equal(
            spread.read(segments, sites, recipe), whole.read(segments, sites, recipe)
        )
    assert spread.explain(segments[0], "is", 3, 60.0) == whole.explain(segments[0], "is", 3, 60.0)


# --- a load that only reads


@pytest.mark.parametrize("name", [name for name in tiny_models.FAMILIES if name != "gemma4"])
def test_a_probe_only_load_holds_no_byte_of_the_blocks_above(
    name: str, loaded: Callable[[str], Any], folders: Callable[[str], Path]
) -> None:
    whole, short = loaded(name), backbones.load(str(folders(name)), device="cpu", max_layer=0)
    held = [sum(each.nbytes for each in model._model.parameters()) for model in (whole, short)]  # type: ignore[attr-defined]
    above = sum(each.nbytes for layer in whole._decoder.layers[1:] for each in layer.parameters())
    assert held[0] - held[1] == above > 0


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ([Site("residual", 3), Site("residual", 7)], 7),
        ([Site("head", 2, 0), Site("head", 5, 1)], 5),
        ([Site("residual", 3), Site("logit", 7)], None),
        ([], None),
    ],
)
def test_the_deepest_block_that_sites_need(sites: list[Site], expected: int | None) -> None:
    assert backbones.deepest(sites) == expected


# --- quantised


def _in_fp8(folder: Path, wide: Path) -> None:
    """Write the decoder in 8 bits with a scale, and into `wide` what those numbers mean."""
    weights = load_file(folder / "model.safetensors")
    means = dict(weights)
    for key, value in list(weights.items()):
        if "layers." in key and "vis" not in key and key.endswith("_proj.weight"):
            scale = value.abs().max() / 448  # the largest number of float8_e4m3fn
            weights[key] = (value / scale).to(torch.float8_e4m3fn)
            weights[f"{key}_scale_inv"] = scale.reshape(1, 1)
            means[key] = weights[key].float() * scale
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(means, wide / "model.safetensors", metadata={"format": "pt"})
    method = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["lm_head", "visual"],
    }
    _quantised(folder, method)


def _quantised(folder: Path, method: dict[str, Any]) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "quantization_config": method}))


@pytest.mark.skipif(
    torch.cuda.is_available(), reason="on a card 8-bit products round what goes into them as well"
)
@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl", "internvl"])
def test_an_fp8_checkpoint_reads_what_its_numbers_mean(
    name: str, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    small, wide = (shutil.copytree(folders(name), tmp_path / each) for each in ("small", "wide"))
    _in_fp8(small, wide)
    assert (small / "model.safetensors").stat().st_size < (
        wide / "model.safetensors"
    ).stat().st_size
    made, truth = (backbones.load(str(each), device="cpu") for each in (small, wide))
    np.testing.assert_array_equal(
        made.read(clips(2), residuals(made)), truth.read(clips(2), residuals(truth))
    )
    assert made.recipe.model != truth.recipe.model
    short = backbones.load(str(small), device="cpu", max_layer=1)
    sites = [Site("residual", 0), Site("residual", 1)]
    np.testing.assert_array_equal(short.read(clips(2), sites), truth.read(clips(2), sites))


@pytest.mark.parametrize(
    ("method", "module", "package"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", "bitsandbytes"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", "bitsandbytes"),
        ({"quant_method": "compressed-tensors"}, "compressed_tensors", "compressed-tensors"),
        ({"quant_method": "quanto", "weights": "int8"}, "optimum", "optimum-quanto"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao", "torchao"),
        ({"quant_method": "gptq", "bits": 4}, "gptqmodel", "gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "gptqmodel", "gptqmodel"),
    ],
)
def test_a_quantised_checkpoint_without_its_package_says_what_to_install(
    checkpoint: Path, method: dict[str, Any], module: str, package: str
) -> None:
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{package} is installed")
    _quantised(checkpoint, method)
    with pytest.raises(ModelError, match=rf"pip install .*{package}") as caught:
        backbones.load(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)


def test_an_unknown_quantiser_is_named(checkpoint: Path) -> None:
    _quantised(checkpoint, {"quant_method": "origami"})
    with pytest.raises(ModelError, match="origami") as caught:
        backbones.load(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)
