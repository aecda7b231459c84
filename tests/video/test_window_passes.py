"""Many windows in few passes are what `span` and `segments` give, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scale.test_spans import FILES
from tests.support.numbered_videos import noisy, numbers, recipe, steady, truth, write

from hiprobe import embedded, video
from hiprobe.errors import UsageError
from hiprobe.types import Segment
from hiprobe.video import pictures, window_passes
from hiprobe.video.sampling import Sampling

TIMES = steady(324, 10)
RANDOM = [
    (float(start), float(start) + 1.6) for start in np.random.default_rng(0).uniform(0, 30, 6)
]
NEAR = [(5.0 + 0.4 * step, 6.6 + 0.4 * step) for step in range(9)]
WINDOWS = [*NEAR[::-1], *RANDOM, (31.0, 35.0), (3.0, 3.1), (0.0, 32.4)]


def same(one: Segment, other: Segment) -> bool:
    return (one.start, one.end, one.times.tolist()) == (
        other.start,
        other.end,
        other.times.tolist(),
    ) and np.array_equal(one.frames, other.frames)


def in_order(path: Path | str, windows: list[tuple[float, float]]) -> list[Segment]:
    found = list(video.spans(path, windows, 4, (32, 32)))
    assert sorted(one.index for one in found) == list(range(len(windows)))
    return sorted(found, key=lambda one: one.index)


def check_against_single_spans(path: Path | str, windows: list[tuple[float, float]]) -> None:
    for window, one in zip(windows, in_order(path, windows), strict=True):
        assert same(one, video.span(path, *window, 4, (32, 32)))


def check_against_segments(path: Path | str) -> None:
    wanted = list(video.segments(path, recipe(frames=4, size=(32, 32))))
    windows = [(one.start, one.start + 1.6) for one in wanted]
    for one, other in zip(in_order(path, windows[::-1]), wanted[::-1], strict=True):
        assert same(one, other)


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: FILES[name] for name in ("mp4", "matroska", "open groups")},
    "no seeking": (".ts", {}),
    "misleading index": FILES["no keyframe but one"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_those_of_single_spans_and_of_segments(kind: str, tmp_path: Path) -> None:
    suffix, more = KINDS[kind]
    path = write(tmp_path / f"long{suffix}", TIMES, rate=10, pictures=noisy, **more)
    if kind == "misleading index":  # without its list of keyframes, every frame counts as one
        path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    for window, one in zip(WINDOWS, in_order(path, WINDOWS), strict=True):
        assert numbers(one) == truth(TIMES, window[0], min(window[1], 32.4), 4)
    check_against_single_spans(path, WINDOWS[::5])
    check_against_segments(path)


def test_windows_of_a_folder_of_pictures(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "clip").mkdir()
    for index in range(60):
        Image.fromarray(noisy(index)).save(tmp_path / "clip" / f"{index}.png")
    path = pictures.named(tmp_path / "clip", 10)
    check_against_single_spans(path, [(2.0, 3.6), (1.0, 2.6), (1.2, 2.8), (5.0, 9.0)])
    check_against_segments(path)


def passes(path: Path, windows: list[tuple[float, float]], monkeypatch: Any) -> int:
    """Count how often the frames are read, in this process."""
    begun, real = [], pictures.reader
    monkeypatch.setattr(
        pictures, "reader", lambda *given, **how: begun.append(1) or real(*given, **how)
    )
    asked = [Sampling(start, end, 4, (32, 32)) for start, end in windows]
    found = list(window_passes.read_windows(path, asked, lambda: None))
    assert sorted(place for place, _ in found) == list(range(len(windows)))
    return len(begun)


@pytest.mark.parametrize(
    ("windows", "wanted"),
    [(NEAR, 1), ([*NEAR, (15.0, 16.0)], 1), ([*NEAR, (30.0, 31.0)], 2), ([(0.0, 30.0), *NEAR], 1)],
)
def test_near_windows_share_a_pass_and_far_ones_are_sought(
    windows: list[tuple[float, float]], wanted: int, tmp_path: Path, monkeypatch: Any
) -> None:
    path = write(tmp_path / "long.mp4", TIMES, rate=10, pictures=noisy)
    assert passes(path, windows, monkeypatch) == wanted


def test_a_file_without_seeking_is_read_once(tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path / "long.ts", TIMES, rate=10, pictures=noisy)
    assert passes(path, [*NEAR, *RANDOM, (30.0, 31.0)], monkeypatch) == 1


def test_windows_open_at_once_are_bounded_in_bytes(tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path / "long.mp4", TIMES, rate=10, pictures=noisy)
    monkeypatch.setattr(window_passes, "OPEN_BYTES", 2 * 4 * 32 * 32 * 3)
    assert passes(path, NEAR, monkeypatch) > 1


def test_a_window_after_the_end_is_an_error_that_names_it() -> None:
    reader = video.spans(embedded.VIDEO, [(39.0, 41.0), (40.5, 41.0), (3.0, 4.0)], 4, (32, 32))
    assert (next(reader).start, next(reader).end) == (3.0, pytest.approx(40.0))
    with pytest.raises(UsageError, match=r"40\.5 to 41\.0 s begins after the video's end"):
        next(reader)
    with pytest.raises(UsageError, match="start < end"):
        next(video.spans(embedded.VIDEO, [(0.0, 1.0), (3.0, 3.0)], 4))
    assert list(video.spans(embedded.VIDEO, [], 4)) == []
