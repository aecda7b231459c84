"""The finished videos of a results folder, with the files that they were read from. No model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from hiprobe import sinks, video
from hiprobe.errors import MissingVideo, StoreError, UsageError, counted
from hiprobe.store import read_manifest
from hiprobe.store.results import read_result
from hiprobe.types import Event, Result, unicode
from hiprobe.video import pictures

Candidates = Callable[[str], Iterable[str]]


@dataclass
class Sources:
    """Finds the file of a result by name and content, and reads each file's digest once.

    `candidates` gives the paths at which a video of a name may be.
    """

    candidates: Candidates
    digests: dict[str, str] = field(default_factory=dict)

    def path(self, result: Result) -> str:
        """Return the file; raises MissingVideo if none of that name has the same content."""
        found = [path for path in self.candidates(result.name) if pictures.exists(path)]
        for path in found:
            if self.digests.setdefault(path, video.digest(path)) == result.video_id:
                return path
        why = "has another content than when it was read" if found else "is not where it was"
        raise MissingVideo(
            f"the video {why}",
            where=result.name,
            cure="give --videos the folder that hiprobe detect was given, or run detect again",
        )


def finished_videos(out: Path) -> tuple[list[Result], int]:
    """Read the results of a folder, and count the videos that have none, such as failed ones.

    Of several results of one name only the newest counts. Raises UsageError for a folder without
    results, StoreError for a result that is damaged.
    """
    lines = read_manifest(out) if out.is_dir() else []
    done = {line.name: line.folder for line in lines if line.folder is not None}
    if not done:
        raise UsageError(
            "there is no finished video", where=out, cure="name the folder given to detect -o"
        )
    results = [read_result(out / folder) for folder in done.values()]
    return results, len({line.name for line in lines} - done.keys())


def event_lines(result: Result, *, demoted: bool = False) -> list[dict[str, Any]]:
    """Return the published form of the alarms of a result; with `demoted`, of all its events.

    Raises StoreError for a result that does not say which model and probe made it.
    """
    return [line_of(result, one) for one in (result.events if demoted else result.alarms)]


def line_of(result: Result, event: Event) -> dict[str, Any]:
    """Return the published form of one event of a stored result; raises StoreError."""
    try:
        return sinks.event_line(result, event)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"not a valid result: {type(error).__name__} {error}",
            where=result.name,
            cure="run hiprobe detect again",
        ) from error


def place_below(folder: Path, name: str, suffix: str) -> Path:
    """Return the place below `folder` for a file about the video `name`.

    Raises StoreError for a name that leads out of the folder.

    >>> place_below(Path("subtitles"), "front/0900", ".srt").as_posix()
    'subtitles/front/0900.srt'
    """
    inside = PurePosixPath(unicode(name))
    if inside.is_absolute() or ".." in inside.parts or not inside.name:
        raise StoreError("the name of this video leads to another folder", where=name)
    return folder / inside.parent / f"{inside.name}{suffix}"


def check_new(places: Iterable[Path], *, overwrite: bool) -> None:
    """Raise UsageError if one of the files to write is there, unless it may be overwritten."""
    there = [place for place in places if place.exists()]
    if there and not overwrite:
        raise UsageError(
            f"{counted(len(there), 'file')} to write {'is' if len(there) == 1 else 'are'} there",
            where=there[0],
            cure="choose another -o, or give --overwrite",
        )


def named_paths(paths: Mapping[str, str]) -> Candidates:
    """Return the candidates of videos whose paths are given by name."""
    return lambda name: [paths[name]] if name in paths else []


def paths_below(roots: Iterable[video.Root]) -> Candidates:
    """Return the candidates below folders: the file of a name relative to each."""
    known = tuple(roots)
    return lambda name: [path for root in known if (path := root.path(name)) is not None]
