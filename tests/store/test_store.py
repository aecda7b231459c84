"""The store: states are read back unchanged, damaged files are refused, writes are atomic."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from tests.conftest import full_disk
from tests.support.result_folders import folder_name

from hiprobe import store
from hiprobe.errors import StoreError
from hiprobe.types import Gap, HiddenStates, Recipe, Result, Scores, Site

RECIPE = Recipe("m", ("What happens?",), segment_s=1.6, frames=8, size=(96, 96))
SITES = (Site("residual", 0), Site("residual", 3), Site("residual", 5))
VIDEO = "ab" * 32


def some_states(
    seed: int = 0, sites: tuple[Site, ...] = SITES, segments: int = 4, dtype: Any = np.float32
) -> HiddenStates:
    starts = np.arange(segments) * 1.6
    values = np.random.default_rng(seed).normal(size=(segments, len(sites), 7)).astype(dtype)
    return HiddenStates(
        VIDEO,
        RECIPE,
        sites,
        starts,
        starts + 1.6,
        values,
        segments * 1.6,
        (Gap(1.0, 1.5, "damaged data"),),
        2,
    )


def a_result(
    name: str = "a.mp4", digest: str = VIDEO, status: Any = "done", reason: str | None = None
) -> Result:
    times = np.array([0.0, 1.6])
    scores = Scores(times, times + 1.6, times, times, times) if status == "done" else None
    return Result(name, digest, status, 3.2, scores, reason=reason)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_bytes().splitlines()]


# -- states


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_stored_states_are_read_back_unchanged(tmp_path: Path, dtype: Any) -> None:
    states = some_states(dtype=dtype)
    path = store.save_states(tmp_path, states, "float32")
    found = store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32")
    assert found is not None
    for name in ("values", "starts", "ends"):
        np.testing.assert_array_equal(getattr(found, name), getattr(states, name))
        assert getattr(found, name).dtype == getattr(states, name).dtype
    for name in ("video_id", "recipe", "sites", "duration", "gaps", "damaged_packets"):
        assert getattr(found, name) == getattr(states, name)
    with safe_open(path, "np") as file:  # the format's own reader agrees
        np.testing.assert_array_equal(file.get_tensor("values"), states.values)


def test_the_values_are_mapped_and_cannot_be_written_through(tmp_path: Path) -> None:
    path = store.save_states(tmp_path, some_states(), "float32")
    before, found = path.read_bytes(), store.load_states(path)
    assert isinstance(found.values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 0
    assert path.read_bytes() == before


def test_a_video_without_segments_is_stored(tmp_path: Path) -> None:
    store.save_states(tmp_path, some_states(segments=0), "float32")
    found = store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32")
    assert found is not None
    assert found.values.shape == (0, 3, 7)


@pytest.mark.parametrize("wanted", [SITES, SITES[:1], (SITES[2], SITES[0]), ()])
def test_any_part_of_the_sites_is_a_hit(tmp_path: Path, wanted: tuple[Site, ...]) -> None:
    states = some_states()
    store.save_states(tmp_path, states, "float32")
    found = store.find_states(tmp_path, VIDEO, RECIPE, wanted, "float32")
    assert found is not None
    for site in wanted:
        np.testing.assert_array_equal(found.at((site,))[:, 0], states.values[:, SITES.index(site)])


def test_of_several_files_the_one_with_the_sites_is_found(tmp_path: Path) -> None:
    for seed, sites in enumerate([SITES[:1], SITES[1:]]):
        store.save_states(tmp_path, some_states(seed, sites), "float32")
    found = store.find_states(tmp_path, VIDEO, RECIPE, SITES[2:], "float32")
    assert found is not None
    assert found.sites == SITES[1:]
    assert store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32") is None


MISSES = {
    "video": (VIDEO.replace("a", "c"), RECIPE, SITES, "float32"),
    "dtype": (VIDEO, RECIPE, SITES, "bfloat16"),
    "more sites": (VIDEO, RECIPE, (*SITES, Site("residual", 6)), "float32"),
    "prompt of a site": (VIDEO, RECIPE, (Site("residual", 0, prompt=1),), "float32"),
    "kind of a site": (VIDEO, RECIPE, (Site("logit", 0),), "float32"),
    **{
        field: (VIDEO, replace(RECIPE, **{field: value}), SITES, "float32")
        for field, value in {
            "model": "n",
            "prompts": ("What?",),
            "revision": "r1",
            "segment_s": 1.5,
            "frames": 16,
            "size": None,
        }.items()
    },
}


@pytest.mark.parametrize("other", MISSES)
def test_anything_else_is_a_miss(tmp_path: Path, other: str) -> None:
    store.save_states(tmp_path, some_states(), "float32")
    assert store.find_states(tmp_path, *MISSES[other]) is None


def test_a_file_moved_to_another_videos_place_is_refused(tmp_path: Path) -> None:
    path = store.save_states(tmp_path, some_states(), "float32")
    other = path.parent.with_name(("cd" * 32)[:32])
    path.parent.rename(other)
    with pytest.raises(StoreError, match="another video or recipe"):
        store.find_states(tmp_path, "cd" * 32, RECIPE, SITES, "float32")


# -- damage


def rebuilt(data: bytes, change: Any) -> bytes:
    """A states file whose safetensors header was changed by `change`."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    changed = change(header)
    text = json.dumps(header if changed is None else changed).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def entry(**fields: Any) -> Any:
    return lambda header: header["values"].update(fields)


