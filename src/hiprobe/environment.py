"""What this machine refuses (memory, files, processes, disk), the limit behind it, and the cure.

No video is to blame for it: `EnvironmentFailed` ends a command with exit code 4, and the same
command continues later. Knows no video, no format and no child process.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator

from hiprobe.errors import EnvironmentFailed, HiProbeError, StoreError

AGAIN = "then give the same command again"
PERMISSIONS = "check the path and its permissions"
_DISK = "free disk space or choose -o"
_NO_TEMPORARY = -1  # no number of the operating system: `tempfile` found no folder to write to
# What an error of the operating system means, and its cure.
_REFUSALS = {
    errno.EAGAIN: (
        "no other process or thread may be started",
        "raise the limit on processes (ulimit -u)",
    ),
    errno.EDQUOT: ("the disk quota is used up", _DISK),
    errno.EFBIG: ("a file may not grow further", "raise the limit on file size (ulimit -f)"),
    errno.EMFILE: ("no other file may be opened", "raise the limit on open files (ulimit -n)"),
    errno.ENFILE: ("no program may open another file", "end other programs"),
    errno.ENOMEM: (
        "there is not enough memory",
        "free memory, or raise the limit on it (ulimit -v)",
    ),
    errno.ENOSPC: ("the disk is full", _DISK),
    errno.EROFS: ("the disk is read-only", "make it writable or choose -o"),
    _NO_TEMPORARY: (
        "no folder for temporary files can be written",
        "set TMPDIR to a folder on a disk with room",
    ),
}
_LIMITS = {
    errno.EAGAIN: {"-u": resource.RLIMIT_NPROC},
    errno.EFBIG: {"-f": resource.RLIMIT_FSIZE},
    errno.EMFILE: {"-n": resource.RLIMIT_NOFILE},
    errno.ENOMEM: {"-v": resource.RLIMIT_AS, "-d": resource.RLIMIT_DATA},
}
_UNITS = {"-f": " bytes", "-v": " bytes", "-d": " bytes"}
# FFmpeg also uses the other numbers for what it finds in a file.
_OF_FFMPEG = {errno.EMFILE, errno.ENFILE}
_NO_THREAD = "can't start new thread"
_NOT_LOADED = ("failed to map segment", "cannot allocate memory", "Too many open files")


def cure_for(number: int | None) -> str:
    """Return what to do about the error `number` of the operating system (`OSError.errno`).

    >>> import errno
    >>> cure_for(errno.ENOSPC)
    'free disk space or choose -o'
    """
    return _REFUSALS[number][1] if number in _REFUSALS else PERMISSIONS


def refused(error: BaseException) -> int | None:
    """Return the `errno` of a refusal of the machine that `error` is, or was caused by; else None.

    None also for an error that names the refusal and its cure already.

    >>> refused(MemoryError()) == errno.ENOMEM
    True
    >>> refused(FileNotFoundError(errno.ENOENT, "no such file")) is None
    True
    """
    if isinstance(error, StoreError | EnvironmentFailed):
        return None
    return next(filter(None, map(_number, _causes(error))), None)


def failed(number: int | None, doing: str = "") -> EnvironmentFailed:
    """Return the error that names what the machine refused, the limit with its value, and the cure.

    `doing` is what did not work, if that is not clear from the refusal.

    >>> print(failed(errno.ENOSPC))
    the disk is full; free disk space or choose -o, then give the same command again
    """
    why, cure = _REFUSALS.get(number or 0, ("the machine refused it", PERMISSIONS))
    reason = f"{doing}: {why}" if doing else why
    return EnvironmentFailed(f"{reason}{_in_force(number)}", cure=f"{cure}, {AGAIN}")


def or_refused(error: Exception, otherwise: HiProbeError) -> HiProbeError:
    """Return `otherwise`, the named error for `error`; EnvironmentFailed if the machine refused.

    >>> import errno
    >>> from hiprobe.errors import MissingVideo
    >>> lost = MissingVideo("cannot be read", where="a.mp4")
    >>> type(or_refused(OSError(errno.ENOENT, "no such file"), lost)).__name__
    'MissingVideo'
    >>> type(or_refused(OSError(errno.EMFILE, "too many open files"), lost)).__name__
    'EnvironmentFailed'
    """
    number = refused(error)
    return otherwise if number is None else failed(number)


def limits() -> str:
    """Return the limits of this process that are set, as the shell's `ulimit` names them."""
    found = [_stated(name, kind) for kinds in _LIMITS.values() for name, kind in kinds.items()]
    return ", ".join(filter(None, found))


def is_limited(number: int) -> bool:
    """Tell whether this process has a limit that gives the error `number` once it is reached."""
    return bool(_in_force(number))


def memory_limit() -> int | None:
    """Return how many bytes of memory the user lets this process take; None if there is no limit.

    The lower one of the limits on address space and data.
    """
    set_here = [resource.getrlimit(kind)[0] for kind in _LIMITS[errno.ENOMEM].values()]
    return min((size for size in set_here if size != resource.RLIM_INFINITY), default=None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _number(error: BaseException) -> int | None:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, FileNotFoundError):
        return _NO_TEMPORARY if "No usable temporary directory" in str(error) else None
    if isinstance(error, OSError):
        known = _OF_FFMPEG if type(error).__module__ == "av.error" else _REFUSALS
        return error.errno if error.errno in known else None
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return errno.EAGAIN
    unloaded = isinstance(error, ImportError) and any(sign in str(error) for sign in _NOT_LOADED)
    return errno.ENOMEM if unloaded else None


def _in_force(number: int | None) -> str:
    stated = [_stated(name, kind) for name, kind in _LIMITS.get(number or 0, {}).items()]
    named = ", ".join(filter(None, stated))
    return f" ({named})" if named else ""


def _stated(name: str, kind: int) -> str:
    soft, _ = resource.getrlimit(kind)
    unit = _UNITS.get(name, "")
    return "" if soft == resource.RLIM_INFINITY else f"ulimit {name}: {soft:,}{unit}"
