"""A machine that refuses to open another file: nothing that is stored is taken for damaged."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import fake_backbone

from hiprobe import store
from hiprobe.errors import EnvironmentFailed
from hiprobe.probe import Probe
from hiprobe.store import local_places, results, run_record
from hiprobe.store.states import load_states
from hiprobe.types import HiddenStates, Recipe, Result, Scores, Site, Video

VIDEO = "ab" * 32
READ: dict[str, Callable[[Path], Any]] = {
    "states": lambda out: load_states(out / "states.safetensors"),
    "result": lambda out: results.load_result(out / "a", Video("a", id=VIDEO, name="a"), {}),
    "run.json": run_record.load_run,
    "manifest": store.read_manifest,
    ".local.json": local_places.load_places,
    "probe": lambda out: Probe.load(out / "probe.safetensors"),
}


@contextmanager
def no_other_file() -> Iterator[None]:
    """Let this process open no other file."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with one of each file."""
    times = np.array([0.0, 1.6])
    scores = Scores(times, times + 1.6, times, times, times)
    result = Result("a", VIDEO, "done", 3.2, scores, name="a")
    values = np.zeros((2, 1, 3), np.float32)
    recipe = Recipe("m", ("What happens?",), segment_s=1.6, frames=8, size=(96, 96))
    states = HiddenStates(VIDEO, recipe, (Site("residual", 0),), times, times + 1.6, values, 3.2)
    path = store.save_states(tmp_path / ".store", states, "float32")
    path.rename(tmp_path / "states.safetensors")
    results.save_result(tmp_path / "a", result, {})
    store.note(tmp_path, [result])
    run_record.save_run(tmp_path, run_record.RunFacts("m", None, VIDEO, {}), b"")
    fake_backbone.constant_probe().save(tmp_path / "probe.safetensors")
    local_places.add_places(tmp_path, local_places.LocalPlaces((("/videos", "", True),)))
    return tmp_path


@pytest.mark.parametrize("kind", READ)
def test_a_sound_file_is_never_called_damaged(out: Path, kind: str) -> None:
    """The cure "delete it" would lose it, and "no places" would be written over the known ones."""
    assert READ[kind](out)
    with no_other_file(), pytest.raises(EnvironmentFailed, match="no other file may be opened"):
        READ[kind](out)
    assert READ[kind](out)
