"""Score footage without anomalies, and set a level or threshold by it. Knows no command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hiprobe.errors import OutOfMemory, VideoError
from hiprobe.localize import Localization, localize
from hiprobe.pipeline.detection import check_probe
from hiprobe.pipeline.reading import Reading, ReadPlan, decode_ahead, read_or_load
from hiprobe.pipeline.verification import check_events
from hiprobe.pipeline.window_states import VideoWindows
from hiprobe.probe import Probe
from hiprobe.probe.false_alarm_rate import (
    FalseAlarmRate,
    check_footage,
    level_for_rate,
    threshold_for_rate,
)
from hiprobe.types import Event, Scores, Video
from hiprobe.video import parallel


@dataclass(frozen=True)
class NormalFootage:
    """The videos that were scored, with their digests, and the scores of each."""

    videos: tuple[Video, ...]
    scores: tuple[Scores, ...]


def rate_for(
    wanted: float, footage: NormalFootage, reading: Reading, probe: Probe, settings: Localization
) -> FalseAlarmRate:
    """Find what keeps the false alarms of this footage below `wanted` per day.

    If the probe says how to check events, the threshold of scores stays as in `settings` and the
    level of the check is raised: the model is asked about every event that is found. Otherwise the
    threshold is set (`threshold_for_rate`). `settings` must smooth as those that the scores were
    made with.
    """
    rule = probe.verification
    if rule is None:
        return threshold_for_rate(wanted, footage.scores, settings)
    check_footage(footage.scores)
    odds: list[float] = []
    for one, scores in zip(footage.videos, footage.scores, strict=True):
        found = localize(scores.starts, scores.ends, scores.raw, scores.gaps, settings)[1]
        windows = VideoWindows(one.path, str(one.id), reading)
        checked, _ = check_events(found, scores, rule, windows, probe.recipe)
        odds += [_log_odds(event) for event in checked]
    hours = sum(one.scored_s for one in footage.scores) / 3600
    return level_for_rate(wanted, odds, hours, rule.threshold)


def _log_odds(event: Event) -> float:
    odds = event.verification.log_odds
    assert odds is not None, "an event that was checked has log-odds"
    return odds


def score_normal(
    videos: Iterable[Video],
    reading: Reading,
    probe: Probe,
    localization: Localization | None = None,
) -> NormalFootage:
    """Score videos without anomalies with `probe`, smoothed by `localization` or as the probe says.

    A copy of a video is not more footage, so each content counts once. A video that cannot be read
    or does not fit into memory is skipped: `reading.failed` gets its path and the error; without it
    the error is raised. Raises RecipeMismatch for a probe of another model, ModelError and
    StoreError.
    """
    check_probe(reading.model, probe)
    plan = ReadPlan(tuple(probe.sites), probe.recipe)
    rule = replace(localization or probe.localization, rule="fixed", threshold=0.0)
    read: list[tuple[Video, Scores]] = []
    for one in parallel.coming(list(videos), lambda one: decode_ahead(one.path, reading, plan)):
        try:
            found = read_or_load(one.path, reading, plan)
        except (VideoError, OutOfMemory) as error:
            if reading.failed is None:
                raise
            reading.failed(one.path, error)
            continue
        if any(known.id == found.video_id for known, _ in read):
            continue
        scored = localize(found.starts, found.ends, probe.score(found), found.gaps, rule)[0]
        read.append((replace(one, id=found.video_id), scored))
    return NormalFootage(tuple(one for one, _ in read), tuple(scores for _, scores in read))
