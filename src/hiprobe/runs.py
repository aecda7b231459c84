"""Detection in many videos that may be cut off anywhere: what is done is not done again, nor what another worker has.

Knows no picture and no page: `keep` writes a result's files, and only when they stand does the result count.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe import pipeline, video
from hiprobe.errors import DecoderLost, HiProbeError, OutOfMemory, Quarantined, VideoError
from hiprobe.pipeline import Progress
from hiprobe.probe import Probe
from hiprobe.store import result_folder, results
from hiprobe.store.leases import LeaseHolder, VideoRecord, put_back
from hiprobe.types import Result
from hiprobe.video import parallel

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone

POLL_S = 0.5
STORE = ".store"
Keep = Callable[[Result, Path], None]
Failed = Callable[[HiProbeError], None]


def _nothing(*_: object) -> None:
    """What nobody asked for."""


class DetectionRun:
    """Detection with one model, probe and settings into one result folder, which several processes may share.

    Raises RecipeMismatch for a probe of another model.
    """

    def __init__(self, model: Backbone, probe: Probe, out: Path, *, explain: bool = True) -> None:
        pipeline.check_probe(model, probe)
        self.model, self.probe, self.out, self.explain = model, probe, out, explain
        self.settings = result_settings(model, probe, explain)

    def done(self, paths: Sequence[str | Path]) -> tuple[list[Result], list[str | Path]]:
        """The results that were made before of these very videos with these settings, and the paths that are left."""
        stems = self._stems()
        found = [(path, self._before(path, stems)) for path in paths]
        return [result for _, result in found if result], [
            path for path, result in found if result is None
        ]

    def forget(self, paths: Iterable[str | Path]) -> None:
        """Lets these videos be done anew, quarantined ones too; raises StoreError."""
        places = []
        for path in paths:
            with suppress(VideoError):  # its turn will say it
                places.append(self.place(path)[0])
        for place in places:
            (place / results.NAME).unlink(missing_ok=True)
        put_back(self.out, [place.name for place in places])

    def detect(
        self,
        paths: Sequence[str | Path],
        *,
        keep: Keep = _nothing,
        failed: Failed = _nothing,
        progress: Progress = _nothing,
        waiting: Callable[[int], None] = _nothing,
    ) -> Iterator[Result]:
        """A result of each video, in the order in which they end; those of other workers are waited for.

        `keep` writes the files of a new result into a folder. A video that cannot be read gives a `failed` result, one
        that ends its worker or its decoder twice a `quarantined` one, and `failed` is told why. `waiting` is told
        once, when nothing else is left, how many videos other workers hold. Raises ModelError and StoreError.
        """
        queue, idle, begun = deque(paths), 0, set[str]()
        with LeaseHolder(self.out / STORE, self.settings, len(paths)) as worker:
            turns = _Turns(self, worker, keep, failed, progress)
            while queue:
                path = queue.popleft()
                self._begin(islice(queue, parallel.decoders() - 1), begun)
                result = turns.take(path)
                if result is not None:
                    idle = 0
                    yield result
                    continue
                queue.append(path)
                idle += 1
                if idle > len(queue):
                    waiting(len(queue))
                    waiting = _nothing
                    time.sleep(POLL_S)

    def _begin(self, paths: Iterable[str | Path], begun: set[str]) -> None:
        """Lets decoders begin on the videos that come next, each once."""
        for path in paths:
            if str(path) not in begun:
                begun.add(str(path))
                pipeline.decode_ahead(
                    path,
                    self.model,
                    self.probe.sites,
                    recipe=self.probe.recipe,
                    root=self.out / STORE,
                )

    def _before(self, path: str | Path, stems: frozenset[str]) -> Result | None:
        if (
            Path(path).stem[:8] not in stems
        ):  # spares a new folder the hashing of all videos before the first result
            return None
        try:
            place, video_id = self.place(path)
        except VideoError:
            return None  # its turn will say it
        return results.load_result(place, str(path), video_id, self.settings)

    def _stems(self) -> frozenset[str]:
        """The first letters of the videos that have a result."""
        return frozenset(
            path.parent.name.rpartition("-")[0][:8] for path in self.out.glob(f"*/{results.NAME}")
        )

    def place(self, path: str | Path) -> tuple[Path, str]:
        """Where the result of a video goes, and the video's digest; raises VideoError."""
        video_id = video.digest(path)
        return result_folder(self.out, Result(str(path), video_id, "failed")), video_id


@dataclass(frozen=True)
class _Turns:
    """One worker's way through the videos of a run."""

    run: DetectionRun
    worker: LeaseHolder
    keep: Keep
    failed: Failed
    progress: Progress

    def take(self, path: str | Path) -> Result | None:
        """The result of one video, or None if its turn comes later."""
        try:
            place, video_id = self.run.place(path)
        except VideoError as error:
            return self._unread(path, error)
        item = self.worker.claim(place.name, Path(path).name, video_id)
        if item.status in ("failed", "quarantined"):
            return self._ended(path, item)
        return self._claimed(path, place, item) if self.worker.has(item) else None

    def _claimed(self, path: str | Path, place: Path, item: VideoRecord) -> Result | None:
        result = results.load_result(
            place, str(path), item.digest, self.run.settings
        )  # it has ended since it was asked for
        try:
            result = result or self._detected(path, place, item.digest)
        except DecoderLost as error:
            lost = self.worker.lose(item, error.named)
            return None if lost.status == "todo" else self._ended(path, lost)
        except (VideoError, OutOfMemory) as error:
            self.failed(error)
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
            root=run.out / STORE,
            progress=self.progress,
        )
        pipeline.check_same(path, video_id)
        (place / results.NAME).unlink(missing_ok=True)  # while its files change, they are no result
        self.keep(result, place)
        results.save_result(place, result, run.settings)
        return result

    def _unread(self, path: str | Path, error: VideoError) -> Result:
        self.failed(error)
        result = pipeline.failure(path, error)
        self.worker.missing(result_folder(self.run.out, result).name, Path(path).name, error.named)
        return result

    def _ended(self, path: str | Path, item: VideoRecord) -> Result:
        """The result of a video that is not tried (any more)."""
        reason = str(item.reason)
        if item.status == "failed":
            self.failed(VideoError(reason, where=path))
            return Result(str(path), item.digest, "failed", reason=reason)
        self.failed(Quarantined(reason, where=path, cure="hiprobe runs OUT --retry puts it back"))
        return Result(str(path), item.digest, "quarantined", reason=reason)


def result_settings(model: Backbone, probe: Probe, explain: bool) -> dict[str, Any]:
    """All that decides a result beside the video, as JSON."""
    return {
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "model": model.recipe.model,
        "revision": model.recipe.revision,
        "dtype": str(model.provenance.get("dtype", "unknown")),
        "explain": explain,
    }
