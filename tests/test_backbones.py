"""Backbones against plain transformers: every family, read by hooks that are written here independently."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests import families

from hiprobe import backbones
from hiprobe.backbones import _explaining, _pixels, _video
from hiprobe.backbones._processing import collate, make_inputs, prompt_text
from hiprobe.errors import ModelError, OutOfMemory, RecipeMismatch, UsageError
from hiprobe.types import Segment, Site

NAMES = tuple(families.FAMILIES)
TABLE: dict[str, dict[str, str]] = defaultdict(dict)


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print family x property after the last test."""
    yield
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if reporter is None or capture is None or not TABLE:
        return
    columns = list(dict.fromkeys(column for row in TABLE.values() for column in row))
    lines = [f"{'family':16}" + "".join(f"{column:>14}" for column in columns)]
    for name, row in TABLE.items():
        lines.append(f"{name:16}" + "".join(f"{row.get(column, '-'):>14}" for column in columns))
    with capture.global_and_fixture_disabled():
        reporter.write_line("\n" + "\n".join(lines))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint folder of a family, made once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name == "smolvlm":
            pytest.importorskip("num2words")
        if name not in made:
            made[name] = families.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture(scope="session")
def loaded(folders: Callable[[str], Path]) -> Callable[[str], Any]:
    """The backbone of a family, loaded once on the CPU."""
    made: dict[str, Any] = {}

    def backbone(name: str) -> Any:
        if name not in made:
            made[name] = backbones.load(str(folders(name)), device="cpu")
        return made[name]

    return backbone


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backbone(name: str, loaded: Callable[[str], Any]) -> Any:
    return loaded(name)


@pytest.fixture
def qwen(loaded: Callable[[str], Any]) -> Any:
    return loaded("qwen2_5_vl")


