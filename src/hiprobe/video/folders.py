"""Walk through a folder: which files are read, which are passed over, and why. Opens no file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hiprobe import environment
from hiprobe.errors import MissingVideo

CURE = "give read permission, repair the link, or name other folders"
# Called with what is passed over and why; the reason is an error if it should have been read.
Note = Callable[[Path, str | MissingVideo], None]


def refuse(_path: Path, why: str | MissingVideo) -> None:
    """Raise the error of what should have been read; say nothing of the rest."""
    if isinstance(why, MissingVideo):
        raise why


def walk(folder: Path, suffixes: tuple[str, ...], note: Note = refuse) -> Iterator[Path]:
    """Yield the files in `folder` and the folders below it whose names end in one of `suffixes`.

    Links are followed. Each folder is entered once, whatever links lead to it, by its own path
    rather than through a link. Hidden files and folders are passed over. `note` is called with all
    that is passed over; by default it raises MissingVideo for a folder that cannot be entered and
    for what cannot be reached, such as a link that leads nowhere.
    """
    waiting, entered = [folder] if os.path.isdir(folder) else [], set[str]()
    while waiting:
        place = waiting.pop()
        if (real := os.path.realpath(place)) in entered:
            note(place, "link to a folder already read")
            continue
        entered.add(real)
        for path in _children(place, note):
            if path.name.startswith("."):
                note(path, "hidden")
            elif os.path.isdir(path):
                # Links wait until all real folders have been entered.
                waiting.insert(0 if path.is_symlink() else len(waiting), path)
            elif os.path.isfile(path) and path.name.lower().endswith(suffixes):
                yield path
            elif os.path.exists(path):
                note(path, "unknown suffix" if os.path.isfile(path) else "not a regular file")
            else:
                note(path, MissingVideo("cannot be reached", where=path, cure=CURE))


def _children(place: Path, note: Note) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError as error:
        if (number := environment.refused(error)) is not None:
            raise environment.failed(number) from error
        note(place, MissingVideo(f"cannot be entered: {error.strerror}", where=place, cure=CURE))
        return []
