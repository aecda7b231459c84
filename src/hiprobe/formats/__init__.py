"""How other programs write events, labels and scores down. One file is one format.

Texts and numbers only: no video is opened here and no model is known. `sinks` and `datasets`, one
floor up, write and read with these files.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from hiprobe import plugins
from hiprobe.errors import LabelError, UsageError, counted
from hiprobe.formats._documents import read_document
from hiprobe.types import FloatArray

__all__ = [
    "EventFormat",
    "FrameScores",
    "LabelFormat",
    "LabelledSpan",
    "LabelledVideo",
    "ScoreFormat",
    "VideoClock",
    "VideoEvents",
    "find_format",
    "has_labels",
    "load",
    "names",
    "read_label_file",
    "short_names",
    "writers",
    "writes",
]

Line = Mapping[str, Any]
Needs = Literal["nothing", "rate", "frames"]
Writes = Literal["events", "scores"]
WRITERS: dict[Writes, tuple[str, ...]] = {
    "events": ("suffix", "one_file", "needs", "write_events"),
    "scores": ("suffix", "one_file", "write_frame_scores"),
}
LABELS = ("label_suffix", "recognizes", "read_labels")


@dataclass(frozen=True)
class VideoClock:
    """How a video counts: frames a second on average, its size in pixels, the time of each frame.

    `times` (frames,) are in seconds, None where a format does not need them.

    >>> VideoClock(25.0, 640, 360).times is None
    True
    """

    fps: float
    width: int
    height: int
    times: FloatArray | None = None


@dataclass(frozen=True)
class VideoEvents:
    """The events of one video: `lines` in their published form (`hiprobe.event/2`), in time order.

    `name` is that of the video, `duration` in seconds. `clock` is None for a format that needs
    nothing of the video. Raises LabelError if a format asks for what is not there.

    >>> VideoEvents("front/0900.mp4", 12.8, ()).stem
    'front/0900'
    """

    name: str
    duration: float
    lines: Sequence[Line]
    clock: VideoClock | None = None

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        folder, slash, last = self.name.rpartition("/")
        return f"{folder}{slash}{last.rpartition('.')[0] or last}"

    @property
    def known_clock(self) -> VideoClock:
        """The clock, which a format that states its `needs` may count on."""
        if self.clock is None:
            raise LabelError("this format needs the video itself", where=self.name)
        return self.clock


@dataclass(frozen=True)
class FrameScores:
    """The scores of each frame of a video: `times` in seconds, all arrays (frames,).

    NaN means that a frame has no score.
    """

    name: str
    times: FloatArray
    raw: FloatArray
    smoothed: FloatArray


@dataclass(frozen=True)
class LabelledSpan:
    """A span that somebody labelled, from `start` to `end` (exclusive), in seconds.

    With `in_frames` they count the frames of the video from 0. An infinite end is that of the
    video. `where` is the place in the file, for errors.

    >>> LabelledSpan("fight", 12.5, 19.0).in_frames
    False
    """

    label: str
    start: float
    end: float
    in_frames: bool = False
    where: str = ""


@dataclass(frozen=True)
class LabelledVideo:
    """A video that a file of labels is about, without any span if it says that nothing happens.

    `names` are paths or names that the file may mean, the most likely one first.

    >>> LabelledVideo(("front/0900.mp4",), ()).split is None
    True
    """

    names: tuple[str, ...]
    spans: tuple[LabelledSpan, ...]
    split: str | None = None
    where: str = ""


class EventFormat(Protocol):
    """A file of this folder, or any object, that writes events.

    `needs` says what it asks of the video: "nothing", its frame "rate" and size, or the times of
    all its "frames". With `one_file` the events of all videos make one file, else each video has
    its own. The text is the whole file.

    >>> from hiprobe import formats
    >>> fall = {"start": 1.6, "end": 4.8, "label": "fall", "explanation": None, "peak_score": 0.9,
    ...         "severity": "medium", "verification": {"result": "confirmed", "log_odds": 2.0}}
    >>> print(formats.load("srt", "events").write_events([VideoEvents("a.mp4", 8.0, [fall])]))
    1
    00:00:01,600 --> 00:00:04,800
    fall (score 0.90)
    <BLANKLINE>
    """

    @property
    def suffix(self) -> str:
        """The suffix of its files, with the dot."""
        ...

    @property
    def one_file(self) -> bool:
        """Whether all videos go into one file."""
        ...

    @property
    def needs(self) -> Needs:
        """What it asks of the video."""
        ...

    def write_events(self, videos: Sequence[VideoEvents]) -> str:
        """Return the text of the file; a format without `one_file` is given one video."""
        ...


class ScoreFormat(Protocol):
    """A file of this folder, or any object, that writes the scores of frames.

    >>> import io
    >>> import numpy as np
    >>> from hiprobe import formats
    >>> values = np.array([0.25, 0.75])
    >>> data = formats.load("npy", "scores").write_frame_scores(
    ...     [FrameScores("a.mp4", np.array([0.0, 0.1]), values, values)])
    >>> np.load(io.BytesIO(data)).tolist()
    [0.25, 0.75]
    """

    @property
    def suffix(self) -> str:
        """The suffix of its files, with the dot."""
        ...

    @property
    def one_file(self) -> bool:
        """Whether all videos go into one file."""
        ...

    def write_frame_scores(self, videos: Sequence[FrameScores]) -> bytes:
        """Return the bytes of the file; a format without `one_file` is given one video."""
        ...


class LabelFormat(Protocol):
    """A file of this folder, or any object, that reads labels made with another program.

    `label_suffix` is that of its files: `.json` files are parsed before, and all others as XML.

    >>> from hiprobe import formats
    >>> document = {"version": "1.3", "database": {"0900": {"annotations": [
    ...     {"segment": [12.5, 19], "label": "fight"}]}}}
    >>> [video] = formats.load("activitynet", "labels").read_labels(document, "labels.json")
    >>> video.names[0], video.spans[0].label, video.spans[0].start
    ('0900', 'fight', 12.5)
    """

    @property
    def label_suffix(self) -> str:
        """The suffix of its files, with the dot."""
        ...

    def recognizes(self, document: Any) -> bool:
        """Tell whether a parsed file is of this format: JSON values or an XML element."""
        ...

    def read_labels(self, document: Any, where: str) -> Iterator[LabelledVideo]:
        """Yield the labelled videos; raises LabelError, whose place begins with `where`."""
        ...


def short_names(names: Sequence[str]) -> list[str]:
    """Return names of videos without their suffix; one that could mean another video keeps it.

    >>> short_names(["cam/a.mp4", "b.mp4", "b.mkv", "b.mp4.mov"])
    ['cam/a', 'b.mp4', 'b.mkv', 'b.mp4.mov']
    """
    stems = [VideoEvents(name, 0.0, ()).stem for name in names]
    taken = Counter(one for pair in zip(names, stems, strict=True) for one in {*pair})
    return [stem if taken[stem] == 1 else name for name, stem in zip(names, stems, strict=True)]


def names() -> tuple[str, ...]:
    """Return the formats that can be named, sorted.

    >>> {"csv", "otio", "srt", "webvtt"} <= set(names())
    True
    """
    return plugins.names(__path__, __name__)


def load(name: str, does: Literal["events", "scores", "labels"]) -> Any:
    """Import the format `name`: a plug-in or `module:attribute`.

    Raises UsageError if there is none, or if it cannot do what it is to do.

    >>> load("srt", "events").suffix
    '.srt'
    """
    needs = LABELS if does == "labels" else WRITERS[does]
    return plugins.load(sys.modules[__name__], f"format for {does}", name, needs)


def find_format(name: str) -> Any:
    """Import the format `name`, whatever it can do; raises UsageError if there is none.

    >>> find_format("elan").label_suffix
    '.eaf'
    """
    return plugins.load(sys.modules[__name__], "format", name, ())


def writers(what: Writes) -> dict[str, Any]:
    """Return the formats that write `what`, by name.

    >>> sorted(writers("scores"))
    ['npy', 'parquet']
    """
    found = {name: find_format(name) for name in names()}
    return {name: one for name, one in found.items() if all(hasattr(one, m) for m in WRITERS[what])}


def has_labels(path: Path) -> bool:
    """Tell by its suffix whether a file is to be read as labels of another program.

    >>> has_labels(Path("project.json")), has_labels(Path("labels.csv"))
    (True, False)
    """
    return path.suffix.lower() in {one.label_suffix for one in _readers()}


def read_label_file(path: Path) -> list[LabelledVideo]:
    """Read labels from a file of Label Studio, CVAT, ELAN, ActivityNet or an installed format.

    Raises LabelError, in one line with the file and the place in it, for a file that cannot be
    parsed, is too large, or is of no known format, and for labels that are not valid.
    """
    fitting = [one for one in _readers() if one.label_suffix == path.suffix.lower()]
    document = read_document(path)
    found = [one for one in fitting if one.recognizes(document)]
    if len(found) != 1:
        why = f"{counted(len(found), 'format')} of labels fit" if found else "not labels"
        raise LabelError(
            f"{why}: {', '.join(sorted(map(_name, found or fitting)))}",
            where=path,
            cure="export it again in one of the formats of docs/formats.md",
        )
    read: Callable[[Any, str], Iterator[LabelledVideo]] = found[0].read_labels
    videos = list(read(document, str(path)))
    if not videos:
        raise LabelError("no labelled video is in it", where=path)
    return videos


def _readers() -> list[Any]:
    every = map(find_format, names())
    return [one for one in every if all(hasattr(one, member) for member in LABELS)]


def _name(reader: Any) -> str:
    return str(getattr(reader, "__name__", type(reader).__name__)).rpartition(".")[2]


def writes(name: str) -> Writes:
    """Return what the format `name` writes; raises UsageError if it writes nothing.

    >>> writes("srt"), writes("parquet")
    ('events', 'scores')
    """
    found = find_format(name)
    for what, members in WRITERS.items():
        if all(hasattr(found, member) for member in members):
            return what
    known = ", ".join(sorted({*writers("events"), *writers("scores")}))
    raise UsageError(f"the format {name} is only read, not written", cure=f"choose {known}")
