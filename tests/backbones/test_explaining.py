"""Explanations are greedy and capped, and use smaller clips where the memory is full."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.reference_reading import clips, counting, plain_model

from hiprobe.backbones import _explaining, _memory
from hiprobe.backbones._processing import make_inputs
from hiprobe.types import Segment


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
    assert text == " ".join(
        qwen._processor.tokenizer.decode(chosen, skip_special_tokens=True).split()
    )


def test_explain_stops_at_its_deadline(qwen: Any) -> None:
    with counting(qwen._model.get_decoder()) as calls:
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
def test_the_first_word_says_whether_it_is_abnormal(
    text: str, normal: list[str] | None, expected: bool | None
) -> None:
    assert _explaining.says_abnormal(text, normal) is expected


def test_explanations_are_cleaned_and_capped() -> None:
    assert _explaining.cleaned(" a\x1b[31m red\u202e\n\tcar\x00 ") == "a [31m red car"
    assert len(_explaining.cleaned("word " * 1000)) <= 2000


# --- a full memory

STARVED = """
import json, resource, sys
import numpy as np, torch
torch.set_num_threads(1)
from hiprobe import backbones
from hiprobe.errors import EnvironmentFailed
from hiprobe.types import Segment, Site

def clip(count):
    frames = np.random.default_rng(0).integers(0, 256, (count, 720, 1280, 3), dtype=np.uint8)
    return Segment(frames, 100 + (np.arange(count) + 0.5) / 10, 100.0, 100.0 + count / 10, 7)

def with_room(megabytes, call):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, before[1]))
    try:
        return call()
    except EnvironmentFailed as error:  # the limit is that of the user
        return f"EnvironmentFailed {error}", None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)

model = backbones.load(sys.argv[1], device="cpu")
whole, few = clip(16), clip(8)
asked = lambda segment: model.explain(segment, "describe the scene", 4, 60.0)
asked(few)  # what is loaded on first use is not counted
print(json.dumps({
    "enough": with_room(300, lambda: asked(whole)),
    "half": with_room(34, lambda: asked(whole)),
    "nothing": with_room(4, lambda: asked(whole)),
    "chosen": asked(Segment(whole.frames[1::2], whole.times[1::2], whole.start, whole.end, 7)),
    "read": with_room(8, lambda: (model.read([few], [Site("residual", 0)]).shape, None)),
}))
"""


@pytest.fixture(scope="module")
def starved(
    folders: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a process answers whose memory the operating system limits."""
    model = shutil.copytree(folders("qwen2_5_vl"), tmp_path_factory.mktemp("starved") / "model")
    settings = json.loads((model / "hiprobe.json").read_text())
    (model / "hiprobe.json").write_text(json.dumps({**settings, "size": [720, 1280], "frames": 8}))
    command = [sys.executable, "-W", "ignore", "-c", STARVED, str(model)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_a_clip_that_fits_is_shown_whole(starved: dict[str, Any]) -> None:
    assert "memory" not in starved["enough"][0]


def test_a_clip_that_does_not_fit_is_shown_in_fewer_frames_and_says_so(
    starved: dict[str, Any],
) -> None:
    text, abnormal = starved["half"]
    words, note = text.split(" [", 1)
    assert note == "the memory was full: seen in 8 of 16 frames, 1280 x 720 pixels]"
    assert [words, abnormal] == starved[
        "chosen"
    ]  # the answer is that of those frames, at their own times


def test_a_clip_that_never_fits_is_named(starved: dict[str, Any]) -> None:
    assert starved["nothing"][0].startswith(
        "EnvironmentFailed the model needs more: there is not enough memory (ulimit -v: "
    )
    assert starved["read"][0].startswith(
        "EnvironmentFailed the model needs more: there is not enough memory (ulimit -v: "
    )


def test_smaller_clips_equal_a_calculation_by_hand() -> None:
    segment = clips(1, frames=5, size=(40, 30))[0]
    assert _explaining.tries(5, True) == [(1, 1), (2, 1), (4, 1), (4, 2)]
    assert _explaining.tries(5, False) == [(1, 1), (2, 1), (4, 1)]
    assert _explaining.tries(1, True) == [(1, 1)]
    made = [_explaining.smaller(segment, *each) for each in ((2, 1), (4, 1), (4, 2))]
    assert [each.frames.shape for each in made] == [(2, 40, 30, 3), (1, 40, 30, 3), (1, 20, 15, 3)]
    kept = [[1, 3], [2], [2]]
    assert [each.times.tolist() for each in made] == [segment.times[each].tolist() for each in kept]
    np.testing.assert_array_equal(made[0].frames, segment.frames[[1, 3]])
    assert {(each.start, each.end, each.index) for each in made} == {
        (segment.start, segment.end, segment.index)
    }


def test_halved_frames_keep_their_picture() -> None:
    """Left dark, right bright: so at half the size."""
    segment = clips(1, frames=4, size=(40, 40))[0]
    halves = np.zeros_like(segment.frames)
    halves[:, :, 20:] = 200
    small = _explaining.smaller(dataclasses.replace(segment, frames=halves), 4, 2).frames
    assert small.shape == (1, 20, 20, 3)
    assert small[:, :, :8].max() < 10
    assert small[:, :, 12:].min() > 190


@pytest.mark.parametrize("full", [1, 2, 3])
def test_each_try_is_smaller_and_shares_one_deadline(qwen: Any, full: int) -> None:
    """The memory is full for the first `full` tries; all of them together keep to the deadline."""
    seen: list[tuple[int, float]] = []

    def ask(clip: Segment, seconds: float) -> str:
        seen.append((len(clip.times) * clip.frames.shape[1], seconds))
        if len(seen) <= full:
            raise torch.OutOfMemoryError("full")
        return "a word"

    text, note = _explaining.shown_frames(
        ask, clips(1, frames=8)[0], _explaining.tries(8, True), 5.0
    )
    assert text == "a word"
    assert note.startswith(" [the memory was full: seen in ")
    sizes, left = zip(*seen, strict=True)
    assert list(sizes) == sorted(set(sizes), reverse=True)
    assert list(left) == sorted(left, reverse=True)
    assert left[0] <= 5.0


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (
            RuntimeError("alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("The size of tensor a (3) must match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_a_full_memory(error: Exception, full: bool) -> None:
    assert _memory.ran_out(error) is full
    with pytest.raises(torch.OutOfMemoryError if full else type(error)), _memory.one_memory_error():
        raise error
