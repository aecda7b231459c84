"""What an evaluated probe reads and what it was made with. Knows no videos and no figures."""

from __future__ import annotations

from typing import Any

from hiprobe.backbones import ModelFacts
from hiprobe.probe import Probe


def made_with(model: ModelFacts, probe: Probe) -> dict[str, Any]:
    """Return the probe, its recipe and the reader of an evaluation, as JSON values."""
    return {
        "model": probe.recipe.model,
        "revision": probe.recipe.revision,
        "method": probe.method,
        "sites": ", ".join(map(str, probe.sites)),
        "threshold": probe.localization.threshold,
        "probe": probe.digest,
        "recipe": probe.recipe.digest,
        "reader": dict(model.provenance),
        **({"probe source": probe.source} if probe.source else {}),
        **_unknown_videos(probe),
        **_unfinished(model, probe),
    }


def _unknown_videos(probe: Probe) -> dict[str, str]:
    """Say that a probe which was shared without digests may have been fitted on a test video."""
    if probe.fitted_videos or not probe.video_count:
        return {}
    return {"overlap": "not checked, as the probe does not tell which videos it was fitted on"}


def _unfinished(model: ModelFacts, probe: Probe) -> dict[str, str]:
    """Say that events are not checked and refined as the probe says, if that is so."""
    wanted = probe.verification is not None or probe.localization.refine
    if hasattr(model, "read") or not wanted:
        return {}
    return {"events": "not checked and not refined, as a cluster reads hidden states only"}
