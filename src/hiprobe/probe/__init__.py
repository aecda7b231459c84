"""The probe: fitted on hidden states and labels, kept in one file, scoring segments. Knows no video and no model."""

from __future__ import annotations

from hiprobe.probe.calibration import MIN_SEGMENTS
from hiprobe.probe.file import MAX_BYTES, Probe
from hiprobe.probe.fitting import fit

__all__ = ["MAX_BYTES", "MIN_SEGMENTS", "Probe", "fit"]
