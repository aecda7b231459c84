"""A run that was started from the page: one child process at a time, its progress, its end. Knows no page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.review.media import files

GRACE_S = 5.0


@dataclass
class RunProcess:
    """Detection in `paths`: `finished` videos with what they gave, the one being read, and how it all ended."""

    folder: str
    paths: Sequence[Path]
    finished: list[dict[str, Any]] = field(default_factory=list)
    current: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    cancelled: bool = False
    code: int | None = None
    process: subprocess.Popen[str] | None = None
    listener: threading.Thread | None = None

    def start(self, probe: Path, model: str, out: Path, *, explain: bool, all_layers: bool) -> None:
        """Starts the child and the thread that listens to it."""
        job = {
            "paths": [str(path) for path in self.paths],
            "probe": str(probe),
            "model": model,
            "out": str(out),
            "explain": explain,
            "all_layers": all_layers,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hiprobe.review.worker"],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.listener = threading.Thread(
            target=self._talk, args=(self.process, json.dumps(job)), daemon=True
        )
        self.listener.start()

    def _talk(self, process: subprocess.Popen[str], job: str) -> None:
        """Gives the child its job (a list of paths may be longer than a command line) and takes down what it says."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it died at once: its code will say so
            process.stdin.write(f"{job}\n")
            process.stdin.flush()
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # it was killed in mid-word
            said = json.loads(line)
            if "done" in said:
                self.finished.append(said)
                self.current = {}
            elif "error" in said:
                self.error = said["error"]
            else:
                self.current |= said
        self.code = process.wait()

    def cancel(self) -> None:
        """Ends the child; what it finished is kept. Returns when it is gone."""
        if self.process is None or self.code is not None:
            return
        self.cancelled = True
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if self.listener is not None:
            self.listener.join(GRACE_S)  # so that it counts as ended from here on

    @property
    def running(self) -> bool:
        """Whether the child is still at work."""
        return self.process is not None and self.code is None

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1: videos, and the part of the one being read."""
        duration = self.current.get("duration") or 0.0
        part = min(1.0, self.current.get("at", 0.0) / duration) if duration else 0.0
        return (len(self.finished) + part) / max(1, len(self.paths))


def inside(root: Path, folder: str) -> Path | None:
    """The folder of this relative path under `root`, or None for anything that is not one, or leads out of it."""
    if "\0" in folder or "\\" in folder or ":" in folder:
        return None
    place = (root / folder).resolve()
    return place if place.is_relative_to(root.resolve()) and place.is_dir() else None


def folders(root: Path) -> Iterator[tuple[str, int]]:
    """The folders under `root` that hold videos, relative to it, with how many they hold at any depth."""
    counts: dict[str, int] = {}
    for path in files(root):
        for parent in path.relative_to(root).parents:
            counts[str(parent)] = counts.get(str(parent), 0) + 1
    yield from sorted(counts.items())


def begin(
    root: Path, folder: str, probe: Path, model: str, out: Path, *, explain: bool, all_layers: bool
) -> RunProcess:
    """A run over the videos of a folder that `inside` knows; raises UsageError if it holds none."""
    place = inside(root, folder)
    paths = list(files(place)) if place is not None else []
    if not paths:
        raise UsageError("no such folder with videos under the videos folder", where=folder)
    made = RunProcess(folder, paths)
    made.start(probe, model, out, explain=explain, all_layers=all_layers)
    return made
