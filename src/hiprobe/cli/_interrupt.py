"""What Ctrl-C does: one line on standard error and exit code 130, at any moment.

Imports only what Python loads anyway, because it is set up before everything else.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

LINE = "interrupted: finished videos are kept; the same command continues from there"
EXIT_CODE = 130
AGAIN_S, LONGEST_S = 0.05, 0.5


class Interruption:
    """Handles signals: prints the line once, and raises SystemExit in the main thread.

    An exception in the middle of an import may be caught by the library, or abort the process
    inside its C++. So an import may end first, if it takes no longer than half a second; a longer
    one is that of a large library at the start, when nothing has to be closed or released.
    """

    def __init__(self, line: str = LINE) -> None:
        self._line = line
        self._first: float | None = None

    def listen(self) -> None:
        """Let Ctrl-C end the program from now on."""
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, _signal: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first = time.monotonic()
            print(self._line, file=sys.stderr, flush=True)
        if not _importing(frame):
            raise SystemExit(EXIT_CODE)
        if time.monotonic() - self._first > LONGEST_S:
            os._exit(EXIT_CODE)
        signal.signal(signal.SIGALRM, self._stop)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def _importing(frame: FrameType | None) -> bool:
    """Tell whether the program is loading a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
