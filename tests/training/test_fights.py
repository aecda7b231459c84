"""People in close contact: fights and what looks like them."""

from __future__ import annotations

import numpy as np
import pytest
from training.world.bodies.skeleton import J, joints
from training.world.camera import look_at
from training.world.contact.clash import MANNERS, clash, fists
from training.world.contact.duel import course
from training.world.contact.fights import FIGHTS, pair
from training.world.contact.pairs import PAIRS
from training.world.contact.players import perform
from training.world.contact.staging import start
from training.world.contact.tracks import GRID, STEP, at, steps, wander
from training.world.place import Light, Place

MAKERS = {**FIGHTS, **PAIRS}
TIMES = 0.2 * np.arange(8)


def place() -> Place:
    light = Light(np.array([0.3, 0.2, 0.93]), np.full(3, 0.5), np.full(3, 0.4))
    camera = look_at((0, -5, 3), (0, 0, 1), 70, 1.0)
    return Place("test", camera, light, (-2.0, -2.0, 2.0, 2.0))


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("onset", [-0.9, -3.0, 0.5])
def test_act_shows_people_on_the_ground(name: str, onset: float) -> None:
    t = TIMES - onset
    act = MAKERS[name](np.random.default_rng(5), place(), t)
    capsules = act.shapes.capsules
    shown = capsules[:, capsules[0, :, 2] > -1]
    assert capsules.shape[0] == 8
    assert np.isfinite(capsules).all()
    assert (capsules[..., 3] > 0).all()
    assert shown[..., [2, 6]].max() < 3.0
    assert act.people >= 1
    assert act.where.shape == (8, 3)
    assert 0.3 < act.reach < 4
    assert (act.on == (t >= 0)).all() or name == "snatch"
    assert act.state == {"drag": "grab", "snatch": "grab"}.get(name, "fight") or name in PAIRS


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_act_does_not_depend_on_the_other_frames(name: str) -> None:
    few = MAKERS[name](np.random.default_rng(3), place(), np.array([1.0, 1.7]))
    many = MAKERS[name](np.random.default_rng(3), place(), np.linspace(-1.0, 6.0, 71))
    people = few.shapes.capsules.shape[1] if name != "hurl" else 20
    np.testing.assert_allclose(
        few.shapes.capsules[:, :people], many.shapes.capsules[[20, 27], :people], atol=1e-3
    )


@pytest.mark.parametrize("manner", sorted(MANNERS))
def test_fists_reach_the_other(manner: str) -> None:
    rng = np.random.default_rng(8)
    players, _ = pair(
        rng, start(rng, place()), manner, first=0.8, kicks=0.0, style="fists", down=np.inf
    )
    t = np.linspace(0.3, 12, 235)
    poses = perform(players, t)
    points = [
        joints(pose, one.mover.body.lengths, one.mover.body.scale)
        for pose, one in zip(poses, players, strict=True)
    ]
    hands = points[0][:, [J["l_hand"], J["r_hand"]]]
    body = points[1][:, [J["head"], J["chest"], J["pelvis"], J["l_shoulder"], J["r_shoulder"]]]
    far = np.linalg.norm(hands[:, :, None] - body[:, None], axis=-1).min((1, 2))
    assert np.percentile(far, 10) < 0.25


def test_who_falls_lies() -> None:
    rng = np.random.default_rng(2)
    players, _ = pair(
        rng, start(rng, place()), "beat", first=0.9, kicks=0.2, style="hammer", down=1.0
    )
    pose = perform(players, np.array([0.5, 9.0]))[1]
    assert pose.root[0, 2] > 0.5
    assert pose.root[1, 2] < 0.35


def test_people_stay_apart_and_near_where_they_started() -> None:
    rng = np.random.default_rng(4)
    fight = clash(rng, "mixed")
    begin = start(rng, place())
    both = fists(rng, fight, 0, "wild", 0.2, 1.0), fists(rng, fight, 1, "wild", 0.2, 1.0)
    way = course(rng, fight, both, begin)
    gap = np.linalg.norm(way.first - way.second, axis=1)
    assert gap[GRID > 0.5].min() > 0.1
    assert gap.max() < 3.5
    assert np.abs(way.second).max() <= 2.0 + 0.5


def test_feet_stand_still_or_step() -> None:
    x = 0.8 * np.maximum(GRID, 0)
    feet = steps(x, np.zeros(len(GRID)), np.full(len(GRID), -np.pi / 2), 0.1, 0.0, 0.4)
    moving = np.abs(np.diff(feet[:, :, 0], axis=0)) > 1e-9
    standing = feet[1:, :, 2] == 0
    assert (moving[standing]).mean() < 0.1
    assert np.abs(feet[:, :, 0].mean(1) - x).max() < 0.5
    assert 0.05 < feet[..., 2].max() < 0.25


def test_wander_is_smooth_and_has_the_asked_size() -> None:
    track = np.concatenate([wander(np.random.default_rng(k), 1.0, 0.5) for k in range(20)])
    assert track.std() == pytest.approx(0.5, rel=0.3)
    assert np.abs(np.diff(wander(np.random.default_rng(1), 1.0, 0.5))).max() < 20 * STEP
    assert at(np.asarray(GRID), np.array([1.0]))[0] == pytest.approx(1.0)
