"""What is read from a video and made of it: hidden states, scores, a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.types import tables
from hiprobe.types.controls import Controls
from hiprobe.types.events import Event, Gap, check
from hiprobe.types.recipe import Recipe, Site
from hiprobe.types.videos import file_name

if TYPE_CHECKING:
    from pandas import DataFrame

Status = Literal["done", "partial", "failed", "quarantined"]
# Where the score of a window comes from: the model, the window before it with the same pixels, or
# the last window that the model read, from which it hardly differs (only where that is asked for).
Source = Literal["read", "repeated", "carried"]
FloatArray = NDArray[np.floating[Any]]
LabelArray = NDArray[np.int8]
STATUSES = ("done", "partial", "failed", "quarantined")
SOURCES = ("read", "repeated", "carried")


def _fill_sources(holder: HiddenStates | Scores, windows: int) -> None:
    """Take all `windows` as read if nothing is said; raise ValueError for other sources."""
    if not holder.sources:
        object.__setattr__(holder, "sources", ("read",) * windows)
    check(
        len(holder.sources) == windows and set(holder.sources) <= set(SOURCES),
        f"{windows} windows need as many sources of {SOURCES}, got {len(holder.sources)} of "
        f"{sorted(map(str, set(holder.sources)))[:8]}",
    )


@dataclass(frozen=True)
class HiddenStates:
    """The hidden states of one video: `values` (segments, sites, width), floating point.

    `starts` and `ends` (segments,) are the span of each segment in seconds, `gaps` the spans that
    could not be decoded or were left out, `damaged_packets` the number of packets that were damaged
    (or of pictures that were missing), and `duration` the end of the last frame in seconds.
    `sources` (segments,) say how each came about: `read` by the model; `repeated`, the same bits as
    the one before, whose pixels it has; or `carried`, the bits of the last one that was read, from
    which it hardly differs. By default all were read. `group` is that of the labelled video, for
    fitting; it is not stored. `controls` are the numbers that need no model, None for states that
    were not read from a video. Raises ValueError for shapes that do not agree.

    >>> sites = (Site("residual", 0), Site("residual", 1))
    >>> recipe, times = Recipe("org/model", ("Is anything abnormal?",)), np.arange(4) * 1.6
    >>> states = HiddenStates("ab", recipe, sites, times[:-1], times[1:], np.zeros((3, 2, 8)), 4.8)
    >>> states.at((Site("residual", 1),)).shape
    (3, 1, 8)
    """

    video_id: str
    recipe: Recipe
    sites: tuple[Site, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    values: FloatArray
    duration: float
    gaps: tuple[Gap, ...] = ()
    damaged_packets: int = 0
    sources: tuple[Source, ...] = ()
    group: str | None = None
    controls: Controls | None = field(default=None, compare=False)  # holds arrays

    def __post_init__(self) -> None:
        shape = self.values.shape
        _fill_sources(self, len(self.starts))
        check(len(shape) == 3, f"values must be (segments, sites, width), got {shape}")
        check(
            shape[1] == len(self.sites),
            f"values must be (segments, {len(self.sites)}, width) for as many sites, got {shape}",
        )
        check(
            self.starts.shape == self.ends.shape == shape[:1],
            f"{shape[0]} segments need as many starts and ends, got {self.starts.shape} starts "
            f"and {self.ends.shape} ends",
        )
        check(
            self.controls is None or self.controls.motion.shape == shape[:1],
            f"{shape[0]} segments need as many controls",
        )

    def at(self, sites: tuple[Site, ...]) -> FloatArray:
        """Return the values (segments, len(sites), width) at `sites`.

        Raises KeyError for a site that was not read.
        """
        missing = [str(site) for site in sites if site not in self._index]
        if missing:
            raise KeyError(f"not read: {', '.join(missing)}")
        if sites == self.sites:
            return self.values
        return self.values[:, [self._index[site] for site in sites]]

    @cached_property
    def _index(self) -> Mapping[Site, int]:
        """The position of each site. Computed once, as a model may have thousands of heads."""
        return {site: index for index, site in enumerate(self.sites)}


@dataclass(frozen=True)
class Scores:
    """The scores of one video, one entry per segment in time order; higher is more anomalous.

    `starts` and `ends` in seconds, `raw` and `smoothed` scores, and the `threshold` that applied:
    all (segments,). `gaps` are the spans without a score, `sources` (segments,) as in
    `HiddenStates`. Raises ValueError if the lengths differ.

    >>> edges, raw = np.arange(4) * 1.6, np.array([0.1, 0.9, 0.2])
    >>> scores = Scores(edges[:-1], edges[1:], raw, raw, threshold=np.full(3, 0.5))
    >>> scores.at(np.array([2.0, 99.0]))
    array([0.9, nan])
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    raw: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    threshold: NDArray[np.float64]
    gaps: tuple[Gap, ...] = ()
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        _fill_sources(self, len(self.starts))
        shapes = [
            a.shape for a in (self.starts, self.ends, self.raw, self.smoothed, self.threshold)
        ]
        check(
            len(set(shapes)) == 1 and len(shapes[0]) == 1,
            f"starts, ends, scores and threshold must have one length, got {shapes}",
        )

    @property
    def repeated(self) -> int:
        """The number of windows that repeat the one before them."""
        return self.sources.count("repeated")

    @property
    def carried(self) -> int:
        """The number of windows with the score of an earlier one that hardly differs."""
        return self.sources.count("carried")

    @property
    def lost(self) -> tuple[Gap, ...]:
        """The gaps that could not be decoded."""
        return tuple(gap for gap in self.gaps if not gap.unread)

    @property
    def unread(self) -> tuple[Gap, ...]:
        """The windows that were left out on purpose, each on its own."""
        return tuple(gap for gap in self.gaps if gap.unread)

    @property
    def scored_s(self) -> float:
        """Seconds that were scored: the length of all segments, less the gaps inside them."""
        lost = [
            np.minimum(self.ends, gap.end) - np.maximum(self.starts, gap.start) for gap in self.gaps
        ]
        return float(
            (self.ends - self.starts).sum() - sum(np.maximum(one, 0.0).sum() for one in lost)
        )

    @property
    def peak(self) -> float | None:
        """The highest smoothed score; None if nothing was scored."""
        return float(self.smoothed.max()) if len(self.smoothed) else None

    def at(self, times: NDArray[np.float64], *, smoothed: bool = True) -> NDArray[np.float64]:
        """Return the score (times,) of the frame shown at each of `times`, in seconds.

        NaN where nothing was scored. Smoothed scores unless `smoothed` is False.
        """
        values = self.smoothed if smoothed else self.raw
        out = np.full(times.shape, np.nan)
        if not len(values):
            return out
        index = np.searchsorted(self.starts, times + 1e-9, side="right") - 1
        inside = (index >= 0) & (times < self.ends[index] + 1e-9)
        out[inside] = values[index[inside]]
        for gap in self.gaps:
            out[(times >= gap.start) & (times < gap.end)] = np.nan
        return out

    def to_pandas(self) -> DataFrame:
        """Return a data frame with the columns of `scores.csv`: a row per segment and per gap.

        Raises UsageError if pandas is not installed.
        """
        return tables.frame(tables.score_rows(self), tables.SCORE_COLUMNS)


