"""Run a command that serves a page until it has printed its address, and then press Ctrl-C.

`python -m tests.support.until_serving COMMAND...` exits with 0 if the command did so, and ended
by itself with the code of an interruption, or had ended without one with 0.
"""

from __future__ import annotations

import signal
import subprocess
import sys


def main(command: list[str]) -> int:
    """Run `command`; return 0 if it served a page and could be interrupted."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        assert process.stdout
        served = False
        for line in process.stdout:
            print(line, end="", flush=True)
            if "http://127.0.0.1:" in line and not served:
                served = True
                process.send_signal(signal.SIGINT)
    return 0 if process.returncode in ((0, 130) if served else (0,)) else process.returncode or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
