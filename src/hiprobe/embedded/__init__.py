"""Locate the shipped model, its probe, its labelled clips and its demonstration video."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "model"
CLIPS = HERE / "clips"
VIDEO = HERE / "demo.mp4"
# Fitted on CLIPS by `hiprobe fit`: used where no other probe is given or found.
PROBE = HERE / "probe.safetensors"