def inner(**fields: Any) -> Any:
    def change(header: dict[str, Any]) -> None:
        own = json.loads(header["__metadata__"]["hiprobe"]) | fields
        header["__metadata__"]["hiprobe"] = json.dumps(own)

    return change


SITE_ROWS = [{"kind": "residual", "layer": layer, "head": None, "prompt": 0} for layer in (0, 3, 5)]
WRONG_HEADERS = {
    "offsets past the end": entry(data_offsets=[0, 10**9]),
    "offsets before the start": entry(data_offsets=[-336, 0]),
    "offsets swapped": entry(data_offsets=[336, 0]),
    "one offset": entry(data_offsets=[0]),
    "offsets that are words": entry(data_offsets=["a", "b"]),
    "a shape of NaN": entry(shape=[float("nan"), 3, 7]),
    "an infinite shape": entry(shape=[float("inf"), 3, 7]),
    "a negative shape": entry(shape=[-4, -3, 7]),
    "a shape that wraps round to the right size": entry(
        shape=[2**32 * 4, 2**32 * 3, 7], data_offsets=[0, 0]
    ),
    "a shape of another size": entry(shape=[4, 3, 8]),
    "a flat shape": entry(shape=[84]),
    "a shape of fractions": entry(shape=[4.0, 3.0, 7.0]),
    "bfloat16": entry(dtype="BF16", shape=[4, 3, 14]),
    "integers": entry(dtype="I32"),
    "no dtype": lambda header: header["values"].pop("dtype"),
    "no values": lambda header: header.pop("values"),
    "no times": lambda header: header.pop("ends"),
    "no header of ours": lambda header: header.pop("__metadata__"),
    "a list": lambda header: [header],
    "a number": lambda header: 7,
    "another schema": inner(schema="hiprobe.states/99"),
    "no schema": inner(schema=None),
    "fewer sites": inner(sites=SITE_ROWS[:2]),
    "sites that are none": inner(sites=[{"kind": "soul", "layer": 0}] * 3),
    "a duration of NaN": inner(duration=float("nan")),
    "a gap of NaN": inner(gaps=[{"start": float("nan"), "end": 1.0, "reason": "x"}]),
    "a gap without an end": inner(gaps=[{"start": 1.0}]),
    "no recipe": inner(recipe=None),
    "a recipe with a field too many": inner(recipe={**RECIPE.to_json(), "x": 1}),
}
WRONG_BYTES = {
    **{
        f"the first {count} bytes": (lambda data, count=count: data[:count])
        for count in (0, 1, 7, 8, 9, 100, 700)
    },
    "all but one byte": lambda data: data[:-1],
    "a header longer than the file": lambda data: (len(data) - 7).to_bytes(8, "little") + data[8:],
    "a header of 2^63 bytes": lambda data: (2**63).to_bytes(8, "little") + data[8:],
    "no header": lambda data: bytes(8) + data[8:],
    "a header that is not JSON": lambda data: data[:8] + b"x" + data[9:],
    "a header that is not text": lambda data: data[:8] + b"\xff" + data[9:],
    "a header nested too deep": lambda data: (200_000).to_bytes(8, "little") + b"[" * 200_000,
    "zeros": lambda data: bytes(len(data)),
}
DAMAGE = WRONG_BYTES | {
    name: (lambda data, change=change: rebuilt(data, change))
    for name, change in WRONG_HEADERS.items()
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_a_named_error_on_one_line(tmp_path: Path, kind: str) -> None:
    path = store.save_states(tmp_path, some_states(), "float32")
    assert store.load_states(path).values.shape == (4, 3, 7)
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    for call in (
        lambda: store.load_states(path),
        lambda: store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "times", [[0, np.nan, 3.2, 4.8], [0, np.inf, 3.2, 4.8], [0, 3.2, 1.6, 4.8], [0, 0, 1.6, 3.2]]
)
def test_impossible_times_are_refused(tmp_path: Path, times: list[float]) -> None:
    states = some_states()
    path = store.save_states(tmp_path, replace(states, starts=np.array(times)), "float32")
    with pytest.raises(StoreError):
        store.load_states(path)


def test_a_changed_byte_in_the_header_is_refused_or_harmless(tmp_path: Path) -> None:
    path = store.save_states(tmp_path, some_states(), "float32")
    data, rng = path.read_bytes(), random.Random(5)
    size = 8 + int.from_bytes(data[:8], "little")
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(size)] = rng.choice(b'0123456789[]{}",:-e \xff')
        path.write_bytes(damaged)
        try:
            found = store.load_states(path)
        except StoreError:
            continue
        assert (
            found.values.tobytes() in data
        )  # whatever the header says, the values are in the file


