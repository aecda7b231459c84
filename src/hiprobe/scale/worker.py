"""What one worker of a cluster does with a video: look at it, read it or a span, write the result.

Knows no cluster. A call answers with a row of JSON values: what it found, or its named error.
Files are written whole, the result's own last. The index of the store stays with the process
that distributes the work; a worker's own is thrown away.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hiprobe import environment, pipeline, runs, video
from hiprobe.backbones import Backbone
from hiprobe.disk.regular import refuse_links
from hiprobe.errors import CorruptVideo, HiProbeError, StoreError, VideoError
from hiprobe.isolate.crossing import pack_error, unpack_error
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.scale import spans
from hiprobe.store import find_states, remote, result_folder, results, save_states, states_folder
from hiprobe.types import Recipe, Result, Site, Video
from hiprobe.video.joining import can_join
from hiprobe.video.sampling import Span

Row = dict[str, Any]
Keep = Callable[[Result, Path], None]
# A file with fewer bytes for each second of a span is not asked for its length.
LEAST_BYTES_S = 1000


@dataclass
class Described:
    """A model as a worker describes it (`backbones.ModelFacts`).

    With it, the process that distributes the work need not load the model.
    """

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
    batch: int


def described(model: Backbone) -> Described:
    """Describe `model` by its facts."""
    facts = {one.name: getattr(model, one.name) for one in fields(Described)}
    return Described(**{**facts, "provenance": dict(model.provenance)})


@dataclass(frozen=True)
class Work:
    """What a run asks of its workers.

    Of each video, the hidden states at `sites` by `recipe`, kept in `store` (folder or address).
    With a `probe`, also its result in `out`, whose files `keep` writes. `also` is called with each
    video and its digest.
    """

    store: str
    recipe: Recipe
    sites: tuple[Site, ...]
    probe: Probe | None = None
    out: str = ""
    explain: bool = False
    verify: bool = False
    keep: Keep | None = None
    also: Callable[[str, str], object] | None = None
    span_s: float = spans.SPAN_S
    localization: Localization | None = None
    time_from_name: str | None = None
    where: bool = False


class VideoWorker:
    """Does the work of one worker. `answered` turns named errors into rows; bugs are raised."""

    def __init__(self, model: Backbone, work: Work) -> None:
        self.model, self.work = model, work
        self._dtype = str(model.provenance.get("dtype", "unknown"))
        self._scratch = tempfile.TemporaryDirectory(prefix="hiprobe-")
        self._own = Path(self._scratch.name)
        self._held: tuple[str, Path] | None = None

    def close(self) -> None:
        """Remove what this worker has on the disk of its node."""
        self._scratch.cleanup()

    def look(self, path: str) -> Row:
        """Return digest, stated length in seconds, and whether one can seek to spans."""
        here = self._local_file(path)
        digest = video.digest(here)
        if here.is_file() and here.stat().st_size < self.work.span_s * LEAST_BYTES_S:
            return {"digest": digest, "seconds": None, "seekable": False}
        try:
            facts = video.info(here)
        except VideoError:  # reading it will raise the error, or recover what can be read
            return {"digest": digest, "seconds": None, "seekable": False}
        return {"digest": digest, "seconds": facts.duration, "seekable": facts.seekable}

    def span(self, path: str, digest: str, first: int, count: int | None) -> Row:
        """Read one span and keep it; `sound` says whether it may be joined."""
        work, one = self.work, Span(first, count)
        with self._own_store(digest, one) as store:
            part = spans.find_span(store, one, digest, work.recipe, work.sites, self._dtype)
            if part is None:
                part = spans.read_span(
                    self._local_file(path), digest, self.model, work.sites, work.recipe, one
                )
                if part.states is not None:
                    spans.save_span(store, one, part, self._dtype)
        return {
            "sound": part.seam.sound,
            "segments": 0 if part.states is None else len(part.states.starts),
        }

    def finish(
        self, path: str, digest: str, parts: Sequence[tuple[int, int | None]], name: str = ""
    ) -> Row:
        """Read what is not kept, join spans and write the result under `name`.

        The row says how the video ended and where its states are.
        """
        here, plan = self._local_file(path), [Span(*one) for one in parts]
        try:
            pipeline.check_same(here, digest)
        except CorruptVideo:
            self._clear(digest, plan)  # the spans may be of the old or the new content
            raise
        with self._own_store(digest) as store:
            if plan:
                self._join(store, digest, plan)
            row = (
                self._extracted(here, store, digest)
                if self.work.probe is None
                else self._detected(Video(str(here), id=digest, name=name), store)
            )
            if self.work.also is not None:
                self.work.also(str(here), digest)
            folder = states_folder(store, digest, self.work.recipe)
            row["states"] = [
                str(file.relative_to(store)) for file in sorted(folder.glob("*.safetensors"))
            ]
        self._clear(digest, plan)
        return row

    def _extracted(self, here: Path, store: Path, digest: str) -> Row:
        found = pipeline.states(
            here, self.model, self.work.sites, recipe=self.work.recipe, store=store
        )
        pipeline.check_same(here, digest, found.video_id)
        return {
            "status": "partial" if found.gaps or found.damaged_packets else "done",
            "reason": None,
            "duration": found.duration,
            "shape": found.values.shape,
            "gaps": len(found.gaps),
        }

    def _detected(self, one: Video, store: Path) -> Row:
        work = self.work
        assert work.probe is not None
        found = pipeline.detect(
            one.path,
            self.model,
            work.probe,
            explain=work.explain,
            verify=work.verify,
            where=work.where,
            store=store,
            localization=work.localization,
        )
        pipeline.check_same(one.path, str(one.id), found.video_id)
        named = replace(found, name=one.name)
        result = pipeline.with_recording_time(named, work.time_from_name)
        settings = {
            **runs.result_settings(
                self.model, work.probe, work.explain, work.localization, verify=work.verify
            ),
            **runs.time_setting(work.time_from_name),
            **runs.where_setting(work.where),
        }
        with self._place(result_folder(Path(), result).name) as place:
            (place / results.NAME).unlink(missing_ok=True)
            if work.keep is not None:
                work.keep(result, place)
            results.save_result(place, result, settings)
        return {"status": result.status, "reason": result.reason, "duration": result.duration}

    def _join(self, store: Path, digest: str, plan: Sequence[Span]) -> None:
        """Join the kept spans to one file of states, if they can be joined."""
        work = self.work
        if find_states(store, digest, work.recipe, work.sites, self._dtype) is not None:
            return
        parts = []
        for one in plan:
            with self._own_store(digest, one) as own:
                part = spans.find_span(own, one, digest, work.recipe, work.sites, self._dtype)
            parts += [part] if part is not None else []
        if len(parts) == len(plan) and can_join([part.seam for part in parts]):
            save_states(store, spans.join_states(parts), self._dtype)

    def _clear(self, digest: str, plan: Sequence[Span]) -> None:
        """Forget the spans of a video that is done, and the copy of it."""
        for one in plan:
            if remote.is_address(self.work.store):
                remote.remove(self._folder_in_store(digest, one))
            else:
                shutil.rmtree(self._folder_in_store(digest, one), ignore_errors=True)
        if self._held is not None:
            shutil.rmtree(self._held[1].parent)
            self._held = None

    def _local_file(self, path: str) -> Path:
        """Return the video as a file of this machine; the last one fetched is kept."""
        if not remote.is_address(path):
            return Path(remote.strip_scheme(path))
        if self._held is None or self._held[0] != path:
            if self._held is not None:
                shutil.rmtree(self._held[1].parent)
            self._held = None
            self._held = path, remote.fetch(path, Path(tempfile.mkdtemp(dir=self._own)))
        return self._held[1]

    def _folder_in_store(
        self, digest: str, span: Span | None = None, recipe: Recipe | None = None
    ) -> str:
        """Return where the states of a video, or of a span of it, are in the run's store."""
        store = Path() if span is None else spans.span_store(Path(), span)
        return f"{self.work.store}/{states_folder(store, digest, recipe or self.work.recipe)}"

    @contextmanager
    def _own_store(self, digest: str, span: Span | None = None) -> Iterator[Path]:
        """Yield a store of this worker's own.

        In it, the folders of one video, or the folder of a span, are those of the run's store.
        """
        work, top = self.work, Path(tempfile.mkdtemp(dir=self._own))
        recipes = [work.recipe]
        if work.probe is not None and span is None:
            recipes = runs.recipes_read(work.probe, work.verify)
        try:
            with ExitStack() as folders:
                for recipe in recipes:
                    folders.enter_context(self._shared_folder(top, digest, span, recipe))
                yield top
        finally:
            shutil.rmtree(top, ignore_errors=True)

    @contextmanager
    def _shared_folder(
        self, top: Path, digest: str, span: Span | None, recipe: Recipe
    ) -> Iterator[None]:
        """Make a folder of the store at `top` the one of the run's store: a link, or a copy."""
        store = top if span is None else spans.span_store(top, span)
        inside = states_folder(store, digest, recipe)
        inside.parent.mkdir(parents=True)
        place = self._folder_in_store(digest, span, recipe)
        if remote.is_address(self.work.store):
            remote.pull(place, inside)
            known = set(map(_version, inside.iterdir()))
            yield
            fresh = [file for file in inside.iterdir() if _version(file) not in known]
            remote.push(sorted(fresh, key=lambda file: file.suffix != ".json"), place)
            return
        there = Path(place).absolute()
        refuse_links(Path(self.work.store).absolute(), there)
        _make_folder(there)
        inside.symlink_to(there, target_is_directory=True)
        try:
            yield
        finally:
            with suppress(OSError):  # a video that failed has no states, and leaves no folder
                there.rmdir()

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """Yield the folder of a result: in `out`, or one that is uploaded there at the end."""
        if not remote.is_address(self.work.out):
            results.check_place(Path(self.work.out) / name)
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


