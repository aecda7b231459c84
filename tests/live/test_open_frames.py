"""Windows of any time come from the samples of a camera that are kept, and those are few."""

from __future__ import annotations

import numpy as np
import pytest

from hiprobe import video
from hiprobe.embedded import VIDEO
from hiprobe.live import open_frames
from hiprobe.live.open_frames import OpenFrames
from hiprobe.types import Recipe, Segment

L = 1.6


def piece(place: int, size: int = 2, count: int = 4) -> Segment:
    times = place * L + (np.arange(count) + 0.5) * L / count
    frames = np.full((count, size, size, 3), place % 256, np.uint8)
    return Segment(frames, times, place * L, (place + 1) * L, place)


def filled(count: int, size: int = 2) -> OpenFrames:
    frames = OpenFrames()
    for place in range(count):
        frames.add(piece(place, size))
    return frames


@pytest.mark.parametrize("count", [8, 16])
def test_windows_at_quarters_of_a_segment_are_those_of_the_file(count: int) -> None:
    recipe, frames = Recipe("model", ("prompt",), frames=count, size=(32, 32)), OpenFrames()
    for one in video.segments(VIDEO, recipe):
        frames.add(one)
    wanted = [(k * 0.4, k * 0.4 + L) for k in range(2, 60, 3)]
    for one in video.spans(VIDEO, wanted, count, (32, 32)):
        found = frames.window(*wanted[one.index], count)
        assert np.array_equal(found.frames, one.frames)
        assert np.array_equal(found.times, one.times)
        assert (found.start, found.end) == (one.start, one.end)


def test_between_samples_the_frame_on_screen_is_shown() -> None:
    frames = filled(3)
    assert frames.window(1.5, 1.7, 1).times[0] == pytest.approx(L - 0.2)
    assert frames.picture(3.3)[0, 0, 0] == 1  # the third segment's first sample is at 3.4 s
    assert frames.picture(-5.0)[0, 0, 0] == 0
    assert frames.picture(99.0)[0, 0, 0] == 2


def test_what_is_covered_is_known() -> None:
    frames = filled(10)
    assert frames.covers(0.0, 16.0)
    assert not frames.covers(15.0, 16.5)
    frames.trim([(0.0, 3.0), (8.0, 16.0)])
    assert frames.covers(0.0, 3.2)
    assert frames.covers(8.0, 16.0)
    assert not frames.covers(2.0, 9.0)


def test_a_long_event_is_thinned_and_its_edges_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_frames, "MOST", 24)
    frames = OpenFrames()
    for place in range(500):
        frames.add(piece(place))
        end = (place + 1) * L
        frames.trim([(0.0, 4.0), (end - 8.0, end)], [(0.0, end)])
    assert frames.covers(0.0, 4.0)
    assert frames.covers(792.0, 800.0)
    shown = frames.window(0.0, 800.0, 10).times
    assert (np.diff(shown) > 0).sum() >= 6


def test_memory_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_frames, "MOST_BYTES", 20 * piece(0, 64).frames.nbytes)
    frames = OpenFrames()
    for place in range(100):
        frames.add(piece(place, 64))
        frames.trim([(0.0, 1e9)])
        assert frames.bytes <= open_frames.MOST_BYTES
    assert frames.last is not None
    assert frames.last.index == 99


def test_a_copy_stays_as_it_was() -> None:
    frames = filled(4)
    copy = frames.copy()
    frames.trim([(4.8, 6.4)])
    assert copy.covers(0.0, 6.4)
    assert not frames.covers(0.0, 6.4)


def test_nothing_kept_or_another_size_is_no_window() -> None:
    with pytest.raises(LookupError):
        OpenFrames().window(0.0, 1.6, 8)
    frames = filled(2)
    frames.add(piece(2, 4))
    assert frames.window(0.0, 3.2, 8).frames.shape == (8, 2, 2, 3)
    with pytest.raises(LookupError, match="size"):
        frames.window(1.6, 4.8, 8)


def test_a_clock_that_goes_back_begins_anew() -> None:
    frames = filled(4)
    frames.add(piece(1))
    assert not frames.covers(0.0, 1.6)
    assert frames.covers(1.6, 3.2)
