"""Which kinds of video the installed decoder reads. Opens no file."""

from __future__ import annotations

CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg")


def readable_codecs() -> dict[str, bool]:
    """Tell for each common codec whether a decoder for it is installed.

    >>> readable_codecs()["h264"]
    True
    """
    import av

    return {name: name in av.codecs_available for name in CODECS}


def library_versions() -> dict[str, str]:
    """Return the versions of FFmpeg's libraries that PyAV uses.

    >>> "libavcodec" in library_versions()
    True
    """
    import av

    return {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
