"""Detect in many videos, resumably: skips finished videos and those that other workers hold.

Knows no picture and no page: `keep` writes a result's files, and the result counts once they exist.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe import pipeline, video
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import (
    DecoderLost,
    HiProbeError,
    OutOfMemory,
    Quarantined,
    UsageError,
    VideoError,
)
from hiprobe.localize import Localization
from hiprobe.pipeline import (
    ALL,
    Failed,
    Progress,
    Reading,
    WindowsToRead,
    ignore,
    with_recording_time,
)
from hiprobe.probe import Probe
from hiprobe.store import result_folder, results, run_record, states_folder
from hiprobe.store.leases import LeaseHolder, VideoRecord, put_back
from hiprobe.types import Recipe, Result, Video, unicode
from hiprobe.video import parallel
from hiprobe.video.names import last_part

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone, ModelFacts

POLL_S = 0.5
STORE = ".store"
RETRY_CURE = "release it with hiprobe runs OUT --retry"
Keep = Callable[[Result, Path], None]
Given = Video | str | Path


class DetectionRun:
    """Detection with one model, probe and settings into one result folder.

    `localization` says how events are found, by default as the probe says; `verify` asks the model
    about each event, if the probe says how; `time_from_name` is the pattern by which names tell
    when a video was recorded; with `where`, each event gets a map of where in the picture its score
    comes from; `windows` says which windows the model reads. Several processes may share the
    folder. Raises RecipeMismatch for a probe of another model.
    """

    def __init__(
        self,
        model: Backbone,
        probe: Probe,
        out: Path,
        *,
        explain: bool = True,
        verify: bool = True,
        localization: Localization | None = None,
        time_from_name: str | None = None,
        where: bool = False,
        windows: WindowsToRead = ALL,
    ) -> None:
        pipeline.check_probe(model, probe)
        self.model, self.probe, self.out, self.explain = model, probe, out, explain
        self.localization, self.verify = localization or probe.localization, verify
        self.time_from_name, self.where, self.windows = time_from_name, where, windows
        self.settings = {
            **result_settings(model, probe, explain, self.localization, verify=verify),
            **time_setting(time_from_name),
            **where_setting(where),
            **windows.settings(self.localization),
        }

    def done(self, videos: Sequence[Given]) -> tuple[list[Result], list[Video]]:
        """Return the results these videos already have with these settings, and those left."""
        stems = stems_of(self.out)
        found = [(video, self._before(video, stems)) for video in map(as_video, videos)]
        left = [video for video, result in found if result is None]
        return [result for _, result in found if result], left

    def detect(
        self,
        videos: Sequence[Given],
        *,
        keep: Keep = ignore,
        failed: Failed = ignore,
        progress: Progress = ignore,
        waiting: Callable[[int], None] = ignore,
    ) -> Iterator[Result]:
        """Yield a result of each video, in the order in which they finish.

        Videos that other workers hold are waited for. `keep` writes the files of a new result into
        a folder. A video that cannot be read gives a `failed` result, one that crashes its worker
        or its decoder twice a `quarantined` one; `failed` gets its path and the reason. `waiting`
        is called once, when nothing else is left, with the number of videos that other workers
        hold. Raises ModelError and StoreError.
        """
        queue, idle, begun = deque(map(as_video, videos)), 0, set[str]()
        refuse_links(self.out, self.out / STORE)
        record_run(self.out, self.probe, self.settings)
        with LeaseHolder(self.out / STORE, self.settings, len(queue)) as worker:
            turns = _Turns(self, worker, keep, failed, progress)
            while queue:
                one = queue.popleft()
                self._decode_ahead(islice(queue, parallel.decoders() - 1), begun)
                result = turns.take(one)
                if result is not None:
                    idle = 0
                    yield result
                    continue
                queue.append(one)
                idle += 1
                if idle > len(queue):
                    waiting(len(queue))
                    waiting = ignore
                    time.sleep(POLL_S)

    def _decode_ahead(self, videos: Iterable[Video], begun: set[str]) -> None:
        """Start decoding the next videos, each once."""
        plan = self.windows.plan(self.probe, self.localization)
        for one in videos:
            if one.path not in begun:
                begun.add(one.path)
                pipeline.decode_ahead(one.path, Reading(self.model, self.out / STORE), plan)

    def _before(self, one: Video, stems: frozenset[str]) -> Result | None:
        # Without this check a new folder would hash all videos before the first result.
        if unicode(Path(one.name).stem)[:8] not in stems:
            return None
        try:
            place, read = self.place(one)
        except VideoError:
            return None  # reported when its turn comes
        return results.load_result(place, read, self.settings)

    def place(self, given: Given) -> tuple[Path, Video]:
        """Return where the result of a video goes, and the video with its digest.

        Raises VideoError.
        """
        return placed(self.out, as_video(given))


@dataclass(frozen=True)
class _Turns:
    """One worker's pass over the videos of a run."""

    run: DetectionRun
    worker: LeaseHolder
    keep: Keep
    failed: Failed
    progress: Progress

    def take(self, one: Video) -> Result | None:
        """Return the result of one video, or None if its turn comes later."""
        try:
            place, read = self.run.place(one)
        except VideoError as error:
            result = unscored(one, error.named)
            return enter_unread(result, error, self.worker, self.run.out, self.failed)
        item = self.worker.claim(place.name, read.name, str(read.id))
        if item.status in ("failed", "quarantined"):
            return given_up(read, item, self.failed)
        return self._claimed(read, place, item) if self.worker.has(item) else None

    def _claimed(self, one: Video, place: Path, item: VideoRecord) -> Result | None:
        # Another worker may have finished it since this run asked for it.
        result = results.load_result(place, one, self.run.settings)
        try:
            results.check_place(place)
            result = result or self._detected(one, place)
        except DecoderLost as error:
            lost = self.worker.lose(item, error.named)
            return None if lost.status == "todo" else given_up(one, lost, self.failed)
        except (VideoError, OutOfMemory) as error:
            self.failed(one.path, error)
            result = unscored(one, error.named)
        self.worker.end(item, result.status, result.reason)
        return result

    def _detected(self, one: Video, place: Path) -> Result:
        run, old = self.run, results.load_older(place, one, self.run.settings)
        for recipe in recipes_read(run.probe, run.verify):
            refuse_links(run.out, states_folder(run.out / STORE, str(one.id), recipe))
        found = pipeline.detect(
            one.path,
            run.model,
            run.probe,
            explain=run.explain,
            verify=run.verify,
            where=run.where,
            windows=run.windows,
            localization=run.localization,
            known=old.events if old else (),
            store=run.out / STORE,
            progress=self.progress,
        )
        pipeline.check_same(one.path, str(one.id))
        result = with_recording_time(replace(found, name=one.name), run.time_from_name)
        write_result(place, result, run.settings, self.keep)
        return result


