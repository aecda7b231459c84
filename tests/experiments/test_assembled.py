"""The assembled model on tiny parts: conversion, the whole in the backbone, training, the check."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from experiments.assembled import convert, match, naming, parts, photographs, train, vision
from experiments.assembled.branches import Projector, arrange
from PIL import Image

from hiprobe import backbones
from hiprobe.types import Segment, Site
from training import checkpoints

gguf = pytest.importorskip("gguf")
BLOCKS, WIDTH, HEADS, INNER = 3, 16, 2, 24
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>", "<filename>")
SAYS = ("A dog runs .", "The dog , wet , runs .", "A cat .", "One cat sits .", "Two dogs .")
SETTINGS = train.Settings(
    naming_epochs=1, naming_batch=4, batch=2, warm=2, precision="float32", peak=3e-3
)


def tokens() -> list[str]:
    """The tokenizer's own spelling of single bytes, after the special tokens."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [*SPECIAL, *bytes_to_unicode().values(), "do"]


def drawn() -> dict[str, np.ndarray]:
    """Random weights by their names in a GGUF file, in the layout of transformers."""
    rng, kv = np.random.default_rng(0), WIDTH // 2
    shapes = {"token_embd.weight": (len(tokens()), WIDTH), "output_norm.weight": (WIDTH,)}
    for block in range(BLOCKS):
        shapes |= {
            f"blk.{block}.{name}.weight": shape
            for name, shape in {
                "attn_norm": (WIDTH,),
                "ffn_norm": (WIDTH,),
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (kv, WIDTH),
                "attn_v": (kv, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "ffn_gate": (INNER, WIDTH),
                "ffn_up": (INNER, WIDTH),
                "ffn_down": (WIDTH, INNER),
            }.items()
        }
    return {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


def rotated(weights: np.ndarray, heads: int) -> np.ndarray:
    """Order the rows of a query or key as llama.cpp does: pairs side by side."""
    halves = weights.reshape(heads, 2, len(weights) // heads // 2, WIDTH)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weights.shape))


def write_gguf(file: Path) -> None:
    made: Any = gguf.GGUFWriter(file, "llama")
    made.add_context_length(512)
    made.add_embedding_length(WIDTH)
    made.add_block_count(BLOCKS)
    made.add_feed_forward_length(INNER)
    made.add_head_count(HEADS)
    made.add_head_count_kv(1)
    made.add_vocab_size(len(tokens()))
    made.add_layer_norm_rms_eps(1e-5)
    made.add_rope_freq_base(10000.0)
    made.add_rope_dimension_count(WIDTH // HEADS)
    made.add_tokenizer_model("gpt2")
    made.add_token_list(tokens())
    made.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens()) - len(SPECIAL)))
    made.add_token_merges(["d o"])
    made.add_bos_token_id(1)
    made.add_eos_token_id(2)
    made.add_unk_token_id(0)
    made.add_pad_token_id(2)
    for name, value in drawn().items():
        heads = {"attn_q": HEADS, "attn_k": 1}.get(name.split(".")[-2])
        made.add_tensor(name, rotated(value, heads) if heads else value)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(file)
    return convert.read_gguf(file)


@pytest.fixture(scope="module")
def tower() -> vision.EfficientNetLiteModel:
    """Random weights, normalised by what a few pictures give, so that features differ."""
    torch.manual_seed(0)
    made = vision.EfficientNetLiteModel(vision.EfficientNetLiteConfig())
    for part in made.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        made.train()(torch.randn(4, 3, vision.SIZE, vision.SIZE))
    return made.eval()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, read: tuple[Any, Any], tower: Any) -> Path:
    """HIPROBE_RUNS with the parts as `convert` leaves them, so that nothing is downloaded."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("runs")
    for part in read:
        part.save_pretrained(folder / "assembled" / "language")
    save_file(tower.state_dict(), folder / "assembled" / "vision.safetensors")
    return folder


@pytest.fixture(autouse=True)
def _home(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_RUNS", str(runs))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photographs of 24 x 24 pixels with five captions each."""
    made, rng = tmp_path_factory.mktemp("captions"), np.random.default_rng(0)
    lines = []
    with zipfile.ZipFile(made / "photos.zip", "w") as held:
        for number in range(12):
            picture, data = (
                Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)),
                io.BytesIO(),
            )
            picture.save(data, "JPEG")
            held.writestr(f"{number}.jpg", data.getvalue())
            lines += [f"{number}.jpg#{index}\t{said}" for index, said in enumerate(SAYS)]
    (made / "captions.txt").write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture(scope="module")
