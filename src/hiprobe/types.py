"""The nouns of the method, frozen and checked when made. Knows no file, no model, no library but numpy.

All times are seconds of presentation time; frame numbers are derived from them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SiteKind = Literal["residual", "head", "logit"]
Status = Literal["done", "partial", "failed", "quarantined"]
FloatArray = NDArray[np.floating[Any]]
LabelArray = NDArray[np.int8]

SITE_KINDS = ("residual", "head", "logit")
SHORTEST_S = 0.01  # of a segment, in seconds: shorter ones, in a stranger's probe, would make a run without end
STATUSES = ("done", "partial", "failed", "quarantined")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Event:
    """A span `[start, end)` in seconds; truth and prediction are the same type.

    `end` may be infinite in truth ("the whole video"). `score` is the highest smoothed score in the span and
    `peak` the time it is reached; both are None in truth.
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
            f"event times are not numbers: {self}",
        )
        _require(
            self.end > self.start,
            f"event ends at {self.end} s, not after its start at {self.start} s",
        )


@dataclass(frozen=True)
class Gap:
    """A span `[start, end)` in seconds that was not scored, and why."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True)
class Video:
    """Where a video is, its true events (None if unknown, empty if it is normal), and its content digest once read."""

    path: str
    events: tuple[Event, ...] | None = None
    split: str | None = None
    categories: tuple[str, ...] = ()
    id: str | None = None


@dataclass(frozen=True)
class Segment:
    """One window of a video: `frames` uint8 (T, H, W, 3), their times (T,) and the span `[start, end)`, in seconds."""

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    start: float
    end: float
    index: int

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        _require(
            len(shape) == 4 and shape[3] == 3 and dtype == np.uint8,
            f"frames must be uint8 (T, H, W, 3), got {dtype} {shape}",
        )
        _require(
            self.times.shape == shape[:1],
            f"{shape[0]} frames, but times of shape {self.times.shape}",
        )
        _require(
            self.end > self.start,
            f"segment {self.index} ends at {self.end} s, starts at {self.start} s",
        )


@dataclass(frozen=True, order=True)
class Site:
    """Where in the model a vector is read, at the last position of prompt `prompt`.

    `residual`: the residual stream after decoder block `layer`, before the final norm. `head`: the part of block
    `layer`'s `o_proj` input that belongs to `head`. `logit`: the answer logits (the whole model runs).
    """

    kind: SiteKind
    layer: int
    head: int | None = None
    prompt: int = 0

    def __post_init__(self) -> None:
        _require(self.kind in SITE_KINDS, f"site kind {self.kind!r} is none of {SITE_KINDS}")
        _require(
            (self.head is not None) == (self.kind == "head"),
            f"a head is given exactly for kind 'head': {self!r}",
        )
        _require(self.layer >= 0 and self.prompt >= 0, f"layer and prompt count from 0: {self!r}")

    def __str__(self) -> str:
        head = "" if self.head is None else f"/head{self.head}"
        return f"{self.kind}/layer{self.layer}{head}/prompt{self.prompt}"

    @classmethod
    def parse(cls, text: str) -> Site:
        """The site that `str` writes as `text`; raises ValueError for anything else."""
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

    `model` is a hub id, or `sha256:...` of a local folder's content. `size` is the (height, width) that frames
    are decoded to, or None for their own size. Precision and device are provenance, not recipe.
    """

    model: str
    prompts: tuple[str, ...]
    revision: str | None = None
    segment_s: float = 1.6
    frames: int = 16
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _require(
            bool(self.prompts) and all(self.prompts),
            "a recipe needs at least one prompt, none empty",
        )
        _require(
            SHORTEST_S <= self.segment_s < math.inf and self.frames > 0,
            f"segment_s={self.segment_s}, frames={self.frames}",
        )
        _require(self.size is None or min(self.size) > 0, f"size={self.size}")

    def to_json(self) -> dict[str, Any]:
        """As JSON values, the form that is digested and stored."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_json`; raises TypeError or ValueError for anything else."""
        size = values.get("size")
        return cls(
            **{**values, "prompts": tuple(values["prompts"]), "size": tuple(size) if size else None}
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return digest_json(self.to_json())


def digest_json(value: Any) -> str:
    """SHA-256, in hex, of a JSON value written with sorted keys and no spaces."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class HiddenStates:
    """What was read of one video: `values` float (segments, sites, width), with the span of each segment, seconds.

    `gaps` are the spans that could not be decoded, `skipped` counts damaged packets; `duration` is where the last
    frame ends.
    """

    video_id: str
    recipe: Recipe
    sites: tuple[Site, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    values: FloatArray
    duration: float
    gaps: tuple[Gap, ...] = ()
    skipped: int = 0

    def __post_init__(self) -> None:
        shape = self.values.shape
        _require(len(shape) == 3, f"values must be (segments, sites, width), got {shape}")
        _require(
            shape[1] == len(self.sites), f"{len(self.sites)} sites, but values of shape {shape}"
        )
        _require(
            self.starts.shape == self.ends.shape == shape[:1],
            f"{self.starts.shape} starts, values {shape}",
        )

    def at(self, sites: tuple[Site, ...]) -> FloatArray:
        """The values (segments, len(sites), width) at `sites`; raises KeyError for one that was not read."""
        missing = [str(site) for site in sites if site not in self._index]
        if missing:
            raise KeyError(f"not read: {', '.join(missing)}")
        if sites == self.sites:
            return self.values
        return self.values[:, [self._index[site] for site in sites]]

    @cached_property
    def _index(self) -> Mapping[Site, int]:
        """The place of each site, made once: a model may have thousands of heads."""
        return {site: index for index, site in enumerate(self.sites)}


@dataclass(frozen=True)
class Scores:
    """Scores of one video's segments, in time order: `raw` and `smoothed` (segments,), higher is more anomalous.

    `threshold` is a number, or one per segment where it adapts: an array (segments,).
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    raw: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    threshold: NDArray[np.float64]
    gaps: tuple[Gap, ...] = ()

    def __post_init__(self) -> None:
        shapes = [
            a.shape for a in (self.starts, self.ends, self.raw, self.smoothed, self.threshold)
        ]
        _require(
            len(set(shapes)) == 1 and len(shapes[0]) == 1,
            f"arrays of one length are needed, got {shapes}",
        )

    @property
    def scored_s(self) -> float:
        """Seconds that were scored: the segments, less what gaps take of them."""
        lost = [
            np.minimum(self.ends, gap.end) - np.maximum(self.starts, gap.start) for gap in self.gaps
        ]
        return float(
            (self.ends - self.starts).sum() - sum(np.maximum(one, 0.0).sum() for one in lost)
        )

    def at(self, times: NDArray[np.float64], *, smoothed: bool = True) -> NDArray[np.float64]:
        """The score (times,) of each frame shown at `times`, in seconds; NaN where nothing was scored."""
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
    """What `detect` found in one video: scores, events, how far it got, and what it was made with."""

    path: str
    video_id: str
    status: Status
    duration: float = 0.0
    scores: Scores | None = None
    events: tuple[Event, ...] = ()
    reason: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.status in STATUSES, f"status {self.status!r} is none of {STATUSES}")
        _require(
            (self.scores is not None) == (self.status in ("done", "partial")),
            f"a {self.status} result {'needs' if self.scores is None else 'has no'} scores",
        )
