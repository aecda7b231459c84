"""The review of a running watcher: its alerts beside recorded footage, and the probe that it uses.

An alert is judged as a video of its own: the seconds that it covers, under the id of its footage.
So one set of judgements, and one refit, holds for cameras and recordings. Knows no page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from urllib.parse import quote

from hiprobe.errors import StoreError
from hiprobe.live.alert import Alert, timestamp_utc
from hiprobe.live.alert_archive import footage_id
from hiprobe.pipeline import ignore
from hiprobe.probe import Probe
from hiprobe.review.changes import Judged
from hiprobe.review.counted import load_counted, note_counted
from hiprobe.review.judgements import Judgement
from hiprobe.review.live_watcher import LiveWatcher
from hiprobe.review.results import ReviewedResult, ReviewedVideo
from hiprobe.review.seen_alerts import SeenAlert, SeenAlerts
from hiprobe.review.session import Session, score_states
from hiprobe.types import HiddenStates, Recipe, Site

SHORT_S = 0.001  # the least that a judgement covers


@dataclass
class LiveSession(Session):
    """A review session whose probe is that of a running `watcher`.

    `out` is a results folder, as a rule the watcher's own. Whatever puts a probe into use gives it
    to the watcher first, which may refuse it. `prepare` is called before the first refit: it reads
    the labels of the clips that the probe was fitted on, which may take long. Several threads may
    use it.
    """

    _: KW_ONLY
    watcher: LiveWatcher
    prepare: Callable[[], object] = ignore
    seen: SeenAlerts = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen = SeenAlerts(self.folder)

    # Judgements of alerts

    def judge_alert(self, alert: Alert, kind: str, who: str) -> Judgement:
        """Save a judgement of an alert, of the seconds that it covers so far; raises StoreError."""
        self.see_alert(alert, who)
        video, found = footage_id(alert.id), self.watcher.footage(alert.id)
        span = (0.0, alert.end - alert.start) if found is None else (found.start, found.end)
        self.judgements.judge([(video, span[0], max(span[1], span[0] + SHORT_S))], kind, who)
        self.watcher.judge(alert.id, kind, who)
        return self.judgements.standing(video)[-1]

    def see_alert(self, alert: Alert, who: str) -> None:
        """Save that `who` has seen an alert; raises StoreError."""
        self.seen.note(alert.id, alert.camera, who)
        self.watcher.judge(alert.id, None, who)

    def undo(self, who: str) -> list[Judgement]:
        """Undo the newest batch of `who`; its alerts stay seen. See `Session.undo`."""
        undone = super().undo(who)
        for alert in self.alerts_of(undone):
            left = self.judgements.standing(footage_id(alert))
            self.watcher.judge(alert, left[-1].kind if left else None, who)
        return undone

    def alerts_of(self, judged: Sequence[Judgement]) -> list[str]:
        """Return the ids of the alerts that judgements are about."""
        return [one.alert for one in map(self.seen.find, (j.video for j in judged)) if one]

    def delete_alert(self, alert: Alert, who: str) -> None:
        """Delete an alert with its footage; what was judged of it counts no more.

        Raises UsageError while the alert goes on, and StoreError if the disk refuses; then it can
        be tried again.
        """
        video = footage_id(alert.id)
        self.watcher.check_ended(alert.id)
        self.media.copies.delete(video)
        self.judgements.undo_video(video, who)
        self.seen.forget(alert.id)
        self.watcher.delete(alert.id)  # the last: without it no page could ask again

    # What the session knows of alerts

    def states(
        self, video_id: str, recipe: Recipe, sites: Sequence[Site] = ()
    ) -> HiddenStates | None:
        """Find the kept states of a video, or of an alert's footage; see `Session.states`."""
        seen = self.seen.find(video_id)
        if seen is None:
            return super().states(video_id, recipe, sites)
        found = self.watcher.footage(seen.alert)
        states = None if found is None else found.states
        if states is None or states.recipe != recipe or not set(sites) <= set(states.sites):
            return None
        return replace(states, video_id=video_id)

    def every_state(self, probe: Probe) -> Iterator[Judged]:
        """List each scored video that has kept states, and each judged alert; see `Session`."""
        yield from super().every_state(probe)
        yield from self.judged_alerts(probe)

    def judged_alerts(self, probe: Probe) -> Iterator[Judged]:
        """List each judged alert whose states are kept, with these states."""
        seen = self.seen.all()
        for video in dict.fromkeys(one.video for one in self.judgements.standing()):
            if video not in seen:
                continue
            with suppress(StoreError):  # a damaged file is counted where the states are needed
                states = self.states(video, probe.recipe, probe.sites)
                if states is not None:
                    yield self._as_video(video, seen[video], states), states

    def shown(self, entry: ReviewedVideo) -> ReviewedResult:
        """Return scores and events by the probe in use; see `Session.shown`."""
        if entry.page is None:
            return super().shown(entry)
        probe = self.needed_probe()
        states = self.states(str(entry.video_id), probe.recipe, probe.sites)
        if states is None:
            raise StoreError("its hidden states are not kept", where=entry.name)
        return ReviewedResult(entry, *score_states(states, probe), probe.digest)

    def names(self) -> dict[str | None, str]:
        """Return what people call each video and each alert's footage, by its id."""
        alerts: dict[str | None, str] = {
            video: f"{one.camera} {one.alert}" for video, one in self.seen.all().items()
        }
        return {**alerts, **super().names()}

    # Probes

    def use(self, digest: str, who: str, counted: Sequence[int] | None = None) -> Probe:
        """Give a kept probe to the watcher and put it into use; see `Session.use`.

        `counted` are the ids of the judgements that it was made from. Without them somebody chose
        it as it is, and no judgement of now makes the next start refit it. Raises RecipeMismatch if
        the watcher refuses it, and the old one then stays in use.
        """
        with self._using:
            self.watcher.swap(self.load_kept(digest))
            probe = super().use(digest, who)
            standing = [one.id for one in self.judgements.standing()]
            note_counted(self.folder, digest, standing if counted is None else counted)
            return probe

    def counted(self, digest: str) -> tuple[int, ...]:
        """Return the ids of the judgements that a kept probe has counted; raises StoreError."""
        every = self.judgements.all()
        known = load_counted(self.folder, digest)
        if known is not None and {*known} <= {one.id for one in every}:
            return known
        upto = next((one.upto for one in self.judgements.probes() if one.digest == digest), 0)
        return tuple(one.id for one in self.judgements.standing() if one.id <= upto)

    def _as_video(self, video: str, seen: SeenAlert, states: HiddenStates) -> ReviewedVideo:
        alert = self.watcher.alert(seen.alert)
        name = seen.camera if alert is None else f"{seen.camera} {timestamp_utc(alert.start)}"
        page = f"/?alert={quote(seen.alert)}"
        return ReviewedVideo(name, video, "done", states.duration, None, None, page)
