"""The command line: one file for each command; `_terminal` formats the output.

Exit codes: 0 done, 2 wrong usage, 3 some inputs failed, 4 the environment failed (disk, model,
limits of the machine), 130 interrupted.
"""

from __future__ import annotations

import sys

from hiprobe.cli._interrupt import Interruption

__all__ = ["main"]


def main() -> None:
    """Run the command line; a named error becomes one line and an exit code.

    So does what the machine refuses (memory, files, processes, disk), wherever that is noticed.
    """
    Interruption().listen()  # before the imports, which take a tenth of a second
    import io

    from hiprobe.errors import HiProbeError

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name or an explanation may hold what an ASCII terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from hiprobe.cli._program import app

        app()
    except (HiProbeError, MemoryError, OSError, ImportError, RuntimeError) as error:
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """Print an error on one line of standard error, and return the exit code; raise a bug again."""
    from hiprobe import environment
    from hiprobe.errors import HiProbeError

    number = environment.refused(error)
    if number is not None:
        error = environment.failed(number)
    if not isinstance(error, HiProbeError):
        raise error
    try:
        from hiprobe.cli._terminal import complain

        complain(error)
    except (MemoryError, OSError, ImportError):  # the machine may refuse this as well
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return error.exit_code
