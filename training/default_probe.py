"""Say how the probe that is used where no other is reads and judges.

Chosen by `python -m experiments.default_probe` on real and rendered footage, and written down here;
`training.ship` fits the probe. Knows no files.
"""

from __future__ import annotations

from dataclasses import replace

from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.probe.causal_rule import moved_threshold

LAYER = 5  # a probe fitted on rendered clips carries over best to real ones at layers 3 to 6
CHOSEN = "chosen on real and rendered footage by experiments.default_probe"
THRESHOLD, KAPPA, WARMUP, LAG = 0.6457, 3.0, 5, 3  # log-odds of 0.6
CONFIRM = 1.7  # log-odds of the model's answer from which an event is an alarm


def settings() -> Localization:
    """Return how the scores become events."""
    return Localization(
        rule="raised",
        threshold=THRESHOLD,
        kappa=KAPPA,
        warmup=WARMUP,
        lag=LAG,
        threshold_from=CHOSEN,
    )


def as_default(probe: Probe) -> Probe:
    """Return a probe with the settings of the default one, and its level of the model's check."""
    assert probe.verification is not None
    assert probe.causal_threshold is not None
    fitted = probe.localization.threshold
    return replace(
        probe,
        localization=settings(),
        verification=replace(probe.verification, threshold=CONFIRM, source=CHOSEN),
        causal_threshold=moved_threshold(probe.causal_threshold, fitted, THRESHOLD),
    )