@dataclass(frozen=True)
class Result:
    """What `detect` found in one video: its status, scores and events, and how they were made.

    `duration` is in seconds. `reason` says why a video is `partial`, `failed` or `quarantined`.
    `scores` must be given exactly if it is `done` or `partial`; raises ValueError otherwise.
    `provenance` names the model, the probe and the recipe. `name` is that of the `Video`; by
    default it is the file's name. `refined` and `verified` count the windows that were read beyond
    those of `scores`: around the boundaries of events, and to check them.

    `events` are all events in time order: the `alarms`, and the `demoted` ones, which are kept but
    not raised as alarms.

    >>> Result("a.mp4", "", "failed", reason="EmptyVideo: the file is empty").alarms
    ()
    """

    path: str
    video_id: str
    status: Status
    duration: float = 0.0
    scores: Scores | None = None
    events: tuple[Event, ...] = ()
    reason: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    refined: int = 0
    verified: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or file_name(self.path))
        check(self.status in STATUSES, f"the status must be one of {STATUSES}, got {self.status!r}")
        check(
            (self.scores is not None) == (self.status in ("done", "partial")),
            f"a result with status {self.status!r} "
            f"{'needs scores' if self.scores is None else 'must not have scores'}",
        )

    @property
    def alarms(self) -> tuple[Event, ...]:
        """The events that are not demoted."""
        return tuple(event for event in self.events if not event.demoted)

    @property
    def demoted(self) -> tuple[Event, ...]:
        """The events that are kept without being alarms."""
        return tuple(event for event in self.events if event.demoted)

    @property
    def margin(self) -> float | None:
        """The largest difference of a smoothed score to its threshold; None without segments.

        If there are alarms, of the segments that touch one, so that a demoted event counts for
        nothing beside a weaker alarm.
        """
        if self.scores is None or not len(self.scores.starts):
            return None
        margins = self.scores.smoothed - self.scores.threshold
        spans = np.array([(event.start, event.end) for event in self.alarms]).reshape(-1, 2)
        after = self.scores.ends[:, None] > spans[:, 0]
        touched = (after & (self.scores.starts[:, None] < spans[:, 1])).any(axis=1)
        return float((margins[touched] if touched.any() else margins).max())

    @property
    def recorded(self) -> str | None:
        """When the video was recorded, as ISO 8601; None if that is not known."""
        known = self.provenance.get("recorded")
        return str(known["at"]) if isinstance(known, Mapping) and "at" in known else None

    def to_pandas(self) -> DataFrame:
        """Return a data frame with a row per event, demoted ones too; times are in seconds.

        Raises UsageError if pandas is not installed.
        """
        return tables.frame(tables.event_rows(self.name, self.events), tables.EVENT_COLUMNS)

    def _repr_html_(self) -> str:
        return tables.result_html(self)
