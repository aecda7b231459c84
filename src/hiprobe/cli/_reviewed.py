"""What `hiprobe review` knows of a results folder: its probe, model, labels, stores and videos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli._chosen import ChosenProbe, choose_model
from hiprobe.errors import HiProbeError, UsageError, VideoError

if TYPE_CHECKING:
    from hiprobe.datasets import LabelWords
    from hiprobe.review.session import Session
    from hiprobe.store.local_places import LocalPlaces
    from hiprobe.types import Video
    from hiprobe.video import Root


@dataclass(frozen=True)
class Labels:
    """Labelled clips: where, of which split, and what the labels mean. `given` by the user."""

    data: Path
    split: str | None = None
    words: LabelWords | None = None
    given: bool = True

    def clips(self) -> list[Video]:
        """Read the labels; raises LabelError and UsageError."""
        from hiprobe import datasets, pipeline

        clips = list(datasets.load("folder", self.data, self.split, words=self.words))
        pipeline.check_copies(clips)
        return clips


@dataclass(frozen=True)
class Known:
    """The probe of a results folder, if it has one, and what this machine knows of both."""

    places: LocalPlaces
    chosen: ChosenProbe | None
    given: bool

    def roots(self, videos: Path | None) -> tuple[Root, ...]:
        """Return the folders to serve videos from: the one given, or where `detect` found them."""
        from hiprobe.video import Root

        if videos is not None:
            return (Root(str(videos.absolute())),)
        there = (Root(*place) for place in self.places.videos)
        return tuple(root for root in there if os.path.isdir(root.folder))

    def stores(self, store: Path | None) -> Iterator[Path]:
        """Yield the stores with the hidden states of `fit`."""
        fit = None if self.chosen is None else self.chosen.fit
        if store is not None:
            yield store
        elif fit is not None and fit.store is not None:
            yield Path(fit.store)

    def labels(self, data: Path | None, words: LabelWords | None) -> Labels | None:
        """Return the labels that were given, or those that the probe was fitted on."""
        from hiprobe.datasets import LabelWords

        fit = None if self.chosen is None else self.chosen.fit
        if data is not None:
            return Labels(data, words=words)
        if fit is None or fit.data is None:
            return None
        own = LabelWords(fit.normal_labels, fit.anomaly_labels)
        meant = own if fit.normal_labels or fit.anomaly_labels else None
        return Labels(Path(fit.data), fit.split, words or meant, given=False)

    def model(self, given: str | None) -> str | None:
        """Return the name of the model to detect with; None if it is not known."""
        if given is not None or self.chosen is None:
            return given
        try:
            return choose_model(None, self.chosen)
        except UsageError:
            return None  # the page says so when a run is started


def known(out: Path, given: Path | None) -> Known:
    """Find out what is known of the folder `out`, with the probe that was `given` or its own.

    Raises ProbeError for a probe that cannot be used.
    """
    from hiprobe.cli._chosen import load_probe, shipped_fit
    from hiprobe.store.local_places import load_places
    from hiprobe.store.run_record import PROBE

    path, places = given or out / PROBE, load_places(out)
    if given is None and not os.path.lexists(path):
        return Known(places, None, given=False)
    probe = load_probe(path, None)
    beside = load_places(path.parent).fits.get(probe.digest)
    fit = places.fits.get(probe.digest) or beside or shipped_fit(probe)
    chosen = ChosenProbe(probe, path, fit)
    return Known(places, chosen, given is not None)


def take_probe(session: Session, known: Known, who: str) -> None:
    """Put the probe of the folder, or the one that was given, into use if another one is.

    What `fit` was given for it is remembered for the folder, and so for the refits of the probe.
    """
    from hiprobe.store.local_places import LocalPlaces, add_places

    chosen = known.chosen
    if chosen is not None and chosen.fit is not None:
        add_places(session.out, LocalPlaces((), {chosen.probe.digest: chosen.fit}))
    if chosen is None or session.judgements.chosen_probe() == chosen.probe.digest:
        return
    session.keep(chosen.probe, who, f"given: {chosen.path.name}" if known.given else "from detect")
    session.judgements.choose_probe(chosen.probe.digest, who)


def take_labels(session: Session, labels: Labels | None) -> None:
    """Remember the labels of the clips that can be read; the errors of the others are printed.

    Those of an earlier start may be of another probe: without `labels`, or if they cannot be read,
    no labelled clip is known. Raises HiProbeError if labels that were given cannot be read, or no
    clip can.
    """
    from hiprobe.cli._terminal import warn

    if labels is None:
        session.judgements.set_labelled([])
        return
    try:
        _take_clips(session, labels)
    except HiProbeError as error:
        session.judgements.set_labelled([])
        session.groups.clear()
        if labels.given:
            raise
        # Moved or changed since `fit`: the page works without them.
        warn(
            f"the labels that fit was given cannot be read, so a refit does not count them: {error}"
            "; --labels says where they are now"
        )


def _remember(session: Session, labels: Labels) -> None:
    """Remember labels that were given as those of the probe in use, for later starts."""
    from hiprobe.store.local_places import FittedOn, LocalPlaces, add_places, load_places

    digest, words = session.judgements.chosen_probe(), labels.words
    if digest is None:
        return
    fit = replace(
        load_places(session.out).fits.get(digest, FittedOn()),
        data=str(labels.data.absolute()),
        split=labels.split,
        normal_labels=() if words is None else tuple(words.normal),
        anomaly_labels=() if words is None else tuple(words.anomaly),
    )
    add_places(session.out, LocalPlaces((), {digest: fit}))


def _take_clips(session: Session, labels: Labels) -> None:
    from hiprobe import video
    from hiprobe.cli._terminal import complain

    known = []
    for one in labels.clips():
        if one.events is None:
            continue
        try:
            read = replace(one, id=video.digest(one.path))
        except VideoError as error:
            complain(error)
            continue
        known.append((str(read.id), one.events))
        if one.group is not None:
            session.groups[str(read.id)] = one.group
    if not known:
        raise HiProbeError(
            "no labelled clip can be read",
            where=labels.data,
            cure="give the folder that fit was given",
        )
    session.judgements.set_labelled(known)
    if labels.given:
        _remember(session, labels)
