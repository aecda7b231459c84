"""Count the frames of test videos once and keep the counts as `frame_counts.csv`.

It knows no score and no model.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

from hiprobe import datasets, video
from hiprobe.datasets import listing
from hiprobe.errors import LabelError, VideoError
from hiprobe.evaluation.benchmark import Benchmark
from hiprobe.evaluation.frame_times import kept_frame_times
from hiprobe.pipeline import ignore
from hiprobe.store import write_atomic
from hiprobe.video import pictures

TOLERANCE = 0.02  # by which the rate of a video may differ from that of its annotation


def make_frame_counts(
    bench: Benchmark, store: Path, begin: Callable[[int], None] = ignore
) -> Path | None:
    """Write the frame counts that a data set lacks, and return the file.

    None if nothing is missing, or if `bench` names no folder of videos. The frames that can be
    decoded are counted, so each video is decoded once; its frame times are kept in the folder
    `store`. `begin` gets the number of videos before the first one is read. Raises LabelError for
    test videos that are missing, cannot be read or have another frame rate than the annotation, and
    StoreError if the file cannot be written.
    """
    if bench.videos is None:
        return None
    tests = datasets.uncounted(bench.name, bench.root, bench.videos, bench.fps)
    if not tests:
        return None
    absent = [name for name, path in tests.items() if not pictures.exists(path)]
    if absent:
        raise LabelError(
            f"there is no frame_counts.csv, and to make one {len(absent)} of {len(tests)} test "
            f"videos are missing: {listing(absent)}",
            where=bench.videos,
            cure="give --videos the folder of all test videos, or write frame_counts.csv",
        )
    begin(len(tests))
    return _write(bench.root, _counted(tests, store, datasets.frame_rate(bench.name)))


def _counted(tests: Mapping[str, str], store: Path, rate: float | None) -> dict[str, int]:
    """Count the frames of each video; raises LabelError that lists those that cannot be used."""
    counts, faults = {}, []
    for name, path in tests.items():
        try:
            counts[name] = _count(path, store, None if pictures.is_folder(path) else rate)
        except (VideoError, LabelError) as error:
            faults.append(f"{name} ({error.named})")
    if faults:
        raise LabelError(
            f"the frames of {len(faults)} of {len(tests)} videos cannot be counted: "
            f"{listing(faults)}",
            cure="replace these files by those of the release",
        )
    return counts


def _count(path: str, store: Path, rate: float | None) -> int:
    times = kept_frame_times(path, video.digest(path), store)
    if rate is not None and len(times) > 1:
        own = (len(times) - 1) / float(times[-1] - times[0])
        if abs(own / rate - 1) > TOLERANCE:
            raise LabelError(
                f"{own:.2f} frames per second, but the annotation counts {rate:g}",
                where=path,
            )
    return len(times)


def _write(root: Path, counts: Mapping[str, int]) -> Path:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerows([("video", "frames"), *counts.items()])
    path = root / datasets.COUNTS
    write_atomic(path, text.getvalue().encode())
    return path