# -- writing


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.bin"
    for data in (b"one", b"", b"three" * 1000):
        store.write_atomic(path, data)
        assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["x.bin"]


def test_a_file_is_as_readable_as_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        store.write_atomic(tmp_path / "x", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_on_a_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "x"
    store.write_atomic(path, b"old")
    with (
        full_disk(4000),
        pytest.raises(
            StoreError, match=r"x: cannot write: File too large; raise the limit on file size"
        ) as caught,
    ):
        store.write_atomic(path, bytes(5000))
    assert caught.value.exit_code == 4
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process can read but not write, also as root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(name)
        os.seteuid(user)
        os.chmod(name, 0o755)


def test_a_read_only_folder_is_a_named_error(read_only: Path) -> None:
    for call in (
        lambda: store.write_atomic(read_only / "x", b"x"),
        lambda: store.write_atomic(read_only / "a/x", b"x"),
        lambda: store.note(read_only, [a_result()]),
        lambda: store.note(read_only / "a", [a_result()]),
        lambda: store.save_states(read_only, some_states(), "float32"),
    ):
        with pytest.raises(StoreError, match=f"^{read_only}.*cannot write: Permission denied"):
            call()
    assert os.listdir(read_only) == []


def test_a_folder_or_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="file/x: cannot write"):
        store.write_atomic(tmp_path / "file" / "x", b"x")
    with pytest.raises(StoreError, match="folder: not a regular file"):
        store.write_atomic(tmp_path / "folder", b"x")
    with pytest.raises(StoreError, match=r"file/manifest\.jsonl: cannot write"):
        store.note(tmp_path / "file", [a_result()])
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


WRITER = """
import sys
from pathlib import Path
from hiprobe import store
path, count = Path(sys.argv[1]), 0
while True:
    store.write_atomic(path, bytes([65 + count % 2]) * 4_000_000)
    count += 1
    if count == 3:
        print("ready", flush=True)
"""


def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    rng, path, left = random.Random(1), tmp_path / "x.bin", 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            for _ in range(rng.randrange(20_000)):
                os.getpid()  # kill at another moment each time
            child.send_signal(signal.SIGKILL)
        data = path.read_bytes()
        assert (len(data), len(set(data))) == (4_000_000, 1)
        left += len(os.listdir(tmp_path)) - 1
    store.write_atomic(path, b"and on it goes")  # what the killed ones left is in nobody's way
    assert path.read_bytes() == b"and on it goes"
    assert not [
        name for name in os.listdir(tmp_path) if not name.startswith(".x.bin.") and name != "x.bin"
    ]


def test_the_temporary_file_of_a_killed_writer_is_ignored(tmp_path: Path) -> None:
    path = store.save_states(tmp_path, some_states(), "float32")
    left = path.with_name(f".{path.name}.{os.getpid()}.0")
    path.rename(left)
    left.write_bytes(left.read_bytes()[:700])
    for number in range(50):  # in a container a run has the process id of the one before it
        left.with_name(f".{path.name}.{os.getpid()}.{number}").touch()
    assert store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32") is None
    store.save_states(tmp_path, some_states(), "float32")
    assert store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32") is not None


def test_writers_of_one_key_and_a_reader_at_once(tmp_path: Path) -> None:
    choices = [some_states(seed, segments=200) for seed in range(3)]
    store.save_states(tmp_path, choices[0], "float32")

    def write(number: int) -> None:
        store.save_states(tmp_path, choices[number % 3], "float32")

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(write, number) for number in range(30)]
        while not all(job.done() for job in jobs):
            found = store.find_states(tmp_path, VIDEO, RECIPE, SITES, "float32")
            assert found is not None
            assert any(np.array_equal(found.values, one.values) for one in choices)
        for job in jobs:
            job.result()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


# -- results


