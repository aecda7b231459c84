"""Run whole benchmark scripts on tiny shapes; test what they count and compare."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.early_exit import batch, reader, trimming
from tests.support.numbered_videos import numbers, recipe, steady, truth, write
from torch import nn
from torch.nn import functional

from benchmarks import batch as batches
from benchmarks import clips, counting, early_exit, gpu, gpu_check, shapes, transformers_loop
from hiprobe import video
from hiprobe.backbones._batching import cpu_batch


@pytest.fixture
def run_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Run a script's `main` and return the tables that it wrote.

    Checks that the script succeeded and printed its tables.
    """

    def run(script: Any, *options: str) -> list[list[dict[str, Any]]]:
        file = tmp_path / "figures.json"
        monkeypatch.setattr(sys, "argv", ["script", *options, "--json", str(file)])
        threads = torch.get_num_threads()
        assert not script.main()
        torch.set_num_threads(threads)
        result, shown = json.loads(file.read_text()), capsys.readouterr().out
        assert {"cpu", "cores", "threads", "torch"} <= result["machine"].keys()
        assert all(title in shown and rows for title, rows in result["tables"].items())
        return list(result["tables"].values())

    return run


def test_the_gpu_check_passes_on_tiny_shapes(run_script: Callable[..., Any]) -> None:
    tables = run_script(gpu_check, "--small", "--device", "cpu")
    assert len(tables) == len(shapes.LARGE)
    for rows in tables:
        found = {row["check"]: row for row in rows}
        assert not [row for row in rows if row["holds"] == "NO"]
        assert found["early exit after each block against the whole pass"]["value"] == 0
        assert found["pass to block 2, one segment, peak beside the weights"]["value"] is None


def test_the_gpu_benchmark_runs_completely_on_tiny_shapes(run_script: Callable[..., Any]) -> None:
    tables = run_script(gpu, "--small", "--device", "cpu", "--segments", "4", "--rounds", "1")
    assert len(tables) == 1 + 6 * len(shapes.LARGE)
    rows = [row for table in tables for row in table]
    for row in rows:
        for cameras in {"cameras at 30 fps", gpu.MEMORY} & row.keys():
            # a camera gives one segment every 1.6 s, or one chunk every 10 s
            given = 1.6 * row.get("segments per second", 0) + 10 * row.get("chunks per second", 0)
            assert row[cameras] == pytest.approx(given)
    shares = [row["share of the ceiling"] for row in rows if row.get("share of the ceiling")]
    assert len(shares) == 2 * len(shapes.LARGE)
    assert all(0 < share < 1 for share in shares)


@pytest.mark.parametrize("script", [gpu, gpu_check])
def test_a_machine_without_a_gpu_gets_a_message_and_exit_code_2(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "--device", "cpu"])
    assert script.main() == 2
    assert "no CUDA card" in capsys.readouterr().err


def test_the_early_exit_and_batch_benchmarks_run_completely(run_script: Callable[..., Any]) -> None:
    by_layer, by_prompts, by_method = run_script(early_exit, "--segments", "1", "--rounds", "1")
    assert sum(row["run"].endswith("trimmed") for row in by_layer) == 8
    assert max(row["differs by (of scale)"] for row in by_prompts[1:]) < 5e-5
    assert [row["of hiprobe"] == 1 for row in by_method if row["run"].startswith("hiprobe")] == [
        True
    ] * 2
    (sizes,) = run_script(batches, "--segments", "4", "--rounds", "1")
    assert [row["batch"] for row in sizes] == [1, 2, 4]
    assert cpu_batch(16, 448, 448) == 1, "the bound on a pass holds again"


# --- what they count ---


def test_operations_and_bytes_of_a_product_are_those_counted_by_hand() -> None:
    left, right = torch.ones(3, 5), torch.ones(5, 7)
    found = counting.count(lambda: left @ right)
    assert found.operations == 2 * 3 * 5 * 7
    assert found.bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)
    assert counting.count(lambda: left.t()) == counting.Counts()  # a view moves nothing


