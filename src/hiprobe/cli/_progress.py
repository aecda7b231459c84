"""Progress over seconds of video, and its bar. Knows no result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from hiprobe.cli import _quiet, _terminal
from hiprobe.types import Segment

SLOW_S = 2.0


class VideoProgress:
    """How much of some videos is done, in seconds of video.

    A video weighs its stated length, or the mean of the others if it states none. One that has
    ended counts whole, however it ended: its states were stored, it failed, or it is shorter than
    it states.
    """

    def __init__(self, durations: Mapping[str, float]) -> None:
        known = [value for value in durations.values() if value > 0]
        usual = sum(known) / len(known) if known else 1.0
        self._weight = {path: value if value > 0 else usual for path, value in durations.items()}
        self._done = dict.fromkeys(durations, 0.0)
        self._current: str | None = None

    @property
    def total(self) -> float:
        """The seconds of all videos."""
        return sum(self._weight.values())

    @property
    def done(self) -> float:
        """The seconds that are done; never falls."""
        return sum(self._done.values())

    def reach(self, path: str, seconds: float) -> None:
        """Note that a video has been read up to `seconds`; the one read before has ended."""
        if self._current not in (None, path):
            self.end(str(self._current))
        self._current = path
        self._move(path, seconds)

    def end(self, path: str) -> None:
        """Note that nothing more is read of a video."""
        self._current = None if self._current == path else self._current
        self._move(path, float("inf"))

    def _move(self, path: str, seconds: float) -> None:
        if path in self._done:
            self._done[path] = max(self._done[path], min(seconds, self._weight[path]))


class Bar:
    """Called with each segment that was read, and told of each video that has ended."""

    def __init__(self, live: Progress, videos: VideoProgress) -> None:
        self._live, self._videos, self._began = live, videos, time.monotonic()
        self._task = live.add_task("reading", total=videos.total or None)

    def __call__(self, path: str, segment: Segment) -> None:
        """Move on to the end of a segment."""
        self._videos.reach(path, segment.end)
        self._show(path)

    def end(self, path: str) -> None:
        """Move on to the end of a video."""
        self._videos.end(path)
        self._show(path)

    def _show(self, path: str) -> None:
        if not self._live.live.is_started and time.monotonic() - self._began > SLOW_S:
            self._live.start()
        name = _terminal.markup(Path(path).name[:32])
        self._live.update(self._task, completed=self._videos.done, description=name)


class _Rate(ProgressColumn):
    """Seconds of video read in a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}x real time" if task.speed else "", style="cyan")


@contextmanager
def bar(durations: Mapping[str, float]) -> Iterator[Bar]:
    """Yield a `Bar` over videos of these lengths, shown once the work has taken two seconds."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TimeRemainingColumn(),
    )
    live = Progress(
        *columns,
        console=_terminal.err,
        transient=True,
        disable=_quiet.asked or not _terminal.err.is_terminal,
        # What goes to a pipe or a file must not pass through `err`.
        redirect_stdout=_terminal.out.is_terminal,
    )
    try:
        yield Bar(live, VideoProgress(durations))
    finally:
        live.stop()
