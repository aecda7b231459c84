"""The probe in use with its file, its labels and its store, over several starts and tabs."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import Made

from hiprobe.cli import _reviewed
from hiprobe.cli._reviewed import Labels
from hiprobe.probe import Probe
from hiprobe.review.session import Session
from hiprobe.store.local_places import NAME, FittedOn, LocalPlaces, add_places


def other_probe(made: Made, mark: int) -> Probe:
    return replace(made.probe, provenance={**made.probe.provenance, "mark": mark})


def test_two_tabs_that_accept_at_once_leave_one_probe_in_use(
    session: Session, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = other_probe(made, 1), other_probe(made, 2)
    for one in (first, second):
        session.keep(one, "ann", "refit")
    chosen, choose = threading.Event(), session.judgements.choose_probe

    def slow(digest: str, who: str) -> None:
        if digest == first.digest:
            chosen.wait(1)
        choose(digest, who)
        chosen.set()

    monkeypatch.setattr(session.judgements, "choose_probe", slow)
    tabs = [
        threading.Thread(target=session.use, args=(one.digest, "ann")) for one in (first, second)
    ]
    tabs[0].start()
    while Probe.load(session.probe_path).digest != first.digest:
        chosen.wait(0.01)
    tabs[1].start()
    for tab in tabs:
        tab.join(20)
    assert Probe.load(session.probe_path).digest == session.judgements.chosen_probe()


def test_accepting_a_refit_keeps_where_labels_and_store_are(
    session: Session, made: Made, tmp_path: Path
) -> None:
    (made.out / NAME).unlink(missing_ok=True)
    made.probe.save(tmp_path / "p.safetensors")
    fit = FittedOn(data=str(tmp_path / "clips"), store=str(tmp_path / "store"))
    add_places(tmp_path, LocalPlaces((), {made.probe.digest: fit}))
    session.probe_path = made.out / "probe.safetensors"
    _reviewed.take_probe(session, _reviewed.known(made.out, tmp_path / "p.safetensors"), "ann")
    accepted = other_probe(made, 3)
    session.keep(accepted, "ann", "refit")
    session.use(accepted.digest, "ann")
    later = _reviewed.known(made.out, None)
    (made.out / NAME).unlink()
    session.probe_path.unlink()
    assert later.chosen is not None
    assert later.chosen.fit == fit
    assert list(later.stores(None)) == [tmp_path / "store"]


@pytest.mark.parametrize("labels", [None, Labels(Path("/nowhere"), given=False)])
def test_labels_of_an_earlier_start_do_not_count_for_a_probe_without_known_labels(
    session: Session, labels: Any
) -> None:
    assert session.judgements.labelled()
    _reviewed.take_labels(session, labels)
    assert session.judgements.labelled() == {}


def test_labels_that_were_given_are_remembered_with_the_probe(
    session: Session, made: Made, clips: Path
) -> None:
    (made.out / NAME).unlink(missing_ok=True)
    _reviewed.take_labels(session, Labels(clips))
    later = _reviewed.known(made.out, made.probe_path).labels(None, None)
    (made.out / NAME).unlink()
    assert later is not None
    assert (later.data, later.given) == (clips.absolute(), False)
