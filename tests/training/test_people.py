"""Test that what people do in the rendered world fits its label, its place and its time."""

from __future__ import annotations

import numpy as np
import pytest
from training.world.bodies import motion
from training.world.bodies.rig import rig, tip
from training.world.bodies.skeleton import LENGTHS, J, joints
from training.world.camera import look_at
from training.world.daily import actors, alone, crowds, damage, falls, people, space
from training.world.daily.paths import Leg, Path
from training.world.place import Light, Place

T = (np.arange(8) + 0.5) * 0.2
ORDINARY = {name: make for name, (make, _) in people.ORDINARY.items()}
LIKE = {**alone.ALONE, **crowds.CROWD_LIKE}
ANOMALIES = {**falls.FALLS, **crowds.CROWDS, **damage.DAMAGE}
EVERY = {**ORDINARY, **LIKE, **ANOMALIES}


def place(*, indoor: bool = True, boxes: bool = True) -> Place:
    camera = look_at([0.0, -6.0, 3.5], [0.0, 0.5, 0.8], 75, 1.0)
    light = Light(np.array([0.3, 0.2, 0.93]), np.full(3, 0.5), np.full(3, 0.5))
    rows = [
        [0.0, 4.5, 1.5, 6.0, 0.1, 1.5, 0.0, 0, 0.7, 0.7, 0.7, 2.0],
        [-2.0, 2.5, 0.5, 1.0, 0.3, 0.5, 0.3, 0, 0.5, 0.4, 0.3, 1.0],
    ]
    solid = np.array(rows if boxes else np.zeros((0, 12)), np.float32).reshape(-1, 12)
    seats = [(1.5, 1.5, 0.45, -1.5), (0.5, 2.5, 0.45, -1.0)]
    area = (-3.5, -3.0, 3.5, 4.0)
    return Place("test", camera, light, area, solid, seats=seats, indoor=indoor)


def make(name: str, seed: int, t: np.ndarray, where: Place | None = None):
    return EVERY[name](np.random.default_rng(seed), where or place(), t)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_act_depends_on_its_draws_and_not_on_which_frames_are_asked_for(name: str) -> None:
    times = np.arange(-6, 14, 0.25)
    some = [0, 20, 24, 25, 26, 40, 70]
    for seed in range(2):
        long, short = make(name, seed, times), make(name, seed, times[some])
        assert np.isfinite(long.shapes.capsules).all()
        assert np.isfinite(long.shapes.quads).all()
        np.testing.assert_allclose(long.shapes.capsules[some], short.shapes.capsules, atol=2e-3)
        np.testing.assert_allclose(long.shapes.quads[some], short.shapes.quads, atol=2e-3)
        np.testing.assert_allclose(long.where[some], short.where, atol=2e-3)
        assert (long.on[some] == short.on).all()


@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_act_is_in_view_and_nothing_of_a_body_is_below_the_ground(name: str) -> None:
    shares = []
    for seed in range(6):
        where = place(indoor=seed % 2 == 0)
        act = make(name, seed, T, where)
        points, depth = where.camera.project(act.where)
        shares.append(((points > 0) & (points < 1)).all(1).mean() * (depth > 0).mean())
        body = act.shapes.capsules[:, :20]
        low = np.minimum(body[..., 2] - body[..., 3], body[..., 6] - body[..., 7])
        assert low.min() > -0.2
        assert act.shapes.capsules.shape[1] <= 14 * 28
        assert act.where.shape == (8, 3)
        assert act.on.shape == (8,)
    assert np.mean(shares) > 0.6


@pytest.mark.parametrize("name", sorted(ANOMALIES))
def test_an_anomaly_goes_on_from_its_onset(name: str) -> None:
    t = np.array([-2.0, -1.0, -0.1, 0.0, 0.1, 3.0])
    assert make(name, 1, t).on.tolist() == [False, False, False, True, True, True]


@pytest.mark.parametrize("name", ["fall", "slip", "lying", "collapse", "crawl"])
def test_who_falls_is_upright_before_and_low_afterwards(name: str) -> None:
    t = np.array([-2.0, -0.6, 4.0])
    for seed in range(8):
        act = make(name, seed, t)
        head = act.shapes.capsules[:, :18, 2].max(1)
        assert act.where[0, 2] > 0.55
        assert head[0] > 0.75
        assert act.where[2, 2] < 0.75 * act.where[0, 2]


