"""The command line: one file for each command; `_terminal` formats the output.

Exit codes: 0 done, 2 wrong usage, 3 some inputs failed, 4 the environment failed (disk, model),
130 interrupted.
"""

from __future__ import annotations

import sys

from hiprobe.cli._interrupt import Interruption

__all__ = ["main"]


def main() -> None:
    """Run the command line; a named error becomes one line and an exit code."""
    Interruption().listen()  # before the imports, which take a tenth of a second
    import io

    from hiprobe.cli._program import app
    from hiprobe.errors import HiProbeError

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name or an explanation may hold what an ASCII terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except HiProbeError as error:
        from hiprobe.cli._terminal import complain

        complain(error)
        sys.exit(error.exit_code)
