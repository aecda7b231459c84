"""The default probe: clips to segments that do not touch, and one command that writes the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.training import stand_in
from training.sample import Sample, whole
from training.segments import SIZE
from training.world.filming.recording import play

from hiprobe import embedded
from hiprobe.backbones import Backbone
from hiprobe.localize import contiguous_runs
from hiprobe.probe import Probe
from hiprobe.probe.verification_rule import GIVEN
from training import default_probe, store


def rectangles(count: int) -> Iterator[Sample]:
    for index in range(count):
        made = stand_in.render_clip(np.random.default_rng([7, index]))
        yield whole(play(made.data), made.acts, SIZE)


def test_clips_are_grouped_and_none_touches_another() -> None:
    found = list(default_probe.grouped(rectangles(2 * default_probe.GROUP + 3)))
    assert [len(labels) for _, _, labels in found] == [default_probe.GROUP] * 2 + [3]
    assert len({name for name, _, _ in found}) == 3
    want = [sample.content.abnormal for sample in rectangles(2 * default_probe.GROUP + 3)]
    assert np.concatenate([labels for _, _, labels in found]).tolist() == want
    starts, ends = (np.array([getattr(s, w) for s in found[0][1]]) for w in ("start", "end"))
    assert contiguous_runs(starts, ends) == list(range(1, default_probe.GROUP))


def test_samples_stop_at_the_limit(tmp_path: Path) -> None:
    for first in (0, 5):
        rngs = [np.random.default_rng([1, i]) for i in range(first, first + 5)]
        store.write(
            tmp_path,
            [stand_in.render_clip(r) for r in rngs],
            seed=1,
            first=first,
            renderer="b" * 64,
        )
    assert len(list(default_probe.samples(tmp_path, 7, SIZE))) == 7
    assert len(list(default_probe.samples(tmp_path, 70, SIZE))) == 10


def test_one_command_writes_a_probe_with_the_chosen_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Backbone
) -> None:
    monkeypatch.setenv("HIPROBE_RUNS", str(tmp_path))
    monkeypatch.setattr(default_probe, "prepare", lambda *_: None)  # the renderer has tests
    monkeypatch.setattr(default_probe, "GROUP", 10)
    clips = [stand_in.render_clip(np.random.default_rng([1, i])) for i in range(60)]
    store.write(tmp_path / "probe", clips, seed=1, first=0, renderer="b" * 64)
    out = tmp_path / "made.safetensors"
    default_probe.main(["--out", str(out), "--clips", "60", "--layer", "2"])
    made = Probe.load(out)
    assert [site.layer for site in made.sites] == [2]
    assert made.recipe == shipped.recipe
    assert made.localization.rule == "raised"
    assert made.localization == default_probe.settings()
    assert made.localization.threshold_from == default_probe.CHOSEN
    assert made.verification is not None
    assert (made.verification.threshold, made.verification.source) == (default_probe.CONFIRM, GIVEN)
    assert made.provenance["states"][embedded.RENDERED] == 60
    assert made.provenance["folds"]["by"] == "video"
