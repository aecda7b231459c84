"""Tell from the word of a label whether it means normal. Knows text only."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hiprobe.errors import LabelError, UsageError

# A label that is one of these, in upper or lower case, means normal; so does a zero.
NORMAL = {"false", "none", "negative", "background"}
_ZERO = re.compile(r"\+?0+([.,]0*)?", re.ASCII)
# Normal after `no` or `non`: "no fight", "Non-Violence", "noEvent".
ABSENT = {"anomaly", "anomalous", "event", "incident", "fight", "violence"}
# A label that begins with one of these may be a real anomaly ("no helmet") or mean normal.
NEGATIONS = {
    *("no", "non", "not", "without", "none", "nothing", "nobody", "never", "neither", "nor"),
}
# What programs write for a label that is missing.
MISSING = {"nan", "null", "n/a", "na", "<na>"}
# A negation in one word: "nofight", "NONVIOLENT".
_JOINED = re.compile(r"(no|non|not|without)(anomal|event|incident|fight|violen|normal|abnormal)")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+")


@dataclass(frozen=True)
class LabelWords:
    """Labels whose meaning the user gives: they mean `normal`, or an `anomaly`, in any case.

    Raises UsageError for a label that is in both.

    >>> words = LabelWords(normal=("quiet",), anomaly=("no helmet",))
    >>> [words.is_normal(label, "labels.csv:2") for label in ("Quiet", "no helmet", "0.0", "fight")]
    [True, False, True, False]
    """

    normal: Collection[str] = ()
    anomaly: Collection[str] = ()

    def __post_init__(self) -> None:
        both = _folded(self.normal) & _folded(self.anomaly)
        if both:
            raise UsageError(
                f"the label {min(both)!r} is given as normal and as an anomaly", cure="give it once"
            )

    def is_normal(self, label: str, where: str) -> bool:
        """Tell whether `label` means normal; raises LabelError if it might mean either."""
        if self.is_given(label):
            return label.strip().casefold() in _folded(self.normal)
        if means_normal(label):
            return True
        if is_unclear(label):
            quoted = shlex.quote(label)
            raise LabelError(
                f"the label {label!r} may mean normal or an anomaly",
                where=where,
                cure=f"say which with --normal-label {quoted} or --anomaly-label {quoted}",
            )
        return False

    def is_given(self, label: str | None) -> bool:
        """Tell whether the user gave the meaning of `label`."""
        return (label or "").strip().casefold() in _folded([*self.normal, *self.anomaly])

    def check_used(self, labels: Iterable[str], where: str) -> None:
        """Raise UsageError for a word that is no label of the table: it is misspelt."""
        unused = _folded([*self.normal, *self.anomaly]) - _folded(labels)
        if unused:
            raise UsageError(
                f"there is no label {min(unused)!r}",
                where=where,
                cure="give --normal-label and --anomaly-label as the table writes it",
            )


def means_normal(label: str) -> bool:
    """Tell whether a label means normal by its own words.

    >>> [means_normal(one) for one in ("Normal_Videos_event", "0.0", "noFight", "fight")]
    [True, True, True, False]
    """
    folded, words = label.strip().casefold(), _words(label)
    return (
        folded in NORMAL
        or folded.startswith("normal")
        or _ZERO.fullmatch(folded) is not None
        or (len(words) == 2 and words[0] in ("no", "non") and words[1] in ABSENT)
    )


def is_unclear(label: str) -> bool:
    """Tell whether a label is missing or begins with a negation, so that it might mean normal.

    >>> [is_unclear(one) for one in ("no helmet", "nofight", "nan", "noise", "fight")]
    [True, True, True, False, False]
    """
    words = _words(label)
    return label.strip().casefold() in MISSING or (
        bool(words) and (words[0] in NEGATIONS or _JOINED.match("".join(words)) is not None)
    )


def _words(label: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(label)]


def _folded(labels: Iterable[str]) -> set[str]:
    return {label.strip().casefold() for label in labels}
