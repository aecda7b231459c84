"""Run the public checks over every family of tiny_models.py and every file of backbones/.

Then compare each with plain transformers.

A whole run makes the table of docs/backbones.md; `make backbones` writes it there, and the last
test compares.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import tiny_models
from tests.support.reference_reading import (
    clips,
    counting,
    full_pass,
    hook_count,
    plain_model,
    raising_at,
)

import hiprobe
from hiprobe import backbones, checks
from hiprobe.backbones import _answers
from hiprobe.backbones._processing import make_inputs, same_inputs
from hiprobe.backbones._reading import encode_video, with_features
from hiprobe.checks.backbones import EXACT, SHARED
from hiprobe.errors import ModelError, OutOfMemory
from hiprobe.types import Recipe, Segment, Site

NAMES = (*tiny_models.FAMILIES, *backbones.names())
DOCS = Path(__file__).parents[2] / "docs" / "backbones.md"
COLUMNS = (
    "early exit",
    "a batch",
    "unequal lengths",
    "heads",
    "vision features reused",
    "several prompts",
    "`max_layer=1`",
    "explains",
    "answer",
    "yes and no",
    "times",
)
TABLE: dict[str, dict[str, str]] = defaultdict(dict)
PACE = np.array([0.5, 2.9, 4.0, 9.5])  # seconds from the start of a clip of 12 s
TIMES = {  # what the prompt says of those times, in this order
    "qwen3_vl": ("<1.7", "<6.8"),  # the middle of every two frames
    "qwen3_5": ("<1.7seconds>", "<6.8seconds>"),
    "smolvlm": ("00:00", "00:02", "00:04", "00:09"),
    "glm4v": ("<|end_of_image|>0", "<|end_of_image|>4"),  # the first of every two frames
    "glm46v": ("<|end_of_image|>0.5seconds", "<|end_of_image|>4.0seconds"),
    "video_llama_3": ("0.5", "2.9", "4.0", "9.5"),
    "gemma4": ("00:00", "00:02", "00:04", "00:09"),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backbone(name: str, loaded: Callable[[str], Any], shipped: Any) -> Any:
    """The backbone called `name`; a plug-in whose model is not here is skipped by name."""
    if name in tiny_models.FAMILIES:
        return loaded(name)
    if name == "embedded":
        return shipped
    try:
        return backbones.load(name, device="cpu")
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def plain_loaded(folders: Callable[[str], Path]) -> Callable[[str], Any]:
    """A function that loads a model with transformers alone, once for all tests."""

    @cache
    def load(name: str) -> Any:
        if name in tiny_models.FAMILIES:
            return plain_model(folders(name))
        if name == "embedded":
            return plain_model(Path(hiprobe.__file__).parent / "embedded" / "model")
        pytest.skip(f"{name} has no checkpoint that transformers alone could load")

    return load


@pytest.fixture
def plain(name: str, plain_loaded: Callable[[str], Any]) -> Any:
    """The same model as transformers alone loads it."""
    return plain_loaded(name)


def segments(backbone: Any, count: int) -> list[Segment]:
    """Clips of noise, as the backbone's recipe wants them."""
    return clips(count, backbone.recipe.frames, backbone.recipe.size or (64, 64))


def alone(backbone: Any) -> Recipe:
    """The backbone's recipe with one prompt."""
    return dataclasses.replace(backbone.recipe, prompts=backbone.recipe.prompts[:1])


def residuals(backbone: Any, prompt: int = 0) -> list[Site]:
    return [Site("residual", layer, prompt=prompt) for layer in range(backbone.layers)]


def inputs(backbone: Any, segment: Segment) -> dict[str, Any]:
    return make_inputs(backbone._processor, segment, backbone.recipe.prompts[0])


def bound(tolerance: float) -> str:
    return f"{tolerance:.0e}".replace("e-0", "e-")


def near(values: NDArray[np.float32], truth: NDArray[np.float32], tolerance: float) -> None:
    np.testing.assert_allclose(values, truth, rtol=0, atol=tolerance * np.abs(truth).max())


# --- reading


def test_it_keeps_every_promise_of_the_protocol(name: str, backbone: Any) -> None:
    together = SHARED if getattr(backbone, "shares_prompts", False) else EXACT
    assert checks.check_backbone(backbone, exact=EXACT, shared=together)
    assert {"dtype", "device", "torch", "transformers", "id", "revision"} <= set(
        backbone.provenance
    )
    TABLE[name]["a batch"] = f"<= {bound(EXACT)} of scale"
    TABLE[name]["several prompts"] = f"<= {bound(together)} of scale"