def lesson(runs: Path, folder: Path, tower: Any) -> train.Lesson:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIPROBE_RUNS", str(runs))
        return train.prepare(folder, SETTINGS)[1]


def new_projector(lesson: train.Lesson) -> Projector:
    video = lesson.prefix[len(lesson.prefix) // 2]  # most of the question is the frame
    return train.new_projector(SETTINGS, parts.load_parts(), video)


# -- conversion


def test_a_gguf_file_becomes_a_model_of_the_same_weights(read: tuple[Any, Any]) -> None:
    model, words = read
    names = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
        "token_embd": "model.embed_tokens",
        "output_norm": "model.norm",
    }
    state, whole = model.state_dict(), drawn()
    for name, value in whole.items():
        *block, what, _ = name.split(".")
        place = f"model.layers.{block[1]}." if block else ""
        assert np.array_equal(state[f"{place}{names[what]}.weight"].numpy(), value), name
    assert torch.equal(state["lm_head.weight"], state["model.embed_tokens.weight"])
    assert len(state) == len(whole) + 1
    assert words("dog")["input_ids"] != words("cat")["input_ids"]
    assert words.decode(words("A dog.")["input_ids"]) == "A dog."


def test_only_the_file_with_the_pinned_digest_is_unpickled(tmp_path: Path) -> None:
    data = io.BytesIO()
    torch.save({"weight": torch.ones(2)}, data)
    with pytest.raises(convert.SourceError, match=r"SHA-256 must be 5793.*, got "):
        convert.read_pickle(data.getvalue())
    own = replace(convert.VISION, sha256=convert.hashlib.sha256(data.getvalue()).hexdigest())
    assert torch.equal(convert.read_pickle(data.getvalue(), own)["weight"], torch.ones(2))


