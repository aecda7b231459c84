"""Where the videos of finished results are: given with `--videos`, or where `detect` found them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.errors import UsageError, counted

if TYPE_CHECKING:
    from hiprobe.cli._passed import PassedOver
    from hiprobe.evaluation.finished_videos import Sources
    from hiprobe.types import Video


def sources_of(out: Path, given: Sequence[str], seen: PassedOver) -> Sources:
    """Return how to find the videos of the results in `out`.

    Raises MissingVideo for a path that was `given` and holds no video.
    """
    from hiprobe.evaluation.finished_videos import Sources, named_paths, paths_below
    from hiprobe.store.local_places import load_places
    from hiprobe.video import Root

    if given:
        return Sources(named_paths({one.name: one.path for one in named_videos(given, seen)}))
    roots = [Root(*place) for place in load_places(out).videos]
    return Sources(paths_below(root for root in roots if os.path.isdir(root.folder)))


def named_videos(paths: Sequence[str], seen: PassedOver) -> list[Video]:
    """Find and name the videos; raises the first error."""
    from hiprobe import video

    given = {path: list(map(str, video.find([path], seen.note_others))) for path in paths}
    return video.name_videos(given)[0]


def check_folder(target: Path, out: Path) -> None:
    """Raise UsageError for a folder to write to that is among the results."""
    if target.resolve().is_relative_to(out.resolve()):
        raise UsageError(
            f"the target is among the results in {out}", where=target, cure="choose another -o"
        )


def tell_left_out(unread: int, demoted: int) -> None:
    """Say on standard error which videos and events are not in what was written."""
    from hiprobe.cli._terminal import warn

    if unread:
        warn(f"left out: {counted(unread, 'video')} without a result (hiprobe runs says why)")
    if demoted:
        warn(
            f"left out: {counted(demoted, 'event')} that the model rejected; "
            "--show-demoted writes them too"
        )
