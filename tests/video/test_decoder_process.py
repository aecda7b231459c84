"""A decoder that dies, hangs or takes too much memory gives a named error.

The other videos are still read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from tests.support.numbered_videos import check_all, png, recipe, steady, write

from hiprobe import isolate, video
from hiprobe.errors import CorruptVideo, DecoderLost, MissingVideo
from hiprobe.isolate import Limits

SHORT = recipe(segment_s=0.4)


def decoders() -> set[int]:
    """The living decoder processes of this process."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                decodes = "hiprobe.video.calls" in (folder / "cmdline").read_text()
                if int(parent) == os.getpid() and state != "Z" and decodes:
                    found.add(int(folder.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No warm decoder before or after, so that `decoders` shows which one reads."""
    isolate.parent._end_all()
    yield
    isolate.parent._end_all()


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A video with more windows than the decoder may be ahead."""
    return write(tmp_path / "long.mp4", steady(600, 20), rate=20)


def check_readable(path: Path) -> None:
    check_all(list(video.segments(path, SHORT)), steady(600, 20), 30.0, 16, segment_s=0.4)


def test_a_decoder_killed_while_reading_gives_an_error_and_the_next_video_is_read(
    long: Path,
) -> None:
    reader = video.segments(long, SHORT)
    next(reader)
    (victim,) = decoders()
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(
        DecoderLost, match=r"long\.mp4: the decoder crashed: killed by SIGKILL"
    ) as caught:
        list(reader)
    assert "\n" not in str(caught.value)
    check_readable(long)
    assert victim not in decoders()


def test_a_decoder_that_hangs_is_killed(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patience:
        patience.setattr(video.decoder, "LIMITS", Limits(stall_s=1.0))
        reader = video.segments(long, SHORT)
        next(reader)
        (victim,) = decoders()
        os.kill(victim, signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(DecoderLost, match=r"long\.mp4: the decoder hung"):
            list(reader)
        assert time.monotonic() - begun < 5
        assert victim not in decoders()
    check_readable(long)


def test_a_picture_under_the_pixel_cap_that_needs_too_much_memory_gives_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: Path
) -> None:
    bomb = tmp_path / "bomb.mp4"
    with av.open(str(bomb), "w") as output:
        stream = output.add_stream("png", rate=1)
        stream.width = stream.height = 7_900
        stream.pix_fmt = "gray"
        packet = av.Packet(png(7_900, 7_900))
        packet.pts = packet.dts = 0
        packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1), True
        output.mux(packet)
    assert bomb.stat().st_size < 1_000_000
    monkeypatch.setattr(video.decoder, "LIMITS", Limits(memory=600 * 2**20))
    check_readable(long)
    with pytest.raises(
        DecoderLost, match=r"bomb\.mp4: the decoder needs more than 0\.586 GiB of memory"
    ):
        list(video.segments(bomb, recipe(frames=1, size=None)))
    check_readable(long)


def test_a_bug_in_the_decoder_fails_one_video_and_names_it(
    long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video.decoder, "DECODER", "tests.support.misbehaving_calls")
    with pytest.raises(
        DecoderLost, match=r"long\.mp4: the decoder failed: LookupError: a mistake of ours"
    ) as caught:
        video.info(long)
    assert "Traceback" in str(caught.value.__cause__)
    monkeypatch.undo()
    check_readable(long)


def test_a_pipe_or_device_gives_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        with pytest.raises(MissingVideo, match="not a regular file"):
            video.digest(path)


def test_one_decoder_reads_several_videos_and_survives_a_broken_one(
    long: Path, tmp_path: Path
) -> None:
    check_readable(long)
    before = decoders()
    assert len(before) == 1
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 5000)
    with pytest.raises(CorruptVideo):
        list(video.segments(tmp_path / "broken.mp4", recipe()))
    video.info(long)
    check_readable(long)
    assert decoders() == before


def test_nothing_is_decoded_in_the_parent(long: Path) -> None:
    code = (
        "import sys\nfrom hiprobe import video\nfrom hiprobe.types import Recipe\n"
        "list(video.segments(sys.argv[1], Recipe('m', ('p',), size=(8, 8))))\nvideo.info(sys.argv[1])\n"
        "video.frame_times(sys.argv[1]), video.span(sys.argv[1], 0, 1, 2)\n"
        "video.browser_copy(sys.argv[1], sys.argv[2])\n"
        "print('av' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(long), str(long.with_suffix(".out.mp4"))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_a_run_over_videos_goes_on_after_a_decoder_was_killed(long: Path, tmp_path: Path) -> None:
    """The decoder is killed when the second of three videos gives its first segment."""
    paths = [write(tmp_path / f"{name}.mp4", steady(600, 20), rate=20) for name in "abc"]
    outcome = []
    for path in paths:
        reader = video.segments(path, SHORT)
        try:
            next(reader)
            if path == paths[1]:
                for victim in decoders():
                    os.kill(victim, signal.SIGKILL)
            outcome.append(1 + len(list(reader)))
        except DecoderLost as error:
            outcome.append(str(error).partition(":")[0])
    assert outcome == [75, str(paths[1]), 75]


def test_a_file_is_hashed_once_while_it_stays_the_same(
    long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(long, (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr(video.content, "SETTLED_S", -1.0)
    first = video.digest(long)
    read = []
    monkeypatch.setattr(video.content.hashlib, "file_digest", lambda *args: read.append(args))
    assert video.digest(long) == first
    assert read == []
    monkeypatch.undo()
    data = bytearray(long.read_bytes())
    data[-1] ^= 1
    long.write_bytes(data)
    # The size and the time of modification stay the same; the change time differs.
    os.utime(long, (1_000_000_000, 1_000_000_000))
    assert video.digest(long) != first


def test_a_file_that_was_just_written_is_hashed_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    digests = set()
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        digests.add(video.digest(path))
    assert len(digests) == 3
    # Its next change may have the same time stamp.
    assert not {*video.content._digests.values()} & digests
