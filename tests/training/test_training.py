"""Test that rendered clips match their labels, and that the training pass is the stock model's."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training.drawn import draw, events, scenes
from training.drawn.clips import (
    ABNORMAL,
    FAMILIES,
    PLACES,
    STATES,
    make_clip,
    make_video,
    training_clip,
)
from training.feed import SLOTS, encode, layout, prefix
from training.model import Shape, by_patch, patches
from training.optimisers import optimisers
from training.sample import motion
from training.segments import SIZE, TIMES
from training.train import FAMILIES as MODELS
from training.train import Settings, look_weight, rate
from training.world import happenings
from training.world.places.places import random_place

from hiprobe.backbones import auto
from hiprobe.methods import load as load_method
from hiprobe.types import Segment
from training import ship, text


def clip(
    seed: int, kind: str | None, onset: float = -1.0, family: str = "seen", strength: float = 0.0
):
    return make_clip(np.random.default_rng(seed), family, kind, onset, strength=strength)


def test_a_box_covers_exactly_the_pixels_inside_it() -> None:
    frames = np.zeros((1, 40, 40, 3), np.float32)
    draw.paint(frames, draw.rect(0.25, 0.5, 0.75, 1.0, (1.0, 0.5, 0.0))[:, None].astype(np.float32))
    inside = np.zeros((40, 40))
    inside[20:, 10:30] = 1.0
    np.testing.assert_allclose(frames[0, ..., 0], inside, atol=1e-5)
    np.testing.assert_allclose(frames[0, ..., 1], inside / 2, atol=1e-5)


def test_the_camera_transform_is_an_affine_map() -> None:
    prims = draw.capsule(0.2, 0.3, 0.8, 0.5, 0.1, (1, 1, 1))
    moved = draw.transform(prims, 2.0, np.pi / 2, (0.1, 0.0))[0]
    np.testing.assert_allclose(
        moved[1:5], [0.5 - 2 * -0.2 + 0.1, 0.5 + 2 * -0.3, 0.6, 0.5 + 2 * 0.3], atol=1e-6
    )
    assert moved[5] == pytest.approx(0.2)


@pytest.mark.parametrize("kind", [None, *events.LOOK_ALIKES, *sorted(ABNORMAL)])
def test_equal_seeds_give_equal_clips_and_other_seeds_other_clips(kind: str | None) -> None:
    first, again, other = clip(3, kind), clip(3, kind), clip(4, kind)
    assert first.frames.dtype == np.uint8
    assert first.frames.shape == (8, SIZE, SIZE, 3)
    np.testing.assert_array_equal(first.frames, again.frames)
    assert (first.frames != other.frames).any()
    assert first.abnormal == (kind in ABNORMAL)


def test_a_clip_before_the_onset_of_an_anomaly_is_normal() -> None:
    before, under_way = clip(5, "fire", onset=2.0), clip(5, "fire", onset=-1.0)
    assert not before.abnormal
    assert text.describe(before).startswith("normal")
    assert under_way.abnormal
    assert text.describe(under_way).startswith("fire")


@pytest.mark.parametrize("kind", ["fire", "explosion"])
def test_the_stated_place_is_where_the_pixels_turn_orange(kind: str) -> None:
    for seed in range(6):
        found = clip(seed, kind, onset=0.75)
        warm = found.frames[..., 0].astype(float) - found.frames[..., 2]
        glow = np.clip(warm[4:].max(0) - warm[:3].max(0) - 40, 0, None).sum(0)
        if glow.sum() > 0:
            brightest = np.argmax(np.convolve(glow, np.ones(9), "same")) / SIZE
            assert found.x == pytest.approx(brightest, abs=0.12)
            assert found.place in PLACES


def test_families_share_no_scene_and_training_draws_no_unseen_types() -> None:
    names = {family: {make.__name__ for make in makers} for family, makers in FAMILIES.items()}
    assert not names["seen"] & names["unseen"]
    assert not (names["seen"] | names["unseen"]) & names["final"]
    kinds = {training_clip(np.random.default_rng(i)).kind for i in range(150)}
    assert kinds <= {None, *events.LOOK_ALIKES, *events.ANOMALIES}
    assert {"fight", "fall", "hug", None} <= kinds
    assert scenes.street in FAMILIES["seen"]


def test_the_training_mixture_is_the_one_in_the_model_card() -> None:
    found = [training_clip(np.random.default_rng([9, i])) for i in range(400)]
    assert np.mean([c.abnormal for c in found]) == pytest.approx(0.45, abs=0.07)
    assert np.mean([c.kind in events.LOOK_ALIKES for c in found]) == pytest.approx(0.25, abs=0.07)


def test_a_video_shows_its_event_between_the_stated_times() -> None:
    spans = [("fire", 4.0, 7.0)]
    frames, truth = make_video(
        np.random.default_rng(1), "seen", spans, 12.0, size=96, strength=0.0, busy=0
    )
    assert len(frames) == 120
    assert truth == [(4.0, 7.6)]
    orange = ((frames[..., 0].astype(int) - frames[..., 2]) > 110).reshape(120, -1).sum(1)
    assert orange[50:70].min() > orange[:35].max()
    assert orange[50:70].min() > orange[85:].max()


@pytest.mark.parametrize("tokens", [36, 73])
def test_every_sentence_fits_its_slot_and_is_decoded_unchanged(tokens: int) -> None:
    words = text.tokenizer()
    for kind, style in itertools.product(text.SENTENCE, text.STYLES):
        answer = text.describe(text.Content(kind, True, "middle", 1, 0), style)
        assert text.name_of(answer, style) == text.NAME[kind]
        pairs = [
            (max(text.DESCRIBE, key=len), answer),
            (text.YES_NO, "no"),
            (text.WHERE, "in the middle part"),
        ]
        ids, weight = encode(words, pairs, tokens)
        first = prefix(tokens)
        assert len(ids) == first + sum(SLOTS)
        answer_ids = ids[first : first + SLOTS[0]][(weight > 0).roll(1)[first : first + SLOTS[0]]]
        assert words.decode(answer_ids, skip_special_tokens=True) == answer
        assert words.unk_token_id not in ids


@pytest.mark.parametrize("name", MODELS)
def test_the_training_pass_equals_what_the_pipeline_reads_from_the_stock_model(
    name: str, tmp_path: Path
) -> None:
    family = MODELS[name]
    family.save(*family.build(3), tmp_path)
    backbone = auto.load(str(tmp_path))
    net = family.Trainee(backbone._model, 5).eval()
    words = text.tokenizer()
    positions, mask = layout(family, net.model, words, family.TOKENS)
    frames = clip(7, "fight", strength=1.0).frames
    pairs = [(text.PROMPT, "normal."), (text.YES_NO, "no"), (text.WHERE, "nowhere")]
    ids, _ = encode(words, pairs, family.TOKENS)
    ask = (
        prefix(family.TOKENS)
        + len(words(f"{text.PROMPT}<|im_end|><|im_start|>assistant")["input_ids"])
        - 1
    )
    with torch.no_grad():
        seen = net.see(torch.from_numpy(frames)[None])
        final = net.speak(seen, ids[None], positions, mask)
    sites = load_method("output_layer").sites(backbone.layers, backbone.heads)
    read = backbone.read([Segment(frames, TIMES, 0.0, 1.6, 0)], sites)
    with torch.no_grad():
        expected = net.model.model.language_model.norm(torch.from_numpy(read[0]))
    torch.testing.assert_close(final[0, ask], expected[0], rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_questions_do_not_attend_to_each_other(name: str) -> None:
    family = MODELS[name]
    model, words = family.build(3)
    net = family.Trainee(model, 5).eval()
    positions, mask = layout(family, model, words, family.TOKENS)
    frames = torch.from_numpy(clip(8, "fall").frames)[None]
    pairs = [(text.PROMPT, "normal."), (text.YES_NO, "no"), (text.WHERE, "nowhere")]
    changed = [pairs[0], (text.YES_NO, "yes"), pairs[2]]
    with torch.no_grad():
        seen = net.see(frames)
        one, two = (
            net.speak(seen, encode(words, p, family.TOKENS)[0][None], positions, mask)
            for p in (pairs, changed)
        )
    first = prefix(family.TOKENS) + SLOTS[0]
    last = first + SLOTS[1]
    torch.testing.assert_close(one[:, :first], two[:, :first])
    torch.testing.assert_close(one[:, last:], two[:, last:])
    assert not torch.equal(one, two)


@pytest.mark.parametrize("name", MODELS)
def test_the_label_of_a_cell_belongs_to_the_video_tokens_at_its_place(name: str) -> None:
    family = MODELS[name]
    shown = torch.zeros(1, 36, 5)
    shown[0, 4 * 6 + 5, 2] = 1  # the fifth row, the last column: the lower right of the frame
    found = family.cells(shown)
    assert (
        found.shape
        == family.Trainee(family.build(3)[0], 5).look(torch.zeros(1, family.TOKENS, 160)).shape
    )
    tokens = found[0, :, 2].nonzero()[:, 0].tolist()
    assert tokens == ([29] if name == "qwen2_5_vl" else [9 * frame + 8 for frame in range(8)])


def test_only_the_wanted_states_equal_those_among_all() -> None:
    model, words = MODELS["qwen2_5_vl"].build(3)
    net = MODELS["qwen2_5_vl"].Trainee(model, 5).eval()
    positions, mask = layout(MODELS["qwen2_5_vl"], model, words, 36)
    pairs = [(text.PROMPT, "normal."), (text.YES_NO, "no"), (text.WHERE, "nowhere")]
    ids, weight = (part[None] for part in encode(words, pairs))
    frames = torch.from_numpy(clip(8, "fall").frames)[None]
    with torch.no_grad():
        seen = net.see(frames)
        every = net.speak(seen, ids, positions, mask)
        some = net.speak(seen, ids, positions, mask, weight > 0)
    torch.testing.assert_close(some, every[weight > 0])


def test_a_larger_model_is_read_by_the_pipeline_as_it_was_trained(tmp_path: Path) -> None:
    family, shape = MODELS["qwen2_5_vl"], Shape(128, 2, 64, 3, 96)
    family.save(*family.build(3, shape), tmp_path, "sentence")
    backbone = auto.load(str(tmp_path))
    assert backbone.recipe.size == (128, 128)
    net = family.Trainee(backbone._model, 5).eval()
    words = text.tokenizer()
    positions, mask = layout(family, net.model, words, shape.tokens)
    frames = make_clip(np.random.default_rng(7), "seen", "fight", size=128).frames
    pairs = [(text.PROMPT, "normal."), (text.YES_NO, "no"), (text.WHERE, "nowhere")]
    ids, weight = encode(words, pairs, shape.tokens)
    with torch.no_grad():
        final = net.speak(net.see(torch.from_numpy(frames)[None]), ids[None], positions, mask)
    sites = load_method("output_layer").sites(backbone.layers, backbone.heads)
    read = backbone.read([Segment(frames, TIMES, 0.0, 1.6, 0)], sites)
    with torch.no_grad():
        expected = net.model.model.language_model.norm(torch.from_numpy(read[0]))
    ask = int((weight > 0).nonzero()[0])
    torch.testing.assert_close(final[0, ask], expected[0], rtol=2e-4, atol=2e-4)


def test_the_default_shape_is_that_of_the_shipped_model() -> None:
    words = text.tokenizer()
    made = MODELS["qwen2_5_vl"].config(words).to_dict()
    shipped = json.loads((ship.HOME / "model" / "config.json").read_text())
    for part in ("text_config", "vision_config"):
        for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "depth"):
            assert made[part].get(name) == shipped[part].get(name)


def test_only_an_answer_that_begins_with_a_name_has_a_verdict() -> None:
    assert MODELS["qwen2_5_vl"].recipe(96, "name")["verdict"] == {"normal": ["normal"]}
    assert "verdict" not in MODELS["qwen2_5_vl"].recipe(96, "sentence")


def test_the_yes_or_no_answer_counts_as_often_as_asked() -> None:
    words = text.tokenizer()
    pairs = [(text.PROMPT, "fight, two people hit each other."), (text.YES_NO, "yes"), (text.WHERE, "in the left part")]  # fmt: skip
    ids, weight = encode(words, pairs, yes_no=6.0)
    said = {words.decode(ids[at + 1]): float(weight[at]) for at in weight.nonzero()[:, 0]}
    assert said["yes"] == 6.0
    assert said["fight"] == 2.0
    assert said["left"] == 3.0
    assert said["people"] == 1.0


def test_every_state_of_every_renderer_has_words() -> None:
    text.check_states(STATES)
    with pytest.raises(ValueError, match="no words for juggle, swim"):
        text.check_states(["swim", "walk", "juggle"])


def test_every_act_of_the_world_has_words() -> None:
    groups = [*(g for g, _ in (*happenings.LOOK_ALIKES, *happenings.ANOMALIES))]
    ordinary = [maker for maker, _ in (*happenings.ORDINARY.values(), *happenings.TRAFFIC.values())]
    for index, maker in enumerate([*(m for g in groups for m in g.values()), *ordinary]):
        rng = np.random.default_rng([7, index])
        text.check_states([maker(rng, random_place(rng, lanes=True), TIMES + 1).state])


def test_facts_are_asked_only_where_the_answer_is_clear() -> None:
    for question, (yes, unclear) in text.FACTS.items():
        assert yes | unclear <= set(text.STATES), question
        assert not yes & unclear, question
    content = text.Content("rest", False, "left", 1, 0, ("rest",))
    asked = {e.question: e.answer for i in range(300) for e in text.exchanges(np.random.default_rng(i), content)}  # fmt: skip
    assert "Is someone on the ground?" not in asked
    assert asked["Do people fight?"] == asked[text.YES_NO] == "no"
    assert asked[text.WHERE] == "in the left part"
    assert asked["How many people are there?"] == "one"


def test_the_learning_rate_rises_holds_and_falls() -> None:
    settings = Settings(steps=1000, warm=100, hold=0.5, peak=1.0)
    found = [rate(step, settings) for step in (0, 99, 499, 750, 999)]
    assert found == pytest.approx([0.01, 1.0, 1.0, 0.51, 0.02], abs=0.01)
    assert [look_weight(s, settings) for s in (0, 250, 999)] == pytest.approx([2.0, 1.0, 0.2])


def test_what_moves_is_in_the_order_of_the_patches() -> None:
    values = np.random.default_rng(0).integers(0, 255, (12, 12), np.uint8)
    frames = np.tile(np.kron(values, np.ones((8, 8), np.uint8))[None, ..., None], (8, 1, 1, 3))
    cut = patches(torch.from_numpy(frames)[None])[0].float().mean(-1)
    rows = torch.from_numpy(values.reshape(1, 144, 1)).float()
    torch.testing.assert_close(by_patch(rows)[0, :, 0], cut)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_motion_of_a_part_of_the_picture_is_scaled_and_mirrored(mirrored: bool) -> None:
    trace = np.zeros((8, 24, 24, 3), np.int8)
    trace[:, 6:12, 12:18] = (127, 32, -16)  # to the right by one width a second, up by a half
    found = motion(trace, (0.5, 0.25, 1.0, 0.75), mirrored, 12, 8).reshape(12, 12, 8, 3)
    on = np.zeros((12, 12), bool)
    on[:6, 6:] = mirrored
    on[:6, :6] = not mirrored
    np.testing.assert_allclose(found[on][:, 0], [[1.0, -2.0 if mirrored else 2.0, -1.0]] * on.sum())
    assert not found[~on].any()
    assert np.isnan(motion(None, (0, 0, 1, 1), False, 12, 8)).all()


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_one_step_of_the_optimisers_moves_every_weight(kind: str) -> None:
    torch.manual_seed(0)
    net = torch.nn.ModuleDict(
        {"proj": torch.nn.Conv3d(3, 8, (2, 4, 4)), "mlp": torch.nn.Linear(8, 6)}
    )
    before = {name: value.clone() for name, value in net.state_dict().items()}
    steps = optimisers(net, kind, 0.05)
    steps.set_rate(0.01)
    net["mlp"](net["proj"](torch.randn(64, 3, 2, 4, 4)).flatten(1)).square().sum().backward()
    steps.step()
    assert all(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(one.grad is None for one in net.parameters())
    if kind == "muon":  # all directions move by about the same amount
        moved = (net["proj"].weight.detach() - 0.9995 * before["proj.weight"]).flatten(1)
        sizes = torch.linalg.svdvals(moved)
        assert sizes.max() < 3 * sizes.min()