def test_people_in_panic_stand_or_walk_before_and_run_afterwards() -> None:
    t = np.arange(-2, 4, 0.05)
    for seed in range(4):
        act = make("panic", seed, t, place(indoor=False, boxes=False))
        assert 2 <= act.people <= 13
        step = np.diff(act.shapes.capsules[:, :1, :2], axis=0)
        speed = np.minimum(np.hypot(step[..., 0], step[..., 1])[:, 0] / 0.05, 9)
        assert np.median(speed[t[:-1] < -0.3]) < 2.2
        assert np.median(speed[(t[:-1] > 1) & (t[:-1] < 3)]) > np.median(speed[t[:-1] < -0.3])


def test_who_climbs_gets_over_the_barrier() -> None:
    t = np.arange(-1, 8, 0.1)
    for seed in range(4):
        act = make("climb", seed, t)
        assert act.state == "climb"
        assert act.where[:, 2].max() > act.where[0, 2] + 0.25
        moved = np.hypot(*(act.where[:, :2] - act.where[0, :2]).T)
        assert moved.max() > 0.6


@pytest.mark.parametrize("speed", [0.9, 1.3, 1.7])
@pytest.mark.parametrize("name", sorted(set(actors.WALKS)))
def test_feet_on_the_ground_stay_where_they_are(name: str, speed: float) -> None:
    t, far = np.arange(0, 6, 0.02), 10 * speed
    legs = [Leg(10, (far, 0.0)), Leg(10, (0.0, 0.0))]
    gait = actors.random_gait(np.random.default_rng(0))
    gait = actors.Gait(motion.library()[name], gait.run, gait.stand, 0.0, gait.swap)
    pose = actors.go(gait, Path((0.0, 0.0), 0.0, after=legs).at(t), t)
    feet = joints(pose, LENGTHS)[:, [J["l_toe"], J["r_toe"]]]
    slide = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1) / 0.02
    down = feet[1:, :, 2] < feet[..., 2].min() + 0.03
    assert np.median(slide[down]) < 0.45 * speed


def test_a_path_goes_on_for_ever_and_turns_softly() -> None:
    corner = Path((0.0, 0.0), 0.0, after=[Leg(2, (2, 0)), Leg(1, (2, 0)), Leg(2, (0, 0))])
    steps = corner.at(np.array([1.0, 2.5, 4.0, 6.0, 101.0]))
    np.testing.assert_allclose(steps.x, [1, 2, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(steps.speed, [1, 0, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(np.cos(steps.heading), [1, 1, -1, 1, 1], atol=1e-6)
    dense = corner.at(np.arange(0, 10, 0.02))
    assert np.abs(np.diff(dense.heading)).max() < 0.5


def test_spots_are_free_in_view_and_not_hidden() -> None:
    where = place()
    points = space.spots(np.random.default_rng(0), where, 20)
    assert space.seen(where, points).all()
    assert space.visible(where, points).all()
    assert not any(where.blocked(x, y, 0.35) for x, y in points)
    assert [where.seen(x, y, 0.05) for x, y in points] == [True] * 20


def test_a_point_behind_a_box_is_hidden_and_one_before_it_is_not() -> None:
    where = place()
    points = np.array([[-2.0, 3.2], [-2.0, 1.5], [0.0, 6.0]])
    assert space.visible(where, points, 0.2).tolist() == [False, True, False]


def test_a_point_beside_a_wall_looks_at_the_wall() -> None:
    x, y, heading, found = space.beside(np.random.default_rng(0), place(), 2.0)
    assert found
    assert y < 4.4
    assert np.sin(heading) == pytest.approx(1.0, abs=1e-5)
    assert abs(x) < 6


def test_a_rig_puts_hands_and_feet_where_it_is_told() -> None:
    hands = ((-0.2, 0.4, 1.0), (0.3, 0.3, 1.3))
    points = joints(rig(2, hands=hands, lean=0.2))
    np.testing.assert_allclose(points[0, J["l_hand"]], hands[0], atol=0.01)
    np.testing.assert_allclose(points[0, J["r_hand"]], hands[1], atol=0.01)
    assert points[0, J["l_ankle"], 0] == pytest.approx(-0.1, abs=0.02)


def test_a_body_that_tips_over_lies_in_the_given_direction() -> None:
    flat = joints(tip(rig(1), np.pi / 2, 0.3))
    head = flat[0, J["head"]]
    assert head[2] < 0.2
    assert np.arctan2(head[1], head[0]) == pytest.approx(0.3, abs=0.15)
