"""How long the videos of a command will take: their length, the model, the decoder.

A command with many videos asks some of them, spread evenly, for their length and for what the store
holds of them, and takes the others to be like these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe import video
from hiprobe.backbones import ModelFacts, SegmentWork
from hiprobe.errors import HiProbeError, VideoError
from hiprobe.estimate.cache import cores
from hiprobe.estimate.cheaper import LEAST_GAIN, LONG_S, Cheaper, changed, cheaper_recipe
from hiprobe.estimate.prediction import blocks_of_all_prompts, predict_s, say_duration
from hiprobe.estimate.speeds import CANNOT_COMPUTE, Speeds, measured_speeds
from hiprobe.store import find_states
from hiprobe.types import Recipe, Site, Video
from hiprobe.video import parallel

MOST_ASKED = 40
# A decoder and the preparation of frames on a common processor (docs/performance.md): not measured
# here, as they hardly count beside a large model.
DECODED_PIXELS_S = 2e8
FRAME_S = 5e-5
PREPARED_PIXELS_S = 5e7
USUAL_FPS = 25.0


@dataclass(frozen=True)
class Forecast:
    """An estimate: seconds of work for a segment, and for all segments of some videos.

    `busy`: other programs used the processors while their speed was measured. `cheaper` is a recipe
    that takes at most half as long, if the work is long and there is one.

    >>> print(Forecast(36.4, 79200.0, 12))
    about 36 s per segment, 22 h for these 12 videos
    >>> print(Forecast(36.4, 79200.0, 12, cheaper=Cheaper(4, None, 20000.0)))
    about 36 s per segment, 22 h for these 12 videos; with --frames 4 about 5.6 h (needs a probe \
fitted with them)
    """

    segment_s: float
    total_s: float
    videos: int
    busy: bool = False
    cheaper: Cheaper | None = None

    def __str__(self) -> str:
        videos = "this video" if self.videos == 1 else f"these {self.videos:,} videos"
        total = say_duration(max(self.total_s, 1.0))
        doubt = " (rough: other programs use the processors now)" if self.busy else ""
        instead = f"; {self.cheaper}" if self.cheaper else ""
        each = say_duration(self.segment_s)
        return f"about {each} per segment, {total} for {videos}{instead}{doubt}"


@dataclass(frozen=True)
class _Length:
    """A video that is to be read: its length, and what decoding a second of it takes."""

    seconds: float
    decoding_s: float


def forecast(
    model: ModelFacts,
    sites: Sequence[Site],
    recipe: Recipe,
    videos: Sequence[Video],
    store: Path | None,
) -> Forecast | None:
    """Estimate reading `sites` of the videos whose states the store does not hold.

    None if there is none, if the model does not say its work, or if it is spread over devices.
    """
    asked = videos[:: -(-len(videos) // MOST_ASKED)] if videos else []
    dtype = str(model.provenance.get("dtype", ""))
    left = list(_left(asked, sites, recipe, store, dtype))
    expected = _expected(model, sites, recipe) if left else None
    if expected is None:
        return None
    model_s, speeds = expected
    device = str(model.provenance["device"])
    segment_s = _segment_s(model_s, left, recipe, device)
    number = round(len(videos) * len(left) / len(asked))
    mean_s = sum(one.seconds for one in left) / len(left)
    segments = number * mean_s / recipe.segment_s
    total_s = segments * segment_s
    found = cheaper_segment(model, sites, recipe, model_s) if total_s >= LONG_S else None
    if found is not None:
        other = cheaper_recipe(model, recipe)
        took_s = segments * _segment_s(found.seconds, left, other, device)
        found = Cheaper(found.frames, found.size, took_s)
    return Forecast(segment_s, total_s, number, speeds.busy, found)


def cheaper_segment(
    model: ModelFacts, sites: Sequence[Site], recipe: Recipe, segment_s: float
) -> Cheaper | None:
    """Return what the model takes for a segment with a cheaper recipe.

    None unless that is at most half of `segment_s`.
    """
    other = cheaper_recipe(model, recipe)
    expected = expected_segment_s(model, sites, other) if other != recipe else None
    if expected is None or LEAST_GAIN * expected > segment_s:
        return None
    return Cheaper(*changed(recipe, other), expected)


def expected_segment_s(model: ModelFacts, sites: Sequence[Site], recipe: Recipe) -> float | None:
    """Return the seconds in which the model is expected to read `sites` of a segment.

    None if the model does not say its work, is spread over devices or the speed cannot be measured.
    """
    expected = _expected(model, sites, recipe)
    return None if expected is None else expected[0]


def _expected(
    model: ModelFacts, sites: Sequence[Site], recipe: Recipe
) -> tuple[float, Speeds] | None:
    """Return the expected seconds of a segment, and the speeds that they were taken from."""
    work, device = _work(model, recipe), str(model.provenance.get("device", ""))
    if work is None or not device or "," in device or device == "disk":
        return None
    widths = work.vision_width, work.block_width
    try:
        speeds = measured_speeds(device, str(model.provenance["dtype"]), widths)
    except (*CANNOT_COMPUTE, AttributeError):  # an estimate must not stop the work
        return None
    blocks = blocks_of_all_prompts(work, sites, getattr(model, "shares_prompts", False))
    return predict_s(work, blocks, speeds), speeds


def _work(model: Any, recipe: Recipe) -> SegmentWork | None:
    count = getattr(model, "work", None)
    try:
        return None if count is None else count(recipe)
    except (HiProbeError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError):
        return None  # a kind of model that cannot be counted


def _left(
    videos: Sequence[Video], sites: Sequence[Site], recipe: Recipe, store: Path | None, dtype: str
) -> Iterator[_Length]:
    """Yield the lengths of the videos whose states are not stored."""
    none = store is None or not (store / recipe.digest[:16]).is_dir()  # then nothing is hashed
    for one in videos:
        with suppress(HiProbeError, OSError):  # reported when its turn comes
            known = (
                None
                if none
                else find_states(Path(str(store)), video.digest(one.path), recipe, sites, dtype)
            )
            if known is None:
                yield _length(one.path)


def _length(path: str) -> _Length:
    facts = video.info(path)
    if not facts.duration:
        raise VideoError("it states no length", where=path)
    frame_s = FRAME_S + facts.width * facts.height / DECODED_PIXELS_S
    return _Length(facts.duration, frame_s * (facts.fps or USUAL_FPS))


def _segment_s(model_s: float, videos: Sequence[_Length], recipe: Recipe, device: str) -> float:
    """Return the seconds of a segment: of the model, and of decoding and preparing its frames.

    They share the processors, or run beside a card.
    """
    seconds = sum(one.seconds for one in videos)
    decoding_s = sum(one.seconds * one.decoding_s for one in videos) / seconds * recipe.segment_s
    height, width = recipe.size or (0, 0)
    prepared_s = recipe.frames * height * width / PREPARED_PIXELS_S
    if device == "cpu":
        return model_s + (prepared_s + decoding_s) / cores()
    return max(model_s, prepared_s, decoding_s / parallel.decoders())
