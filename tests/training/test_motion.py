"""Recorded motion, postures and bodies of the world's people."""

import numpy as np
import pytest
from training.world.bodies import body, motion
from training.world.bodies.skeleton import JOINTS, LENGTHS, J, Pose, joints, move, turn

ONCE = [name for name, one in motion.library().items() if not one.loop]
LOOPS = [name for name, one in motion.library().items() if one.loop]
T = np.arange(8) * 0.2


def height(pose: Pose) -> np.ndarray:
    return (joints(pose)[..., 2] - motion.SKIN).min(1)


def test_the_library_has_the_motions_that_acts_use():
    names = set(motion.library())
    assert names >= {
        *("walk", "walk_2", "stealthy", "zombie", "run", "jog", "punch", "kick", "spin_kick"),
        *("strike_1", "sword_1", "crawl", "jump", "roll", "dance_a", "dance_b", "dance_spin"),
        *("get_up_front", "get_up_back", "fall_front", "fall_back", "lie_front", "lie_back"),
        *("idle", "wash", "bend_1", "climb_up", "cartwheel", "fall_trip", "fall_stiff"),
    }
    assert motion.TABLE.stat().st_size < 1e6


@pytest.mark.parametrize("name", motion.library())
def test_a_motion_starts_at_the_origin_with_unit_bones_above_the_ground(name):
    one = motion.library()[name]
    assert np.abs(one.root[0, :2]).max() < 0.04
    assert np.allclose(np.linalg.norm(one.bones, axis=-1), 1)
    assert height(Pose(one.root, one.bones)).min() > -0.02
    limbs = joints(motion.play(one, np.arange(0, one.seconds, 0.02)))
    assert np.linalg.norm(np.diff(limbs, axis=0), axis=-1).max(initial=0) / 0.02 < 25


@pytest.mark.parametrize("name", ["walk", "walk_2", "run", "jog", "stealthy"])
def test_a_walk_goes_ahead_with_its_feet_on_the_ground(name):
    one = motion.library()[name]
    pose = motion.play(one, np.arange(0, 3 * one.seconds, 0.1))
    travel = pose.root[-1] - pose.root[0]
    assert travel[1] > 0.9 * 3 * one.seconds * one.speed * 0.9
    assert abs(travel[0]) < 0.1 * travel[1]
    assert height(pose).max() < (0.2 if name in ("run", "jog") else 0.02)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_goes_on_without_a_jump(name):
    one = motion.library()[name]
    before, after = motion.play(one, np.array([0.999, 1.001]) * one.seconds).bones
    assert np.abs(after - before).max() < 0.1
    back = motion.play(one, np.array([-one.seconds, 0.0])).root
    assert np.allclose((back[1] - back[0])[:2], (one.root[-1] - one.root[0])[:2], atol=0.01)


def test_what_is_no_loop_holds_its_first_and_last_pose():
    one = motion.library()["punch"]
    pose = motion.play(one, [-5.0, 0.0, one.seconds, 99.0])
    assert np.allclose(pose.bones[0], pose.bones[1])
    assert np.allclose(pose.root[2], pose.root[3])


@pytest.mark.parametrize("name", [name for name in ONCE if name.startswith("fall_")])
def test_a_fall_begins_upright_and_ends_flat_within_a_second(name):
    one = motion.library()[name]
    points = joints(motion.play(one, [0.0, 1.3]))
    assert points[0, J["head"], 2] > 1.3
    assert points[1, J["head"], 2] < 0.5
    assert points[1, J["pelvis"], 2] < 0.4
    assert one.seconds < 1.3


@pytest.mark.parametrize("name", ["punch", "strike_6", "thrust_1", "kick"])
def test_a_blow_goes_ahead(name):
    one = motion.library()[name]
    points = joints(Pose(one.root, one.bones))
    away = (points - points[:, :1])[:, [J["l_hand"], J["r_hand"], J["r_ankle"]]].reshape(-1, 3)
    farthest = away[np.argmax(np.hypot(*away.T[:2]) - 10 * (away[:, 2] < -0.35))]
    assert farthest[1] > 0.5
    assert abs(farthest[0]) < 0.1


def test_parts_backwards_and_faster_are_the_same_frames():
    one = motion.library()["walk_turn"]
    cut = motion.part(one, 1.0, 2.0)
    assert cut.seconds == pytest.approx(1.0, abs=0.05)
    assert np.allclose(cut.root[0, :2], 0)
    back = motion.backwards(cut)
    assert np.allclose(back.bones, cut.bones[::-1])
    assert motion.faster(cut, 2).seconds == pytest.approx(cut.seconds / 2)
    still = motion.in_place(motion.play(one, T))
    assert np.abs(still.root[:, :2]).max() == 0


