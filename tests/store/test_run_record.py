"""`run.json` and `probe.safetensors`: what made the results of a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support import fake_backbone

from hiprobe import runs
from hiprobe.errors import StoreError, UsageError
from hiprobe.probe import Probe
from hiprobe.store import run_record

FACTS = run_record.RunFacts("Qwen/Qwen2.5-VL-7B-Instruct", "abc", "ab" * 32, {"explain": True})


def test_a_record_is_read_back_and_written_only_if_changed(tmp_path: Path) -> None:
    assert run_record.load_run(tmp_path) is None
    run_record.save_run(tmp_path, FACTS, b"probe")
    assert run_record.load_run(tmp_path) == FACTS
    assert (tmp_path / "probe.safetensors").read_bytes() == b"probe"
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    run_record.save_run(tmp_path, FACTS, b"probe")
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before
    run_record.save_run(tmp_path, FACTS, b"other")
    assert (tmp_path / "probe.safetensors").read_bytes() == b"other"


def test_a_run_keeps_its_probe_and_says_what_made_it(tmp_path: Path) -> None:
    model, probe = fake_backbone.load(), fake_backbone.constant_probe()
    run = runs.DetectionRun(model, probe, tmp_path / "out")
    assert list(run.detect([])) == []
    assert Probe.load(tmp_path / "out/probe.safetensors").digest == probe.digest
    values = json.loads((tmp_path / "out/run.json").read_text())
    assert values == {
        "schema": "hiprobe.run/1",
        "model": "mean_colour",
        "revision": None,
        "probe": probe.digest,
        "settings": {
            "probe": probe.digest,
            "recipe": probe.recipe.digest,
            "model": "mean_colour",
            "revision": None,
            "dtype": "float32",
            "explain": True,
            "verify": False,
            "localization": probe.localization.to_json(),
        },
    }


DAMAGE = {
    "cut": b'{"schema": "hiprobe.run/1"',
    "list": b"[]",
    "deep": b"[" * 100_000,
    "schema": b'{"schema": "hiprobe.run/0"}',
    "more": b'{"schema": "hiprobe.run/1", "evil": 1}',
    "types": b'{"schema": "hiprobe.run/1", "model": 1, "revision": 2, "probe": 3, "settings": 4}',
}


@pytest.mark.parametrize("kind", [*DAMAGE, "fifo", "folder", "large"])
def test_a_damaged_record_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / run_record.NAME
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "large":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.write_bytes(DAMAGE[kind])
    with pytest.raises(StoreError, match=r"run\.json: not a valid record of a run: .*delete it"):
        run_record.load_run(tmp_path)


def test_another_probe_is_refused_only_where_there_are_results(tmp_path: Path) -> None:
    one, other = fake_backbone.constant_probe(), fake_backbone.constant_probe(bias=1.0)
    runs.check_out(tmp_path, other)
    runs.record_run(tmp_path, one, {})
    runs.check_out(tmp_path, other)
    (tmp_path / "v-0").mkdir()
    (tmp_path / "v-0/result.json").write_text("{}")
    runs.check_out(tmp_path, one)
    with pytest.raises(UsageError, match=f"{one.digest[:8]}, not {other.digest[:8]}.*--again"):
        runs.check_out(tmp_path, other)
