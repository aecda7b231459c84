"""The errors of the package, one class per kind of failure; `str(error)` is the line a user sees.

Knows no other module.
"""

from __future__ import annotations

from os import PathLike


def one_line(text: str) -> str:
    """Return `text` with characters that break a line or control a terminal written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, which gets an "s" unless the number is 1.

    >>> counted(1, "event"), counted(1200, "frame")
    ('1 event', '1,200 frames')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _line(text: object) -> str:
    return one_line(" ".join(str(text).split()))


class HiProbeError(Exception):
    """The base of all errors of the package: where it failed, why, and what to do, on one line.

    `exit_code` is what the command line exits with.

    >>> error = MissingVideo("no such file", where="a.mp4", cure="check the path")
    >>> print(error)
    a.mp4: no such file; check the path
    >>> error.named
    'MissingVideo: no such file'
    """

    exit_code = 3

    def __init__(
        self, reason: str, *, where: str | PathLike[str] | None = None, cure: str | None = None
    ) -> None:
        # The one place for what errors say: any part of it may come from a stranger's file.
        self.reason, self.where, self.cure = _line(reason), where, _line(cure) if cure else None
        place = "" if where is None else f"{one_line(str(where))}: "
        super().__init__(f"{place}{self.reason}" + (f"; {self.cure}" if self.cure else ""))

    @property
    def named(self) -> str:
        """`Name: reason`, as results and tables store it, without the place and the cure."""
        return f"{type(self).__name__}: {self.reason}"


class UsageError(HiProbeError):
    """The command or the call itself is wrong (exit code 2)."""

    exit_code = 2


class UnsupportedPlatform(HiProbeError, ImportError):
    """The package cannot run on this operating system."""


class VideoError(HiProbeError):
    """A video could not be read. A run over many videos continues with the next one."""


class MissingVideo(VideoError):
    """There is no such file."""


class EmptyVideo(VideoError):
    """The file is empty or has no frame that can be decoded."""


class CorruptVideo(VideoError):
    """The container or its video stream cannot be parsed or decoded."""


class NoVideoStream(VideoError):
    """The file is a media file without a video stream."""


class UnsupportedVideo(VideoError):
    """The video is refused: encrypted, of an unknown codec, a playlist, or with too many pixels."""


class DecoderLost(VideoError):
    """The decoder process crashed, hung or used too much memory on this video, and was replaced."""


class CameraUnreachable(VideoError):
    """A camera does not answer, has no such stream, sends nothing, or ended its stream."""


class LoginRefused(CameraUnreachable):
    """A camera refuses the user name or the password of its address."""


class BlockedResult(VideoError):
    """Something else is where the video's result belongs; the other videos continue."""


class Quarantined(VideoError):
    """The video crashed its worker or decoder twice and is skipped until it is released again."""


class LabelError(HiProbeError):
    """Labels are missing, malformed, too few, or all of one class."""


class ProbeError(HiProbeError):
    """A probe or its file is unreadable or malformed, or holds values that are not finite."""


class MissingProbe(ProbeError):
    """There is no such probe file (exit code 2)."""

    exit_code = 2


class RecipeMismatch(HiProbeError):
    """Hidden states and a probe, or two sets of hidden states, come from different recipes."""


class StoreError(HiProbeError):
    """A stored file is damaged, or it could not be written (exit code 4)."""

    exit_code = 4


class EnvironmentFailed(HiProbeError):
    """This machine or a limit set on it refused, which no video is to blame for (exit code 4).

    Memory, open files, processes, the size of files, or the output folder that is gone.
    """

    exit_code = 4


class SinkFailed(HiProbeError):
    """A sink could not deliver a message now; the caller tries again later (exit code 4).

    `retry_after_s` is for how many seconds the receiver asks to be left alone, if it does.

    >>> error = SinkFailed("answered 503", where="webhook http://127.0.0.1:8080", retry_after_s=60)
    >>> error.retry_after_s
    60
    """

    exit_code = 4

    def __init__(
        self,
        reason: str,
        *,
        where: str | PathLike[str] | None = None,
        cure: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, where=where, cure=cure)
        self.retry_after_s = retry_after_s


class ModelError(HiProbeError):
    """The model cannot be loaded, or cannot do what was asked (exit code 4)."""

    exit_code = 4


class OutOfMemory(ModelError):
    """A single segment does not fit into the memory of the accelerator (exit code 4)."""
