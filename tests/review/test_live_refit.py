"""Refits in the background of a watcher: which judgements and clips the probe in use counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.page_watcher import PageWatcher, raise_alert
from tests.support.review_folder import Made

from hiprobe.errors import StoreError
from hiprobe.live.alert_archive import footage_id
from hiprobe.review import live_refit
from hiprobe.review.live_refit import LiveRefit, ProbeChange
from hiprobe.review.live_session import LiveSession
from hiprobe.review.proposals import Proposal, propose_refit
from hiprobe.types import HiddenStates


@pytest.fixture
def begin(live: LiveSession) -> Iterator[Callable[[], LiveRefit]]:
    """Starts refits of `live`, as a start of `hiprobe watch` does."""
    made: list[LiveRefit] = []

    def call() -> LiveRefit:
        made.append(LiveRefit(live, lambda change: None))
        settled(made[-1])
        return made[-1]

    yield call
    for one in made:
        one.close()


def settled(refit: LiveRefit) -> None:
    """Wait until no refit waits or runs."""
    refit._worker.submit(lambda: None).result(60)


def refitted(refit: LiveRefit) -> ProbeChange:
    """Ask for a refit and return what became of it."""
    refit.request("ann")
    settled(refit)
    assert refit.last is not None
    return refit.last


def lose_states(live: LiveSession, lost: set[str], patch: pytest.MonkeyPatch) -> None:
    """Let the store have no states of some videos."""
    kept = live.states

    def states(video_id: str, *more: Any) -> HiddenStates | None:
        return None if video_id in lost else kept(video_id, *more)

    patch.setattr(live, "states", states)


def judge_footage(live: LiveSession, made: Made) -> None:
    """Judge enough of recorded footage that a probe can be fitted on it alone."""
    video = made.ids["b.mp4"]
    live.judgements.judge([(video, 18.0, 24.0)], "missed", "ann")
    live.judgements.judge([(video, 0.0, 12.0)], "normal", "ann")


@pytest.mark.parametrize("count", [8, 1])
def test_clips_whose_states_are_gone_are_not_forgotten_by_a_refit(
    live: LiveSession,
    watcher: PageWatcher,
    made: Made,
    begin: Callable[[], LiveRefit],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    refit = begin()
    lose_states(live, set(sorted(made.labelled)[:count]), monkeypatch)
    judge_footage(live, made)
    change = refitted(refit)
    assert f"the hidden states of {count} of the 8 videos" in str(change.trouble)
    assert watcher.swaps == []
    assert live.needed_probe().digest == made.probe.digest


def test_a_clip_that_the_known_labels_lack_is_not_forgotten_by_a_refit(
    live: LiveSession, watcher: PageWatcher, made: Made, begin: Callable[[], LiveRefit]
) -> None:
    refit = begin()
    live.judgements.set_labelled(list(made.labelled.items())[1:])
    judge_footage(live, made)
    assert "the clips that it was fitted on are not known here" in str(refitted(refit).trouble)
    assert watcher.swaps == []


def test_a_deleted_alert_and_an_undone_judgement_do_not_stop_refits(
    live: LiveSession, watcher: PageWatcher, begin: Callable[[], LiveRefit], made: Made
) -> None:
    refit = begin()
    for number in range(4):
        live.judge_alert(raise_alert(watcher, number, dimension=4), "true_alarm", "ann")
    judge_footage(live, made)
    assert refitted(refit).trouble is None
    fitted = live.needed_probe().fitted_videos
    assert {footage_id("a0"), footage_id("a1"), made.ids["b.mp4"]} <= fitted
    live.undo("ann")
    live.undo("ann")  # the recorded footage
    alert = watcher.alert("a0")
    assert alert is not None
    live.delete_alert(alert, "ann")
    watcher.delete("a1")  # as the archive does with the oldest one
    change = refitted(refit)
    assert (change.trouble, change.how) == (None, "refit")
    assert not fitted - live.needed_probe().fitted_videos - {
        footage_id("a0"), footage_id("a1"), made.ids["b.mp4"]
    }  # fmt: skip


def test_a_judgement_that_is_undone_while_a_refit_runs_is_not_in_the_probe(
    live: LiveSession,
    made: Made,
    begin: Callable[[], LiveRefit],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refit = begin()
    judge_footage(live, made)
    expected = propose_refit(live).probe.digest

    def slow(session: LiveSession, **more: Any) -> Proposal:
        live.judgements.judge([(made.ids["b.mp4"], 15.0, 18.0)], "missed", "ann")
        proposal = propose_refit(session, **more)
        live.judgements.undo("ann")
        return proposal

    with monkeypatch.context() as patch:
        patch.setattr(live_refit, "propose_refit", slow)
        refitted(refit)
    refitted(refit)
    assert live.judgements.chosen_probe() == expected


def test_an_alert_can_be_deleted_again_after_the_disk_has_refused(
    live: LiveSession, watcher: PageWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = raise_alert(watcher, 0)
    live.judge_alert(alert, "true_alarm", "ann")

    def refuse(*_: Any) -> None:
        raise StoreError("cannot write: no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(live.judgements, "undo_video", refuse)
        with pytest.raises(StoreError, match="no space"):
            live.delete_alert(alert, "ann")
    assert watcher.alert("a0") is not None
    live.delete_alert(alert, "ann")
    assert watcher.alert("a0") is None
    assert live.judgements.standing() == []


def test_a_judgement_before_the_end_of_the_last_run_is_refitted_at_the_next_start(
    live: LiveSession, watcher: PageWatcher, made: Made, begin: Callable[[], LiveRefit]
) -> None:
    begin().close()
    judge_footage(live, made)  # and no refit came to it
    expected = propose_refit(live).probe.digest
    begin()
    assert watcher.probe.digest == live.judgements.chosen_probe() == expected
    begin()
    assert len(watcher.swaps) == 1  # all are counted now
    live.undo("ann")
    live.undo("ann")
    begin()
    assert made.ids["b.mp4"] not in live.needed_probe().fitted_videos


def test_a_probe_that_somebody_chose_stays_in_use_at_the_next_start(
    live: LiveSession, watcher: PageWatcher, made: Made, begin: Callable[[], LiveRefit]
) -> None:
    refit = begin()
    judge_footage(live, made)
    refitted(refit)
    refit.restore("ann")
    begin()
    assert live.judgements.chosen_probe() == watcher.probe.digest == made.probe.digest
