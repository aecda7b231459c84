"""The catalogue against architectures built from the published sizes, and the shipped model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import typer
from benchmarks.count_models import counted
from benchmarks.published import CONFIGS
from rich.console import Console
from tests.support import tiny_models
from typer.testing import CliRunner

from hiprobe import backbones, estimate
from hiprobe.cli.models import models
from hiprobe.errors import UsageError

ENTRIES = {entry.model: entry for entry in backbones.catalogue()}


# Counts that others have published: read from the checkpoints' headers by the hub, or from loaded
# models. Those of InternVL are of the originals, which have the same sizes (3-1B: those of 2.5-1B).
PUBLISHED = {
    "Qwen/Qwen2.5-VL-3B-Instruct": 3_754_622_976,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen2.5-VL-32B-Instruct": 33_452_718_336,
    "Qwen/Qwen3-VL-2B-Instruct": 2_127_532_032,
    "Qwen/Qwen3-VL-4B-Instruct": 4_437_815_808,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
    "Qwen/Qwen3-VL-32B-Instruct": 33_357_390_064,
    "Qwen/Qwen3.5-4B": 4_539_265_536,
    "Qwen/Qwen3.5-9B": 9_409_813_744,
    "OpenGVLab/InternVL2_5-2B-MPO-hf": 2_205_754_368,
    "OpenGVLab/InternVL2_5-8B-MPO-hf": 8_075_365_376,
    "OpenGVLab/InternVL3-1B-hf": 938_193_024,
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": 256_484_928,
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": 2_246_784_880,
}
# Only their configurations were seen: layers, width, inner width, heads, key heads, vocabulary.
CONFIGURED = {
    "OpenGVLab/InternVL3-8B-hf": (28, 3584, 18944, 28, 4, 151674),
    "OpenGVLab/InternVL3_5-4B-HF": (36, 2560, 9728, 32, 8, 151936),
    "OpenGVLab/InternVL3_5-8B-HF": (36, 4096, 12288, 32, 8, 151936),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": (24, 896, 4864, 14, 2, 152000),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": (28, 3584, 18944, 28, 4, 152128),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": (32, 960, 2560, 15, 5, 49280),
    "zai-org/GLM-4.1V-9B-Thinking": (40, 4096, 13696, 32, 2, 151552),
}


def _text(
    width: int, layers: int, inner: int, heads: int, keys: int, vocabulary: int, **more: Any
) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
        **more,
    }


def _qwen2_5_vl() -> Any:
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "patch_size": 14,
        "out_hidden_size": 3584,
    }
    text = _text(3584, 28, 18944, 28, 4, 152064)
    return transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False
    )


def _qwen3_vl() -> Any:
    vision = {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "out_hidden_size": 4096,
        "num_position_embeddings": 2304,
        "patch_size": 16,
        "deepstack_visual_indexes": [8, 16, 24],
    }
    text = _text(4096, 36, 12288, 32, 8, 151936, head_dim=128)
    return transformers.Qwen3VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False
    )


def _internvl3() -> Any:
    text = _text(3584, 28, 18944, 28, 4, 151674, model_type="qwen2")
    vision = {"attention_bias": True}
    return transformers.InternVLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False
    )


def _internvl2_5() -> Any:
    text = _text(4096, 32, 14336, 32, 8, 92553, model_type="llama")
    vision = {"attention_bias": True}
    return transformers.InternVLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False
    )


def _smolvlm2() -> Any:
    vision = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    }
    text = _text(960, 32, 2560, 15, 5, 49280, model_type="llama", head_dim=64)
    return transformers.SmolVLMConfig(
        text_config=text, vision_config=vision, scale_factor=4, tie_word_embeddings=False
    )


@pytest.mark.parametrize(
    ("name", "config", "architecture"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", _qwen2_5_vl, "Qwen2_5_VLForConditionalGeneration"),
        ("Qwen/Qwen3-VL-8B-Instruct", _qwen3_vl, "Qwen3VLForConditionalGeneration"),
        ("OpenGVLab/InternVL3-8B-hf", _internvl3, "InternVLForConditionalGeneration"),
        ("OpenGVLab/InternVL2_5-8B-MPO-hf", _internvl2_5, "InternVLForConditionalGeneration"),
        (
            "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            _smolvlm2,
            "SmolVLMForConditionalGeneration",
        ),
    ],
)
def test_parameters_are_those_of_the_architecture(
    name: str, config: Any, architecture: str
) -> None:
    made, entry = config(), ENTRIES[name]
    with torch.device("meta"):
        model = getattr(transformers, architecture)(made)
    assert sum(each.numel() for each in model.parameters()) == entry.parameters
    assert (entry.layers, entry.width) == (
        made.get_text_config().num_hidden_layers,
        made.get_text_config().hidden_size,
    )
    assert entry.family == made.model_type


def test_the_shipped_model_is_as_listed(shipped: Any) -> None:
    entry = ENTRIES["embedded"]
    assert sum(each.numel() for each in shipped._model.parameters()) == entry.parameters
    assert (entry.layers, entry.width, entry.frames) == (
        shipped.layers,
        shipped.width,
        shipped.recipe.frames,
    )
    assert entry.family == shipped._model.config.model_type


def test_sizes_are_confirmed_by_others_or_said_not_to_be() -> None:
    assert all(ENTRIES[name].parameters == count for name, count in PUBLISHED.items())
    names = (
        "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
        "num_key_value_heads", "vocab_size",
    )  # fmt: skip
    for name, sizes in CONFIGURED.items():
        family = tiny_models.FAMILIES[ENTRIES[name].family]
        words: Any = tiny_models.tokenizer(family)
        ids = {token: words.convert_tokens_to_ids(token) for token in words.get_vocab()}
        text = CONFIGS[name](ids).get_text_config()
        assert tuple(getattr(text, each) for each in names) == sizes
    known = {name for name, entry in ENTRIES.items() if entry.confirmed}
    assert known == {*PUBLISHED, *CONFIGURED, "embedded"}


def test_a_family_is_proven_if_the_conformance_test_runs_over_it() -> None:
    assert set(tiny_models.FAMILIES) == backbones.PROVEN
    assert all(entry.proven for entry in ENTRIES.values())


def test_every_listed_model_can_be_loaded_by_name() -> None:
    for name in ENTRIES:
        assert name in backbones.names() or re.fullmatch(r"[\w-]+/[\w.-]+", name)


def test_the_work_of_every_model_adds_up_to_its_parameters() -> None:
    """Independent numbers: the work was counted from published sizes of its own."""
    for entry in ENTRIES.values():
        if entry.family == "gemma4":
            assert entry.work is None
            continue
        assert entry.work is not None
        assert entry.work.parameters(entry.layers) == entry.parameters
        assert (entry.work.layers, entry.work.block_width) == (entry.layers, entry.width)


@pytest.mark.parametrize(
    "name", ["HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"]
)
def test_the_work_is_that_of_the_architecture(name: str) -> None:
    if "Smol" in name:
        pytest.importorskip("num2words")
    assert counted(ENTRIES[name]) == ENTRIES[name].work


def test_the_work_of_the_shipped_model_is_as_listed(shipped: Any) -> None:
    assert shipped.work() == ENTRIES["embedded"].work


def test_a_short_name_means_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [entry.short for entry in ENTRIES.values()]
    assert len(set(short)) == len(short)
    assert all(backbones.full_name(entry.short) == name for name, entry in ENTRIES.items())
    assert backbones.full_name("SmolVLM2-500M") == "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
    assert backbones.full_name("qwen3-vl-8b") == "Qwen/Qwen3-VL-8B-Instruct"
    for name in ("", "qwen3-vl", "Qwen/Qwen3-VL-8B-Instruct", "a.b:c"):
        assert backbones.full_name(name) == name
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qwen3-vl-8b").mkdir()
    assert backbones.full_name("qwen3-vl-8b") == "qwen3-vl-8b"  # a folder of yours comes first


def test_a_short_name_is_loaded_as_its_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    from hiprobe.backbones import auto

    asked: list[str] = []
    monkeypatch.setattr(auto, "load", lambda name, **_: asked.append(name))
    backbones.load("smolvlm2-500m")
    assert asked == ["HuggingFaceTB/SmolVLM2-500M-Video-Instruct"]
    with pytest.raises(UsageError, match="a short name that `hiprobe models` lists"):
        backbones.load("smolvlm2")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> estimate.Machine:
    """A machine of the speed at which 36 s were measured for SmolVLM2-256M, with 16 GB."""
    machine = estimate.Machine.assumed("two cores", 16, "cpu", 1.05e11)
    monkeypatch.setattr(estimate, "this_machine", lambda **_: machine)
    return machine


def test_the_command_lists_every_model_as_a_table_and_as_json(
    monkeypatch: pytest.MonkeyPatch, here: estimate.Machine
) -> None:
    app = typer.Typer()
    app.command()(models)
    monkeypatch.setattr("hiprobe.cli._terminal.out", Console(highlight=False, width=80))
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0, shown.output
    rows = {name: _row(entry.short, shown.output) for name, entry in ENTRIES.items()}
    assert all(rows.values())  # each on a line
    assert max(map(len, shown.output.partition("This machine")[0].splitlines())) <= 80
    assert "Qwen/Qwen3-VL-8B-Instruct" not in shown.output
    assert " no room " in rows["Qwen/Qwen3-VL-8B-Instruct"]
    assert re.search(r"0\.26 +0\.90 +3\d s", rows["HuggingFaceTB/SmolVLM2-256M-Video-Instruct"])
    assert "this machine: embedded\n" in shown.output
    assert "Sizes not confirmed: qwen2.5-vl-72b, glm-4.6v-flash, " in shown.output
    monkeypatch.setattr("hiprobe.cli._terminal.out", Console(highlight=False, width=130))
    assert "Qwen/Qwen3-VL-8B-Instruct" in CliRunner().invoke(app, []).output


def _row(short: str, output: str) -> str:
    found = re.search(rf"^ +{re.escape(short)} .*$", output, re.MULTILINE)
    return found[0] if found else ""


def test_the_command_gives_what_each_model_needs_as_json(here: estimate.Machine) -> None:
    app = typer.Typer()
    app.command()(models)
    lines = [json.loads(line) for line in CliRunner().invoke(app, ["--json"]).output.splitlines()]
    assert [line["model"] for line in lines] == list(ENTRIES)
    seven = next(line for line in lines if line["short"] == "qwen2.5-vl-7b")
    assert (seven["fp16_gb"], seven["layers"], seven["frames"], seven["proven"]) == (
        16.58,
        28,
        16,
        True,
    )
    assert seven["confirmed"]
    assert not next(line for line in lines if line["short"] == "qwen2.5-vl-72b")["confirmed"]
    assert (seven["blocks_read"], seven["fits"], seven["dtype"]) == (20, False, "float32")
    assert seven["memory_gb"] == pytest.approx(4 * (8.292 - 8 * 0.2331), rel=0.01)
    assert lines[-1]["segment_s"] is None