@pytest.fixture
def checkpoint(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a Qwen2.5-VL folder that a test may damage."""
    return shutil.copytree(folders("qwen2_5_vl"), tmp_path / "model")


def clips(count: int, frames: int = 4, size: tuple[int, int] = (32, 32), seed: int = 0) -> list[Segment]:
    rng = np.random.default_rng(seed)
    offsets = (np.arange(frames) + 0.5) * 1.6 / frames
    return [
        Segment(
            frames=rng.integers(0, 256, (frames, *size, 3), dtype=np.uint8),
            times=1.6 * index + offsets,
            start=1.6 * index,
            end=1.6 * (index + 1),
            index=index,
        )
        for index in range(count)
    ]


def residuals(backbone: Any, prompt: int = 0) -> list[Site]:
    return [Site("residual", layer, prompt=prompt) for layer in range(backbone.layers)]


def plain_model(folder: Path) -> Any:
    """The model as transformers alone loads it."""
    return transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def full_pass(model: Any, inputs: dict[str, Any]) -> tuple[Any, dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """One whole forward pass: its output, each block's output and each `o_proj` input, all positions."""
    blocks: dict[int, torch.Tensor] = {}
    joined: dict[int, torch.Tensor] = {}
    handles = []
    for index, layer in enumerate(model.get_decoder().layers):

        def keep(module: Any, given: Any, output: Any, index: int = index) -> None:
            blocks[index] = output if isinstance(output, torch.Tensor) else output[0]

        def keep_input(module: Any, given: Any, output: Any, index: int = index) -> None:
            joined[index] = given[0]

        handles.append(layer.register_forward_hook(keep))
        if hasattr(layer, "self_attn"):
            handles.append(layer.self_attn.o_proj.register_forward_hook(keep_input))
    with torch.no_grad():
        output = model(**inputs, output_hidden_states=True)
    for handle in handles:
        handle.remove()
    return output, blocks, joined


def hook_count(model: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


# --- every family ---------------------------------------------------------------------------------------------------


def test_early_exit_equals_full_pass_bit_for_bit(name: str, backbone: Any, folders: Callable[[str], Path]) -> None:
    segment = clips(1)[0]
    model = plain_model(folders(name))
    inputs = make_inputs(backbone._processor, segment, families.PROMPTS[0])
    _, blocks, _ = full_pass(model, inputs)
    together = backbone.read([segment], residuals(backbone))[0]
    assert len(blocks) == backbone.layers == families.LAYERS
    for layer, truth in blocks.items():
        alone = backbone.read([segment], [Site("residual", layer)])[0, 0]
        np.testing.assert_array_equal(alone, truth[0, -1].numpy())
        np.testing.assert_array_equal(together[layer], truth[0, -1].numpy())
    TABLE[name]["early exit"] = "0"


def test_features_are_before_the_final_norm(name: str, backbone: Any, folders: Callable[[str], Path]) -> None:
    segment = clips(1)[0]
    model = plain_model(folders(name))
    output, _, _ = full_pass(model, make_inputs(backbone._processor, segment, families.PROMPTS[0]))
    after = output.hidden_states[-1][0, -1]
    last = torch.from_numpy(backbone.read([segment], [Site("residual", backbone.layers - 1)])[0, 0])
    with torch.no_grad():
        normed = model.get_decoder().norm(last)
    torch.testing.assert_close(normed, after, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(last, after, rtol=0.1, atol=0.1)
    TABLE[name]["before norm"] = "yes"


def test_heads_are_slices_of_the_o_proj_input(name: str, backbone: Any, folders: Callable[[str], Path]) -> None:
    segment = clips(1)[0]
    _, _, joined = full_pass(
        plain_model(folders(name)), make_inputs(backbone._processor, segment, families.PROMPTS[0])
    )
    assert set(backbone.head_layers) <= set(joined)
    sites = [Site("head", layer, head) for layer in backbone.head_layers for head in range(backbone.heads)]
    values = backbone.read([segment], sites)[0]
    for site, value in zip(sites, values, strict=True):
        start = site.head * backbone.head_width
        np.testing.assert_array_equal(value, joined[site.layer][0, -1, start : start + backbone.head_width].numpy())
        assert joined[site.layer].shape[-1] == backbone.heads * backbone.head_width
    TABLE[name]["head blocks"] = ",".join(map(str, backbone.head_layers))


def test_batches_equal_single_reads(name: str, backbone: Any) -> None:
    segments = clips(5)
    sites = residuals(backbone)
    batched = backbone.read(segments, sites)
    single = np.concatenate([backbone.read([segment], sites) for segment in segments])
    scale = np.abs(single).max()
    np.testing.assert_allclose(batched, single, rtol=0, atol=2e-6 * scale)
    np.testing.assert_array_equal(batched, backbone.read(segments, sites))
    TABLE[name]["batch/scale"] = f"{np.abs(batched - single).max() / scale:.0e}"


def test_the_frames_and_their_order_matter(name: str, backbone: Any) -> None:
    one, other = clips(2)
    other = dataclasses.replace(other, times=one.times, start=one.start, end=one.end)
    backwards = dataclasses.replace(one, frames=one.frames[::-1])
    last = [Site("residual", backbone.layers - 1)]
    values = backbone.read([one, other, backwards], last)[:, 0]
    assert np.abs(values[0] - values[1]).max() > 1e-4 * np.abs(values[0]).max()
    assert np.abs(values[0] - values[2]).max() > 1e-4 * np.abs(values[0]).max()


def test_where_in_the_video_a_segment_lies_does_not_matter(name: str, backbone: Any) -> None:
    early = clips(1)[0]
    late = dataclasses.replace(early, times=early.times + 4800.0, start=4800.0, end=4801.6, index=3000)
    sites = residuals(backbone)
    np.testing.assert_array_equal(backbone.read([early], sites), backbone.read([late], sites))


def test_several_prompts_in_one_read_equal_each_alone(name: str, backbone: Any) -> None:
    segments = clips(2)
    sites = [site for prompt in (2, 0, 1) for site in residuals(backbone, prompt)]
    together = backbone.read(segments, sites)
    for place, prompt in enumerate((2, 0, 1)):
        recipe = dataclasses.replace(backbone.recipe, prompts=(families.PROMPTS[prompt],))
        alone = backbone.read(segments, residuals(backbone), recipe)
        np.testing.assert_array_equal(together[:, place * 4 : place * 4 + 4], alone)
    assert np.abs(together[:, :4] - together[:, 4:8]).max() > 1e-3
    TABLE[name]["vision reuse"] = "0"


def test_several_prompts_encode_the_frames_once(qwen: Any) -> None:
    sites = [site for prompt in range(3) for site in residuals(qwen, prompt)]
    with _counting(qwen._model.base_model.visual) as calls:
        qwen.read(clips(2), sites)
    assert len(calls) == 1


def test_a_read_runs_neither_the_lm_head_nor_deeper_blocks(name: str, backbone: Any) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("ran")

    model = backbone._model
    handles = [
        model.get_output_embeddings().register_forward_pre_hook(refuse),
        model.get_decoder().layers[2].register_forward_pre_hook(refuse),
    ]
    try:
        backbone.read(clips(1), [Site("residual", 1)])
        with pytest.raises(AssertionError, match="ran"):
            backbone.read(clips(1), [Site("residual", 2)])
        with pytest.raises(AssertionError, match="ran"):
            backbone.read(clips(1), [Site("logit", 3)])
    finally:
        for handle in handles:
            handle.remove()
    TABLE[name]["LM head run"] = "no"


def test_a_read_leaves_no_hook_behind(name: str, backbone: Any) -> None:
    before = hook_count(backbone._model)
    backbone.read(clips(2), residuals(backbone))
    assert hook_count(backbone._model) == before
    with _raising_at(backbone, batch=1), pytest.raises(OutOfMemory):
        backbone.read(clips(1), residuals(backbone))
    assert hook_count(backbone._model) == before


def test_logits_equal_the_full_models(name: str, backbone: Any, folders: Callable[[str], Path]) -> None:
    segment = clips(1)[0]
    output, _, _ = full_pass(
        plain_model(folders(name)), make_inputs(backbone._processor, segment, families.PROMPTS[0])
    )
    yes, no = _explaining.answer_tokens(backbone._processor.tokenizer)
    words = [backbone._processor.tokenizer.decode([token]).strip().lower() for token in (*yes, *no)]
    assert all("yes".startswith(word) or "no".startswith(word) for word in words)
    logits = output.logits[0, -1]
    truth = [torch.log(logits[tokens].exp().sum()) for tokens in (yes, no)]
    np.testing.assert_allclose(backbone.read([segment], [Site("logit", 3)])[0, 0], truth, rtol=1e-4, atol=1e-5)


def test_max_layer_loads_less_and_reads_the_same(name: str, backbone: Any, folders: Callable[[str], Path]) -> None:
    short = backbones.load(str(folders(name)), device="cpu", max_layer=1)
    segments, sites = clips(2), [Site("residual", 0), Site("residual", 1)]
    np.testing.assert_array_equal(short.read(segments, sites), backbone.read(segments, sites))
    assert short.layers == backbone.layers
    assert short.recipe == backbone.recipe
    loaded = len(short._model.get_decoder().layers)
    TABLE[name]["max_layer=1"] = f"{loaded} of {short.layers}"
    if name == "gemma4":  # its blocks share keys, values and one embedding table
        assert loaded == short.layers
        return
    assert loaded == 2
    for site in (Site("residual", 2), Site("logit", 3)):
        with pytest.raises(ModelError, match="loaded only up to block 1"):
            short.read(segments, [site])
    with pytest.raises(ModelError, match="loaded only to read"):
        short.explain(segments[0], "describe the scene", 4, 5.0)


def test_explain_keeps_to_its_token_limit(name: str, backbone: Any) -> None:
    with _counting(backbone._model.get_decoder()) as calls:
        text, verdict = backbone.explain(clips(1)[0], "describe the scene", 5, 60.0)
    assert isinstance(text, str)
    assert verdict in (True, False, None)
    assert 1 <= len(calls) <= 5
    TABLE[name]["explain"] = f"{len(calls)} tokens"


class _counting:
    """The forward calls of a module while the context lasts."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.calls = module, list[int]()

    def __enter__(self) -> list[int]:
        self.handle = self.module.register_forward_hook(lambda *_: self.calls.append(1))
        return self.calls

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


class _raising_at:
    """The accelerator is full as soon as a batch holds `batch` segments or more."""

    def __init__(self, backbone: Any, batch: int) -> None:
        self.layer, self.batch, self.seen = backbone._decoder.layers[0], batch, list[int]()

    def _hook(self, module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = given[0] if given else named["hidden_states"]
        self.seen.append(len(hidden))
        if len(hidden) >= self.batch:
            raise torch.OutOfMemoryError("injected")

    def __enter__(self) -> list[int]:
        self.handle = self.layer.register_forward_pre_hook(self._hook, with_kwargs=True)
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


# --- pixels and prompts ---------------------------------------------------------------------------------------------


def test_patches_by_hand() -> None:
    settings = {"patch_size": 4, "temporal_patch_size": 2, "merge_size": 2, "size": {"shortest_edge": 64,
                "longest_edge": 4096}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.5]}  # fmt: skip
    frames = clips(1, frames=3, size=(16, 24))[0].frames
    processor = _video.Qwen2VL(settings)
    packed = processor.pack([processor.pixels(frames)])
    assert packed["video_grid_thw"].tolist() == [[2, 4, 6]]  # the third frame is repeated
    rows = packed["pixel_values_videos"].numpy()
    scaled = (frames / 255 - settings["image_mean"]) / settings["image_std"]
    scaled = np.concatenate([scaled, scaled[-1:]])
    # rows run over merge blocks of 2 x 2 patches: row 0 is patch (0, 0), 1 is (0, 1), 2 is (1, 0), 4 is (0, 2)
    for row, (t, y, x) in {0: (0, 0, 0), 1: (0, 0, 1), 2: (0, 1, 0), 4: (0, 0, 2), 24: (1, 0, 0)}.items():
        patch = scaled[2 * t : 2 * t + 2, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        np.testing.assert_allclose(rows[row], patch.transpose(3, 0, 1, 2).ravel(), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "low", "high", "expected"),
    [
        ((280, 560), 1, 10**9, (280, 560)),  # already multiples of 28
        ((290, 550), 1, 10**9, (280, 560)),  # nearest multiples
        ((1080, 1920), 100352, 602112, (560, 1008)),  # floor(side * sqrt(602112 / (1080 * 1920)) / 28) * 28
        ((56, 56), 100352, 602112, (336, 336)),  # ceil(56 * sqrt(100352) / 56 / 28) * 28
    ],
)
def test_budget_by_hand(size: tuple[int, int], low: int, high: int, expected: tuple[int, int]) -> None:
    assert _pixels.fit_budget(size, 28, low, high) == expected


def test_too_long_frames_are_refused() -> None:
    with pytest.raises(ModelError, match="200 times"):
        _pixels.fit_budget((1, 201), 28, 1, 10**9)


def test_a_still_scene_keeps_one_token_a_frame(loaded: Callable[[str], Any]) -> None:
    segment = clips(1)[0]
    still = dataclasses.replace(segment, frames=np.repeat(segment.frames[:1], 4, axis=0))
    inputs = make_inputs(loaded("video_llama_3")._processor, still, "describe the scene")
    assert inputs["video_compression_mask"].view(4, 16).sum(dim=1).tolist() == [16, 1, 1, 1]


def test_unequal_lengths_in_one_read(loaded: Callable[[str], Any]) -> None:
    backbone = loaded("video_llama_3")
    moving, other, second = clips(3)
    still = dataclasses.replace(other, frames=np.repeat(other.frames[:1], 4, axis=0))
    sites = residuals(backbone)
    together = backbone.read([moving, still, second], sites)
    alone = np.concatenate([backbone.read([segment], sites) for segment in (moving, still, second)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6 * np.abs(alone).max())


def test_times_in_the_prompt_are_the_segments_own(loaded: Callable[[str], Any]) -> None:
    processor = loaded("glm46v")._processor
    segment = dataclasses.replace(clips(1)[0], start=100.0, end=101.6, times=np.array([100.0, 100.3, 100.7, 101.2]))
    inputs = make_inputs(processor, segment, "describe the scene")
    text = processor.tokenizer.decode(inputs["input_ids"][0]).replace(" ", "")
    assert "<|end_of_image|>0.0seconds" in text
    assert "<|end_of_image|>0.7seconds" in text


def test_qwen_is_told_the_seconds_of_a_temporal_patch(qwen: Any) -> None:
    inputs = make_inputs(qwen._processor, clips(1)[0], "describe the scene")
    assert inputs["second_per_grid_ts"].tolist() == pytest.approx([0.8])  # 2 of 4 frames in 1.6 s


def test_a_prompt_with_a_video_token_is_refused(qwen: Any) -> None:
    with pytest.raises(ModelError, match="control token"):
        qwen.explain(clips(1)[0], "describe <|video_pad|> the scene", 3, 5.0)


def test_the_prompt_ends_where_the_answer_starts(qwen: Any) -> None:
    text = prompt_text(qwen._processor, "describe the scene")
    assert text.endswith("describe the scene</s><s>assistant ")


def test_collate_joins_what_single_inputs_hold(qwen: Any) -> None:
    one, two = (make_inputs(qwen._processor, segment, "describe the scene") for segment in clips(2))
    both = collate([one, two])
    assert both["input_ids"].shape[0] == 2
    torch.testing.assert_close(both["pixel_values_videos"][len(one["pixel_values_videos"]) :],
                               two["pixel_values_videos"])  # fmt: skip


def torchvision() -> ModuleType:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:  # PyPI's build raises RuntimeError beside a CPU torch
        pytest.skip(f"torchvision does not import: {error}")
    return torchvision


@pytest.mark.parametrize("size", [(32, 32), (48, 80), (97, 61), (240, 320), (31, 200), (6, 13)])
@pytest.mark.parametrize("defaults", [False, True])
def test_pixels_equal_transformers_own(
    name: str, folders: Callable[[str], Path], size: tuple[int, int], defaults: bool
) -> None:
    torchvision()
    frames = clips(1, frames=5, size=size)[0].frames
    settings = json.loads((folders(name) / "video_preprocessor_config.json").read_text())
    kind = settings["video_processor_type"]
    if defaults:
        settings = {"video_processor_type": kind}
    elif name == "gemma4":
        settings["max_soft_tokens"] = 70  # transformers refuses other budgets
    theirs = getattr(transformers, kind)(**settings)
    truth = theirs([frames], do_sample_frames=False, return_tensors="pt")
    made = _video.video_processor(settings, name)([frames], video_metadata=[None])
    compared = [key for key, value in truth.items() if isinstance(value, torch.Tensor)]
    assert any(key.startswith("pixel_values") for key in compared)
    for key in compared:
        torch.testing.assert_close(torch.as_tensor(made[key]), truth[key], rtol=0, atol=0)
    TABLE[name]["pixel parity"] = "0"


@pytest.mark.parametrize("kind", ["Qwen2VLVideoProcessor", "Qwen3VLVideoProcessor"])
@pytest.mark.parametrize("count", [2, 5, 40])
def test_capped_pixels_equal_transformers_own(kind: str, count: int) -> None:
    torchvision()
    frames = clips(1, frames=count, size=(120, 90))[0].frames
    settings = {"video_processor_type": kind, "cap_pixels_per_frame": True, "max_video_tokens": 30,
                "size": {"shortest_edge": 900, "longest_edge": 40000}}  # fmt: skip
    truth = getattr(transformers, kind)(**settings)([frames], do_sample_frames=False, return_tensors="pt")
    made = _video.video_processor(settings, "")([frames], video_metadata=[None])
    torch.testing.assert_close(made["video_grid_thw"], truth["video_grid_thw"])
    torch.testing.assert_close(made["pixel_values_videos"], truth["pixel_values_videos"], rtol=0, atol=0)


# --- reading: refusals and memory -----------------------------------------------------------------------------------


def test_a_full_accelerator_halves_the_batch(qwen: Any) -> None:
    segments, sites = clips(7), residuals(qwen)
    truth = qwen.read(segments, sites)
    with _raising_at(qwen, batch=2) as seen:
        values = qwen.read(segments, sites)
    assert seen.count(1) == 7
    np.testing.assert_allclose(values, truth, rtol=0, atol=2e-6 * np.abs(truth).max())


def test_a_segment_that_never_fits_is_named(qwen: Any) -> None:
    with _raising_at(qwen, batch=1), pytest.raises(OutOfMemory, match=r"segment 1 \(1\.60 to 3\.20 s\)"):
        qwen.read(clips(2)[1:], residuals(qwen))
    with _raising_at(qwen, batch=1), pytest.raises(OutOfMemory, match="segment 0"):
        qwen.explain(clips(1)[0], "describe the scene", 3, 5.0)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (Site("residual", 4), "has 4 blocks"),
        (Site("residual", 0, prompt=3), "has 3 prompts"),
        (Site("head", 0, 4), "has 4 heads"),
    ],
)
def test_a_site_that_is_not_there_is_refused(qwen: Any, site: Site, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        qwen.read(clips(1), [site])


def test_a_block_without_attention_heads_is_refused(loaded: Callable[[str], Any]) -> None:
    with pytest.raises(ModelError, match=r"in blocks \(1, 3\)"):
        loaded("qwen3_5").read(clips(1), [Site("head", 0, 0)])


@pytest.mark.parametrize("other", [Site("head", 0, 0), Site("logit", 3)])
def test_sites_of_two_widths_are_refused(qwen: Any, other: Site) -> None:
    with pytest.raises(ModelError, match="one width"):
        qwen.read(clips(1), [Site("residual", 0), other])


def test_segments_of_another_recipe_are_refused(qwen: Any) -> None:
    with pytest.raises(RecipeMismatch, match="5 frames"):
        qwen.read(clips(1, frames=5), residuals(qwen))
    with pytest.raises(RecipeMismatch, match="48"):
        qwen.read(clips(1, size=(48, 32)), residuals(qwen))
    with pytest.raises(RecipeMismatch, match="is for model"):
        qwen.read(clips(1), residuals(qwen), dataclasses.replace(qwen.recipe, model="other/model"))


def test_no_segments_read_as_an_empty_array(qwen: Any) -> None:
    assert qwen.read([], residuals(qwen)).shape == (0, 4, 32)


def test_overflow_is_an_error_not_a_number(checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    key = next(key for key in weights if key.endswith("layers.0.mlp.down_proj.weight"))
    weights[key] = torch.full_like(weights[key], float("inf"))
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    broken = backbones.load(str(checkpoint), device="cpu")
    with pytest.raises(ModelError, match="overflow"):
        broken.read(clips(1), [Site("residual", 0)])


# --- explaining -----------------------------------------------------------------------------------------------------


def test_explain_is_greedy(qwen: Any, folders: Callable[[str], Path]) -> None:
    segment = clips(1)[0]
    text, _ = qwen.explain(segment, "describe the scene", 4, 60.0)
    model = plain_model(folders("qwen2_5_vl"))
    inputs = make_inputs(qwen._processor, segment, "describe the scene")
    chosen = []
    for _ in range(4):
        with torch.no_grad():
            best = model(**inputs).logits[:, -1:].argmax(dim=-1)
        chosen.append(int(best))
        inputs["input_ids"] = torch.cat([inputs["input_ids"], best], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, 1))
    assert text == " ".join(qwen._processor.tokenizer.decode(chosen, skip_special_tokens=True).split())


def test_explain_stops_at_its_deadline(qwen: Any) -> None:
    with _counting(qwen._model.get_decoder()) as calls:
        qwen.explain(clips(1)[0], "describe the scene", 50, 0.0)
    assert len(calls) == 1


def test_explain_takes_another_number_of_frames(qwen: Any) -> None:
    text, _ = qwen.explain(clips(1, frames=7, size=(40, 64))[0], "describe the scene", 2, 60.0)
    assert isinstance(text, str)


@pytest.mark.parametrize(
    ("text", "normal", "expected"),
    [
        ("Yes, a man falls.", None, True),
        ("no.", None, False),
        ("**No** - all is calm", None, False),
        ("Nothing happens", None, None),
        ("", None, None),
        ("Normal scene", ["normal"], False),
        ("fighting on the left", ["normal"], True),
        ("abnormal", ["normal"], True),
        (" ... ", ["normal"], None),
    ],
)
def test_verdict(text: str, normal: list[str] | None, expected: bool | None) -> None:
    assert _explaining.verdict(text, normal) is expected


def test_explanations_are_cleaned_and_capped() -> None:
    assert _explaining.cleaned(" a\x1b[31m red\u202e\n\tcar\x00 ") == "a [31m red car"
    assert len(_explaining.cleaned("word " * 1000)) <= 2000


# --- loading --------------------------------------------------------------------------------------------------------


def test_importing_backbones_loads_no_torch() -> None:
    code = "import sys, hiprobe.backbones as b; b.names(); sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_backbone_keeps_the_protocol(backbone: Any) -> None:
    assert isinstance(backbone, backbones.Backbone)
    assert (backbone.width, backbone.heads) == (32, 4)
    assert {"dtype", "device", "torch", "transformers", "id", "revision"} <= set(backbone.provenance)


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
    given = {"prompts": ["what is it"], "frames": 8, "size": [24, 48], "segment_s": 2.0, "explain_prompt": "describe",
             "explain_span_s": 3.0, "notice": "a toy", "verdict": {"normal": ["normal"]}}  # fmt: skip
    (checkpoint / "hiprobe.json").write_text(json.dumps(given))
    made = backbones.load(str(checkpoint), device="cpu")
    recipe = made.recipe
    assert (recipe.prompts, recipe.frames, recipe.size, recipe.segment_s) == (("what is it",), 8, (24, 48), 2.0)
    assert (made.explain_prompt, made.explain_span_s, made.notice) == ("describe", 3.0, "a toy")


@pytest.mark.parametrize(
    ("family", "size"), [("qwen2_5_vl", (448, 448)), ("internvl", (32, 32)), ("smolvlm", (32, 32))]
)
def test_default_recipe(folders: Callable[[str], Path], tmp_path: Path, family: str, size: tuple[int, int]) -> None:
    folder = shutil.copytree(folders(family), tmp_path / "model")
    (folder / "hiprobe.json").unlink()
    recipe = backbones.load(str(folder), device="cpu").recipe
    assert (recipe.frames, recipe.segment_s, recipe.size) == (16, 1.6, size)
    assert recipe.prompts == ("Identify any abnormal events or safety hazards in this video.",)


def test_a_local_model_is_its_content(checkpoint: Path) -> None:
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
    vars(outside)["make"] = lambda **options: options
    monkeypatch.setitem(sys.modules, "outside", outside)
    made: Any = backbones.load("outside:make", device="cpu", max_layer=3)
    assert made == {"revision": None, "device": "cpu", "dtype": "auto", "max_layer": 3}


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


def test_a_hub_model_offline_is_a_named_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    config = transformers.LlamaConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                                      vocab_size=64)  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def _remote_code(folder: Path) -> None:
    config = {"model_type": "internvl_chat", "architectures": ["InternVLChatModel"],
              "auto_map": {"AutoConfig": "configuration.InternVLChatConfig"}}  # fmt: skip
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
    (folder / "video_preprocessor_config.json").write_text('{"video_processor_type": "OddVideoProcessor"}')


def _write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def _delete(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_text_only, "LlamaForCausalLM is no video model"),
        (_remote_code, "InternVLChatModel is no video model .* remote code"),
        (_delete("config.json"), "no config.json"),
        (_write("config.json", "{"), "not readable as JSON"),
        (_write("config.json", "[]"), "no JSON object"),
        (_delete("model.safetensors"), "no .safetensors weights"),
        (_pickled, "pickled weights are never loaded"),
        (_cut_short, "cannot be loaded"),
        (_one_missing, "1 weights are missing or misshapen, first .*layers.2.*q_proj"),
        (_misshapen, "cannot be loaded|misshapen"),
        (_delete("chat_template.jinja"), "no chat template"),
        (_delete("tokenizer.json"), "cannot be loaded"),
        (_delete("video_preprocessor_config.json"), "no processor_config.json, video_preprocessor"),
        (_unknown_video, "no way is known to prepare video for 'OddVideoProcessor'"),
        (_write("hiprobe.json", '{"promts": ["a"]}'), "unknown entry 'promts'"),
        (_write("hiprobe.json", '{"frames": 0}'), "entry 'frames' is 0"),
    ],
)
def test_a_bad_folder_is_refused_on_one_line(checkpoint: Path, damage: Callable[[Path], Any], reason: str) -> None:
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
