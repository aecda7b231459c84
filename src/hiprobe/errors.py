"""Every failure has a class here; `str(error)` is the one line a user sees. Knows no other module."""

from __future__ import annotations

from os import PathLike


def one_line(text: str) -> str:
    """`text` with what would break the line, or steer a terminal, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class HiProbeError(Exception):
    """A named failure: the thing that failed, why, and what to do about it, on one line."""

    exit_code = 3

    def __init__(
        self, reason: str, *, where: str | PathLike[str] | None = None, cure: str | None = None
    ) -> None:
        line = one_line(" ".join(str(reason).split()))
        if where is not None:
            line = f"{one_line(str(where))}: {line}"
        if cure:
            line = f"{line}; {' '.join(cure.split())}"
        super().__init__(line)
        self.reason, self.where, self.cure = reason, where, cure

    @property
    def named(self) -> str:
        """`Name: reason`, as results and tables keep it: without where it happened and what to do."""
        return f"{type(self).__name__}: {self.reason}"


class UsageError(HiProbeError):
    """The command or call itself is wrong (exit 2)."""

    exit_code = 2


class VideoError(HiProbeError):
    """A video could not be read; other videos go on."""


class MissingVideo(VideoError):
    """No such file."""


class EmptyVideo(VideoError):
    """The file holds no bytes or no decodable frame."""


class CorruptVideo(VideoError):
    """The container or its stream cannot be parsed or decoded."""


class NoVideoStream(VideoError):
    """The file is media, but has no video stream."""


class UnsupportedVideo(VideoError):
    """The file is video, but refused: encrypted, an unknown codec, a playlist, or past the pixel cap."""


class DecoderLost(VideoError):
    """The decoder's process crashed, hung or took too much memory on this video, and was replaced."""


class Quarantined(VideoError):
    """The video ended its worker or its decoder twice, and is left alone until it is put back."""


class LabelError(HiProbeError):
    """Labels are missing, malformed, of one class, or too few."""


class ProbeError(HiProbeError):
    """A probe file is unreadable, malformed or holds values that are not numbers."""


class RecipeMismatch(HiProbeError):
    """Hidden states and a probe, or two sets of hidden states, come from different recipes."""


class StoreError(HiProbeError):
    """A stored file is damaged, or the disk refused a write (exit 4)."""

    exit_code = 4


class ModelError(HiProbeError):
    """The model cannot be loaded, or refuses the request (exit 4)."""

    exit_code = 4


class OutOfMemory(ModelError):
    """One segment does not fit the accelerator's memory, even alone."""
