"""Frames are placed where a player shows them, and losses are recorded.

Hostile files are refused.
"""

from __future__ import annotations

import http.server
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests.support.numbered_videos import (
    check_all,
    noisy,
    numbers,
    packet_places,
    png,
    recipe,
    silence,
    steady,
    truth,
    write,
)

from hiprobe import video
from hiprobe.errors import (
    CorruptVideo,
    EmptyVideo,
    MissingVideo,
    NoVideoStream,
    UnsupportedVideo,
    VideoError,
)
from hiprobe.video.container import PIXEL_CAP


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_stored_start_time_is_subtracted(tmp_path: Path, suffix: str) -> None:
    times = steady(60, 20)
    path = write(tmp_path / f"a{suffix}", [time + 5.0 for time in times], rate=20)
    reader = video.segments(path, recipe())
    check_all(list(reader), times, 3.0, 16)
    assert not video.info(path).playable  # a browser would show it from 5 s on


def test_a_picture_that_starts_after_the_sound_keeps_its_delay(tmp_path: Path) -> None:
    times = [1.0 + time for time in steady(40, 20)]
    path = write(tmp_path / "a.mp4", times, rate=20, sound_at=0.0)
    check_all(list(video.segments(path, recipe())), times, 3.0, 16)
    assert video.info(path).playable


@pytest.mark.parametrize(
    ("codec", "bframes"), [("rawvideo", "0"), ("mpeg4", "0"), ("libx264", "2")]
)
def test_frames_of_an_avi_are_counted_at_its_rate(tmp_path: Path, codec: str, bframes: str) -> None:
    times = steady(50, 25)
    path = write(tmp_path / "a.avi", times, codec=codec, rate=25, options={"bf": bframes})
    check_all(list(video.segments(path, recipe())), times, 2.0, 16)


def test_a_stream_without_any_times_is_counted_at_its_rate(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.h264", steady(60, 25), rate=25, options={"x264-params": "force-cfr=1"}
    )
    check_all(list(video.segments(path, recipe())), steady(60, 25), 2.4, 16)


def test_a_jump_of_hours_is_one_gap(tmp_path: Path) -> None:
    times = [*steady(20, 20), *(7200.0 + time for time in steady(20, 20))]
    reader = video.segments(write(tmp_path / "a.mkv", times), recipe())
    segments = list(reader)
    assert len(segments) == 39
    assert numbers(segments[0])[:3] == truth(times, 0.0, 1.6, 16)[:3]
    assert numbers(segments[-1])[-1] == 39
    (gap,) = reader.gaps  # of whole windows: the first picture counts for 60 s
    assert (gap.start, gap.end) == pytest.approx((60.8, 7200.0), abs=0.1)


@pytest.mark.parametrize("wild_s", [30.0, -2.0])
def test_one_wrong_timestamp_moves_no_other_frame(tmp_path: Path, wild_s: float) -> None:
    path = write(tmp_path / "a.mkv", steady(100, 20), rate=20, options={"bf": "0", "g": "100"})
    place = packet_places(path)[50][1]
    data = bytearray(path.read_bytes())
    stamp = data.index(struct.pack(">h", 2500), place, place + 16)  # ms since the cluster's start
    data[stamp : stamp + 2] = struct.pack(">h", 2500 + round(wild_s * 1000))
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    for segment in reader:
        wanted = truth(steady(100, 20), segment.start, segment.end, 16)
        assert numbers(segment) == [49 if index == 50 else index for index in wanted]
    assert reader.duration == pytest.approx(5.0, abs=0.01)
    assert reader.frame_count == 99


