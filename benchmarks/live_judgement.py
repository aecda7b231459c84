"""Time from a judgement on the page to the probe in use: `python -m benchmarks.live_judgement`.

`[--json FILE]`. Four cameras play the demonstration video in real time with the embedded model,
while alerts are judged on the page over HTTP; 1,000 segments are labelled. It also counts the
segments that were sent and the ones that were scored.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import torch
from benchmarks.measure import model_threads, pin

from hiprobe import backbones, embedded, video
from hiprobe.cli._chosen import ChosenProbe, shipped_fit
from hiprobe.cli._live_page import LivePage, guard_of
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.pipeline import ignore
from hiprobe.probe import Probe
from hiprobe.store import kept_states, save_states
from hiprobe.types import Event, HiddenStates

CAMERAS, SEGMENTS, EACH, ROUNDS = 4, 1000, 50, 8
PATIENCE_S = 120.0


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := true()):
        if time.monotonic() > end:
            raise SystemExit("it did not happen in time")
        time.sleep(0.005)
    return found


def labelled_videos(probe: Probe) -> list[tuple[HiddenStates, tuple[Event, ...]]]:
    """Make videos of 50 segments each from the states of the shipped clips, with their labels."""
    clips = [*embedded.CLIPS.glob("*.mp4")]
    found = [kept_states(embedded.STATES, video.digest(one), probe.recipe) for one in clips]
    values = np.concatenate([one[0].values for one in found if one])
    scores = np.concatenate([probe.score(one[0]) for one in found if one])
    rng, stride = np.random.default_rng(0), probe.recipe.segment_s
    made = []
    for number in range(SEGMENTS // EACH):
        chosen = rng.integers(0, len(values), EACH)
        chosen = chosen[np.argsort(scores[chosen])]
        starts = np.arange(EACH) * stride
        noise = rng.normal(0, 0.01, (EACH, *values.shape[1:]))
        high = int((scores[chosen] < 0.5).sum())
        states = HiddenStates(
            f"{number:02x}" * 32,
            probe.recipe,
            found[0][0].sites,
            starts,
            starts + stride,
            np.asarray(values[chosen] + noise, np.float32),
            EACH * stride,
        )
        made.append((states, (Event(high * stride, EACH * stride),)))
    return made


def measured(folder: Path) -> dict[str, float]:
    """Judge alerts of a running watcher; return what it took."""
    model, probe = backbones.load("embedded", device="cpu"), Probe.load(embedded.PROBE)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    chosen = ChosenProbe(probe, embedded.PROBE, shipped_fit(probe))
    page = LivePage(guard_of("127.0.0.1", port, None, None), chosen, "bench", ignore)
    cameras = [Camera(f"c{n}", str(embedded.VIDEO), cooldown_s=0.0) for n in range(CAMERAS)]
    options = WatcherOptions(looks=LookOptions(explain=False, where=False))
    outlets = Outlets(page.tell, reviewed=page.reviewed)
    with Watcher(Watch(tuple(cameras), state=folder), model, probe, options, outlets) as watcher:
        page.begin(watcher)
        assert page.server is not None
        assert page.paged is not None
        session = page.server.app.state.session
        labels = labelled_videos(probe)
        for states, _ in labels:
            save_states(folder / ".store", states, "float32")
        watcher.start()
        until(lambda: len(page.paged.alerts()) >= 4)
        session.judgements.set_labelled([(one.video_id, events) for one, events in labels])
        took = []
        for number in range(ROUNDS):
            alert = page.paged.alerts()[number % 4]
            kind = "true_alarm" if number % 2 else "false_alarm"
            before, began = watcher.probe.digest, time.perf_counter()
            address = f"http://127.0.0.1:{port}"
            body = urlencode({"kind": kind}).encode()
            urlopen(Request(f"{address}/live/alerts/{alert.id}/judge", body, {"Origin": address}))
            until(lambda before=before: watcher.probe.digest != before)
            took.append(time.perf_counter() - began)
        watcher.wait(60.0)
        report = watcher.status()
        sent = sum(one.counts.segments for one in watcher._sources.values())
        change = page.server.app.state.live.refit.last
        labelled = change.proposal.measured.segments if change.proposal else {}
        page.close(3.0)
    return {
        "labelled": labelled.get("anomalous", 0) + labelled.get("normal", 0),
        "median_s": median(took),
        "most_s": max(took),
        "sent": sent,
        "scored": sum(one.segments for one in report.cameras),
        "dropped": sum(one.dropped for one in report.cameras),
        "lost": sum(one.lost for one in report.cameras),
    }


def main() -> None:
    """Print the figures, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    pin()
    torch.set_num_threads(model_threads())
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder))
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
