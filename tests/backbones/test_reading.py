"""Stops inside a block, shared prefixes and batches give the states of plain transformers."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tests.support import tiny_models

from hiprobe import backbones
from hiprobe.backbones import _batching, _sharing
from hiprobe.backbones._processing import make_each, make_inputs
from hiprobe.errors import OutOfMemory
from hiprobe.types import Segment, Site

SHARING = sorted(_sharing.PROVEN)
OTHERS = sorted(set(tiny_models.FAMILIES) - _sharing.PROVEN)
TOLERANCE = 5e-5  # of scale


def clips(count: int, frames: int = 4, seed: int = 0) -> list[Segment]:
    rng = np.random.default_rng(seed)
    offsets = (np.arange(frames) + 0.5) * 1.6 / frames
    pictures = rng.integers(0, 256, (count, frames, 32, 32, 3), dtype=np.uint8)
    return [
        Segment(pictures[i], 1.6 * i + offsets, 1.6 * i, 1.6 * (i + 1), i) for i in range(count)
    ]


def sites(backbone: Any, kind: str, prompt: int = 0) -> list[Site]:
    if kind == "residual":
        return [Site("residual", layer, prompt=prompt) for layer in range(backbone.layers)]
    if kind == "head":
        return [
            Site("head", layer, head, prompt)
            for layer in backbone.head_layers
            for head in range(backbone.heads)
        ]
    return [Site("logit", backbone.layers - 1, prompt=prompt)]


def asking(backbone: Any, *prompts: int) -> Any:
    """The recipe with these of the prompts only."""
    return dataclasses.replace(
        backbone.recipe, prompts=tuple(tiny_models.PROMPTS[prompt] for prompt in prompts)
    )


@contextmanager
def watching(module: torch.nn.Module, seen: Callable[[torch.Tensor], object]) -> Iterator[None]:
    """Hands what goes into a module to `seen`."""

    def hook(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen(given[0] if given else named["hidden_states"])

    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def refuse(*_: Any) -> None:
    raise AssertionError("ran")


# --- stopping inside a block


@pytest.mark.parametrize("name", tiny_models.FAMILIES)
def test_a_read_of_heads_stops_before_they_are_joined(
    name: str, loaded: Callable[[str], Any]
) -> None:
    backbone = loaded(name)
    layer = backbone.head_layers[-1]
    block = backbone._decoder.layers[layer]
    heads = [Site("head", layer, head) for head in range(backbone.heads)]
    before = backbone.read(clips(2), heads)
    with watching(block.post_attention_layernorm, refuse):
        np.testing.assert_array_equal(backbone.read(clips(2), heads), before)
        if backbone.head_width == backbone.width:
            return
        with pytest.raises(AssertionError, match="ran"):
            backbone.read(clips(2), [Site("residual", layer)])


def test_heads_beside_the_residual_of_their_block_need_the_whole_block(
    loaded: Callable[[str], Any],
) -> None:
    from hiprobe.backbones._reading import last_states

    backbone = loaded("qwen2_5_vl")
    inputs = make_inputs(backbone._processor, clips(1)[0], tiny_models.PROMPTS[0])
    with torch.inference_mode():
        found = last_states(
            lambda: backbone._model.base_model(**inputs), backbone._decoder.layers, {1}, {1, 0}
        )
    assert set(found) == {("residual", 1), ("head", 0), ("head", 1)}


# --- several prompts


@pytest.mark.parametrize("name", SHARING)
def test_states_after_a_shared_prefix_are_those_of_the_whole_model(
    name: str, loaded: Callable[[str], Any], folders: Callable[[str], Path]
) -> None:
    backbone = loaded(name)
    plain = transformers.AutoModelForImageTextToText.from_pretrained(
        folders(name), dtype=torch.float32
    ).eval()
    segments = clips(3)
    asked = [site for prompt in (2, 0, 1) for site in sites(backbone, "residual", prompt)]
    values = backbone.read(segments, asked).reshape(3, 3, backbone.layers, -1)
    for (index, segment), (place, prompt) in itertools.product(
        enumerate(segments), enumerate((2, 0, 1))
    ):
        inputs = make_inputs(backbone._processor, segment, tiny_models.PROMPTS[prompt])
        with torch.no_grad():
            hidden = plain(**inputs, output_hidden_states=True).hidden_states
        for layer in range(
            backbone.layers - 1
        ):  # the last of `hidden_states` is after the final norm
            truth = hidden[layer + 1][0, -1].numpy()
            np.testing.assert_allclose(
                values[index, place, layer], truth, rtol=0, atol=TOLERANCE * np.abs(truth).max()
            )


@pytest.mark.parametrize("kind", ["residual", "head", "logit"])
@pytest.mark.parametrize("name", SHARING)
def test_a_prompt_alone_agrees_with_the_same_prompt_among_others(
    name: str, kind: str, loaded: Callable[[str], Any]
) -> None:
    backbone = loaded(name)
    segments = clips(2, seed=1)
    together = backbone.read(
        segments, [s for prompt in range(3) for s in sites(backbone, kind, prompt)]
    )
    for prompt, part in enumerate(np.split(together, 3, axis=1)):
        alone = backbone.read(segments, sites(backbone, kind), asking(backbone, prompt))
        np.testing.assert_allclose(part, alone, rtol=0, atol=TOLERANCE * np.abs(alone).max())


@pytest.mark.parametrize("name", tiny_models.FAMILIES)
def test_other_sites_in_the_read_change_no_bit(name: str, loaded: Callable[[str], Any]) -> None:
    backbone = loaded(name)
    segments = clips(2)
    whole = [site for prompt in range(3) for site in sites(backbone, "residual", prompt)]
    values = backbone.read(segments, whole)
    for some in (whole[:1], whole[5:6], whole[10:4:-3], whole[::-1]):
        columns = [whole.index(site) for site in some]
        np.testing.assert_array_equal(backbone.read(segments, some), values[:, columns])


@pytest.mark.parametrize("name", SHARING)
def test_the_video_part_is_computed_once(name: str, loaded: Callable[[str], Any]) -> None:
    backbone = loaded(name)
    lengths: list[int] = []
    three = [Site("residual", 1, prompt=prompt) for prompt in range(3)]
    with watching(backbone._decoder.layers[1], lambda hidden: lengths.append(hidden.shape[1])):
        backbone.read(clips(2), three)
        backbone.read(clips(2), three[:1], asking(backbone, 0))
    prefix, *words, whole = lengths
    assert len(words) == 3
    assert prefix + words[0] == whole
    assert prefix > 2 * max(words)


@pytest.mark.parametrize("name", OTHERS)
def test_without_a_shared_prefix_each_prompt_is_exact(
    name: str, loaded: Callable[[str], Any]
) -> None:
    backbone = loaded(name)
    lengths: list[int] = []
    asked = [Site("residual", 2, prompt=prompt) for prompt in range(3)]
    with watching(backbone._decoder.layers[0], lambda hidden: lengths.append(hidden.shape[1])):
        together = backbone.read(clips(2), asked)
    assert len(lengths) == 3
    for prompt in range(3):
        alone = backbone.read(clips(2), [Site("residual", 2)], asking(backbone, prompt))
        np.testing.assert_array_equal(together[:, prompt], alone[:, 0])


@pytest.mark.parametrize("name", SHARING)
def test_nothing_is_carried_from_one_read_to_the_next(
    name: str, loaded: Callable[[str], Any]
) -> None:
    backbone = loaded(name)
    asked = [site for prompt in range(3) for site in sites(backbone, "residual", prompt)]
    first = backbone.read(clips(2), asked)
    other = dataclasses.replace(clips(1, frames=8, seed=5)[0], index=0)
    backbone.read([other], asked, dataclasses.replace(backbone.recipe, frames=8))
    backbone.explain(other, "describe the scene", 3, 30.0)
    np.testing.assert_array_equal(backbone.read(clips(2), asked), first)


def test_text_before_the_video_shares_no_prefix_and_stays_exact(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    for file in folders("qwen2_5_vl").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    template = (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] != 'video' %}"
        "{{ part['text'] }}{% endif %}{% endfor %} "
        + tiny_models.QWEN_VIDEO
        + " {% endfor %}<s>assistant "
    )
    (tmp_path / "chat_template.jinja").write_text(template)
    backbone: Any = backbones.load(str(tmp_path), device="cpu")
    asked = [Site("residual", 3, prompt=prompt) for prompt in range(3)]
    together = backbone.read(clips(2), asked)
    for prompt in range(3):
        alone = backbone.read(clips(2), [Site("residual", 3)], asking(backbone, prompt))
        np.testing.assert_array_equal(together[:, prompt], alone[:, 0])


def test_memory_that_runs_out_in_the_prefix_leaves_no_hook(loaded: Callable[[str], Any]) -> None:
    backbone = loaded("qwen2_5_vl")
    asked = [Site("residual", 1, prompt=prompt) for prompt in range(2)]
    truth = np.concatenate([backbone.read([segment], asked) for segment in clips(4)])
    sizes: list[int] = []

    def full(hidden: torch.Tensor) -> None:
        sizes.append(len(hidden))
        if len(hidden) > limit:
            raise torch.OutOfMemoryError("injected")

    for limit in (2, 0):
        with watching(backbone._decoder.layers[1], full):
            if limit:
                np.testing.assert_allclose(
                    backbone.read(clips(4), asked), truth, rtol=0, atol=2e-6 * truth.max()
                )
                continue
            with pytest.raises(OutOfMemory, match="segment 0"):
                backbone.read(clips(4), asked)
    assert sizes[:7] == [4, 2, 2, 2, 2, 2, 2]
    assert not any(
        module._forward_pre_hooks or module._forward_hooks for module in backbone._model.modules()
    )


# --- batches


@pytest.mark.parametrize(
    ("one", "room", "count"),
    [
        (10, 100, 8),
        (10, 80, 8),
        (10, 79, 4),
        (10, 9, 1),
        (10, -5, 1),
        (10, 10**9, 16),
        (0, 0, 1),
        (2**33, 2**36, 8),
    ],
)
def test_a_batch_is_the_largest_power_of_two_that_fits(one: int, room: int, count: int) -> None:
    assert _batching.fitting_batch(one, room) == count


def test_a_pass_on_a_cpu_takes_eight_small_segments_always(loaded: Callable[[str], Any]) -> None:
    backbone = loaded("qwen2_5_vl")
    sizes: list[int] = []
    with watching(backbone._decoder.layers[0], lambda hidden: sizes.append(len(hidden))):
        for _ in range(2):
            backbone.read(clips(19), [Site("residual", 0)], asking(backbone, 0))
    assert sizes == [8, 8, 3] * 2
    assert backbone.batch == 8


@pytest.mark.parametrize(
    ("pixels", "sizes"), [(4 * 4096, [4, 1]), (4 * 4095, [2, 2, 1]), (1, [1] * 5)]
)
def test_large_segments_are_read_in_smaller_batches_on_a_cpu(
    pixels: int, sizes: list[int], loaded: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone, seen = loaded("qwen2_5_vl"), list[int]()
    usual = backbone.read(clips(5), [Site("residual", 1)], asking(backbone, 0))
    monkeypatch.setattr(_batching, "CPU_PIXELS", pixels)  # a clip has 4 frames of 32 x 32
    with watching(backbone._decoder.layers[0], lambda hidden: seen.append(len(hidden))):
        values = backbone.read(clips(5), [Site("residual", 1)], asking(backbone, 0))
    assert seen == sizes
    np.testing.assert_allclose(values, usual, rtol=0, atol=1e-5 * np.abs(usual).max())


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA card: how memory sizes a batch is not tested"
)
def test_on_a_card_memory_sizes_the_batch_once(folders: Callable[[str], Path]) -> None:
    backbone: Any = backbones.load(str(folders("qwen2_5_vl")), device="cuda")
    sizes: list[int] = []
    with watching(backbone._decoder.layers[0], lambda hidden: sizes.append(len(hidden))):
        for _ in range(2):
            backbone.read(clips(40), [Site("residual", 0)], asking(backbone, 0))
    assert sizes == [1, 16, 16, 8, 16, 16, 8]


# --- frames


def test_pixels_are_made_once_for_several_prompts_and_never_of_another_clip(
    loaded: Callable[[str], Any],
) -> None:
    processor = loaded("qwen2_5_vl")._processor
    one, other = clips(2)
    truth = [
        make_inputs(processor, clip, tiny_models.PROMPTS[0])["pixel_values_videos"]
        for clip in (one, other)
    ]
    made = make_each(processor, one, dict(enumerate(tiny_models.PROMPTS)), {})
    assert len({inputs["pixel_values_videos"].data_ptr() for inputs in made.values()}) == 1
    assert torch.equal(made[2]["pixel_values_videos"], truth[0])
    with processor.video_processor.keeping(one.frames):  # as while another thread reads `one`
        assert torch.equal(
            make_inputs(processor, other, tiny_models.PROMPTS[0])["pixel_values_videos"], truth[1]
        )
    one.frames[:] = other.frames
    assert torch.equal(
        make_inputs(processor, one, tiny_models.PROMPTS[0])["pixel_values_videos"], truth[1]
    )


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_remembered_prompt_inputs_equal_new_ones(family: str, loaded: Callable[[str], Any]) -> None:
    processor = loaded(family)._processor
    one, other = clips(2)
    frozen = np.repeat(one.frames[:1], len(one.frames), axis=0)  # some families drop its tokens
    still = dataclasses.replace(one, frames=frozen)
    slow = dataclasses.replace(one, times=one.times * 3, end=one.end * 3)  # it starts at 0
    small = dataclasses.replace(one, frames=np.ascontiguousarray(one.frames[:, ::2, ::2]))
    prompts, known = dict(enumerate(tiny_models.PROMPTS)), dict[Any, Any]()
    for clip in (one, other, still, slow, small, one):
        made = make_each(processor, clip, prompts, known)
        for number, prompt in prompts.items():
            fresh = make_inputs(processor, clip, prompt)
            assert made[number].keys() == fresh.keys()
            assert all(torch.equal(made[number][name], value) for name, value in fresh.items())
    assert bool(known) == (family != "internvl")  # whose processor reshapes the pixels as well


def test_inputs_are_prefetched_in_order_and_fail_in_order() -> None:
    begun = [threading.Event() for _ in range(4)]

    def make(item: int) -> int:
        begun[item].set()
        if item == 3:
            raise ValueError("third")
        return item * item

    found = _batching.prefetched(make, range(4))
    for item in range(3):
        assert next(found) == item * item
        assert begun[item + 1].wait(10)  # while the caller still works on this one
    with pytest.raises(ValueError, match="third"):
        next(found)
    assert list(_batching.prefetched(make, [])) == []


def test_several_windows_in_one_read_equal_separate_reads(loaded: Callable[[str], Any]) -> None:
    backbone = loaded("internvl")
    segments, whole = clips(20), sites(backbone, "residual")
    apart = [backbone.read(segments[at : at + 8], whole) for at in (0, 8, 16)]
    np.testing.assert_array_equal(backbone.read(segments, whole), np.concatenate(apart))
