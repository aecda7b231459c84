"""Check a data set on a folder in its layout: its videos, splits and labels. Opens no video."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe import datasets
from hiprobe.checks.promises import Broken, lacking, refusal, run_checks, title
from hiprobe.datasets import FrameLabels, annotation_name
from hiprobe.types import Event, Video


class DatasetTrial:
    """A data set and the folder it reads; each part is loaded when first used."""

    def __init__(self, plugin: Any, root: Path) -> None:
        self.plugin, self.root = plugin, root

    @cached_property
    def videos(self) -> list[Video]:
        """The videos of all splits."""
        return list(self.plugin.load(self.root, None))

    @cached_property
    def splits(self) -> list[str]:
        """The splits that its videos name."""
        return sorted({video.split for video in self.videos if video.split is not None})

    @cached_property
    def truth(self) -> dict[str, FrameLabels]:
        """The labels by its default rule."""
        found: dict[str, FrameLabels] = self.plugin.truth(self.root, self.plugin.RULES[0])
        return found

    @cached_property
    def tested(self) -> dict[str, Video]:
        """The test videos by the names that `truth` uses."""
        return {annotation_name(one.path): one for one in self.videos if one.split == "test"}


def check_dataset(dataset: Any, root: str | Path) -> list[str]:
    """Check a data set, given by name or as an object, on the folder `root` in its layout.

    Returns the promises it keeps. `root` may be small and its videos empty files: none is opened.
    Raises BrokenPromise for the first promise it breaks, UsageError for a name that is not found.

    >>> from hiprobe import embedded
    >>> check_dataset("folder", embedded.CLIPS)[:2]
    ['it has every member', 'it yields videos']
    """
    found = datasets.find_dataset(dataset) if isinstance(dataset, str) else dataset
    annotated = hasattr(found, "truth") or hasattr(found, "RULES")
    checks = [*_CHECKS, *(_ANNOTATED if annotated else ())]
    checks += [_its_categories_fit_its_truth] if annotated and hasattr(found, "categories") else []
    return run_checks(title("data set", dataset), DatasetTrial(found, Path(root)), checks)


def _it_has_every_member(trial: DatasetTrial) -> Broken | None:
    return lacking(trial.plugin, ("load",))


def _it_yields_videos(trial: DatasetTrial) -> Broken | None:
    odd = [one for one in trial.videos if not isinstance(one, Video)]
    if odd or not trial.videos:
        return Broken(f"it yields {str(odd)[:80] or 'nothing'}", "yield a Video for each recording")
    return None


def _each_video_comes_once(trial: DatasetTrial) -> Broken | None:
    paths = [video.path for video in trial.videos]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    return Broken(f"{twice[0]} comes twice", "join the events of one video") if twice else None


def _its_events_are_in_order_of_time(trial: DatasetTrial) -> Broken | None:
    for video in trial.videos:
        events = video.events
        if events is not None and not (
            isinstance(events, tuple) and all(isinstance(one, Event) for one in events)
        ):
            return Broken(
                f"{video.path} has events {events!s:.60}", "give a tuple of Event or None"
            )
        starts = [event.start for event in events or ()]
        if starts != sorted(starts) or min(starts, default=0.0) < 0:
            return Broken(f"{video.path} has events at {starts}", "sort them, in seconds from 0")
    return None


def _normal_videos_are_called_normal(trial: DatasetTrial) -> Broken | None:
    for video in trial.videos:
        if video.events == () and video.categories not in ((), ("normal",)):
            return Broken(
                f"{video.path} has no event but categories {video.categories}", "use ('normal',)"
            )
        if video.events and "normal" in video.categories:
            return Broken(f"{video.path} is called normal but has events", "name its classes only")
    return None


def _it_yields_the_same_again(trial: DatasetTrial) -> Broken | None:
    if list(trial.plugin.load(trial.root, None)) != trial.videos:
        return Broken("a second load gives other videos or another order", "sort what is listed")
    return None


def _a_split_is_the_part_that_names_it(trial: DatasetTrial) -> Broken | None:
    for split in trial.splits:
        wanted = [video for video in trial.videos if video.split == split]
        if list(trial.plugin.load(trial.root, split)) != wanted:
            return Broken(f"split {split!r} gives other videos", "filter by the argument split")
    return None


def _it_refuses_an_unknown_split(trial: DatasetTrial) -> Broken | None:
    return refusal(lambda: list(trial.plugin.load(trial.root, "no-such-split")), "an unknown split")


def _it_refuses_a_folder_that_is_not_there(trial: DatasetTrial) -> Broken | None:
    absent = trial.root / "no-such-folder"
    return refusal(lambda: list(trial.plugin.load(absent, None)), "a folder that is not there")


def _it_has_truth_and_rules(trial: DatasetTrial) -> Broken | None:
    broken = lacking(trial.plugin, ("truth", "RULES"))
    if broken is None and not (trial.plugin.RULES and all(map(_is_word, trial.plugin.RULES))):
        return Broken(
            f"RULES is {trial.plugin.RULES!r}", "name at least one rule, the default first"
        )
    return broken


def _its_truth_labels_every_frame(trial: DatasetTrial) -> Broken | None:
    for rule in trial.plugin.RULES:
        for name, labels in trial.plugin.truth(trial.root, rule).items():
            kind = getattr(labels, "dtype", type(labels).__name__)
            if kind != np.uint8 or np.ndim(labels) != 1 or not len(labels) or labels.max() > 1:
                return Broken(
                    f"rule {rule}: {name} has {kind} {labels!s:.40}",
                    "give one uint8 0 or 1 per frame",
                )
    return None


def _its_truth_is_about_its_test_videos(trial: DatasetTrial) -> Broken | None:
    return _same_names("truth", trial.truth, trial)


def _events_and_truth_agree(trial: DatasetTrial) -> Broken | None:
    for name, video in trial.tested.items():
        if bool(trial.truth[name].any()) != (video.events != ()):
            return Broken(
                f"{name} has {trial.truth[name].sum()} anomalous frames, but events {video.events}",
                "give None where seconds are unknown, () where nothing happens",
            )
    return None


def _its_categories_fit_its_truth(trial: DatasetTrial) -> Broken | None:
    found = trial.plugin.categories(trial.root)
    broken = _same_names("categories", found, trial)
    if broken is not None:
        return broken
    for name, kinds in found.items():
        if (kinds == ("normal",)) == bool(trial.truth[name].any()):
            return Broken(
                f"{name} is {kinds}", "use ('normal',) exactly where no frame is anomalous"
            )
    return None


def _same_names(what: str, found: Collection[str], trial: DatasetTrial) -> Broken | None:
    odd = sorted(set(found) ^ set(trial.tested))
    if odd:
        return Broken(
            f"{odd[0]} is in {what} or among the test videos, not in both",
            "use file names without folder and suffix",
        )
    return None


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_CHECKS = (
    _it_has_every_member,
    _it_yields_videos,
    _each_video_comes_once,
    _its_events_are_in_order_of_time,
    _normal_videos_are_called_normal,
    _it_yields_the_same_again,
    _a_split_is_the_part_that_names_it,
    _it_refuses_an_unknown_split,
    _it_refuses_a_folder_that_is_not_there,
)
_ANNOTATED = (
    _it_has_truth_and_rules,
    _its_truth_labels_every_frame,
    _its_truth_is_about_its_test_videos,
    _events_and_truth_agree,
)
