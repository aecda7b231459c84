"""A probe that is swapped in while cameras are watched: nothing of the old one is taken for its."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.live.test_alerts import EARLY, EVENT, FINAL, QUIET, L, life, watched_without_end
from tests.live.test_watching import LIGHT, staged
from tests.live.test_watching import QUIET as DARK_PICTURES
from tests.support.staged_cameras import BrightBackbone, StagedCamera, bright_probe
from tests.support.watching import Heard, camera, until

from hiprobe.live.alerts import AlertStep, ScoredSegment
from hiprobe.live.cameras import Watch
from hiprobe.live.closer_look import CloserLook, LookOptions
from hiprobe.live.scoring import Reader, ToRead
from hiprobe.live.track import CameraTrack, Rules
from hiprobe.live.watcher import Watcher
from hiprobe.live.watcher_options import WatcherOptions
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Event, HiddenStates, Segment, Site

AT_ONCE = Localization(sigma=0.0, rule="fixed", threshold=0.5)


def of_layers(*layers: int) -> Probe:
    """A probe that scores as `bright_probe` does, at layers that add their number to each colour."""
    probe, parts = bright_probe(), len(layers)
    tensors = {name: np.tile(probe.tensors[name], parts) for name in ("mean", "scale")}
    tensors["mean"] = np.repeat(np.array(layers, float), 3)
    tensors |= {"weight": np.tile(probe.tensors["weight"], parts) / parts}
    tensors |= {"bias": probe.tensors["bias"]}
    return replace(probe, sites=tuple(Site("residual", one) for one in layers), tensors=tensors)


def segment(index: int, level: int = 100) -> Segment:
    frames = np.full((4, 16, 16, 3), level, np.uint8)
    return Segment(
        frames, (index + (np.arange(4) + 0.5) / 4) * L, index * L, (index + 1) * L, index
    )


@pytest.mark.parametrize("layers", [(2,), (0, 2)])
def test_a_probe_of_other_layers_goes_on_watching(tmp_path: Path, layers: tuple[int, ...]) -> None:
    names = ("yard", "gate")
    with staged(tmp_path, *(camera("x.mp4", name) for name in names)) as stage:
        stage.show("yard", *DARK_PICTURES)
        other = of_layers(*layers)
        stage.watcher.swap(other)
        assert {one.probe.digest for one in stage.watcher._cameras.values()} == {other.digest}
        stage.show("yard", *DARK_PICTURES, LIGHT, LIGHT)
        alert = stage.wait_for("new", "update", "update")
        kept = stage.watcher.footage(alert.id)
        assert kept is not None
        assert kept.states.sites == other.sites
        assert kept.states.values.shape[1:] == (len(layers), 3)
        assert (kept.states.values >= layers[0]).all()
        stage.watcher.restore()
        stage.show("yard", LIGHT, *DARK_PICTURES)
        end = stage.wait_for("end")
        assert (end.id, end.probe) == (alert.id, bright_probe().digest)
        assert stage.watcher.status().failure is None


@pytest.mark.parametrize("gate", [False, True])
def test_a_still_picture_is_read_again_for_a_probe_of_another_layer(gate: bool) -> None:
    reader, waiting = Reader(BrightBackbone()), [ToRead("yard", segment(0), gate)]
    for layer in (0, 2, 0):
        probe = of_layers(layer)
        (fresh,) = Reader(BrightBackbone()).read(waiting, probe)
        (found,) = reader.read(waiting, probe)
        np.testing.assert_array_equal(found.values, fresh.values)
        assert reader.read(waiting, probe)[0].source == "repeated"


def test_an_alert_after_a_restart_has_its_own_peak() -> None:
    one = life()
    watched_without_end(one, [*QUIET, *EVENT, *QUIET])
    raw = [*QUIET, *[0.99] * 3, *[0.65] * 22]
    run = [ScoredSegment(i * L, (i + 1) * L, score) for i, score in enumerate(raw)]
    (new,) = one.restart(EARLY, FINAL, run)
    assert (new.kind, new.event.start) == ("new", pytest.approx(17 * L))
    assert new.event.peak is not None
    assert new.event.peak > new.event.start
    assert new.event.score == pytest.approx(0.65, abs=0.02)
    steps = one.push(37 * L, 38 * L, 0.65)
    ((_, event),) = one.alerts
    assert (steps, event.score) == ([], pytest.approx(0.65, abs=0.02))


def test_where_a_run_was_cut_is_forgotten_with_the_next_probe() -> None:
    one = life()
    watched_without_end(one, [*QUIET, *[0.95] * 40])
    run = [ScoredSegment(i * L, (i + 1) * L, 0.9) for i in range(30, 52)]
    one.restart(EARLY, FINAL, run, cut=True)
    low = [ScoredSegment(i * L, (i + 1) * L, 0.05) for i in range(20)]
    high = [ScoredSegment(i * L, (i + 1) * L, 0.95) for i in range(20, 52)]
    one.restart(EARLY, FINAL, [*low, *high])
    steps: list[AlertStep] = []
    for place in range(52, 70):
        steps += one.push(place * L, (place + 1) * L, 0.05)
    ends = [step.event for step in steps if step.kind == "end"]
    assert [(event.start, event.end) for event in ends] == [pytest.approx((20 * L, 52 * L))]


class Frames:
    """The frames of a whole run."""

    def covers(self, start: float, end: float) -> bool:
        return True

    def window(self, start: float, end: float, frames: int) -> Segment:
        return segment(round(start / L), 200)


def ended(track: CameraTrack, raw: Sequence[float], first: int = 0) -> list[Any]:
    """Push scores; return what happened when an event ended."""
    pushed = (track.push(segment(i), score, 1e9 + i * L) for i, score in enumerate(raw, first))
    return [one for one in itertools.chain.from_iterable(pushed) if one.step.kind == "end"]


def looked(view: Any, event: Event) -> Event:
    """Return the event after its boundaries were refined."""
    look = CloserLook(
        BrightBackbone(),  # type: ignore[arg-type]
        bright_probe(),
        AT_ONCE,
        replace(view, frames=Frames()),
        LookOptions(verify=False, explain=False, where=False),
    ).refine(event)
    while True:
        try:
            next(look)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def test_an_event_soon_after_a_very_long_one_is_refined() -> None:
    """The long one begins before the ten minutes of scores that are looked at."""
    track = CameraTrack(Rules(AT_ONCE, AT_ONCE), L)
    raw = [*[0.1] * 12, *[0.9] * 380, *[0.1] * 12, *[0.9] * 4, *[0.1] * 12]
    first, second = ended(track, raw)
    (earlier,) = second.view.earlier
    assert earlier.start == second.view.scores.starts[0]
    assert earlier.end == first.step.event.end
    refined = looked(second.view, second.step.event)
    assert refined.start == pytest.approx(404 * L, abs=L + 1e-6)
    assert refined.end == pytest.approx(408 * L, abs=L + 1e-6)


def test_scores_of_two_probes_are_not_compared() -> None:
    track = CameraTrack(Rules(AT_ONCE, AT_ONCE), L)
    ended(track, [*[0.1] * 12, *[0.9] * 3])
    none = np.empty(0)
    of = HiddenStates(
        "", bright_probe().recipe, bright_probe().sites, none, none, np.empty((0, 1, 3)), 0.0
    )
    assert track.states(of) is None  # none were pushed, as for a probe of other layers
    track.restart(Rules(AT_ONCE, AT_ONCE), [])
    across, later = ended(track, [*[0.9] * 3, *[0.1] * 12, *[0.9] * 3, *[0.1] * 12], 15)
    assert not across.view.whole
    assert later.view.whole
    assert later.view.scores.starts[0] == pytest.approx(15 * L)


def test_nothing_is_told_after_the_watcher_was_closed(tmp_path: Path) -> None:
    reading, go_on = threading.Event(), threading.Event()

    class Stuck(BrightBackbone):
        def read(self, *given: Any, **named: Any) -> Any:
            reading.set()
            go_on.wait(30.0)
            return super().read(*given, **named)

    heard = Heard()
    options = WatcherOptions(record=False, open_source=StagedCamera, localization=AT_ONCE)
    watch = Watch((camera("x.mp4", "yard"),), state=tmp_path)
    model: Any = Stuck()
    watcher = Watcher(watch, model, bright_probe(check=False), options, heard.outlets)
    watcher.start()
    StagedCamera.made["yard"].show(LIGHT)
    assert reading.wait(20.0)
    watcher.close(0.5)
    go_on.set()
    until(lambda: not watcher._threads[-1].is_alive())
    time.sleep(0.05)
    assert (heard.alerts, watcher.open_alerts()) == ([], [])