def test_early_exit_equals_the_full_pass_bit_for_bit(name: str, backbone: Any, plain: Any) -> None:
    segment = segments(backbone, 1)[0]
    _, blocks, _ = full_pass(plain, inputs(backbone, segment))
    assert len(blocks) == backbone.layers
    for layer, truth in blocks.items():
        value = backbone.read([segment], [Site("residual", layer)], alone(backbone))[0, 0]
        np.testing.assert_array_equal(value, truth[0, -1].numpy())
    TABLE[name]["early exit"] = "same bits, every block"


def test_features_are_before_the_final_norm(backbone: Any, plain: Any) -> None:
    segment = segments(backbone, 1)[0]
    output, _, _ = full_pass(plain, inputs(backbone, segment))
    after = output.hidden_states[-1][0, -1]
    value = backbone.read([segment], [Site("residual", backbone.layers - 1)], alone(backbone))[0, 0]
    last = torch.from_numpy(value)
    with torch.no_grad():
        normed = plain.get_decoder().norm(last)
    torch.testing.assert_close(normed, after, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(last, after, rtol=0.1, atol=0.1)


def test_heads_are_slices_of_the_o_proj_input(name: str, backbone: Any, plain: Any) -> None:
    segment = segments(backbone, 1)[0]
    _, _, joined = full_pass(plain, inputs(backbone, segment))
    sites = [
        Site("head", layer, head)
        for layer in backbone.head_layers
        for head in range(backbone.heads)
    ]
    values = backbone.read([segment], sites, alone(backbone))[0]
    for site, value in zip(sites, values, strict=True):
        start = site.head * backbone.head_width
        np.testing.assert_array_equal(
            value, joined[site.layer][0, -1, start : start + backbone.head_width].numpy()
        )
        assert joined[site.layer].shape[-1] == backbone.heads * backbone.head_width
    count = len(backbone.head_layers)
    TABLE[name]["heads"] = (
        f"same bits, {'all' if count == backbone.layers else f'{count} of {backbone.layers}'}"
        " blocks"
    )


def test_segments_of_unequal_length_are_never_padded(name: str, backbone: Any) -> None:
    """Some families make a different number of tokens for tall or for still frames."""
    recipe, sites = dataclasses.replace(alone(backbone), size=None), residuals(backbone)
    one, two, three = segments(backbone, 3)
    tall = np.repeat(two.frames, 2, axis=1)
    still = np.repeat(three.frames[:1], len(three.frames), axis=0)
    mixed = [one, dataclasses.replace(two, frames=tall), dataclasses.replace(three, frames=still)]
    batched = backbone.read(mixed, sites, recipe)
    near(batched, np.concatenate([backbone.read([each], sites, recipe) for each in mixed]), EXACT)
    lengths = {inputs(backbone, each)["input_ids"].shape[1] for each in mixed}
    TABLE[name]["unequal lengths"] = (
        f"apart, <= {bound(EXACT)}" if len(lengths) > 1 else "do not arise"
    )


def test_vision_features_can_be_reused(name: str, backbone: Any, plain: Any) -> None:
    """Encoded features in place of the frames give the same states."""
    made = inputs(backbone, segments(backbone, 1)[0])
    made = {key: value for key, value in made.items() if key in backbone._parameters}
    _, truth, _ = full_pass(plain, made)
    with torch.no_grad():
        features = encode_video(plain, made)
    for _ in range(2):
        _, blocks, _ = full_pass(plain, with_features(made, features))
        for layer, values in truth.items():
            assert torch.equal(blocks[layer], values)
    TABLE[name]["vision features reused"] = "same bits"


@pytest.mark.parametrize("seconds", [12.0, 60.0])
def test_several_prompts_about_a_long_window_read_what_each_reads_alone(
    backbone: Any, seconds: float
) -> None:
    """Positions in seconds reach further than those in the picture."""
    recipe = dataclasses.replace(
        backbone.recipe, prompts=tuple(tiny_models.PROMPTS), segment_s=seconds
    )
    (short,) = segments(backbone, 1)
    count = len(short.times)
    times = (np.arange(count) + 0.5) * seconds / count
    window = dataclasses.replace(short, start=0.0, end=seconds, times=times)
    last = backbone.layers - 1
    sites = [Site("residual", last, prompt=prompt) for prompt in range(len(recipe.prompts))]
    together = backbone.read([window], sites, recipe)[0]
    for prompt, words in enumerate(recipe.prompts):
        one = dataclasses.replace(recipe, prompts=(words,))
        near(together[prompt], backbone.read([window], [Site("residual", last)], one)[0, 0], SHARED)


def test_several_prompts_encode_the_frames_once(backbone: Any) -> None:
    recipe = dataclasses.replace(backbone.recipe, prompts=tuple(tiny_models.PROMPTS))
    base = backbone._model.base_model
    encoder = next(
        getattr(base, each)
        for each in ("visual", "vision_tower", "vision_model")
        if hasattr(base, each)
    )
    with counting(encoder) as calls:
        backbone.read(
            segments(backbone, 1),
            [Site("residual", 1)],
            dataclasses.replace(recipe, prompts=("is",)),
        )
    with counting(encoder) as several:
        backbone.read(
            segments(backbone, 1),
            [Site("residual", 1, prompt=prompt) for prompt in range(3)],
            recipe,
        )
    assert len(several) == len(calls) > 0


def test_a_read_runs_neither_the_lm_head_nor_deeper_blocks(backbone: Any) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("ran")

    model, recipe = backbone._model, alone(backbone)
    handles = [
        model.get_output_embeddings().register_forward_pre_hook(refuse),
        model.get_decoder().layers[2].register_forward_pre_hook(refuse),
    ]
    one = segments(backbone, 1)
    try:
        backbone.read(one, [Site("residual", 1)], recipe)
        with pytest.raises(AssertionError, match="ran"):
            backbone.read(one, [Site("residual", 2)], recipe)
        with pytest.raises(AssertionError, match="ran"):
            backbone.read(one, [Site("logit", 3)], recipe)
    finally:
        for handle in handles:
            handle.remove()


def test_a_read_leaves_no_hook_behind(backbone: Any) -> None:
    before, one = hook_count(backbone._model), segments(backbone, 1)
    backbone.read(one, residuals(backbone))
    assert hook_count(backbone._model) == before
    with raising_at(backbone, batch=1), pytest.raises(OutOfMemory):
        backbone.read(one, residuals(backbone))
    assert hook_count(backbone._model) == before


def test_logits_equal_the_full_models(name: str, backbone: Any, plain: Any) -> None:
    segment = segments(backbone, 1)[0]
    output, _, _ = full_pass(plain, inputs(backbone, segment))
    yes, no = _answers.answer_tokens(backbone._processor.tokenizer)
    words = [backbone._processor.tokenizer.decode([token]).strip().lower() for token in (*yes, *no)]
    assert all("yes".startswith(word) or "no".startswith(word) for word in words)
    logits = output.logits[0, -1]
    truth = [torch.log(logits[tokens].exp().sum()) for tokens in (yes, no)]
    values = backbone.read([segment], [Site("logit", backbone.layers - 1)], alone(backbone))[0, 0]
    np.testing.assert_allclose(values, truth, rtol=1e-4, atol=1e-5)
    assert backbone.answers_yes_no
    TABLE[name]["yes and no"] = "read"


# --- a load that only reads


def test_max_layer_loads_less_and_reads_the_same(
    name: str, backbone: Any, folders: Callable[[str], Path]
) -> None:
    where = str(folders(name)) if name in tiny_models.FAMILIES else name
    short = backbones.load(where, device="cpu", max_layer=1)
    one, sites, recipe = segments(backbone, 1), residuals(backbone)[:2], alone(backbone)
    np.testing.assert_array_equal(short.read(one, sites, recipe), backbone.read(one, sites, recipe))
    assert (short.layers, short.recipe) == (backbone.layers, backbone.recipe)
    held = len(short._model.get_decoder().layers)  # type: ignore[attr-defined]
    TABLE[name]["`max_layer=1`"] = f"{held} of {short.layers} blocks"
    if name == "gemma4":  # its blocks share keys, values and one embedding table
        assert held == short.layers
        return
    assert held == 2
    for site in (Site("residual", 2), Site("logit", backbone.layers - 1)):
        with pytest.raises(ModelError, match="loaded only up to block 1"):
            short.read(one, [site])
    with pytest.raises(ModelError, match="loaded only to read"):
        short.explain(one[0], "describe the scene", 4, 5.0)


# --- explaining


@contextmanager
def saying(backbone: Any, word: str) -> Iterator[int]:
    """The model says `word`, whatever it sees, in so many tokens."""
    tokens = iter(backbone._processor.tokenizer(word, add_special_tokens=False)["input_ids"])

    def say(module: Any, given: Any, logits: torch.Tensor) -> torch.Tensor:
        chosen = torch.full_like(logits[..., 0], next(tokens)).long()
        return torch.nn.functional.one_hot(chosen, logits.shape[-1]).float()

    handle = backbone._model.get_output_embeddings().register_forward_hook(say)
    try:
        yield len(backbone._processor.tokenizer(word, add_special_tokens=False)["input_ids"])
    finally:
        handle.remove()


def test_it_explains_greedily_within_its_tokens(name: str, backbone: Any, plain: Any) -> None:
    segment, prompt = segments(backbone, 1)[0], "describe the scene"
    with counting(backbone._model.get_decoder()) as calls:
        text, abnormal = backbone.explain(segment, prompt, 5, 60.0)
    assert abnormal in (True, False, None)
    assert 1 <= len(calls) <= 5
    made = make_inputs(backbone._processor, segment, prompt)
    made = {key: value for key, value in made.items() if key in backbone._parameters}
    ids = plain.generate(**made, do_sample=False, max_new_tokens=5)[0, made["input_ids"].shape[1] :]
    assert text == " ".join(
        backbone._processor.tokenizer.decode(ids, skip_special_tokens=True).split()
    )
    TABLE[name]["explains"] = "greedy, capped"


def test_the_first_word_of_the_answer_says_whether_it_is_abnormal(name: str, backbone: Any) -> None:
    """The model is made to say a word, whatever it sees."""
    normal = getattr(backbone, "_normal", None)
    words = {"yes": True, "no": False} if normal is None else {normal[0]: False, "fire": True}
    for word, expected in words.items():
        with saying(backbone, word) as count:
            text, abnormal = backbone.explain(
                segments(backbone, 1)[0], "describe the scene", count, 60.0
            )
        assert (text, abnormal) == (word, expected)
    TABLE[name]["answer"] = "yes or no" if normal is None else "by name"


def test_the_prompt_says_the_frames_true_times(name: str, backbone: Any) -> None:
    """Families that put no times into the prompt get them as positions, or not at all."""
    frames = segments(backbone, 1)[0].frames
    count = len(frames)
    pace = PACE if count == len(PACE) else np.linspace(0.5, 11.5, count)
    slow = Segment(frames, 100.0 + pace, 100.0, 112.0, 0)
    even = Segment(frames, (np.arange(count) + 0.5) * 1.6 / count, 0.0, 1.6, 0)
    made, other = (
        make_inputs(backbone._processor, each, "describe the scene") for each in (slow, even)
    )
    text = backbone._processor.tokenizer.decode(made["input_ids"][0]).replace(" ", "")
    if name in TIMES:
        assert re.search(".*".join(map(re.escape, TIMES[name])), text), text
        TABLE[name]["times"] = "in the prompt"
        return
    assert torch.equal(made["input_ids"], other["input_ids"])
    if "second_per_grid_ts" not in made:
        TABLE[name]["times"] = "none, the frames' order"
        return
    per_patch = backbone._processor.video_processor.temporal_patch_size
    assert made["second_per_grid_ts"].tolist() == pytest.approx([12.0 * per_patch / count])
    TABLE[name]["times"] = "as positions, at an even pace"


def test_it_says_which_times_it_gets(name: str, backbone: Any) -> None:
    """Windows with the same pixels are read once if these times are equal too."""
    if name in TIMES:
        assert "moments" in backbone.reads_times
        return
    frames = segments(backbone, 1)[0].frames
    even = Segment(frames, np.arange(len(frames)) / 10, 0.0, 1.6, 0)
    shorter = Segment(frames, np.arange(len(frames)) / 20, 0.0, 0.8, 0)
    made, other = (make_inputs(backbone._processor, one, "what?") for one in (even, shorter))
    assert backbone.reads_times == (() if same_inputs(made, other) else ("length",))


# --- the table


def table() -> str:
    """Family by property, as this run found it."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(TABLE[name][column] for column in COLUMNS) + " |"
        for name in NAMES
    ]
    return "\n".join(lines)


def test_the_table_in_the_docs_is_the_one_of_this_run() -> None:
    if any(column not in TABLE[name] for name in NAMES for column in COLUMNS):
        pytest.skip("only a whole run of this file makes the table")
    text = DOCS.read_text("utf-8")
    before, after = text.split("<!-- table -->\n")[0], text.split("\n<!-- /table -->")[1]
    made = f"{before}<!-- table -->\n{table()}\n<!-- /table -->{after}"
    if os.environ.get("HIPROBE_WRITE_TABLE"):
        DOCS.write_text(made, "utf-8")
    assert DOCS.read_text("utf-8") == made, "run make backbones"
