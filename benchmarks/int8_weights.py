"""Quantise the weights of all linear layers to int8 on a CPU, as torch itself does it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

Make = Callable[[str], Any]


def int8(make: Make) -> Any:
    """Return the model with weights in int8, its activations quantised while it runs."""
    model = make("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantise: Any = torch.ao.quantization.quantize_dynamic
        quantise(model._model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return model