@pytest.mark.parametrize("causal", [False, True])
def test_operations_of_attention_are_those_counted_by_hand(causal: bool) -> None:
    query, key = torch.ones(2, 4, 6, 8), torch.ones(2, 4, 6, 8)
    found = counting.count(
        lambda: functional.scaled_dot_product_attention(query, key, key, is_causal=causal)
    )
    assert found.operations == 2 * 2 * (2 * 4) * 6 * 6 * 8 // (2 if causal else 1)


def test_operations_of_a_linear_layer_are_twice_its_weights_per_row() -> None:
    layer = nn.Sequential(nn.Linear(16, 32, bias=False), nn.GELU(), nn.Linear(32, 16, bias=False))
    for inference in (False, True):  # torch dispatches other operations in inference mode
        with torch.inference_mode(inference):
            assert counting.count(lambda: layer(torch.ones(10, 16))).operations == 2 * 10 * (
                16 * 32 + 32 * 16
            )


def test_counting_stops_at_the_layer_that_is_read() -> None:
    backbone = shapes.build("Qwen2.5-VL-7B", True, "cpu", torch.float32)
    inputs = batch(backbone, clips.noise(backbone.recipe, 1), backbone.recipe.prompts[0])
    found = [counting.count(reader(backbone, inputs, layer)).operations for layer in range(4)]
    steps = np.diff(found)
    block = backbone._decoder.layers[1]
    weights = sum(p.numel() for name, p in block.named_parameters() if name.endswith("proj.weight"))
    tokens = inputs["input_ids"].shape[1]
    attention = 4 * backbone.heads * tokens**2 * backbone.head_width // 2
    assert steps.tolist() == [2 * tokens * weights + attention] * 3


# --- what they compare ---


@pytest.mark.parametrize("name", shapes.LARGE)
def test_the_large_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        family = shapes.LARGE[name]
        config = family.config(dict.fromkeys([*family.specials, *family.named.values()], 5))
        import transformers

        model = getattr(transformers, config.architectures[0])(config)
    count = sum(parameter.numel() for parameter in model.parameters())
    # The sizes on the models' pages of the hub.
    published = {"Qwen2.5-VL-7B": 8.29e9, "InternVL3-8B": 7.94e9}
    assert count == pytest.approx(published[name], rel=1e-3)
    assert len(model.get_decoder().layers) == 28


def test_the_plain_loop_uses_the_same_frames_as_hiprobe(tmp_path: Path) -> None:
    times = steady(64, 10)
    path = write(tmp_path / "a.mp4", times, rate=10)
    for segment in video.segments(path, recipe(frames=8)):
        own = transformers_loop.segment_of(path, recipe(frames=8), segment.index)
        assert numbers(own) == numbers(segment) == truth(times, segment.start, segment.end, 8)


def test_trimming_is_close_and_leaves_the_model_unchanged() -> None:
    backbone = shapes.build("InternVL3-8B", True, "cpu", torch.float32)
    for parameter in backbone._model.parameters():
        nn.init.normal_(parameter, std=0.2)
    inputs = batch(backbone, clips.noise(backbone.recipe, 2), backbone.recipe.prompts[0])
    whole, cut = reader(backbone, inputs, 2)(), trimming(backbone, inputs, 2)()
    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))
    after = reader(backbone, inputs, 2)()
    assert torch.equal(after, whole)  # trimming leaves no hook in the model


def test_a_failed_check_is_reported() -> None:
    backbone = shapes.build("Qwen2.5-VL-7B", True, "cpu", torch.float32)
    segments = clips.noise(backbone.recipe, 2)
    block = backbone._decoder.layers[1]
    sound = gpu_check.full_pass(backbone, segments[0])
    calls: list[int] = []

    def drift(module: Any, given: Any, output: Any) -> Any:
        calls.append(1)
        return (
            output + len(calls)
            if isinstance(output, torch.Tensor)
            else (output[0] + len(calls), *output[1:])
        )

    handle = block.register_forward_hook(drift, prepend=True)
    rows = gpu_check.exactness(backbone, segments)
    handle.remove()
    assert rows[0]["holds"] == "NO"
    assert (gpu_check.full_pass(backbone, segments[0]) == sound).all()
