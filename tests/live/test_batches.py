"""Cameras are served in turn, whatever each of them sends."""

from __future__ import annotations

import threading
import time
from collections import Counter

from hiprobe.live.batches import FairBatches


def started(*names: str, most_waiting: int = 2) -> FairBatches[str]:
    return FairBatches(names, lambda item: not item.startswith("!"), most_waiting)


def test_a_camera_that_sends_all_the_time_takes_no_turn_of_another() -> None:
    batches, stop = started("fast", "slow"), threading.Event()
    fast = threading.Thread(target=lambda: any(not batches.put("fast", "f") for _ in iter(int, 1)))
    fast.start()
    batches.put("slow", "s1")
    batches.put("slow", "s2")
    taken: Counter[str] = Counter()
    while taken.total() < 6:
        taken.update(one[0] for one in batches.take(1, 1.0))
        if taken.total() == 2:
            time.sleep(0.02)
    assert taken["s"] == 2
    assert taken["f"] == 4
    batches.close()
    fast.join(5)
    assert not fast.is_alive()
    assert not stop.is_set()


def test_a_batch_takes_one_of_each_before_a_second_one() -> None:
    batches = started("a", "b", "c")
    for item in ("a1", "a2", "c1"):
        batches.put(item[0], item)
    assert sorted(batches.take(2)) == ["a1", "c1"]
    assert batches.take(8) == ["a2"]
    assert batches.take(8) == []


def test_what_does_not_count_comes_along_in_its_order() -> None:
    batches = started("a", most_waiting=4)
    for item in ("!online", "a1", "!frozen", "a2"):
        batches.put("a", item)
    assert batches.take(1) == ["!online", "a1"]
    assert batches.take(1) == ["!frozen", "a2"]


def test_turns_go_on_where_the_last_batch_ended() -> None:
    batches = started("a", "b", "c")
    first = []
    for _ in range(9):
        for name in "abc":
            if len(batches._waiting[name]) < 2:
                batches.put(name, name)
        first += batches.take(2)
    assert set(Counter(first).values()) == {6}


def test_memory_is_bounded_as_a_sender_waits() -> None:
    batches, sent = started("a"), []

    def send() -> None:
        for number in range(5):
            if batches.put("a", str(number)):
                sent.append(number)

    thread = threading.Thread(target=send)
    thread.start()
    time.sleep(0.1)
    assert sent == [0, 1]
    batches.take(1)
    time.sleep(0.1)
    assert sent == [0, 1, 2]
    batches.close()
    thread.join(5)
    assert sent == [0, 1, 2]
    assert batches.take(8) == ["1", "2"]


def test_taking_waits_only_as_long_as_it_may() -> None:
    begun = time.monotonic()
    assert started("a").take(1, 0.05) == []
    assert time.monotonic() - begun < 1.0
