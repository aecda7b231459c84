"""Verify what Frigate has found: fetch the recording of each review, score it, and say what it is.

Frigate's MQTT topic `reviews` says when one has ended. The answer goes to MQTT, and if wanted to
the events in Frigate. Needs no camera stream. Knows no command line.
"""

from __future__ import annotations

import heapq
import json
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hiprobe import pipeline, video
from hiprobe.backbones import Backbone
from hiprobe.errors import HiProbeError, OutOfMemory, SinkFailed, UsageError, VideoError
from hiprobe.live.alert import timestamp_utc
from hiprobe.live.frigate_api import FrigateApi, FrigateReview, NoRecording
from hiprobe.pipeline import ignore
from hiprobe.probe import Probe
from hiprobe.sinks import number
from hiprobe.types import Event, Result, unicode

SCHEMA = "hiprobe.verification/1"
ATTEMPTS = 5  # to get a recording
MOST_S = 600.0  # of a review is looked at
SHORT_S = 2.5  # that a recording may be shorter than what was asked for
MOST_WAITING = 1000  # reviews
REMEMBERED = 5000  # reviews that are not looked at twice
IDLE_S = 1.0  # until answers that could not be sent are tried again
CATCH_UP_S = 900.0  # before the last review that was seen, when the connection comes back
Answer = Literal["confirmed", "rejected", "unsure"]


@dataclass(frozen=True)
class FrigateOptions:
    """What is verified and how.

    `cameras` are the names of Frigate's cameras, none for all; `severities` those of its reviews.
    `padding_s` seconds of recording before and after a review are scored with it. A recording is
    asked for `wait_s` seconds after the end of its review, as Frigate writes it with a delay, and
    again after as long. `notes` are what is written to Frigate: description, sub_label.
    """

    cameras: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset({"alert", "detection"})
    padding_s: float = 5.0
    wait_s: float = 15.0
    notes: tuple[str, ...] = ()
    verify: bool = True
    explain: bool = True

    def wants(self, review: FrigateReview) -> bool:
        """Tell whether a review is to be verified."""
        return review.severity in self.severities and (
            not self.cameras or review.camera in self.cameras
        )


@dataclass(frozen=True)
class ReviewCheck:
    """What was found out about a review: the answer, and the event it comes from, if any.

    `score` is the highest smoothed score of its seconds. `reason` says why nothing is certain.
    """

    review: FrigateReview
    result: Answer
    score: float | None = None
    threshold: float | None = None
    event: Event | None = None
    reason: str | None = None
    probe: str = ""
    model: str = ""

    def line(self) -> dict[str, Any]:
        """Make the published form: JSON values, times in RFC 3339, UTC."""
        review, event = self.review, self.event
        return {
            "schema": SCHEMA,
            "source": "frigate",
            "id": unicode(review.id),
            "camera": unicode(review.camera),
            "start": timestamp_utc(review.start),
            "end": timestamp_utc(review.end),
            "result": self.result,
            "score": number(self.score),
            "threshold": number(self.threshold),
            "log_odds": number(None if event is None else event.verification.log_odds),
            "explanation": event and event.explanation and unicode(event.explanation),
            "reason": self.reason,
            "severity": review.severity,
            "objects": [unicode(one) for one in review.objects],
            "detections": [unicode(one) for one in review.detections],
            "probe": self.probe,
            "model": self.model,
        }

    @property
    def note(self) -> str:
        """What is written to Frigate: the answer, and what was seen."""
        seen = None if self.event is None else self.event.explanation
        if words := " ".join((seen or self.reason or "").split()):
            return f"{self.result}: {words}"
        score = "" if self.score is None else f", score {self.score:.2f}"
        return f"{self.result} by hiprobe{score}"


def review_of(payload: bytes) -> FrigateReview | None:
    """Read a message of Frigate's topic `reviews`; None unless it says that a review has ended.

    >>> review_of(b'{"type": "new", "after": {}}') is None
    True
    """
    try:
        values = json.loads(payload)
        return FrigateReview.of(values["after"]) if values["type"] == "end" else None
    except (ValueError, LookupError, TypeError):
        return None


