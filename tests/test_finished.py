"""What a folder of results answers without a model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import fake_backbone
from tests.support.numbered_videos import steady, write

from hiprobe import runs


@pytest.mark.parametrize("name", ["a", "日本", os.fsdecode(b"z\xff"), "a\nb", "a-" + "0" * 16])
def test_another_threshold_needs_no_model_whatever_the_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"{name}.mp4", steady(20, 10))
    probe, out = fake_backbone.constant_probe(), tmp_path / "out"
    run = runs.DetectionRun(fake_backbone.load(), probe, out, explain=False)
    assert [one.status for one in run.detect([path])] == ["done"]
    other = replace(probe.localization, threshold=0.123)
    found, left = runs.without_model(out, [path], runs.Wanted(probe, other, explain=False))
    assert (len(found), left) == (1, [])
    assert found[0].scores is not None
    assert set(found[0].scores.threshold) == {0.123}
