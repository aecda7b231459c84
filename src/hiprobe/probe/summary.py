"""What a probe reads, what it was fitted on and how good it is, in words. Text only.

A probe may come from a stranger: its provenance may lack anything, and what is of another kind than
`fit` writes counts as not stated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hiprobe.errors import HiProbeError, counted
from hiprobe.probe.calibration import ENOUGH
from hiprobe.probe.controls import WORDS
from hiprobe.probe.file import Probe
from hiprobe.types import Recipe

Line = tuple[str, str]
Facts = Mapping[str, Any]

MOST_SITES = 8  # that are named
UNKNOWN = "not stated"
_ILL_FORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    HiProbeError,
)
LIMITS = (
    "The figures are of the clips that the probe was fitted on, each scored by a fit without it. "
    "No other footage was measured.",
    "A camera that looks different, another time of day or another kind of anomaly may give quite "
    "other scores: measure it on your own footage before you rely on it.",
    "It reads the states of this one model, with these questions and this sampling, and of no "
    "other.",
    "A score is not a probability that something is wrong, and an alarm is for a person to judge.",
)


@dataclass(frozen=True)
class Summary:
    """The description of a probe: lines of a name and a text each, and sentences on its limits.

    >>> from hiprobe import embedded
    >>> summary = summarize(Probe.load(embedded.PROBE))
    >>> dict(summary.reads)["sites"].endswith("prompt0, 160 numbers each")
    True
    """

    reads: tuple[Line, ...]
    fitted_on: tuple[Line, ...]
    quality: tuple[Line, ...]
    doubts: tuple[str, ...]

    @property
    def sections(self) -> dict[str, tuple[Line, ...]]:
        """The lines by the title of their section."""
        return {
            "what it reads": self.reads,
            "what it was fitted on": self.fitted_on,
            "how good it is": self.quality,
        }


def summarize(probe: Probe) -> Summary:
    """Describe a probe in words.

    >>> from hiprobe import embedded
    >>> quality = dict(summarize(Probe.load(embedded.PROBE)).quality)
    >>> quality["out-of-fold AUC"].endswith("over videos")
    True
    """
    facts = probe.provenance
    return Summary(
        tuple(_reads(probe)),
        tuple(_known(_fitted_on(probe))),
        tuple(_known(_quality(probe))),
        tuple(_known_doubts(facts)),
    )


def _known_doubts(facts: Facts) -> list[str]:
    found = _stated(lambda: list(doubts(facts)))
    return ["what it says of its fit is not well-formed"] if found is None else found


def _stated(make: Callable[[], Any]) -> Any:
    """Return what `make` reads from a provenance; None if that is not there or ill-formed."""
    try:
        return make()
    except _ILL_FORMED:
        return None


def _known(lines: Iterator[tuple[str, Callable[[], Any]]]) -> Iterator[Line]:
    for name, make in lines:
        found = _stated(make)
        if found is not None:
            yield name, str(found)


def _reads(probe: Probe) -> Iterator[Line]:
    recipe, sites = probe.recipe, [str(site) for site in probe.sites]
    more = f" and {len(sites) - MOST_SITES} more" if len(sites) > MOST_SITES else ""
    yield "method", probe.method
    yield "model", model_name(probe)
    yield "sites", f"{', '.join(sites[:MOST_SITES])}{more}, {counted(probe.width, 'number')} each"
    for number, text in enumerate(recipe.prompts):
        yield ("question" if number == 0 else f"question {number + 1}"), text
    yield "segments", _sampling(recipe)
    yield "threshold", _threshold(probe)
    rule = probe.verification
    if rule is not None:
        yield (
            "check",
            f"{rule.question} Confirmed from log-odds {rule.threshold:.2f} on ({rule.source})",
        )
    yield "digest", probe.digest
    if probe.source is not None:
        yield "from the hub", probe.source


def model_name(probe: Probe) -> str:
    """Return the model of a probe with its revision; of a local one, the name it is known by."""
    recipe, name = probe.recipe, _stated(lambda: probe.provenance["states"]["name"])
    if recipe.model.startswith("sha256:"):
        known = f"{name}, " if isinstance(name, str) else ""
        return f"{known}{recipe.model}"
    return recipe.model if recipe.revision is None else f"{recipe.model}@{recipe.revision}"


def _sampling(recipe: Recipe) -> str:
    pixels = "" if recipe.size is None else f" of {recipe.size[1]} x {recipe.size[0]} pixels"
    return f"{recipe.segment_s:g} s, {counted(recipe.frames, 'frame')}{pixels}"


def _threshold(probe: Probe) -> str:
    rule = probe.localization
    if rule.threshold is None:
        return f"by the {rule.rule} rule"
    source = rule.threshold_from or _stated(lambda: probe.provenance["threshold_from"]) or UNKNOWN
    higher = ", or what is unusual for a camera, if that is higher" if rule.rule == "raised" else ""
    return f"{rule.threshold:.3f}{higher} ({source})"


def _fitted_on(probe: Probe) -> Iterator[tuple[str, Callable[[], Any]]]:
    facts = probe.provenance

    def videos() -> str:
        groups = f" in {counted(facts['groups'], 'group')}" if facts.get("groups") else ""
        number = probe.video_count
        return UNKNOWN if number is None else f"{number:,}{groups}"

    yield "videos", videos
    yield "their digests", lambda: _digests(probe)
    yield "segments", lambda: _segments(facts["segments"])
    yield "why these sites", lambda: facts["why"]
    yield "states read with", lambda: _reader(facts["states"])
    yield "versions", lambda: ", ".join(f"{k} {v}" for k, v in sorted(facts["versions"].items()))


def _digests(probe: Probe) -> str:
    if probe.fitted_videos:
        return "in the file"
    return "not in the file, so that nobody can tell whether a video was among them"


def _segments(count: Facts) -> str:
    left = f", {count['left_out']:,} left out" if count.get("left_out") else ""
    return f"{count['anomalous']:,} anomalous, {count['normal']:,} normal{left}"


def _reader(states: Facts) -> str | None:
    parts = [
        str(states[key]) if key in ("dtype", "device", "tool") else f"{key} {states[key]}"
        for key in ("dtype", "device", "torch", "transformers", "tool")
        if states.get(key)
    ]
    return ", ".join(parts) or None


def _quality(probe: Probe) -> Iterator[tuple[str, Callable[[], Any]]]:
    facts = probe.provenance
    over = "groups" if facts.get("groups") else "videos"

    def auc() -> str:
        found = facts["auc"]
        return "not measured" if found is None else f"{interval(found)} over {over}"

    yield "out-of-fold AUC", auc
    yield "cross-validation", lambda: folds_line(facts["folds"])
    rows = _stated(lambda: dict(facts["controls"]["rows"])) or {}
    for name in rows:
        yield f"control: {WORDS.get(name, name)}", partial(_auc_of, rows, name)
    if "all" in rows:
        yield "better than all controls by", lambda: interval(rows["all"]["difference"])
    yield "AUC of each layer", lambda: _layers(facts["layers"])
    if facts.get("false_alarms"):
        yield "false alarms per day", lambda: _rate(facts["false_alarms"])


def _auc_of(rows: Facts, name: str) -> str:
    return interval(rows[name]["auc"])


def interval(figure: Facts) -> str:
    """Write a figure with its 95 % interval.

    >>> interval({"value": 0.9, "low": 0.75, "high": 1.0}), interval({"value": 0.9, "low": None})
    ('0.900 [0.750, 1.000]', '0.900, without an interval')
    """
    if figure.get("low") is None or figure.get("high") is None:
        return f"{figure['value']:.3f}, without an interval"
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _layers(rows: list[Facts] | None) -> str | None:
    found = [f"{row['auc']['value']:.3f}" for row in rows or () if row["auc"]]
    return ", ".join(found) or None


def _rate(found: Facts) -> str:
    return (
        f"{found['per_day']:.2g} [{found['low']:.2g}, {found['high']:.2g}] in "
        f"{found['hours']:.2f} hours of normal footage"
    )


def folds_line(folds: Facts) -> str:
    """Say how many folds there were, and how often they chose what the whole set chose.

    >>> folds_line({"count": 5, "by": "video", "sites": [["a"]], "agreement": 0.8})
    '5 folds by video chose the same layer in 80%'
    """
    if folds["count"] < 2:
        return "nothing was fitted, so nothing was held out"
    chosen = (
        "the same layer" if all(len(sites) == 1 for sites in folds["sites"]) else "the same sites"
    )
    return f"{folds['count']} folds by {folds['by']} chose {chosen} in {folds['agreement']:.0%}"


def doubts(facts: Facts) -> Iterator[str]:
    """Yield why the figures of a probe may be too good, from its provenance."""
    yield from map(str, facts.get("warnings") or ())
    yield from [*_chance(facts.get("auc")), *_few_groups(facts)] or _few_videos(facts)
    found = facts.get("controls")
    if found and found["finding"]:
        yield str(found["finding"])


def _chance(auc: Facts | None) -> Iterator[str]:
    """Yield a warning if the interval of the AUC is not above .5."""
    if auc and auc["low"] is not None and auc["low"] <= 0.5:
        where = "includes" if auc["high"] >= 0.5 else "is below"
        yield (
            f"the interval of the AUC {where} .5: do not rely on this probe; label more videos, "
            f"at least {ENOUGH} of each class"
        )


def _few_groups(facts: Facts) -> Iterator[str]:
    """Yield a warning if the interval of the AUC is over few groups, and so too narrow."""
    groups = facts.get("groups")
    if facts.get("auc") and groups and groups < ENOUGH:
        yield (
            f"the interval of the AUC is over {counted(groups, 'group')}, which is too few to rely "
            f"on; label videos of at least {ENOUGH}"
        )


def _few_videos(facts: Facts) -> Iterator[str]:
    """Yield a warning if some class has too few videos, however narrow the interval of the AUC."""
    videos = facts.get("videos")
    count = len(videos) if isinstance(videos, list) else facts.get("video_count")
    if facts.get("auc") and count and count < 2 * ENOUGH:
        yield (
            f"the figures are of {counted(count, 'video')}, which is too few to rely on; "
            f"label at least {ENOUGH} of each class"
        )