def answer_of(result: Result, review: FrigateReview, padding_s: float) -> ReviewCheck:
    """Say what a scored recording means for its review, which begins `padding_s` s into it.

    An event that the model did not reject confirms it, or leaves it unsure if the model was unsure.
    Without such an event it is rejected, or unsure if the recording is not whole.
    """
    near = (padding_s - SHORT_S, padding_s + review.end - review.start + SHORT_S)
    events = [one for one in result.events if one.start < near[1] and one.end > near[0]]
    best = max(events, key=lambda one: (not one.demoted, one.score or 0.0), default=None)
    score, threshold = _highest(result, near)
    lost = result.status != "done" or score is None
    answer: Answer = "unsure" if lost else "rejected"
    if best is not None and not best.demoted:
        answer = "unsure" if best.verification.result == "unsure" else "confirmed"
    elif best is not None:
        answer = "rejected"
    reason = (result.reason or "nothing could be scored") if lost and best is None else None
    facts = result.provenance
    model = str(facts.get("model", {}).get("name", ""))
    return ReviewCheck(
        review, answer, score, threshold, best, reason, str(facts.get("probe", "")), model
    )


def _highest(result: Result, span: tuple[float, float]) -> tuple[float | None, float | None]:
    """Return the highest smoothed score of a span, in seconds, and its threshold."""
    scores = result.scores
    if scores is None:
        return None, None
    inside = [
        place
        for place, (a, b) in enumerate(zip(scores.starts, scores.ends, strict=True))
        if a < span[1] and b > span[0]
    ]
    if not inside:
        return None, None
    best = max(inside, key=lambda place: float(scores.smoothed[place]))
    return float(scores.smoothed[best]), float(scores.threshold[best])


