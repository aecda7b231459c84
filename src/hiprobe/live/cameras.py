"""What is watched, and how: cameras, sinks, and where the watcher keeps its things.

`load` reads it from a TOML file. Knows no stream and no model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePath
from typing import Any, Literal

from hiprobe.errors import UsageError
from hiprobe.live.address import check_address, kind_of, shown
from hiprobe.live.regions import Regions
from hiprobe.live.schedules import Schedule
from hiprobe.ranges import require
from hiprobe.types import Severity, file_name
from hiprobe.types.events import check

Still = Literal["read", "skip"]
Transport = Literal["tcp", "udp"]
STILLS = ("read", "skip")
TRANSPORTS = ("tcp", "udp")
STATE = "watch"
# A name is part of paths, topics and addresses.
NAME = re.compile(r"\w[\w .-]{0,62}\w|\w")


@dataclass(frozen=True)
class SeverityRule:
    """When an alert of a camera is of severity high: `always`, or if one of the others holds.

    From the score `above` on, or while `schedule` applies. A rejected alert is low whatever this
    says. Raises ValueError for a score out of range.

    >>> from datetime import UTC
    >>> night = SeverityRule(schedule=Schedule.parse(["daily 22:00-06:00"], UTC))
    >>> night.severity(0.7, wall=0.0), night.severity(0.7, wall=12 * 3600.0)
    ('high', 'medium')
    """

    always: bool = False
    above: float | None = None
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if self.above is not None:
            require("score", self.above, "the score above which an alert is high")

    def severity(self, score: float, wall: float) -> Severity:
        """Return the severity of an alert with this score at the Unix time `wall`, in seconds."""
        strong = self.above is not None and score >= self.above
        timely = self.schedule is not None and self.schedule.applies(wall)
        return "high" if self.always or strong or timely else "medium"


@dataclass(frozen=True)
class Camera:
    """One camera, and how it is watched. Raises ValueError, or UsageError for its address.

    - `url`: its address, or a file that is played `speed` times as fast as it was recorded.
    - `place`: where it is, for people. `clips`: whether footage of its alerts is kept.
    - `schedule`: when it is watched. `cooldown_s`: seconds after an alert without another one.
    - `severity`: when an alert is high. `threshold`: its own, None for the probe's.
    - `ignore`: regions of the picture that are blanked. `still`: "skip" does not read again what
      hardly differs from the segment before.
    - `transport`: how RTSP is carried. `offline_after_s` seconds without a packet make it offline,
      and `frozen_after_s` without a new picture frozen.

    >>> Camera("yard", "rtsp://admin:secret@10.0.0.5/live")
    Camera(name='yard', at='rtsp://10.0.0.5')
    """

    name: str
    url: str
    place: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    cooldown_s: float = 60.0
    severity: SeverityRule = field(default_factory=SeverityRule)
    ignore: Regions = field(default_factory=Regions)
    threshold: float | None = None
    still: Still = "read"
    clips: bool = True
    speed: float = 1.0
    transport: Transport = "tcp"
    offline_after_s: float = 15.0
    frozen_after_s: float = 60.0

    def __post_init__(self) -> None:
        check(
            bool(NAME.fullmatch(self.name)),
            "name must be 1 to 64 letters, digits, spaces, dots, hyphens or underscores, and begin "
            f"and end with a letter or digit, got {self.name[:80]!r}",
        )
        check_address(self.url)
        for key in ("cooldown_s", "speed", "offline_after_s", "frozen_after_s"):
            require(key, getattr(self, key))
        if self.threshold is not None:
            require("threshold", self.threshold)
        check(self.still in STILLS, f"still must be one of {STILLS}, got {self.still!r:.80}")
        check(
            self.transport in TRANSPORTS,
            f"transport must be one of {TRANSPORTS}, got {self.transport!r:.80}",
        )
        check(
            self.speed == 1.0 or self.plays_file,
            f"speed is for files only: {self.shown} sends at its own speed",
        )

    def __repr__(self) -> str:
        return f"Camera(name={self.name!r}, at={self.shown!r})"

    @property
    def shown(self) -> str:
        """The address as people and logs may see it."""
        return shown(self.url)

    @property
    def plays_file(self) -> bool:
        """Whether it is a file, or a folder of pictures, that is played in real time."""
        return kind_of(self.url) == "file"


@dataclass(frozen=True)
class ClipSettings:
    """Which footage of an alert is kept, and for how long. Raises ValueError.

    A clip begins `before_s` seconds before its alert and ends `after_s` after it. It is deleted
    after `keep_days`, if nobody has reviewed its alert after `keep_unreviewed_days`, or when all
    clips together take more than `keep_gb` (1e9 bytes).

    >>> ClipSettings().keep_days
    14.0
    """

    before_s: float = 5.0
    after_s: float = 5.0
    keep_days: float = 14.0
    keep_unreviewed_days: float = 28.0
    keep_gb: float = 20.0

    def __post_init__(self) -> None:
        for key in ("before_s", "after_s", "keep_days", "keep_unreviewed_days", "keep_gb"):
            require(key, getattr(self, key))
        check(
            self.keep_unreviewed_days >= self.keep_days,
            "keep_unreviewed_days must be at least keep_days: what nobody has seen goes last",
        )


@dataclass(frozen=True)
class SinkEntry:
    """Where alerts are sent: the name of the entry, the plug-in, and its target.

    `settings` (types, min_severity, wait, wait_s) are for the watcher, `parts` has such settings
    for parts of the receiver, and `options` are the plug-in's own.
    """

    name: str
    sink: str
    target: str = field(repr=False)  # it may hold a password
    settings: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Watch:
    """What a watcher is to do. `state` is the folder that holds everything it has to remember.

    `probe` and `model` are None where the file does not name them. Raises ValueError for no camera,
    and for two cameras or two sinks of one name.

    >>> Watch((Camera("yard", "rtsp://10.0.0.5/live"),)).state.name
    'watch'
    """

    cameras: tuple[Camera, ...]
    sinks: tuple[SinkEntry, ...] = ()
    state: Path = Path(STATE)
    probe: str | None = None
    model: str | None = None
    clips: ClipSettings = field(default_factory=ClipSettings)

    def __post_init__(self) -> None:
        check(bool(self.cameras), "there is no camera to watch")
        for kind, names in (
            ("camera", [one.name for one in self.cameras]),
            ("sink", [one.name for one in self.sinks]),
        ):
            # Some disks do not tell upper from lower case.
            twice = [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]
            same = [name for name in names if name.casefold() in twice]
            check(not twice, f"two {kind}s have the name {' and '.join(map(repr, same[:2]))}")


def load(path: str | PathLike[str]) -> Watch:
    r"""Read a TOML file of cameras and sinks.

    A file that a camera plays, the probe, the state folder and the target of a jsonl sink are
    relative to the TOML file's own folder. `${NAME}` in the address of a camera is replaced by that
    environment variable, encoded as an address needs it. Raises UsageError, with the file, the key
    and the cure.

    >>> file = Path("cameras.toml")
    >>> _ = file.write_text('[[camera]]\nname = "yard"\nurl = "rtsp://10.0.0.5/live"\n')
    >>> load(file).cameras
    (Camera(name='yard', at='rtsp://10.0.0.5'),)
    """
    try:
        from hiprobe.live import camera_file
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a file of cameras needs the package {error.name}", cure="pip install 'hiprobe[live]'"
        ) from error
    return camera_file.read_watch(Path(path))


def cameras_of(sources: Sequence[str], speed: float = 1.0) -> tuple[Camera, ...]:
    """Return cameras for addresses and files, named after their hosts and files.

    `speed` is for the files. Raises UsageError.

    >>> [one.name for one in cameras_of(["rtsp://10.0.0.5/1", "rtsp://10.0.0.5/2", "shop.mp4"])]
    ['10.0.0.5', '10.0.0.5-2', 'shop']
    """
    names: Counter[str] = Counter()
    found = []
    for url in sources:
        check_address(url)
        name = _name_of(url)
        names[name.casefold()] += 1
        number = names[name.casefold()]
        name = f"{name}-{number}" if number > 1 else name
        try:
            found.append(Camera(name, url, speed=speed if kind_of(url) == "file" else 1.0))
        except ValueError as error:
            raise UsageError(str(error), where=shown(url)) from error
    return tuple(found)


def _name_of(url: str) -> str:
    bare = file_name(url) if "://" in url else PurePath(url).stem
    kept = re.sub(r"[^\w.-]+", "-", bare).strip("-. ")[:60].strip("-. ")
    return kept if NAME.fullmatch(kept) else "camera"
