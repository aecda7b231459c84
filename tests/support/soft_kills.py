"""A plug-in for `make coverage`: children are asked to end before they are killed.

A child that is killed cannot write what it has run, and many of ours end that way. At SIGTERM
coverage writes it.
"""

import subprocess

PATIENCE_S = 5.0
_kill = subprocess.Popen.kill


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        _kill(process)


subprocess.Popen.kill = _end  # type: ignore[method-assign]
