"""How a watcher works, and what it is connected to. Values and protocols only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hiprobe.live.alert import Alert
from hiprobe.live.cameras import Camera
from hiprobe.live.closer_look import LookOptions
from hiprobe.live.live_items import Footage, LiveSegment, SourceCounts, Status
from hiprobe.live.recorder import MadeClip
from hiprobe.live.source import Source
from hiprobe.live.watched_camera import OwnLevel
from hiprobe.localize import Localization
from hiprobe.pipeline import ignore
from hiprobe.types import Recipe

WAITING = 3  # segments that a source keeps for a slow model
Line = Mapping[str, Any]


class LiveSource(Protocol):
    """A camera as segments and changes of its state: see `live.source.Source`."""

    counts: SourceCounts

    def __iter__(self) -> Iterator[LiveSegment | Status]:
        """Give what comes, until it ends or is closed."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class OpenSource(Protocol):
    """Opens the source of a camera, which gives its footage to `record`."""

    def __call__(
        self, camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None
    ) -> LiveSource:
        """Return the source, which begins at once."""
        ...


def open_source(
    camera: Camera, recipe: Recipe, record: Callable[[Footage], None] | None
) -> LiveSource:
    """Open a camera in a decoder of its own."""
    return Source(camera, recipe, record=record, waiting=WAITING)


@dataclass(frozen=True)
class WatcherOptions:
    """How a watcher works: what is asked about alerts, and the settings of events for all cameras.

    `levels` are what cameras have of their own, by name. `record` keeps clips. `observe` gets each
    segment with its raw score. `given` is the digest of the probe that the watcher was given, if it
    begins with one that it went over to later.
    """

    looks: LookOptions = field(default_factory=LookOptions)
    localization: Localization | None = None
    levels: dict[str, OwnLevel] = field(default_factory=dict)
    record: bool = True
    given: str | None = None
    observe: Callable[[LiveSegment, float], object] = ignore
    open_source: OpenSource = open_source


@dataclass(frozen=True)
class Outlets:
    """Where a watcher sends alerts, the newest scores and states, and lines for its log.

    `late` gets clips and snapshots of alerts whose end has been told, such as those that a watcher
    that was killed has left. `reviewed` tells whether somebody has seen an alert, whose clip may
    then go first. They are called in its threads and must return soon.
    """

    tell: Callable[[Alert], object] = ignore
    newest: Callable[[Line], object] = ignore
    report: Callable[[str], object] = ignore
    late: Callable[[MadeClip], object] = ignore
    reviewed: Callable[[str], bool] = lambda alert: False
