"""Choose between 32 and 16 bits by what this machine computes faster, and remember it.

Only if that is asked for (`--dtype fastest`), since the bits of hidden states and scores differ.
Knows no command line.
"""

from __future__ import annotations

from dataclasses import replace

from hiprobe import backbones
from hiprobe.backbones import Loading
from hiprobe.errors import UsageError
from hiprobe.estimate.speeds import measured_speeds

FASTEST = "fastest"
LEAST_RATIO = 1.2  # so much faster must 16 bits be, in the encoder and in the decoder


def fastest(loading: Loading) -> tuple[Loading, str]:
    """Return how to load a model in the faster precision, and the reason as a sentence.

    On a CPU bfloat16 is taken if it was measured to be 1.2 times as fast as float32 at the widths
    of the model's vectors; the measurement is remembered for 30 days (`estimate.cache`). While
    other programs use the processors, nothing that was not remembered is decided: float32. On a
    card, and for a quantised checkpoint, it is the checkpoint's own precision. Raises UsageError
    for a model that does not state its widths, and the errors of reading its configuration.
    """
    device = backbones.device_facts()["auto"] if loading.device == "auto" else loading.device
    if device != "cpu":
        return replace(loading, dtype="auto"), f"the model's own precision, as on every {device}"
    widths = backbones.widths(loading)
    if widths is None:
        raise UsageError(
            f"{loading.name} does not state the widths by which a precision is chosen",
            cure="give --dtype float32 or bfloat16",
        )
    if not widths:
        return replace(loading, dtype="auto"), "the model's own precision, as it is quantised"
    dtype, reason = _compared(widths)
    return replace(loading, dtype=dtype), f"{dtype}, as {reason}"


def _compared(widths: tuple[int, ...]) -> tuple[str, str]:
    """Return the faster precision on a CPU, and why."""
    plain, short = (measured_speeds("cpu", one, widths) for one in ("float32", "bfloat16"))
    if plain.busy or short.busy:
        return "float32", "other programs use the processors, so that 16 bits cannot be compared"
    ratio = min(short.at(width) / plain.at(width) for width in widths)
    dtype = "bfloat16" if ratio >= LEAST_RATIO else "float32"
    return dtype, f"bfloat16 is {ratio:.2g} times as fast as float32 here"
