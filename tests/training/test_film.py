"""Test what a camera, an overlay and a recorder do to pictures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import av
import numpy as np
import pytest
from training.world.filming import filters
from training.world.filming.film import Exposure, Film, expose, meter, random_film
from training.world.filming.optics import Lens, Motion, Weather
from training.world.filming.overlays import Area, Overlay, Text, lay, overlay, random_overlay
from training.world.filming.recording import Recorder, copied, play, random_recorder, record
from training.world.filming.screen import random_screen, show

PLAIN = Exposure(1.0, 1.0, 0.0)


def scene(frames: int = 8, side: int = 96) -> np.ndarray:
    """Light of a room full of boxes, and a figure that walks through it."""
    rng = np.random.default_rng(3)
    room = np.full((32, 32, 3), 0.45, np.float32)
    for _ in range(60):
        y, x = rng.integers(0, 28, 2)
        shade = rng.choice([0.05, 0.3, 0.6, 0.95]) * rng.uniform(0.8, 1, 3)
        room[y : y + rng.integers(2, 12), x : x + rng.integers(2, 12)] = shade
    out = np.repeat(room.repeat(side // 32, 0).repeat(side // 32, 1)[None], frames, 0)
    for index in range(frames):
        left = side * (10 + 4 * index % 60) // 96
        out[index, side // 3 : -side // 5, left : left + side // 8] = (0.8, 0.1, 0.1)
    return out


def pictures(side: int = 96) -> np.ndarray:
    return (scene(side=side) * 255).round().astype(np.uint8)


def test_a_perfect_camera_changes_nothing() -> None:
    light = scene()
    seen = expose(Film(), light, np.random.default_rng(0), exposure=PLAIN)
    assert np.abs(seen / 255.0 - light).max() < 0.005


def test_equal_random_numbers_make_equal_bytes_and_the_light_is_kept() -> None:
    light = scene()
    before = light.copy()
    for seed in range(12):
        made = []
        for _ in range(2):
            rng = np.random.default_rng(seed)
            film = random_film(rng, infrared=seed % 3 == 0)
            made.append(random_recorder(rng).keep(overlay(rng, expose(film, light, rng))))
        assert made[0] == made[1]
    np.testing.assert_array_equal(light, before)


def test_films_differ_and_most_leave_the_scene_recognisable() -> None:
    light, rng, alike = scene(side=192), np.random.default_rng(1), []
    grey = light @ np.array([0.3, 0.59, 0.11])
    for index in range(60):
        film = replace(random_film(rng, infrared=index % 9 == 0), motion=Motion())
        seen = expose(film, light, rng) @ np.array([0.3, 0.59, 0.11])
        alike.append(np.corrcoef(seen.ravel(), grey.ravel())[0, 1])
    assert np.mean(np.array(alike) > 0.75) > 0.8
    assert np.std(alike) > 0.01


def test_strength_0_is_nearly_perfect() -> None:
    light, rng = scene(), np.random.default_rng(2)
    for _ in range(10):
        film = random_film(rng, infrared=False, strength=0.0)
        seen = expose(film, light, rng)
        assert np.corrcoef(seen.ravel(), light.ravel())[0, 1] > 0.97
        assert film.motion.still
        assert not film.weather.count


def test_infrared_films_are_grey_and_few_others_are() -> None:
    rng = np.random.default_rng(0)
    assert all(random_film(rng, infrared=True).grey for _ in range(20))
    share = np.mean([random_film(rng, infrared=False).grey for _ in range(600)])
    assert 0.02 < share < 0.08
    seen = expose(Film(grey=True, mix=((0.3, 0.6, 0.1),) * 3), scene(), rng)
    np.testing.assert_array_equal(seen[..., 0], seen[..., 2])


def test_exposure_brings_mean_and_contrast_to_what_the_film_wants() -> None:
    for light in (scene(), scene() * 0.3):
        seen = expose(Film(level=0.4, contrast=0.25, boost=8), light, np.random.default_rng(0))
        grey = seen @ np.array([0.3, 0.59, 0.11]) / 255
        assert grey.mean() == pytest.approx(0.4, abs=0.04)
        assert grey.std() == pytest.approx(0.25, abs=0.04)
    assert meter(Film(boost=2.0), scene() * 0.01).gain == 2.0
    warm = scene() * np.array([1.0, 0.6, 0.3], np.float32)
    casts = [
        expose(Film(balance=share), warm, np.random.default_rng(0)).mean((0, 1, 2)).std()
        for share in (0.0, 0.9)
    ]
    assert casts[1] < 0.5 * casts[0]


def test_noise_has_the_strength_that_is_asked_for() -> None:
    flat = np.full((8, 64, 64, 3), 0.5, np.float32)
    seen = expose(Film(noise=(0.03, 0.0, 0.0)), flat, np.random.default_rng(0), exposure=PLAIN)
    assert seen.std() / 255 == pytest.approx(0.03, rel=0.05)
    assert np.diff(seen.astype(float), axis=0).std() > 8
    np.testing.assert_array_equal(seen[..., 0], seen[..., 1])
    coloured = expose(Film(noise=(0.03, 0.0, 1.0)), flat, np.random.default_rng(0), exposure=PLAIN)
    assert np.std(coloured[..., 0].astype(float) - coloured[..., 1]) / 255 == pytest.approx(
        0.03, rel=0.1
    )


def test_dirt_and_the_sensors_pattern_stay_where_they_are() -> None:
    film = Film(seed=5, lens=Lens(spots=8), pattern=(0.05, 0.02))
    first, second = (
        expose(film, scene(), np.random.default_rng(seed), exposure=PLAIN) for seed in (1, 2)
    )
    np.testing.assert_array_equal(first, second)
    other = expose(replace(film, seed=6), scene(), np.random.default_rng(1), exposure=PLAIN)
    assert np.abs(other.astype(int) - first).mean() > 2


def test_fog_hides_contrast_and_rain_moves() -> None:
    rng = np.random.default_rng(0)
    foggy = expose(Film(lens=Lens(fog=0.8)), scene(), rng, exposure=PLAIN)
    assert foggy[:, :20].std() < 0.6 * pictures()[:, :20].std()
    flat = np.full((8, 96, 96, 3), 0.2, np.float32)
    rain = expose(Film(weather=Weather(count=60)), flat, rng, exposure=PLAIN)
    assert rain.max() > 60
    assert len(np.unique(rain.reshape(8, -1), axis=0)) == 8


def test_a_slow_camera_repeats_frames() -> None:
    seen = expose(Film(rate=2.5), scene(), np.random.default_rng(0))
    same = [bool((seen[i] == seen[i + 1]).all()) for i in range(7)]
    assert same == [True, False, True, False, True, False, True]
    late = expose(Film(stutter=1.0), scene(), np.random.default_rng(0))
    assert (late == late[:1]).all()


def test_a_later_field_fills_the_odd_rows() -> None:
    light = scene(16)
    seen = expose(Film(), light, np.random.default_rng(0), fields=True, exposure=PLAIN)
    whole = (light * 255 + 0.5).astype(np.uint8)
    assert seen.shape == (8, 96, 96, 3)
    assert np.abs(seen[:, 0::2].astype(int) - whole[0::2, 0::2]).max() <= 1
    assert np.abs(seen[:, 1::2].astype(int) - whole[1::2, 1::2]).max() <= 1
    with pytest.raises(ValueError, match="fields need two frames for each picture, got 7"):
        expose(Film(), light[:7], np.random.default_rng(0), fields=True)


def test_a_camera_in_the_hand_sways_on_in_the_next_part_of_a_video() -> None:
    film = Film(seed=1, motion=Motion(sway=0.03, period=2.0, roll=0.02, pan=(0.03, 0.0), zoom=0.02))
    light, times = scene(1).repeat(8, 0), np.arange(8) * 0.2
    whole = expose(film, light, np.random.default_rng(0), times=times, exposure=PLAIN)
    assert np.abs(np.diff(whole.astype(int), axis=0)).mean() > 0.5
    rest = expose(film, light[4:], np.random.default_rng(9), times=times[4:], exposure=PLAIN)
    np.testing.assert_array_equal(rest, whole[4:])


def test_few_pixels_blur_a_trail_ghosts_and_sharpening_makes_halos() -> None:
    rng, light = np.random.default_rng(0), scene()
    sharp = np.abs(np.diff(pictures().astype(int), axis=2)).max(axis=2).mean()
    soft = expose(Film(native=(32, 40)), light, rng, exposure=PLAIN)
    assert soft.shape == light.shape
    assert np.abs(np.diff(soft.astype(int), axis=2)).max(axis=2).mean() < 0.6 * sharp
    ghost = expose(Film(trail=0.5), light, rng, exposure=PLAIN)[1] / 255.0
    np.testing.assert_allclose(ghost, (light[0] + light[1]) / 2, atol=0.005)
    halo = expose(Film(sharp=(2.0, 1, 0.2)), light * 0.5 + 0.25, rng, exposure=PLAIN)
    assert halo.max() > (light.max() * 0.5 + 0.25) * 255 + 15


def test_bloom_spreads_highlights_and_damage_loses_blocks() -> None:
    light = np.full((8, 96, 96, 3), 0.1, np.float32)
    light[:, 40:56, 40:56] = 3.0
    rng = np.random.default_rng(0)
    bright = expose(Film(bloom=0.5, limit=1.0), light, rng, exposure=PLAIN)
    assert bright[0, 48, 32, 0] > bright[0, 48, 4, 0] + 10
    lost = expose(Film(damage=1.0), scene(), rng, exposure=PLAIN)
    assert np.abs(lost.astype(int) - pictures()).max() > 30


def test_scaling_keeps_the_mean_and_flat_pictures_flat() -> None:
    flat = np.full((1, 96, 80, 3), 0.3, np.float32)
    for height, width, soft in ((96, 80, 1.0), (96, 80, 3.7), (41, 60, 1.0), (130, 192, 2.0)):
        np.testing.assert_allclose(filters.resize(flat, height, width, soft), 0.3, rtol=1e-4)
    light = scene(2)
    assert filters.resize(light, 40, 50).mean() == pytest.approx(light.mean(), rel=0.01)


def test_a_recording_plays_nearly_what_was_recorded() -> None:
    frames = pictures(192)
    for preset in ("ultrafast", "superfast", "veryfast"):
        data = record(frames, quality=18, preset=preset)
        assert np.abs(play(data).astype(int) - frames).mean() < 4
    good, poor = (len(record(frames, quality=q)) for q in (24, 42))
    assert poor < 0.8 * good
    assert len(record(frames, quality=30, every=2)) > len(record(frames, quality=30))


def test_a_copy_of_a_small_recording_is_soft_but_as_large() -> None:
    frames = pictures(192)
    small = copied(frames, 60, 80, 30)
    assert small.shape == frames.shape
    assert np.abs(small.astype(int) - frames).mean() > 3
    played = play(Recorder(30, first=(60, 80, 30)).keep(frames))
    assert played.shape == frames.shape


def test_what_is_no_recording_is_an_error() -> None:
    frames = pictures()
    data = record(frames, quality=28)
    with pytest.raises(av.error.InvalidDataError):
        play(data[: len(data) // 2])
    with pytest.raises(ValueError, match="without a picture"):
        play(b"")
    with pytest.raises(ValueError, match="even sides, got uint8"):
        record(frames[:, :95], quality=28)
    with pytest.raises(ValueError, match="even sides, got float32"):
        record(scene(), quality=28)


def test_an_overlay_does_not_depend_on_what_is_shown() -> None:
    dark, bright = np.zeros((8, 96, 96, 3), np.uint8), np.full((8, 96, 96, 3), 200, np.uint8)
    for seed in range(40):
        first, second = (np.random.default_rng(seed) for _ in range(2))
        low, high = overlay(first, dark), overlay(second, bright)
        assert first.random() == second.random()
        assert (low <= high.astype(int) + 1).all()


def test_a_clock_ticks_and_a_name_stands_still() -> None:
    frames, times = pictures(192), np.arange(8) * 0.2
    name = Text("CAM 07", 0.02, 0.02, 0.08, back="outline")
    clock = Text("%H:%M:%S", 0.98, 0.98, 0.08, "segments", start=datetime(2020, 1, 1, 23, 59, 59))
    named = lay(Overlay(camera=(name,)), frames).astype(int) - frames
    assert named[:, :30, :100].any()
    assert not named[:, 60:].any()
    told = lay(Overlay(camera=(clock,)), np.zeros_like(frames), times)
    assert (told[0] == told[4]).all()
    assert (told[4] != told[5]).any()
    assert told[:, 150:, 60:].max() > 200


def test_every_font_and_back_writes_inside_the_picture() -> None:
    frames = np.full((2, 192, 192, 3), 90, np.uint8)
    for font in ("DejaVuSans", "DejaVuSerif", "plain", "bitmap"):
        for back in ("none", "shadow", "outline", "box", "round"):
            text = Text("Camera 12", 0.02, 0.9, 0.1, font, back=back)
            assert lay(Overlay(player=(text,)), frames).max() > 200


def test_areas_bars_and_windows_are_where_they_should_be() -> None:
    frames = np.full((2, 192, 192, 3), 90, np.uint8)
    box = lay(Overlay(player=(Area(0.5, 0.5, 1.0, 1.0, (200, 0, 0)),)), frames)
    assert (box[:, 96:, 96:] == (200, 0, 0)).all()
    assert (box[:, :96] == 90).all()
    bars = lay(Overlay(window=(0.0, 0.125, 1.0, 0.875)), frames)
    assert (bars[:, :24] == 0).all()
    assert (bars[:, 24:-24] == 90).all()
    ring = lay(Overlay(player=(Area(0.7, 0.7, 1.2, 1.2, (200, 0, 0), 1.0, "ring"),)), frames)
    assert (ring[:, :120] == 90).all()
    assert (ring != 90).any()


def test_a_filmed_screen_shows_the_picture_in_its_frame() -> None:
    frames, rng = np.full((8, 96, 96, 3), 150, np.uint8), np.random.default_rng(4)
    for _ in range(10):
        screen = replace(random_screen(rng), light=1.0, moire=0.0, glare=0.0)
        seen = show(screen, frames, np.arange(8) * 0.2)
        assert (np.abs(seen.astype(int) - 154).max(-1) <= 2).mean() > 0.3
        assert (seen[:, 48, 48] == 154).all()


def test_most_overlays_leave_most_of_the_picture() -> None:
    rng, frames = np.random.default_rng(0), np.full((8, 96, 96, 3), 90, np.uint8)
    plain = [(overlay(rng, frames) == 90).all(-1).mean() for _ in range(80)]
    assert np.median(plain) > 0.85
    assert random_overlay(rng, strength=0.0) == Overlay()
