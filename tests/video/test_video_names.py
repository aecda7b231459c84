"""Names of videos: relative to what the user gave, and never the same for two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiprobe.errors import UsageError
from hiprobe.types import Video
from hiprobe.video import Root, name_videos


def names(given: Mapping[str, Sequence[str]]) -> list[str]:
    return [one.name for one in name_videos(given)[0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # one folder: relative to it
        ({"cams": ["cams/front/0900.mp4", "cams/back/0900.mp4"]}, ["front/0900.mp4", "back/0900.mp4"]),
        ({"cams/": ["cams/a.mp4"]}, ["a.mp4"]),
        ({"./x/../cams": ["x/../cams/front/a.mp4"]}, ["front/a.mp4"]),
        ({".": ["front/a.mp4"]}, ["front/a.mp4"]),
        # several arguments: the folder's last part comes first
        (
            {"/in/cams/front": ["/in/cams/front/0900.mp4"], "/in/cams/back/": ["/in/cams/back/0900.mp4"]},
            ["front/0900.mp4", "back/0900.mp4"],
        ),
        ({"cams": ["cams/a.mp4"], "none": []}, ["cams/a.mp4"]),
        # files, and what a pattern matches: relative to the common parent
        ({"cams/front/a.mp4": ["cams/front/a.mp4"]}, ["a.mp4"]),
        (
            {"/in/front/a.mp4": ["/in/front/a.mp4"], "/in/b.mp4": ["/in/b.mp4"]},
            ["front/a.mp4", "b.mp4"],
        ),
        ({"cams/*/*.mp4": ["cams/front/a.mp4", "cams/back/a.mp4"]}, ["front/a.mp4", "back/a.mp4"]),
        ({"cams/fr*/*.mp4": ["cams/front/a.mp4", "cams/front/b.mp4"]}, ["a.mp4", "b.mp4"]),
        # a folder of pictures is a video
        ({"in/Test001@10fps": ["in/Test001@10fps"]}, ["Test001@10fps"]),
        # a mixture
        ({"cams": ["cams/x/a.mp4"], "b.mp4": ["b.mp4"]}, ["cams/x/a.mp4", "b.mp4"]),
        # addresses, where a query is not part of a name
        (
            {"s3://bucket/cams": ["s3://bucket/cams/front/a.mp4", "s3://bucket/cams/back/a.mp4"]},
            ["front/a.mp4", "back/a.mp4"],
        ),
        ({"s3://bucket/*.mp4": ["s3://bucket/a.mp4"]}, ["a.mp4"]),
        ({"https://host/a.mp4?token=secret": ["https://host/a.mp4?token=secret"]}, ["a.mp4"]),
    ],
)  # fmt: skip
def test_names_by_hand(given: dict[str, list[str]], expected: list[str]) -> None:
    assert names(given) == expected


def test_two_videos_of_one_name_are_an_error_that_names_both() -> None:
    given = {"a/cams": ["a/cams/0900.mp4"], "b/cams": ["b/cams/0900.mp4"]}
    with pytest.raises(UsageError, match=r"cams/0900\.mp4: a/cams/0900\.mp4 and b/cams/0900\.mp4"):
        name_videos(given)
    assert names({"a/cams/0900.mp4": given["a/cams"][:], "b/cams/0900.mp4": given["b/cams"]}) == [
        "a/cams/0900.mp4",
        "b/cams/0900.mp4",
    ]


PARTS = st.lists(st.sampled_from(["cams", "front", "back", "日本", "a b", "x.mp4"]), min_size=1, max_size=4)  # fmt: skip


@given(st.lists(PARTS, min_size=1, max_size=6, unique_by=tuple), st.sampled_from(["", "cams"]))
def test_a_name_leads_back_to_its_video(found: list[list[str]], more: str) -> None:
    """The places of `.local.json` are such roots: a name must lead to its own file again."""
    paths = ["/in/cams/" + "/".join(parts) for parts in found]
    given = {"/in/cams": paths} | ({"/in/none": []} if more else {})
    videos, (root,) = name_videos(given)
    assert len({one.name for one in videos}) == len(paths)
    assert all(not one.name.startswith("/") and ".." not in one.name for one in videos)
    assert [root.path(one.name) for one in videos] == [one.path for one in videos] == paths


@pytest.mark.parametrize("name", ["../secret", "front/../../secret", "/etc/passwd", "other/a.mp4"])
def test_a_name_leads_nowhere_outside_its_folder(name: str) -> None:
    assert Root("/videos/cams", prefix="cams").path(name) is None


def test_a_video_is_named_by_its_last_part_unless_it_has_a_name() -> None:
    assert Video("cams/front/0900.mp4").name == "0900.mp4"
    assert Video("cams/front/0900.mp4", name="front/0900.mp4").name == "front/0900.mp4"
