"""Refits while cameras are watched: each judgement changes the probe in use, in the background.

One refit at a time; judgements that come meanwhile share the next one. Knows no page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from typing import Any

from hiprobe.errors import HiProbeError, LabelError, ProbeError
from hiprobe.probe import Probe
from hiprobe.review.judgements import Judgement, Judgements
from hiprobe.review.live_session import LiveSession
from hiprobe.review.proposals import Proposal, propose_refit

NOTE = "refit by a judgement"


@dataclass(frozen=True)
class ProbeChange:
    """What became of the probe in use: another `digest`, or the same one and the `trouble`.

    `how` it came: a refit, of which the `proposal` has the figures, "undo" or "restored".
    `seconds` passed from the first judgement that it counts to its use by the watcher.
    """

    digest: str
    how: str
    who: str
    seconds: float
    proposal: Proposal | None = None
    trouble: str | None = None


class LiveRefit:
    """Refits the probe of a session after judgements, and puts it into use.

    `tell` is called with each change, from the thread that made it. When judgements are undone, the
    probe that was made from those that are left is used again.
    """

    def __init__(self, session: LiveSession, tell: Callable[[ProbeChange], None]) -> None:
        self._session, self._tell = session, tell
        self._worker = ThreadPoolExecutor(1, "refit")
        self._lock, self._asked = threading.Lock(), 0.0
        self.last: ProbeChange | None = None
        # The probes of this run by the ids of the judgements that they were made from.
        self._made: dict[tuple[int, ...], str] = {}
        self._worker.submit(session.prepare).add_done_callback(self._report)
        self._begin()

    def request(self, who: str) -> None:
        """Refit after a judgement of `who`; returns at once."""
        with self._lock:
            if self._asked:
                return  # the refit that waits to begin counts this judgement too
            self._asked = time.perf_counter()
        self._worker.submit(self._refit, who).add_done_callback(self._report)

    def restore(self, who: str) -> ProbeChange:
        """Put the probe that was in use before into use again; that of a second call is this one.

        Raises ProbeError if there was none, and the errors of `LiveSession.use`.
        """
        began, before = time.perf_counter(), self._session.judgements.previous_probe()
        if before is None:
            raise ProbeError("no other probe was in use before", cure="judge an alert first")
        self._session.use(before, who)
        change = ProbeChange(before, "restored", who, time.perf_counter() - began)
        self._told(change)
        return change

    def close(self) -> None:
        """Finish the refit that is running, and begin no other."""
        self._worker.shutdown(cancel_futures=True)

    def _refit(self, who: str) -> ProbeChange:
        with self._lock:
            began, self._asked = self._asked, 0.0
        try:
            change = self._changed(who, began)
        except HiProbeError as error:
            change = self._failed(str(error), who, time.perf_counter() - began)
        self._told(change)
        return change

    def _changed(self, who: str, began: float) -> ProbeChange:
        session = self._session_now()
        counted = _ids(session.judgements.standing())
        known = self._made.get(counted)
        if known is not None:
            self._session.use(known, who, counted)
            return ProbeChange(known, "undo", who, time.perf_counter() - began)
        old = self._session.needed_probe()
        self._check_videos_are_known(old)
        proposal = propose_refit(session, among=list(session.judged_alerts(old)))
        self._check_states_are_kept(old, proposal.probe)
        digest = proposal.probe.digest
        self._session.keep(proposal.probe, who, NOTE, proposal.figures, proposal.upto)
        self._session.use(digest, who, counted)
        seconds = time.perf_counter() - began
        self._made[counted] = digest
        return ProbeChange(digest, "refit", who, seconds, proposal)

    def _check_videos_are_known(self, probe: Probe) -> None:
        """Raise LabelError if the labels of a video that `probe` was fitted on are not known."""
        judgements = self._session.judgements
        known = {*judgements.labelled(), *(one.video for one in judgements.standing())}
        if probe.fitted_videos - known - self._withdrawn():
            raise LabelError(
                "the clips that it was fitted on are not known here, and a refit would forget them",
                cure="start with --labels DATA, or refit on the page Probes",
            )

    def _check_states_are_kept(self, old: Probe, made: Probe) -> None:
        """Raise LabelError if `made` lacks a video that `old` was fitted on: its states are gone.

        A video without a labelled segment may be left out, and one that was withdrawn.
        """
        gone = [
            video
            for video in old.fitted_videos - made.fitted_videos - self._withdrawn()
            if self._session.states(video, old.recipe, old.sites) is None
        ]
        if gone:
            raise LabelError(
                f"the hidden states of {len(gone)} of the {len(old.fitted_videos)} videos that it "
                "was fitted on are not kept here, and a refit would forget them",
                cure="restore the store of hiprobe fit, or refit on the page Probes",
            )

    def _withdrawn(self) -> set[str]:
        """Return the videos whose judgements were all undone, and the alerts kept no longer."""
        session, truth = self._session, self._session.judgements.labelled()
        standing = {one.video for one in session.judgements.standing()}
        undone = {one.video for one in session.judgements.all()} - standing - truth.keys()
        seen = session.seen.all().items()
        return undone | {video for video, one in seen if session.watcher.alert(one.alert) is None}

    def _session_now(self) -> LiveSession:
        """Return the session with the judgements of now: later ones do not reach a refit in it."""
        session = copy(self._session)
        session.judgements = _JudgementsOfNow(self._session.judgements)
        return session

    def _begin(self) -> None:
        """Note what the probe in use was made from; refit it if other judgements stand by now."""
        judgements = self._session.judgements
        digest = judgements.chosen_probe()
        if digest is None:
            return
        counted = self._session.counted(digest)
        self._made[counted] = digest
        if counted != _ids(judgements.standing()):
            self.request(next((one.who for one in reversed(judgements.all())), ""))

    def _failed(self, trouble: str, who: str, seconds: float) -> ProbeChange:
        digest = self._session.judgements.chosen_probe() or ""
        return ProbeChange(digest, "refit", who, seconds, trouble=trouble)

    def _told(self, change: ProbeChange) -> None:
        self.last = change
        self._tell(change)

    def _report(self, done: Future[Any]) -> None:
        """Tell of an error that nobody expected, so that no judgement is lost in silence."""
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._told(self._failed(f"{type(error).__name__}: {error}", "", 0.0))


class _JudgementsOfNow(Judgements):
    """The same review file; what stands is what stood when this was made."""

    def __init__(self, judgements: Judgements) -> None:
        self.path, self._now = judgements.path, judgements.standing()

    def standing(self, video: str | None = None) -> list[Judgement]:
        return [one for one in self._now if video is None or one.video == video]


def _ids(judgements: Sequence[Judgement]) -> tuple[int, ...]:
    return tuple(one.id for one in judgements)
