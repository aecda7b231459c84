"""Private or undocumented parts of transformers and accelerate: each is used in one file.

A test here fails when one changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.support.reference_reading import clips, residuals

import hiprobe
from hiprobe.backbones import _folder, _processing, _reading, _weights

BACKBONES = Path(hiprobe.__file__).parent / "backbones"
USED_IN = {  # the one file that may name it
    "_prepare_multimodal_encoder_kwargs_for_generation": "_reading.py",
    "mm_encoder_outputs": "_reading.py",
    "PROCESSOR_MAPPING_NAMES": "_processing.py",
    "check_argument_for_proper_class": "_processing.py",
    "from_args_and_dict": "_processing.py",
    "get_attributes": "_processing.py",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES": "_weights.py",
    "AUTO_QUANTIZER_MAPPING": "_weights.py",
    "hf_device_map": "_weights.py",
    "DynamicCache": "_sharing.py",
    "get_max_memory": "_memory.py",
    "huggingface_hub": "_folder.py",
}


@pytest.mark.parametrize("name", USED_IN)
def test_each_is_named_in_one_file(name: str) -> None:
    files = {path.name for path in BACKBONES.glob("*.py") if name in path.read_text("utf-8")}
    assert files == {USED_IN[name]}


def test_the_vision_encoder_can_be_run_alone(qwen: Any) -> None:
    made = _processing.make_inputs(qwen._processor, clips(1)[0], "describe the scene")
    made = {key: value for key, value in made.items() if key in qwen._parameters}
    with torch.no_grad():
        features = _reading.encode_video(qwen._model, made)
        whole = qwen._model(**made).logits
        reused = qwen._model(**_reading.with_features(made, features)).logits
    assert features
    assert torch.equal(whole, reused)


def test_transformers_still_lists_processors_models_and_quantisers_by_name() -> None:
    processors = vars(_processing.processing_auto)["PROCESSOR_MAPPING_NAMES"]
    assert processors["qwen2_5_vl"] == "Qwen2_5_VLProcessor"
    assert "qwen2_5_vl" in _weights.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    assert {"gptq", "bitsandbytes_4bit"} <= set(_weights.AUTO_QUANTIZER_MAPPING)


def test_a_processor_is_still_put_together_from_its_parts() -> None:
    kind: Any = transformers.Qwen2_5_VLProcessor
    assert {"tokenizer", "video_processor"} <= set(kind.get_attributes())
    assert list(inspect.signature(kind.from_args_and_dict).parameters)[:2] == [
        "args",
        "processor_dict",
    ]
    wanted = list(inspect.signature(kind.check_argument_for_proper_class).parameters)
    assert wanted == ["self", "argument_name", "argument"]


def test_a_loaded_model_still_tells_where_its_parts_are(folders: Callable[[str], Path]) -> None:
    found = _folder.find_checkpoint(str(folders("qwen2_5_vl")), None)
    config = _weights.load_config(found)
    room = {"cpu": _folder.weight_bytes(found) * 3 // 4}
    where = {"device_map": "auto", "max_memory": room}
    model = _weights.load_weights(found, config, where, torch.float32)
    assert {str(place) for place in model.hf_device_map.values()} == {"cpu", "disk"}


def test_a_cache_is_still_cut_back_layer_by_layer() -> None:
    cache = transformers.DynamicCache()
    cache.update(torch.ones(1, 2, 5, 4), torch.ones(1, 2, 5, 4), 0)
    layers: Any = cache.layers
    assert [layer.get_seq_length() for layer in layers] == [5]
    layers[0].crop(-2)
    assert layers[0].get_seq_length() == 3


def test_reading_runs_on_public_hooks(qwen: Any) -> None:
    """`decoder_of` and `o_proj` are by convention, not by contract, of every family."""
    decoder = _reading.decoder_of(qwen._model, "tiny")
    assert isinstance(decoder.layers, torch.nn.ModuleList)
    assert qwen.read(clips(1), residuals(qwen)).shape == (1, 4, 32)
