"""A real watcher behind the live page: what is judged refits the probe that goes on watching."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.review.test_live_page import Heard, told, until
from tests.support.review_folder import Page, free_port
from tests.support.watching import WALL, watchable_probe

from hiprobe import embedded, video
from hiprobe.cli._chosen import ChosenProbe, shipped_fit
from hiprobe.cli._live_page import LivePage, guard_of
from hiprobe.live.alert_archive import footage_id
from hiprobe.live.cameras import Camera, Watch
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.live_items import LiveSegment, SourceCounts, Status
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import Outlets, WatcherOptions
from hiprobe.probe import Probe
from hiprobe.types import Recipe

PACE_S = 0.05  # between two segments of a camera


class LoopedCamera:
    """A source that shows an embedded video again and again, a segment every `PACE_S` seconds."""

    def __init__(self, camera: Camera, recipe: Recipe, record: Any = None) -> None:
        self.camera, self.counts, self._closed = camera, SourceCounts(), threading.Event()
        self._segments = list(video.segments(camera.url, recipe))[:-1]

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        yield Status(self.camera.name, "online", "", WALL)
        base, number = 0.0, 0
        while True:
            for one in self._segments:
                if self._closed.wait(PACE_S):
                    return
                moved = replace(
                    one,
                    start=base + one.start,
                    end=base + one.end,
                    times=base + one.times,
                    index=number,
                )
                number += 1
                self.counts = replace(self.counts, segments=number)
                yield LiveSegment(self.camera.name, moved, time.time() - moved.end + moved.start)
            base = moved.end

    def close(self) -> None:
        self._closed.set()


class Running:
    """A watcher of one looped camera with its page."""

    def __init__(self, folder: Path, model: Any, probe: Probe) -> None:
        chosen = ChosenProbe(probe, embedded.PROBE, shipped_fit(Probe.load(embedded.PROBE)))
        guard = guard_of("127.0.0.1", free_port(), None, ())
        self.reports: list[str] = []
        self.live = LivePage(guard, chosen, "ann", self.reports.append)
        camera = Camera("demo", str(embedded.VIDEO), cooldown_s=0.0)
        options = WatcherOptions(
            looks=LookOptions(verify=False, explain=False, where=False),
            record=False,
            open_source=LoopedCamera,
        )
        outlets = Outlets(self.live.tell, self.live.newest, self.reports.append, self.live.reviewed)
        watch = Watch((camera,), state=folder / "watch")
        self.watcher = Watcher(watch, model, probe, options, outlets)
        self.page = Page(guard.port)

    def __enter__(self) -> Running:
        self.live.begin(self.watcher)
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.close()
        self.live.close(1.0)

    @property
    def ended(self) -> list[Any]:
        assert self.live.paged is not None
        return [one for one in self.live.paged.alerts() if one.type == "end"]


@pytest.fixture(scope="module")
def probe() -> Probe:
    return watchable_probe()


def test_a_judgement_reaches_the_running_watcher_and_no_segment_is_lost(
    tmp_path: Path, shipped: Any, probe: Probe
) -> None:
    with Running(tmp_path, shipped, probe) as running:
        watcher, page = running.watcher, running.page
        alert = until(lambda: running.ended, 60)[0]
        heard = Heard(page)
        told(page, f"/live/alerts/{alert.id}/judge", kind="false_alarm")
        until(lambda: watcher.status().swaps == 1, 30)
        assert watcher.probe.digest != probe.digest
        until(lambda: "refitted" in heard.last_probe() if heard.of("probe") else False)
        seen = watcher.status().cameras[0].segments
        until(lambda: watcher.status().cameras[0].segments > seen + 10)
        one = watcher.status().cameras[0]
        assert (one.lost, one.dropped, one.unwatched) == (0, 0, 0)
        sent = watcher._sources["demo"].counts.segments
        assert sent - one.segments <= 4  # those that wait
        told(page, "/live/undo")
        until(lambda: watcher.probe.digest == probe.digest, 30)
        heard.close()
    assert Probe.load(tmp_path / "watch" / "probe.safetensors").digest == probe.digest
    assert not [line for line in running.reports if "Error" in line], running.reports


def test_alerts_and_judgements_survive_a_restart(
    tmp_path: Path, shipped: Any, probe: Probe
) -> None:
    with Running(tmp_path, shipped, probe) as running:
        alert = until(lambda: running.ended, 60)[-1]
        told(running.page, f"/live/alerts/{alert.id}/see")
    with Running(tmp_path, shipped, probe) as running:
        assert f'data-id="{alert.id}"' in running.page.get("/")[2].decode()
        assert running.live.reviewed(alert.id)
        told(running.page, f"/live/alerts/{alert.id}/judge", kind="false_alarm")
        until(lambda: running.watcher.status().swaps == 1, 30)
        assert footage_id(alert.id) in running.watcher.probe.fitted_videos
        picture = running.page.get("/live/picture/demo")
        assert picture[2][:3] == b"\xff\xd8\xff"
        told(running.page, f"/live/alerts/{alert.id}/delete")
    left = [str(path) for path in (tmp_path / "watch").rglob("*")]
    assert not [name for name in left if alert.id in name or footage_id(alert.id)[:32] in name]
