"""Test that places are varied, that their cameras see them, and that their parts are valid."""

from __future__ import annotations

import numpy as np
import pytest
from training.world.drawing.background import background
from training.world.place import BOX, Place
from training.world.places import textures
from training.world.places.cameras import clear, inside
from training.world.places.places import LANES, MAKERS, make_place, random_place

NAMES = {maker.__name__: maker for maker in MAKERS}


def places(name: str, count: int = 4) -> list[Place]:
    rng = np.random.default_rng(sum(name.encode()))
    return [make_place(rng, NAMES[name]) for _ in range(count)]


def middle(place: Place) -> tuple[float, float]:
    x0, y0, x1, y1 = place.area
    return (x0 + x1) / 2, (y0 + y1) / 2


@pytest.mark.parametrize("name", NAMES)
def test_a_person_in_the_middle_is_in_full_view(name: str) -> None:
    for place in places(name):
        x, y = middle(place)
        body = np.array([(x, y, z) for z in (0.1, 0.9, 1.6)])
        where, _ = place.camera.project(body)
        assert ((where > 0) & (where < 1)).all()
        assert clear(place.camera.eye[None], body, place.boxes).all()
        tall = np.linalg.norm(where[2] - where[0])
        assert 0.05 < tall < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_place_is_well_formed(name: str) -> None:
    for place in places(name):
        assert place.boxes.shape[1:] == (BOX,)
        assert place.boxes.dtype == np.float32
        assert len(place.boxes) <= 80
        assert np.isfinite(place.boxes).all()
        assert (place.boxes[:, 3:6] > 0).all()
        assert place.boxes[:, 7].max() < len(place.textures)
        assert place.ground[0] < len(place.textures)
        assert place.textures.shape[1:] == (128, 128, 3)
        assert place.area[0] < place.area[2]
        assert place.area[1] < place.area[3]


@pytest.mark.parametrize("name", NAMES)
def test_the_camera_is_in_the_room_and_not_in_a_box(name: str) -> None:
    for place in places(name):
        eye = place.camera.eye
        assert 1.2 < eye[2] < (place.ceiling or 16)
        assert not inside(eye[None], place.boxes, 0.0).any()


@pytest.mark.parametrize("name", NAMES)
def test_people_find_room(name: str) -> None:
    for place in places(name):
        rng = np.random.default_rng(0)
        free = [place.spot(rng, 0.3, take=False) for _ in range(8)]
        assert sum(place.seen(x, y) and not place.blocked(x, y, 0.1) for x, y in free) >= 4


def test_the_same_seed_makes_the_same_place() -> None:
    one, other = (random_place(np.random.default_rng(4)) for _ in range(2))
    assert one.name == other.name
    assert np.array_equal(one.boxes, other.boxes)
    assert np.array_equal(one.camera.eye, other.camera.eye)


def test_places_with_lanes_have_traffic() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        place = random_place(rng, lanes=True)
        assert place.lanes
        assert place.name in {maker.__name__ for maker in LANES}


def test_people_appear_in_all_sizes() -> None:
    rng = np.random.default_rng(0)
    tall = []
    for _ in range(150):
        place = random_place(rng)
        x, y = middle(place)
        where, _ = place.camera.project(np.array([[x, y, 0.0], [x, y, 1.7]]))
        tall.append(np.linalg.norm(where[1] - where[0]))
    low, median, high = np.percentile(tall, [5, 50, 95])
    assert low < 0.22
    assert 0.25 < median < 0.48
    assert high > 0.55


def test_pictures_of_places_are_varied() -> None:
    rng = np.random.default_rng(0)
    pictures = [np.clip(background(random_place(rng), 32, 32)[0], 0, 1) for _ in range(40)]
    means = [picture.mean() for picture in pictures]
    details = [picture.std() for picture in pictures]
    assert np.std(means) > 0.08
    assert np.median(details) > 0.1


def test_without_the_photographs_there_are_drawn_textures_of_every_kind(
    tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("HIPROBE_RUNS", str(tmp_path))
    drawn = textures.pool.__wrapped__()
    assert set(drawn.kinds) == set(textures.KINDS)
    assert drawn.pictures.shape[1:] == (128, 128, 3)
    assert "drawn textures only" in capsys.readouterr().err


def test_every_photograph_has_a_kind_a_licence_and_an_author() -> None:
    for row in textures.rows():
        assert row["kind"] in textures.KINDS
        assert row["licence"]
        assert "NC" not in row["licence"]
        assert row["author"]
