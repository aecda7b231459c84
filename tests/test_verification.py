"""Events are checked and refined by the shipped model on the shipped video, and found again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import fake_backbone
from tests.support.fixed_probe import fixed_probe
from tests.support.numbered_videos import steady, write

from hiprobe import datasets, detect, embedded, pipeline, runs
from hiprobe.backbones import Backbone
from hiprobe.localize import Localization, localize
from hiprobe.metrics import Watched, boundary_errors
from hiprobe.probe import Probe, VerificationRule
from hiprobe.store import results
from hiprobe.types import Event, Result, Scores, Site

TRUTH = ((6.2, 11.6), (18.5, 23.6), (30.3, 36.1))  # fight, fall, fire
LOW = Localization(sigma=0.0, rule="fixed", threshold=0.4, merge_s=0.0, min_s=0.0)
EVERYTHING = replace(LOW, threshold=0.0, refine=False)  # ordinary life gives events too


class Counted:
    """The shipped model; counts what it reads, and is interrupted before read number `last`."""

    def __init__(self, model: Backbone, last: float = np.inf) -> None:
        self.model, self.last, self.reads = model, last, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def read(self, segments: Sequence[Any], *how: Any) -> Any:
        self.reads += len(segments)
        if self.reads > self.last:
            raise KeyboardInterrupt
        return self.model.read(segments, *how)

    def explain(self, *given: Any) -> Any:
        return self.model.explain(*given)


@pytest.fixture(scope="module")
def probe() -> Probe:
    return fixed_probe()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store shared by the tests of this file, so that the video is read once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def copied(checked: Result, store: Path, tmp_path: Path) -> Path:
    """A store that holds the states of the whole video only."""
    for path in store.glob("*/*/*.safetensors"):
        there = tmp_path / "out" / runs.STORE / path.relative_to(store)
        there.parent.mkdir(parents=True)
        shutil.copy(path, there)
    return tmp_path / "out" / runs.STORE


@pytest.fixture(scope="module")
def checked(shipped: Backbone, probe: Probe, store: Path) -> Result:
    return detect(embedded.VIDEO, shipped, probe, localization=LOW, store=store, max_tokens=4)


def is_true(event: Event) -> bool:
    return any(event.start < end and event.end > start for start, end in TRUTH)


def test_true_events_are_confirmed_and_ordinary_life_is_rejected(
    checked: Result, shipped: Backbone, probe: Probe, store: Path
) -> None:
    asked = {"localization": EVERYTHING, "store": store, "max_tokens": 4}
    clips = [embedded.CLIPS / f"normal_{number:02d}.mp4" for number in (1, 2)]
    quiet = [detect(clip, shipped, probe, **asked) for clip in clips]  # type: ignore[arg-type]
    for event in checked.events:
        assert (is_true(event), event.verification.result) == (True, "confirmed")
        assert (event.severity, event.explanation is None) == ("medium", False)
    assert len(checked.events) == checked.verified == 3
    for event in [event for one in quiet for event in one.events]:
        assert event.verification.result == "rejected"
        assert (event.severity, event.explanation is None) == ("low", True)
    assert [one.verified for one in quiet] == [1, 1]


def test_the_log_odds_are_those_of_the_likelihood_method_at_the_peak(
    checked: Result, shipped: Backbone
) -> None:
    site, recipe = Site("logit", shipped.layers - 1), pipeline.recipe_for("likelihood", shipped)
    states = pipeline.states(embedded.VIDEO, shipped, (site,), recipe=recipe)
    odds = states.values[:, 0, 0] - states.values[:, 0, 1]
    for event in checked.events:
        assert event.peak is not None
        peak = np.flatnonzero((states.starts <= event.peak) & (event.peak < states.ends))
        assert event.verification.log_odds == pytest.approx(odds[peak[0]], abs=1e-4)


def test_several_segments_give_their_mean(shipped: Backbone, probe: Probe, store: Path) -> None:
    assert probe.verification is not None
    wider = replace(probe, verification=replace(probe.verification, segments=3))
    asked = {"explain": False, "localization": LOW, "store": store}
    one, three = (detect(embedded.VIDEO, shipped, p, **asked) for p in (probe, wider))  # type: ignore[arg-type]
    long = max(range(len(one.events)), key=lambda i: one.events[i].end - one.events[i].start)
    assert three.events[long].verification != one.events[long].verification
    assert three.verified > one.verified


def test_unverified_events_differ_in_nothing_else(
    shipped: Backbone, probe: Probe, store: Path
) -> None:
    how = replace(LOW, refine=False)
    asked = {"explain": False, "localization": how, "store": store}
    checked = detect(embedded.VIDEO, shipped, probe, **asked)  # type: ignore[arg-type]
    found = detect(embedded.VIDEO, shipped, probe, **asked, verify=False)  # type: ignore[arg-type]
    assert {event.verification.result for event in found.events} == {"not_checked"}
    assert found.verified == 0
    plain = [Event(e.start, e.end, e.peak, e.score, e.label) for e in checked.events]
    assert list(found.events) == plain


def test_a_probe_without_a_rule_checks_nothing(
    shipped: Backbone, probe: Probe, store: Path
) -> None:
    silent = replace(probe, verification=None)
    asked = {"explain": False, "localization": LOW, "store": store}
    found = detect(embedded.VIDEO, shipped, silent, **asked)  # type: ignore[arg-type]
    assert {event.verification.result for event in found.events} == {"not_checked"}


def test_what_was_read_is_not_read_again_also_after_an_interruption(
    shipped: Backbone, probe: Probe, copied: Path
) -> None:
    how = replace(probe.localization, sigma=0.0, refine=True)
    asked = {"explain": False, "localization": how, "store": copied}
    interrupted = Counted(shipped, last=44)  # checked, but not yet refined
    with pytest.raises(KeyboardInterrupt):
        detect(embedded.VIDEO, interrupted, probe, **asked)  # type: ignore[arg-type]
    first, again = Counted(shipped), Counted(shipped)
    made = detect(embedded.VIDEO, first, probe, **asked)  # type: ignore[arg-type]
    assert (made.refined, made.verified, first.reads) == (42, 3, 42)
    found = detect(embedded.VIDEO, again, probe, **asked)  # type: ignore[arg-type]
    assert again.reads == 0
    assert found.events == made.events
    for path in copied.glob("*/*/*.windows"):
        path.unlink()
    fresh = detect(embedded.VIDEO, shipped, probe, **asked)  # type: ignore[arg-type]
    assert fresh.events == made.events


def test_refinement_brings_boundaries_nearer_to_the_truth(
    shipped: Backbone, probe: Probe, tmp_path: Path
) -> None:
    clips = [one for one in datasets.load("folder", embedded.CLIPS) if one.events][:8]
    medians = []
    for refine in (False, True):
        how = replace(probe.localization, refine=refine)
        errors: list[float] = []
        for one in clips:
            found = detect(
                one.path, shipped, probe, explain=False, localization=how, store=tmp_path
            )
            assert (found.refined > 0) == (refine and len(found.alarms) > 0)
            true = [
                replace(event, end=min(event.end, found.duration)) for event in one.events or ()
            ]
            starts, ends = boundary_errors(Watched(true, found.alarms, found.duration))
            errors += starts + ends
        medians.append(np.median(errors))
    assert medians[1] < 0.8 * medians[0]


# -- results that are found again


def content(out: Path) -> list[Any]:
    """The results of a folder, as JSON values."""
    return [json.loads(path.read_bytes()) for path in sorted(out.glob(f"*/{results.NAME}"))]


def run(out: Path, model: Any, probe: Probe, how: Localization) -> list[Any]:
    one = runs.DetectionRun(model, probe, out, explain=False, localization=how)
    assert [found.status for found in one.detect([embedded.VIDEO])] == ["done"]
    return content(out)


def again(out: Path, probe: Probe, how: Localization, **wanted: Any) -> list[Any] | None:
    """Find the results again without a model; None if one is needed."""
    asked = runs.Wanted(probe, how, explain=False, **wanted)
    _, left = runs.without_model(out, [embedded.VIDEO], asked)
    return None if left else content(out)


def thresholds(scores: Scores) -> Iterator[tuple[Localization, Localization, Localization]]:
    """Yield settings: the second ones give other events at peaks of the first, the third new peaks.

    They depend on the probe, which changes with the shipped model.
    """
    spans = scores.starts, scores.ends, scores.raw, scores.gaps
    every = [replace(LOW, threshold=float(limit)) for limit in np.linspace(0.1, 0.9, 17)]
    found = {how: localize(*spans, how)[1] for how in every}
    peaks = {how: {event.peak for event in events} for how, events in found.items()}
    for low, high, highest in combinations(every, 3):
        if peaks[high] <= peaks[low] and len(found[high]) > 1 and not peaks[highest] <= peaks[low]:
            yield low, high, highest


def test_another_threshold_gives_what_a_fresh_detection_gives(
    shipped: Backbone, probe: Probe, copied: Path, checked: Result
) -> None:
    low, higher, highest = next(thresholds(checked.scores))
    out = copied.parent
    fresh = run(out, shipped, probe, higher)
    assert fresh[0]["windows"]["verified"] > 1
    assert run(out, shipped, probe, low) != fresh
    assert again(out, probe, higher) == fresh
    # One event becomes two: the model has not been asked about the second peak.
    assert again(out, probe, highest) is None
    assert again(out, probe, low, verify=False) is None


def test_refined_events_are_found_again_from_the_store(
    shipped: Backbone, probe: Probe, copied: Path
) -> None:
    silent, out = replace(probe, verification=None), copied.parent
    low = replace(probe.localization, sigma=0.0, threshold=0.3, refine=True)
    high = replace(low, threshold=0.572)
    first = run(out, shipped, silent, low)
    assert again(out, silent, high) is None  # other boundaries, so other windows
    second = run(out, shipped, silent, high)
    assert again(out, silent, low) == first
    assert again(out, silent, high) == second
    assert second[0]["windows"]["refined"] == 42
    for path in copied.glob("*/*/*.windows"):
        path.unlink()
    assert again(out, silent, low) is None


def test_a_model_without_yes_and_no_is_not_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(20, 10))
    found = detect(path, fake_backbone.load(), fake_backbone.constant_probe(), explain=False)
    assert [event.verification.result for event in found.events] == ["not_checked"]


def test_a_rule_for_a_model_that_cannot_answer_is_a_named_error(tmp_path: Path) -> None:
    from hiprobe import backbones
    from hiprobe.errors import ModelError

    short = backbones.load("embedded", device="cpu", max_layer=7 - 1)
    cut = replace(Probe.load(embedded.PROBE), sites=(Site("residual", 3),))
    assert cut.verification == VerificationRule(**vars(cut.verification))
    everything = Localization(rule="fixed", threshold=0.0)
    with pytest.raises(ModelError, match="logit/layer7"):
        detect(embedded.CLIPS / "normal_00.mp4", short, cut, explain=False, localization=everything)
