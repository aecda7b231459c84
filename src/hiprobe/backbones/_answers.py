"""Which tokens begin an answer, and which words a tokenizer does not have. Knows no frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hiprobe.types import YES_NO, Site


def answer_logits(tokenizer: Any, logits: Tensor, sites: Sequence[Site]) -> Tensor:
    """Return the logits (batch, sites, answers) of each site's answers, from those of all tokens.

    `logits` (batch, tokens) are those of the next token. The probabilities of the spellings of an
    answer are added (log-sum-exp). Raises ValueError if answers cannot be told apart.
    """
    tokens = [answer_tokens(tokenizer, site.answer_words) for site in sites]
    parts = [[logits[:, one].logsumexp(dim=-1) for one in of_site] for of_site in tokens]
    return torch.stack([torch.stack(part, dim=-1) for part in parts], dim=1)


def answer_tokens(tokenizer: Any, answers: Sequence[str] = YES_NO) -> list[list[int]]:
    """Return for each of `answers` the tokens with which it begins, in its usual spellings.

    Raises ValueError if they cannot be told apart.
    """
    found = [_first_tokens(tokenizer, word) for word in answers]
    if not all(found) or len(set().union(*found)) < sum(map(len, found)):
        words = f"{', '.join(answers[:-1])} and {answers[-1]}"
        raise ValueError(f"its tokenizer does not tell {words} apart by the first token")
    return [sorted(tokens) for tokens in found]


def tells_apart(tokenizer: Any, answers: Sequence[str]) -> bool:
    """Tell whether `answer_tokens` finds every one of `answers`."""
    try:
        answer_tokens(tokenizer, answers)
    except ValueError:
        return False
    return True


def unknown_words(tokenizer: Any, text: str) -> tuple[str, ...]:
    """Return the words of `text` for which the tokenizer has only its token for unknown words.

    Tokenizers that build words from parts know every word.
    """
    if tokenizer.unk_token_id is None:
        return ()
    words = dict.fromkeys(re.findall(r"\w+", text))
    return tuple(word for word in words if tokenizer.unk_token_id in _ids(tokenizer, word))


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _first_tokens(tokenizer: Any, word: str) -> set[int]:
    spellings = {f"{space}{form}" for form in (word, word.title()) for space in ("", " ")}
    ids = [_ids(tokenizer, text) for text in sorted(spellings)]
    firsts = {found[0] for found in ids if found and found[0] != tokenizer.unk_token_id}
    # A lone space says nothing.
    return {token for token in firsts if tokenizer.decode([token]).strip()}
