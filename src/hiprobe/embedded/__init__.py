"""Locate the shipped model, its labelled clips and its demonstration video; load nothing."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE / "model"
CLIPS = HERE / "clips"
VIDEO = HERE / "demo.mp4"
