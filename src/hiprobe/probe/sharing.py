"""What of a probe may leave this machine. Knows no hub and no files.

What scores segments leaves as it is: method, recipe, sites, tensors, settings. What the fit wrote
down is taken over field by field: numbers, names of sites, versions and known words. Sentences are
kept only if they are ones that this package writes. So no path, no name of a video or a folder, no
label and no host can leave, whatever a probe holds. The words that the model is asked leave, since
a probe is nothing without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hiprobe.embedded import PROBE
from hiprobe.errors import ProbeError
from hiprobe.hub import COMMIT
from hiprobe.methods._criteria import CRITERIA
from hiprobe.probe.controls import CONTROLS, finding_on
from hiprobe.probe.curves import METRICS
from hiprobe.probe.false_alarm_rate import FalseAlarmRate
from hiprobe.probe.file import Probe
from hiprobe.probe.folds import SEGMENT_FOLDS
from hiprobe.probe.method_choice import CRITERION
from hiprobe.probe.threshold import SOURCES as THRESHOLD_SOURCES
from hiprobe.probe.verification_rule import SOURCES as VERIFICATION_SOURCES
from hiprobe.ranges import in_range
from hiprobe.types import Site

NOT_STATED = "not stated"
_MODEL = re.compile(r"(external:)?([\w.-]{1,96}(/[\w.-]{1,96})?|sha256:[0-9a-f]{64})")
_METHOD = re.compile(r"[A-Za-z_]\w*|[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_REVISION = re.compile(r"[\w.-]{1,64}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,40}")
_DEVICE = re.compile(r"(cpu|cuda|mps|disk)(:\d+)?(, (cpu|cuda|mps|disk)(:\d+)?)*")
_TOOL = re.compile(r"[A-Za-z][\w+-]{0,30}( \d[\w.+-]{0,30})?")
_CODEC = re.compile(r"[a-z0-9_]{1,24}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# An absolute path, one of the home folder, or an address: two separators, or a drive.
_PATH = re.compile(
    r"(^|[\s\"'(=,;:])(~?/[\w.-]|[A-Za-z]:\\|\\\\)[^\s]*|\w+://|file:"
    r"|[\w.-]+[/\\]\S*\.\w{2,4}\b|\w\.(mp4|mkv|avi|mov|webm|ts|jpe?g|png)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Shareable:
    """The copy of a probe that may leave, and the fields of the original that may not.

    `left_out` are names such as `videos` or `states.name`, sorted; never what they held.
    """

    probe: Probe
    left_out: tuple[str, ...]


class _Unfit(ValueError):
    """A value is not of the kind that may leave."""


Shape = Any  # a check, {field: shape}, or [shape] for a list of it


def shareable(probe: Probe, *, digests: bool = False) -> Shareable:
    """Return the copy of `probe` that may leave this machine; it scores as the original does.

    The digests of the videos stay here, and only their number leaves, unless `digests`: with them
    everybody who has one of the videos can see that it was used, and `evaluate` can refuse to
    measure on it. Raises ProbeError if a model, a revision or a text that the probe needs looks
    like a path of this machine.
    """
    _check_needed(probe)
    left_out: list[str] = []
    facts = _taken(dict(probe.provenance), _PROVENANCE, "", left_out)
    videos = probe.video_count
    known = probe.fitted_videos
    if digests and known and all(map(_DIGEST.fullmatch, known)):
        facts["videos"] = sorted(known)
        left_out.remove("videos")
    elif videos is not None:
        facts["video_count"] = videos
    _drop_local_name(probe, facts, left_out)
    texts = _Texts(probe, facts, left_out)
    texts.write()
    rule, check = probe.localization, probe.verification
    said = rule.threshold_from
    copy = replace(
        probe,
        localization=replace(
            rule, threshold_from=None if said is None else texts.threshold(said, "localization")
        ),
        verification=None
        if check is None
        else replace(check, source=texts.checked(check.source, "verification.source")),
        provenance=facts,
        source=None,
    )
    return Shareable(copy, tuple(sorted(set(left_out))))


def check_text(text: str, what: str) -> str:
    """Return a text of the user that is to leave; raises ProbeError if a path is in it.

    >>> check_text("Is anything abnormal?", "the question")
    'Is anything abnormal?'
    """
    if _PATH.search(text):
        raise ProbeError(
            f"{what} holds what looks like a path or an address, and would be published: "
            f"{text[:80]!r}",
            cure="word it without one",
        )
    return text


def _check_needed(probe: Probe) -> None:
    """Check what a probe cannot be without, and what therefore leaves as it is."""
    recipe = probe.recipe
    for text in recipe.prompts:
        check_text(text, "a question of the probe")
    if probe.verification is not None:
        check_text(probe.verification.question, "the question of the check")
    for pattern, value, what in (
        (_MODEL, recipe.model, "the model"),
        (_REVISION, recipe.revision or "main", "the revision of the model"),
        (_METHOD, probe.method, "the method"),
    ):
        if not pattern.fullmatch(value):
            raise ProbeError(
                f"{what} {value[:80]!r} may be a path of this machine, and would be published",
                cure="fit with a model of the hub or a local folder of one",
            )
    for name in probe.tensors:
        if not _METHOD.fullmatch(name):
            raise ProbeError(f"the tensor {name[:80]!r} must be named by one word to be published")


def _drop_local_name(probe: Probe, facts: dict[str, Any], left_out: list[str]) -> None:
    """Leave out the name of a local model, which is that of its folder."""
    states = facts.get("states", {})
    name, known = states.get("name"), (probe.recipe.model, "embedded")
    if name is not None and name not in known:
        del states["name"]
        left_out.append("states.name")


@dataclass(frozen=True)
class _Texts:
    """Writes the sentences of the copy: known ones, or anew from its figures `facts`."""

    probe: Probe
    facts: dict[str, Any]
    left_out: list[str]

    def write(self) -> None:
        """Set every sentence of the provenance."""
        old, facts = self.probe.provenance, self.facts
        if "candidates" in facts:
            facts["why"] = _why(len(facts["candidates"]))
        facts["threshold_from"] = self.threshold(old.get("threshold_from"), "threshold_from")
        facts["verification"] = self.checked(old.get("verification"), "verification")
        facts["warnings"] = list(self._warnings(old.get("warnings") or ()))
        if facts.get("controls"):
            facts["controls"]["finding"] = self._finding(old["controls"].get("finding"))
        if facts.get("choice"):
            facts["choice"] |= self._choice(old["choice"])

    def threshold(self, said: Any, at: str) -> str:
        """Return where the threshold comes from, if that is a known sentence."""
        known = {*THRESHOLD_SOURCES, *_of_shipped(), *self._rates("source")}
        return self._known(said, known, at)

    def checked(self, said: Any, at: str) -> str:
        """Return where the level of the check comes from, if that is a known sentence."""
        known = {*VERIFICATION_SOURCES, *_of_shipped(), *self._rates("source")}
        return self._known(said, known, at)

    def _known(self, said: Any, known: set[str], at: str) -> str:
        if said in known:
            return str(said)
        self.left_out.append(at)
        return NOT_STATED

    def _rates(self, part: str) -> Iterator[str]:
        """Yield a sentence on false alarms, written anew from the figures of the copy."""
        found = self.facts.get("false_alarms")
        if found and {"wanted", "events", "hours"} <= found.keys():
            wanted, events, hours = found["wanted"], found["events"], found["hours"]
            check = self.probe.verification
            for of_check, level in (
                (False, self.probe.localization.threshold),
                (True, None if check is None else check.threshold),
            ):
                if level is not None:
                    rate = FalseAlarmRate(level, wanted, events, hours, of_check)
                    yield str(getattr(rate, part))

    def _warnings(self, said: Any) -> Iterator[str]:
        known = {SEGMENT_FOLDS, *self._rates("doubt")}
        for one in said:
            if one in known:
                yield one
            else:
                self.left_out.append("warnings")

    def _finding(self, said: Any) -> str | None:
        rows = self.facts["controls"].get("rows")
        groups = self.facts.get("groups")
        number = groups or self.probe.video_count or 0
        return finding_on(rows, number, bool(groups)) if said and rows else None

    def _choice(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """Return the words on a choice of the method; errors of other methods name videos."""
        left = [name for name in old.get("left_out") or () if _METHOD.fullmatch(str(name))]
        used = self.facts["choice"].get("method", self.probe.method)
        decided = bool(self.facts["choice"].get("decided"))
        return {
            "by": CRITERION,
            "left_out": dict.fromkeys(left, NOT_STATED),
            "reason": f"{used} is surely better" if decided else f"undecided: {used} is used",
        }


@cache
def _of_shipped() -> frozenset[str]:
    """Return the sentences of the shipped probe, which a refit of it keeps."""
    shipped = Probe.load(PROBE)
    rule = shipped.verification
    said = (shipped.localization.threshold_from, None if rule is None else rule.source)
    return frozenset(text for text in said if text is not None)


def _why(candidates: int) -> str:
    from hiprobe.probe.fitting import why_chosen

    return why_chosen(candidates)


def _taken(value: Any, shape: Shape, at: str, left_out: list[str]) -> Any:
    """Return the part of `value` that has this shape; fields of no or another shape are noted."""
    if value is None:
        return None
    if isinstance(shape, list):
        if not isinstance(value, list | tuple):
            raise _Unfit
        return [_taken(one, shape[0], at, left_out) for one in value]
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            raise _Unfit
        return _fields(value, shape, at, left_out)
    return shape(value)


def _fields(
    value: Mapping[str, Any], shape: Mapping[str, Shape], at: str, left_out: list[str]
) -> dict[str, Any]:
    kept = {}
    for name, one in value.items():
        if name in _ANEW and name not in shape:
            continue
        # The name of a field may itself be from anywhere: only known ones are told.
        place = f"{at}{name}" if name in shape or name in _KNOWN else f"{at}another field"
        try:
            if name not in shape:
                raise _Unfit
            kept[name] = _taken(one, shape[name], f"{place}.", left_out)
        except _Unfit:
            left_out.append(place)
    return kept


def _number(value: Any) -> Any:
    if isinstance(value, bool) or in_range("statement", value):
        return value
    raise _Unfit


def _site(value: Any) -> str:
    try:
        return str(Site.parse(value))
    except (AttributeError, TypeError, ValueError) as error:
        raise _Unfit from error


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise _Unfit

    return check


def _one_of(*words: str) -> Callable[[Any], str]:
    return _matching(re.compile("|".join(map(re.escape, words))))


_FIGURE = {"value": _number, "low": _number, "high": _number}
_CURVES = {name: [_number] for name in (*METRICS, *CRITERIA)}
_SELECTION = {
    "candidates": [_site],
    "chosen": [_site],
    "curves": _CURVES,
    "baseline": {"permutations": _number, "mean": _CURVES, "std": _CURVES},
    "layers": [{"site": _site, "auc": _FIGURE}],
    "segments": dict.fromkeys(("anomalous", "normal", "left_out"), _number),
    "prefer_early": {
        "instead_of": _site,
        **dict.fromkeys(("within", "auc", "auc_instead_of"), _number),
    },
}
_FITTED = {name: [_number] for name in ("mean", "scale", "weight", "bias")}
_CONTROL = {"auc": _FIGURE, "difference": _FIGURE, "fitted": _FITTED}
_TRIED = {
    "method": _matching(_METHOD),
    "outer": _FIGURE,
    **dict.fromkeys(("sigma", "inner", "chosen_in"), _number),
}
_PROVENANCE: Mapping[str, Shape] = {
    **_SELECTION,
    "groups": _number,
    "video_count": _number,
    "seed": _number,
    "folds": {
        "count": _number,
        "by": _one_of("video", "group", "segment", "none: nothing is fitted"),
        "sites": [[_site]],
        "agreement": _number,
    },
    "auc": _FIGURE,
    "controls": {
        "codecs": [_matching(_CODEC)],
        "left_out": [_one_of(*CONTROLS)],
        "rows": dict.fromkeys((*CONTROLS, "all"), _CONTROL),
    },
    "versions": dict.fromkeys(("numpy", "scikit-learn"), _matching(_VERSION)),
    "states": {
        "id": _matching(_MODEL),
        "name": _matching(_MODEL),
        "revision": _matching(COMMIT),
        "dtype": _one_of("float32", "bfloat16", "float16", "float64"),
        "device": _matching(_DEVICE),
        "tool": _matching(_TOOL),
        "torch": _matching(_VERSION),
        "transformers": _matching(_VERSION),
    },
    "false_alarms": dict.fromkeys(
        ("wanted", "events", "hours", "per_day", "low", "high", "bound", "supported"), _number
    ),
    "selection": {**_SELECTION, "probe": _matching(_DIGEST)},
    "choice": {
        "method": _matching(_METHOD),
        "sigma": _number,
        "decided": _number,
        "gain": _FIGURE,
        "folds": _number,
        "tried": [_TRIED],
    },
}
_KNOWN = frozenset({"videos"})  # left out, and told by its name
# Sentences, which are written anew.
_ANEW = frozenset(
    {"why", "threshold_from", "verification", "warnings", "finding", "reason", "by", "left_out"}
)
