"""Locate the shipped model, its probe, its labelled clips and a demonstration video."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "model"
CLIPS = HERE / "clips"
VIDEO = HERE / "demo.mp4"
# Used where no other probe is given or found; fitted on CLIPS, or on clips that are not shipped.
PROBE = HERE / "probe.safetensors"
# The entry of `provenance["states"]` of a probe that was fitted by `training.default_probe`.
RENDERED = "rendered_clips"
# The hidden states of CLIPS, so that this probe can be refitted without reading the clips again.
STATES = HERE / "states"
