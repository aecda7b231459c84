"""From nothing to a result: `python -m benchmarks.cold_start [--json FILE]`.

The command line as a user calls it, each time a new process: help, and `detect` on a clip of 10 s with the embedded
model and with its explanations. The probe is fitted before, and no hidden state is kept.
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
    """Measures and prints."""
    pin()
    hiprobe, clip = (
        str(Path(sys.executable).with_name("hiprobe")),
        Footage(96, 96, seconds=10).file(),
    )
    with tempfile.TemporaryDirectory() as place:
        probe = f"{place}/probe.safetensors"

        def called(*words: str) -> None:
            subprocess.run([hiprobe, *words], check=True, capture_output=True)

        def detected() -> None:
            with tempfile.TemporaryDirectory() as out:
                called("detect", str(clip), "--probe", probe, "-o", out)

        def imported() -> None:
            subprocess.run([sys.executable, "-c", "import hiprobe"], check=True)

        called("fit", str(embedded.CLIPS), "-o", probe, "--store", f"{place}/store")
        best = alternate(
            {
                "hiprobe --help": lambda: called("--help"),
                "hiprobe detect, 10 s": detected,
                "import hiprobe": imported,
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
