"""The rule that looks back only, by which a watcher raises an alert. Settings only: no scores."""

from __future__ import annotations

import math
from dataclasses import replace

from hiprobe.errors import ProbeError
from hiprobe.localize import Localization
from hiprobe.probe.file import Probe

HIGHEST_ODDS = 700.0  # exp of more is not finite


def causal_settings(probe: Probe, settings: Localization) -> Localization:
    """Return the settings that find an event before the scores after it are known.

    They are `settings`, which find events offline, with the half of their smoothing that looks
    back, and with the probe's threshold for that. If the threshold of `settings` is not that of the
    probe, the causal one is moved as far. Raises ProbeError for a probe without one.

    >>> settings = Localization(rule="fixed", threshold=0.5, smoothing="none")
    >>> from hiprobe import embedded
    >>> causal_settings(Probe.load(embedded.PROBE), settings) == settings
    True
    """
    if settings.smoothing in ("none", "causal") or not settings.sigma:
        return settings
    causal = replace(settings, smoothing="causal")
    if settings.rule == "adaptive":
        return causal
    if probe.causal_threshold is None or settings.threshold is None:
        raise ProbeError(
            "the probe has no threshold to raise alerts by",
            cure="fit it again; videos whose states are stored are not read again",
        )
    own = probe.localization.threshold
    moved = moved_threshold(probe.causal_threshold, own, settings.threshold)
    return causal.with_threshold(moved, settings.threshold_from)


def moved_threshold(causal: float, old: float | None, new: float) -> float:
    """Return the causal threshold for a new offline threshold, which was `old` when it was found.

    It is moved by as much: in log-odds if all three are probabilities, else as they are (our own).
    It stays if there was no old one.

    >>> round(moved_threshold(0.4, 0.5, 0.9), 3), moved_threshold(2.0, 3.0, 2.5)
    (0.857, 1.5)
    """
    if old is None or old == new:
        return causal
    if not all(0 < one < 1 for one in (causal, old, new)):
        return causal + new - old
    odds = sum(math.log(one / (1 - one)) * sign for one, sign in ((causal, 1), (new, 1), (old, -1)))
    return 1 / (1 + math.exp(min(-odds, HIGHEST_ODDS)))
