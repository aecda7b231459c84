"""What is fuzzed: for each kind of file, how valid files are made and what reads them.

All samples are made here.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import av
import numpy as np
from numpy.typing import NDArray

from fuzz.mutate import mutate
from hiprobe import datasets, evaluation, isolate, pipeline, probe, store, video
from hiprobe.datasets import folder as clips
from hiprobe.errors import HiProbeError
from hiprobe.isolate import ChildBug
from hiprobe.localize import Localization
from hiprobe.review import results as shown
from hiprobe.store import index, leases, results
from hiprobe.types import HiddenStates, Recipe, Result, Scores, Segment, Site, Video
from hiprobe.video import parallel

RECIPE = Recipe("colours", ("What happens?",), frames=4, size=(32, 32))
SITES = (Site("residual", 1),)
KINDS = (
    ("mp4", "libx264"),
    ("mkv", "libx264"),
    ("avi", "mpeg4"),
    ("webm", "libvpx"),
    ("mpg", "mpeg2video"),
    ("ts", "libx264"),
    ("gif", "gif"),
    ("mov", "mjpeg"),
    ("flv", "flv1"),
    ("ogv", "libtheora"),
)


@dataclass(frozen=True)
class Target:
    """A kind of file.

    `make` writes valid files into a folder, `read` reads the folder once one of them is damaged.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], None]


class Colours:
    """A backbone without weights: the mean colours, the same at every layer."""

    layers, heads, width, head_width = 2, 1, 3, 3
    head_layers: tuple[int, ...] = (0, 1)
    batch = 8
    explain_span_s: float | None = 1.6
    notice: str | None = None
    explain_prompt, recipe = "What happens?", RECIPE
    provenance: Mapping[str, Any] = {"dtype": "float32"}

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        means = np.array([segment.frames.mean(axis=(0, 1, 2)) for segment in segments], np.float32)
        return np.stack([means for _ in sites], axis=1)

    def explain(
        self, segment: Segment, prompt: str, max_tokens: int, deadline_s: float
    ) -> tuple[str, bool | None]:
        return f"{segment.frames.mean():.1f}", None


def a_probe() -> probe.Probe:
    zeros = np.zeros(3)
    tensors = {"mean": zeros, "scale": zeros + 1, "weight": zeros, "bias": np.zeros(1)}
    return probe.Probe(
        "hiprobe", RECIPE, SITES, 3, tensors, Localization(rule="fixed", threshold=0.0), {}
    )


def some_states() -> HiddenStates:
    starts = np.array([0.0, 1.6, 3.2, 4.8])
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 1, 3)
    return HiddenStates("ab" * 32, RECIPE, SITES, starts, starts + 1.6, values, 6.4)


def _result(number: int = 0) -> Result:
    states = some_states()
    raw = np.linspace(0, 1, 4)
    scores = Scores(states.starts, states.ends, raw, raw, raw)
    return Result(f"v{number}.mp4", f"{number:064x}", "done", 6.4, scores)


# -- videos


def _videos(root: Path) -> None:
    for suffix, codec in KINDS:
        # This build of FFmpeg may lack the encoder.
        with suppress(av.error.FFmpegError, ValueError):
            _video(root / f"a.{suffix}", codec)


def _video(path: Path, codec: str, length: int = 25, options: dict[str, str] | None = None) -> None:
    with av.open(str(path), "w") as output:
        stream = cast(
            av.VideoStream, output.add_stream(codec, rate=10, options=options or {"g": "5"})
        )
        stream.width = stream.height = 48
        stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        for number in range(length):
            picture = np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)
            output.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                        format=stream.pix_fmt
                    )
                )
            )
        output.mux(stream.encode(None))


def _detect(root: Path) -> None:
    for path in sorted(root.iterdir()):
        (result,) = pipeline.detect_all(
            [path], Colours(), a_probe(), explain=False, failed=_no_fault
        )
        if result.scores is not None:
            assert np.isfinite(result.scores.smoothed).all()
            assert np.isfinite([result.duration, *result.scores.starts, *result.scores.ends]).all()
            assert (result.scores.ends > result.scores.starts).all()
        for ask in (video.info, partial(video.span, start=0.5, end=1.5, frames=3)):
            try:
                ask(path)
            except HiProbeError as error:
                _no_fault(str(path), error)


