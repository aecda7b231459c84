"""Turn labels made with other programs into rows, as a table has them. Knows no format.

Videos are looked for below one folder only, whatever paths a file states.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath

from hiprobe import formats, video
from hiprobe.datasets._frames import SLACK, annotation_name, listing
from hiprobe.datasets._rows import LabelRow
from hiprobe.datasets._words import LabelWords
from hiprobe.errors import LabelError
from hiprobe.formats import LabelledSpan, LabelledVideo
from hiprobe.types import Event, FloatArray
from hiprobe.video.files import videos_below

EACH_VIDEO = (".eaf", ".xml")  # programs that write one file of labels for each video


def label_files(folder: Path) -> list[Path]:
    """Return the files of labels in a folder, of programs that write one for each video."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in EACH_VIDEO]
    return [path for path in found if not path.name.startswith(".")]


def rows_of_files(files: Iterable[Path], base: Path, words: LabelWords) -> list[LabelRow]:
    """Read files of labels as rows; a video whose spans all mean normal has one normal row.

    `base` is the folder of the videos. A video of which the labels count frames is decoded for the
    times of its frames. Raises LabelError, and the errors of `video.frame_times`.
    """
    files, videos = list(files), _Videos(base)
    labelled = [one for file in files for one in formats.read_label_file(file)]
    given = (span.label for one in labelled for span in one.spans)
    words.check_used(given, listing([str(file) for file in files]))
    return [row for one in labelled for row in _rows(one, videos, words)]


def _rows(labelled: LabelledVideo, videos: _Videos, words: LabelWords) -> Iterator[LabelRow]:
    path, base = videos.find(labelled), videos.base
    shown = [span for span in labelled.spans if not words.is_normal(span.label, span.where)]
    times = video.frame_times(path) if any(one.in_frames for one in shown) else None
    for span in shown:
        event = _event(span, times)
        yield LabelRow(base, path, event, labelled.split, None, span.where or labelled.where)
    if not shown:
        yield LabelRow(base, path, None, labelled.split, None, labelled.where)


def _event(span: LabelledSpan, times: FloatArray | None) -> Event:
    if not span.in_frames or times is None:
        return Event(span.start, span.end, label=span.label)
    start, end, frames = int(span.start), span.end, len(times)
    if start >= frames or end > frames + SLACK:
        raise LabelError(
            f"the frames {start} to {end:.0f} are not in a video of {frames}",
            where=span.where,
            cure="the labels must be of this video, at its own frame rate",
        )
    # A span up to the last frame lasts as long as the video.
    until = float(times[int(end)]) if end < frames else math.inf
    return Event(float(times[start]), until, label=span.label)


class _Videos:
    """The videos below one folder, found by the names in a file of labels."""

    def __init__(self, base: Path) -> None:
        self.base, self._stated = base, dict[Path, PurePosixPath]()

    def find(self, labelled: LabelledVideo) -> Path:
        """Return the file that is meant; one that is not there if none is.

        That is the file at the stated path below the folder, or the only one whose path ends like
        it: the most parts count, and a suffix need not be stated. Raises LabelError for several
        files, and for a file that was found by another stated name before.
        """
        path, name = self._find(labelled), _as_path(labelled.names[0])
        other = self._stated.setdefault(path, name)
        if other != name and path.is_file():
            raise LabelError(
                f"the labels of {other} and of {name} both match the video {path}",
                where=labelled.where,
                cure="take out the labels of the other video, or write one name if both mean it",
            )
        return path

    def _find(self, labelled: LabelledVideo) -> Path:
        for name in labelled.names:
            inside = _as_path(name)
            below = not inside.is_absolute() and ".." not in inside.parts
            if below and (self.base / inside).is_file():
                return self.base / inside
        found = [path for name in labelled.names for path in self._ending(name, labelled.where)]
        return found[0] if found else self.base / PurePosixPath(labelled.names[0]).name

    def _ending(self, name: str, where: str) -> list[Path]:
        parts = [*_as_path(name).parts]
        paths = self._by_name.get(annotation_name(name), [])
        agreed = {path: _agreement(path, parts) for path in paths}
        best = [path for path in paths if agreed[path] == max(agreed.values())]
        if len(best) > 1:
            raise LabelError(
                f"{len(best)} videos could be {name}: {listing([str(path) for path in best])}",
                where=where,
                cure="keep one, or put the labels into its folder",
            )
        return best

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        """The videos by name without folder and suffix; a folder one may not enter is left out."""
        found: dict[str, list[Path]] = {}
        for path in videos_below(self.base, lambda _path, _why: None):
            found.setdefault(annotation_name(path.name), []).append(path)
        return found


def _as_path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _agreement(path: Path, parts: list[str]) -> int:
    """Count the last parts of a path that are as stated; the name counts if its suffix is too."""
    count = 0
    for ours, theirs in zip(reversed(path.parts), reversed(parts), strict=False):
        same = ours == theirs or (not count and annotation_name(ours) == annotation_name(theirs))
        if not same:
            break
        count += 2 if ours == theirs else 1
    return count
