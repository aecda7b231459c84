"""What is wrong with a watch is said before its model is loaded, which may take minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiprobe.errors import UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.live.cameras import Watch
    from hiprobe.live.destinations import Destination
    from hiprobe.live.watcher_options import WatcherOptions
    from hiprobe.probe import Probe


def check_watch(asked: Watch, probe: Probe, options: WatcherOptions) -> None:
    """Raise UsageError for a file that cannot be played, and ProbeError for a probe without alerts.

    A camera that is away is no error: it may come.
    """
    from hiprobe.live.watched_camera import rules_of

    for one in asked.cameras:
        rules_of(one, probe, options.localization, options.levels)
    check_files(asked)


def check_files(asked: Watch) -> None:
    """Raise UsageError for a file, or a folder of pictures, that cannot be played."""
    from hiprobe import video

    for one in asked.cameras:
        if not one.plays_file:
            continue
        try:
            video.info(one.url)
        except VideoError as error:
            raise UsageError(
                f"camera {one.name}: {error.reason}",
                where=one.url,
                cure=error.cure or "give a video, or the address of a camera",
            ) from error


def check_places(asked: Watch, destinations: Sequence[Destination]) -> None:
    """Raise UsageError for a folder that another watcher uses, and for a sink that cannot be used.

    Nothing is written, sent or connected to.
    """
    from hiprobe.live.state_folder import check_free

    check_free(asked.state)
    for one in destinations:
        one.check()
