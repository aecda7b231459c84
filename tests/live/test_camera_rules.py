"""The pure rules of a camera: its clock, its state, frozen pictures, and when to connect again."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.errors import CameraUnreachable, LoginRefused, NoVideoStream
from hiprobe.live.camera_clock import CameraClock
from hiprobe.live.camera_health import Backoff, CameraHealth, FrozenPicture
from hiprobe.live.footage import decode_times
from hiprobe.live.stream_times import StreamTimes
from hiprobe.types import Segment


def times_of(
    stated: list[float], arrived: list[float], frame_s: float = 0.04
) -> tuple[list[float], StreamTimes]:
    times = StreamTimes(frame_s)
    return [one + times.correction(one, at) for one, at in zip(stated, arrived, strict=True)], times


def test_times_that_fit_are_left_alone() -> None:
    stated = [index * 0.04 for index in range(500)]
    found, times = times_of(stated, [100 + one for one in stated])
    assert found == stated
    assert times.leaps == 0
    assert times.anchor == pytest.approx(100.0)


def test_a_burst_at_the_start_moves_the_anchor_back() -> None:
    """A server that sends a second which it has kept: all of it arrives at once."""
    stated = [index * 0.04 for index in range(100)]
    found, times = times_of(stated, [max(100.0, 99.0 + one) for one in stated])
    assert found == stated
    assert times.anchor == pytest.approx(99.0)


@pytest.mark.parametrize("leap", [-3600.0, -5.0, 3600.0, 5.0, 86_400.0 * 365])
def test_a_clock_that_is_set_does_not_move_time(leap: float) -> None:
    arrived = [index * 0.04 for index in range(200)]
    stated = [one + (leap if index >= 100 else 0.0) for index, one in enumerate(arrived)]
    found, times = times_of(stated, arrived)
    assert times.leaps == 1
    np.testing.assert_allclose(found, arrived, atol=1e-3 if abs(leap) < 1e6 else 1e-2)


def test_a_silence_is_no_leap_and_frames_out_of_order_are_none() -> None:
    arrived = [0.0, 0.04, 10.0, 10.04]
    assert times_of(arrived, arrived)[1].leaps == 0
    # The network held everything for ten seconds.
    assert times_of([0.0, 0.04, 0.08, 0.12, 10.1], [0.0, 0.04, 10.0, 10.0, 10.1])[1].leaps == 0
    assert times_of([0.0, 0.16, 0.04, 0.08, 0.12], [0.0, 0.01, 0.02, 0.03, 0.04])[1].leaps == 0


def test_a_slow_drift_is_followed() -> None:
    arrived = [float(at) for at in range(0, 4000)]
    _, times = times_of([one * (1 - 1e-4) for one in arrived], arrived, frame_s=1.0)
    assert times.leaps == 0
    assert times.anchor == pytest.approx(0.4, abs=0.01)


class Now:
    """A steady clock and Unix time that a test sets."""

    def __init__(self) -> None:
        self.steady, self.unix = 1000.0, 1_700_000_000.0

    def clock(self) -> CameraClock:
        return CameraClock(lambda: self.steady, lambda: self.unix)

    def go(self, seconds: float) -> None:
        self.steady += seconds
        self.unix += seconds


def test_unix_time_follows_the_cameras_clock() -> None:
    now = Now()
    clock = now.clock()
    clock.connected()
    begun = now.steady
    for index in range(5):
        now.go(1.6)
        placed = clock.place(index * 1.6, (index + 1) * 1.6, begun)
        assert (placed.base, placed.jump) == (0.0, False)
        assert placed.wall == pytest.approx(1_700_000_000.0 + index * 1.6)


def test_a_later_connection_goes_on_and_never_goes_back() -> None:
    now = Now()
    clock = now.clock()
    clock.connected()
    now.go(1.6)
    clock.place(0.0, 1.6, now.steady - 1.6)
    now.go(20.0)
    clock.connected()
    placed = clock.place(0.0, 1.6, now.steady - 1.6)
    assert (placed.base, placed.jump) == (pytest.approx(20.0), False)
    assert placed.wall == pytest.approx(now.unix - 1.6)
    clock.connected()
    placed = clock.place(0.0, 1.6, now.steady - 5.0)  # it says that it was recorded before
    assert placed.base == pytest.approx(21.6)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_of_this_machine_that_is_set_is_marked_once(step: float) -> None:
    now = Now()
    clock = now.clock()
    clock.connected()
    begun, jumps, walls = now.steady, [], []
    for index in range(6):
        now.go(1.6)
        now.unix += step if index == 3 else 0.0
        placed = clock.place(index * 1.6, (index + 1) * 1.6, begun)
        jumps.append(placed.jump)
        walls.append(placed.wall)
        assert placed.base == 0.0
    assert jumps == [False, False, False, True, False, False]
    assert walls[3] - walls[2] == pytest.approx(1.6 + step)


def test_a_file_at_another_speed_keeps_its_own_clock() -> None:
    now = Now()
    clock = now.clock()
    clock.connected()
    begun = now.steady
    for index in range(4):
        now.go(0.4)
        placed = clock.place(index * 1.6, (index + 1) * 1.6, begun, speed=4.0)
        assert not placed.jump
        assert placed.wall == pytest.approx(1_700_000_000.0 + index * 0.4)


LOST = CameraUnreachable("it ended the stream")


def test_a_camera_is_offline_after_its_time_and_not_before() -> None:
    health = CameraHealth(15.0)
    assert health.heard(0.0) == "online"
    assert health.failed(1.0, LOST) is None
    assert health.failed(5.0, LOST) is None
    assert health.overdue(14.9) is None
    assert health.overdue(15.0) == "offline"
    assert health.overdue(15.1) is None
    assert health.failed(17.0, LOST) is None  # known
    assert health.failed(18.0, CameraUnreachable("no answer")) == "offline"  # a new reason
    assert health.heard(19.0) == "online"
    assert health.error is None


def test_silence_is_reported_by_the_decoder_and_a_silent_decoder_too() -> None:
    health = CameraHealth(15.0)
    health.heard(0.0)
    assert health.overdue(24.9) is None
    assert health.failed(16.5, CameraUnreachable("no packets for 15 s")) == "offline"
    health.heard(20.0)
    assert health.overdue(44.9) is None
    assert health.overdue(45.0) == "offline"


def test_a_camera_that_never_answered_is_offline_at_once() -> None:
    health = CameraHealth(15.0)
    assert health.overdue(100.0) is None  # it is still connecting
    assert health.failed(100.0, LOST) == "offline"


def test_waits_grow_and_start_again_after_a_good_connection() -> None:
    backoff = Backoff(0.5, 30.0, random.Random(0))
    waits = [backoff.wait_s(LOST, 0.0) for _ in range(9)]
    for index, wait in enumerate(waits):
        assert min(0.5 * 2**index, 30.0) / 2 <= wait <= min(0.5 * 2**index, 30.0)
    assert len(set(waits)) == len(waits)
    assert backoff.wait_s(LOST, 5.0) >= 15.0  # a short connection is not a good one
    assert backoff.wait_s(LOST, 60.0) <= 0.5
    for _ in range(3000):
        assert backoff.wait_s(LOST, 0.0) <= 30.0


def test_a_wrong_login_is_not_tried_again_soon() -> None:
    assert Backoff().wait_s(LoginRefused("it refuses the login"), 0.0) >= 150.0
    assert Backoff().wait_s(NoVideoStream("no video"), 0.0) >= 30.0


def segment(pictures: list[int], start: float, step: float = 0.2) -> Segment:
    """A segment whose frames are plain pictures of these grey levels; a negative one is repeated."""
    frames = np.stack([np.full((8, 8, 3), one, np.uint8) for one in pictures])
    times = start + np.arange(len(pictures)) * step
    return Segment(frames, times, start, start + step * len(pictures), 0)


def states(
    frozen: FrozenPicture, pictures: list[int], count: int, start: float
) -> list[bool | None]:
    return [frozen.changed(segment(pictures, start + index * 1.6)) for index in range(count)]


def test_the_same_picture_is_frozen_after_its_time_and_no_longer_with_a_new_one() -> None:
    frozen = FrozenPicture(60.0)
    found = states(frozen, [7] * 8, 60, 0.0)
    assert [index for index, one in enumerate(found) if one] == [37]  # its frames end at 60.6 s
    assert frozen.changed(segment([9] * 8, 96.0)) is False


def test_a_picture_that_is_encoded_again_with_each_keyframe_is_frozen_too() -> None:
    frozen = FrozenPicture(10.0)
    assert True in states(frozen, [7, 8, 8, 9, 9, 9, 9, 9], 20, 0.0)


def test_noise_is_not_frozen() -> None:
    frozen = FrozenPicture(10.0)
    noise = np.random.default_rng(0)
    for index in range(100):
        frames = noise.integers(98, 103, (8, 8, 8, 3)).astype(np.uint8)
        times = index * 1.6 + np.arange(8) * 0.2
        assert frozen.changed(Segment(frames, times, index * 1.6, index * 1.6 + 1.6, 0)) is None


def test_a_frame_that_is_on_screen_for_long_is_no_new_picture_and_not_frozen() -> None:
    """A camera that sends one picture in 40 s: nothing is known about the time between."""
    frozen = FrozenPicture(60.0)
    for index in range(100):
        shown = index // 25
        frames, times = np.full((8, 8, 8, 3), shown * 20, np.uint8), np.full(8, shown * 40.0)
        assert frozen.changed(Segment(frames, times, index * 1.6, index * 1.6 + 1.6, 0)) is None


@given(st.lists(st.integers(0, 1000), max_size=60))
def test_packets_are_decoded_in_order_and_before_they_are_shown(shown: list[int]) -> None:
    decoded = decode_times(shown)
    assert all(one < two for one, two in pairwise(decoded))
    assert all(early <= late for early, late in zip(decoded, shown, strict=True))
