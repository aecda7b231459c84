"""The data types of the method: immutable, and validated on construction.

Numpy only: no files, no models. All times are presentation times in seconds; frame numbers are
derived from them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.ranges import require

SiteKind = Literal["residual", "head", "logit"]
Status = Literal["done", "partial", "failed", "quarantined"]
# Where the score of a window comes from: the model, or the window before it with the same pixels.
Source = Literal["read", "repeated"]
FloatArray = NDArray[np.floating[Any]]
LabelArray = NDArray[np.int8]

SITE_KINDS = ("residual", "head", "logit")
SEGMENT_S = 1.6  # seconds of video in a segment, unless a recipe says otherwise
FRAMES = 16  # sampled in a segment, unless a recipe says otherwise
STATUSES = ("done", "partial", "failed", "quarantined")
SOURCES = ("read", "repeated")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Event:
    """An anomalous time span `[start, end)` in seconds, annotated or predicted.

    `score` is the highest smoothed score in the span and `peak` the time at which it is reached;
    both are None in an annotation. An annotation may have an infinite `end` ("the whole video").
    Raises ValueError if a time is not a number or `end` is not after `start`.

    >>> event = Event(12.8, 20.8, peak=16.8, score=0.93)
    >>> event.end - event.start
    8.0
    """

    start: float
    end: float
    peak: float | None = None
    score: float | None = None
    label: str | None = None
    explanation: str | None = None

    def __post_init__(self) -> None:
        _require(
            math.isfinite(self.start) and not math.isnan(self.end),
            f"an event needs a finite start and an end that is a number, got {self}",
        )
        _require(
            self.end > self.start,
            f"an event must end after its start at {self.start:.10g} s, got end {self.end:.10g} s",
        )


@dataclass(frozen=True)
class Gap:
    """A time span `[start, end)` in seconds that could not be scored, and the reason.

    >>> Gap(3.2, 4.8, "no frame could be decoded").reason
    'no frame could be decoded'
    """

    start: float
    end: float
    reason: str


def file_name(path: str) -> str:
    """Return the last part of a path; of an address only the host, as the rest may hold a password.

    >>> file_name("/videos/shop.mp4"), file_name("rtsp://admin:secret@camera:554/live")
    ('shop.mp4', 'camera:554')
    """
    if "://" in path:
        return re.split("[/?#]", path.partition("://")[2].rpartition("@")[2])[0]
    return PurePath(path).name or path


def unicode(text: str) -> str:
    """Replace what UTF-8 cannot hold, such as bytes of an undecodable file name, by U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@dataclass(frozen=True)
class Video:
    """A video: its path, and what is known about it.

    `events` are its annotated events: None if unknown, empty for a normal video. `split` and
    `categories` come from the data set. `id` is the SHA-256 of the file, once it was read. `name`
    is what people see and what results are filed under: the path relative to the folder that was
    given, such as `cam1/0900.mp4`, by default the file's name. `group` names what it has in common
    with other videos, such as the camera: folds keep a group whole.

    >>> Video("shop/0900.mp4", events=(Event(12.8, 20.8),)).name
    '0900.mp4'
    """

    path: str
    events: tuple[Event, ...] | None = None
    split: str | None = None
    categories: tuple[str, ...] = ()
    id: str | None = None
    name: str = ""
    group: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or file_name(self.path))


