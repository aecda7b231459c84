"""Load backbones by name and folder; what is refused, and the error for it."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.support import tiny_models
from tests.support.reference_reading import clips, full_pass, plain_model, residuals

from hiprobe import backbones
from hiprobe.backbones._processing import make_inputs
from hiprobe.errors import ModelError, UsageError
from hiprobe.types import Site


def test_importing_backbones_loads_no_torch() -> None:
    heavy = "{'torch', 'transformers'} & set(sys.modules)"
    code = f"import sys, hiprobe.backbones as b; b.names(); sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_embedded_model_is_a_folder_of_the_package(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.backbones.embedded.files", lambda package: tmp_path / package)
    with pytest.raises(ModelError, match="holds no embedded model"):
        backbones.load("embedded", device="cpu")
    shutil.copytree(checkpoint, tmp_path / "hiprobe" / "embedded" / "model")
    made = backbones.load("embedded", device="cpu")
    assert made.recipe == backbones.load(str(checkpoint), device="cpu").recipe


def test_settings_make_the_recipe(checkpoint: Path) -> None:
    given = {
        "prompts": ["what is it"],
        "frames": 8,
        "size": [24, 48],
        "segment_s": 2.0,
        "explain_prompt": "describe",
        "explain_span_s": 3.0,
        "notice": "a toy",
        "verdict": {"normal": ["normal"]},
    }
    (checkpoint / "hiprobe.json").write_text(json.dumps(given))
    made = backbones.load(str(checkpoint), device="cpu")
    recipe = made.recipe
    assert (recipe.prompts, recipe.frames, recipe.size, recipe.segment_s) == (
        ("what is it",),
        8,
        (24, 48),
        2.0,
    )
    assert (made.explain_prompt, made.explain_span_s, made.notice) == ("describe", 3.0, "a toy")


@pytest.mark.parametrize(
    ("family", "size"), [("qwen2_5_vl", (448, 448)), ("internvl", (32, 32)), ("smolvlm", (32, 32))]
)
def test_a_folder_without_settings_gets_the_default_recipe(
    folders: Callable[[str], Path], tmp_path: Path, family: str, size: tuple[int, int]
) -> None:
    folder = shutil.copytree(folders(family), tmp_path / "model")
    (folder / "hiprobe.json").unlink()
    recipe = backbones.load(str(folder), device="cpu").recipe
    assert (recipe.frames, recipe.segment_s, recipe.size) == (16, 1.6, size)
    assert recipe.prompts == ("Identify any abnormal events or safety hazards in this video.",)


def test_a_local_model_is_identified_by_its_content(checkpoint: Path) -> None:
    before = backbones.load(str(checkpoint), device="cpu").recipe
    assert before.model.startswith("sha256:")
    assert before.revision is None
    (checkpoint / "README.md").write_text("a note")
    settings = json.loads((checkpoint / "hiprobe.json").read_text())
    (checkpoint / "hiprobe.json").write_text(json.dumps({**settings, "notice": "new"}))
    assert backbones.load(str(checkpoint), device="cpu").recipe == before
    weights = load_file(checkpoint / "model.safetensors")
    next(iter(weights.values())).add_(1)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    assert backbones.load(str(checkpoint), device="cpu").recipe.model != before.model


def test_sixteen_bit_weights_are_read_in_float32_on_a_cpu(checkpoint: Path) -> None:
    plain_model(checkpoint).to(torch.bfloat16).save_pretrained(checkpoint)
    wide = backbones.load(str(checkpoint), device="cpu")
    assert wide.provenance["dtype"] == "float32"
    assert wide._model.dtype == torch.float32
    narrow = backbones.load(str(checkpoint), device="cpu", dtype="bfloat16")
    values = [each.read(clips(1), residuals(each)) for each in (wide, narrow)]
    assert values[1].dtype == np.float32
    np.testing.assert_allclose(values[1], values[0], rtol=0, atol=0.1 * np.abs(values[0]).max())


def test_a_backbone_from_outside_gets_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = ModuleType("outside")
    parts = dict.fromkeys(backbones.MEMBERS)
    vars(outside)["make"] = lambda **options: SimpleNamespace(**parts, options=options)
    vars(outside)["unmake"] = lambda **options: options
    monkeypatch.setitem(sys.modules, "outside", outside)
    made: Any = backbones.load("outside:make", device="cpu", max_layer=3)
    assert made.options == {"revision": None, "device": "cpu", "dtype": "auto", "max_layer": 3}
    with pytest.raises(
        UsageError, match="backbone 'outside:unmake' loads lacks recipe, layers, heads"
    ):
        backbones.load("outside:unmake")


@pytest.mark.parametrize("name", ["nonesuch", "_video", "auto", "no_module:make", "json:make", ""])
def test_an_unknown_name_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        backbones.load(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_precision_or_device_is_refused(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="dtype"):
        backbones.load(str(checkpoint), device="cpu", dtype="int3")
    with pytest.raises(ModelError, match="device"):
        backbones.load(str(checkpoint), device="warp:7")
    with pytest.raises(ModelError, match="no block 4"):
        backbones.load(str(checkpoint), device="cpu", max_layer=4)


def test_a_hub_model_offline_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="nobody/nothing: cannot be fetched") as caught:
        backbones.load("nobody/nothing")
    assert "local folder" in str(caught.value)


def test_a_cached_hub_model_is_pinned_to_its_commit(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "models--someone--tiny"
    shutil.copytree(folders("qwen2_5_vl"), home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    recipe = backbones.load("someone/tiny", device="cpu").recipe
    assert (recipe.model, recipe.revision) == ("someone/tiny", commit)


def _text_only(folder: Path) -> None:
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=64,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def _remote_code(folder: Path) -> None:
    config = {
        "model_type": "internvl_chat",
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoConfig": "configuration.InternVLChatConfig"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "configuration.py").write_text("raise SystemExit('ran')")


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _one_missing(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(key for key in weights if "layers.2" in key and "q_proj.weight" in key))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _misshapen(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    key = next(key for key in weights if "layers.2" in key and "q_proj.weight" in key)
    weights[key] = weights[key][:4].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _unknown_video(folder: Path) -> None:
    (folder / "video_preprocessor_config.json").write_text(
        '{"video_processor_type": "OddVideoProcessor"}'
    )


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def _delete(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_text_only, "LlamaForCausalLM is not a video model"),
        (_remote_code, "InternVLChatModel is not a video model .* remote code"),
        (_delete("config.json"), "no config.json"),
        (_write("config.json", "{"), "not readable as JSON"),
        (_write("config.json", "[]"), "no JSON object"),
        (_delete("model.safetensors"), "no .safetensors weights"),
        (_pickled, "pickled weights are never loaded"),
        (_cut_short, "cannot be loaded"),
        (_one_missing, "missing or misshapen: 1 weight, first .*layers.2.*q_proj"),
        (_misshapen, "cannot be loaded|misshapen"),
        (_delete("chat_template.jinja"), "no chat template"),
        (_delete("tokenizer.json"), "cannot be loaded"),
        (_delete("video_preprocessor_config.json"), "no processor_config.json, video_preprocessor"),
        (_unknown_video, "video cannot be prepared for 'OddVideoProcessor'"),
        (_write("hiprobe.json", '{"promts": ["a"]}'), "unknown entry 'promts'"),
        (
            _write("hiprobe.json", '{"frames": 0}'),
            "entry 'frames': frames must be a whole number from 1 to 1024 .*, got 0",
        ),
    ],
)
def test_a_bad_folder_is_refused_on_one_line(
    checkpoint: Path, damage: Callable[[Path], Any], reason: str
) -> None:
    damage(checkpoint)
    with pytest.raises(ModelError, match=reason) as caught:
        backbones.load(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert caught.value.exit_code == 4


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        backbones.load(str(tmp_path / "gone"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"no config\.json"):
        backbones.load(str(tmp_path / "empty"))
    with pytest.raises(ModelError, match="no revision"):
        backbones.load(str(checkpoint), revision="main")


# --- families that no test above knows


def _qwen2_vl(ids: dict[str, int]) -> Any:
    return transformers.Qwen2VLConfig(
        architectures=["Qwen2VLForConditionalGeneration"],
        text_config={**tiny_models.TEXT, "rope_parameters": tiny_models.MROPE},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 4,
        },
        **tiny_models.qwen_ids(ids),
    )


def _qwen3_vl_moe(ids: dict[str, int]) -> Any:
    experts = {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "head_dim": 8,
    }
    vision = {
        **tiny_models.qwen3_vl(ids).vision_config.to_dict(),
        "model_type": "qwen3_vl_moe_vision",
    }
    return transformers.Qwen3VLMoeConfig(
        architectures=["Qwen3VLMoeForConditionalGeneration"],
        text_config={**tiny_models.TEXT, **experts, "rope_parameters": tiny_models.MROPE},
        vision_config=vision,
        **tiny_models.qwen_ids(ids),
    )


@pytest.mark.parametrize(
    ("config", "like"),
    [(_qwen2_vl, "qwen2_5_vl"), (_qwen3_vl_moe, "qwen3_vl")],
    ids=["qwen2_vl", "qwen3_vl_moe"],
)
def test_a_family_without_a_test_of_its_own_works_through_the_same_code(
    config: Any, like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        tiny_models.FAMILIES,
        "other",
        dataclasses.replace(tiny_models.FAMILIES[like], config=config),
    )
    folder = tiny_models.save("other", tmp_path / "model")
    made: Any = backbones.load(str(folder), device="cpu")
    segment = clips(1)[0]
    recipe = dataclasses.replace(made.recipe, prompts=made.recipe.prompts[:1])
    _, blocks, _ = full_pass(
        plain_model(folder), make_inputs(made._processor, segment, recipe.prompts[0])
    )
    for layer, truth in blocks.items():
        value = made.read([segment], [Site("residual", layer)], recipe)[0, 0]
        np.testing.assert_array_equal(value, truth[0, -1].numpy())
    assert isinstance(made.explain(segment, "is", 2, 60.0)[0], str)


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        (
            "paligemma",
            "video cannot be prepared for 'paligemma': its processor is not known; use a model of ",
        ),
        ("llava", "video cannot be prepared for 'llava'"),
        (
            "hyperion_9",
            "hyperion_9 is not a video model that transformers can load without remote code",
        ),
        ("bert", "bert is not a video model"),
    ],
)
def test_a_family_that_cannot_be_read_is_refused_by_name_before_its_weights(
    checkpoint: Path, family: str, reason: str
) -> None:
    (checkpoint / "config.json").write_text(json.dumps({"model_type": family}))
    (checkpoint / "video_preprocessor_config.json").write_text('{"do_resize": true}')
    (checkpoint / "model.safetensors").write_bytes(b"not even weights")
    with pytest.raises(ModelError, match=re.escape(reason)) as caught:
        backbones.load(str(checkpoint), device="cpu")
    assert "\n" not in str(caught.value)
