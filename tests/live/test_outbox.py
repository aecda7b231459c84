"""Alerts on disk: nothing is lost, everything is sent in order, and the file does not grow."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import full_disk

from hiprobe.errors import StoreError
from hiprobe.live.alert import Alert
from hiprobe.live.outbox import LOSE_DAYS, NAME, Outbox
from hiprobe.sinks import SinkSettings
from hiprobe.types import Verification

ALL, PHONE = SinkSettings(), SinkSettings(("new",), "medium", "verified", wait_s=10.0)
NOW, DAY = time.time(), 86400.0


def alert(kind: Any = "new", name: str = "a1", **more: Any) -> Alert:
    return Alert(name, kind, "yard", 100.0, 101.6, **more)


def confirmed(**more: Any) -> Alert:
    told = {"explanation": "a fall", **more}
    return alert("update", verification=Verification("confirmed", 1.0), **told)


def outbox(folder: Path, **routes: SinkSettings) -> Outbox:
    return Outbox(folder / NAME, routes or {"log": ALL})


def sent(box: Outbox, route: str = "log", now: float | None = None) -> list[tuple[str, str, int]]:
    """Deliver what is due; the id, type and number of each message."""
    found = []
    while sending := box.due(route, now or time.time()):
        found.append((sending.line["id"], sending.line["type"], sending.line["sequence"]))
        box.delivered(sending)
    return found


def test_a_message_that_waits_for_the_check_is_not_let_go_by_a_question_asked_before_it(
    tmp_path: Path,
) -> None:
    box = outbox(tmp_path, phone=PHONE)
    asked = time.time()
    time.sleep(0.01)  # the disk was slow
    box.put(alert())
    assert box.due("phone", asked) is None
    assert box.due("phone", time.time() + PHONE.wait_s) is not None


def test_messages_are_counted_per_alert_and_sent_in_order(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for kind in ("new", "update", "end"):
        for name in ("a1", "a2"):
            box.put(alert(kind, name))
    assert sent(box) == [
        (name, kind, place)
        for place, kind in enumerate(("new", "update", "end"), 1)
        for name in ("a1", "a2")
    ]
    assert sent(box) == []


def test_a_new_start_finds_what_was_not_delivered_under_the_same_id(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(alert())
    box.put(alert("update"))
    first = box.due("log", time.time())
    assert first is not None
    box.delivered(first)
    box.close()
    again = outbox(tmp_path)
    assert again.put(alert("end")).sequence == 3
    assert sent(again) == [("a1", "update", 2), ("a1", "end", 3)]


def test_each_sink_has_its_own_place_in_the_queue(tmp_path: Path) -> None:
    box = outbox(tmp_path, log=ALL, hook=ALL)
    box.put(alert())
    assert len(sent(box, "log")) == 1
    assert len(sent(box, "hook")) == 1


def test_a_message_that_is_tried_again_later_holds_up_its_own_alert_only(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for kind in ("new", "update"):
        box.put(alert(kind, "a1"))
    box.put(alert("new", "a2"))
    refused = box.due("log", time.time())
    assert refused is not None
    box.failed(refused, time.time() + 60)
    assert sent(box) == [("a2", "new", 1)]
    assert box.waiting("log").messages == 2
    again_at = box.next_at("log")
    assert again_at is not None
    assert 50 < again_at - time.time() < 61
    later = box.due("log", time.time() + 61)
    assert later is not None
    assert (later.line["type"], later.attempts) == ("new", 1)


def test_a_clock_that_was_set_back_holds_up_nothing(tmp_path: Path) -> None:
    box = outbox(tmp_path, log=ALL, phone=PHONE)
    box.put(alert())
    waits = box.due("log", time.time())
    assert waits is not None
    box.failed(waits, time.time() + 60)
    hour_ago = time.time() - 3600
    assert sent(box, "log", hour_ago) == [("a1", "new", 1)]
    assert sent(box, "phone", hour_ago) == [("a1", "new", 1)]


def test_a_phone_waits_for_the_check_across_a_restart(tmp_path: Path) -> None:
    box = outbox(tmp_path, phone=PHONE)
    box.put(alert())
    box.put(alert("update", snapshot="a.jpg"))
    assert sent(box, "phone") == []
    box.close()
    again = outbox(tmp_path, phone=PHONE)
    again.put(confirmed())
    released = again.due("phone", time.time())
    assert released is not None
    assert (released.line["type"], released.line["sequence"]) == ("new", 1)
    assert released.line["verification"]["result"] == "confirmed"
    assert sent(again, "phone") == [("a1", "new", 1)]
    again.put(alert("end"))
    assert sent(again, "phone") == []


def test_a_phone_is_told_unchecked_once_it_has_waited_long_enough(tmp_path: Path) -> None:
    box = outbox(tmp_path, phone=PHONE)
    box.put(alert())
    time.sleep(0.01)
    box.put(alert("update"))  # does not make it wait longer
    assert sent(box, "phone", time.time() + 9.9) == []
    at = box.next_at("phone")
    assert at is not None
    assert at - time.time() < 10
    released = box.due("phone", time.time() + 10.1)
    assert released is not None
    assert released.line["verification"]["result"] == "not_checked"


def test_a_phone_waits_a_moment_after_the_check_for_the_explanation(tmp_path: Path) -> None:
    box = outbox(tmp_path, phone=PHONE.changed({"wait_s": 600, "explain_s": 5}))
    box.put(alert())
    box.put(confirmed(explanation=None))
    assert sent(box, "phone", time.time() + 4.9) == []
    time.sleep(0.01)
    box.put(confirmed(explanation=None, snapshot="a.jpg"))  # does not make it wait longer
    at = box.next_at("phone")
    assert at is not None
    assert at - time.time() < 5
    box.put(confirmed(explanation="a fall"))
    released = box.due("phone", time.time())
    assert released is not None
    assert (released.line["type"], released.line["explanation"]) == ("new", "a fall")
    box.put(replace(confirmed(explanation=None), id="a2"))
    assert sent(box, "phone", time.time() + 5.1) == [("a1", "new", 1), ("a2", "new", 1)]


def test_an_alert_left_open_by_a_crash_is_found(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(alert("new", "open"))
    box.put(alert("update", "open", severity="high"))
    box.put(alert("new", "over"))
    box.put(alert("end", "over"))
    box.put(alert("update", "over"))  # late; it stays over
    found = box.open_alerts()
    assert [(one.id, one.type, one.severity, one.sequence) for one in found] == [
        ("open", "update", "high", 2)
    ]


def test_delivered_messages_are_removed_after_some_days_and_lost_ones_are_counted(
    tmp_path: Path,
) -> None:
    box = outbox(tmp_path, log=ALL, dead=ALL)
    box.put(alert("new"))
    box.put(alert("end"))
    assert len(sent(box, "log")) == 2
    assert box.prune(NOW + DAY) == 0
    assert box.prune(NOW + 15 * DAY) == 0
    assert box.waiting("dead").messages == 2
    assert box.prune(NOW + (LOSE_DAYS + 1) * DAY) == 2
    with sqlite3.connect(tmp_path / NAME) as db:
        counts = [
            db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("alert", "delivery")
        ]
    assert counts == [0, 0]


def test_the_file_stays_small_when_messages_are_delivered_and_removed(tmp_path: Path) -> None:
    box, sizes = outbox(tmp_path), []
    for turn in range(6):
        for number in range(12):
            for kind in ("new", "end"):
                box.put(alert(kind, f"{turn}-{number}", explanation="x" * 3000))
        sent(box)
        box.prune(time.time() + 1, keep_days=0.0)
        sizes.append(sum(one.stat().st_size for one in tmp_path.iterdir()))
    assert max(sizes[2:]) < 2 * sizes[1]


def test_an_alert_can_be_forgotten_whole(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(alert("new", "a1", explanation="a face"))
    box.put(alert("new", "a2"))
    box.forget("a1")
    assert [one.id for one in box.open_alerts()] == ["a2"]
    assert sent(box) == [("a2", "new", 1)]


def test_several_threads_put_and_take_without_loss(tmp_path: Path) -> None:
    box, found = outbox(tmp_path), []

    def put(name: str) -> None:
        for kind in ("new", *["update"] * 8, "end"):
            box.put(alert(kind, name))

    threads = [threading.Thread(target=put, args=(f"a{place}",)) for place in range(4)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads) or box.waiting("log").messages:
        found += sent(box)
    for name in ("a0", "a1", "a2", "a3"):
        assert [place for one, _, place in found if one == name] == list(range(1, 11))


# -- the disk


def put_many(box: Outbox) -> None:
    for number in range(200):
        box.put(alert("new", f"n{number}", explanation="x" * 2000))


def test_a_full_disk_is_a_named_error_and_nothing_is_lost(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.put(alert("new", "before"))
    size = max(one.stat().st_size for one in tmp_path.iterdir())
    with full_disk(size), pytest.raises(StoreError) as caught:
        put_many(box)
    assert "the outbox cannot be written" in str(caught.value)
    assert "free disk space" in str(caught.value) or "ulimit" in str(caught.value)
    assert "choose -o" not in str(caught.value)
    assert box.put(alert("new", "after")).sequence == 1
    found = sent(box)
    assert (found[0][0], found[-1][0]) == ("before", "after")


def test_a_locked_outbox_is_a_named_error_soon(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked; end the other programs that use it"):
        box.put(alert())
    assert time.monotonic() - began < 5
    other.execute("ROLLBACK")
    assert box.put(alert()).sequence == 1


@pytest.mark.parametrize("what", ["noise", "other tables", "other version"])
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path: Path, what: str) -> None:
    path = tmp_path / NAME
    if what == "noise":
        path.write_bytes(os.urandom(8192))
    else:
        outbox(tmp_path).close()
        with sqlite3.connect(path) as db:
            change = "PRAGMA user_version=7" if what == "other version" else "CREATE TABLE x (y)"
            db.execute(change)
    with pytest.raises(StoreError, match=r"the outbox is damaged: .*; move it away"):
        outbox(tmp_path)


def test_a_link_in_place_of_the_outbox_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="not a regular file"):
        outbox(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


PUTS = """
import sys, time
from pathlib import Path
from hiprobe.live.alert import Alert
from hiprobe.live.outbox import Outbox
from hiprobe.sinks import SinkSettings
box, number = Outbox(Path(sys.argv[1]), {"log": SinkSettings()}), 0
while True:
    stored = box.put(Alert(f"a{number // 3}", ("new", "update", "end")[number % 3], "yard", 1.0, 2.0))
    print(stored.id, stored.sequence, flush=True)
    number += 1
"""


def test_what_was_put_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PUTS, str(tmp_path / NAME)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    stored = [process.stdout.readline().split() for _ in range(40)]
    process.send_signal(signal.SIGKILL)
    stored += [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    found = [[name, str(place)] for name, _, place in sent(outbox(tmp_path))]
    assert found[: len(stored)] == stored
    assert len(found) - len(stored) <= 1  # stored, and killed before it could say so


def test_a_message_keeps_its_time_and_its_check(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    given = replace(confirmed(), start=100.125, peak=100.5, box=(0.1, 0.2, 0.3, 0.4))
    box.put(given)
    (kept,) = box.open_alerts()
    assert kept == replace(given, sequence=1)
