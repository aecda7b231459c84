"""What an evaluation found, as JSON and Markdown, each figure with its definition. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hiprobe.datasets._frames import listing
from hiprobe.metrics import TIOUS, Pooled

Interval = tuple[float, float]
Intervals = Mapping[str, Interval]

DEFINITIONS = {
    "auc": (
        "ROC-AUC",
        "area under the ROC curve over the frames of all videos pooled, ties half (Hanley and McNeil "
        "1982; frame-level AUC as used for UCF-Crime by Sultani et al., CVPR 2018)",
    ),
    "ap_step": (
        "AP (step)",
        "average precision over the same frames as the step sum of recall x precision "
        "(scikit-learn's average_precision_score)",
    ),
    "ap_trapezoid": (
        "AP (trapezoid)",
        "area under the same precision-recall curve by trapezoids, what LAVAD, VERA "
        "and UR-DMU call AP (scikit-learn's auc of precision_recall_curve)",
    ),
    "abnormal_auc": (
        "AUC, abnormal videos",
        "ROC-AUC over the pooled frames of the videos with an anomalous frame",
    ),
    "macro_auc": (
        "within-video AUC",
        "mean over the videos with both classes of the ROC-AUC within the video (macro "
        "AUC as in Georgescu et al., TPAMI 2021, without the videos of one class)",
    ),
    "video_auc": (
        "video AUC",
        "ROC-AUC of videos: a video is anomalous if a frame is, and scores as much as its "
        "highest frame (our own)",
    ),
}
EVENT_DEFINITIONS = {
    "f1": "precision, recall and F1 at temporal intersection over union (tIoU) 0.1, 0.3, 0.5: the events of each "
    "video matched one to one by falling tIoU, matches summed over videos (tIoU as in ActivityNet, Caba Heilbron "
    "et al., CVPR 2015; the matching is our own)",
    "delay": "seconds from the start of a true event to the first alarm that overlaps it, 0 if the alarm began before; "
    "over the true events that an alarm overlaps (our own)",
    "false_alarms": "predicted events that overlap no true event, over the hours of all videos (our own)",
}
INTERVAL = "percentile bootstrap over whole videos (Efron and Tibshirani 1993, chapter 13)"


@dataclass(frozen=True)
class MetricRow:
    """The figures of one score; the last three are None where the videos leave them undefined.

    `pooled`: over all frames. `abnormal_auc`: over the frames of the videos with an anomalous frame. `macro_auc`: mean
    over the videos with both classes of the ROC-AUC within the video. `video_auc`: of videos by their highest frame.
    `intervals`: 95 %, by the name of the figure; empty without a bootstrap. All defined in `DEFINITIONS`. A `control`
    needs no model.
    """

    name: str
    pooled: Pooled
    abnormal_auc: float | None
    macro_auc: float | None
    video_auc: float | None
    intervals: Intervals = field(default_factory=dict)
    control: bool = False

    def figures(self) -> dict[str, float | None]:
        """Every figure by its name in `DEFINITIONS`."""
        return {
            **self.pooled._asdict(),
            "abnormal_auc": self.abnormal_auc,
            "macro_auc": self.macro_auc,
            "video_auc": self.video_auc,
        }


@dataclass(frozen=True)
class ClassRow:
    """ROC-AUC over the frames of the `videos` of one class: `auc` of them alone, `auc_with_normal` with normal videos.

    Papers report either as "per-class AUC". None where the frames are of one class only. `detected` of the `events`
    are overlapped by an alarm; both None where no events were predicted.
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
class Events:
    """How the predicted events agree with the true ones: `counts`, `figures` and their 95 % `intervals` by name.

    Names as of `metrics.EventTable`; a figure is None where it is undefined.
    """

    counts: Mapping[str, float]
    figures: Mapping[str, float | None]
    intervals: Intervals = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What an evaluation found. `rows`: the scores, then the controls on the same frames.

    `mixed` counts the videos with both classes. `missing` are the videos that were not evaluated and why, `unscored`
    the frames without a score in those that were. `provenance` holds digests, seed and versions.
    """

    videos: int
    abnormal: int
    mixed: int
    frames: int
    positives: int
    rows: tuple[MetricRow, ...]
    classes: tuple[ClassRow, ...] = ()
    events: Events | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    unscored: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
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
            "definitions": self.definitions(),
            "provenance": dict(self.provenance),
        }

    def definitions(self) -> dict[str, str]:
        """What each figure is, and where its definition comes from."""
        found = dict(DEFINITIONS.values())
        if self.events:
            found |= EVENT_DEFINITIONS
        return {**found, "interval": INTERVAL}

    def to_markdown(self) -> str:
        """As Markdown: the figures, the classes, the events, and what is needed to get them again."""
        blocks = [
            self._head(),
            *self._left_out(),
            self._rows(),
            *self._drawn(),
            *self._classes(),
            *self._events(),
            "\n".join(f"- **{name}**: {text}" for name, text in self.definitions().items()),
            "\n".join(f"- {key}: {markdown_text(value)}" for key, value in self.provenance.items()),
        ]
        return "\n\n".join(blocks) + "\n"

    def _head(self) -> str:
        return (
            f"{self.videos} videos, {self.abnormal} with an anomalous frame, {self.mixed} with both classes; "
            f"{self.frames:,} frames, {self.positives:,} anomalous."
        )

    def _left_out(self) -> list[str]:
        if not self.missing and not self.unscored:
            return []
        why = [f"{name} ({reason})" for name, reason in self.missing.items()]
        return [
            f"**Not evaluated: {len(self.missing)} of {self.videos + len(self.missing)} videos, and "
            f"{self.unscored:,} frames of the others.** {listing(why, 20)}".rstrip()
        ]

    def beside(self) -> str:
        """What stands beside every figure where something was left out; else nothing."""
        if not self.missing and not self.unscored:
            return ""
        of = self.videos + len(self.missing)
        return f" ({len(self.missing)} of {of} videos and {self.unscored:,} frames missing)"

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
        return [f"In brackets: 95 % intervals, {draws} draws of whole videos."] if draws else []

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
        counts, found, ends = self.events.counts, self.events.figures, self.events.intervals
        head = (
            f"Events{self.beside()}: {counts['true']:.0f} true, {counts['detected']:.0f} of them overlapped by an "
            f"alarm; {counts['predicted']:.0f} predicted, {counts['false_alarms']:.0f} of them false, in "
            f"{counts['hours']:.2f} hours. Delay: mean {cell(found['delay_mean'], ends.get('delay_mean'), 2)} s, "
            f"median {cell(found['delay_median'], None, 2)} s. False alarms per hour: "
            f"{cell(found['false_alarms_per_hour'], ends.get('false_alarms_per_hour'), 2)}."
        )
        rows = [
            [
                f"{at}",
                *(
                    cell(found[f"{name}@{at}"], ends.get(f"{name}@{at}"))
                    for name in ("precision", "recall", "f1")
                ),
            ]
            for at in TIOUS
        ]
        return [head, markdown_table(("tIoU", "precision", "recall", "F1"), rows)]


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, all columns but the first to the right."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(
        "| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines
    )


def cell(value: float | None, interval: Interval | None = None, digits: int = 4) -> str:
    """A figure as `0.1234 [0.1000, 0.2000]`, or the word for one that is undefined."""
    if value is None:
        return "undefined"
    ends = f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
    return f"{value:.{digits}f}{ends}"


def markdown_text(value: Any) -> str:
    """A value of the provenance on one line."""
    return (
        ", ".join(f"{key} {item}" for key, item in value.items())
        if isinstance(value, Mapping)
        else str(value)
    )