def write_result(place: Path, result: Result, settings: Mapping[str, Any], keep: Keep) -> None:
    """Write all files of a result; until they are there, they do not count as one."""
    (place / results.NAME).unlink(missing_ok=True)
    keep(result, place)
    results.save_result(place, result, settings)


def record_run(out: Path, probe: Probe, settings: Mapping[str, Any]) -> list[Path]:
    """Keep the probe and what is known of the run beside its results; return the changed files.

    Raises StoreError.
    """
    recipe = probe.recipe
    facts = run_record.RunFacts(recipe.model, recipe.revision, probe.digest, settings)
    return run_record.save_run(out, facts, probe.to_bytes())


def check_out(out: Path, probe: Probe) -> None:
    """Raise UsageError if `out` holds results of another probe; StoreError for a damaged record."""
    made = run_record.load_run(out)
    if made is not None and made.probe != probe.digest and any(out.glob(f"*/{results.NAME}")):
        raise UsageError(
            f"it holds results of another probe ({made.probe[:8]}, not {probe.digest[:8]})",
            where=out,
            cure="--again does the given videos again, or choose another -o",
        )


def placed(out: Path, one: Video) -> tuple[Path, Video]:
    """Return where the result of a video goes in `out`, and the video with its digest.

    Raises VideoError.
    """
    read = replace(one, id=video.digest(one.path))
    return result_folder(out, unscored(read)), read


def forget(out: Path, videos: Iterable[Given]) -> None:
    """Mark these videos to be processed again, quarantined ones too; raises StoreError."""
    places = []
    for one in map(as_video, videos):
        with suppress(VideoError):  # reported when its turn comes
            place = placed(out, one)[0]
            results.check_place(place)
            places.append(place)
    for place in places:
        (place / results.NAME).unlink(missing_ok=True)
    put_back(out, [place.name for place in places])


def stems_of(out: Path) -> frozenset[str]:
    """Return the first letters of the names of the videos that have a result in `out`."""
    return frozenset(
        path.parent.name.rpartition("-")[0][:8] for path in out.glob(f"*/{results.NAME}")
    )


def enter_unread(
    result: Result, error: HiProbeError, worker: LeaseHolder, out: Path, failed: Failed
) -> Result:
    """Report and record a video that could not even be hashed; return its `failed` result."""
    failed(result.path, error)
    worker.missing(result_folder(out, result).name, result.name, str(result.reason))
    return result


def given_up(one: Video, item: VideoRecord, failed: Failed) -> Result:
    """Report a video that is not tried again; return its `failed` or `quarantined` result."""
    result = unscored(one, str(item.reason))
    if item.status == "failed":
        failed(one.path, VideoError(str(item.reason), where=one.path))
        return result
    failed(one.path, Quarantined(str(item.reason), where=one.path, cure=RETRY_CURE))
    return replace(result, status="quarantined")


def as_video(given: Given) -> Video:
    """Return a video as it is, and a path as a video named by its last part."""
    return given if isinstance(given, Video) else Video(str(given), name=last_part(str(given)))


def unscored(one: Video, reason: str | None = None) -> Result:
    """Return the `failed` result of a video, with the reason."""
    return Result(one.path, one.id or "", "failed", reason=reason, name=one.name)


def time_setting(pattern: str | None) -> dict[str, Any]:
    """Return the setting that says how names tell the time, if they do."""
    return {} if pattern is None else {"time_from_name": pattern}


def recipes_read(probe: Probe, verify: bool) -> list[Recipe]:
    """Return the recipes by which a detection reads a video: the probe's, and the check's."""
    rule = probe.verification if verify else None
    asked = [] if rule is None else [replace(probe.recipe, prompts=(rule.question,))]
    return [probe.recipe, *asked]


def verifies(probe: Probe, verify: bool) -> bool:
    """Tell whether events are checked: that is wanted, and the probe says how."""
    return verify and probe.verification is not None


def where_setting(where: bool) -> dict[str, Any]:
    """Return the setting that says that events have maps, if they have."""
    return {"where": True} if where else {}


def result_settings(
    model: ModelFacts,
    probe: Probe,
    explain: bool,
    localization: Localization | None = None,
    *,
    verify: bool = True,
) -> dict[str, Any]:
    """Return everything but the video that determines a result, as JSON values."""
    return {
        "localization": (localization or probe.localization).to_json(),
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "model": model.recipe.model,
        "revision": model.recipe.revision,
        "dtype": str(model.provenance.get("dtype", "unknown")),
        "explain": explain,
        "verify": verifies(probe, verify),
    }
