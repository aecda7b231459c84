"""A watcher without cameras: it makes alerts and delivers them, until it is killed.

`ledger` gets a line, `id sequence`, as soon as a message is stored: that one must reach every sink.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

MESSAGES_A_SECOND = 50
PATIENCE_S = 120.0


def started(
    folder: Path, hook: str, broker: str | None, *, drain: bool = False
) -> subprocess.Popen[bytes]:
    """Start it: to make alerts, or with `drain` only to deliver what is left, and end."""
    code = "from tests.support.alert_watcher import watch; watch()"
    arguments = [str(folder), hook, broker or "", "drain" if drain else ""]
    return subprocess.Popen([sys.executable, "-c", code, *arguments])


def ledger(folder: Path) -> list[tuple[str, int]]:
    """The messages that were stored, in order."""
    path = folder / "ledger"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(name, int(sequence)) for name, sequence in rows]


def watch() -> None:
    from hiprobe.live import sender
    from hiprobe.live.alert import Alert
    from hiprobe.live.delivery import Delivery
    from hiprobe.live.destinations import Destination
    from hiprobe.sinks import Live, _mqtt_connection
    from hiprobe.types import Verification

    sender.FIRST_PAUSE_S, sender.MOST_PAUSE_S = 0.05, 0.5
    _mqtt_connection.MOST_PAUSE_S, _mqtt_connection.CONNECT_S = 1, 1.0
    folder, hook, broker, drain = Path(sys.argv[1]), *sys.argv[2:]
    sinks = [Destination("hook", "webhook", hook), Destination("log", "jsonl", str(folder / "log"))]
    sinks += [Destination("broker", "mqtt", broker)] if broker else []
    delivery = Delivery(sinks, Live(folder))
    number = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def put(alert: Alert, sequence: int) -> None:
        assert delivery.put(alert)
        os.write(number, f"{alert.id} {sequence}\n".encode())

    for left in delivery.outbox.open_alerts():
        put(replace(left, type="end", provisional=False), left.sequence + 1)
    while not drain:
        name, now = f"{time.time_ns():x}", time.time()
        alert = Alert(name, "new", "yard", now - 2, now)
        checked = replace(alert, type="update", verification=Verification("confirmed", 1.0))
        over = replace(checked, type="end", provisional=False)
        for place, one in zip(itertools.count(1), (alert, checked, over), strict=False):
            put(one, place)
            time.sleep(1 / MESSAGES_A_SECOND)
    end = time.monotonic() + PATIENCE_S
    while any(one.waiting for one in delivery.states()) and time.monotonic() < end:
        time.sleep(0.05)
    left_over = [one for one in delivery.states() if one.waiting]
    delivery.close()
    sys.exit(f"not delivered: {left_over}" if left_over else 0)
