"""Locate the shipped model, its probe, its labelled clips and a demonstration video."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "model"
CLIPS = HERE / "clips"
VIDEO = HERE / "demo.mp4"
# Used where no other probe is given or found; fitted on CLIPS, with the settings of
# `training.default_probe`.
PROBE = HERE / "probe.safetensors"
# The hidden states of CLIPS, so that this probe can be refitted without reading the clips again.
STATES = HERE / "states"
