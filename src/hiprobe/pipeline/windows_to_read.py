"""Which windows of a video the model reads: all, or fewer for a price that is known.

It says how the states of a reading that left windows out are kept apart from those of a whole one,
so that the two are never mixed. Knows no video.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiprobe.errors import UsageError
from hiprobe.localize import Localization, low_threshold
from hiprobe.pipeline.reading import ReadPlan
from hiprobe.probe import Probe
from hiprobe.ranges import require
from hiprobe.types import digest_json
from hiprobe.video.still import STILL, THRESHOLD

# The share of the threshold from which the neighbours of a window are read too. Chosen on the split
# `choose` of experiments.sparse_reading.
LOW = 0.7


@dataclass(frozen=True)
class WindowsToRead:
    """Which windows the model reads; by default all of them.

    With `every` above 1, one window of each `every` is read, and then those around the windows that
    score at least `LOW` of the threshold: see `coarse_to_fine`. With `still`, a window that hardly
    differs from the last one that was read is not read, and gets its score: see `video.still`.
    Raises ValueError for `every` out of range, UsageError for both together.

    >>> WindowsToRead(every=4).settings(Localization(threshold=0.5))
    {'every': 4, 'low': 0.35}
    """

    every: int = 1
    still: bool = False

    def __post_init__(self) -> None:
        require("every", self.every)
        if self.every > 1 and self.still:
            raise UsageError(
                "--every and --still cannot be used together: a window whose picture did not "
                "change would be compared with one far away",
                cure="use one of them",
            )

    def low(self, settings: Localization) -> float:
        """Return the raw score from which the neighbours of a window are read.

        Raises UsageError if the threshold is not known before the scores are.
        """
        if settings.threshold is None or settings.rule == "adaptive":
            raise UsageError(
                f"--every needs a threshold before a window is read, and the {settings.rule} rule "
                "has none",
                cure="give --threshold, or leave out --every",
            )
        return low_threshold(settings.threshold, LOW)

    def settings(self, localization: Localization) -> dict[str, Any]:
        """Return what belongs to the settings of a result, as JSON values; nothing by default."""
        if self.every > 1:
            return {"every": self.every, "low": self.low(localization)}
        return {"still": THRESHOLD} if self.still else {}

    def plan(self, probe: Probe, localization: Localization) -> ReadPlan:
        """Return what is read for a probe, and the name by which it is kept apart."""
        kept_as = self.name
        if self.every > 1:
            # Which windows were read depends on their scores, so on the probe.
            chosen = digest_json([self.low(localization), probe.digest])[:12]
            kept_as = f"every{self.every}-{chosen}"
        return ReadPlan(tuple(probe.sites), probe.recipe, kept_as)

    @property
    def name(self) -> str:
        """The name by which states are kept apart, as far as no probe has a part in it."""
        return STILL if self.still else ""

    @classmethod
    def of_settings(cls, made_with: Mapping[str, Any]) -> WindowsToRead:
        """Return what the settings of a run say; raises ValueError or UsageError."""
        return cls(made_with.get("every", 1), made_with.get("still") is not None)


ALL = WindowsToRead()