def _no_fault(_path: str, error: HiProbeError) -> None:
    """Accept a named error, unless it was caused by a bug in the decoder: raise that one."""
    if isinstance(error.__cause__, ChildBug):
        raise error


# -- one video in several decoders


def _long_videos(root: Path) -> None:
    for name, options in (
        ("a.mp4", {"g": "12", "bf": "3"}),
        ("b.mkv", {"g": "24", "x264-params": "open-gop=1"}),
    ):
        _video(root / name, "libx264", 300, options)


def _parts(root: Path) -> None:
    """Compare several decoders, which leave out frames that nobody wants, with one decoder."""
    with (
        patch.multiple(parallel, LEAST_WINDOWS=3, LEAST_PIXELS=0.0),
        patch.object(isolate.parent, "SLOTS", 6),
    ):
        for path in sorted(root.iterdir()):
            assert _given(parallel.decode_segments(path, RECIPE, "")) == _given(
                video.segments(path, RECIPE)
            ), path


def _given(reader: parallel.ParallelReader | video.SegmentReader) -> tuple[list[Any], Any]:
    """Digests of the segments, then what is known at the end or the error that ended it."""
    found: list[Any] = []
    try:
        for one in reader:
            found.append(
                (
                    one.index,
                    one.start,
                    one.end,
                    one.times.tolist(),
                    zlib.crc32(one.frames.tobytes()),
                )
            )
    except HiProbeError as error:
        _no_fault("", error)
        return found, str(error)
    return found, (reader.duration, reader.gaps, reader.skipped)


# -- artifacts


def _probe(root: Path) -> None:
    a_probe().save(root / "p.safetensors")


def _score(root: Path) -> None:
    assert np.isfinite(probe.Probe.load(root / "p.safetensors").score(some_states())).all()


def _states(root: Path) -> None:
    store.save_states(root, some_states(), "float32")


def _load_states(root: Path) -> None:
    (path,) = root.rglob("*.safetensors")
    index.stored_states(root)
    assert np.isfinite(a_probe().score(store.load_states(path))).all()


def _folder(root: Path) -> None:
    from hiprobe.sinks.csv import scores_csv

    settings = {"probe": "p", "explain": True}
    for number in range(3):
        place = store.result_folder(root, _result(number))
        store.write_atomic(place / "scores.csv", scores_csv(_result(number)).encode())
        store.write_atomic(place / "events.jsonl", b"")
        results.save_result(place, _result(number), settings)
    store.note(root, [_result(number) for number in range(3)])
    leases.run_status(root)
    with leases.LeaseHolder(root / ".store", settings, 3) as worker:
        worker.end(worker.claim("x-1", "x.mp4", "1"), "failed", "x")


def _manifest(root: Path) -> None:
    with suppress(HiProbeError):
        for one in shown.entries(root):
            shown.reviewed_result(one)
    with suppress(HiProbeError):
        store.note(root, [_result(7)])


def _index(root: Path) -> None:
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


def _result_files(root: Path) -> None:
    for path in root.glob("*/result.json"):
        video = Video("v.mp4", id=f"{0:064x}")
        results.load_result(path.parent, video, {"probe": "p", "explain": True})
        results.result_facts(path.parent)
    leases.run_status(root)
    with suppress(HiProbeError):
        for one in shown.entries(root):
            shown.reviewed_result(one)


# -- annotation and scores


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _clips(root: Path) -> None:
    _write(
        root,
        {
            "labels.csv": "path,label,start,end,split\na.mp4,normal,,,train\nb.mp4,fall,1.5,3,train\n"
            "b.mp4,fall,5,7.25,train\nc.mp4,fire,,,test\n",
            "clock.csv": "path;label;start;end\na.mp4;0,0;;\nb.mp4;fall;0:01,5;1:02:03,25\n",
        },
    )
    wide = "path\tlabel\tstart\tend\na.mp4\tNonFight\t\t\nb.mp4\tfall\t0:01.5\t3\n"
    (root / "wide.csv").write_bytes(wide.encode("utf-16"))


def _read_clips(root: Path) -> None:
    for path in sorted(root.iterdir()):
        for one in clips.load(path, absent=True):
            assert all(event.end > event.start >= 0 for event in one.events or ())


