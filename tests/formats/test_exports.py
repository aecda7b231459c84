"""`hiprobe export --format` and `hiprobe clips` on finished results: files, names, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.cli.test_commands import run
from tests.support.finished_folder import (
    END,
    EVENTS,
    ODD,
    QUIET,
    TIMES,
    Finished,
    make,
    result_of,
)
from tests.support.numbered_videos import number, numbered, steady, write

from hiprobe import store, video
from hiprobe.errors import CorruptVideo, StoreError, UsageError
from hiprobe.evaluation.finished_videos import place_below
from hiprobe.store import results

__all__ = ["run"]  # a fixture


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return make(tmp_path_factory.mktemp("finished"))


# -- scores of each frame


def wanted_scores(finished: Finished) -> list[float]:
    """The raw score of the segment that each frame appears in, without `Scores.at`."""
    scores = finished.results[ODD].scores
    assert scores is not None
    return [float(scores.raw[int(time / 1.6 + 1e-9)]) for time in TIMES]


def test_scores_of_each_frame_as_arrays(run: Any, finished: Finished, tmp_path: Path) -> None:
    to = tmp_path / "scores"
    ran = run("export", finished.out, "-f", "npy", "-o", to, "--videos", finished.cams)
    assert ran.code == 0
    found = np.load(to / f"{ODD.removesuffix('.mp4')}.npy", allow_pickle=False)
    assert found.tolist() == [value / 2 for value in wanted_scores(finished)]
    assert np.load(to / "quiet.npy").shape == (50,)


def test_scores_of_each_frame_as_parquet(run: Any, finished: Finished, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    to = tmp_path / "scores.parquet"
    run("export", finished.out, "-f", "parquet", "-o", to, "--videos", finished.cams)
    table = parquet.read_table(to)
    assert table.column_names == ["video", "frame", "time", "raw", "smoothed"]
    rows = [row for row in table.to_pylist() if row["video"] == ODD]
    assert [row["frame"] for row in rows] == list(range(len(TIMES)))
    assert [row["time"] for row in rows] == pytest.approx(TIMES)
    assert [row["raw"] for row in rows] == wanted_scores(finished)
    assert table.num_rows == len(TIMES) + 50


# -- events as files


def test_a_file_for_each_video_in_folders_as_theirs(
    run: Any, finished: Finished, tmp_path: Path
) -> None:
    to = tmp_path / "subtitles"
    ran = run("export", finished.out, "--format", "srt", "-o", to)  # needs no video
    assert (ran.code, ran.out) == (0, f"2 videos in 2 files: {to}\n")
    names = sorted(path.relative_to(to).as_posix() for path in to.rglob("*.srt"))
    assert names == [ODD.replace(".mp4", ".srt"), "quiet.srt"]
    assert "demoted" not in (to / names[0]).read_text()
    assert ran.errors == [
        "left out: 1 event that the model rejected; --show-demoted writes them too"
    ]
    again = run("export", finished.out, "--format", "srt", "-o", to)
    assert again.code == 2
    assert again.errors[0].endswith(
        "2 files to write are there; choose another -o, or give --overwrite"
    )
    both = run(
        "export", finished.out, "-f", "srt", "-o", to, "--overwrite", "--show-demoted", "--json"
    )
    assert both.objects[0]["videos"] == 2
    assert "demoted" in (to / names[0]).read_text()


def test_each_video_has_a_file_of_its_own(run: Any, finished: Finished, tmp_path: Path) -> None:
    names = ("a.mp4", "a.mkv", "a.mp4.mov")
    for name in names:
        one = result_of(finished.cams / QUIET, name, (), 2.0)
        results.save_result(store.result_folder(tmp_path / "out", one), one, {"probe": "p"})
        store.note(tmp_path / "out", [one])
    to = tmp_path / "subtitles"
    assert run("export", tmp_path / "out", "-f", "srt", "-o", to).code == 0
    assert sorted(path.name for path in to.iterdir()) == sorted(f"{name}.srt" for name in names)


def test_one_file_for_all_videos(run: Any, finished: Finished, tmp_path: Path) -> None:
    to = tmp_path / "labels.json"
    assert run("export", finished.out, "-f", "activitynet", "-o", to).code == 0
    assert list(json.loads(to.read_text())["results"]) == [ODD.removesuffix(".mp4"), "quiet"]


def test_what_an_export_refuses(run: Any, finished: Finished, tmp_path: Path) -> None:
    to = tmp_path / "x"
    for options, words in (
        (("-f", "elan", "-o", to), "the format elan is only read, not written; choose activitynet"),
        (("-f", "word", "-o", to), "there is no format 'word'; choose activitynet"),
        (("-f", "srt", "-o", finished.out), "the target is among the results in"),
        (("-f", "csv", "-o", finished.out / "manifest.jsonl"), "the target is among the results"),
        (("-f", "srt", "-o", to, "--raw"), "--probe, --raw and --method do not go with --format"),
        (("-o", to, "--overwrite"), "--show-demoted and --overwrite need --format"),
        (
            ("-f", "srt", "-o", finished.cams / QUIET),
            "2 videos make as many files; give -o a folder",
        ),
    ):
        ran = run("export", finished.out, *options)
        assert (ran.code, len(ran.errors)) == (2, 1), ran
        assert words in ran.errors[0]
    ran = run("export", tmp_path, "-f", "srt", "-o", to)
    assert "there is no finished video; name the folder given to detect -o" in ran.errors[0]
    assert not to.exists()


def test_a_format_that_counts_frames_needs_the_same_video(
    run: Any, finished: Finished, tmp_path: Path
) -> None:
    lost = run("export", finished.out, "-f", "edl", "-o", tmp_path / "x")
    assert lost.code == 3
    assert f"{ODD}: the video is not where it was; give --videos" in lost.errors[0]
    moved = tmp_path / "moved"
    shutil.copytree(finished.cams, moved)
    (moved / ODD).write_bytes((moved / QUIET).read_bytes())
    other = run("export", finished.out, "-f", "cvat", "-o", tmp_path / "x", "--videos", moved)
    assert "the video has another content than when it was read" in other.errors[0]


def test_a_name_that_leads_elsewhere_is_not_followed() -> None:
    for name in ("../a", "/etc/a", "a/../../b", ""):
        with pytest.raises(StoreError, match="leads to another folder"):
            place_below(Path("x"), name, ".srt")


def test_the_folder_is_that_of_detect_if_none_is_named(
    run: Any, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hiprobe-out").symlink_to(finished.out)
    assert run("export", "-f", "csv", "-o", "events.csv").code == 0
    assert Path("events.csv").read_text() != ""


# -- clips


def test_clips_are_called_after_their_event(run: Any, finished: Finished, tmp_path: Path) -> None:
    to = tmp_path / "clips"
    ran = run("clips", finished.out, "-o", to, "--exact", "--json", "--videos", finished.cams)
    assert ran.code == 0
    stem = ODD.removesuffix(".mp4")
    assert [Path(one["file"]).relative_to(to).as_posix() for one in ran.objects] == [
        f"{stem}_0.5-1.6.mp4", f"{stem}_8.0-9.0.mp4",
    ]  # fmt: skip
    assert [(one["start"], one["end"]) for one in ran.objects] == [(0.45, 1.6), (8.0, END)]
    assert video.frame_times(ran.objects[0]["file"]).tolist() == pytest.approx(
        [0, *(at - 0.45 for at in TIMES if 0.45 < at < 1.6 - 1e-9)]
    )
    assert (
        "--overwrite" in run("clips", finished.out, "-o", to, "--videos", finished.cams).errors[0]
    )
    around = run(
        "clips", finished.out, "-o", tmp_path / "a", "--exact", "--json", "--around", "1",
        "--show-demoted", "--videos", finished.cams,
    )  # fmt: skip
    assert [(one["start"], one["end"]) for one in around.objects] == [
        (0, 2.6),
        (2.2, 5.75),
        (7, END),
    ]


def test_a_video_that_is_lost_does_not_stop_the_others(
    run: Any, finished: Finished, tmp_path: Path
) -> None:
    ran = run("clips", finished.out, "-o", tmp_path / "clips")
    assert ran.code == 3
    assert len([one for one in ran.errors if "is not where it was" in one]) == len(EVENTS) - 1
    wrong = run("clips", finished.out, "-o", finished.out / "clips")
    assert "the target is among the results" in wrong.errors[0]
    assert "--around must be 0 to 3600" in run("clips", finished.out, "--around", "-1").errors[0]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of numbered frames with a keyframe every 1.2 s, B-frames, and a little sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    options = {"sc_threshold": "0"}
    return write(path, steady(60, 10), rate=10, sound_at=0.0, options=options)


def shown(path: Path) -> list[int]:
    times = video.frame_times(path)
    windows = [(at + 1e-3, at + 2e-3) for at in times]
    return [
        number(one.frames[0])
        for one in sorted(video.spans(path, windows, 1), key=lambda s: s.index)
    ]


def test_an_exact_clip_has_the_frames_of_its_span(film: Path, tmp_path: Path) -> None:
    for start, end, frames in (
        (2.0, 3.0, range(20, 30)),
        (2.05, 2.35, range(20, 24)),
        (5.5, 9.0, range(55, 60)),
    ):
        span = video.cut_clip(film, start, end, tmp_path / "clip.mp4", exact=True)
        assert span == (start, min(end, 6.0))
        assert shown(tmp_path / "clip.mp4") == list(frames)
        assert video.frame_times(tmp_path / "clip.mp4")[0] == 0


def test_a_copied_clip_begins_at_a_keyframe_and_has_no_hole(film: Path, tmp_path: Path) -> None:
    with av.open(str(film)) as file:
        keys = [
            round(float(p.pts * p.time_base) * 10) for p in file.demux(video=0) if p.is_keyframe
        ]
    assert len(keys) >= 5
    for start, end in ((0.0, 0.3), (2.0, 3.0), (keys[2] / 10, keys[3] / 10), (5.6, 6.0)):
        clip = tmp_path / "clip.mp4"
        span = video.cut_clip(film, start, end, clip, exact=False)
        first = max(key for key in keys if key <= start * 10 + 1e-6)
        found = shown(clip)
        assert found == list(range(first, first + len(found)))
        assert end * 10 <= first + len(found) + 1e-6 <= end * 10 + 5
        assert span == pytest.approx((first / 10, (first + len(found)) / 10))


def test_sound_is_copied_with_the_pictures(film: Path, tmp_path: Path) -> None:
    video.cut_clip(film, 0.0, 1.0, tmp_path / "clip.mp4", exact=False)
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        assert [stream.type for stream in clip.streams] == ["video", "audio"]
        ends = [float(p.pts * p.time_base) for p in clip.demux(audio=0) if p.size]
    assert 0.9 < max(ends) < 1.0
    video.cut_clip(film, 0.0, 1.0, tmp_path / "exact.mp4", exact=True)
    with av.open(str(tmp_path / "exact.mp4")) as clip:
        assert [stream.type for stream in clip.streams] == ["video"]


def test_what_cannot_be_copied_says_how_it_can_be_cut(tmp_path: Path) -> None:
    for name, codec, words in (
        ("a.avi", "mpeg4", "its packets have no times, so it cannot be copied"),
        ("a.webm", "libvpx", "MP4 cannot hold its codec vp8"),
    ):
        made = write(tmp_path / name, steady(10, 10), rate=10, codec=codec, options={"bf": "0"})
        with pytest.raises(UsageError, match=rf"{name}: {words}; encode it again \(--exact\)"):
            video.cut_clip(made, 0.0, 0.5, tmp_path / "clip.mp4", exact=False)
        video.cut_clip(made, 0.0, 0.5, tmp_path / "clip.mp4", exact=True)
        assert len(video.frame_times(tmp_path / "clip.mp4")) == 5
    with pytest.raises(UsageError, match="a span needs"):
        video.cut_clip(made, 1.0, 0.5, tmp_path / "clip.mp4", exact=True)
    with pytest.raises(CorruptVideo, match="no frame in the span"):
        video.cut_clip(made, 5.0, 6.0, tmp_path / "none.mp4", exact=True)
    assert not (tmp_path / "none.mp4").exists()


def test_a_folder_of_pictures_is_cut_exactly(tmp_path: Path) -> None:
    from PIL import Image

    for index in range(20):
        Image.fromarray(numbered(index)).save(tmp_path / f"{index:02d}.png")
    video.cut_clip(f"{tmp_path}@10fps", 0.5, 1.0, tmp_path / "clip" / "a.mp4", exact=True)
    assert shown(tmp_path / "clip" / "a.mp4") == [5, 6, 7, 8, 9]