@pytest.mark.parametrize("leg", [False, True])
@pytest.mark.parametrize("side", ["l", "r"])
def test_a_hand_or_foot_reaches_a_point_and_bones_keep_their_lengths(side, leg):
    rng = np.random.default_rng(1)
    one = body.random_body(rng)
    pose = move(turn(motion.play(motion.library()["walk"], T), 1.0), 3.0, -2.0)
    start, end = ("hip", "ankle") if leg else ("shoulder", "hand")
    base = joints(pose, one.lengths, one.scale)[:, J[f"{side}_{start}"]]
    target = base + rng.normal(0, 0.2, (8, 3))
    got = motion.reach(pose, side, target, 1.0, one.lengths, one.scale, leg=leg)
    points = joints(got, one.lengths, one.scale)
    assert np.allclose(points[:, J[f"{side}_{end}"]], target, atol=0.07)
    assert np.allclose(np.linalg.norm(got.bones, axis=-1), 1)
    none = motion.reach(pose, side, target, 0.0, one.lengths, one.scale, leg=leg)
    assert np.allclose(
        joints(none, one.lengths, one.scale)[:, J[f"{side}_{end}"]],
        joints(pose, one.lengths, one.scale)[:, J[f"{side}_{end}"]], atol=0.02,
    )  # fmt: skip


def test_what_is_out_of_reach_is_pointed_at():
    pose = motion.posture("hang", 2)
    points = joints(motion.reach(pose, "r", [5.0, 0.0, 1.4]))
    arm = points[:, J["r_hand"]] - points[:, J["r_shoulder"]]
    assert np.allclose(np.linalg.norm(arm, axis=-1), 0.59, atol=0.01)
    assert (arm[:, 0] > 0.58).all()


@pytest.mark.parametrize("name", motion.POSTURES)
def test_a_posture_is_still_and_on_the_ground(name):
    pose = motion.posture(name, 3)
    assert pose.bones.shape == (3, len(JOINTS) - 1, 3)
    assert np.allclose(pose.bones[0], pose.bones[2])
    assert np.allclose(height(pose), 0, atol=1e-6)


def test_people_stand_in_many_ways_and_hardly_move():
    poses = [motion.stand(np.random.default_rng(seed))(T) for seed in range(12)]
    hands = np.array([joints(pose)[0, J["r_hand"]] for pose in poses])
    assert np.std(hands, 0).max() > 0.1
    for pose in poses:
        assert np.abs(np.diff(joints(pose), axis=0)).max() < 0.15


def test_a_body_depends_only_on_the_random_numbers():
    first, second = (body.random_body(np.random.default_rng(3)) for _ in range(2))
    pose = motion.play(motion.library()["run"], T)
    one, two = body.figure(pose, first), body.figure(pose, second)
    assert np.array_equal(one.capsules, two.capsules)


@pytest.mark.parametrize("child", [False, True])
def test_a_body_is_as_tall_as_it_says_and_stands_on_the_ground(child):
    rng = np.random.default_rng(5)
    for _ in range(30):
        one = body.random_body(rng, child=child)
        low, high = (0.9, 1.4) if child else (1.5, 1.95)
        assert low <= one.height <= high
        c = body.figure(motion.posture("hang", 1), one).capsules[0]
        top = max((c[:, 2] + c[:, 3]).max(), (c[:, 6] + c[:, 7]).max())
        bottom = min((c[:, 2] - c[:, 3]).min(), (c[:, 6] - c[:, 7]).min())
        assert top == pytest.approx(one.height, rel=0.08)
        assert bottom == pytest.approx(0, abs=0.01)
        assert ((c[:, 8:] >= 0) & (c[:, 8:] <= 1)).all()
        assert 20 <= len(c) <= 36


def test_nothing_of_a_body_that_lies_is_below_the_ground():
    for seed in range(20):
        one = body.random_body(np.random.default_rng(seed))
        for name in ("lie_front", "lie_back", "fall_left", "roll"):
            c = body.figure(motion.play(motion.library()[name], T), one).capsules
            assert min((c[..., 2] - c[..., 3]).min(), (c[..., 6] - c[..., 7]).min()) > -1e-4
            if name.startswith("lie"):
                assert c[:, :3, 2].max() < 0.4


def test_the_skin_fits_the_skeleton():
    assert len(motion.SKIN) == len(JOINTS) == len(LENGTHS) + 1
