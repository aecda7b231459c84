"""Test the camera, the painters and the labelled clips of the world against geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training.segments import TIMES
from training.world.acts import Act
from training.world.camera import look_at
from training.world.clips import (
    FRAMES,
    SIDE,
    boxes,
    compose,
    contrast,
    in_view,
    moved,
    render_clip,
)
from training.world.drawing.background import FAR, FIRST, GROUND, background
from training.world.drawing.raster import draw
from training.world.drawing.tracing import SCALE, traced
from training.world.filming.overlays import Overlay
from training.world.filming.recording import play
from training.world.happenings import ANOMALIES, LOOK_ALIKES, by_name
from training.world.place import Light, Place
from training.world.places.places import random_place
from training.world.shapes import Shapes
from training.world.videos import Span, frames, local_times, plan

from training import text

UP = Light(np.array([0.0, 0.0, 1.0]), np.full(3, 0.5), np.full(3, 0.5), shadow=0.0)


def place(**given) -> Place:
    """A bare place seen from 3 m height, 4 m away."""
    camera = look_at((0.0, -4.0, 3.0), (0.0, 0.0, 1.0), 70, 4 / 3, bend=given.pop("bend", 0.0))
    return Place("bare", camera, UP, (-3, -2, 3, 4), **given)


def ball(x: float, y: float, z: float, radius: float, count: int = 1) -> Shapes:
    """One ball as a capsule of no length."""
    row = [x, y, z, radius, x, y, z, radius, 1.0, 0.0, 0.0]
    return Shapes.of(count, capsules=np.tile(np.array(row), (count, 1, 1)))


@pytest.mark.parametrize("bend", [0.0, -0.12, 0.05])
def test_a_ray_through_a_pixel_meets_the_points_that_are_projected_there(bend: float) -> None:
    camera = look_at((1.0, -3.0, 2.5), (0.2, 1.0, 0.5), 80, 16 / 9, bend=bend, roll=0.1)
    rays = camera.rays(40, 60)
    for depth in (0.7, 5.0):
        where, found = camera.project(camera.eye + depth * rays)
        np.testing.assert_allclose(found, depth, rtol=1e-9)
        rows, columns = np.mgrid[0:40, 0:60]
        want = np.stack([(columns + 0.5) / 60, (rows + 0.5) / 40], -1)
        np.testing.assert_allclose(where, want, atol=2e-3)


def test_the_camera_looks_at_its_target_and_up_is_up() -> None:
    camera = look_at((0.0, -5.0, 4.0), (1.0, 2.0, 0.0), 60, 1.5)
    where, depth = camera.project(np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 0.5], [2.0, 2.0, 0.0]]))
    np.testing.assert_allclose(where[0], 0.5, atol=1e-12)
    assert depth[0] == pytest.approx(np.sqrt(1 + 49 + 16))
    assert where[1, 1] < 0.5
    assert where[2, 0] > 0.5


def test_the_ground_and_a_box_have_the_depth_of_their_surface() -> None:
    bare = place(boxes=np.array([[0, 1, 0.5, 0.5, 0.5, 0.5, 0, -1, 1, 0, 0, 1]], np.float32))
    colour, depth, shown = background(bare, 96, 96)
    points = bare.camera.eye + depth[..., None] * bare.camera.rays(96, 96)
    np.testing.assert_allclose(points[shown == GROUND][:, 2], 0.0, atol=1e-4)
    on_box = points[shown == FIRST]
    assert len(on_box) > 100
    distance = np.abs(on_box - [0, 1, 0.5]).max(1)
    np.testing.assert_allclose(distance, 0.5, atol=1e-3)
    assert (depth[shown < 0] == FAR).all()
    assert (colour[shown == FIRST][:, 1] < 1e-6).all()


@pytest.mark.parametrize("bend", [0.0, -0.1])
def test_a_ball_covers_the_pixels_whose_rays_pass_it(bend: float) -> None:
    bare = place(bend=bend)
    pixels, depths, _ = draw(bare, ball(0.6, 0.5, 0.8, 0.4), background(bare, 128, 128))
    rays = bare.camera.rays(128, 128)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    offset = np.array([0.6, 0.5, 0.8]) - bare.camera.eye
    along = rays @ offset
    passes = np.sqrt(np.maximum(offset @ offset - along**2, 0))
    red = (pixels[0, ..., 0] > 0) & (pixels[0, ..., 1] < 1e-6)
    assert red[passes < 0.34].all()
    assert not red[passes > 0.47].any()
    assert depths[0][red].max() < np.linalg.norm(offset)


def test_what_is_nearer_hides_what_is_farther_whatever_the_order() -> None:
    bare = place()
    empty = background(bare, 96, 96)
    near, far = ball(0, -1, 1.5, 0.3), ball(0, 1.5, 0.6, 0.5)
    blue = far.capsules.copy()
    blue[..., 8:11] = (0, 0, 1)
    far = Shapes.of(1, capsules=blue)
    one, _, _ = draw(bare, Shapes.join([near, far]), empty)
    other, _, _ = draw(bare, Shapes.join([far, near]), empty)
    np.testing.assert_array_equal(one, other)
    where, _ = bare.camera.project(np.array([0, -1, 1.5]))
    column, row = (where * 96).astype(int)
    assert one[0, row, column, 0] > 0
    assert one[0, row, column, 2] == 0


def test_a_quad_covers_its_projected_corners_and_a_box_hides_it() -> None:
    corners = np.array([[-0.5, 1, 0.2], [0.5, 1, 0.2], [0.5, 1, 1.2], [-0.5, 1, 1.2]])
    quad = Shapes.of(1, quads=np.concatenate([corners.ravel(), [0, 1, 0]])[None, None])
    bare = place()
    pixels, _, _ = draw(bare, quad, background(bare, 128, 128))
    rows, columns = np.nonzero((pixels[0, ..., 1] > 0) & (pixels[0, ..., 0] < 1e-6))
    where, _ = bare.camera.project(corners)
    low, high = where.min(0) * 128, where.max(0) * 128
    assert columns.min() == pytest.approx(low[0], abs=1.5)
    assert columns.max() + 1 == pytest.approx(high[0], abs=1.5)
    assert rows.min() == pytest.approx(low[1], abs=1.5)
    assert rows.max() + 1 == pytest.approx(high[1], abs=1.5)
    hidden = place(boxes=np.array([[0, 0, 1, 2, 0.1, 1.5, 0, -1, 1, 0, 0, 1]], np.float32))
    pixels, _, _ = draw(hidden, quad, background(hidden, 128, 128))
    assert not ((pixels[0, ..., 1] > 0) & (pixels[0, ..., 0] < 1e-6)).any()


def test_a_puff_is_blended_by_its_opacity_and_shadows_darken_the_ground_only() -> None:
    bare = place()
    empty = background(bare, 96, 96)
    puff = Shapes.of(1, puffs=np.array([[[0, 0, 1, 0.4, 1, 1, 1, 0.5, 1]]]))
    pixels, _, _ = draw(bare, puff, empty)
    where, _ = bare.camera.project(np.array([0, 0, 1]))
    column, row = (where * 96).astype(int)
    want = 0.5 * empty[0][row, column] + 0.5
    np.testing.assert_allclose(pixels[0, row, column], want, atol=0.02)
    dark = replace(bare, light=replace(UP, shadow=0.6))
    shaded, _, _ = draw(dark, ball(0, 0.5, 1.2, 0.3), empty)
    plain, _, _ = draw(bare, ball(0, 0.5, 1.2, 0.3), empty)
    assert (shaded <= plain + 1e-6).all()
    foot, _ = bare.camera.project(np.array([0, 0.5, 0.0]))
    column, row = (foot * 96).astype(int)
    assert shaded[0, row, column, 0] == pytest.approx(0.4 * plain[0, row, column, 0], rel=0.1)


def test_the_motion_of_a_pixel_is_that_of_what_it_shows() -> None:
    bare, times = place(), np.array([0.0, 0.1, 0.2])
    rows = [[x, 1, 1, 0.3, x, 1, 1, 0.3, 1, 0, 0] for x in (-0.1, 0.0, 0.1)]
    shapes = Shapes.of(3, capsules=np.array(rows)[:, None])
    found = draw(bare, shapes, background(bare, 96, 96), times)
    where, _ = bare.camera.project(np.array([[-0.1, 1, 1], [0.1, 1, 1]]))
    on = found.motion[1, ..., 0] == 1
    np.testing.assert_array_equal(on, found.frames[1, ..., 1] < 1e-6)
    np.testing.assert_allclose(
        found.motion[1][on][:, 1:], (where[1] - where[0]) / 0.2 + 0 * on[on][:, None], atol=1e-3
    )
    cells = traced(found.motion)
    assert cells.shape == (3, 24, 24, 3)
    assert cells[1, ..., 0].sum() / 127 * 16 == pytest.approx(on.sum(), rel=0.01)
    assert cells[1, ..., 1].max() / SCALE == pytest.approx((where[1] - where[0])[0] / 0.2, abs=0.02)


def test_an_act_behind_a_wall_or_outside_the_picture_is_not_in_view() -> None:
    act = Act(ball(0, 1, 1, 0.4, FRAMES), "walk", np.array([0.0, 1.0, 1.0]), reach=0.8)
    assert in_view(place(), act)
    wall = np.array([[0, 0, 1, 2, 0.1, 1.5, 0, -1, 1, 1, 1, 1]], np.float32)
    assert not in_view(place(boxes=wall), act)
    assert not in_view(place(), replace(act, where=np.array([9.0, 1.0, 1.0])))


def test_the_box_of_an_act_holds_its_projected_ball() -> None:
    bare = place()
    act = Act(ball(0.5, 1, 1, 0.4), "walk", np.array([0.5, 1.0, 1.0]), reach=0.4)
    pixels, _, _ = draw(bare, act.shapes, background(bare, 192, 192))
    rows, columns = np.nonzero((pixels[0, ..., 0] > 0) & (pixels[0, ..., 1] < 1e-6))
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 192
    np.testing.assert_allclose(boxes(bare, act)[0], found, atol=0.02)


def test_a_letterbox_moves_the_labels_with_the_picture() -> None:
    style = Overlay(window=(0.0, 0.1, 1.0, 0.9))
    box = np.array([[0.2, 0.5, 0.4, 1.0]], np.float32)
    np.testing.assert_allclose(moved(style, box)[0], [0.2, 0.5, 0.4, 0.9], atol=1e-6)
    np.testing.assert_allclose(moved(replace(style, cut=True), box), box)


@pytest.mark.parametrize("seed", range(3))
def test_equal_seeds_give_equal_clips_that_decode_and_have_words(seed: int) -> None:
    one = render_clip(np.random.default_rng(seed))
    assert render_clip(np.random.default_rng(seed)).data == one.data
    assert play(one.data).shape == (FRAMES, SIDE, SIDE, 3)
    text.check_states(act.state for act in one.acts)
    for act in one.acts:
        assert act.box.shape == (FRAMES, 4)
        assert act.on.shape == (FRAMES,)


@pytest.mark.parametrize("content", ["anomaly", "before", "look_alike", "ordinary"])
def test_a_clip_shows_an_anomaly_only_if_it_was_asked_for(content: str) -> None:
    for seed in range(6):
        scene = compose(np.random.default_rng([7, seed]), TIMES, content)
        going = [
            act.on.any()
            for act, kind in zip(scene.acts, scene.kinds, strict=True)
            if kind == "anomaly"
        ]
        assert not any(going) or content == "anomaly"


def test_every_happening_has_one_name() -> None:
    names = [name for group, _ in (*ANOMALIES, *LOOK_ALIKES) for name in group]
    assert len(names) == len(set(names)) == len(by_name())


def test_contrast_is_the_spread_within_the_box_or_over_time() -> None:
    pixels = np.full((FRAMES, 40, 40, 3), 90, np.uint8)
    box = np.tile(np.array([0.25, 0.25, 0.5, 0.5], np.float32), (FRAMES, 1))
    assert contrast(pixels, box) == 0
    pixels[:, 12:16, 12:16] = 150
    assert contrast(pixels, box) > 9
    assert contrast(pixels, box + 0.5) == 0
    assert contrast(pixels, box + 2) == 0


def test_an_event_of_a_video_ends_and_what_it_did_is_undone() -> None:
    t = np.array([0.0, 4.0, 5.0, 9.0, 9.4, 9.8, 11.0, 30.0])
    local = local_times(t, 4.0, 9.0)
    np.testing.assert_allclose(local[:4], [-4, 0, 1, 5])
    assert 0 < local[4] < 5
    assert (local[5:] <= 0).all()
    assert (local[5:] >= -3).all()


def test_a_video_shows_its_events_from_one_camera() -> None:
    rng = np.random.default_rng(5)
    scene = plan(rng, [Span("blows", 1.0, 3.0)], 4.0, 5, busy=0.5)
    pictures = np.concatenate(list(frames(rng, scene, 96, 5)))
    assert pictures.shape == (20, 96, 96, 3)
    on = scene.acts[0].on
    t = (np.arange(20) + 0.5) / 5
    np.testing.assert_array_equal(on[t < 1], False)
    assert on[(t > 1) & (t < 3)].all()


def test_places_with_lanes_have_some() -> None:
    assert all(random_place(np.random.default_rng(seed), lanes=True).lanes for seed in range(5))
