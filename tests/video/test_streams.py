"""Of several video streams, the one that a player shows is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from tests.support.numbered_videos import check_all, recipe, steady, write

from hiprobe import video
from hiprobe.errors import NoVideoStream

RATE, COUNT = 20, 60
TIMES = steady(COUNT, RATE)


def film(path: Path) -> Path:
    return write(path, TIMES, rate=RATE, options={"bf": "0"})


def thumbnail(path: Path, size: int = 320) -> Path:
    """A film of one grey frame, with more pixels than the numbered ones."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuvj420p"
        grey = av.VideoFrame.from_ndarray(np.full((size, size, 3), 128, np.uint8), format="rgb24")
        for packet in [*stream.encode(grey), *stream.encode(None)]:
            output.mux(packet)
    return path


def joined(out: Path, parts: Sequence[Path], dispositions: Sequence[Disposition] = ()) -> Path:
    """The video streams of `parts` in one file, as `ffmpeg -map 0:v -map 1:v -c copy` writes them."""
    with av.open(str(out), "w") as output:
        packets = []
        for place, part in enumerate(parts):
            source = av.open(str(part))
            stream = output.add_stream_from_template(source.streams.video[0])
            if dispositions:
                stream.disposition = dispositions[place]
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    packets.append((float(packet.dts * packet.time_base), place, packet))
        for *_, packet in sorted(packets, key=lambda one: one[:2]):
            output.mux(packet)
    return out


def check_film(path: Path) -> None:
    """Check that segments, times, gaps and duration are those of `film`."""
    # FFmpeg's reader of WMV never gives the last packet of an H.264 stream.
    times = TIMES[:-1] if path.suffix == ".wmv" else TIMES
    reader = video.segments(path, recipe())
    check_all(list(reader), times, len(times) / RATE, 16)
    assert (reader.gaps, reader.frame_count) == ((), len(times))
    assert reader.duration == pytest.approx(len(times) / RATE, abs=1e-3)
    assert video.frame_times(path) == pytest.approx(times, abs=1e-3)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".wmv", ".mov"])
@pytest.mark.parametrize("first", [True, False])
def test_a_thumbnail_beside_the_video_is_not_read(tmp_path: Path, suffix: str, first: bool) -> None:
    parts = [thumbnail(tmp_path / "thumb.mkv"), film(tmp_path / "film.mp4")]
    path = joined(tmp_path / f"two{suffix}", parts if first else parts[::-1])
    check_film(path)
    assert video.info(path).width == 64
    assert video.info(path).playable == (suffix in (".mkv", ".mp4", ".mov") and not first), (
        "a browser shows the first stream"
    )


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_thumbnail_that_is_flagged_as_default_is_not_read(tmp_path: Path, suffix: str) -> None:
    parts = [thumbnail(tmp_path / "thumb.mkv"), film(tmp_path / "film.mp4")]
    check_film(joined(tmp_path / f"a{suffix}", parts, [Disposition.default, Disposition(0)]))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_cover_is_not_read_even_if_it_is_alone(tmp_path: Path, suffix: str) -> None:
    cover, main = thumbnail(tmp_path / "thumb.mkv"), film(tmp_path / "film.mp4")
    flags = [Disposition.attached_pic, Disposition.default]
    check_film(joined(tmp_path / f"a{suffix}", [cover, main], flags))
    if suffix == ".mp4":  # Matroska keeps it as an attachment only beside a track
        alone = joined(tmp_path / "alone.mp4", [cover], flags[:1])
        with pytest.raises(NoVideoStream):
            list(video.segments(alone, recipe()))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_default_flag_chooses_between_moving_streams(tmp_path: Path, place: int) -> None:
    other = write(tmp_path / "other.mp4", steady(100, 25), rate=25, options={"bf": "0"})
    parts = [other, other, other]
    parts[place] = film(tmp_path / "film.mp4")
    flags = [Disposition(0)] * 3
    flags[place] = Disposition.default
    check_film(joined(tmp_path / "a.mkv", parts, flags))


def test_a_still_is_read_if_the_file_has_nothing_else(tmp_path: Path) -> None:
    one = thumbnail(tmp_path / "one.mkv")
    assert len(list(video.segments(one, recipe()))) == 1
    assert len(list(video.segments(joined(tmp_path / "two.mkv", [one, one]), recipe()))) == 1


def test_a_span_and_a_copy_come_from_the_same_stream(tmp_path: Path) -> None:
    parts = [thumbnail(tmp_path / "thumb.mkv"), film(tmp_path / "film.mp4")]
    path = joined(tmp_path / "two.mkv", parts)
    assert video.span(path, 1.0, 2.0, 4).times == pytest.approx([1.1, 1.35, 1.6, 1.85])
    check_all(
        list(video.segments(video.browser_copy(path, tmp_path / "copy.mp4"), recipe())),
        TIMES,
        COUNT / RATE,
        16,
    )
