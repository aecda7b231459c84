"""Time the command line from a cold start: `python -m benchmarks.cold_start [--json FILE]`.

Every command runs in a new process, as a user runs it: the help; `detect` on a clip of 10 s without
an event and on one with an event, with the model and the probe of the package, its check and its
explanation; and `review`, until the list of its results has been answered. No hidden states are
kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from benchmarks.measure import CORES, alternate, pin, publish

from hiprobe import embedded, video

ROUNDS = 2
CLIP_S = 10.0
CLIPS = {"without an event": ("normal_00", 0), "with one event": ("abnormal_02", 1)}
HELP, PACKAGE, REVIEW = "hiprobe --help", "import hiprobe", "hiprobe review, first answer"
PROMISED = {HELP: 0.2, "hiprobe detect, 10 s without an event": 4.0, REVIEW: 3.0}
PORT = 8977
HIPROBE = [sys.executable, "-m", "hiprobe"]


def call(*words: str) -> None:
    """Run a command to its end."""
    subprocess.run([*HIPROBE, *words], check=True, capture_output=True)


def detect(clip: Path, events: int) -> None:
    """Detect in a clip; ends the benchmark if it does not have so many events."""
    with tempfile.TemporaryDirectory() as out:
        call("detect", str(clip), "--probe", str(embedded.PROBE), "-o", out)
        (found,) = Path(out).glob("*/events.jsonl")
        if len(found.read_text().splitlines()) != events:
            raise SystemExit(f"{clip.name} does not have {events} events: choose another clip")


def review(out: str) -> None:
    """Serve results until the first page was answered, and stop."""
    command = [*HIPROBE, "review", out, "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        address = server.stdout.readline().decode().strip()
        with urllib.request.urlopen(address) as answer:
            answer.read()
        server.terminate()


def import_package() -> None:
    """Import the package in a new process."""
    subprocess.run([sys.executable, "-c", PACKAGE], check=True)


def main() -> None:
    """Measure and print."""
    pin()
    with tempfile.TemporaryDirectory() as place:
        works = {HELP: lambda: call("--help"), PACKAGE: import_package}
        for name, (clip, events) in CLIPS.items():
            path = Path(place) / f"{clip}.mp4"
            video.cut_clip(embedded.CLIPS / path.name, 0.0, CLIP_S, path, exact=True)
            works[f"hiprobe detect, 10 s {name}"] = lambda path=path, n=events: detect(path, n)
        out = f"{place}/results"
        call("detect", str(embedded.CLIPS), "--no-explain", "-o", out)
        works[REVIEW] = lambda: review(out)
        best = alternate(works, ROUNDS)
    publish(
        "Cold start",
        ["command", "wall s", "processor s", "promised wall s"],
        [[name, one.wall, one.cpu, PROMISED.get(name, "-")] for name, one in best.items()],
        [f"Best of {ROUNDS} rounds on {CORES} cores, files in the page cache."],
    )


if __name__ == "__main__":
    main()
