"""Where videos, labels and stores are on this machine: `.local.json`, beside results or a probe.

It holds the only absolute paths that are written anywhere. It is for its owner alone (mode 600), is
never served, exported or sent to an address, and counts only in the folder and on the machine
where it was written: in a folder from somebody else it could point anywhere.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hiprobe.disk.atomic import replacing
from hiprobe.disk.regular import read_regular
from hiprobe.store.files import alone

NAME = ".local.json"
SCHEMA = "hiprobe.local/1"
LARGEST = 16 << 20  # bytes


@dataclass(frozen=True)
class FittedOn:
    """What `fit` was given for one probe: labels with their options, its store, and the model.

    All paths are absolute. `model` is the folder of a local model, None for any other.
    """

    data: str | None = None
    split: str | None = None
    normal_labels: tuple[str, ...] = ()
    anomaly_labels: tuple[str, ...] = ()
    store: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class LocalPlaces:
    """Folders of videos, and `FittedOn` by the digest of a probe.

    Of a folder: its path, the prefix of the names in it, and whether all videos in it were given.
    """

    videos: tuple[tuple[str, str, bool], ...] = ()
    fits: dict[str, FittedOn] = field(default_factory=dict)

    def joined(self, other: LocalPlaces) -> LocalPlaces:
        """Return these places with those of `other`, which replace what was known of a probe."""
        return LocalPlaces(
            tuple(dict.fromkeys((*self.videos, *other.videos))), {**self.fits, **other.fits}
        )

    def of_probe(self, digest: str) -> LocalPlaces:
        """Return what is known of one probe, without the folders of videos."""
        return LocalPlaces((), {key: fit for key, fit in self.fits.items() if key == digest})


def add_places(folder: Path, places: LocalPlaces) -> None:
    """Add places to `folder/.local.json`; raises StoreError if it cannot be written."""
    path = folder / NAME
    with alone(path):
        before = load_places(folder)
        after = before.joined(places)
        if after != before:
            _write(path, after)


def load_places(folder: Path) -> LocalPlaces:
    """Read `folder/.local.json`; no places if it is missing, damaged or of another folder."""
    path = folder / NAME
    try:
        if path.is_symlink():
            return LocalPlaces()
        values = json.loads(read_regular(path, LARGEST))
        if (values["schema"], values["here"]) != (SCHEMA, _here(folder)):
            return LocalPlaces()
        fits = {str(key): _fitted_on(fit) for key, fit in values["fits"].items()}
        videos = tuple((str(a), str(b), whole is True) for a, b, whole in values["videos"])
        return LocalPlaces(videos, fits)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return LocalPlaces()


def _fitted_on(values: dict[str, Any]) -> FittedOn:
    made = FittedOn(**values)
    return replace(
        made,
        normal_labels=tuple(map(str, made.normal_labels)),
        anomaly_labels=tuple(map(str, made.anomaly_labels)),
    )


def _write(path: Path, places: LocalPlaces) -> None:
    values = {
        "schema": SCHEMA,
        "here": _here(path.parent),
        "videos": places.videos,
        "fits": {key: asdict(fit) for key, fit in places.fits.items()},
    }
    with replacing(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(values, file, indent=1)


def _here(folder: Path) -> list[Any]:
    """Return what tells this folder from a copy of it, here or on another machine."""
    facts = os.stat(folder)
    return [platform.node(), facts.st_uid, facts.st_ino]