class Runs:
    """What a hostile pickle holds: a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code ran",))


def test_a_pickle_that_would_run_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    data = io.BytesIO()
    torch.save({"weight": Runs()}, data)
    own = replace(convert.VISION, sha256=convert.hashlib.sha256(data.getvalue()).hexdigest())
    with pytest.raises(pickle.UnpicklingError):
        convert.read_pickle(data.getvalue(), own)
    assert "code ran" not in capsys.readouterr().out


def test_a_file_is_taken_from_a_wheel_in_a_folder(tmp_path: Path) -> None:
    source = convert.Source(
        "some-name", "1.0", "some/file", convert.hashlib.sha256(b"x").hexdigest()
    )
    with zipfile.ZipFile(tmp_path / "some_name-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some/file", b"x")
    assert convert.fetch(source, tmp_path) == b"x"
    with pytest.raises(convert.SourceError, match="SHA-256"):
        convert.fetch(replace(source, sha256="0"), tmp_path)


# -- the vision tower


def test_the_tower_has_a_place_for_every_tensor_of_the_published_file(tower: Any) -> None:
    state, names = tower.state_dict(), vision.published_names(tower)
    published = {theirs: state[ours] for ours, theirs in names.items()}
    assert len(published) == len(state) == 294  # and two of the classifier
    again = vision.new_tower(published).state_dict()
    assert all(torch.equal(again[name], value) for name, value in state.items())
    published.pop("_blocks.15._bn2.weight")
    with pytest.raises(ValueError, match=r"lacks _blocks\.15\._bn2\.weight"):
        vision.new_tower(published)


def test_the_family_pools_the_repeated_cells_to_the_cells(tower: Any) -> None:
    pixels = torch.randn(2, 3, vision.SIZE, vision.SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cells, seen = tower.cells(pixels), tower(pixels).last_hidden_state
    grid = seen.unflatten(1, (14, 14)).permute(0, 3, 1, 2)
    pooled = torch.nn.functional.interpolate(grid, size=(7, 7), mode="bilinear")
    assert cells.shape == (2, 49, 1280)
    assert cells.std() > 0.3
    assert torch.equal(pooled.flatten(2).transpose(1, 2), cells)


# -- photographs and branches


def test_photographs_are_split_by_their_names_alone(folder: Path) -> None:
    known = photographs.load_photographs(folder)
    assert len(known.held_out) == 3
    assert [*known.held_out, *known.trained] == list(range(12))
    assert known.names != tuple(sorted(known.names))
    assert known.captions[0][1] == "The dog, wet, runs."


def test_damaged_features_are_refused(folder: Path, tower: Any, tmp_path: Path) -> None:
    known = photographs.load_photographs(folder)
    first = photographs.load_features(known, tower, tmp_path)([3, 1])
    assert first.shape == (2, 49, 1280)
    assert torch.equal(photographs.load_features(known, tower, tmp_path)([1])[0], first[1])
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(photographs.FeatureError, match="damaged"):
        photographs.load_features(known, tower, tmp_path)


def test_a_caption_is_as_likely_as_in_a_pass_of_the_whole_model_alone(
    lesson: train.Lesson, folder: Path, tmp_path: Path
) -> None:
    """The truth is the loaded model itself, given pixels and one caption."""
    projector = new_projector(lesson)
    trained = parts.named_in_model(projector.state_dict())
    parts.write_model(tmp_path / "model", parts.home() / "frozen", trained, "tiny")
    vision.register()
    model: Any = backbones.load(str(tmp_path / "model"), device="cpu")
    numbers = [5, 2]
    features, said = lesson(numbers)
    with torch.inference_mode():
        found = projector.surprise(features, said)
    captions = [one for number in lesson.said(numbers) for one in number]
    for index in (0, 4, 7):
        frame = lesson.photographs.frames([numbers[index // 5]])
        segment = Segment(frame, np.zeros(1), 0.0, 1.0, 0)
        inputs = model._inputs(segment, {0: train.PROMPT})[0]
        answer = [*captions[index], lesson.words.eos_token_id]
        ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
        with torch.inference_mode():
            logits = model._model(
                input_ids=ids, pixel_values_videos=inputs["pixel_values_videos"]
            ).logits[0, -len(answer) - 1 : -1]
        alone = torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="none")
        assert torch.allclose(found[said.captions == index], alone, atol=2e-3)  # of 16-bit features


def test_a_branch_sees_the_shared_tokens_and_itself_only() -> None:
    said = arrange([7, 8], [[[1, 2, 3], [4, 5]], [[6]]])
    assert said.ids.tolist() == [[7, 8, 1, 2, 4], [7, 8, 0, 0, 0]]
    assert said.positions[0].tolist() == [0, 1, 2, 3, 2]
    assert said.seen[0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    pairs = zip(said.rows.tolist(), said.columns.tolist(), said.targets.tolist(), strict=True)
    assert list(pairs) == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 1, 4), (0, 4, 5), (1, 1, 6)]
    assert said.captions.tolist() == [0, 0, 0, 1, 1, 2]


def test_naming_counts_rare_words_and_any_cell_may_name_one(lesson: train.Lesson) -> None:
    table = torch.eye(4)
    words = naming.Vocabulary.of([[0, 0, 0, 1], [0, 0, 3]], table)
    assert words.numbers.tolist() == [0, 1, 3]
    assert torch.allclose(words.prior.exp(), torch.tensor([5.0, 1.0, 1.0]) / 7)
    assert torch.allclose(words.wanted([[[0, 1], [3, 2]]]), torch.tensor([[0.0, 0.5, 0.5]]))

    class Cells:
        """Two cells that name one word each."""

        def layers(self, features: torch.Tensor) -> torch.Tensor:
            return features

    cells = torch.tensor([[[0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0]]])
    found = naming.surprise(Cells(), words, cells, words.wanted([[[1], [3]]]))  # type: ignore[arg-type]
    odds = np.exp([9.0, 0.0, 0.0]) * np.array([1.0, 5.0, 1.0])
    named = (odds[0] + 1.0 / (1.0 + 5.0 + np.exp(9.0)) * odds.sum()) / odds.sum() / 2
    assert float(found) == pytest.approx(-np.log(named), rel=1e-5)


# -- training


def trained(folder: Path, lesson: train.Lesson, calls: Sequence[int | None]) -> train.Run:
    """A run that stops at each of `calls`."""
    folder.mkdir(exist_ok=True)
    if not (folder / "frozen").exists():
        (folder / "frozen").symlink_to(parts.home() / "frozen")
    for until in calls:
        call = train.Call(until=until, log_every=2, measure_every=4)
        run = train.Run(folder, SETTINGS, call, new_projector(lesson), lesson)
        run.train()
    return run


def test_a_run_that_was_stopped_continues_exactly(
    lesson: train.Lesson, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained(tmp_path / "whole", lesson, [None])
    parts_of = trained(tmp_path / "parts", lesson, [1, 4, None])
    assert whole.step == parts_of.step == 2 + 4
    for one, other in (
        (whole.projector.state_dict(), parts_of.projector.state_dict()),
        (whole.average, parts_of.average),
    ):
        assert all(torch.equal(other[name], value) for name, value in one.items())
    begun = new_projector(lesson).state_dict()
    assert not any(torch.equal(begun[name], value) for name, value in whole.average.items())
    lines = [
        json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    ]
    assert [one["step"] for one in lines if "loss" in one] == [2, 4, 6]
    assert [one["stage"] for one in lines if "loss" in one] == ["naming", "captions", "captions"]
    assert all(np.isfinite(one.get("loss", one.get("held_out"))) for one in lines)


def test_a_damaged_checkpoint_is_not_continued_from(lesson: train.Lesson, tmp_path: Path) -> None:
    trained(tmp_path, lesson, [2, 3])
    (last,) = (tmp_path / "checkpoints").glob("*3.pt")
    last.write_bytes(last.read_bytes()[:-1] + b"\1")
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found["step"] == 2


def test_a_run_is_not_continued_with_other_settings(tmp_path: Path) -> None:
    train.check_settings(tmp_path, SETTINGS)
    train.check_settings(tmp_path, SETTINGS)
    with pytest.raises(ValueError, match="was begun with"):
        train.check_settings(tmp_path, replace(SETTINGS, peak=1.0))


def test_the_written_model_is_read_like_any_other(
    lesson: train.Lesson,
) -> None:
    run = trained(parts.home(), lesson, [1])
    model = backbones.load("experiments.assembled:load", device="cpu")
    assert (model.layers, model.width, model.heads) == (BLOCKS, WIDTH, HEADS)
    assert (model.recipe.frames, model.recipe.size) == (8, (224, 224))
    assert "1 of 6 steps" in str(model.notice)
    frames = np.random.default_rng(0).integers(0, 255, (2, 8, 224, 224, 3), np.uint8)
    segments = [Segment(one, np.arange(8) / 5, 0.0, 1.6, 0) for one in frames]
    sites = [Site("residual", layer) for layer in range(BLOCKS)]
    values = model.read(segments, sites)
    assert values.shape == (2, BLOCKS, WIDTH)
    assert not np.array_equal(values[0], values[1])
    restored = new_projector(lesson)
    match.restore(restored, parts.model_folder())
    assert all(torch.equal(run.average[n], v) for n, v in restored.state_dict().items())


# -- the check


def test_the_share_counts_captions_and_draws_photographs() -> None:
    found = match.share(np.array([[1.0, -1.0], [2.0, 3.0], [-1.0, 0.0], [1.0, 1.0]]))
    assert found.mean == 5 / 8
    assert 0 <= found.low < 5 / 8 < found.high <= 1


def test_a_caption_is_compared_beside_its_own_and_another_photograph(lesson: train.Lesson) -> None:
    projector, numbers = new_projector(lesson), range(6)
    gained = match.gains(projector, lesson, numbers)
    assert gained.shape == (6, 5)
    turned = np.random.default_rng(match.SEED).permutation(6)
    own, other = int(turned[0]), int(turned[1])
    _, said = lesson([own])
    with torch.inference_mode():
        sums = [
            float(projector.surprise(lesson.features([one]), said)[said.captions == 3].sum())
            for one in (own, other)
        ]
    assert gained[0, 3] == pytest.approx(sums[1] - sums[0], abs=1e-4)
