"""Kill watcher, broker and receiver at random: `python -m benchmarks.live_kills [--json FILE]`.

`hiprobe watch` plays a file in which something begins every 14 s, ten times as fast as it was
recorded, and sends alerts to a real mosquitto, a real HTTP receiver and a file. 200 times
(HIPROBE_BENCH_KILLS) one of the three is killed and started again: watcher and receiver by SIGKILL,
the broker by SIGKILL or SIGTERM. Then a watcher that has nothing to watch delivers what is left.

A message counts as stored if the outbox has it at the end, and also if the watcher has printed it
before it was killed. One that a receiver does not have is lost; one that it has twice is repeated.
The model is one of the tests, which tells bright from dark, so that a watcher starts in a second.
Takes 5 minutes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.measure import pin, publish
from numpy.typing import NDArray
from tests.support.broker import MOSQUITTO, Broker, Subscriber, eventually
from tests.support.http_receiver import Receiver
from tests.support.numbered_videos import encode, steady
from tests.support.staged_cameras import bright_probe

from hiprobe.live.outbox import NAME

KILLS = int(os.environ.get("HIPROBE_BENCH_KILLS", 200))
MODEL = "tests.support.staged_cameras:load_bright"
RATE, SECONDS, SPEED = 5, 1200, 10.0
CYCLE_S, BRIGHT_S = 14.0, 4.0
# Watcher and broker take longer to be there again, so they are killed less often.
VICTIMS = {"watcher": 1, "receiver": 2, "broker": 1}
PAUSE_S, START_S, DRAIN_S = 0.5, 120.0, 180.0
MOST_S = 330.0  # no more kills after so long: the machine is too busy
HEAD = ["receiver", "messages stored", "delivered", "lost", "repeated"]
Names = list[tuple[str, int]]  # id and sequence of messages


def picture(index: int) -> NDArray[np.uint8]:
    """Return a dark picture, or a bright one for some seconds of each cycle."""
    level = 240 if (index / RATE) % CYCLE_S >= CYCLE_S - BRIGHT_S else 20
    return np.full((32, 32, 3), level + index % 3, np.uint8)


@dataclass
class Scene:
    """A watcher and its receivers, each of which can be killed."""

    folder: Path
    hook: Receiver
    broker: Broker
    listener: Subscriber
    watcher: subprocess.Popen[bytes] | None = None
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def printed(self) -> Path:
        """The file with the messages that the watchers have printed."""
        return self.folder / "printed"

    def start(self, video: str) -> subprocess.Popen[bytes]:
        """Start a watcher."""
        sinks = (f"webhook={self.hook.url}", f"mqtt={self.broker.url}", "jsonl=log")
        words = [
            *("watch", video, "--model", MODEL, "-p", "probe", "--state", "state"),
            *("--speed", f"{SPEED:g}", "--no-page", "--json", "--no-where"),
            *(word for one in sinks for word in ("--sink", one)),
        ]
        with self.printed.open("ab") as out, (self.folder / "said").open("ab") as said:
            self.watcher = subprocess.Popen(
                [sys.executable, "-c", "from hiprobe.cli import main; main()", *words],
                cwd=self.folder,
                stdout=out,
                stderr=said,
            )
        return self.watcher

    def kill(self, what: str, chance: random.Random) -> None:
        """Kill one, and start it again."""
        self.kills[what] += 1
        if what == "watcher":
            if chance.random() < 0.8:  # else it may be killed while it starts
                before = self.printed.stat().st_size
                eventually(lambda: self.printed.stat().st_size > before, START_S)
                time.sleep(chance.uniform(0, 1.0))
            self.end_watcher()
            self.start("yard.mp4")
        elif what == "receiver":
            self.hook.kill()
            time.sleep(chance.uniform(0, 0.5))
            self.hook.start()
        else:
            self.broker.stop(chance.choice((signal.SIGTERM, signal.SIGKILL)))
            time.sleep(chance.uniform(0, 0.5))
            self.broker.start()
            # What the broker has acknowledged and not yet passed on is the broker's to lose.
            self.listener.wait_until_there()

    def end_watcher(self) -> None:
        """Kill the watcher."""
        if self.watcher is not None:
            self.watcher.kill()
            self.watcher.wait()

    def drain(self) -> None:
        """Let a watcher that has nothing to watch deliver what is left, and end it."""
        self.end_watcher()
        last = self.start("dark.mp4")
        eventually(lambda: last.poll() is not None or not self.waiting(), DRAIN_S)
        last.send_signal(signal.SIGTERM)
        last.wait(20)
        time.sleep(0.5)  # the last acknowledged messages are on their way from the broker

    def waiting(self) -> int:
        """Count the messages that wait for a receiver, and alerts that have not ended."""
        counts = "(SELECT count(*) FROM delivery WHERE state <> 'delivered')"
        return int(
            self._ask(f"SELECT {counts} + (SELECT count(*) FROM alert WHERE NOT over)")[0][0]
        )

    def stored(self) -> Names:
        """Return the messages that were stored: the outbox numbers those of an alert from 1."""
        rows = self._ask("SELECT id, sequence FROM alert")
        return [(name, number + 1) for name, last in rows for number in range(last)]

    def _ask(self, question: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "state" / NAME, timeout=10)) as db:
            return db.execute(question).fetchall()

    def said(self) -> set[tuple[str, str]]:
        """Return id and type of the messages that were printed; the last may be torn by a kill."""
        lines = self.printed.read_text().replace("}{", "}\n{").splitlines()
        found = [json.loads(one) for one in lines if one.startswith("{") and one.endswith("}")]
        return {(one["id"], one["type"]) for one in found}

    def received(self) -> dict[str, list[Any]]:
        """Return the messages that each receiver has."""
        lines = (self.folder / "log").read_text().splitlines()
        return {
            "web hook": [one.json["data"] for one in self.hook.received()],
            "MQTT": [json.loads(one) for one in self.listener.of("hiprobe/yard/alerts")],
            "file": [json.loads(one) for one in lines],
        }


def scene(folder: Path, stack: ExitStack) -> Scene:
    """Make the videos and the probe, and start the receivers."""
    bright_probe(check=False).save(folder / "probe")
    encode(folder / "yard.mp4", steady(SECONDS * RATE, RATE), pictures=picture, rate=RATE)
    dark = steady(SECONDS * RATE, RATE)
    encode(folder / "dark.mp4", dark, pictures=lambda index: picture(index % 3), rate=RATE)
    hook = stack.enter_context(Receiver(folder / "hook"))
    broker = stack.enter_context(Broker(folder / "broker"))
    listener = stack.enter_context(Subscriber(broker, "hiprobe/#"))
    broker.stop()  # it writes down the session of the listener, which then outlives a kill
    broker.start()
    listener.wait_until_there()
    made = Scene(folder, hook, broker, listener)
    stack.callback(made.end_watcher)
    return made


def counted(one: Scene) -> list[list[Any]]:
    """Return the row of each receiver."""
    stored, said, rows = one.stored(), one.said(), []
    for name, messages in one.received().items():
        came = Counter((line["id"], line["sequence"]) for line in messages)
        unsaid = said - {(line["id"], line["type"]) for line in messages}
        lost = len(set(stored) - set(came)) + len(unsaid)
        repeated = sum(came.values()) - len(came)
        rows.append([name, len(stored), len(set(stored) & set(came)), lost, repeated])
    return rows


def killed(kills: int, folder: Path, seed: int = 1) -> tuple[list[list[Any]], list[str]]:
    """Kill something that many times; return the rows, and notes on how it went."""
    chance, began = random.Random(seed), time.monotonic()
    with ExitStack() as stack:
        one = scene(folder, stack)
        one.start("yard.mp4")
        eventually(lambda: one.printed.stat().st_size, START_S)
        while sum(one.kills.values()) < kills and time.monotonic() < began + MOST_S:
            time.sleep(chance.uniform(0, PAUSE_S))
            (what,) = chance.choices([*VICTIMS], [*VICTIMS.values()])
            one.kill(what, chance)
        one.drain()
        rows, how = counted(one), ", ".join(f"{name} {n}" for name, n in sorted(one.kills.items()))
        alerts = len({name for name, _ in one.stored()})
    done = sum(one.kills.values())
    return rows, [f"{done} kills ({how}) in {time.monotonic() - began:.0f} s; {alerts} alerts."]


def main() -> None:
    """Measure and print; end with 1 if a message was lost."""
    pin()
    if MOSQUITTO is None:
        sys.exit("no broker: apt-get install mosquitto")
    with tempfile.TemporaryDirectory() as folder:
        rows, notes = killed(KILLS, Path(folder))
    publish("Messages over kills", HEAD, rows, notes)
    sys.exit(int(any(row[3] for row in rows)))


if __name__ == "__main__":
    main()