def test_a_result_folder_is_named_by_stem_name_and_digest(tmp_path: Path) -> None:
    expected = tmp_path / folder_name("x.tar.mp4", VIDEO)
    assert store.result_folder(tmp_path, a_result("in/x.tar.mp4")) == expected
    assert (
        len(
            {
                store.result_folder(tmp_path, a_result("x.mp4", digest))
                for digest in (VIDEO, "cd" * 32)
            }
        )
        == 2
    )


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, "日" * 83])
def test_the_longest_file_name_gives_a_valid_folder(tmp_path: Path, stem: str) -> None:
    (tmp_path / f"{stem}.mp4").touch()
    folder = store.result_folder(tmp_path, a_result(f"{stem}.mp4"))
    store.write_atomic(folder / "report.html", b"x")
    assert folder.name.startswith(stem[:60])
    assert folder.name.endswith(f"-{folder_name(f'{stem}.mp4', VIDEO)[-16:]}")


def test_a_new_result_replaces_the_line_of_its_video_only(tmp_path: Path) -> None:
    store.note(
        tmp_path,
        [a_result("a.mp4"), a_result("b.mp4", "cd" * 32, "failed", "EmptyVideo: no bytes")],
    )
    store.note(tmp_path, [a_result("b.mp4", "cd" * 32), a_result("a.mp4", "ef" * 32)])
    found = {(line["name"], line["digest"][:2]): line for line in lines(tmp_path)}
    assert len(lines(tmp_path)) == 3
    assert {key: line["status"] for key, line in found.items()} == {
        ("a.mp4", "ab"): "done",
        ("b.mp4", "cd"): "done",
        ("a.mp4", "ef"): "done",
    }
    assert found["a.mp4", "ab"] == {
        "name": "a.mp4",
        "digest": VIDEO,
        "status": "done",
        "duration": 3.2,
        "segments": 2,
        "events": 0,
        "demoted": 0,
        "gaps": 0,
        "peak": 1.6,
        "margin": 0.0,
        "reason": None,
        "folder": folder_name("a.mp4", VIDEO),
        "recorded": None,
    }


def test_the_failure_of_a_missing_file_is_deleted_once_it_is_there(tmp_path: Path) -> None:
    store.note(
        tmp_path,
        [
            a_result("a.mp4", "", "failed", "MissingVideo: no such file"),
            a_result("b.mp4", "cd" * 32),
        ],
    )
    assert lines(tmp_path)[0] == {
        "name": "a.mp4",
        "digest": None,
        "status": "failed",
        "duration": 3.2,
        "segments": 0,
        "events": 0,
        "demoted": 0,
        "gaps": 0,
        "peak": None,
        "margin": None,
        "reason": "MissingVideo: no such file",
        "folder": None,
        "recorded": None,
    }
    store.note(tmp_path, [a_result("a.mp4")])
    assert sorted(line["name"] for line in lines(tmp_path)) == ["a.mp4", "b.mp4"]
    assert {line["status"] for line in lines(tmp_path)} == {"done"}


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "a\u2028b\x85.mp4", "日本.mp4", '"a\\b".mp4', os.fsdecode(b"z\xff.mp4")]
)
def test_any_name_is_one_line_and_is_found_again(tmp_path: Path, name: str) -> None:
    for _ in range(3):
        store.note(tmp_path, [a_result(name), a_result("b.mp4")])
    assert (
        len((tmp_path / "manifest.jsonl").read_text("utf-8").splitlines()) == 2
    )  # splits at U+2028 too
    assert lines(tmp_path)[0]["name"] == name.encode("utf-8", "surrogateescape").decode(
        "utf-8", "replace"
    )


@pytest.mark.parametrize(
    "data", [b"{", b"[1]\n", b"\xff\xfe", b'{"name": "a"}\n{', b"null\n", b"[" * 100_000]
)
def test_a_damaged_manifest_is_named_and_left_alone(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(data)
    with pytest.raises(StoreError, match=r"manifest\.jsonl: not a valid manifest"):
        store.note(tmp_path, [a_result()])
    assert (tmp_path / "manifest.jsonl").read_bytes() == data


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b'{"name": [1], "digest": {}}\n', b'{"mine": 1}\r\n']
)
def test_blank_and_odd_lines_of_a_manifest_are_accepted(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(data)
    store.note(tmp_path, [a_result()])
    assert lines(tmp_path)[-1]["name"] == "a.mp4"


NOTER = """
import sys
from pathlib import Path
from hiprobe import store
from hiprobe.types import Result
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    store.note(Path(sys.argv[1]), [Result(f"{sys.argv[2]}-{number}.mp4", "", "failed", reason="x")])
"""


def test_concurrent_processes_lose_no_line_of_a_manifest(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", NOTER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in "abc"
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # it has loaded
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert [child.wait() for child in children] == [0, 0, 0]
    assert {line["name"] for line in lines(tmp_path)} == {
        f"{name}-{n}.mp4" for name in "abc" for n in range(25)
    }
