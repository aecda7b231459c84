"""Test vehicles, fire, smoke and their acts: geometry, time and what happens before the onset."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from training.world.acts import Act
from training.world.bodies.skeleton import joints
from training.world.camera import look_at
from training.world.fire import burning, effects
from training.world.place import Light, Place
from training.world.traffic import road, traffic
from training.world.traffic.collisions import Push, Wreck
from training.world.traffic.driven import Dent, car, rider
from training.world.traffic.vehicles import FORMS, open_doors, random_car

ORDINARY = {name: maker for name, (maker, _) in traffic.TRAFFIC.items()}
ANOMALIES = {**traffic.CRASHES, **burning.BURNING}
LIKE = {**traffic.TRAFFIC_LIKE, **burning.BURNING_LIKE}
EVERY = {**ORDINARY, **LIKE, **ANOMALIES}
STATES = {
    "drive", "pass_by", "queue", "give_way", "headlights", "crash", "hit", "fire", "smoke",
    "explosion", "steam", "lamp", "cloth", "screen", "blue_light", "reflections", "plant", "leaves",
}  # fmt: skip


def street(night: bool = False) -> Place:
    bright = 0.08 if night else 0.45
    light = Light(np.array([0.3, 0.2, 0.93]), np.full(3, bright), np.full(3, bright))
    box = [[5.0, 13, 0.5, 1, 0.4, 0.5, 0.3, -1, 0.5, 0.4, 0.3, 1]]
    lanes = [((-40.0, 8.0), (40.0, 8.0)), ((40.0, 11.5), (-40.0, 11.5))]
    return Place(
        "street", look_at([0, 0, 4], [0, 9, 0.5], 70, 1.3), light, (-6, 5, 6, 14),
        np.array(box, np.float32), lanes=lanes, indoor=False,
    )  # fmt: skip


def perform(name: str, t: np.ndarray, seed: int = 3, night: bool = False) -> Act:
    return EVERY[name](np.random.default_rng(seed), copy.deepcopy(street(night)), t)


@pytest.mark.parametrize("name", sorted(EVERY))
@pytest.mark.parametrize("seed", [1, 2])
def test_an_act_depends_on_its_draws_and_on_each_time_alone(name: str, seed: int) -> None:
    t = np.linspace(-1.0, 6.0, 15)
    whole, part = perform(name, t, seed), perform(name, t[[9, 4]], seed)
    for one, two in (
        (whole.shapes.capsules, part.shapes.capsules),
        (whole.shapes.quads, part.shapes.quads),
        (whole.shapes.puffs, part.shapes.puffs),
        (whole.where, part.where),
    ):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one[[9, 4]], two, atol=1e-4)
    assert whole.state in STATES
    assert whole.reach > 0


@pytest.mark.parametrize("name", sorted(ANOMALIES))
def test_an_anomaly_goes_on_from_its_onset(name: str) -> None:
    t = np.array([-2.0, -0.1, 0.0, 0.5, 30.0])
    act = perform(name, t)
    np.testing.assert_array_equal(act.on, t >= 0)
    if name in burning.BURNING:
        alpha = act.shapes.puffs[..., 7]
        assert alpha[:2].max() == 0
        assert alpha[3].max() > 0.2
        assert act.flash is None or act.flash[:2].max() <= 0


def test_every_act_on_a_road_needs_lanes() -> None:
    assert {*traffic.TRAFFIC, *traffic.TRAFFIC_LIKE, *traffic.CRASHES} == traffic.NEEDS_LANES
    assert not traffic.NEEDS_LANES & {*burning.BURNING, *burning.BURNING_LIKE}


@pytest.mark.parametrize("kind", [*sorted(FORMS), "lorry", "motorbike", "bicycle"])
def test_a_vehicle_stands_on_the_ground_and_looks_along_its_heading(kind: str) -> None:
    look = random_car(np.random.default_rng(0), (kind,))
    shapes = car(look, np.array([2.0]), np.array([3.0]), np.pi / 2)
    corners = shapes.quads[0, :, :12].reshape(-1, 3)
    ends = shapes.capsules[0][:, [0, 1, 2, 4, 5, 6]].reshape(-1, 3)
    points = np.concatenate([corners, ends])
    assert points[:, 2].min() > -0.02
    middle = (points.min(0) + points.max(0))[:2] / 2
    np.testing.assert_allclose(middle, [2, 3], atol=0.25)
    long, wide = np.ptp(points[:, 1]), np.ptp(points[:, 0])
    assert long == pytest.approx(look.size[0], abs=0.4)
    assert wide < look.size[1] + 0.35
    if len(look.head):
        assert look.head[:, 0].min() > look.tail[:, 0].max()


def test_a_dent_pushes_in_one_end() -> None:
    look = random_car(np.random.default_rng(0), ("saloon",))
    zero = np.zeros(2)
    dent = Dent(0.0, np.array([0.0, 0.6]))
    x = car(look, zero, zero, 0.0, dents=[dent]).quads[:, :, 0:12:3]
    assert x[0].max() - x[1].max() > 0.25
    assert x[1].min() == pytest.approx(x[0].min(), abs=1e-6)


def test_open_doors_lengthen_a_van_at_its_rear() -> None:
    look = random_car(np.random.default_rng(0), ("van",))
    assert open_doors(look).quads[..., 0].min() < look.quads[..., 0].min() - 0.5
    assert len(open_doors(look).colours) == len(open_doors(look).quads)


def test_a_rider_holds_the_grips_and_reaches_the_pedals() -> None:
    look = random_car(np.random.default_rng(0), ("bicycle",))
    assert look.grip is not None
    pose = rider(look, np.zeros(8), np.zeros(8), 0.0, np.linspace(0, 6, 8))
    points = joints(pose)
    np.testing.assert_allclose(points[:, 6], np.tile(look.grip, (8, 1)), atol=0.12)
    feet = points[:, [12, 16], 2]
    assert feet.min() > 0.1
    assert np.ptp(feet) > 0.2
    np.testing.assert_allclose(np.linalg.norm(pose.bones, axis=-1), 1, atol=1e-6)


def test_lamps_shine_at_a_camera_in_front_only() -> None:
    look, zero = random_car(np.random.default_rng(0), ("saloon",)), np.zeros(1)
    for eye, brighter in ((np.array([20.0, 0, 3]), "head"), (np.array([-20.0, 0, 3]), "tail")):
        puffs = car(look, zero, zero, 0.0, lit=1.0, eye=eye).puffs[0]
        front = puffs[puffs[:, 0] > 0, 7].sum() > puffs[puffs[:, 0] < 0, 7].sum()
        assert front == (brighter == "head")


def test_who_stops_at_a_line_stands_there_and_goes_on() -> None:
    t = np.linspace(-5, 20, 2501)
    off, braking = road.stop_and_go(t, 8.0, 2.0, 6.0)
    np.testing.assert_allclose(off[(t > 2) & (t < 6)], 0, atol=1e-9)
    speed = np.diff(off) / np.diff(t)
    assert speed.min() > -1e-6
    assert np.abs(np.diff(speed)).max() < 0.05
    np.testing.assert_allclose(speed[[0, -1]], 8.0, atol=1e-6)
    assert braking[t < -1].max() == 0


def test_a_slide_is_braked_to_rest() -> None:
    far = road.slide(np.array([-1.0, 0.0, 1.0, 2.0, 50.0]), 10.0, 5.0)
    np.testing.assert_allclose(far, [0, 0, 7.5, 10, 10])
    np.testing.assert_allclose(road.slide(np.array([9.0]), -10.0, 5.0), [-10])


def test_a_wreck_drives_straight_until_it_is_pushed_and_comes_to_rest() -> None:
    look = random_car(np.random.default_rng(0), ("saloon",))
    one = Wreck(look, 1.0, 2.0, 0.0, 8.0, [Push(0, 4.0, np.pi / 2, 1.0)])
    x, y, turn = one.moves(np.array([-1.0, 0.0, 10.0, 11.0]))
    np.testing.assert_allclose(x, [-7, 1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(y[:2], 2)
    assert y[2] == y[3] > 2.5
    np.testing.assert_allclose(turn, [0, 0, 1, 1])


@pytest.mark.parametrize("seed", range(6))
def test_cars_that_crash_touch_at_the_impact_and_then_rest(seed: int) -> None:
    act = perform("crash", np.array([-0.4, 0.0, 8.0, 9.0]), seed)
    np.testing.assert_allclose(act.where[2], act.where[3], atol=0.05)
    assert np.abs(act.where[0] - act.where[1]).max() > 0.5
    assert np.abs(act.where[1, :2] - act.where[2, :2]).max() < 12


@pytest.mark.parametrize("seed", range(6))
def test_who_is_hit_stands_before_and_lies_afterwards(seed: int) -> None:
    act = perform("hit", np.array([-0.5, 0.4, 3.0, 20.0]), seed)
    assert act.where[0, 2] > 0.6
    assert act.where[2, 2] < 0.35
    np.testing.assert_allclose(act.where[2], act.where[3], atol=0.1)
    people = act.shapes.capsules[2:, -30:, [2, 6]]
    assert people.min() > -0.02


def test_smoke_begins_at_its_start_rises_and_stays_below_the_ceiling() -> None:
    t = np.array([-1.0, 0.5, 8.0])
    kind = effects.Smoke(rise=2.0)
    puffs = effects.smoke(np.random.default_rng(0), t, (0, 0, 0), kind, start=0.0, ceiling=3.0)
    assert puffs[0, :, 7].max() == 0
    shown = puffs[..., 7] > 0
    assert shown[1].sum() < shown[2].sum()
    assert puffs[2, shown[2], 2].max() < 3.0
    assert puffs[2, shown[2], 2].max() > puffs[1, shown[1], 2].max()


def test_flames_are_hot_below_and_red_above_and_grow() -> None:
    t = np.array([0.0, 3.0])
    puffs = effects.flames(
        np.random.default_rng(0), t, (0, 0, 0), 1.0, 1.5, power=np.array([0.2, 1.0])
    )[:, :-3]
    assert puffs[1, :, 2].max() > 1.5 * puffs[0, :, 2].max()
    low, high = (puffs[1, rows, 5].mean() for rows in (puffs[1, :, 2] < 0.5, puffs[1, :, 2] > 1))
    assert low > high + 0.15
    assert (puffs[..., 8] == 1).all()


def test_debris_flies_and_ends_on_the_ground() -> None:
    t = np.array([-0.1, 0.2, 20.0, 21.0])
    quads = effects.debris(np.random.default_rng(0), t, (0, 0, 1), 20, 5.0, 0.1, (0.1, 0.1, 0.1))
    corners = quads[..., :12].reshape(4, 20, 4, 3)
    assert np.ptp(corners[0], axis=1).max() == 0
    assert corners[1, ..., 2].max() > 1
    assert corners[2, ..., 2].max() < 0.2
    np.testing.assert_allclose(corners[2], corners[3], atol=1e-6)


def test_an_explosion_flashes_once() -> None:
    t = np.linspace(-1, 3, 81)
    flash = effects.flash(t, 0.9)
    assert t[np.argmax(flash)] == pytest.approx(0, abs=0.05)
    assert flash[t < 0].max() == 0
    assert flash[t > 1].max() < 0.01


def test_puffs_at_the_camera_fade() -> None:
    puffs = np.zeros((1, 2, 9))
    puffs[0, :, 0], puffs[..., 3], puffs[..., 7] = (0.5, 9.0), 1.0, 0.8
    np.testing.assert_allclose(effects.before(puffs, np.zeros(3))[0, :, 7], [0, 0.8])


def test_a_track_knows_what_is_in_the_picture() -> None:
    place = street()
    for way in road.tracks(place):
        x, y = way.at(np.array([way.near, way.far]))
        where, depth = place.camera.project(np.stack([x, y, [0.7, 0.7]], -1))
        assert (depth > 0).all()
        assert ((where > 0) & (where < 1)).all()
    back = road.tracks(place)[0].back()
    np.testing.assert_allclose(back.at(back.near), road.tracks(place)[0].at(back.far), atol=1e-9)


def test_lamps_of_cars_are_lit_at_night() -> None:
    t = np.linspace(0, 1.4, 8)
    assert perform("headlights", t, night=True).shapes.puffs[..., 7].max() > 0.3


@pytest.mark.parametrize("y", [7.0, 8.0, 9.5])
def test_vehicles_do_not_drive_through_the_camera(y: float) -> None:
    place = street()
    place.camera = look_at([-20, y, 2.5], [0, y, 0.5], 70, 1.3)
    for way in road.tracks(place):
        x, y_ = way.at(np.linspace(0, 80, 801))
        assert np.hypot(x + 20, y_ - y).min() > 1.9
