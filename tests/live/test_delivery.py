"""Alerts through the outbox to sinks: retries, order, one dead sink beside a good one, the disk."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.conftest import full_disk
from tests.support.broker import eventually
from tests.support.http_receiver import Receiver

from hiprobe.errors import SinkFailed, StoreError, UsageError
from hiprobe.live import sender
from hiprobe.live.alert import Alert, CameraState, score_line
from hiprobe.live.delivery import Delivery
from hiprobe.live.destinations import Destination
from hiprobe.live.outbox import NAME
from hiprobe.live.sender import pause_s
from hiprobe.sinks import ALERT_SCHEMA, CAMERA_SCHEMA, SCORE_SCHEMA, Live
from hiprobe.types import Verification


def alert(kind: Any = "new", name: str = "a1", **more: Any) -> Alert:
    return Alert(name, kind, "yard", time.time() - 2, time.time(), **more)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "hook") as receiver:
        yield receiver


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of at most a fifth of a second."""
    monkeypatch.setattr(sender, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(sender, "MOST_PAUSE_S", 0.2)
    monkeypatch.setattr(sender, "ASKED_PAUSE_S", 0.3)


@pytest.fixture
def deliver(tmp_path: Path) -> Iterator[Callable[..., Delivery]]:
    """Begin to deliver to destinations from the same folder; reports go to `said`."""
    begun: list[Delivery] = []

    def begin(*destinations: Destination, said: list[str] | None = None, **more: Any) -> Delivery:
        report = (lambda line: None) if said is None else said.append
        begun.append(Delivery(destinations, Live(tmp_path / "state"), report=report, **more))
        return begun[-1]

    yield begin
    for one in begun:
        one.close(0.1)


def webhook(receiver: Receiver, name: str = "hook", **more: Any) -> Destination:
    return Destination(name, "webhook", receiver.url, **more)


def got(receiver: Receiver) -> list[tuple[str, int]]:
    """The type and number of each message that the receiver has, in order."""
    data = [one.json["data"] for one in receiver.received()]
    return [(one["type"], one["sequence"]) for one in data]


def test_an_alert_is_on_its_way_at_once(deliver: Callable[..., Delivery], hook: Receiver) -> None:
    delivery = deliver(webhook(hook))
    eventually(lambda: delivery.states()[0].waiting == 0)
    began = time.monotonic()
    assert delivery.put(alert())
    eventually(lambda: got(hook) == [("new", 1)])
    assert time.monotonic() - began < 2.0
    eventually(lambda: delivery.states()[0].delivered == 1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [500, 503, 429, 401, 404, 302])
def test_a_receiver_that_fails_gets_all_in_order_once_it_works(
    deliver: Callable[..., Delivery], hook: Receiver, status: int
) -> None:
    said: list[str] = []
    delivery = deliver(webhook(hook), said=said)
    hook.behave(status, **{"Retry-After": "1"})
    for kind in ("new", "update", "end"):
        delivery.put(alert(kind))
    eventually(lambda: delivery.states()[0].failures >= 2)
    state = delivery.states()[0]
    assert state.reason is not None
    assert f"answered {status}" in state.reason
    assert (state.waiting, state.delivered, got(hook)) == (3, 0, [])
    hook.behave(200)
    eventually(lambda: got(hook) == [("new", 1), ("update", 2), ("end", 3)])
    eventually(lambda: delivery.states()[0].reason is None)
    assert [line for line in said if "fails" in line] == said[:1]
    assert said[1:] == ["sink hook works again"]


@pytest.mark.usefixtures("impatient")
def test_a_receiver_that_is_not_there_at_the_start_is_reported_and_tried_again(
    deliver: Callable[..., Delivery], tmp_path: Path
) -> None:
    receiver, said = Receiver(tmp_path / "later"), list[str]()
    delivery = deliver(webhook(receiver), said=said)
    delivery.put(alert())
    eventually(lambda: delivery.states()[0].failures >= 2)
    assert f"webhook http://127.0.0.1:{receiver.port}: cannot be reached" in said[0]
    with receiver:
        eventually(lambda: got(receiver) == [("new", 1)])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sink", ["webhook", "frigate", "apprise"])
def test_a_receiver_that_is_not_there_is_reported_before_the_first_alert(
    deliver: Callable[..., Delivery], tmp_path: Path, sink: str
) -> None:
    receiver, said = Receiver(tmp_path / "later"), list[str]()
    address = f"http://127.0.0.1:{receiver.port}"
    target = f"{address}/s3cret".replace("http", "json" if sink == "apprise" else "http")
    shown = "json://" if sink == "apprise" else address
    delivery = deliver(Destination("there", sink, target), said=said)
    eventually(lambda: delivery.states()[0].failures >= 2)
    assert said == [
        f"sink there fails, and is tried again: {sink} {shown}: "
        "cannot be reached: nothing listens at its port; check the address, and the receiver"
    ]
    with receiver:
        eventually(lambda: said[1:] == ["sink there works again"])
        assert receiver.received() == []
        assert delivery.states()[0].reason is None


@pytest.mark.usefixtures("impatient")
def test_a_dead_sink_does_not_hold_up_another(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    with Receiver(tmp_path / "hangs") as hangs:
        hangs.behave("hang")
        delivery = deliver(webhook(hangs, "dead"), webhook(hook))
        for number in range(5):
            delivery.put(alert("new", f"a{number}"))
        eventually(lambda: len(got(hook)) == 5, 5.0)
        eventually(lambda: [one.waiting for one in delivery.states()] == [5, 0])


@pytest.mark.usefixtures("impatient")
def test_a_message_that_is_refused_holds_up_its_own_alert_only(
    deliver: Callable[..., Delivery], hook: Receiver
) -> None:
    said: list[str] = []
    delivery = deliver(webhook(hook), said=said)
    hook.behave(422)
    delivery.put(alert("new", "bad"))
    eventually(lambda: delivery.states()[0].refused == 1)
    hook.behave(200)
    delivery.put(alert("update", "bad"))
    delivery.put(alert("new", "good"))
    eventually(lambda: [one.json["data"]["id"] for one in hook.received()] == ["good"])
    eventually(lambda: delivery.states()[0].waiting == 2)
    assert (delivery.states()[0].refused, delivery.states()[0].reason) == (1, None)
    assert "refuses this message; it is tried again later" in said[0]


def test_a_phone_gets_one_message_and_a_hook_all(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    one_message = {"types": ["new"], "min_severity": "medium", "wait": "verified", "wait_s": 600}
    with Receiver(tmp_path / "phone") as phone:
        delivery = deliver(webhook(hook), webhook(phone, "phone", settings=one_message))
        delivery.put(alert())
        eventually(lambda: got(hook) == [("new", 1)])
        assert got(phone) == []
        said = {"verification": Verification("confirmed", 2.0), "explanation": "a fall"}
        delivery.put(alert("update", **said))
        delivery.put(alert("end", verification=Verification("confirmed", 2.0)))
        eventually(lambda: got(phone) == [("new", 1)])
        eventually(lambda: len(got(hook)) == 3)
        assert phone.received()[0].json["data"]["verification"]["result"] == "confirmed"
        assert hook.received()[0].json["data"]["verification"]["result"] == "not_checked"


def test_a_check_that_never_comes_is_waited_for_a_while(
    deliver: Callable[..., Delivery], hook: Receiver
) -> None:
    delivery = deliver(webhook(hook, settings={"wait": "verified", "wait_s": 0.4}))
    began = time.monotonic()
    delivery.put(alert())
    eventually(lambda: got(hook) == [("new", 1)])
    assert time.monotonic() - began > 0.4
    assert hook.received()[0].json["data"]["verification"]["result"] == "not_checked"


def test_where_nothing_is_checked_no_sink_waits(
    deliver: Callable[..., Delivery], hook: Receiver
) -> None:
    delivery = deliver(webhook(hook, settings={"wait": "verified"}), verified=False)
    delivery.put(alert())
    eventually(lambda: got(hook) == [("new", 1)], 5.0)


def test_a_new_start_sends_what_an_earlier_one_could_not(
    deliver: Callable[..., Delivery], tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path / "later")
    first = deliver(webhook(receiver))
    first.put(alert())
    eventually(lambda: first.states()[0].failures)
    began = time.monotonic()
    first.close()
    assert time.monotonic() - began < 5
    with receiver:
        deliver(webhook(receiver))
        eventually(lambda: got(receiver) == [("new", 1)])


def test_closing_sends_what_is_due(deliver: Callable[..., Delivery], tmp_path: Path) -> None:
    log = tmp_path / "alerts.jsonl"
    delivery = deliver(Destination("log", "jsonl", str(log)))
    for number in range(20):
        delivery.put(alert("new", f"a{number}"))
    delivery.close()
    assert len(log.read_text().splitlines()) == 20


def test_closing_sends_what_came_while_the_sender_looked(tmp_path: Path) -> None:
    """It had found nothing to send, and ended without looking again: about one in twenty."""
    for number in range(40):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        log = Destination("log", "jsonl", str(folder / "a.jsonl"))
        delivery = Delivery([log], Live(folder))
        time.sleep(number % 10 * 0.0008)
        delivery.put(alert())
        delivery.close(60)
        assert (folder / "a.jsonl").exists()


def test_a_receiver_that_hangs_does_not_keep_the_watcher_from_ending(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    hook.behave("hang")
    log = tmp_path / "alerts.jsonl"
    delivery = deliver(webhook(hook), Destination("log", "jsonl", str(log)))
    delivery.put(alert())
    eventually(lambda: log.exists())
    time.sleep(0.2)
    began = time.monotonic()
    delivery.close(1.0)
    assert time.monotonic() - began < 4


# -- the disk


@pytest.mark.usefixtures("impatient")
def test_alerts_wait_in_memory_while_the_disk_is_full(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    said: list[str] = []
    delivery = deliver(webhook(hook), said=said)
    delivery.put(alert("new", "before"))
    eventually(lambda: len(got(hook)) == 1)
    with full_disk(0):
        assert not delivery.put(alert("new", "during", explanation="x" * 9000))
        assert not delivery.put(alert("end", "during"))
        assert delivery.unstored == 2
        time.sleep(0.3)
    eventually(lambda: got(hook) == [("new", 1), ("new", 1), ("end", 2)])
    assert delivery.unstored == 0
    assert "alerts cannot be stored, and wait in memory: " in said[0]
    assert "alerts are stored again" in said


@pytest.mark.usefixtures("impatient")
def test_a_message_is_not_sent_twice_because_the_disk_was_full(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    delivery = deliver(webhook(hook))
    hook.behave(500)
    delivery.put(alert())
    eventually(lambda: delivery.states()[0].failures)
    other = sqlite3.connect(tmp_path / "state" / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nothing can be marked as delivered
    hook.behave(200)
    time.sleep(1.0)
    other.execute("ROLLBACK")
    eventually(lambda: delivery.states()[0].delivered == 1)
    eventually(lambda: delivery.states()[0].waiting == 0)
    assert got(hook) == [("new", 1)]


def test_memory_is_bounded_while_the_disk_refuses(
    deliver: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("hiprobe.live.delivery.MOST_UNSTORED", 3)
    delivery = deliver()
    with full_disk(0):
        for number in range(3):
            assert not delivery.put(alert("new", f"a{number}", explanation="x" * 9000))
        with pytest.raises(StoreError, match="3 messages could not be stored"):
            delivery.put(alert("new", "a4"))


# -- sinks from outside


class Odd:
    """A sink that keeps what it gets in `Odd.got`, and fails as `Odd.fails` says."""

    schemas = (ALERT_SCHEMA, SCORE_SCHEMA, CAMERA_SCHEMA)
    network = True
    got: ClassVar[list[Any]] = []
    fails: ClassVar[dict[str, BaseException]] = {}
    opens: ClassVar[list[BaseException]] = []

    @classmethod
    def open(cls, target: str, options: Any = (), live: Any = None) -> Odd:
        if cls.opens:
            raise cls.opens.pop()
        return cls()

    def write(self, line: Any) -> None:
        if error := self.fails.get(line.get("id", line["schema"])):
            raise error
        self.got.append(line)

    def close(self) -> None:
        raise RuntimeError("cannot be closed")

    def __enter__(self) -> Odd:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


@pytest.fixture
def odd() -> Destination:
    Odd.got, Odd.fails, Odd.opens = [], {}, []
    return Destination("odd", f"{__name__}:Odd", "somewhere")


def test_a_sink_whose_code_fails_on_a_message_goes_on_with_the_next(
    deliver: Callable[..., Delivery], odd: Destination
) -> None:
    said: list[str] = []
    Odd.fails = {"bad": KeyError("https://user:pw@host")}
    delivery = deliver(odd, said=said)
    delivery.put(alert("new", "bad"))
    delivery.put(alert("new", "good"))
    eventually(lambda: [one["id"] for one in Odd.got] == ["good"])
    assert said == ["sink odd: it fails on a message (KeyError); it is tried again later"]


@pytest.mark.usefixtures("impatient")
def test_a_sink_that_cannot_be_opened_yet_is_opened_later(
    deliver: Callable[..., Delivery], odd: Destination
) -> None:
    Odd.opens = [SinkFailed("not yet"), OSError("nor yet")]
    delivery = deliver(odd)
    delivery.put(alert())
    eventually(lambda: [one["id"] for one in Odd.got] == ["a1"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_by_a_fault_is_said(
    deliver: Callable[..., Delivery], odd: Destination
) -> None:
    Odd.fails = {"a1": SystemExit("not an error of a sink")}
    delivery = deliver(odd)
    delivery.put(alert())
    eventually(lambda: delivery.states()[0].reason)
    assert "its thread has ended by a fault" in str(delivery.states()[0].reason)


@pytest.mark.usefixtures("impatient")
def test_of_scores_and_states_the_newest_counts(
    deliver: Callable[..., Delivery], odd: Destination
) -> None:
    Odd.fails = {CAMERA_SCHEMA: SinkFailed("away"), SCORE_SCHEMA: UsageError("not wanted")}
    delivery = deliver(odd)
    for state in ("online", "frozen", "offline"):
        delivery.tell(CameraState("yard", state, 0.0).line())  # type: ignore[arg-type]
    delivery.tell(score_line("yard", 0.0, 0.5, 0.5))
    eventually(lambda: delivery.states()[0].failures >= 2)
    Odd.fails = {}
    eventually(lambda: [one["state"] for one in Odd.got if "state" in one] == ["offline"])


def test_a_sink_that_takes_no_scores_gets_none(
    deliver: Callable[..., Delivery], hook: Receiver
) -> None:
    delivery = deliver(webhook(hook))
    delivery.tell(score_line("yard", 0.0, 0.5, 0.5))
    delivery.put(alert())
    eventually(lambda: got(hook) == [("new", 1)])


# -- what is refused


WRONG: dict[str, Callable[[], Any]] = {
    "there is no sink 'telegraph'": lambda: Destination("a", "telegraph", "x"),
    "the sink csv takes no alerts": lambda: Destination("a", "csv", "x.csv"),
    "must not be empty or hold a dot": lambda: Destination("a.b", "jsonl", "x"),
    "types of a sink": lambda: Destination("a", "jsonl", "x", {"types": ["old"]}),
    "a sink has no setting 'typ'": lambda: Destination("a", "jsonl", "x", {"typ": ["new"]}),
    "the sink jsonl has no part 'alarm'": lambda: Destination(
        "a", "jsonl", "x", parts={"alarm": {}}
    ),
}


@pytest.mark.parametrize("says", WRONG)
def test_a_wrong_destination_is_named(says: str) -> None:
    with pytest.raises(UsageError, match=says):
        WRONG[says]()


def test_two_sinks_of_one_name_are_refused(deliver: Callable[..., Delivery]) -> None:
    with pytest.raises(UsageError, match="two sinks are named 'a'"):
        deliver(Destination("a", "jsonl", "x"), Destination("a", "jsonl", "y"))


def test_nothing_is_half_started_if_a_sink_cannot_be_used(
    deliver: Callable[..., Delivery], hook: Receiver, tmp_path: Path
) -> None:
    before = threading.active_count()
    with pytest.raises(UsageError, match="must begin with http"):
        deliver(webhook(hook), Destination("b", "webhook", "ftp://user:secret-5@example.org/x"))
    assert threading.active_count() == before


def test_no_password_is_shown(deliver: Callable[..., Delivery], tmp_path: Path) -> None:
    said: list[str] = []
    target = (
        f"http://user:secret-5@127.0.0.1:{Receiver(tmp_path / 'gone').port}/secret-5?t=secret-5"
    )
    one = Destination("hook", "webhook", target)
    delivery = deliver(one, said=said)
    delivery.put(alert())
    eventually(lambda: delivery.states()[0].failures)
    shown = json.dumps([repr(one), repr(delivery.states()), said])
    assert "secret-5" not in shown
    assert "127.0.0.1" in shown
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"secret-5" not in stored


def test_pauses_grow_to_a_minute_and_are_spread() -> None:
    assert [pause_s(failures, 0.999) for failures in (1, 2, 3)] == pytest.approx([1, 2, 4], 0.01)
    assert {pause_s(1000, chance) for chance in (0.0, 0.5)} == {30.0, 45.0}
    assert replace(Destination("a", "jsonl", "x"), name="b").name == "b"
