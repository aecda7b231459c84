"""What HiProbe itself writes: probes, states, results, the manifest, the index."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from fuzz.backbone import a_probe, a_result, some_states
from hiprobe import probe, store
from hiprobe.errors import HiProbeError
from hiprobe.review import results as shown
from hiprobe.store import index, leases, results
from hiprobe.types import Video


def make_probe(root: Path) -> None:
    a_probe().save(root / "p.safetensors")


def score(root: Path) -> None:
    assert np.isfinite(probe.Probe.load(root / "p.safetensors").score(some_states())).all()


def make_states(root: Path) -> None:
    store.save_states(root, some_states(), "float32")


def load_states(root: Path) -> None:
    (path,) = root.rglob("*.safetensors")
    index.stored_states(root)
    assert np.isfinite(a_probe().score(store.load_states(path))).all()


def make_folder(root: Path) -> None:
    from hiprobe.formats.csv import scores_csv

    settings = {"probe": "p", "explain": True}
    for number in range(3):
        place = store.result_folder(root, a_result(number))
        store.write_atomic(place / "scores.csv", scores_csv(a_result(number)).encode())
        store.write_atomic(place / "events.jsonl", b"")
        results.save_result(place, a_result(number), settings)
    store.note(root, [a_result(number) for number in range(3)])
    leases.run_status(root)
    with leases.LeaseHolder(root / ".store", settings, 3) as worker:
        worker.end(worker.claim("x-1", "x.mp4", "1"), "failed", "x")


def read_manifest(root: Path) -> None:
    with suppress(HiProbeError):
        for one in shown.entries(root):
            shown.reviewed_result(one)
    with suppress(HiProbeError):
        store.note(root, [a_result(7)])


def read_index(root: Path) -> None:
    index._checked.clear()  # as in a new process
    for _ in range(2):
        with leases.LeaseHolder(root / ".store", {"probe": "p"}, 3) as worker:
            worker.claim("x-1", "x.mp4", "1")
        _, items = leases.run_status(root)
        assert {item.folder for item in items} >= {
            path.parent.name for path in root.glob("v*/result.json")
        }
        index.stored_states(root / ".store")
        leases.put_back(root)


def read_results(root: Path) -> None:
    for path in root.glob("*/result.json"):
        video = Video("v.mp4", id=f"{0:064x}")
        results.load_result(path.parent, video, {"probe": "p", "explain": True})
        results.result_facts(path.parent)
    leases.run_status(root)
    with suppress(HiProbeError):
        for one in shown.entries(root):
            shown.reviewed_result(one)
