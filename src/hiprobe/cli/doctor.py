"""`hiprobe doctor`: what is installed, what is missing, and how fast this machine is."""

from __future__ import annotations

from typing import Any

from hiprobe.cli import _doctor
from hiprobe.cli._options import AsJson, Compile, Device, Dtype, Model


def doctor(
    model: Model = "embedded",
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = False,
    as_json: AsJson = False,
) -> None:
    """Check this installation and measure this machine. Takes some seconds.

    Shows versions, devices, memory, decoders, what is missing and the command that installs it,
    whether 16-bit arithmetic is fast here, and how many segments a second the model reads and the
    decoders give. A model of the hub is estimated and never fetched. For a bug report give --json:
    it holds no path, no name of a file and nothing about your videos.
    """
    from hiprobe.backbones import Loading
    from hiprobe.cli import _terminal

    loading = Loading(model, device=device, dtype=dtype, compiled=compiled)
    facts: dict[str, Any] = {
        "versions": _doctor.versions(),
        "machine": _doctor.machine(),
        "codecs": _doctor.codecs(),
        "missing": _doctor.missing(),
        "arithmetic": _doctor.arithmetic(),
        "model": _doctor.model_speed(loading),
    }
    facts["decoding"] = _doctor.decoding(facts["model"])
    if as_json:
        _terminal.emit(facts)
        return
    _terminal.show(_doctor.doctor_table(facts))
