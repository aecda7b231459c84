"""Time the command line from a cold start: `python -m benchmarks.cold_start [--json FILE]`.

Every command runs in a new process, as a user runs it: the help, and `detect` on a clip of 10 s
with the embedded model and its explanations. The probe is fitted before, and no hidden states are
kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.footage import Footage
from benchmarks.measure import CORES, alternate, pin, publish

from hiprobe import embedded

ROUNDS = 2


def main() -> None:
    """Measure and print."""
    pin()
    hiprobe = str(Path(sys.executable).with_name("hiprobe"))
    clip = Footage(96, 96, seconds=10).file()
    with tempfile.TemporaryDirectory() as place:
        probe = f"{place}/probe.safetensors"

        def call(*words: str) -> None:
            subprocess.run([hiprobe, *words], check=True, capture_output=True)

        def detect() -> None:
            with tempfile.TemporaryDirectory() as out:
                call("detect", str(clip), "--probe", probe, "-o", out)

        def import_package() -> None:
            subprocess.run([sys.executable, "-c", "import hiprobe"], check=True)

        call("fit", str(embedded.CLIPS), "-o", probe, "--store", f"{place}/store")
        best = alternate(
            {
                "hiprobe --help": lambda: call("--help"),
                "hiprobe detect, 10 s": detect,
                "import hiprobe": import_package,
            },
            ROUNDS,
        )
    promised = {"hiprobe --help": 0.4, "hiprobe detect, 10 s": 6.0, "import hiprobe": "-"}
    publish(
        "Cold start",
        ["command", "wall s", "processor s", "promised wall s"],
        [[name, one.wall, one.cpu, promised[name]] for name, one in best.items()],
        [f"Best of {ROUNDS} rounds on {CORES} cores, files in the page cache."],
    )


if __name__ == "__main__":
    main()
