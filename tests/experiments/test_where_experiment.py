"""The measure of where in the picture an event is: positions, windows, points and intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.drawn import clips

from experiments import occlusion, where


def test_a_clip_says_where_its_event_is() -> None:
    for seed in range(4):
        found = clips.make_clip(np.random.default_rng(seed), "unseen", "fire", -2.0, strength=0.0)
        calm = clips.make_clip(np.random.default_rng(seed), "unseen", "fire", 9.0, strength=0.0)
        assert calm.position is None
        assert found.position is not None
        warm = found.frames[..., 0].astype(float) - found.frames[..., 2]
        cold = calm.frames[..., 0].astype(float) - calm.frames[..., 2]
        flames = np.clip((warm - cold).mean(0) - 40, 0, None)
        across, down = np.average(np.indices(flames.shape)[::-1].reshape(2, -1), 1, flames.ravel())
        assert found.position == pytest.approx((across / 96, down / 96), abs=0.12)
    assert clips.make_clip(np.random.default_rng(1), "unseen", "panic").position is None


def test_windows_cover_the_frame_and_hide_their_own_pixels() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 20, 3)).astype(np.uint8)
    grid = occlusion.Windows(4)
    assert grid.centres[0].tolist() == [0.125, 0.125]
    assert grid.centres[7].tolist() == [0.875, 0.375]
    changed = [(one != frames).any((0, 3)) for one in occlusion.hidden(frames, grid, _black)]
    assert np.sum(changed, 0).tolist() == [[1] * 20] * 12
    assert [one.sum() for one in changed] == [15] * 16
    assert len(occlusion.hidden(frames, occlusion.Windows(4, 2), _black)) == 9


def _black(frames: occlusion.Frames, region: object) -> occlusion.Array:
    return np.zeros(3)


def test_motion_is_strongest_where_something_moves() -> None:
    frames = np.full((4, 16, 16, 3), 100, np.uint8)
    frames[2, 5, 14] = 255
    grid = occlusion.Windows(4)
    for how in (occlusion.motion, occlusion.foreground):
        assert int(how(frames, grid).argmax()) == 7


def test_a_point_is_compared_with_the_cell_around_it() -> None:
    truth = np.array([[0.5, 0.5], [0.2, 0.9], [0.7, 0.1]])
    points = np.array([[0.6, 0.45], [0.2, 0.7], [0.7, 0.6]])
    scene = where.Scene([np.zeros((1, 4, 4, 3), np.uint8)] * 3, truth, Path())
    inside, near, distance = scene.figures(points)
    assert inside.tolist() == [1, 0, 0]
    assert near.tolist() == [1, 1, 0]
    assert distance == pytest.approx([np.hypot(0.1, 0.05), 0.2, 0.5])


def test_only_the_counted_clips_make_the_mean() -> None:
    figures = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    counted = np.array([[True, True, False], [True, False, False]])
    assert where.spread(figures, counted).mean == pytest.approx(0.75)


def test_a_control_that_is_as_good_is_not_beaten() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.random((2, 40)) < 0.9, rng.random((2, 40)) < 0.2
    rows = {
        where.PLAIN: np.stack([good[0]] * 2 + [1.0 - good[0]]),
        "bad": np.stack([bad[0]] * 2 + [1.0 - bad[0]]),
        where.MAIN: np.stack([np.stack([good[0]] * 2 + [1.0 - good[0]])] * 2),
    }
    made = where.table("t", rows, np.ones((2, 40), bool), "", where.PLAIN)
    assert [claim.answer for claim in made.claims] == ["undecided"] * 3 + ["yes"] * 3
