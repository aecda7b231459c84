"""What fuzzing found, as the smallest files that show it, and a few damaged files of every kind: see `make fuzz`."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fuzz.mutate import DAMAGE, mutate
from fuzz.targets import TARGETS, damaged, sound

from hiprobe import datasets, evaluation
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.store import index, leases

EACH = 6


def array_file(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


ODD_HEADERS = {  # each another error of numpy's reader
    "a bracket left open": b"{'descr': '<f8', 'fortran_order': False, 'shape': ((3,), }\n",
    "a quote left open": b"{'descr': '<f8\n",
    "no text": b"\x00" * 40,
    "a huge shape": b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }\n",
    "a negative shape": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }\n",
    "keys of two types": b"{1: 2, 'descr': '<f8', 'shape': (3,)}\n",
    "an object": b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n",
}


@pytest.mark.parametrize("kind", ODD_HEADERS)
def test_an_array_file_with_an_odd_header_is_a_named_error(tmp_path: Path, kind: str) -> None:
    masks = tmp_path / "test_frame_mask"
    masks.mkdir()
    (masks / "01_0001.npy").write_bytes(array_file(ODD_HEADERS[kind]))
    with pytest.raises(LabelError, match=r"01_0001\.npy: no sound mask"):
        datasets.truth("shanghaitech", tmp_path)
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("a.npy", array_file(ODD_HEADERS[kind]))
    with pytest.raises(LabelError, match=r"s\.npz: cannot be read as NPZ"):
        evaluation.read_scores(tmp_path / "s.npz")


@pytest.mark.parametrize("name", ["x" * 5000 + ".mp4", "a\u0000b.mp4", "/" * 300])
def test_a_path_in_a_table_that_no_file_can_have_is_no_crash(tmp_path: Path, name: str) -> None:
    (tmp_path / "labels.csv").write_text(f"path,label\n{name},fall\n")
    with pytest.raises(HiProbeError):
        list(datasets.load("folder", tmp_path))
    with suppress(HiProbeError):
        list(datasets.load("folder", tmp_path, absent=True))


@pytest.mark.parametrize("old", [b"CREATE TABLE items", b"v1.mp4", b"failed"])
def test_bytes_of_an_index_that_are_no_text_are_no_crash(tmp_path: Path, old: bytes) -> None:
    place = tmp_path / "made"
    sound("index", place)
    path = place / ".store" / "index.sqlite"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, old[:-2] + b"\xff\xc5"))
    for _ in range(2):
        index._checked.clear()  # as in the next process
        found = leases.run_status(place)[1]
        assert {item.folder for item in found} >= {
            path.parent.name for path in place.glob("*/result.json")
        }


def test_damage_is_repeatable_and_damages() -> None:
    sound = io.BytesIO()
    np.save(sound, np.arange(50))
    data = sound.getvalue()
    changed = [mutate(data, random.Random(seed)) for seed in range(100)]
    assert changed == [mutate(data, random.Random(seed)) for seed in range(100)]
    assert sum(one != data for one in changed) > 90
    assert mutate(b"", random.Random(0)) is not None
    for damage in DAMAGE:
        assert isinstance(damage(b"", random.Random(1)), bytes)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def sample(name: str) -> Path:
        if name not in made:
            made[name] = sound(name, tmp_path_factory.mktemp(name))
        return made[name]

    return sample


@pytest.mark.parametrize("name", TARGETS)
def test_only_named_errors_come_of_damaged_files(
    tmp_path: Path, samples: Callable[[str], Path], name: str
) -> None:
    for seed in range(EACH):
        folder = damaged(name, samples(name), tmp_path / str(seed), random.Random(seed))
        with suppress(HiProbeError):
            TARGETS[name].read(folder)