@dataclass
class FrigateVerifier:
    """Verifies reviews one after the other, with one model.

    `publish` sends an answer and raises SinkFailed if it cannot be sent now; `told` gets each
    answer once, and `report` a line for people. Raises RecipeMismatch for a probe of another model.
    """

    api: FrigateApi
    model: Backbone
    probe: Probe
    publish: Callable[[Mapping[str, Any]], object]
    options: FrigateOptions = field(default_factory=FrigateOptions)
    told: Callable[[ReviewCheck], object] = ignore
    report: Callable[[str], object] = ignore

    def __post_init__(self) -> None:
        pipeline.check_probe(self.model, self.probe)
        self._waiting: list[tuple[float, int, int, FrigateReview]] = []
        self._changed, self._closed = threading.Condition(), False
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._newest, self._count, self._unsent = 0.0, 0, list[ReviewCheck]()
        self.failure: HiProbeError | None = None

    # -- from the thread of the connection

    def heard(self, _topic: str, payload: bytes) -> None:
        """Take a message of Frigate's topic `reviews`."""
        review = review_of(payload)
        if review is not None:
            self.add(review)

    def connected(self) -> Iterator[tuple[str, str]]:
        """Note that the connection is there, and ask for what was missed while it was not."""
        if self._newest:
            threading.Thread(target=self.catch_up, daemon=True).start()
        yield from ()

    def catch_up(self) -> None:
        """Ask Frigate for reviews that ended meanwhile."""
        try:
            for review in self.api.reviews(self._newest - CATCH_UP_S):
                self.add(review)
        except (SinkFailed, UsageError) as error:
            self.report(f"reviews that ended meanwhile may be missing: {error}")

    def add(self, review: FrigateReview) -> None:
        """Let a review be verified, unless it was before or nobody wants it."""
        with self._changed:
            if not self.options.wants(review) or review.id in self._seen or self._closed:
                return
            self._seen[review.id] = None
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            self._newest = max(self._newest, review.end)
            self._put(max(time.time(), review.end + self.options.wait_s), 1, review)
            dropped = len(self._waiting) - MOST_WAITING
            if dropped > 0:
                self._waiting = heapq.nlargest(MOST_WAITING, self._waiting)
                heapq.heapify(self._waiting)
        if dropped > 0:
            self.report(f"too many reviews wait: {dropped} of the oldest will not be verified")

    def _put(self, due: float, attempt: int, review: FrigateReview) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, attempt, review))
        self._changed.notify_all()

    # -- the thread that verifies

    def run(self) -> None:
        """Verify until `close` is called; the error that ends it before that is the `failure`."""
        try:
            while not self._closed:
                self._send_unsent()
                for attempt, review in self._next():
                    self._verify(review, attempt)
        except HiProbeError as error:
            self.failure = error

    def _next(self) -> list[tuple[int, FrigateReview]]:
        """Return the review that is due, and which attempt it is; waits a moment if none is."""
        with self._changed:
            now = time.time()
            due = self._waiting[0][0] if self._waiting else now + IDLE_S
            if due > now:
                self._changed.wait(min(IDLE_S, due - now))
                return []
            _, _, attempt, review = heapq.heappop(self._waiting)
        return [(attempt, review)]

    def close(self) -> None:
        """End `run` after the review that is being verified."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many reviews wait to be verified, or to be published."""
        return len(self._waiting) + len(self._unsent)

    def _verify(self, review: FrigateReview, attempt: int) -> None:
        try:
            check = self._check(review, last=attempt >= ATTEMPTS)
        except SinkFailed as error:
            if attempt < ATTEMPTS:
                with self._changed:
                    self._put(time.time() + self.options.wait_s * attempt, attempt + 1, review)
                return
            self.report(f"review {review.id} of {review.camera}: {error}")
            check = ReviewCheck(review, "unsure", reason=error.reason, probe=self.probe.digest)
        self.told(check)
        self._unsent.append(check)
        self._send_unsent()
        self._write(check)

    def _check(self, review: FrigateReview, *, last: bool) -> ReviewCheck:
        """Fetch and score the recording of a review; raises SinkFailed if there is none yet."""
        padding = self.options.padding_s
        start, end = review.start - padding, min(review.end, review.start + MOST_S) + padding
        with tempfile.TemporaryDirectory(prefix="hiprobe-") as folder:
            clip = Path(folder) / "clip.mp4"
            self.api.clip(review.camera, start, end, clip)
            try:
                length = video.info(clip).duration or 0.0
                if length < end - start - SHORT_S and not last:
                    raise NoRecording("the recording is not whole yet", where=self.api.shown)
                return self._scored(clip, review, whole=length >= end - start - padding - SHORT_S)
            except (VideoError, OutOfMemory) as error:
                if not last:
                    raise NoRecording(error.reason, where=self.api.shown) from error
                return ReviewCheck(review, "unsure", reason=error.reason, probe=self.probe.digest)

    def _scored(self, clip: Path, review: FrigateReview, *, whole: bool) -> ReviewCheck:
        options = self.options
        result = pipeline.detect(
            clip, self.model, self.probe, explain=options.explain, verify=options.verify
        )
        check = answer_of(result, review, options.padding_s)
        if whole or check.result != "rejected":
            return check
        why = "Frigate has recorded only a part of it"
        return ReviewCheck(**{**vars(check), "result": "unsure", "reason": why})

    def _send_unsent(self) -> None:
        """Publish the answers in their order, as far as that works now."""
        with suppress(SinkFailed):
            while self._unsent:
                self.publish(self._unsent[0].line())
                self._unsent.pop(0)
        del self._unsent[:-MOST_WAITING]

    def _write(self, check: ReviewCheck) -> None:
        """Write the answer to the events in Frigate, if that is wanted."""
        events = check.review.detections
        try:
            if "description" in self.options.notes:
                self.api.describe(events, check.note)
            if "sub_label" in self.options.notes:
                self.api.set_sub_label(events, check.note, check.score)
        except HiProbeError as error:
            self.report(f"review {check.review.id}: nothing was written to Frigate: {error}")