@dataclass(frozen=True)
class Segment:
    """One window of a video, covering `[start, end)` in seconds.

    `frames` is uint8 (T, H, W, 3), `times` (T,) holds the time of each frame in seconds, and
    `index` counts the windows of a video from 0. Raises ValueError for other shapes or an empty
    span.

    >>> frames = np.zeros((2, 48, 64, 3), np.uint8)
    >>> Segment(frames, np.array([0.4, 1.2]), start=0.0, end=1.6, index=0).frames.shape
    (2, 48, 64, 3)
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    start: float
    end: float
    index: int

    @property
    def clock_ms(self) -> tuple[int, tuple[int, ...]]:
        """Its length, and the times of its frames from its start, in whole milliseconds.

        Models get no other times, so that equal content is equal input anywhere in a video.
        """
        moments = [max(0, round(float(time - self.start) * 1000)) for time in self.times]
        return max(1, round((self.end - self.start) * 1000)), tuple(moments)

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        _require(
            len(shape) == 4 and shape[3] == 3 and dtype == np.uint8,
            f"frames must be uint8 (T, H, W, 3), got {dtype} {shape}",
        )
        _require(
            self.times.shape == shape[:1],
            f"{shape[0]} frames need as many times, got times of shape {self.times.shape}",
        )
        _require(
            self.end > self.start,
            f"segment {self.index} must end after its start at {self.start:.10g} s, "
            f"got end {self.end:.10g} s",
        )


@dataclass(frozen=True, order=True)
class Site:
    """A place in the model where a vector is read, at the last position of prompt `prompt`.

    - `residual`: the residual stream after decoder block `layer`, before the final norm.
    - `head`: the slice of the `o_proj` input of block `layer` that belongs to `head`.
    - `logit`: the answer logits, for which the whole model runs.

    Layers, heads and prompts are counted from 0. Raises ValueError for another kind, a negative
    number, or a head where the kind has none.

    >>> print(Site("residual", 20))
    residual/layer20/prompt0
    >>> Site.parse("head/layer3/head5/prompt0")
    Site(kind='head', layer=3, head=5, prompt=0)
    """

    kind: SiteKind
    layer: int
    head: int | None = None
    prompt: int = 0

    def __post_init__(self) -> None:
        _require(
            self.kind in SITE_KINDS,
            f"the kind of a site must be one of {SITE_KINDS}, got {self.kind!r}",
        )
        _require(
            (self.head is not None) == (self.kind == "head"),
            f"a site of kind 'head' needs a head, and other kinds have none, got {self!r}",
        )
        require("layer", self.layer)
        require("prompt", self.prompt)
        if self.head is not None:
            require("head", self.head)

    def __str__(self) -> str:
        head = "" if self.head is None else f"/head{self.head}"
        return f"{self.kind}/layer{self.layer}{head}/prompt{self.prompt}"

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read a site from its text, the inverse of `str`; raises ValueError for any other text."""
        kind, *parts = text.split("/")
        names = ("layer", "head", "prompt") if kind == "head" else ("layer", "prompt")
        _require(len(parts) == len(names), f"not a site: {text!r}")
        numbers = {
            name: int(part.removeprefix(name)) for name, part in zip(names, parts, strict=True)
        }
        site = cls(kind, **numbers)  # type: ignore[arg-type]
        _require(str(site) == text, f"not a site: {text!r}")
        return site