def _version(file: Path) -> tuple[Path, int]:
    """Return what changes when a file is replaced: files are written anew, never changed."""
    return file, file.stat().st_ino


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write: {error.strerror}",
            where=folder,
            cure=environment.cure_for(error.errno),
        ) from error


def answered(call: Callable[..., Row], *args: Any) -> Row:
    """Return the row of a call, or of the named error that it raised.

    If a worker's own disk refuses, that is a StoreError; if its memory does, EnvironmentFailed.
    """
    try:
        return call(*args)
    except OSError as error:
        refused = StoreError(
            f"a worker cannot write: {error.strerror or error}",
            where=error.filename or tempfile.gettempdir(),
            cure=f"on its node: {environment.cure_for(error.errno)}",
        )
        return {"error": pack_error(refused)}
    except MemoryError:
        return {"error": pack_error(environment.failed(errno.ENOMEM, "a worker cannot go on"))}
    except HiProbeError as error:
        return {"error": pack_error(error)}


def raised(row: Row, path: str) -> HiProbeError | None:
    """Return the error in a row, naming the video as the caller knows it; None if there is none."""
    if "error" not in row:
        return None
    error = unpack_error(row["error"])
    if isinstance(error, VideoError):
        return type(error)(error.reason, where=path, cure=error.cure)
    return error
