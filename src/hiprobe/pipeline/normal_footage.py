"""Score footage without anomalies, from which a threshold is set. Knows no command line."""

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
    IsAlarm,
    always,
    threshold_for_rate,
)
from hiprobe.types import Event, Scores, Video
from hiprobe.video import parallel


@dataclass(frozen=True)
class NormalFootage:
    """The videos that were scored, with their digests, and the scores of each."""

    videos: tuple[Video, ...]
    scores: tuple[Scores, ...]

    def threshold(
        self, wanted: float, settings: Localization, is_alarm: IsAlarm = always
    ) -> FalseAlarmRate:
        """Find the threshold for at most `wanted` false alarms per day: `threshold_for_rate`.

        `settings` must smooth as those that the scores were made with. The number of a video that
        `is_alarm` gets counts in `videos`.
        """
        return threshold_for_rate(wanted, self.scores, settings, is_alarm)


def model_check(footage: NormalFootage, reading: Reading, probe: Probe) -> IsAlarm:
    """Return whether an event of the footage is an alarm: not if the model rejects it.

    The model is asked as in a detection, about events only. Without a rule in the probe every event
    is an alarm.
    """
    rule = probe.verification
    if rule is None:
        return always

    def is_alarm(number: int, event: Event) -> bool:
        one = footage.videos[number]
        windows = VideoWindows(one.path, str(one.id), reading)
        checked, _ = check_events((event,), footage.scores[number], rule, windows, probe.recipe)
        return not checked[0].demoted

    return is_alarm


def score_normal(
    videos: Iterable[Video],
    reading: Reading,
    probe: Probe,
    localization: Localization | None = None,
) -> NormalFootage:
    """Score videos without anomalies with `probe`, smoothed by `localization` or as the probe says.

    A video that cannot be read or does not fit into memory is skipped: `reading.failed` gets its
    path and the error; without it the error is raised. Raises RecipeMismatch for a probe of another
    model, ModelError and StoreError.
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
        scored = localize(found.starts, found.ends, probe.score(found), found.gaps, rule)[0]
        read.append((replace(one, id=found.video_id), scored))
    return NormalFootage(tuple(one for one, _ in read), tuple(scores for _, scores in read))