@dataclass(frozen=True)
class Recipe:
    """Every setting that changes a hidden state; equal digests mean comparable states.

    `model` is a hub id, or `sha256:...` of the content of a local folder. A segment is `segment_s`
    seconds long and is read as `frames` frames, resized to `size` (height, width); None keeps their
    own size. Precision and device are not part of the recipe but of the provenance. Raises
    ValueError for settings out of range.

    >>> recipe = Recipe("org/model", ("Is anything abnormal?",), frames=8)
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    model: str
    prompts: tuple[str, ...]
    revision: str | None = None
    segment_s: float = SEGMENT_S
    frames: int = FRAMES
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require(
            bool(self.prompts) and all(isinstance(p, str) and p for p in self.prompts),
            f"a recipe needs at least one prompt and no empty one, got {self.prompts!r}",
        )
        require("number of prompts", len(self.prompts))
        require("segment_s", self.segment_s)
        require("frames", self.frames)
        if self.size is not None:
            _require(len(self.size) == 2, f"size must be height and width, got {self.size!r}")
            height, width = self.size
            require("height", height)
            require("width", width)
            require("bytes of a window", self.frames * height * width * 3)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values, the form that is digested and stored."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from the values of `to_json`; raises TypeError or ValueError."""
        size = values.get("size")
        return cls(
            **{**values, "prompts": tuple(values["prompts"]), "size": tuple(size) if size else None}
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe as canonical JSON, in hex."""
        return digest_json(self.to_json())


def digest_json(value: Any) -> str:
    """Return the SHA-256, in hex, of a JSON value written with sorted keys and without spaces."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _fill_sources(holder: HiddenStates | Scores, windows: int) -> None:
    """Take all `windows` as read if nothing is said; raise ValueError for other sources."""
    if not holder.sources:
        object.__setattr__(holder, "sources", ("read",) * windows)
    _require(
        len(holder.sources) == windows and set(holder.sources) <= set(SOURCES),
        f"{windows} windows need as many sources of {SOURCES}, got {len(holder.sources)} of "
        f"{sorted(map(str, set(holder.sources)))[:8]}",
    )


@dataclass(frozen=True)
class HiddenStates:
    """The hidden states of one video: `values` (segments, sites, width), floating point.

    `starts` and `ends` (segments,) are the span of each segment in seconds, `gaps` the spans that
    could not be decoded, `damaged_packets` the number of packets that were damaged (or of pictures
    that were missing), and `duration` the end of the last frame in seconds. `sources` (segments,)
    say how each came about: `read` by the model, or `repeated`, the same bits as the one before,
    whose pixels it has; by default all were read. `group` is that of the labelled video, for
    fitting; it is not stored. Raises ValueError for shapes that do not agree.

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

    def __post_init__(self) -> None:
        shape = self.values.shape
        _fill_sources(self, len(self.starts))
        _require(len(shape) == 3, f"values must be (segments, sites, width), got {shape}")
        _require(
            shape[1] == len(self.sites),
            f"values must be (segments, {len(self.sites)}, width) for as many sites, got {shape}",
        )
        _require(
            self.starts.shape == self.ends.shape == shape[:1],
            f"{shape[0]} segments need as many starts and ends, got {self.starts.shape} starts "
            f"and {self.ends.shape} ends",
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
        _require(
            len(set(shapes)) == 1 and len(shapes[0]) == 1,
            f"starts, ends, scores and threshold must have one length, got {shapes}",
        )

    @property
    def repeated(self) -> int:
        """The number of windows that repeat the one before them."""
        return self.sources.count("repeated")

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

    @property
    def margin(self) -> float | None:
        """The largest difference of a smoothed score to its threshold; None without segments.

        At least 0 if there is an event. Videos are listed by it, the highest first.
        """
        return float((self.smoothed - self.threshold).max()) if len(self.smoothed) else None

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


@dataclass(frozen=True)
class Result:
    """What `detect` found in one video: its status, scores and events, and how they were made.

    `duration` is in seconds. `reason` says why a video is `partial`, `failed` or `quarantined`.
    `scores` must be given exactly if it is `done` or `partial`; raises ValueError otherwise.
    `provenance` names the model, the probe and the recipe. `name` is that of the `Video`; by
    default it is the file's name.

    >>> Result("a.mp4", "", "failed", reason="EmptyVideo: the file is empty").events
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or file_name(self.path))
        _require(
            self.status in STATUSES, f"the status must be one of {STATUSES}, got {self.status!r}"
        )
        _require(
            (self.scores is not None) == (self.status in ("done", "partial")),
            f"a result with status {self.status!r} "
            f"{'needs scores' if self.scores is None else 'must not have scores'}",
        )

    @property
    def recorded(self) -> str | None:
        """When the video was recorded, as ISO 8601; None if that is not known."""
        known = self.provenance.get("recorded")
        return str(known["at"]) if isinstance(known, Mapping) and "at" in known else None
