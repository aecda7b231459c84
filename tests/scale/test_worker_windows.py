"""A worker keeps the windows of checks in the run's store, a folder or an address."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Fitted

from hiprobe import detect, runs, video
from hiprobe.backbones import Backbone
from hiprobe.scale.worker import VideoWorker, Work
from hiprobe.store import remote, results


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_worker_checks_events_and_keeps_what_it_read(
    kind: str, tmp_path: Path, shipped: Backbone, fitted: Fitted, normal_clip: Path
) -> None:
    pytest.importorskip("ray")
    probe = replace(fitted.alarm, verification=fitted.probe.verification)
    out = str(tmp_path / "out") if kind == "folder" else f"memory://{tmp_path.name}/out"
    store, sites = f"{out}/{runs.STORE}", tuple(probe.sites)
    work = Work(store, probe.recipe, sites, probe, out, explain=False, verify=True)
    digest, worker = video.digest(normal_clip), VideoWorker(shipped, work)
    for _ in range(2):
        assert worker.finish(str(normal_clip), digest, [], "clip.mp4")["status"] == "done"
    worker.close()
    here = Path(out) if kind == "folder" else tmp_path / "copy"
    (asked,) = runs.recipes_read(probe, verify=True)[1:]
    part = f"{runs.STORE}/{asked.digest[:16]}/{digest[:32]}"
    if kind == "address":
        remote.pull(f"{out}/{part}", here / part)
    assert [path.suffix for path in (here / part).iterdir()] == [".windows"]
    if kind == "folder":
        (path,) = here.glob(f"*/{results.NAME}")
        (event,) = json.loads(path.read_text())["events"]
        local = detect(normal_clip, shipped, probe, explain=False).events[0]
        assert event["verification"] == vars(local.verification)
