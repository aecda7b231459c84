"""The page of `hiprobe watch`: alerts to look at and to judge, which refits the probe in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.errors import HiProbeError, UsageError

if TYPE_CHECKING:
    from socket import socket

    from hiprobe.cli._chosen import ChosenProbe
    from hiprobe.cli._reviewed import Labels
    from hiprobe.live.alert import Alert
    from hiprobe.live.destinations import SinkState
    from hiprobe.live.recorder import MadeClip
    from hiprobe.live.watcher import Watcher
    from hiprobe.review.guard import Guard
    from hiprobe.review.live_adapter import PagedWatcher
    from hiprobe.review.live_session import LiveSession
    from hiprobe.review.server import PageServer

COMMAND = "hiprobe watch"


def guard_of(host: str, port: int, token: str | None, allowed: Sequence[str] | None) -> Guard:
    """Return the guard of the page; raises UsageError, also where its libraries are missing."""
    try:
        from hiprobe.review import server  # noqa: F401
        from hiprobe.review.guard import Guard
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the page needs the package {error.name}",
            cure="pip install 'hiprobe[live]', or give --no-page",
        ) from error
    return Guard(host, port, token, tuple(allowed or ()), COMMAND)


@dataclass
class LivePage:
    """The alerts of one watcher, which begins with a `chosen` probe, kept and shown on a page.

    Without a `guard` there is no page, and they are only kept; with one its port is held at once.
    Raises UsageError if the port cannot be used. `who` is the reviewer until another
    name is set on the page, and `report` gets a line for people. `model` is the name of the model,
    for runs on recorded footage. `labels` are the clips that the probe was fitted on, if they were
    given. `sinks` returns the state of the sinks, and `forget` deletes what waits for them of an
    alert; both are set by whoever has them.
    """

    guard: Guard | None
    chosen: ChosenProbe
    who: str
    report: Callable[[str], object]
    model: str | None = None
    labels: Path | None = None
    sinks: Callable[[], Sequence[SinkState]] = list
    forget: Callable[[str], object] = field(default=lambda alert: None)
    bound: socket | None = field(init=False, default=None)
    paged: PagedWatcher | None = field(init=False, default=None)
    server: PageServer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.guard is not None:
            from hiprobe.review.server import bind_port

            self.bound = bind_port(self.guard)

    def begin(self, watcher: Watcher) -> None:
        """Serve the page; raises StoreError, LabelError."""
        from hiprobe.live.alert_archive import AlertArchive
        from hiprobe.review.live_adapter import PagedWatcher

        archive = AlertArchive(watcher.folder.path)
        self.paged = PagedWatcher(archive, self._sinks, self._forget, watcher)
        if self.guard is not None:
            self._serve(self.paged, watcher, self.guard)

    def _serve(self, paged: PagedWatcher, watcher: Watcher, guard: Guard) -> None:
        from hiprobe.review.server import PageServer

        session = self._session(paged, watcher)
        self.server = PageServer(session, guard, who=self.who, model=self.model, bound=self.bound)
        self.server.start()
        self.report(f"page: {self.server.address}")

    def tell(self, alert: Alert) -> None:
        """Keep an alert and show it; raises StoreError."""
        if self.paged is not None:
            self.paged.tell(alert)

    def late(self, made: MadeClip) -> None:
        """Keep a clip or a snapshot that came after the end of its alert."""
        try:
            if self.paged is not None:
                self.paged.add_files(made)
        except HiProbeError as error:
            self.report(f"alert {made.alert} of {made.camera} was kept without its clip: {error}")

    def newest(self, line: dict[str, Any]) -> None:
        """Do nothing: the page asks the watcher for scores."""

    def left(self) -> list[Alert]:
        """Return the alerts that a watcher that was killed has not ended."""
        return [] if self.paged is None else self.paged.left()

    def reviewed(self, alert: str) -> bool:
        """Tell whether somebody has seen an alert: its clip may go before those of others."""
        return self.paged is not None and self.paged.archive.is_seen(alert)

    def close(self, within_s: float) -> None:
        """End the page."""
        if self.paged is not None:
            self.paged.close()
        if self.server is not None:
            self.server.close(within_s)

    def _session(self, paged: PagedWatcher, watcher: Watcher) -> LiveSession:
        from hiprobe.cli import _reviewed
        from hiprobe.review.live_session import LiveSession
        from hiprobe.store.local_places import LocalPlaces, add_places, load_places

        folder, probe = watcher.folder, watcher.probe
        if self.chosen.fit is not None:
            add_places(folder.path, LocalPlaces((), {probe.digest: self.chosen.fit}))
        known = _reviewed.Known(load_places(folder.path), self.chosen, given=False)
        labels = known.labels(self.labels, None)
        session = LiveSession(
            folder.path,
            known.roots(None),
            folder.probe,
            (folder.path / ".store", *known.stores(None)),
            watcher=paged,
            prepare=lambda: self._take(session, labels),
        )
        if session.judgements.chosen_probe() != probe.digest:
            session.keep(probe, self.who, "given to hiprobe watch")
            session.judgements.choose_probe(probe.digest, self.who)
        return session

    def _take(self, session: LiveSession, labels: Labels | None) -> None:
        """Read the labels of the clips that the probe was fitted on; says what is wrong."""
        from hiprobe.cli import _reviewed

        try:
            _reviewed.take_labels(session, labels)
        except HiProbeError as error:
            self.report(f"the labelled clips cannot be read: {error}")

    def _sinks(self) -> Sequence[SinkState]:
        return self.sinks()

    def _forget(self, alert: str) -> None:
        self.forget(alert)
