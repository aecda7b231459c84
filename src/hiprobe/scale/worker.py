"""What one worker of a cluster does with a video: looks at it, reads it or a span of it, writes what it found.

Knows no cluster. A call answers with a row, JSON values only: what it found, or its named error. Files are written
whole, the result's own last; the index of the store stays with whoever gives the work out, here is one to throw away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hiprobe import errors, pipeline, runs, store, video
from hiprobe.backbones import Backbone
from hiprobe.errors import CorruptVideo, HiProbeError, StoreError, VideoError
from hiprobe.probe import Probe
from hiprobe.scale import spans
from hiprobe.scale.spans import Span
from hiprobe.store import remote, results
from hiprobe.types import Recipe, Result, Site

Row = dict[str, Any]
Keep = Callable[[Result, Path], None]
LEAST_BYTES_S = (
    1000  # a file with less than this for each second of a span is not worth asking how long it is
)


@dataclass
class Described:
    """A model as a worker describes it, so that the driver need not load it: `backbones.ModelFacts`."""

    recipe: Recipe
    layers: int
    heads: int
    width: int
    head_width: int
    head_layers: tuple[int, ...]
    explain_prompt: str
    explain_span_s: float | None
    notice: str | None
    provenance: Mapping[str, Any]
    batch: int = pipeline.BATCH


def described(model: Backbone) -> Described:
    """What `model` says of itself."""
    facts = {
        one.name: getattr(model, one.name) for one in fields(Described) if hasattr(model, one.name)
    }
    return Described(**{**facts, "provenance": dict(model.provenance)})


@dataclass(frozen=True)
class Work:
    """What a run asks of its workers: `sites` by `recipe` of each video, kept in the store `root` (folder or address).

    With a `probe` also its result in `out`, whose files `keep` writes. `also` is called with each video and its digest.
    """

    root: str
    recipe: Recipe
    sites: tuple[Site, ...]
    probe: Probe | None = None
    out: str = ""
    explain: bool = False
    keep: Keep | None = None
    also: Callable[[str, str], object] | None = None
    span_s: float = spans.SPAN_S


class VideoWorker:
    """One worker's hands; raises nothing but bugs, named errors are rows `{"error": [...]}`."""

    def __init__(self, model: Backbone, work: Work) -> None:
        self.model, self.work = model, work
        self._dtype = str(model.provenance.get("dtype", "unknown"))
        self._scratch = tempfile.TemporaryDirectory(prefix="hiprobe-")
        self._own = Path(self._scratch.name)
        self._held: tuple[str, Path] | None = None

    def close(self) -> None:
        """Removes what this worker has on the disk of its node."""
        self._scratch.cleanup()

    def look(self, path: str) -> Row:
        """Digest, stated length in seconds, and whether spans of it can be sought."""
        here = self._here(path)
        digest = video.digest(here)
        if here.is_file() and here.stat().st_size < self.work.span_s * LEAST_BYTES_S:
            return {"digest": digest, "seconds": None, "seekable": False}
        try:
            facts = video.info(here)
        except VideoError:  # reading it will say so by name, or recover what can be
            return {"digest": digest, "seconds": None, "seekable": False}
        return {"digest": digest, "seconds": facts.duration, "seekable": facts.seekable}

    def span(self, path: str, digest: str, first: int, count: int | None) -> Row:
        """Reads one span and keeps it; `sound` says whether it may be joined."""
        work, one = self.work, Span(first, count)
        with self._store(digest, one) as root:
            part = spans.find_part(root, one, digest, work.recipe, work.sites, self._dtype)
            if part is None:
                part = spans.read_part(
                    self._here(path), digest, self.model, work.sites, work.recipe, one
                )
                if part.states is not None:
                    spans.save_part(root, one, part, self._dtype)
        return {
            "sound": part.seam.sound,
            "segments": 0 if part.states is None else len(part.states.starts),
        }

    def finish(self, path: str, digest: str, parts: Sequence[tuple[int, int | None]]) -> Row:
        """Reads what is not kept, joins spans, writes the result; how the video ended, and where its states lie."""
        here, plan = self._here(path), [Span(*one) for one in parts]
        if video.digest(here) != digest:
            self._clear(digest, plan)  # nobody knows of which content they are
            raise _changed(path)
        with self._store(digest) as root:
            if plan:
                self._join(root, digest, plan)
            row = (
                self._extracted(here, root, digest)
                if self.work.probe is None
                else self._detected(here, root, digest)
            )
            if self.work.also is not None:
                self.work.also(str(here), digest)
            folder = store.states_folder(root, digest, self.work.recipe)
            row["states"] = [
                str(file.relative_to(root)) for file in sorted(folder.glob("*.safetensors"))
            ]
        self._clear(digest, plan)
        return row

    def _extracted(self, here: Path, root: Path, digest: str) -> Row:
        found = pipeline.states(
            here, self.model, self.work.sites, recipe=self.work.recipe, store=root
        )
        if found.video_id != digest:
            raise _changed(here)
        return {
            "status": "partial" if found.gaps or found.skipped else "done",
            "reason": None,
            "duration": found.duration,
            "shape": found.values.shape,
            "gaps": len(found.gaps),
        }

    def _detected(self, here: Path, root: Path, digest: str) -> Row:
        work = self.work
        assert work.probe is not None
        result = pipeline.detect(here, self.model, work.probe, explain=work.explain, store=root)
        if result.video_id != digest:
            raise _changed(here)
        with self._place(store.result_folder(Path(), result).name) as place:
            (place / results.NAME).unlink(missing_ok=True)
            if work.keep is not None:
                work.keep(result, place)
            results.save_result(
                place, result, runs.result_settings(self.model, work.probe, work.explain)
            )
        return {"status": result.status, "reason": result.reason, "duration": result.duration}

    def _join(self, root: Path, digest: str, plan: Sequence[Span]) -> None:
        """Makes one file of states of the kept parts, if they fit; else the video will be read unsplit."""
        work = self.work
        if store.find_states(root, digest, work.recipe, work.sites, self._dtype) is not None:
            return
        parts = []
        for one in plan:
            with self._store(digest, one) as own:
                part = spans.find_part(own, one, digest, work.recipe, work.sites, self._dtype)
            parts += [part] if part is not None else []
        if len(parts) == len(plan) and spans.can_join(parts):
            store.save_states(root, spans.join(parts), self._dtype)

    def _clear(self, digest: str, plan: Sequence[Span]) -> None:
        """Forgets the spans of a video that is done, and the copy of it."""
        for one in plan:
            if remote.is_address(self.work.root):
                remote.remove(self._inside(digest, one))
            else:
                shutil.rmtree(self._inside(digest, one), ignore_errors=True)
        if self._held is not None:
            shutil.rmtree(self._held[1].parent)
            self._held = None

    def _here(self, path: str) -> Path:
        """The video as a file of this machine; the last one fetched is held."""
        if not remote.is_address(path):
            return Path(remote.strip_scheme(path))
        if self._held is None or self._held[0] != path:
            if self._held is not None:
                shutil.rmtree(self._held[1].parent)
            self._held = None
            self._held = path, remote.fetch(path, Path(tempfile.mkdtemp(dir=self._own)))
        return self._held[1]

    def _inside(self, digest: str, span: Span | None = None) -> str:
        """Where the states of a video, or of a span of it, lie in the run's store."""
        root = Path() if span is None else spans.part_store(Path(), span)
        return f"{self.work.root}/{store.states_folder(root, digest, self.work.recipe)}"

    @contextmanager
    def _store(self, digest: str, span: Span | None = None) -> Iterator[Path]:
        """A store of this worker's own, in which the folder of one video, or span, is that of the run's store."""
        top = Path(tempfile.mkdtemp(dir=self._own))
        inside = store.states_folder(
            top if span is None else spans.part_store(top, span), digest, self.work.recipe
        )
        inside.parent.mkdir(parents=True)
        try:
            if remote.is_address(self.work.root):
                known = set(remote.pull(self._inside(digest, span), inside))
                yield top
                fresh = [file for file in inside.iterdir() if file not in known]
                remote.push(
                    sorted(fresh, key=lambda file: file.suffix != ".json"),
                    self._inside(digest, span),
                )
                return
            there = _made(Path(self._inside(digest, span)).absolute())
            inside.symlink_to(there, target_is_directory=True)
            try:
                yield top
            finally:
                with suppress(OSError):  # a video that failed has no states, and leaves no folder
                    there.rmdir()
        finally:
            shutil.rmtree(top, ignore_errors=True)

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """The folder of a result: in OUT, or one that is sent there."""
        if not remote.is_address(self.work.out):
            yield Path(self.work.out) / name
            return
        with tempfile.TemporaryDirectory(dir=self._own) as top:
            folder = Path(top) / name
            folder.mkdir()
            yield folder
            files = sorted(
                folder.iterdir(), key=lambda file: (file.name == results.NAME, file.name)
            )
            remote.push(
                [file for file in files if not file.name.startswith(".")], f"{self.work.out}/{name}"
            )


def _changed(path: str | Path) -> CorruptVideo:
    return CorruptVideo(
        "the file changed while it was read", where=path, cure="give it again once it is whole"
    )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write: {error.strerror}", where=folder, cure="choose another -o"
        ) from error
    return folder


def answered(call: Callable[..., Row], *args: Any) -> Row:
    """The row of a call, or of the named error that it raised; what a worker's own disk refuses is a StoreError."""
    try:
        return call(*args)
    except OSError as error:
        return {
            "error": [
                "StoreError",
                f"a worker cannot write: {error.strerror or error}",
                error.filename or tempfile.gettempdir(),
                "free disk space on its node",
            ]
        }
    except HiProbeError as error:
        where = None if error.where is None else str(error.where)
        return {"error": [type(error).__name__, error.reason, where, error.cure]}


def raised(row: Row, path: str) -> HiProbeError | None:
    """The error that a row carries, naming the video as the caller knows it; None if it carries none."""
    if "error" not in row:
        return None
    name, reason, where, cure = row["error"]
    kind: type[HiProbeError] = getattr(errors, name, HiProbeError)  # a plug-in may have its own
    return kind(reason, where=path if issubclass(kind, VideoError) else where, cure=cure)
