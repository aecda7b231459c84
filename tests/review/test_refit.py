"""Refits on the review page: from judgements to a proposed probe, its use, and the way back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from tests.support.review_folder import SITES, Made, Page, made_states, make, served

from hiprobe import runs, store
from hiprobe.errors import LabelError, ProbeError, StoreError, UsageError
from hiprobe.labels import label_segments
from hiprobe.localize import Localization
from hiprobe.probe import Probe, fit
from hiprobe.probe.refit import correct, refit
from hiprobe.review import results, similar
from hiprobe.review.proposals import propose_refit, propose_threshold
from hiprobe.review.session import Session, score_states, worded
from hiprobe.types import Event
from hiprobe.video import Root


def judge_all(session: Session, made: Made) -> None:
    """Judge as a reviewer who knows the truth: mark missed events, reject false alarms."""
    for name, video_id in made.ids.items():
        entry = session.entry(video_id)
        assert entry is not None, name
        for event in session.shown(entry).events:
            true = any(t.start < event.end and event.start < t.end for t in made.truth[video_id])
            session.judgements.judge(
                [(video_id, event.start, event.end)], "true_alarm" if true else "false_alarm", "ann"
            )
        session.judgements.judge(
            [(video_id, t.start, t.end) for t in made.truth[video_id]], "missed", "ann"
        )
        session.judgements.judge([(video_id, 25.5, 30.0), (video_id, 0.0, 3.0)], "normal", "ann")


# Threshold


def test_moving_the_threshold_gives_the_events_of_the_rule(
    page: Page, made: Made, session: Session
) -> None:
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    states = store.kept_states(made.out / ".store", made.ids["b.mp4"], made.probe.recipe)[0]
    for threshold in (0.05, 0.3, 0.7):
        settings = replace(made.probe.localization, rule="fixed", threshold=threshold)
        _, expected = score_states(states, replace(made.probe, localization=settings))
        body = page.get(f"/v/{entry.video_id}/events?threshold={threshold}")[2].decode()
        found = re.findall(r'data-start="([\d.]+)" data-end="([\d.]+)" data-found="1"', body)
        assert [(float(a), float(b)) for a, b in found] == [(e.start, e.end) for e in expected]


def test_moving_the_threshold_smooths_and_extends_as_the_probe_says(
    made: Made, session: Session
) -> None:
    rules = replace(made.probe.localization, smoothing="median", extend=0.1, merge_s=0.0)
    probe = replace(made.probe, localization=rules)
    session.keep(probe, "ann", "extends events")
    session.use(probe.digest, "ann")
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    states = store.kept_states(made.out / ".store", made.ids["b.mp4"], probe.recipe)[0]

    def spans(extend: float, threshold: float) -> list[tuple[float, float]]:
        fixed = replace(rules, rule="fixed", threshold=threshold, extend=extend)
        _, found = score_states(states, replace(probe, localization=fixed))
        return [(event.start, event.end) for event in found]

    for threshold in (0.3, 0.5, 0.7, 0.9):
        found = session.events(session.shown(entry), threshold)
        assert [(event.start, event.end) for event in found] == spans(0.1, threshold)
    assert any(spans(0.1, limit) != spans(1.0, limit) for limit in (0.3, 0.5, 0.7, 0.9))


def test_labels_move_to_the_event_that_overlaps_most() -> None:
    old = (Event(0, 10, label="fall"), Event(20, 22, label="fire"))
    found = worded((Event(1, 9), Event(8, 19), Event(19, 30)), old)
    assert [event.label for event in found] == ["fall", None, "fire"]


# Refit


def test_corrections_become_labels_by_the_rule_of_fit() -> None:
    states = made_states("0" * 64, (), 0, 1)
    base = np.full(20, -1, dtype=np.int8)
    found = correct(
        states, base, [(0.0, 6.0, False), (3.0, 6.0, True), (6.2, 7.6, True), (15.0, 18.0, False)]
    )
    assert found.tolist() == [0, 0, 1, 1, 1, -1, -1, -1, -1, -1, 0, 0, *[-1] * 8]
    touched = correct(states, np.zeros(20, dtype=np.int8), [(3.0, 5.0, True)])
    assert touched[2:5].tolist() == [1, -1, 0]


def test_a_short_missed_event_gets_a_segment_and_a_short_normal_span_takes_none() -> None:
    made = made_states("0" * 64, (), 0, 1)
    across = made.starts[3]  # a boundary between two segments
    short = (float(across) - 0.4, float(across) + 0.3)
    fresh = np.zeros(len(made.starts), dtype=np.int8)
    assert correct(made, fresh, [(*short, True)])[1:6].tolist() == [0, 1, -1, 0, 0]
    anomalous = np.ones(len(made.starts), dtype=np.int8)
    assert correct(made, anomalous, [(*short, False)]).all()


def test_a_short_event_that_is_called_normal_later_counts_no_more() -> None:
    made = made_states("0" * 64, (), 0, 1)
    fresh = np.zeros(len(made.starts), dtype=np.int8)
    missed = (1.0, 2.2, True)
    assert correct(made, fresh, [missed]).any()
    assert not correct(made, fresh, [missed, (1.0, 2.2, False)]).any()
    again = correct(made, fresh, [missed, (1.0, 2.2, False), missed])
    assert again.tolist() == correct(made, fresh, [missed]).tolist()
    whole = correct(made, fresh, [(0.0, 12.0, True), (0.3, 12.0, True)])
    assert whole.tolist() == correct(made, fresh, [(0.0, 12.0, True)]).tolist()


def test_a_refit_in_review_keeps_the_groups_of_the_labelled_clips(
    session: Session, made: Made
) -> None:
    judge_all(session, made)
    plain = propose_refit(session).probe.provenance
    assert ("groups" in plain, plain["folds"]["by"]) == (False, "video")
    session.groups.update((clip, f"camera {k // 4}") for k, clip in enumerate(made.labelled))
    grouped = propose_refit(session).probe.provenance
    assert (grouped["groups"], grouped["folds"]["by"]) == (2, "group")


def test_a_refit_learns_what_was_corrected(session: Session, made: Made) -> None:
    with pytest.raises(LabelError):
        propose_refit(Session(made.out, (), made.probe_path, ()))
    judge_all(session, made)
    proposal = propose_refit(session)
    before, after = proposal.measured.before, proposal.measured.after
    assert before is not None
    assert after is not None
    assert after["value"] > before["value"] + 0.1
    assert proposal.measured.segments["new"] > 50
    assert proposal.probe.sites == made.probe.sites
    assert session.probe() is not None
    assert session.needed_probe().digest == made.probe.digest  # nothing was replaced
    missed = {
        (c.entry.video_id, t.start)
        for c in proposal.changes.appear
        for t in made.truth[str(c.entry.video_id)]
        if t.start < c.event.end and c.event.start < t.end
    }
    assert sum(start == 18.0 for _, start in missed) >= 6
    for name, digest in made.ids.items():  # the new probe against the truth, by another library
        states = made_states(digest, made.truth[digest][:1], 0, 900)
        other = made_states(digest, made.truth[digest][1:], 4, 901)
        fresh = replace(states, values=np.maximum(states.values, other.values))
        labels = label_segments(fresh.starts, fresh.ends, made.truth[digest])
        assert roc_auc_score(labels, proposal.probe.score(fresh)) > roc_auc_score(
            labels, made.probe.score(fresh)
        ), name


def test_before_and_after_are_scored_on_the_same_folds(session: Session, made: Made) -> None:
    """Labels that add nothing give equal numbers; wrong labels keep them below 1."""
    rng, pairs = np.random.default_rng(3), []
    for digest, spans in made.labelled.items():
        states = store.kept_states(made.out / ".store", digest, made.probe.recipe)[0]
        labels = label_segments(states.starts, states.ends, spans)
        pairs.append((states, np.where(rng.random(20) < 0.25, 1 - labels, labels).astype(np.int8)))
    found = refit(made.probe, pairs, [labels for _, labels in pairs])
    assert found.after is not None
    assert found.after["value"] < 0.9
    assert found.before == pytest.approx(found.after, abs=1e-12)
    few = [np.where(np.arange(20) < 1, labels, -1).astype(np.int8) for _, labels in pairs]
    assert refit(made.probe, pairs, few).before is None


def test_a_probe_is_replaced_only_when_accepted_and_can_be_brought_back(
    page: Page, session: Session, made: Made
) -> None:
    judge_all(session, made)
    status, body = page.post("/refit")
    assert status == 200
    digest = re.search(r"/probes/([0-9a-f]{64})/use", body)
    assert digest is not None
    assert Probe.load(made.probe_path).digest == made.probe.digest
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    before = session.shown(entry)
    assert page.post(digest.group(0))[0] == 303
    assert Probe.load(made.probe_path).digest == digest.group(1) == session.needed_probe().digest
    after = session.shown(entry)
    assert any(event.start < 24 and event.end > 18 for event in after.events)
    assert not np.array_equal(before.scores.raw, after.scores.raw)
    # The files of detect are unchanged.
    assert results.reviewed_result(entry).probe == made.probe.digest
    kept = session.judgements.probes()
    assert [one.note for one in kept] == ["refit", "given"]
    assert kept[0].who == "ann"
    assert kept[0].figures["after"] == pytest.approx(
        json.loads(json.dumps(kept[0].figures["after"]))
    )
    assert page.post(f"/probes/{made.probe.digest}/use")[0] == 303
    assert made.probe_path.read_bytes() == made.probe.to_bytes()
    np.testing.assert_allclose(session.shown(entry).scores.raw, before.scores.raw)
    assert page.post(f"/probes/{digest.group(1)}/use")[0] == 303  # and back to the refit
    for nothing in ("0" * 64, "..%2f..%2fa"):
        assert page.post(f"/probes/{nothing}/use")[0] == 404


def test_a_second_refit_counts_only_what_is_new(session: Session, made: Made) -> None:
    judge_all(session, made)
    first = propose_refit(session)
    session.keep(first.probe, "ann", first.what, first.figures, first.upto)
    session.use(first.probe.digest, "ann")
    again = propose_refit(session)
    assert again.measured.segments["new"] == 0
    assert again.probe.digest == first.probe.digest
    assert again.measured.before == pytest.approx(again.measured.after)
    assert (again.changes.appear, again.changes.vanish) == ([], [])


def test_a_refit_without_the_first_labels_says_so(session: Session, made: Made) -> None:
    session.judgements.set_labelled([])
    with pytest.raises(LabelError, match="judge some events first"):
        propose_refit(session)
    session.judgements.judge([(made.ids["b.mp4"], 4.5, 6.0)], "true_alarm", "ann")
    with pytest.raises(LabelError, match="at least 4"):
        propose_refit(session)
    judge_all(session, made)
    proposal = propose_refit(session)
    assert any("--labels" in note for note in proposal.notes)
    labels, old = [], []
    for (
        digest
    ) in made.ids.values():  # "before" is the probe as it is: its own scores, by another library
        states = store.kept_states(made.out / ".store", digest, made.probe.recipe)[0]
        spans = [(j.start, j.end, j.anomalous) for j in session.judgements.standing(digest)]
        labels.append(correct(states, np.full(len(states.starts), -1, dtype=np.int8), spans))
        old.append(score_states(states, made.probe)[0].smoothed)
    y, s = np.concatenate(labels), np.concatenate(old)
    assert proposal.measured.before is not None
    assert proposal.measured.before["value"] == pytest.approx(roc_auc_score(y[y >= 0], s[y >= 0]))


def test_the_layer_is_chosen_again_only_if_all_layers_are_kept(
    made: Made, session: Session, tmp_path: Path
) -> None:
    judge_all(session, made)
    proposal = propose_refit(session, choose=True)
    assert len(proposal.probe.provenance["candidates"]) == 3
    assert proposal.notes == ()
    one = made.ids["b.mp4"]
    files = list((made.out / ".store").rglob(f"*/{one[:32]}/*.safetensors"))
    states = store.load_states(files[0])
    chosen = replace(states, sites=made.probe.sites, values=np.array(states.at(made.probe.sites)))
    kept = files[0].read_bytes()
    try:
        files[0].unlink()
        less = store.save_states(made.out / ".store", chosen, "float32")
        proposal = propose_refit(session, choose=True)
        assert any("hiprobe extract" in note for note in proposal.notes)
        assert proposal.probe.sites == made.probe.sites
        less.unlink()
        assert any("not kept: 1" in note for note in propose_refit(session).notes)
    finally:
        files[0].write_bytes(kept)


def test_the_layer_stays_and_a_note_says_so_if_only_its_states_are_kept(tmp_path: Path) -> None:
    made = make(tmp_path, ("b.mp4",))
    for path in sorted((made.out / ".store").glob("*/*/*.safetensors")):
        states = store.load_states(path)
        less = replace(states, sites=made.probe.sites, values=np.array(states.at(made.probe.sites)))
        path.unlink()
        store.save_states(made.out / ".store", less, "float32")
    proposal = propose_refit(made.session(), choose=True)
    assert proposal.probe.sites == made.probe.sites
    assert any("hiprobe extract" in note for note in proposal.notes)


def test_a_probe_of_normal_videos_is_refitted_on_normal_spans_only(tmp_path: Path) -> None:
    made = make(tmp_path, ("b.mp4",))
    states = store.kept_states(made.out / ".store", made.ids["b.mp4"], made.probe.recipe)[0]
    probe = fit(
        "one_class", [(states, np.zeros(len(states.starts), np.int8))], sites=made.probe.sites
    )
    session = Session(made.out, (Root(str(made.videos)),), made.probe_path, (made.out / ".store",))
    session.keep(probe, "ann", "given")
    session.use(probe.digest, "ann")
    session.judgements.judge([(made.ids["b.mp4"], 0.0, 18.0)], "normal", "ann")
    proposal = propose_refit(session)
    assert (proposal.measured.before, proposal.measured.after) == (None, None)
    assert proposal.measured.segments == {
        "anomalous": 0,
        "normal": 10,
        "new": 10,
    }  # 2 of 12 are a gap
    with served(session) as page:
        status, body = page.post("/refit")
    assert (status, "not known" in body) == (200, True)


def test_a_threshold_is_proposed_like_a_probe(session: Session) -> None:
    proposal = propose_threshold(session, 2.0)
    assert len(proposal.changes.vanish) == sum(
        len(session.shown(e).events) for e in session.entries() if e.folder
    )
    assert proposal.changes.appear == []
    assert proposal.probe.localization == replace(
        session.needed_probe().localization, rule="fixed", threshold=2.0
    )


def test_a_threshold_finds_what_the_page_showed_and_a_refit_keeps_the_options_of_the_run(
    session: Session, made: Made
) -> None:
    own = made.probe
    rules = replace(own.localization, smoothing="none", merge_s=0.0, min_s=0.0)
    asked = {"probe": own.digest, "localization": rules.to_json(), "verify": True, "where": False}
    runs.record_run(made.out, own, asked)
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    states = session.states(made.ids["b.mp4"], own.recipe, own.sites)
    assert states is not None
    scores, events = score_states(states, replace(own, localization=rules))
    shown = replace(session.shown(entry), scores=scores, events=events)
    for threshold in (0.3, 0.6, 0.9):
        listed = session.events(shown, threshold)
        _, found = score_states(states, propose_threshold(session, threshold).probe)
        assert [(e.start, e.end) for e in found] == [(e.start, e.end) for e in listed]
    judge_all(session, made)
    refitted = propose_refit(session).probe.localization
    assert (refitted.smoothing, refitted.merge_s, refitted.min_s) == ("none", 0.0, 0.0)


def test_after_a_threshold_nothing_judged_before_is_new(session: Session, made: Made) -> None:
    judge_all(session, made)
    for proposal in (propose_refit(session), None):
        proposal = proposal or propose_threshold(session, 0.4)
        made_by = (proposal.what, proposal.figures, proposal.upto)
        session.keep(proposal.probe, "ann", *made_by)
        session.use(proposal.probe.digest, "ann")
    assert propose_refit(session).measured.segments["new"] == 0


def test_a_changed_probe_file_is_refused(session: Session, made: Made) -> None:
    other = replace(made.probe, localization=Localization(rule="fixed", threshold=0.1))
    kept = session.kept("0" * 64)
    other.save(kept)
    session.judgements.choose_probe("0" * 64, "ann")
    with pytest.raises(StoreError, match="another probe than its name says"):
        session.probe()
    kept.unlink()
    with pytest.raises((ProbeError, StoreError)):
        session.probe()


# Neighbours


def test_neighbours_agree_with_scikit_learn(made: Made, session: Session) -> None:
    videos = [states for _, states in session.every_state(made.probe)]
    digest, time_s = made.ids["b.mp4"], 19.0
    found = similar.neighbours(videos, made.probe.sites, digest, time_s, 10_000)
    rows = np.concatenate([states.at(made.probe.sites)[:, 0] for states in videos])
    keys = [(states.video_id, float(start)) for states in videos for start in states.starts]
    centred = rows - rows.mean(0)
    asked = keys.index((digest, 18.0))
    judge = NearestNeighbors(n_neighbors=len(rows), metric="cosine", algorithm="brute").fit(centred)
    distance, order = judge.kneighbors(centred[asked : asked + 1])
    by_key = {keys[k]: 1 - d for k, d in zip(order[0], distance[0], strict=True)}
    assert all(
        one.likeness == pytest.approx(by_key[one.video_id, one.start], abs=1e-5) for one in found
    )
    best = [keys[k] for k in order[0][1:2]]
    assert [(found[0].video_id, found[0].start)] == best
    assert (digest, 18.0) not in [(one.video_id, one.start) for one in found]
    for one in found:
        near = [
            o for o in found if o.video_id == one.video_id and 0 < abs(o.start - one.start) < 1.6
        ]
        assert not near
    siblings = [one.start for one in found[:6]]
    assert sum(18.0 <= start < 24.0 for start in siblings) >= 5  # one missed event finds the others
    with pytest.raises(UsageError, match="no segment"):
        similar.neighbours(videos, SITES[:1], digest, 1000.0)


# What a refit would lose


def test_a_proposal_says_first_which_confirmed_events_it_would_lose(
    made: Made, session: Session
) -> None:
    """All alarms but one are judged false, and a threshold above that one is tried."""
    tops = {}
    for digest in made.ids.values():
        entry = session.entry(digest)
        assert entry is not None
        for event in session.shown(entry).events:
            session.judgements.judge([(digest, event.start, event.end)], "true_alarm", "ann")
            tops[digest, event.start] = float(event.score or 0.0)
    limit = sorted(tops.values())[2]
    lost = sorted(key for key, score in tops.items() if score < limit + 1e-9)
    digest = made.ids["b.mp4"]
    session.judgements.judge([(digest, 20.0, 22.0)], "missed", "ann")
    proposal = propose_threshold(session, limit + 1e-9)
    found = proposal.changes
    assert sorted((str(c.entry.video_id), c.event.start) for c in found.lost) == lost
    assert (found.confirmed, len(lost), found.missed, found.found) == (len(tops), 3, 1, [])
    session.judgements.judge([(*lost[0], 14.0)], "false_alarm", "ann")
    again = propose_threshold(session, limit + 1e-9).changes
    assert (again.confirmed, len(again.lost)) == (len(tops) - 1, 2)
    assert (again.rejected, again.silenced) == (1, 1)
    with served(session) as page:
        status, body = page.post("/threshold", threshold=limit + 1e-9)
    assert status == 200
    sentence = f"Of your {len(tops) - 1} confirmed events 2 would be lost."
    assert body.index(sentence) < body.index("<details")
    for video_id, start in lost[1:]:
        link = f'href="/v/{video_id}?t={start}"'
        assert body.index(sentence) < body.index(link) < body.index("<details")


def test_a_refit_gives_intervals_and_warns_of_few_videos(session: Session, made: Made) -> None:
    judge_all(session, made)
    proposal = propose_refit(session)
    for auc in (proposal.measured.before, proposal.measured.after):
        assert auc is not None
        assert auc["low"] <= auc["value"] <= auc["high"]
    assert proposal.measured.videos == {"all": 16, "anomalous": 12, "normal": 16}
    assert list(proposal.measured.warnings) == []
    session.judgements.set_labelled([])
    few = [digest for name, digest in made.ids.items() if name in ("b.mp4", "c.mp4", "e.mp4")]
    while session.judgements.undo("ann"):
        pass
    for digest in few:
        session.judgements.judge([(digest, 18.0, 24.0)], "missed", "ann")
        session.judgements.judge([(digest, 25.5, 30.0)], "normal", "ann")
    with served(session) as page:
        body = page.post("/refit")[1]
    assert "Few videos: 3 with anomalous and 3 with normal segments." in body
    assert "label at least 8 videos of each class" in body
    assert re.search(r"over 3 videos", body)
    assert re.search(r"\d\.\d{3} <small>\[\d\.\d{3}, \d\.\d{3}\]</small>", body)


def test_the_curves_of_the_layers_survive_refits(session: Session, made: Made) -> None:
    judge_all(session, made)
    with served(session) as page:
        before = re.search(r"data-curves=\"([^\"]+)", page.get("/layers")[2].decode())
        for _ in range(2):
            proposal = propose_refit(session)
            session.keep(proposal.probe, "ann", "refit", proposal.figures, proposal.upto)
            session.use(proposal.probe.digest, "ann")
            session.judgements.judge([(made.ids["c.mp4"], 10.0, 12.0)], "normal", "ann")
        body = page.get("/layers")[2].decode()
        after = re.search(r"data-curves=\"([^\"]+)", body)
    assert before is not None
    assert after is not None
    assert after.group(1) == before.group(1)
    assert f"probe <code>{made.probe.digest[:12]}</code>" in body
    assert Probe.load(made.probe_path).provenance["selection"]["layers"] is not None


def test_a_damaged_result_does_not_stop_a_refit(session: Session, made: Made) -> None:
    judge_all(session, made)
    entry = session.entry(made.ids["b.mp4"])
    assert entry is not None
    assert entry.folder is not None
    path = entry.folder / "result.json"
    kept = path.read_bytes()
    try:
        path.write_text("{")
        proposal = propose_refit(session)
        assert proposal.changes.unread == 1
        assert proposal.changes.appear
    finally:
        path.write_bytes(kept)
