"""What Frigate has found is fetched, scored and answered: a Frigate on loopback, a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="the extra hiprobe[alerts] is not installed")

from tests.support import broker as brokers
from tests.support.broker import Broker, Subscriber, needs_mosquitto
from tests.support.frigate_recordings import RecordingFrigate, cut
from tests.support.http_receiver import free_port
from tests.support.refusals import refused

from hiprobe import embedded
from hiprobe.errors import RecipeMismatch, SinkFailed, UsageError
from hiprobe.live import verify_frigate
from hiprobe.live.frigate_api import FrigateApi, FrigateReview, NoRecording
from hiprobe.live.verify_frigate import (
    FrigateOptions,
    FrigateVerifier,
    ReviewCheck,
    answer_of,
    review_of,
)
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Event, Result, Scores, Verification

BEGINS = 1_795_000_000.0
NOBODY = FrigateReview("1.0-a", "yard", BEGINS + 6, BEGINS + 12, detections=("1.1-x", "1.2-y"))


def message(review: FrigateReview, kind: str = "end") -> bytes:
    after = {
        "id": review.id,
        "camera": review.camera,
        "start_time": review.start,
        "end_time": review.end if kind == "end" else None,
        "severity": review.severity,
        "thumb_path": "/media/frigate/clips/review/x.webp",
        "data": {"detections": list(review.detections), "objects": ["person"], "zones": []},
    }
    return json.dumps({"type": kind, "before": after, "after": after}).encode()


@pytest.fixture
def frigate(tmp_path: Path) -> Iterator[RecordingFrigate]:
    """Two cameras: `yard` has the demo with its fight, `door` a clip of nothing."""
    recordings = {"yard": embedded.VIDEO, "door": embedded.CLIPS / "normal_00.mp4"}
    with RecordingFrigate(recordings=recordings, begins=BEGINS) as one:
        yield one


@pytest.fixture(scope="module")
def probe() -> Probe:
    return Probe.load(embedded.PROBE)


def eventually(true: Any, within_s: float = 120.0) -> Any:
    """Wait until `true` returns something true, also on a busy machine."""
    return brokers.eventually(true, within_s)


class Verifying:
    """A verifier in a thread; `lines` are what it published."""

    def __init__(self, frigate: RecordingFrigate, model: Any, probe: Probe, **options: Any) -> None:
        self.lines: list[Any] = []
        self.told: list[ReviewCheck] = []
        self.reports: list[str] = []
        quick = {"wait_s": 0.0, "padding_s": 2.0, "explain": False}
        self.verifier = FrigateVerifier(
            FrigateApi(f"http://{frigate.host}"),
            model,
            probe,
            self.lines.append,
            FrigateOptions(**{**quick, **options}),
            self.told.append,
            self.reports.append,
        )

    def __enter__(self) -> Verifying:
        self._thread = threading.Thread(target=self.verifier.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.verifier.close()
        self._thread.join(120)
        assert not self._thread.is_alive()
        assert self.verifier.failure is None

    def hear(self, review: FrigateReview, kind: str = "end") -> None:
        self.verifier.heard("frigate/reviews", message(review, kind))


def test_what_is_written_to_frigate_says_who_says_so() -> None:
    review = FrigateReview("1", "yard", 1.0, 2.0, "alert")
    assert ReviewCheck(review, "rejected", 0.0119).note == "rejected by hiprobe, score 0.01"
    assert ReviewCheck(review, "rejected").note == "rejected by hiprobe"
    assert ReviewCheck(review, "unsure", reason="no recording").note == "unsure: no recording"


def test_a_review_of_a_fight_is_confirmed_and_one_of_nothing_is_rejected(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    door = replace(NOBODY, id="2.0-b", camera="door", start=BEGINS + 3, end=BEGINS + 9)
    with Verifying(frigate, shipped, probe) as one:
        one.hear(NOBODY, "new")
        one.hear(NOBODY)
        one.hear(door)
        one.hear(NOBODY)  # said twice
        eventually(lambda: len(one.lines) == 2)
    first, second = one.lines
    assert (first["id"], first["camera"], first["result"]) == ("1.0-a", "yard", "confirmed")
    assert first["score"] > first["threshold"]
    assert first["detections"] == ["1.1-x", "1.2-y"]
    assert (second["camera"], second["result"]) == ("door", "rejected")
    assert second["score"] < second["threshold"]
    assert first["schema"] == "hiprobe.verification/1"
    assert first["probe"] == probe.digest


def test_a_confirmed_review_is_explained_and_written_to_the_events(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    notes = ("description", "sub_label")
    with Verifying(frigate, shipped, probe, explain=True, notes=notes) as one:
        one.hear(NOBODY)
        eventually(lambda: len(frigate.notes) == 4)
    text = frigate.notes["1.1-x", "description"]["description"]
    assert text == f"confirmed: {one.lines[0]['explanation']}"
    assert frigate.notes["1.2-y", "sub_label"]["subLabel"] == text[:100]
    assert 0 < frigate.notes["1.2-y", "sub_label"]["subLabelScore"] <= 1


def test_a_recording_that_is_not_whole_yet_is_asked_for_again(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    frigate.until = BEGINS + 5
    with Verifying(frigate, shipped, probe, wait_s=0.3) as one:
        one.hear(NOBODY)
        eventually(lambda: len(frigate.requests) >= 2)
        assert one.lines == []
        frigate.until = float("inf")
        eventually(lambda: one.lines)
    assert one.lines[0]["result"] == "confirmed"


def test_without_a_recording_nothing_is_certain(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    gone = replace(NOBODY, start=BEGINS + 5000, end=BEGINS + 5010)
    half = replace(NOBODY, id="3.0-c", camera="door", start=BEGINS + 8, end=BEGINS + 60)
    with Verifying(frigate, shipped, probe) as one:
        one.hear(gone)
        one.hear(half)
        eventually(lambda: len(one.lines) == 2)
    by = {line["id"]: line for line in one.lines}
    assert (by["1.0-a"]["result"], by["1.0-a"]["score"]) == ("unsure", None)
    assert "it refuses this message" not in by["1.0-a"]["reason"]
    assert by["3.0-c"]["result"] == "unsure"
    assert by["3.0-c"]["reason"] == "Frigate has recorded only a part of it"
    assert len(frigate.requests) == 2 * verify_frigate.ATTEMPTS


def test_what_nobody_wants_is_left_alone(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    severe = frozenset({"alert"})
    cameras = frozenset({"yard"})
    with Verifying(frigate, shipped, probe, severities=severe, cameras=cameras) as one:
        one.hear(NOBODY)
        one.hear(replace(NOBODY, id="4", camera="door", severity="alert"))
        one.hear(replace(NOBODY, id="5", severity="alert"))
        eventually(lambda: one.lines)
        time.sleep(0.2)
    assert [line["id"] for line in one.lines] == ["5"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[]", b'{"type": "end"}', b'{"type": "end", "after": []}',
     b'{"type": "end", "after": {"id": "a", "camera": "b", "start_time": 5, "end_time": 4}}',
     b'{"type": "end", "after": {"id": "a", "camera": "b", "start_time": 5, "end_time": null}}',
     b'{"type": "end", "after": {"id": "a", "camera": "b", "start_time": "x", "end_time": 4}}'],
)  # fmt: skip
def test_a_message_that_is_none_is_passed_over(payload: bytes) -> None:
    assert review_of(payload) is None


def test_reviews_that_ended_while_the_broker_was_away_are_made_up_for(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    frigate.reviews = [
        json.loads(message(replace(NOBODY, id=name)))["after"] for name in ("1.0-a", "9.0-z")
    ]
    frigate.reviews.append({**frigate.reviews[0], "id": "8.0-y", "end_time": None})
    with Verifying(frigate, shipped, probe) as one:
        assert list(one.verifier.connected()) == []
        assert frigate.requests == []  # nothing was missed yet
        one.hear(NOBODY)
        eventually(lambda: one.lines)
        list(one.verifier.connected())
        eventually(lambda: len(one.lines) == 2)
    assert [line["id"] for line in one.lines] == ["1.0-a", "9.0-z"]


def test_answers_wait_for_a_broker_that_is_away(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    away, sent = threading.Event(), list[Any]()
    away.set()

    def publish(line: Any) -> None:
        if away.is_set():
            raise SinkFailed("cannot be reached")
        sent.append(line)

    with Verifying(frigate, shipped, probe) as one:
        one.verifier.publish = publish
        one.hear(NOBODY)
        one.hear(replace(NOBODY, id="2"))
        eventually(lambda: len(one.told) == 2)
        assert one.verifier.waiting == 2
        away.clear()
        eventually(lambda: len(sent) == 2)
    assert [line["id"] for line in sent] == ["1.0-a", "2"]


def test_a_login_is_made_once_and_never_shown(frigate: RecordingFrigate, tmp_path: Path) -> None:
    frigate.login = ("me", "p@ss-word")
    out = tmp_path / "clip.mp4"
    api = FrigateApi(f"http://me:p%40ss-word@{frigate.host}")
    for _ in range(2):
        api.clip("yard", BEGINS + 2, BEGINS + 6, out)
    assert out.stat().st_size > 1000
    assert frigate.requests.count("/api/login") == 1
    wrong = FrigateApi(f"http://me:s3cret-9@{frigate.host}")
    with pytest.raises(SinkFailed, match=r"answered 401.*check user and password") as caught:
        wrong.clip("yard", BEGINS + 2, BEGINS + 6, out)
    assert "s3cret-9" not in f"{caught.value!r} {caught.value.__cause__!r} {wrong.shown}"
    with pytest.raises(NoRecording, match="answered 404"):
        api.clip("nobody", BEGINS, BEGINS + 1, out)
    with pytest.raises(SinkFailed):
        FrigateApi(f"http://127.0.0.1:{free_port()}").clip("yard", BEGINS, BEGINS + 1, out)
    with pytest.raises(UsageError, match="must begin with http://HOST or https://HOST"):
        FrigateApi("frigate:5000")


def test_a_probe_of_another_model_is_refused(
    frigate: RecordingFrigate, shipped: Any, probe: Probe
) -> None:
    other = replace(probe, recipe=replace(probe.recipe, model="org/other"))
    with pytest.raises(RecipeMismatch):
        Verifying(frigate, shipped, other)


# What a scored recording means


def result(*events: Event, status: Any = "done", **more: Any) -> Result:
    import numpy as np

    starts = np.arange(8) * 1.6
    raw = np.linspace(0.1, 0.8, 8)
    scores = Scores(starts, starts + 1.6, raw, raw, np.full(8, 0.9))
    return Result("clip.mp4", "0" * 64, status, 12.8, scores, events, **more)


def event(check: str, start: float = 3.0, **more: Any) -> Event:
    demoted = {"severity": "low"} if check == "rejected" else {}
    return Event(
        start, start + 3, start + 1, 0.9, verification=Verification(check), **demoted, **more
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ((), "rejected"),
        ((event("confirmed"),), "confirmed"),
        ((event("not_checked"),), "confirmed"),
        ((event("unsure"),), "unsure"),
        ((event("rejected"),), "rejected"),
        ((event("rejected"), event("confirmed", 6.5)), "confirmed"),
        ((event("confirmed", 20.0),), "rejected"),  # long after the review
    ],
)
def test_the_answer_follows_from_the_events(events: tuple[Event, ...], answer: str) -> None:
    check = answer_of(result(*events), replace(NOBODY, start=100.0, end=104.0), 5.0)
    assert check.result == answer
    assert check.score == pytest.approx(0.8)


def test_what_was_not_scored_is_unsure() -> None:
    check = answer_of(result(status="partial", reason="2 packets lost"), NOBODY, 5.0)
    assert (check.result, check.reason) == ("unsure", "2 packets lost")
    assert (
        answer_of(result(event("confirmed"), status="partial"), NOBODY, 5.0).result == "confirmed"
    )


def test_localization_counts(frigate: RecordingFrigate, shipped: Any, probe: Probe) -> None:
    never = replace(probe, localization=Localization(rule="fixed", threshold=2.0))
    with Verifying(frigate, shipped, never) as one:
        one.hear(NOBODY)
        eventually(lambda: one.lines)
    assert one.lines[0]["result"] == "rejected"


# The command


@needs_mosquitto
def test_the_command_answers_over_a_real_broker_until_it_is_ended(
    frigate: RecordingFrigate, tmp_path: Path
) -> None:
    frigate.login = ("me", "p@ss-word")
    with Broker(tmp_path / "broker") as broker:
        env = {
            **os.environ,
            "HIPROBE_MQTT_URL": f"mqtt://watcher:br0ker-pw@127.0.0.1:{broker.port}",
        }
        url = f"http://me:p%40ss-word@{frigate.host}"
        command = [sys.executable, "-m", "hiprobe", "verify", "frigate", "--url", url]
        more = ["--wait", "0", "--json", "--note", "description", "--device", "cpu"]
        done = subprocess.Popen(
            [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        with Subscriber(broker) as ears:
            eventually(lambda: ears.last("hiprobe/verify/available") == b"online")
            ears.publish("frigate/reviews", message(NOBODY).decode())
            answer = json.loads(eventually(lambda: ears.last("hiprobe/verifications")))
            assert answer["result"] == "confirmed"
            assert answer["explanation"]
            eventually(lambda: len(frigate.notes) == 2)
            began = time.monotonic()
            done.send_signal(signal.SIGTERM)
            out, err = done.communicate(timeout=20)
            assert time.monotonic() - began < 5
            eventually(lambda: ears.last("hiprobe/verify/available") == b"offline")
    assert done.returncode == 0, err
    assert json.loads(out)["id"] == NOBODY.id
    for secret in ("p@ss-word", "p%40ss-word", "br0ker-pw"):
        assert secret not in out + err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["other", "--url", "http://x", "--mqtt", "mqtt://x"], "there is no 'other' to verify"),
        (["frigate", "--url", "x", "--mqtt", "mqtt://x"], "must begin with http://HOST"),
        (["frigate", "--url", "http://x", "--mqtt", "x"], "must begin with mqtt://HOST"),
        (["frigate", "--url", "http://x", "--mqtt", "mqtt://x", "--note", "y"], "--note must be"),
        (["frigate", "--url", "http://x", "--mqtt", "mqtt://x", "--padding", "-1"], "--padding"),
        (["frigate", "--url", "http://x", "--mqtt", "mqtt://x", "-p", "none"], "no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    code, said = refused(tmp_path, "verify", *arguments)
    assert code in (2, 4), said
    assert says in said
    assert len(said.splitlines()) == 1


def test_a_part_of_a_file_is_cut_as_frigate_does() -> None:
    assert len(cut(embedded.VIDEO, 5.0, 9.0)) > 1000
    assert cut(embedded.VIDEO, 5.0, 5.0) == b""
