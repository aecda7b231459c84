"""Regions are blanked where their polygons are, and the gate for still scenes sees small changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from hiprobe.live.regions import GREY, Regions, mask_of
from hiprobe.video.still import change, is_still

corner = st.tuples(st.floats(0, 1), st.floats(0, 1))


@example([(0.0, 0.0), (0.0, 1.0), (1.0, 2.225073858507e-311)], 8, 8)
@given(st.lists(corner, min_size=3, max_size=3), st.integers(8, 60), st.integers(8, 60))
def test_a_triangle_covers_what_a_drawing_library_fills(
    corners: list[tuple[float, float]], height: int, width: int
) -> None:
    try:
        regions = Regions.parse([corners])
    except ValueError:
        return
    ours = mask_of(regions, height, width)
    big = Image.new("1", (width * 8, height * 8))
    ImageDraw.Draw(big).polygon([(x * width * 8, y * height * 8) for x, y in corners], fill=1)
    theirs = np.asarray(big).reshape(height, 8, width, 8).mean(axis=(1, 3))
    # Pixels that are wholly in or out, by an 8 times finer drawing.
    assert ours[theirs == 1].mean() > 0.9 if (theirs == 1).sum() > 20 else True
    assert ours[theirs == 0].mean() < 0.05 if (theirs == 0).sum() > 20 else True


def test_a_crossing_polygon_and_two_polygons() -> None:
    eight = Regions.parse([[[0, 0], [1, 1], [1, 0], [0, 1]]])  # its middle is a point
    mask = mask_of(eight, 100, 100)
    assert mask.mean() == pytest.approx(0.5, abs=0.02)
    two = Regions.parse(
        [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0.4, 0], [1, 0], [1, 1], [0.4, 1]]]
    )
    assert mask_of(two, 10, 10).all()


def test_pixels_outside_stay_as_they_are_and_the_frames_are_not_changed() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    before = frames.copy()
    regions = Regions.parse([[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]])
    blank = regions.blank(frames)
    np.testing.assert_array_equal(frames, before)
    assert (blank[:, :, :15] == GREY).all()
    np.testing.assert_array_equal(blank[:, :, 15:], frames[:, :, 15:])
    assert Regions().blank(frames) is frames


def test_the_key_of_a_cache_depends_on_the_corners() -> None:
    one, two = Regions.parse([[[0, 0], [1, 0], [0, 1]]]), Regions.parse([[[0, 0], [1, 0], [1, 1]]])
    assert len({one.digest, two.digest, Regions().digest}) == 3
    assert Regions().digest is None
    assert Regions.parse(one.to_json()) == one


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ([[0, 0], [1, 1]], "3 to 1000 corners, got 2"),
        ([[0, 0], [1.2, 0], [0, 1]], r"in the picture, .* got \(1.2, 0\)"),
        ([[0, 0], [1, 0], [0, -0.1]], "in the picture"),
        ([[640, 0], [640, 480], [0, 480]], "in the picture"),
        ([[0, 0], [0.5, 0.5], [1, 1]], "on one line"),
        ([[0.5, 0.5]] * 4, "on one line"),
        ([[0, 0], [1, 0], [0, float("nan")]], "two numbers"),
        ([[0, 0], [1, 0], [0]], "got 1 numbers"),
    ],
)
def test_wrong_regions_are_refused(corners: list[list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Regions.parse([corners])


def scene(noise: float = 2.0, seed: int = 0) -> np.ndarray:
    """Eight frames of a still scene of 224 x 224 pixels with the noise of a sensor."""
    picture = np.random.default_rng(9).integers(30, 220, (224, 224, 3))
    noisy = np.random.default_rng(seed).normal(0, noise, (8, 224, 224, 3))
    return np.clip(picture + noisy, 0, 255).astype(np.uint8)


def test_noise_is_still_and_a_small_object_is_not() -> None:
    before, after = scene(seed=1), scene(seed=2)
    assert is_still(before, after)
    assert change(before, after) < 1.0
    after[5, 100:112, 60:66] = 255  # 0.14 % of one frame
    assert not is_still(before, after)


def test_a_slow_change_is_seen_against_the_last_segment_that_was_read() -> None:
    read = scene(0.0)
    slow = [np.clip(read.astype(int) + step, 0, 255).astype(np.uint8) for step in range(6)]
    assert all(is_still(one, two) for one, two in pairwise(slow))
    assert not is_still(read, slow[5])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_frames_of_any_size_are_compared(height: int, width: int, count: int) -> None:
    one = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    assert change(one, one) == 0.0
    whole = float(np.abs(one.astype(float).mean(axis=3) - 255.0).max())
    assert change(one, np.full_like(one, 255)) <= whole + 1e-3


def test_other_shapes_are_not_still() -> None:
    assert not is_still(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 9, 3), np.uint8))
