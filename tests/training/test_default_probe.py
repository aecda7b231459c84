"""The default probe: a fitted probe with the settings that were chosen for unknown cameras."""

from __future__ import annotations

from hiprobe import embedded
from hiprobe.probe import Probe
from training import default_probe


def test_the_shipped_probe_has_the_chosen_layer_settings_and_level() -> None:
    shipped = Probe.load(embedded.PROBE)
    assert [site.layer for site in shipped.sites] == [default_probe.LAYER]
    assert shipped.localization == default_probe.settings()
    assert shipped.verification is not None
    assert shipped.verification.threshold == default_probe.CONFIRM
    assert default_probe.as_default(shipped).to_bytes() == shipped.to_bytes()


def test_only_the_settings_and_the_level_are_changed() -> None:
    shipped = Probe.load(embedded.PROBE)
    made = default_probe.as_default(shipped)
    for name, tensor in shipped.tensors.items():
        assert (made.tensors[name] == tensor).all()
    assert made.provenance == shipped.provenance
    assert made.causal_threshold == shipped.causal_threshold
