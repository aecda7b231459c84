"""Times, scores, names and probes as text for a picture, a page or a terminal. Knows no result."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hiprobe.errors import counted
from hiprobe.types import Scores, Verification

if TYPE_CHECKING:
    from hiprobe.probe import Probe

FITTED_ON = "this probe was fitted on this video: its scores say nothing about new videos"


def clock(seconds: float, digits: int = 1) -> str:
    """Write seconds as `m:ss.s`, or `h:mm:ss.s` from one hour, rounded to `digits` decimals."""
    unit = 10**digits
    total, rest = divmod(round(max(0.0, seconds) * unit), unit)
    minutes = f"{total // 60}" if total < 3600 else f"{total // 3600}:{total // 60 % 60:02d}"
    return f"{minutes}:{total % 60:02d}" + (f".{rest:0{digits}d}" if digits else "")


def wall_clock(recorded: str | None, seconds: float = 0.0) -> str:
    """Write the date and time of a moment of a video, `seconds` after the time of recording.

    "" where that is not known.

    >>> wall_clock("2026-11-29T09:00:00", 61.5)
    '2026-11-29 09:01:01'
    """
    try:
        moment = datetime.fromisoformat(recorded or "") + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return ""
    return moment.replace(microsecond=0).isoformat(" ").replace("+00:00", " UTC")


def printable(text: str) -> str:
    """Put text on one line, without control and direction characters, which a terminal obeys."""
    obeyed = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return " ".join("".join(" " if unicodedata.category(c) in obeyed else c for c in text).split())


def two(score: float | None) -> str:
    """Write a score with two decimals; "" for None."""
    return "" if score is None else f"{score:.2f}"


def count(events: int, demoted: int = 0) -> str:
    """Write numbers of alarms and of demoted events.

    >>> count(0), count(1), count(2, demoted=3)
    ('no event', '1 event', '2 events, 3 demoted')
    """
    alarms = counted(events, "event") if events else "no event"
    return f"{alarms}, {demoted} demoted" if demoted else alarms


def left_out(demoted: int, alarms: int) -> str:
    """Say how many demoted events are not listed beside the alarms; "" for none.

    >>> left_out(2, alarms=1)
    "2 more events were rejected by the model's own check; --show-demoted lists them"
    """
    more = counted(demoted, "more event" if alarms else "event")
    were, them = ("was", "it") if demoted == 1 else ("were", "them")
    said = f"{more} {were} rejected by the model's own check; --show-demoted lists {them}"
    return said if demoted else ""


def check_words(verification: Verification) -> str:
    """Say in words what the model's own check of an event found.

    >>> check_words(Verification("confirmed", 2.125))
    'confirmed by the model (log-odds +2.1)'
    """
    said = {
        "confirmed": "confirmed by the model",
        "rejected": "rejected by the model",
        "unsure": "the model is unsure",
        "not_checked": "not checked",
    }[verification.result]
    odds = verification.log_odds
    return said if odds is None else f"{said} (log-odds {odds:+.1f})"


# What a model writes about an event that it takes for normal: it begins with the word, or says it.
_NORMAL = re.compile(
    r"\W*(this (video|clip|scene) (shows|is) )?"
    r"(normal\b|nothing (is |looks |seems )?(abnormal|unusual|suspicious|anomalous|happen)"
    r"|no(thing)? (abnormal|unusual|suspicious|anomal|incident|event)|everything (is|looks) normal)"
    r"|.*\b(?<!not )(?<!n't )(is|are|looks?|seems?|appears?)( to be)?"
    r" (entirely |completely |quite )?normal\b"
    r"|.*\b(nothing|not see anything) (abnormal|unusual|suspicious|anomalous)\b",
    re.IGNORECASE | re.DOTALL,
)


def says_normal(label: str | None, explanation: str | None) -> bool:
    """Tell whether the model's own words for an event say that nothing abnormal happens.

    >>> [says_normal(None, text) for text in ("normal, people jog by", "a person falls", None)]
    [True, False, False]
    """
    return any(_NORMAL.match(text[:2000]) is not None for text in (label, explanation) if text)


def probe_line(probe: Probe) -> str:
    """Describe a probe in a line: the clips it was fitted on, its AUC and the interval.

    The AUC is out of fold, as the fit wrote it down.
    """
    facts = probe.provenance
    clips, auc = probe.video_count, facts.get("auc")
    parts = [f"probe {probe.digest[:12]}"]
    if clips is not None:
        parts.append(f"fitted on {clips} clip{'' if clips == 1 else 's'}")
    parts.append(auc_text(auc) if isinstance(auc, Mapping) else "AUC not measured")
    return ", ".join(parts)


def auc_text(auc: Mapping[str, Any]) -> str:
    """Write an AUC with its 95 % interval over videos, if it has one: "AUC 0.931 [0.850, 0.990]".

    >>> auc_text({"value": 0.75, "low": None, "high": None})
    'AUC 0.750, without an interval'
    """
    value, low, high = (auc.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, float):
        return "AUC not measured"
    if not isinstance(low, float) or not isinstance(high, float):
        return f"AUC {value:.3f}, without an interval"
    return f"AUC {value:.3f} [{low:.3f}, {high:.3f}]"


def windows_lines(scores: Scores) -> list[str]:
    """Say which segments the model did not read, and where their scores come from.

    >>> import numpy as np
    >>> from hiprobe import Gap, Scores
    >>> one = np.array([1.6])
    >>> scores = Scores(one, 2 * one, one, one, one, (Gap(0.0, 1.6, "unread"),))
    >>> windows_lines(scores)
    ['1 of 2 segments was left out (--every) and has no score']
    """
    lines, count = [], len(scores.starts) + len(scores.unread)
    of_all = f"of {counted(count, 'segment')}"
    if left := len(scores.unread):
        verbs = (
            "was left out (--every) and has" if left == 1 else "were left out (--every) and have"
        )
        lines.append(f"{left} {of_all} {verbs} no score")
    if scores.carried:
        how = "hardly differ from an earlier one and have its score (--still)"
        lines.append(f"{scores.carried} {of_all} {how}")
    if scores.repeated:
        how = "repeat the picture before them and were not read again"
        lines.append(f"{scores.repeated} {of_all} {how}")
    return lines
