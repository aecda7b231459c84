"""The words about an event that formats share. Knows event lines only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ANOMALY = "anomaly"  # the label of an event to which a probe gave none


def label_of(line: Mapping[str, Any]) -> str:
    r"""Return the label of an event on one line, `anomaly` if it has none.

    >>> label_of({"label": None}), label_of({"label": "a\nfall"})
    ('anomaly', 'a fall')
    """
    return plain(line["label"] or "") or ANOMALY


def title_of(line: Mapping[str, Any]) -> str:
    """Return the label and the explanation of an event on one line.

    >>> title_of({"label": "fall", "explanation": "a person lies on the ground"})
    'fall: a person lies on the ground'
    """
    parts = [plain(line[key] or "") for key in ("label", "explanation")]
    return ": ".join(filter(None, parts)) or ANOMALY


def caption(line: Mapping[str, Any]) -> str:
    """Return the label and the score of an event; of a demoted one, also the model's log-odds."""
    head = line["label"] or "event"
    if line["peak_score"] is not None:
        head += f" (score {line['peak_score']:.2f})"
    if line["severity"] == "low":
        odds = line["verification"]["log_odds"]
        head = f"demoted{'' if odds is None else f', log-odds {odds:+.1f}'}: {head}"
    return head


def plain(text: str) -> str:
    r"""Return text on one line, without control characters.

    >>> plain("one\r\n two\x07")
    'one two�'
    """
    return " ".join(
        "".join(
            c if c.isprintable() or c.isspace() or ord(c) > 159 else "\ufffd" for c in text
        ).split()
    )


def tiled(
    lines: Sequence[Mapping[str, Any]], spans: Sequence[tuple[int, int]], end: int, between: str
) -> list[tuple[int, int, str]]:
    """Cover a video from 0 to `end` with chapters: the events, and `between` before and after each.

    `spans` are those of the events in the unit of `end`. An event that overlaps the one before it
    begins where that one ends; one for which there is no room is named in the same chapter.

    >>> lines = [{"label": "fall", "explanation": None}]
    >>> tiled(lines, [(1600, 4800)], 8000, "no event")
    [(0, 1600, 'no event'), (1600, 4800, 'fall'), (4800, 8000, 'no event')]
    """
    found: list[tuple[int, int, str]] = []
    at = 0
    for line, (start, stop) in zip(lines, spans, strict=True):
        start, stop = max(at, min(start, end - 1)), min(stop, end)
        if stop <= start and found:
            first, last, title = found[-1]
            found[-1] = (first, last, f"{title}; {title_of(line)}")
            continue
        found += [(at, start, between)] * (start > at)
        found.append((start, stop, title_of(line)))
        at = stop
    return found + [(at, end, between)] * (end > at)
