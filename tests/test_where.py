"""Where in the picture: the map and the box of an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.fake_backbone import MeanColourBackbone, constant_probe
from tests.support.fixed_probe import fixed_probe
from tests.support.numbered_videos import noisy, steady, write

import hiprobe.pipeline.where as product
from experiments import occlusion
from hiprobe import embedded, pipeline, runs, video
from hiprobe.localize import Localization
from hiprobe.pipeline import located, relocalized
from hiprobe.pipeline.verification import with_answer
from hiprobe.probe import Probe
from hiprobe.probe.verification_rule import VerificationRule
from hiprobe.types import Event, Recipe, Result, Scores, Segment, Site

ODD = Recipe("mean_colour", ("What happens?",), frames=2, size=(50, 90))


class OnePlace(MeanColourBackbone):
    """A backbone that sees how much the pixels of one rectangle (y, x, height, width) differ."""

    def __init__(self, place: tuple[int, int, int, int], recipe: Recipe = ODD) -> None:
        self.place, self.recipe = place, recipe
        self.shown: list[Segment] = []

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        y, x, height, width = self.place
        self.shown += segments
        parts = [one.frames[:, y : y + height, x : x + width] for one in segments]
        spread = np.array([part.std(axis=(0, 1, 2)) for part in parts], np.float32)
        return np.stack([spread] * len(sites), axis=1)


def probe(recipe: Recipe = ODD) -> Probe:
    return replace(constant_probe(), recipe=recipe)


def clip(folder: Path, seconds: float = 3.2) -> Path:
    return write(folder / "a.mp4", steady(round(seconds * 10), 10), pictures=noisy)


def found_in(path: Path, model: Any, made_with: Probe, **options: Any) -> Result:
    return pipeline.detect(path, model, made_with, explain=False, **options)


def the_cell(row: int, column: int) -> tuple[float, float, float, float]:
    return (column / 4, row / 4, 0.25, 0.25)


@pytest.mark.parametrize(
    ("place", "row", "column"),
    [((0, 0, 10, 20), 0, 0), ((14, 48, 9, 16), 1, 2), ((40, 70, 10, 20), 3, 3)],
)
def test_the_only_cell_that_the_score_depends_on_is_found(
    tmp_path: Path, place: tuple[int, int, int, int], row: int, column: int
) -> None:
    (event,) = found_in(clip(tmp_path), OnePlace(place), probe(), where=True).events
    assert event.box == the_cell(row, column)
    assert event.heat is not None
    expected = np.zeros((4, 4))
    expected[row, column] = 1.0
    assert np.array(event.heat) == pytest.approx(expected, abs=1e-9)


def test_without_the_option_there_is_no_map(tmp_path: Path) -> None:
    (event,) = found_in(clip(tmp_path), OnePlace((0, 0, 10, 20)), probe()).events
    assert (event.heat, event.box) == (None, None)


def test_a_score_that_depends_on_no_place_gives_no_box(tmp_path: Path) -> None:
    (event,) = found_in(clip(tmp_path), OnePlace((0, 0, 10, 20)), _blind(), where=True).events
    assert event.box is None
    assert event.heat == ((0.0,) * 4,) * 4


def _blind() -> Probe:
    """A probe that gives every segment the same score."""
    found = probe()
    return replace(found, tensors={**found.tensors, "weight": np.zeros(3)})


def test_a_model_is_shown_the_segment_of_the_peak_after_a_gap(tmp_path: Path) -> None:
    path = clip(tmp_path, 8.0)
    starts = np.array([0.0, 4.8, 6.4])
    flat = np.full(3, 0.5)
    scores = Scores(starts, starts + 1.6, flat, flat, flat - 0.1)
    result = Result(str(path), "ab", "partial", 8.0, scores, (Event(4.8, 8.0, 5.6, 0.5),))
    model = OnePlace((0, 0, 10, 20))
    located(result, model, probe())
    shown = video.span(path, 4.8, 6.4, 2, (50, 90))
    assert len(model.shown) == 17
    assert {(one.start, one.end) for one in model.shown} == {(4.8, 6.4)}
    assert np.array_equal(model.shown[0].frames, shown.frames)
    hidden = occlusion.hidden(shown.frames, occlusion.Windows(4), occlusion.mean_colour)
    assert all(map(np.array_equal, [one.frames for one in model.shown[1:]], hidden))


def test_a_demoted_event_and_a_known_map_cost_no_read(tmp_path: Path) -> None:
    path, model = clip(tmp_path), OnePlace((0, 0, 10, 20))
    result = found_in(path, model, probe(), where=True)
    model.shown.clear()
    again = located(replace(result, events=_without_map(result)), model, probe(), result.events)
    demoted = replace(_without_map(result)[0], severity="low")
    assert again.events == result.events
    assert located(replace(result, events=(demoted,)), model, probe()).events == (demoted,)
    assert model.shown == []


def _without_map(result: Result) -> tuple[Event, ...]:
    return tuple(replace(one, heat=None, box=None) for one in result.events)


def test_a_map_stays_with_its_peak_when_the_threshold_moves(tmp_path: Path) -> None:
    edges, raw = np.arange(10) * 1.6, np.array([0.2, 0.6, 0.9, 0.2, 0.2, 0.2, 0.2, 0.2, 0.8])
    scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(9, 0.85))
    one = Event(3.2, 4.8, 4.0, 0.9, heat=((1.0,),), box=(0.0, 0.0, 1.0, 1.0))
    old = Result("a.mp4", "ab", "done", 14.4, scores, (one,))
    lower = Localization(
        sigma=0.0, rule="fixed", threshold=0.5, min_s=0.0, extend=1.0, refine=False
    )
    wider, other = relocalized(old, lower).events
    assert (wider.start, wider.box, wider.heat) == (1.6, one.box, one.heat)
    assert (other.peak, other.box, other.heat) == (pytest.approx(13.6), None, None)


def test_an_event_that_is_demoted_later_loses_its_map_and_its_words() -> None:
    edges, raw = np.arange(4) * 1.6, np.array([0.2, 0.9, 0.2])
    scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(3, 0.5))
    place, box = (
        (float(edges[1]), float(edges[2]), float(edges[1] + edges[2]) / 2),
        (0.0, 0.0, 1.0, 1.0),
    )
    checked = Event(*place, 0.9, "fight", "two people hit each other", heat=((1.0,),), box=box)
    checked = with_answer(checked, VerificationRule(threshold=1.0).check(2.0))
    rule = Localization(sigma=0.0, rule="fixed", threshold=0.5, refine=False)
    old = Result("a.mp4", "ab", "done", 4.8, scores, (checked,))
    (same,) = relocalized(old, rule, rule=VerificationRule(threshold=1.0)).events
    assert same == checked
    (later,) = relocalized(old, replace(rule, confirm=3.0), rule=VerificationRule()).events
    assert (later.severity, later.verification.result) == ("low", "rejected")
    assert (later.explanation, later.heat, later.box) == (None, None, None)


def test_an_answer_about_several_segments_is_not_taken_for_another_event() -> None:
    """Which segments were asked about is known before an event is refined only."""
    edges, raw = np.arange(6) * 1.6, np.array([0.2, 0.8, 0.9, 0.8, 0.2])
    scores = Scores(edges[:-1], edges[1:], raw, raw, np.full(5, 0.5))
    asked = replace(VerificationRule(threshold=0.0), segments=3)
    known = with_answer(Event(3.2, 4.8, 4.0, 0.9), asked.check(2.0))  # three, then refined to one
    rule = Localization(sigma=0.0, rule="fixed", threshold=0.85, extend=1.0, refine=False)
    old = Result("a.mp4", "ab", "done", 8.0, scores, (known,))
    (found,) = relocalized(old, rule, rule=asked).events
    assert found.verification.log_odds is None


def test_a_run_adds_maps_to_finished_results_and_takes_them_away(tmp_path: Path) -> None:
    path, out, model = clip(tmp_path), tmp_path / "out", OnePlace((0, 0, 10, 20))

    def run(where: bool) -> Result:
        wanted = runs.Wanted(probe(), probe().localization, explain=False, where=where)
        found, left = runs.without_model(out, [path], wanted)
        asked = runs.DetectionRun(model, probe(), out, explain=False, where=where)
        return [*found, *asked.detect(left)][0]

    assert run(False).events[0].box is None
    read = len(model.shown)
    assert run(True).events[0].box == the_cell(0, 0)
    assert len(model.shown) == read + 17
    assert run(True).events[0].box == the_cell(0, 0)
    assert run(False).events[0].box is None
    assert len(model.shown) == read + 17
    assert runs.run_options(out, probe()).where is False


def test_every_event_of_the_demo_video_gets_a_box_whatever_the_batch(shipped: Any) -> None:
    probe = fixed_probe()
    found = found_in(Path(embedded.VIDEO), shipped, probe)
    maps = located(found, shipped, probe).events
    assert len(maps) == 3
    assert all(one.box is not None for one in maps)
    before, one = shipped.batch, replace(found, events=found.events[:1])
    shipped.batch = 5
    try:
        (small,) = located(one, shipped, probe).events
    finally:
        shipped.batch = before
    assert small.box == maps[0].box
    assert np.array(small.heat) == pytest.approx(np.array(maps[0].heat), abs=1e-3)


def test_frames_smaller_than_the_grid_are_read(tmp_path: Path) -> None:
    tiny = Segment(np.zeros((2, 3, 2, 3), np.uint8), np.array([0.4, 1.2]), 0.0, 1.6, 0)
    assert len(list(product._hidden(tiny))) == 16
