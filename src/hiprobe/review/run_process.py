"""Detection started from the page: one child process, its progress and its end. Knows no page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.review.media import served_videos
from hiprobe.video import Root

PROGRAM = "hiprobe.review.detection_process"
GRACE_S = 5.0  # from the interrupt to the kill


@dataclass(frozen=True)
class DetectionJob:
    """What the child process does: detect in `videos` with the probe in a file, write to `out`.

    Each of `videos` is a path and a name. `all_layers` also keeps the states of every layer.
    """

    videos: tuple[tuple[str, str], ...]
    probe: Path
    model: str
    out: Path
    explain: bool = True
    all_layers: bool = False

    def to_json(self) -> str:
        """Write the job as one line of JSON."""
        values = {"probe": str(self.probe), "out": str(self.out)}
        return json.dumps({**vars(self), **values})

    @classmethod
    def from_json(cls, text: str) -> DetectionJob:
        """Read what `to_json` has written."""
        values = json.loads(text)
        videos = tuple((str(path), str(name)) for path, name in values["videos"])
        places = {"probe": Path(values["probe"]), "out": Path(values["out"])}
        return cls(**{**values, **places, "videos": videos})


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
        return (len(self.finished) + part) / max(1, len(self.job.videos))


def folders(roots: Sequence[Root]) -> Iterator[tuple[str, int]]:
    """List the folders below `roots` with videos: the name, and the number of videos in it."""
    counts: dict[str, int] = {}
    for _, name in served_videos(roots):
        for parent in PurePosixPath(name).parents:
            counts[str(parent)] = counts.get(str(parent), 0) + 1
    yield from sorted(counts.items())


def videos_in(roots: Sequence[Root], folder: str) -> tuple[tuple[str, str], ...]:
    """List path and name of the videos in a folder, by its name; raises UsageError for none.

    Names are compared, so nothing outside `roots` is reached.
    """
    found = tuple(
        (str(path), name)
        for path, name in served_videos(roots)
        if folder in map(str, PurePosixPath(name).parents)
    )
    if not found:
        raise UsageError(
            f"there is no folder with videos called {ascii(folder)[:80]}",
            cure="choose one of the list",
        )
    return found