def test_time_runs_on_after_the_clock_was_set_back(tmp_path: Path) -> None:
    first = write(tmp_path / "one.ts", steady(100, 20), rate=20, options={"bf": "0"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() * 2)
    reader = video.segments(joined, recipe())
    shown = [number for segment in reader for number in numbers(segment)]
    assert reader.duration == pytest.approx(10.0, abs=0.2)
    assert {*range(2, 98)} >= {*shown} - {0, 1, 98, 99}
    assert sum(later < earlier for earlier, later in pairwise(shown)) == 1


def test_frames_discarded_by_an_edit_list_are_not_shown(shared_data: Path) -> None:
    times = video.frame_times(shared_data / "videos/stress/tc_discard_first_keyframe.mp4")
    assert times == pytest.approx(np.arange(25) / 25)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_in_the_middle_is_a_gap_and_the_rest_is_read(tmp_path: Path, suffix: str) -> None:
    times = steady(300, 30)
    path = write(tmp_path / f"a{suffix}", times, pictures=noisy, options={"qp": "25"})
    whole = list(video.segments(path, recipe()))
    data = bytearray(path.read_bytes())
    places = packet_places(path)
    first = min(place for time, place, _ in places if time - places[0][0] >= 3.0)
    last = max(place for time, place, _ in places if time - places[0][0] < 6.0)
    data[first:last] = np.random.default_rng(1).bytes(last - first)
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    segments = list(reader)
    (gap,) = reader.gaps
    assert 2.8 <= gap.start <= 3.6
    assert 5.5 <= gap.end <= 6.9
    assert {round(s.start / 1.6) for s in segments} == {0, 1, 2, 3, 4, 5, 6} - {
        slot for slot in range(7) if gap.start <= slot * 1.6 and (slot + 1) * 1.6 <= gap.end
    }
    assert reader.duration == pytest.approx(10.0, abs=0.05)
    for segment in segments:
        if segment.end <= 2.8 or segment.start >= 7.0:
            assert numbers(segment) == numbers(whole[round(segment.start / 1.6)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_truncated_file_is_read_to_its_end_and_the_rest_is_a_gap(
    tmp_path: Path, suffix: str
) -> None:
    times = steady(300, 30)
    path = write(
        tmp_path / f"a{suffix}",
        times,
        muxer={"movflags": "faststart"} if suffix == ".mp4" else {},
        options={"bf": "0"} if suffix == ".avi" else None,
    )
    cut = next(place + size // 2 for time, place, size in packet_places(path) if time >= 5.0)
    path.write_bytes(path.read_bytes()[:cut])
    reader = video.segments(path, recipe())
    segments = list(reader)
    (gap,) = reader.gaps
    assert reader.duration == gap.start == segments[-1].end == pytest.approx(5.0, abs=0.15)
    assert gap.end == pytest.approx(10.0, abs=0.05)
    for segment in segments[:-1]:
        assert numbers(segment) == truth(times, segment.start, segment.end, 16)


def test_one_lost_frame_is_counted_but_makes_no_gap(shared_data: Path) -> None:
    reader = video.segments(shared_data / "videos/stress/decord_corrupted.mp4", recipe())
    assert (len(list(reader)), reader.frame_count, reader.skipped, reader.gaps) == (4, 49, 1, ())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_wrong_stated_duration_makes_no_windows(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", steady(25, 25), rate=25)
    data = bytearray(path.read_bytes())
    if suffix == ".mkv":
        place = data.index(b"\x44\x89\x88") + 3
        data[place : place + 8] = struct.pack(">d", 3.6e9)  # Duration, in ms
        tag = data.index(b"00:00:01.000000000")
        data[tag : tag + 18] = b"1000:00:01.0000000"
    else:
        for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
            place = data.index(box) + offset
            data[place : place + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    reader = video.segments(path, recipe())
    assert len(list(reader)) == 1
    assert (reader.frame_count, reader.duration) == (25, pytest.approx(1.0, abs=0.01))
    assert reader.gaps == ()
    assert (video.info(path).duration or 0.0) < 200 * 3600


def sound(path: Path) -> None:
    with av.open(str(path), "w") as output:
        for packet in silence(output, 0.0):
            output.mux(packet)


def song_with_a_cover(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        cover = output.add_stream("png", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "gray"
        cover.disposition = av.stream.Disposition.attached_pic
        packets = silence(output, 0.0)
        picture = av.Packet(png(16, 16))
        picture.pts, picture.stream, picture.time_base, picture.is_keyframe = (
            0,
            cover,
            Fraction(1, 1),
            True,
        )
        for packet in [picture, *packets]:
            output.mux(packet)


def no_moov(path: Path) -> None:
    write(path, steady(10, 10))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def encrypted(path: Path) -> None:
    write(
        path,
        steady(10, 10),
        muxer={
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": "5" * 32,
            "encryption_kid": "7" * 32,
        },
    )


BROKEN: dict[str, tuple[Callable[[Path], object], type[VideoError]]] = {
    "missing": (lambda path: None, MissingVideo),
    "an empty folder": (lambda path: path.mkdir(), EmptyVideo),
    "empty": (lambda path: path.write_bytes(b""), EmptyVideo),
    "random": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000)),
        CorruptVideo,
    ),
    "text": (lambda path: path.write_text("not a video\n" * 1000), VideoError),
    "no moov": (no_moov, CorruptVideo),
    "sound": (sound, NoVideoStream),
    "sound with a cover picture": (song_with_a_cover, NoVideoStream),
    "encrypted": (encrypted, UnsupportedVideo),
    "picture": (lambda path: path.write_bytes(png(16, 16)), UnsupportedVideo),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_unreadable_file_gives_a_named_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "clip.mp4"
    make, error = BROKEN[kind]
    make(path)
    for read in (
        lambda: list(video.segments(path, recipe())),
        lambda: video.info(path),
        lambda: video.frame_times(path),
        lambda: video.span(path, 0.0, 1.0, 4),
        lambda: video.browser_copy(path, tmp_path / "out.mp4"),
    ):
        with pytest.raises(error) as caught:
            read()
        assert "clip.mp4" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [left.name for left in tmp_path.iterdir() if left != path] == []


PEAK = """
import resource, sys
from hiprobe.video import frames
from hiprobe.errors import UnsupportedVideo
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(frames.FrameReader(sys.argv[1]))
except UnsupportedVideo as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_huge_picture_in_a_small_file_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("png", rate=1)
        stream.width = stream.height = 16_000
        stream.pix_fmt = "gray"
        packet = av.Packet(png(16_000, 16_000))
        packet.pts = packet.dts = 0
        packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1), True
        output.mux(packet)
    assert path.stat().st_size < 2_000_000
    assert PIXEL_CAP < 16_000 * 16_000
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    reason, grown = done.stdout.splitlines()
    assert "16000 x 16000" in reason
    assert int(grown) < 100  # MiB; the picture alone is 244


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server on loopback: its address, and the requests that reached it."""
    seen: list[str] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    httpd = http.server.HTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", seen
    httpd.shutdown()
    thread.join()
    httpd.server_close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "hls to a file": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{file}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "concat to a file": "ffconcat version 1.0\nfile '{file}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" width="64" height="64">'
    "<BaseURL>{url}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".mpd"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_named_as_a_video_opens_no_address(
    tmp_path: Path, server: tuple[str, list[str]], kind: str, suffix: str
) -> None:
    url, seen = server
    inside = write(tmp_path / "inside.ts", steady(20, 10), rate=10)
    path = tmp_path / f"clip{suffix}"
    path.write_text(PLAYLISTS[kind].format(url=url, file=inside))
    with pytest.raises((UnsupportedVideo, CorruptVideo)):
        list(video.segments(path, recipe()))
    assert seen == []


def test_ffmpeg_itself_would_open_the_address(
    tmp_path: Path, server: tuple[str, list[str]]
) -> None:
    """Shows that the test above can fail."""
    url, seen = server
    path = tmp_path / "clip.m3u8"
    path.write_text(PLAYLISTS["hls"].format(url=url))
    with pytest.raises(av.error.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "file,http,tcp"})
    assert seen


def test_ffmpeg_writes_nothing_on_the_terminal(shared_data: Path) -> None:
    path = shared_data / "videos/stress/mp4parse_no_timescale.mp4"
    code = "import sys; from hiprobe import video; video.frame_times(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True)
    assert done.stdout + done.stderr == b""


def test_reading_twice_gives_the_same_bytes(shared_data: Path) -> None:
    path = shared_data / "videos/stress/mp4parse_no_timescale.mp4"
    first, second = ([s.frames.tobytes() for s in video.segments(path, recipe())] for _ in range(2))
    assert first == second


def test_frame_times_agree_with_a_plain_loop(shared_data: Path) -> None:
    path = shared_data / "videos/real/mmaction2_demo.mp4"
    with av.open(str(path)) as container:
        plain = [frame.time for frame in container.decode(video=0)]
    assert video.frame_times(path) == pytest.approx(plain, abs=1e-12)
