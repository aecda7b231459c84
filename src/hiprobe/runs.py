"""Detect in many videos, resumably: skips finished videos and those that other workers hold.

Knows no picture and no page: `keep` writes a result's files, and the result counts once they exist.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe import pipeline, video
from hiprobe.errors import DecoderLost, HiProbeError, OutOfMemory, Quarantined, VideoError
from hiprobe.pipeline import Failed, Progress, Reading, ReadPlan, ignore
from hiprobe.probe import Probe
from hiprobe.store import result_folder, results
from hiprobe.store.leases import LeaseHolder, VideoRecord, put_back
from hiprobe.types import Result
from hiprobe.video import parallel

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone, ModelFacts

POLL_S = 0.5
STORE = ".store"
RETRY_CURE = "release it with hiprobe runs OUT --retry"
Keep = Callable[[Result, Path], None]


class DetectionRun:
    """Detection with one model, probe and settings into one result folder.

    Several processes may share the folder. Raises RecipeMismatch for a probe of another model.
    """

    def __init__(self, model: Backbone, probe: Probe, out: Path, *, explain: bool = True) -> None:
        pipeline.check_probe(model, probe)
        self.model, self.probe, self.out, self.explain = model, probe, out, explain
        self.settings = result_settings(model, probe, explain)

    def done(self, paths: Sequence[str | Path]) -> tuple[list[Result], list[str | Path]]:
        """Return the results these videos already have with these settings, and the paths left."""
        stems = self._stems()
        found = [(path, self._before(path, stems)) for path in paths]
        left = [path for path, result in found if result is None]
        return [result for _, result in found if result], left

    def forget(self, paths: Iterable[str | Path]) -> None:
        """Mark these videos to be processed again, quarantined ones too; raises StoreError."""
        places = []
        for path in paths:
            with suppress(VideoError):  # reported when its turn comes
                places.append(self.place(path)[0])
        for place in places:
            (place / results.NAME).unlink(missing_ok=True)
        put_back(self.out, [place.name for place in places])

    def detect(
        self,
        paths: Sequence[str | Path],
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
        queue, idle, begun = deque(paths), 0, set[str]()
        with LeaseHolder(self.out / STORE, self.settings, len(paths)) as worker:
            turns = _Turns(self, worker, keep, failed, progress)
            while queue:
                path = queue.popleft()
                self._decode_ahead(islice(queue, parallel.decoders() - 1), begun)
                result = turns.take(path)
                if result is not None:
                    idle = 0
                    yield result
                    continue
                queue.append(path)
                idle += 1
                if idle > len(queue):
                    waiting(len(queue))
                    waiting = ignore
                    time.sleep(POLL_S)

    def _decode_ahead(self, paths: Iterable[str | Path], begun: set[str]) -> None:
        """Start decoding the next videos, each once."""
        plan = ReadPlan(tuple(self.probe.sites), self.probe.recipe)
        for path in paths:
            if str(path) not in begun:
                begun.add(str(path))
                pipeline.decode_ahead(path, Reading(self.model, self.out / STORE), plan)

    def _before(self, path: str | Path, stems: frozenset[str]) -> Result | None:
        # Without this check a new folder would hash all videos before the first result.
        if Path(path).stem[:8] not in stems:
            return None
        try:
            place, video_id = self.place(path)
        except VideoError:
            return None  # reported when its turn comes
        return results.load_result(place, str(path), video_id, self.settings)

    def _stems(self) -> frozenset[str]:
        """Return the first letters of the names of the videos that have a result."""
        return frozenset(
            path.parent.name.rpartition("-")[0][:8] for path in self.out.glob(f"*/{results.NAME}")
        )

    def place(self, path: str | Path) -> tuple[Path, str]:
        """Return where the result of a video goes, and the video's digest; raises VideoError."""
        video_id = video.digest(path)
        return result_folder(self.out, Result(str(path), video_id, "failed")), video_id


@dataclass(frozen=True)
class _Turns:
    """One worker's pass over the videos of a run."""

    run: DetectionRun
    worker: LeaseHolder
    keep: Keep
    failed: Failed
    progress: Progress

    def take(self, path: str | Path) -> Result | None:
        """Return the result of one video, or None if its turn comes later."""
        try:
            place, video_id = self.run.place(path)
        except VideoError as error:
            result = pipeline.failure(path, error)
            return enter_unread(result, error, self.worker, self.run.out, self.failed)
        item = self.worker.claim(place.name, Path(path).name, video_id)
        if item.status in ("failed", "quarantined"):
            return given_up(path, item, self.failed)
        return self._claimed(path, place, item) if self.worker.has(item) else None

    def _claimed(self, path: str | Path, place: Path, item: VideoRecord) -> Result | None:
        # Another worker may have finished it since this run asked for it.
        result = results.load_result(place, str(path), item.digest, self.run.settings)
        try:
            result = result or self._detected(path, place, item.digest)
        except DecoderLost as error:
            lost = self.worker.lose(item, error.named)
            return None if lost.status == "todo" else given_up(path, lost, self.failed)
        except (VideoError, OutOfMemory) as error:
            self.failed(str(path), error)
            result = pipeline.failure(path, error)
        self.worker.end(item, result.status, result.reason)
        return result

    def _detected(self, path: str | Path, place: Path, video_id: str) -> Result:
        run = self.run
        result = pipeline.detect(
            path,
            run.model,
            run.probe,
            explain=run.explain,
            store=run.out / STORE,
            progress=self.progress,
        )
        pipeline.check_same(path, video_id)
        # Until all files are written they must not count as a result.
        (place / results.NAME).unlink(missing_ok=True)
        self.keep(result, place)
        results.save_result(place, result, run.settings)
        return result


def enter_unread(
    result: Result, error: HiProbeError, worker: LeaseHolder, out: Path, failed: Failed
) -> Result:
    """Report and record a video that could not even be hashed; return its `failed` result."""
    failed(result.path, error)
    name = Path(result.path).name
    worker.missing(result_folder(out, result).name, name, str(result.reason))
    return result


def given_up(path: str | Path, item: VideoRecord, failed: Failed) -> Result:
    """Report a video that is not tried again; return its `failed` or `quarantined` result."""
    result = Result(str(path), item.digest, "failed", reason=str(item.reason))
    if item.status == "failed":
        failed(str(path), VideoError(str(item.reason), where=path))
        return result
    failed(str(path), Quarantined(str(item.reason), where=path, cure=RETRY_CURE))
    return replace(result, status="quarantined")


def result_settings(model: ModelFacts, probe: Probe, explain: bool) -> dict[str, Any]:
    """Return everything but the video that determines a result, as JSON values."""
    return {
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "model": model.recipe.model,
        "revision": model.recipe.revision,
        "dtype": str(model.provenance.get("dtype", "unknown")),
        "explain": explain,
    }