def _ucf(root: Path) -> None:
    _write(
        root,
        {
            "Temporal_Anomaly_Annotation.txt": "A_x264.mp4  Arson  10  20  40  50\n"
            "N_x264.mp4  Normal  -1  -1  -1  -1\n",
            "frame_counts.csv": "video,frames\nA_x264.mp4,60\nN_x264.mp4,30\n",
            "Anomaly_Train.txt": "Arson/B.mp4\n",
            "Anomaly_Test.txt": "Arson/A_x264.mp4\n",
        },
    )


def _xd(root: Path) -> None:
    _write(
        root,
        {
            "annotations.txt": "v_label_B1-G-0.mp4 2 5 30 40\n",
            "frame_counts.csv": "video,frames\nv_label_B1-G-0,64\nw_label_A,33\n",
        },
    )


def _campus(root: Path) -> None:
    (root / "test_frame_mask").mkdir()
    np.save(root / "test_frame_mask" / "01_0001.npy", np.array([0, 0, 1, 1, 0], np.uint8))


def _ped(root: Path) -> None:
    _write(
        root,
        {
            "Test/UCSDped2.m": "TestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [2:4, 6];\n",
            **{f"Test/Test001/{number:03}.tif": "" for number in range(8)},
        },
    )


def _truth(name: str) -> Callable[[Path], None]:
    def read(root: Path) -> None:
        for rule in datasets.rules(name):
            with suppress(HiProbeError):
                for labels in datasets.truth(name, root, rule=rule).values():
                    assert set(np.unique(labels)) <= {0, 1}
        with suppress(HiProbeError):
            datasets.categories(name, root)
        with suppress(HiProbeError):
            list(datasets.load(name, root))

    return read


def _scores(root: Path) -> None:
    scores = {"a": np.linspace(0, 1, 20), "b": np.linspace(1, 0, 30)}
    (root / "s.json").write_text(
        json.dumps({name: values.tolist() for name, values in scores.items()})
    )
    for suffix in ("npz", "csv"):
        evaluation.write_scores(root / f"s.{suffix}", scores)


def _evaluate(root: Path) -> None:
    truth = {"a": np.repeat(np.array([0, 1], np.uint8), 10), "b": np.zeros(30, np.uint8)}
    for path in sorted(root.iterdir()):
        with suppress(HiProbeError):
            evaluation.evaluate(truth, evaluation.read_scores(path), bootstrap=2)


TARGETS: dict[str, Target] = {
    "video": Target(_videos, _detect),
    "parts": Target(_long_videos, _parts),
    "probe": Target(_probe, _score),
    "states": Target(_states, _load_states),
    "manifest": Target(_folder, _manifest),
    "result": Target(_folder, _result_files),
    "index": Target(_folder, _index),
    "labels.csv": Target(_clips, _read_clips),
    "ucf_crime": Target(_ucf, _truth("ucf_crime")),
    "xd_violence": Target(_xd, _truth("xd_violence")),
    "shanghaitech": Target(_campus, _truth("shanghaitech")),
    "ucsd_ped": Target(_ped, _truth("ucsd_ped")),
    "scores": Target(_scores, _evaluate),
}


def valid(name: str, folder: Path) -> Path:
    """Make the valid files of a target, and read them once, which must succeed."""
    folder.mkdir(exist_ok=True)
    TARGETS[name].make(folder)
    with tempfile.TemporaryDirectory() as copy:
        TARGETS[name].read(shutil.copytree(folder, Path(copy) / "valid"))
    return folder


def damaged(name: str, sample: Path, folder: Path, rng: random.Random) -> Path:
    """Make `folder`: the target's valid files with one of them damaged; of videos only that one."""
    shutil.copytree(sample, folder)
    files = sorted(
        path
        for path in folder.rglob(CHOSEN.get(name, "*"))
        if path.is_file() and not path.name.startswith(".")
    )
    hurt = rng.choice(files)
    if name in ("video", "parts"):
        for path in files:
            path.unlink()
    hurt.write_bytes(mutate((sample / hurt.relative_to(folder)).read_bytes(), rng))
    return folder


# The file to damage; of the other targets any file of the folder.
CHOSEN = {"manifest": "manifest.jsonl", "result": "result.json", "index": "index.sqlite"}
