"""Test what the benchmark of large fits counts as memory, and the states that it fits on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks import fit_large

HELD = """
import mmap, sys, time
kept = bytearray(b"x") * (96 << 20)
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    read = sum(mapped[::4096])
time.sleep(0.5)
print("done")
"""


def test_anonymous_memory_counts_and_mapped_files_do_not(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(128 << 20))
    printed, peak = fit_large.run_and_watch([sys.executable, "-c", HELD, str(tmp_path / "large")])
    assert printed == "done\n"
    assert 96 < peak < 96 + 60


def test_the_states_have_the_shape_of_a_large_model_and_one_layer_separates_them(
    tmp_path: Path,
) -> None:
    for number in range(8):
        fit_large.write(tmp_path, number, 4)
    pairs = [fit_large.load_mapped(tmp_path, number, 4) for number in range(8)]
    assert all(
        states.values.shape == (4, 28, 3584) and isinstance(states.values, np.memmap)
        for states, _ in pairs
    )
    values = np.concatenate([s.values for s, _ in pairs])
    labels = np.concatenate([y for _, y in pairs])
    assert labels.tolist() == ([0] * 4 + [0, 0, 1, 1]) * 4
    apart = np.abs(values[labels == 1].mean(0) - values[labels == 0].mean(0))[:, :179].mean(1)
    assert apart.argmax() == fit_large.SEPARATING_LAYER
