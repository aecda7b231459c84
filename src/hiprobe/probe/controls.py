"""Is a probe worth anything? The AUC of controls that need no model, on the folds of the probe.

Hidden states, their controls and labels only: no videos and no models. A control takes the place of
the hidden states, so that scorer, folds, smoothing and AUC are those of a probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import ProbeError, counted
from hiprobe.localize import Localization
from hiprobe.metrics import Ranking, central_interval, draw_videos, frame_auc
from hiprobe.probe.calibration import Calibration
from hiprobe.probe.folds import Folds
from hiprobe.probe.held_out import checked_scores, held_out, videos_of
from hiprobe.types import Controls, HiddenStates, Site

Array = NDArray[np.float64]
Figure = dict[str, float | None]

CONTROLS = (
    "motion",
    "motion_p95",
    "brightness",
    "resolution",
    "length",
    "bytes_per_second",
    "codec",
)
WORDS = {
    "motion_p95": "95th percentile of motion",
    "bytes_per_second": "bytes per second",
    "all": "all controls",
}
SCORER = "hiprobe"  # the method whose scorer is fitted on controls
LEVEL, DRAWS = 0.95, 1000
_PLACE = (Site("residual", 0),)  # where a control takes the place of hidden states


@dataclass(frozen=True)
class ControlScorer:
    """Logistic regression on some controls, fitted on the clips of a probe."""

    names: tuple[str, ...]
    codecs: tuple[str, ...]
    tensors: Mapping[str, Array]

    def score(self, states: HiddenStates) -> Array:
        """Compute the raw scores (segments,) of one video whose controls are known.

        Raises ProbeError if they are not finite.
        """
        values = np.hstack([columns(states, name, self.codecs) for name in self.names])
        where = f"the controls of video {states.video_id}"
        return checked_scores(methods.load(SCORER), values[:, None], self.tensors, where)


def columns(states: HiddenStates, name: str, codecs: Sequence[str]) -> Array:
    """Return one control of each segment (segments, columns).

    The codec has a column for each of `codecs`, every other control has one.
    """
    known = states.controls
    assert known is not None
    count = len(states.starts)
    if name in ("motion", "motion_p95", "brightness"):
        return np.asarray(getattr(known, name), np.float64)[:, None]
    if name == "codec":
        return np.tile([float(known.facts.codec == one) for one in codecs], (count, 1))
    return np.full((count, 1), of_video(known, states.duration)[name])


def of_video(known: Controls, duration: float) -> dict[str, float]:
    """Return the controls that a whole video has in common, as numbers.

    `resolution` is in pixels as displayed, `length` in seconds to a hundredth, as two encoders
    may differ in the last frame's end, and `bytes_per_second` is the file's size by its length.
    """
    length = round(duration, 2)
    return {
        "resolution": float(known.facts.width * known.facts.height),
        "length": length,
        "bytes_per_second": round(known.facts.file_bytes / max(length, 0.01)),
    }


def compare_with_controls(
    data: Calibration, split: Folds, scores: Array, settings: Localization, seed: int
) -> dict[str, Any] | None:
    """Compute the out-of-fold AUC of each control and of all, and by how much the probe is better.

    `scores` (n,) are those of the probe, out of fold and smoothed as `settings` say. `rows` has an
    entry for each control that differs between the clips, and for `all` of them: `auc`, the paired
    `difference` of the probe's AUC to it, each with a 95 % interval over videos, and the scorer
    `fitted` on all clips. `finding` is a sentence if a control does as well as the probe. None if
    the controls are not known, or if nothing was held out that both classes are fitted for.
    """
    if not _comparable(data, split):
        return None
    codecs = sorted({one.controls.facts.codec for one in data.states if one.controls})
    varying = [name for name in CONTROLS if varies(data, name, codecs)]
    chosen = {**{name: (name,) for name in varying}, **({"all": tuple(varying)} if varying else {})}
    probe = _drawn(data, scores, seed)
    rows = {}
    for name, names in chosen.items():
        made = with_controls(data, names, codecs)
        raw, _ = held_out(methods.load(SCORER), made, split)
        rows[name] = _row(data, probe, _drawn(data, data.smoothed(raw, settings), seed))
        rows[name]["fitted"] = _fitted(made)
    return {
        "codecs": codecs,
        "left_out": [name for name in CONTROLS if name not in varying],
        "rows": rows,
        "finding": finding_on(rows, len(videos_of(data, scores)), data.named_groups > 0),
    }


def control_scorers(provenance: Mapping[str, Any]) -> dict[str, ControlScorer]:
    """Return the scorers of the controls in a probe's provenance; empty if it has none.

    Raises ProbeError if the entry holds something else.
    """
    found = provenance.get("controls")
    if found is None:
        return {}
    try:
        rows = found["rows"]
        names = tuple(name for name in CONTROLS if name in rows)
        return {
            row: _scorer(names if row == "all" else (row,), found["codecs"], rows[row]["fitted"])
            for row in (*names, *({"all"} & set(rows)))
        }
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ProbeError(
            f"the entry `controls` is not valid: {error}", where="the probe", cure="fit it again"
        ) from error


def _scorer(names: Sequence[str], codecs: Sequence[str], fitted: Any) -> ControlScorer:
    width = sum(len(codecs) if name == "codec" else 1 for name in names)
    tensors = {name: np.asarray(fitted[name], np.float64) for name in fitted}
    for name, size in (("mean", width), ("scale", width), ("weight", width), ("bias", 1)):
        if tensors[name].shape != (size,) or not (name != "scale" or (tensors[name] > 0).all()):
            raise ValueError(f"{name} must hold {size} numbers")
    return ControlScorer(tuple(names), tuple(codecs), tensors)


def _comparable(data: Calibration, split: Folds) -> bool:
    """Tell whether all controls are known, and each fold is scored by a fit of both classes."""
    if any(one.controls is None for one in data.states) or split.number < 2:
        return False
    trains = (set(data.labels[split.of != fold].tolist()) for fold in range(split.number))
    return all({0, 1} <= train for train in trains)


def varies(data: Calibration, name: str, codecs: Sequence[str]) -> bool:
    """Tell whether a control differs between labelled segments."""
    values = np.concatenate([columns(one, name, codecs) for one in data.states])[data.labels >= 0]
    return bool((values != values[0]).any())


def with_controls(data: Calibration, names: Sequence[str], codecs: Sequence[str]) -> Calibration:
    """Return the calibration set with controls in the place of its hidden states."""
    states = tuple(
        replace(
            one,
            sites=_PLACE,
            values=np.hstack([columns(one, name, codecs) for name in names])[:, None],
        )
        for one in data.states
    )
    return replace(data, states=states, sites=_PLACE)


def _fitted(made: Calibration) -> dict[str, list[float]]:
    """Fit the scorer on all labelled segments; returns its parameters."""
    used = made.labels >= 0
    tensors = methods.load(SCORER).fit(made.at((0,), used), made.labels[used])
    return {name: tensor.tolist() for name, tensor in tensors.items()}


def _drawn(data: Calibration, scores: Array, seed: int) -> tuple[float, Array | None]:
    """Return the pooled AUC and that of each draw of videos; None for a single video."""
    videos = videos_of(data, scores)
    if len(videos) < 2:
        return frame_auc(videos), None
    return frame_auc(videos), Ranking(videos).drawn(draw_videos(len(videos), DRAWS, seed))[0]


def _row(
    data: Calibration, probe: tuple[float, Array | None], control: tuple[float, Array | None]
) -> dict[str, Any]:
    (better, draws), (value, others) = probe, control
    both = draws is not None and others is not None
    return {
        "auc": _figure(value, others),
        # Both have the same draws of videos, so that the difference is paired.
        "difference": _figure(better - value, draws - others if both else None),  # type: ignore[operator]
    }


def _figure(value: float, draws: Array | None) -> Figure:
    ends = None if draws is None else central_interval(draws, LEVEL)
    return {"value": value, "low": ends and ends[0], "high": ends and ends[1]}


def finding_on(rows: Mapping[str, Any], number: int, grouped: bool) -> str | None:
    """Return a sentence on the best control that does as well as the probe; None if none does.

    `rows` are those of `compare_with_controls`, `number` is that of the videos, or groups of them.
    """
    varying = [name for name in CONTROLS if name in rows]
    as_well = [name for name, row in rows.items() if _as_well(row["difference"])]
    if not as_well:
        return None
    best = max(as_well, key=lambda name: rows[name]["auc"]["value"])
    names = [WORDS.get(name, name) for name in (varying if best == "all" else (best,))]
    value, gap = rows[best]["auc"]["value"], rows[best]["difference"]
    return (
        f"{listed(names).capitalize()} alone {'rank' if len(names) > 1 else 'ranks'} these clips "
        f"as well as the probe, as far as {counted(number, 'group' if grouped else 'video')} can "
        f"tell (AUC {value:.2f} and {value + gap['value']:.2f}, the probe better by "
        f"{described_gap(gap)}): the probe has not shown that it is worth anything on these clips"
    )


def _as_well(gap: Figure) -> bool:
    """Tell whether the probe is not better beyond chance, or without an interval not at all."""
    limit = gap["value"] if gap["low"] is None else gap["low"]
    assert limit is not None
    return limit <= 0


def described_gap(gap: Mapping[str, float | None]) -> str:
    """Return a difference and its interval as text."""
    ends = "" if gap["low"] is None else f" [{gap['low']:.2f}, {gap['high']:.2f}]"
    return f"{gap['value']:.2f}{ends}"


def listed(names: Sequence[str]) -> str:
    """Join words as in a sentence.

    >>> listed(["motion", "brightness", "length"])
    'motion, brightness and length'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
