"""What a command passed over in the folders that it searched: one line at its end, or a list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from hiprobe.errors import MissingVideo


class PassedOver:
    """Files and folders that were not read, and why. `note` is what `video.find` calls."""

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self._why: dict[Path, str] = {}

    def note(self, path: Path, why: str | MissingVideo) -> None:
        """Keep one of them; each is counted once, however often it is met."""
        self._why[path] = why.reason if isinstance(why, MissingVideo) else why

    def note_others(self, path: Path, why: str | MissingVideo) -> None:
        """`note`, but raise the error of what should have been read."""
        from hiprobe.video.folders import refuse

        refuse(path, why)
        self.note(path, why)

    def search(self, folder: Path, pictures: bool = False) -> None:
        """Note what a search for videos, and for `pictures`, passes over in `folder`."""
        from hiprobe.video.files import VIDEO_SUFFIXES
        from hiprobe.video.folders import walk
        from hiprobe.video.pictures import KINDS

        for _ in walk(folder, (*VIDEO_SUFFIXES, *(KINDS if pictures else ())), self.note):
            pass

    def search_clips(self, data: Path | None) -> None:
        """Note what is passed over in labelled clips, if they are folders and not a table."""
        if data is not None and not (data / "labels.csv").is_file():
            for name in ("normal", "abnormal"):
                self.search(data / name)

    def tell(self) -> None:
        """Say how many there are and why on standard error; with `verbose`, which."""
        from hiprobe.cli._terminal import warn

        for path, why in sorted(self._why.items()) if self.verbose else ():
            warn(f"{path}: passed over ({why})")
        if self._why:
            reasons = Counter(self._why.values()).most_common()
            counts = ", ".join(f"{why} {number}" for why, number in reasons)
            more = "" if self.verbose else "; --verbose lists them"
            warn(f"passed over {len(self._why)} in folders: {counts}{more}")


def watch(context: typer.Context, verbose: bool) -> PassedOver:
    """Return a `PassedOver` that tells when the command ends, also if it fails."""
    seen = PassedOver(verbose)
    context.call_on_close(seen.tell)
    return seen
