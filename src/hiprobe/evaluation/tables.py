"""Turn the figures of an evaluation into JSON and Markdown, each with its definition.

Formatting only: it computes no metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from hiprobe.datasets import listing
from hiprobe.errors import counted
from hiprobe.evaluation.controls import ControlGap
from hiprobe.evaluation.event_tables import (
    EVENT_DEFINITIONS,
    FROC_DEFINITION,
    Events,
    FrocRow,
    events_markdown,
    froc_markdown,
)
from hiprobe.evaluation.markdown import Intervals, cell, markdown_table, markdown_text
from hiprobe.evaluation.normal_frames import NormalSplit
from hiprobe.metrics import FALSE_POSITIVE_RATE, Pooled

DEFINITIONS = {
    "auc": (
        "ROC-AUC",
        "area under the ROC curve over the frames of all videos together, where a tie counts half "
        "(Hanley and McNeil 1982; frame-level AUC as used for UCF-Crime by Sultani et al., CVPR "
        "2018)",
    ),
    "ap_step": (
        "AP (step)",
        "average precision over the same frames: the sum of precision times the step in recall "
        "(scikit-learn's average_precision_score)",
    ),
    "ap_trapezoid": (
        "AP (trapezoid)",
        "area under the same precision-recall curve by the trapezoidal rule, which LAVAD, VERA "
        "and UR-DMU call AP (scikit-learn's auc of precision_recall_curve)",
    ),
    "recall_at_fpr": (
        f"recall at {FALSE_POSITIVE_RATE:.0%} FPR",
        "share of the anomalous frames of all videos that score at least the lowest threshold "
        f"which at most {FALSE_POSITIVE_RATE:.0%} of the normal frames reach; equal scores pass "
        "together and nothing is interpolated (our own reading of recall at a fixed false-positive "
        "rate)",
    ),
    "abnormal_auc": (
        "AUC, abnormal videos",
        "ROC-AUC over all frames of the videos that have an anomalous frame",
    ),
    "macro_auc": (
        "within-video AUC",
        "the ROC-AUC within each video that has frames of both classes, averaged over these "
        "videos (macro AUC as in Georgescu et al., TPAMI 2021, without the videos of one class)",
    ),
    "video_auc": (
        "video AUC",
        "ROC-AUC of whole videos: a video is anomalous if one of its frames is, and its score is "
        "that of its highest frame (our own)",
    ),
}
CONTROL_DEFINITIONS = {
    "control": (
        "logistic regression on motion (mean and 95th percentile of the differences between "
        "neighbouring frames that the model gets), brightness, resolution, length, bytes per "
        "second and codec, fitted on the clips of the probe and smoothed like its scores (our own)"
    ),
    "normal frames": (
        "ROC-AUC with which the scores separate two groups of normal frames, split at the median "
        "or by codec; 0.5 if the scores do not depend on the attribute (our own)"
    ),
}
INTERVAL = (
    "percentile bootstrap over whole videos, or over whole groups of videos where they have groups "
    "(Efron and Tibshirani 1993, chapter 13)"
)


@dataclass(frozen=True)
class MetricRow:
    """The figures of one score. `DEFINITIONS` defines each of them.

    `abnormal_auc`, `macro_auc` and `video_auc` are None where they are undefined, for example
    because no video has frames of both classes. `intervals` holds the 95 % interval of a figure
    under its name, and is empty without a bootstrap. `control` marks a score that needs no model.

    >>> from hiprobe.metrics import Pooled
    >>> row = MetricRow("scores", Pooled(0.9, 0.5, 0.4, 0.3), None, None, None)
    >>> row.figures()["auc"]
    0.9
    """

    name: str
    pooled: Pooled
    abnormal_auc: float | None
    macro_auc: float | None
    video_auc: float | None
    intervals: Intervals = field(default_factory=dict)
    control: bool = False

    def figures(self) -> dict[str, float | None]:
        """Return every figure by its name in `DEFINITIONS`."""
        return {
            **self.pooled._asdict(),
            "abnormal_auc": self.abnormal_auc,
            "macro_auc": self.macro_auc,
            "video_auc": self.video_auc,
        }


@dataclass(frozen=True)
class ClassRow:
    """The figures of the videos of one class, such as "Fire".

    `auc` is the ROC-AUC over the frames of these videos alone, `auc_with_normal` over their frames
    and those of the normal videos; papers call either of them "per-class AUC". Both are None where
    all frames have the same label. `events` counts the true events and `detected` those that an
    alarm overlaps; both are None where no events were predicted.

    >>> ClassRow("Fire", videos=2, frames=100, positives=30, auc=0.75, auc_with_normal=0.8).auc
    0.75
    """

    name: str
    videos: int
    frames: int
    positives: int
    auc: float | None
    auc_with_normal: float | None
    events: int | None = None
    detected: int | None = None


@dataclass(frozen=True)
class Report:
    """Everything that an evaluation found, as JSON or Markdown on request.

    `videos`, `frames` and `positives` count what was evaluated; `abnormal` counts the videos with
    an anomalous frame, `mixed` those with frames of both classes. `rows` holds the scores, then the
    controls on the same frames. `events` are about the alarms, `with_demoted` about alarms and
    demoted events together, None if no event was demoted; `froc` holds recall against false alarms
    per hour. `missing` gives the reason for each video that was not evaluated,
    `unscored` the number of frames without a score in the others. `provenance` holds digests, the
    seed and versions. `gap` compares a probe with its controls, `normal_splits` tell what else its
    scores depend on. `evaluate` makes reports.

    >>> import numpy as np
    >>> from hiprobe.evaluation import evaluate
    >>> truth = {"a": np.array([0, 1], np.uint8), "b": np.array([0, 0], np.uint8)}
    >>> scores = {"a": np.array([0.2, 0.9]), "b": np.array([0.1, 0.3])}
    >>> report = evaluate(truth, scores, bootstrap=0)
    >>> report.to_json()["rows"][0]["auc"]
    1.0
    >>> report.to_markdown().splitlines()[0]
    '2 videos, 1 with an anomalous frame, 1 with both classes; 4 frames, 1 anomalous.'
    """

    videos: int
    abnormal: int
    mixed: int
    frames: int
    positives: int
    rows: tuple[MetricRow, ...]
    classes: tuple[ClassRow, ...] = ()
    events: Events | None = None
    with_demoted: Events | None = None
    froc: tuple[FrocRow, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    unscored: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    gap: ControlGap | None = None
    normal_splits: tuple[NormalSplit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        rows = [
            {
                "name": row.name,
                "control": row.control,
                "videos": self.videos,
                "missing": len(self.missing),
                "unscored": self.unscored,
                **row.figures(),
                "intervals": {key: list(ends) for key, ends in row.intervals.items()},
            }
            for row in self.rows
        ]
        return {
            **{
                key: getattr(self, key)
                for key in ("videos", "abnormal", "mixed", "frames", "positives")
            },
            "missing": dict(self.missing),
            "unscored": self.unscored,
            "rows": rows,
            "classes": [asdict(row) for row in self.classes],
            "events": asdict(self.events) if self.events else None,
            "with_demoted": asdict(self.with_demoted) if self.with_demoted else None,
            "froc": [row.to_json() for row in self.froc],
            "less_controls": asdict(self.gap) if self.gap else None,
            "normal_frames": [asdict(one) for one in self.normal_splits],
            "definitions": self.definitions(),
            "provenance": dict(self.provenance),
        }

    def definitions(self) -> dict[str, str]:
        """Return what each figure means and where its definition comes from."""
        found = dict(DEFINITIONS.values())
        if self.events:
            found |= EVENT_DEFINITIONS
        if self.froc:
            found["froc"] = FROC_DEFINITION
        if self.gap or self.normal_splits:
            found |= CONTROL_DEFINITIONS
        return {**found, "interval": INTERVAL}

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_markdown(self) -> str:
        """Return the figures, classes, events, definitions and provenance as Markdown."""
        blocks = [
            self._head(),
            *self._left_out(),
            self._rows(),
            *self._drawn(),
            *self._without_model(),
            *self._classes(),
            *self._events(),
            "\n".join(f"- **{name}**: {text}" for name, text in self.definitions().items()),
            "\n".join(f"- {key}: {markdown_text(value)}" for key, value in self.provenance.items()),
        ]
        return "\n\n".join(blocks) + "\n"

    def _head(self) -> str:
        return (
            f"{counted(self.videos, 'video')}, {self.abnormal} with an anomalous frame, "
            f"{self.mixed} with both classes; {counted(self.frames, 'frame')}, "
            f"{self.positives:,} anomalous."
        )

    def _left_out(self) -> list[str]:
        if not self.missing and not self.unscored:
            return []
        why = [f"{name} ({reason})" for name, reason in self.missing.items()]
        every = counted(self.videos + len(self.missing), "video")
        return [
            f"**Not evaluated: {len(self.missing)} of {every}, "
            f"and {counted(self.unscored, 'frame')} of the others.** {listing(why, 20)}".rstrip()
        ]

    def beside(self) -> str:
        """Return the note for every row that says how much was left out, or an empty text."""
        if not self.missing and not self.unscored:
            return ""
        of = counted(self.videos + len(self.missing), "video")
        return f" ({len(self.missing)} of {of} and {counted(self.unscored, 'frame')} missing)"

    def _rows(self) -> str:
        titles = ["score", *(title for title, _ in DEFINITIONS.values())]
        return markdown_table(
            titles,
            [
                [
                    row.name + self.beside(),
                    *(cell(value, row.intervals.get(key)) for key, value in row.figures().items()),
                ]
                for row in self.rows
            ],
        )

    def _drawn(self) -> list[str]:
        draws = self.provenance.get("bootstrap")
        if not draws:
            return []
        whole = "groups of videos" if self.provenance.get("groups") else "videos"
        return [f"In brackets: 95 % intervals from {draws} bootstrap draws of whole {whole}."]

    def _without_model(self) -> list[str]:
        """Return how all controls compare, and what the scores of normal frames depend on."""
        gap = self.gap
        less = f"ROC-AUC less that of all controls: {cell(*astuple(gap))}." if gap else ""
        said = " ".join(filter(None, [less, gap.finding() if gap else None]))
        rows = [[*one.cells(), cell(one.auc, one.interval)] for one in self.normal_splits]
        titles = ("normal frames by", "first", "second", "frames", "videos", "AUC of second")
        return [*filter(None, [said]), *([markdown_table(titles, rows)] if rows else [])]

    def _classes(self) -> list[str]:
        if not self.classes:
            return []
        titles = [
            "class",
            "videos",
            "frames",
            "anomalous",
            "AUC, its videos",
            "AUC, its and normal videos",
        ]
        rows = [
            [
                row.name + self.beside(),
                str(row.videos),
                f"{row.frames:,}",
                f"{row.positives:,}",
                cell(row.auc),
                cell(row.auc_with_normal),
            ]
            for row in self.classes
        ]
        if self.events:
            titles.append("events found")
            rows = [
                [*cells, f"{row.detected} of {row.events}"]
                for cells, row in zip(rows, self.classes, strict=True)
            ]
        return [markdown_table(titles, rows)]

    def _events(self) -> list[str]:
        if self.events is None:
            return []
        return [
            *events_markdown(self.events, self.with_demoted, self.beside()),
            *froc_markdown(self.froc, self.beside()),
        ]
