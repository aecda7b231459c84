"""Detection started from the page: one child process, its progress and its end. Knows no page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.review.media import served_videos

PROGRAM = "hiprobe.review.detection_process"
GRACE_S = 5.0  # from the interrupt to the kill


@dataclass(frozen=True)
class DetectionJob:
    """What the child process does: detect in `paths` with the probe in a file, write to `out`.

    `all_layers` also keeps the states of every layer.
    """

    paths: tuple[Path, ...]
    probe: Path
    model: str
    out: Path
    explain: bool = True
    all_layers: bool = False

    def to_json(self) -> str:
        """Write the job as one line of JSON."""
        values = {"probe": str(self.probe), "out": str(self.out)}
        return json.dumps({**vars(self), **values, "paths": [str(path) for path in self.paths]})

    @classmethod
    def from_json(cls, text: str) -> DetectionJob:
        """Read what `to_json` has written."""
        values = json.loads(text)
        paths = tuple(Path(path) for path in values["paths"])
        return cls(
            **{**values, "paths": paths, "probe": Path(values["probe"]), "out": Path(values["out"])}
        )


@dataclass
class RunProcess:
    """A job in a child process: the `finished` videos, the one being read, and how it ended."""

    folder: str
    job: DetectionJob
    finished: list[dict[str, Any]] = field(default_factory=list)
    current: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    cancelled: bool = False
    code: int | None = None
    process: subprocess.Popen[str] | None = None
    listener: threading.Thread | None = None

    def start(self) -> None:
        """Start the child process and the thread that listens to it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.listener = threading.Thread(target=self._talk, args=(self.process,), daemon=True)
        self.listener.start()

    def _talk(self, process: subprocess.Popen[str]) -> None:
        """Send the job on standard input and note what the child reports.

        Its paths may be longer than a command line can be.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # the child died at once: its exit code says so
            process.stdin.write(f"{self.job.to_json()}\n")
            process.stdin.flush()
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # killed while it wrote the line
            self._note(json.loads(line))
        self.code = process.wait()

    def _note(self, line: dict[str, Any]) -> None:
        if "done" in line:
            self.finished.append(line)
            self.current = {}
        elif "error" in line:
            self.error = line["error"]
        else:
            self.current |= line

    def cancel(self) -> None:
        """End the child process and wait until it is gone; what it finished is kept."""
        if self.process is None or self.code is not None:
            return
        self.cancelled = True
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if self.listener is not None:
            self.listener.join(GRACE_S)  # from here on the run counts as ended

    @property
    def running(self) -> bool:
        """Whether the child process is still at work."""
        return self.process is not None and self.code is None

    @property
    def share(self) -> float:
        """Share of the work that is done, from 0 to 1."""
        duration = self.current.get("duration") or 0.0
        part = min(1.0, self.current.get("at", 0.0) / duration) if duration else 0.0
        return (len(self.finished) + part) / max(1, len(self.job.paths))


def inside(root: Path, folder: str) -> Path | None:
    """Return the folder at this path relative to `root`; None if it is outside or not a folder.

    Raises UsageError for a path that the system cannot look up, such as one that is too long.
    """
    if "\0" in folder or "\\" in folder or ":" in folder:
        return None
    try:
        place = (root / folder).resolve()
        return place if place.is_relative_to(root.resolve()) and place.is_dir() else None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"a folder that cannot be looked up, of {len(folder)} characters: {error}"[:200],
            cure="choose one of the list",
        ) from error


def folders(root: Path) -> Iterator[tuple[str, int]]:
    """List the folders under `root` with videos: relative path, and number of videos below."""
    counts: dict[str, int] = {}
    for path in served_videos(root):
        for parent in path.relative_to(root).parents:
            counts[str(parent)] = counts.get(str(parent), 0) + 1
    yield from sorted(counts.items())


def videos_in(root: Path, folder: str) -> tuple[Path, ...]:
    """List the videos of a folder under `root`; raises UsageError if there are none."""
    place = inside(root, folder)
    paths = tuple(served_videos(place)) if place is not None else ()
    if not paths:
        raise UsageError(
            "this folder holds no video",
            where=folder,
            cure="choose a folder with videos under --videos",
        )
    return paths
