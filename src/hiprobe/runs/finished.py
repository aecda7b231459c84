"""What a folder of results answers without a model: finished videos, also at a new threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hiprobe.errors import VideoError
from hiprobe.localize import Localization
from hiprobe.pipeline import (
    ALL,
    WindowsToRead,
    are_checked,
    are_explained,
    are_located,
    ignore,
    relocalized,
    stored_scores,
    with_maps,
    with_recording_time,
)
from hiprobe.probe import Probe
from hiprobe.runs.detection import (
    STORE,
    Given,
    Keep,
    as_video,
    placed,
    record_run,
    stems_of,
    time_setting,
    verifies,
    where_setting,
    write_result,
)
from hiprobe.store import results
from hiprobe.store.leases import LeaseHolder
from hiprobe.types import Result, Video, digest_json, unicode

WINDOWS = ("every", "low", "still")  # the settings that say which windows were read


@dataclass(frozen=True)
class Wanted:
    """What results must have been made with; `dtype` is the model's, or "auto" for any."""

    probe: Probe
    localization: Localization
    explain: bool = True
    verify: bool = True
    dtype: str = "auto"
    time_from_name: str | None = None
    where: bool = False
    windows: WindowsToRead = ALL

    def found_again(self, old: Result, store: Path, dtype: str) -> Result | None:
        """Return the result at this localisation; None if the model has to read or say more."""
        probe, rule = self.probe, self.probe.verification
        known = stored_scores(store, old.video_id, probe, dtype)
        try:
            new = relocalized(old, self.localization, known, rule=rule)
        except KeyError:
            return None
        unchecked = verifies(probe, self.verify) and not are_checked(new.events)
        unexplained = self.explain and not are_explained(new.events)
        return None if unchecked or unexplained else new

    def settings(self, made_with: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the settings that a usable result gets; None if it cannot be used.

        One in which other windows were read cannot, and which ones are depends on the threshold.
        """
        windows = self.windows.settings(self.localization)
        same = (
            made_with.get("probe") == self.probe.digest
            and made_with.get("explain") == self.explain
            and made_with.get("verify") == verifies(self.probe, self.verify)
            and self.dtype in ("auto", made_with.get("dtype"))
            and {name: made_with[name] for name in WINDOWS if name in made_with} == windows
        )
        if not same:
            return None
        return {  # in the order of `result_settings`, so that the files are the same
            "localization": self.localization.to_json(),
            **{k: v for k, v in results.model_settings(made_with).items() if k not in windows},
            **time_setting(self.time_from_name),
            **where_setting(self.where),
            **windows,
        }


@dataclass(frozen=True)
class _Kept:
    """A result, its folder, and its settings; `moved` if it must be written again."""

    result: Result
    place: Path
    settings: dict[str, Any]
    moved: bool


def without_model(
    out: Path, videos: Sequence[Given], wanted: Wanted, keep: Keep = ignore
) -> tuple[list[Result], list[Video]]:
    """Return the results in `out` that need no model, and the videos left.

    A result with the same probe but another threshold, smoothing or merging is made again from its
    raw scores and written, `keep` writing its other files. If that gives an event that the model
    has not checked, explained or located yet, or that has to be refined with windows that are not
    stored, its video is left. Raises StoreError.
    """
    stems, named = stems_of(out), [as_video(one) for one in videos]
    found = {one.name: kept for one in named if (kept := _kept(out, one, wanted, stems))}
    moved = [kept for kept in found.values() if kept.moved]
    written = {result.name: result for result in _write(out, moved, wanted.probe, keep)}
    usable = {
        name: kept.result for name, kept in found.items() if not kept.moved or name in written
    }
    return [usable[one.name] for one in named if one.name in usable], [
        one for one in named if one.name not in usable
    ]


def _kept(out: Path, one: Video, wanted: Wanted, stems: frozenset[str]) -> _Kept | None:
    # Without this check a new folder would hash all videos before the first result.
    if unicode(Path(one.name).stem)[:8] not in stems:
        return None
    try:
        place, read = placed(out, one)
    except VideoError:
        return None  # reported when its turn comes
    made_with = (results.result_facts(place) or {}).get("settings")
    settings = wanted.settings(made_with) if isinstance(made_with, Mapping) else None
    old = None if settings is None else results.load_result(place, read, made_with or {})
    if settings is None or old is None:
        return None
    if settings == made_with:
        return _Kept(old, place, settings, moved=False)
    new = wanted.found_again(old, out / STORE, str(settings["dtype"]))
    if new is None:
        return None
    if wanted.where and not are_located(new.events):
        return None
    if not wanted.where:
        new = replace(new, events=with_maps(new.events, ()))
    try:
        new = with_recording_time(new, wanted.time_from_name)
    except VideoError:
        return None  # reported when its turn comes
    return _Kept(new, place, settings, moved=True)


def _write(out: Path, moved: Iterable[_Kept], probe: Probe, keep: Keep) -> Iterator[Result]:
    """Write results that no other worker holds, and yield them."""
    for _, group in groupby(moved, lambda one: digest_json(one.settings)):
        some = list(group)
        record_run(out, probe, some[0].settings)
        with LeaseHolder(out / STORE, some[0].settings, len(some)) as worker:
            for one in some:
                result = one.result
                item = worker.claim(one.place.name, result.name, result.video_id)
                if worker.has(item):
                    write_result(one.place, result, one.settings, keep)
                    worker.end(item, result.status, result.reason)
                    yield result
