"""The model's own words on one clip: greedy decoding with caps on tokens, time and length, and the verdict in them.

Knows no files. The text is for people to read; no score and no action may depend on it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

MAX_CHARACTERS = 2000
YES, NO = ("yes",), ("no",)


def answer(model: Any, tokenizer: Any, inputs: Mapping[str, Tensor], max_tokens: int, deadline_s: float) -> str:
    """The greedy answer, at most `max_tokens` tokens; no token is started after `deadline_s` seconds."""
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


def cleaned(text: str) -> str:
    """The text without control and format characters, spaces joined, at most 2,000 characters."""
    kept = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)
    return " ".join(kept.split())[:MAX_CHARACTERS].rstrip()


def verdict(text: str, normal: Sequence[str] | None) -> bool | None:
    """Whether the answer says abnormal, by its first word; None if it does not say.

    With `normal` words (the model answers with a name): one of them means normal, any other word abnormal. Without:
    yes means abnormal, no normal, anything else None.
    """
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        return None
    if normal is not None:
        return words[0] not in {word.lower() for word in normal}
    return {YES[0]: True, NO[0]: False}.get(words[0])


def answer_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The first tokens of yes and of no, in their usual spellings; raises ValueError if they cannot be told apart."""
    yes, no = (_first_tokens(tokenizer, words) for words in (YES, NO))
    if not yes or not no or yes & no:
        raise ValueError("its tokenizer does not tell yes from no by the first token")
    return sorted(yes), sorted(no)


def _first_tokens(tokenizer: Any, words: Sequence[str]) -> set[int]:
    spellings = [f"{space}{form}" for word in words for form in (word, word.title()) for space in ("", " ")]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in spellings]
    firsts = {found[0] for found in ids if found and found[0] != tokenizer.unk_token_id}
    return {token for token in firsts if tokenizer.decode([token]).strip()}  # a lone space says nothing
