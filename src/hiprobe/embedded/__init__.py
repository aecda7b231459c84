"""Locate the shipped model, its probe, its labelled clips and a demonstration video."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "model"
CLIPS = HERE / "clips"
VIDEO = HERE / "demo.mp4"
# Fitted on CLIPS by `hiprobe fit`: used where no other probe is given or found.
PROBE = HERE / "probe.safetensors"
# The hidden states of CLIPS, so that this probe can be refitted without reading the clips again.
STATES = HERE / "states"
