"""Ask a model about one clip: greedy decoding with caps on tokens, time and length.

Where the memory is full the clip is made smaller. The text is for people to read; no score and no
action may depend on it. Knows no files.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones._memory import one_memory_error
from hiprobe.backbones._pixels import resize, to_tensor
from hiprobe.errors import counted
from hiprobe.types import YES_NO, Segment

MAX_CHARACTERS = 2000
TRIES = ((1, 1), (2, 1), (4, 1), (4, 2))


def answer(
    model: Any, tokenizer: Any, inputs: Mapping[str, Tensor], max_tokens: int, deadline_s: float
) -> str:
    """Answer greedily with at most `max_tokens` tokens, none started after `deadline_s` seconds."""
    with torch.inference_mode():
        ids = model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            max_new_tokens=max_tokens,
            max_time=deadline_s,
        )
    new = ids[0, inputs["input_ids"].shape[1] :]
    return cleaned(tokenizer.decode(new, skip_special_tokens=True))


def tries(frames: int, resizable: bool) -> list[tuple[int, int]]:
    """List the ways to show a clip of `frames` frames, to be tried in turn while memory is full.

    Each is (take every n-th frame, divide its height and width by). Frames get smaller only if
    `resizable`: a model that brings every frame to one size gains nothing from that.
    """
    return [
        (step, shrink) for step, shrink in TRIES if step <= frames and (shrink == 1 or resizable)
    ]


def shown_frames(
    ask: Callable[[Segment, float], str],
    segment: Segment,
    sizes: Sequence[tuple[int, int]],
    deadline_s: float,
) -> tuple[str, str]:
    """Return what `ask(clip, seconds left)` answers at the first of `sizes` that fits into memory.

    The second text is a note if the clip was not shown whole. Raises torch.OutOfMemoryError if no
    size fits.
    """
    begun, failure = time.monotonic(), ""
    for step, shrink in sizes:
        try:
            with one_memory_error():
                clip = smaller(segment, step, shrink)
                text = ask(clip, max(0.0, deadline_s - (time.monotonic() - begun)))
            return text, "" if step == shrink == 1 else _note(clip, segment)
        except torch.OutOfMemoryError as error:
            # The error itself would keep alive what did not fit.
            failure = str(error)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise torch.OutOfMemoryError(failure)


def smaller(segment: Segment, step: int, shrink: int) -> Segment:
    """Take every `step`-th frame, with its time, at 1 / `shrink` of the height and width."""
    if step == shrink == 1:
        return segment
    frames, times = segment.frames[step // 2 :: step], segment.times[step // 2 :: step]
    return replace(segment, frames=frames if shrink == 1 else _resized(frames, shrink), times=times)


def _resized(frames: NDArray[np.uint8], shrink: int) -> NDArray[np.uint8]:
    height, width = (max(1, side // shrink) for side in frames.shape[1:3])
    small = resize(to_tensor(frames), (height, width), "bicubic")
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())


def _note(clip: Segment, whole: Segment) -> str:
    count, height, width = clip.frames.shape[:3]
    seen = f"seen in {count} of {counted(len(whole.times), 'frame')}, {width} x {height} pixels"
    return f" [the memory was full: {seen}]"


def cleaned(text: str) -> str:
    """Remove control and format characters, join spaces, and cut to 2,000 characters."""
    kept = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)
    return " ".join(kept.split())[:MAX_CHARACTERS].rstrip()


def says_abnormal(text: str, normal: Sequence[str] | None) -> bool | None:
    """Tell by its first word whether the answer says abnormal; None if it does not say.

    With `normal` words (the model answers with a name) one of them means normal, and any other word
    abnormal. Without them yes means abnormal, no means normal, and anything else None.

    >>> says_abnormal("Yes, a person falls.", None), says_abnormal("normal", ["normal"])
    (True, False)
    """
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        return None
    if normal is not None:
        return words[0] not in {word.lower() for word in normal}
    return dict(zip(YES_NO, (True, False), strict=True)).get(words[0])
