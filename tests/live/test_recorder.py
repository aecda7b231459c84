"""Clips hold the camera's own pictures from before an alert to after it; retention; and faults."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.conftest import full_disk
from tests.support.numbered_videos import noisy, number, numbered, recipe, steady, write
from tests.support.rtsp_camera import B_FRAMES, RtspCamera, caps, need_rtsp

from hiprobe import video
from hiprobe.errors import StoreError
from hiprobe.live.cameras import Camera, ClipSettings
from hiprobe.live.footage import ChunkWriter
from hiprobe.live.footage_ring import FootageRing
from hiprobe.live.live_items import Footage, LiveSegment
from hiprobe.live.recorder import SPOOLS, MadeClip, Recorder
from hiprobe.live.retention import KeptClip, to_delete
from hiprobe.live.source import Source
from hiprobe.live.spool import Spool, read_spool

SHORT = ClipSettings(before_s=1.0, after_s=1.0)
FPS = 25


def footage_of(path: Path, camera: str = "yard") -> list[Footage]:
    """The footage of a file, as its source gives it."""
    pieces: list[Footage] = []
    source = Source(Camera(camera, str(path), speed=1000.0), recipe(frames=1), record=pieces.append)
    with source:
        list(source)
    return pieces


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[Footage]:
    """Twelve seconds of numbered pictures with B-frames, a keyframe every 12 pictures."""
    path = tmp_path_factory.mktemp("footage") / "a.mp4"
    return footage_of(write(path, steady(12 * FPS, FPS), rate=FPS))


class Made:
    """What a recorder has made."""

    def __init__(self) -> None:
        self.clips: list[MadeClip] = []

    def __call__(self, clip: MadeClip) -> None:
        self.clips.append(clip)

    def wait(self, count: int = 1, timeout_s: float = 30.0) -> list[MadeClip]:
        end = time.monotonic() + timeout_s
        while len(self.clips) < count and time.monotonic() < end:
            time.sleep(0.02)
        assert len(self.clips) >= count
        return self.clips


@pytest.fixture
def made() -> Made:
    return Made()


def shown(path: Path) -> list[int]:
    """The numbers of the pictures of a clip."""
    with av.open(str(path)) as container:
        return [number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def keep_all(recorder: Recorder, pieces: list[Footage]) -> None:
    for piece in pieces:
        recorder.keep(piece)


def test_a_clip_is_the_camera_s_own_packets_from_before_to_after(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    with Recorder(tmp_path, SHORT, made) as recorder:
        keep_all(recorder, pieces[:5])
        recorder.begin("a1", "yard", 4.0)
        keep_all(recorder, pieces[5:])
        recorder.finish("a1", 6.0)
        (clip,) = made.wait()
    assert clip == MadeClip("a1", "yard", clip="clips/yard/a1.mp4")
    path = tmp_path / "clips/yard/a1.mp4"
    found = shown(path)
    assert found == list(range(found[0], found[-1] + 1))  # each picture, in order
    assert 2.0 * FPS <= found[0] <= 3.0 * FPS  # from a keyframe before 3 s
    assert 7.0 * FPS - 1 <= found[-1] <= 8.1 * FPS
    facts = video.info(path)
    assert (facts.codec, facts.playable, facts.fps) == ("h264", True, 25.0)
    times = video.frame_times(path)
    np.testing.assert_allclose(np.diff(times), 1 / FPS, atol=1e-6)
    assert not list((tmp_path / SPOOLS).iterdir())


def test_two_cameras_and_two_alerts_at_once(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    other = [Footage("gate", one.start, one.end, one.wall, one.key, one.data) for one in pieces]
    with Recorder(tmp_path, SHORT, made) as recorder:
        recorder.begin("a1", "yard", 2.0)
        recorder.begin("a2", "yard", 3.0)
        recorder.begin("b1", "gate", 5.0)
        for one, two in zip(pieces, other, strict=True):
            keep_all(recorder, [one, two])
        for alert, end in (("a1", 3.0), ("a2", 8.0), ("b1", 6.0)):
            recorder.finish(alert, end)
        made.wait(3)
        assert recorder.counts.clips == 3
    lengths = {one.alert: len(shown(tmp_path / str(one.clip))) / FPS for one in made.clips}
    assert lengths["a1"] < lengths["a2"]
    assert lengths["b1"] < lengths["a2"]
    assert {one.camera for one in made.clips} == {"yard", "gate"}


def test_a_clip_waits_for_the_seconds_after_and_not_for_ever(
    tmp_path: Path, pieces: list[Footage], made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.live.recorder.PATIENCE_S", 0.5)
    with Recorder(tmp_path, SHORT, made) as recorder:
        recorder.begin("a1", "yard", 2.0)
        keep_all(recorder, pieces[:4])
        recorder.finish("a1", pieces[3].end)
        time.sleep(0.3)
        assert not made.clips
        made.wait()  # the camera has died
    assert shown(tmp_path / "clips/yard/a1.mp4")[-1] >= pieces[3].end * FPS - 3


def test_snapshots_are_the_picture_of_that_time(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    with Recorder(tmp_path, SHORT, made) as recorder:
        keep_all(recorder, pieces)
        for at, wanted in ((0.0, 0), (3.3, 82), (7.0, 175), (7.041, 176)):
            made.clips.clear()
            recorder.snapshot("a1", "yard", at)
            (picture,) = made.wait()
            assert picture == MadeClip("a1", "yard", snapshot="clips/yard/a1.jpg")
            pixels = np.asarray(Image.open(tmp_path / str(picture.snapshot)))
            assert number(pixels) == wanted


def test_a_snapshot_waits_for_its_footage_and_has_a_substitute(
    tmp_path: Path, pieces: list[Footage], made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path, SHORT, made) as recorder:
        recorder.snapshot("a1", "yard", 3.3, numbered(999))
        keep_all(recorder, pieces[:2])
        time.sleep(0.6)
        assert not made.clips
        keep_all(recorder, pieces[2:])
        made.wait()
        assert number(np.asarray(Image.open(tmp_path / "clips/yard/a1.jpg"))) == 82
        monkeypatch.setattr("hiprobe.live.recorder.PATIENCE_S", 0.1)
        recorder.snapshot("a2", "yard", 500.0, numbered(999))
        recorder.snapshot("a3", "yard", 500.0)
        made.wait(3)
    assert number(np.asarray(Image.open(tmp_path / "clips/yard/a2.jpg"))) == 999
    assert "there is no footage of that time" in str(made.clips[2].error)


def test_a_clip_over_a_lost_connection_keeps_the_time_between(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    late = [Footage(o.camera, o.start + 20, o.end + 20, o.wall, o.key, o.data) for o in pieces[:3]]
    with Recorder(tmp_path, SHORT, made) as recorder:
        recorder.begin("a1", "yard", 1.0)
        keep_all(recorder, pieces[:4] + late)
        recorder.finish("a1", late[-1].end - 1.0)
        made.wait()
    times = video.frame_times(tmp_path / "clips/yard/a1.mp4")
    assert (np.diff(times) > 1.0).sum() == 1
    assert np.diff(times).max() == pytest.approx(20 - pieces[3].end + 1 / FPS, abs=0.1)


def test_a_watcher_that_was_killed_makes_its_clips_at_the_next_start(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    spool = Spool(tmp_path / SPOOLS / "a1", "a1", "yard")
    for piece in pieces[:6]:
        spool.add(piece)
    spool.close()
    data = spool.path.read_bytes()
    spool.path.write_bytes(data[: len(data) - 50])  # the last piece is cut off
    (tmp_path / SPOOLS / "x.picture").write_bytes(b"scratch")
    (tmp_path / "clips/yard").mkdir()
    (tmp_path / "clips/yard/.a9.mp4.0123").write_bytes(b"half")
    with Recorder(tmp_path, SHORT, made):
        (clip,) = made.wait()
    assert clip.clip == "clips/yard/a1.mp4"
    assert shown(tmp_path / "clips/yard/a1.mp4")[-1] == pytest.approx(pieces[4].end * FPS, abs=3)
    assert [path.name for path in (tmp_path / "clips/yard").iterdir()] == ["a1.mp4"]
    assert not list((tmp_path / SPOOLS).iterdir())


KILLED = """
import sys
from pathlib import Path
from tests.live.test_recorder import SHORT, footage_of, keep_all
from hiprobe.live.recorder import Recorder
pieces = footage_of(Path(sys.argv[1]))
recorder = Recorder(Path(sys.argv[2]), SHORT, print)
recorder.begin("a1", "yard", 1.0)
keep_all(recorder, pieces)
import time
time.sleep(1.0)
print("kept", flush=True)
time.sleep(60)
"""


def test_a_real_kill(tmp_path: Path, made: Made) -> None:
    path = write(tmp_path / "a.mp4", steady(100, FPS), rate=FPS)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        process.kill()
    with Recorder(tmp_path, SHORT, made):
        made.wait()
    assert len(shown(tmp_path / "clips/yard/a1.mp4")) == 100


def test_closing_makes_the_clips_that_are_open(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    recorder = Recorder(tmp_path, SHORT, made)
    recorder.begin("a1", "yard", 2.0)
    keep_all(recorder, pieces[:6])
    begun = time.monotonic()
    recorder.close(20.0)
    assert time.monotonic() - begun < 20.0
    assert [clip.clip for clip in made.clips] == ["clips/yard/a1.mp4"]


def test_a_full_disk_is_reported_and_the_recorder_goes_on(tmp_path: Path, made: Made) -> None:
    path = write(tmp_path / "a.mp4", steady(12 * FPS, FPS), rate=FPS, pictures=noisy)
    pieces = footage_of(path)
    with Recorder(tmp_path, SHORT, made) as recorder:
        recorder.begin("a0", "yard", 2.0)
        keep_all(recorder, pieces)
        recorder.finish("a0", 4.0)
        made.wait()  # the process that makes clips has begun, without the limit
        with full_disk(20_000):
            recorder.begin("a1", "yard", 2.0)
            recorder.finish("a1", 6.0)
            first = made.wait(2)[1]
            time.sleep(0.5)
        assert "cannot write: File too large" in str(first.error)
        assert "\n" not in str(first.error)
        recorder.begin("a2", "yard", 8.0)
        recorder.finish("a2", 9.0)
        end = time.monotonic() + 20
        while not any(one.clip == "clips/yard/a2.mp4" for one in made.clips):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_spool_is_closed_on_a_full_disk_too(tmp_path: Path, pieces: list[Footage]) -> None:
    """What is too small to be written at once waits in memory until the file is closed."""
    spool = Spool(tmp_path / "a1", "a1", "yard")
    small = replace(pieces[0], data=pieces[0].data[:100])
    with full_disk((tmp_path / "a1").stat().st_size):
        with pytest.raises(StoreError):
            spool.add(small)
        spool.close()
    assert read_spool(tmp_path / "a1")[2] == []


def test_deleting_an_alert_deletes_its_clip_and_snapshot(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    with Recorder(tmp_path, SHORT, made) as recorder:
        keep_all(recorder, pieces)
        recorder.begin("a1", "yard", 5.0)
        recorder.finish("a1", 6.0)
        recorder.snapshot("a1", "yard", 5.5)
        recorder.begin("a2", "yard", 5.0)
        recorder.delete("a2", "yard")
        made.wait(2)
        recorder.delete("a1", "yard")
    assert not [path for path in (tmp_path / "clips").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".a", "a" * 65, "a\n"])
def test_names_cannot_lead_out_of_the_folder(tmp_path: Path, made: Made, name: str) -> None:
    with Recorder(tmp_path, SHORT, made) as recorder:
        for call in (
            lambda: recorder.begin(name, "yard", 0.0),
            lambda: recorder.begin("a1", f"../{name}", 0.0),
            lambda: recorder.snapshot(name, "yard", 0.0),
            lambda: recorder.delete(name, "yard"),
        ):
            with pytest.raises(ValueError, match="not the name of"):
                call()


def test_a_linked_folder_is_not_written_through(
    tmp_path: Path, pieces: list[Footage], made: Made
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "state/clips").mkdir(parents=True)
    (tmp_path / "state/clips/yard").symlink_to(tmp_path / "other")
    with Recorder(tmp_path / "state", SHORT, made) as recorder:
        recorder.begin("a1", "yard", 2.0)
        keep_all(recorder, pieces)
        recorder.finish("a1", 3.0)
        (clip,) = made.wait()
    assert "is a link" in str(clip.error)
    assert not list((tmp_path / "other").iterdir())


# -- retention

kept_clips = st.lists(
    st.builds(
        KeptClip,
        st.uuids().map(lambda one: f"yard/{one.hex}"),
        st.integers(0, 10**9),
        st.floats(0, 40 * 86_400.0),
        st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=20,
)


@given(kept_clips, st.floats(0.001, 10.0))
@settings(max_examples=100)
def test_what_is_deleted_is_old_or_too_much_and_nothing_unreviewed_goes_first(
    kept: list[KeptClip], gb: float
) -> None:
    limits, now = ClipSettings(keep_gb=gb), 40 * 86_400.0
    gone = to_delete(kept, limits, now)
    rest = [one for one in kept if one not in gone]
    assert sum(one.size for one in rest) <= gb * 1e9
    for one in rest:
        assert now - one.saved <= most_s(one, limits)
    excess = [one for one in gone if now - one.saved <= most_s(one, limits)]
    if any(not one.reviewed for one in excess):
        assert not any(one.reviewed for one in rest)
    for kind in (True, False):  # of one kind the oldest go first
        ages = [one.saved for one in excess if one.reviewed is kind]
        left = [one.saved for one in rest if one.reviewed is kind]
        assert not ages or not left or max(ages) <= min(left)
    if excess:  # no more than needed
        assert sum(one.size for one in (*rest, excess[-1])) > gb * 1e9


def most_s(one: KeptClip, limits: ClipSettings) -> float:
    """For how long a clip may be kept, in seconds."""
    return 86_400.0 * (limits.keep_days if one.reviewed else limits.keep_unreviewed_days)


def test_old_files_are_deleted_reviewed_ones_first(tmp_path: Path, made: Made) -> None:
    folder, day = tmp_path / "clips/yard", 86_400.0
    folder.mkdir(parents=True)
    for name, days in (("new", 1), ("seen", 20), ("unseen", 20), ("ancient", 40)):
        for suffix in (".mp4", ".jpg"):
            (folder / f"{name}{suffix}").write_bytes(b"x" * 100)
            os.utime(folder / f"{name}{suffix}", (time.time() - days * day,) * 2)
    with Recorder(
        tmp_path, ClipSettings(), made, reviewed=lambda alert: alert == "seen"
    ) as recorder:
        end = time.monotonic() + 10
        while recorder.counts.deleted < 4 and time.monotonic() < end:
            time.sleep(0.02)
    assert {path.name for path in folder.iterdir()} == {
        "new.mp4",
        "new.jpg",
        "unseen.mp4",
        "unseen.jpg",
    }


# -- footage


def test_footage_that_comes_too_fast_is_dropped_and_counted(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hiprobe.live.recorder.PENDING_BYTES", 1000)
    with Recorder(tmp_path, SHORT, made) as recorder:
        for at in range(100):
            recorder.keep(Footage("yard", at, at + 1.0, 0.0, True, np.zeros(999, np.uint8)))
        assert recorder.counts.dropped > 0


def test_the_ring_is_bounded_by_seconds_and_by_bytes() -> None:
    ring = FootageRing(10.0, 5000)
    for at in range(1000):
        ring.add(Footage("yard", at, at + 1.0, 0.0, at % 3 == 0, np.zeros(100, np.uint8)))
    assert (len(ring.pieces), ring.size) == (10, 1000)
    for at in range(1000, 1100):
        ring.add(Footage("yard", at, at + 1.0, 0.0, True, np.zeros(1000, np.uint8)))
    assert ring.size <= 5000


def test_chunks_hold_every_packet_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", steady(250, FPS), rate=FPS)
    writer, sizes = ChunkWriter(), []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                sizes.append(packet.size)
                writer.add(packet, Fraction(packet.time_base))
        chunks = writer.take(rest=True)
    assert writer.refused == 0
    assert all(chunk.key for chunk in chunks)
    assert all(0.9 <= chunk.end - chunk.start <= 2.1 for chunk in chunks[:-1])
    found = []
    for chunk in chunks:
        with av.open(io.BytesIO(chunk.data), format="nut") as container:
            found += [packet.size for packet in container.demux(video=0) if packet.size]
    assert found == sizes


def test_a_spool_can_be_read_while_it_is_cut_anywhere(
    tmp_path: Path, pieces: list[Footage]
) -> None:
    spool = Spool(tmp_path / "a1", "a1", "yard")
    for piece in pieces[:3]:
        spool.add(piece)
    spool.close()
    data = spool.path.read_bytes()
    lengths = []
    for size in range(0, len(data) + 1, max(1, len(data) // 150)):
        spool.path.write_bytes(data[:size])
        try:
            lengths.append(len(read_spool(spool.path)[2]))
        except ValueError:
            lengths.append(-1)
    assert lengths == sorted(lengths)
    spool.path.write_bytes(data)
    assert read_spool(spool.path) == ("a1", "yard", spool.pieces)


# -- a real camera


@pytest.mark.parametrize("pipeline", ["changing", "b frames"])
def test_a_clip_and_a_snapshot_of_a_real_camera(tmp_path: Path, made: Made, pipeline: str) -> None:
    need_rtsp()
    media = None if pipeline == "changing" else {"/live": B_FRAMES}
    with (
        RtspCamera(media) as camera,
        Recorder(tmp_path, SHORT, made) as recorder,
        Source(Camera("yard", camera.url()), recipe(frames=4), record=recorder.keep) as source,
    ):
        segments = (item for item in source if isinstance(item, LiveSegment))
        next(segments)
        if pipeline == "changing":
            camera.set("size", "caps", caps(640, 360))
        recorder.begin("a1", "yard", 1.6)
        end = next(segments).segment.end
        recorder.snapshot("a1", "yard", 1.7)
        recorder.finish("a1", end)
        while len(made.clips) < 2:
            next(segments)
    assert not [one.error for one in made.clips if one.error]
    times = video.frame_times(tmp_path / "clips/yard/a1.mp4")
    assert len(times) > 60
    assert all(two - one < 2.5 for one, two in pairwise(times))
    assert np.asarray(Image.open(tmp_path / "clips/yard/a1.jpg")).shape in (
        (240, 320, 3),
        (360, 640, 3),
    )
