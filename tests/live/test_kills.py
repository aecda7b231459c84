"""Watcher, receiver and broker are killed at random: no message is lost, and each keeps its id."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from tests.support.alert_watcher import ledger, started
from tests.support.broker import MOSQUITTO, Broker, Subscriber, eventually
from tests.support.http_receiver import Receiver

START_S = 120.0  # of a process, on a machine that is busy
ENDS = {"watcher": (signal.SIGKILL,), "hook": (), "broker": (signal.SIGTERM, signal.SIGKILL)}


@dataclass
class Scene:
    """A watcher and its receivers, any of which can be killed."""

    folder: Path
    hook: Receiver
    broker: Broker | None
    listener: Subscriber | None
    watcher: Popen[bytes] | None = None
    kills: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    began_with: int = 0  # messages stored when the watcher was started

    def start(self, *, drain: bool = False) -> Popen[bytes]:
        address = None if self.broker is None else self.broker.url
        self.began_with = len(ledger(self.folder))
        self.watcher = started(self.folder, self.hook.url, address, drain=drain)
        return self.watcher

    def kill(self, what: str, chance: random.Random) -> None:
        self.kills[what] += 1
        if what == "watcher":
            if chance.random() < 0.8:  # else it may be killed while it starts
                eventually(lambda: len(ledger(self.folder)) > self.began_with, START_S)
                time.sleep(chance.uniform(0, 1.0))
            self.end_watcher()
            self.start()
        elif what == "hook":
            self.hook.kill()
            time.sleep(chance.uniform(0, 0.5))
            self.hook.start()
        else:
            assert self.broker is not None
            assert self.listener is not None
            self.broker.stop(chance.choice(ENDS["broker"]))
            time.sleep(chance.uniform(0, 0.5))
            self.broker.start()
            # What the broker has acknowledged and not yet passed on is the broker's to lose.
            self.listener.wait_until_there()

    def end_watcher(self) -> None:
        if self.watcher is not None:
            self.watcher.kill()
            self.watcher.wait()


def scene(folder: Path, stack: ExitStack) -> Scene:
    hook = stack.enter_context(Receiver(folder / "hook"))
    broker, listener = None, None
    if MOSQUITTO is not None:
        broker = stack.enter_context(Broker(folder / "broker"))
        listener = stack.enter_context(Subscriber(broker, "hiprobe/#"))
        broker.stop()  # it writes down the session of the listener, which then outlives a kill
        broker.start()
        listener.wait_until_there()
    (folder / "state").mkdir()
    made = Scene(folder / "state", hook, broker, listener)
    stack.callback(made.end_watcher)
    return made


def run_with_kills(one: Scene, kills: int, seed: int, pause_s: float) -> None:
    """Kill something that many times, then let everything in peace until all is delivered."""
    chance, victims = random.Random(seed), ["watcher", "hook", "broker"][: 3 if one.broker else 2]
    one.start()
    eventually(lambda: ledger(one.folder), START_S)
    for number in range(kills):
        time.sleep(chance.uniform(0, pause_s))
        one.kill(victims[number % len(victims)], chance)
    one.end_watcher()
    assert one.start(drain=True).wait(timeout=200) == 0


Message = dict[str, Any]


def arrived(one: Scene) -> dict[str, list[Message]]:
    """The messages that each receiver has, in the order of their arrival."""
    log = (one.folder / "log").read_text().splitlines()
    found = {
        "hook": [request.json["data"] for request in one.hook.received()],
        "log": [json.loads(line) for line in log],
    }
    if one.listener is not None:
        heard = one.listener
        time.sleep(0.5)  # the last acknowledged messages are on their way from the broker
        found["broker"] = [json.loads(payload) for payload in heard.of("hiprobe/yard/alerts")]
        found["alarm"] = [
            json.loads(payload) for payload in heard.of("hiprobe/yard/alarm/attributes")
        ]
    return found


def firsts(messages: Iterable[Message]) -> dict[tuple[str, int], Message]:
    """The first message of each id and sequence."""
    found: dict[tuple[str, int], Message] = {}
    for message in messages:
        found.setdefault((message["id"], message["sequence"]), message)
    return found


def check(one: Scene) -> dict[str, int]:
    """Nothing is lost, repeats are equal, and each alert is in order; counts repeats per sink."""
    stored, repeats = ledger(one.folder), {}
    assert len(stored) == len(set(stored))
    for sink, messages in arrived(one).items():
        unique = firsts(messages)
        repeats[sink] = len(messages) - len(unique)
        if sink == "alarm":  # waits for the check: the first two messages are one
            wanted = {name for name, _ in stored}
            assert wanted <= {name for name, _ in unique}, sink
        else:
            lost = set(stored) - set(unique)
            assert not lost, f"{sink} lost {len(lost)} of {len(stored)}"
            # stored, and killed before it could write so down
            assert len(set(unique) - set(stored)) <= one.kills["watcher"] + 1
        for message in messages:
            assert message == unique[(message["id"], message["sequence"])]
        order: dict[str, list[int]] = defaultdict(list)
        for name, sequence in unique:
            order[name].append(sequence)
        assert all(sequences == sorted(sequences) for sequences in order.values()), sink
    return repeats


def test_no_message_is_lost_over_a_few_kills(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = scene(tmp_path, stack)
        run_with_kills(one, 6, seed=1, pause_s=0.8)
        check(one)


@pytest.mark.soak
def test_no_message_is_lost_over_200_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        one = scene(tmp_path, stack)
        began = time.monotonic()
        run_with_kills(one, 200, seed=2, pause_s=1.5)
        repeats = check(one)
        said = {"kills": dict(one.kills), "stored": len(ledger(one.folder)), "repeats": repeats}
    with capsys.disabled():
        print(f"\n200 kills in {time.monotonic() - began:.0f} s, lost: 0, {said}")
