"""Which devices torch can use here. Knows no model."""

from __future__ import annotations

from typing import Any

import torch

from hiprobe.errors import ModelError

DEVICES = ("cpu", "cuda", "mps")


def pick_device(name: str) -> torch.device:
    """Return the device `name`; "auto" is cuda, then mps, then cpu. Raises ModelError if absent."""
    if name == "auto":
        name = (
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            # such as meta, which stores no values
            raise NotImplementedError(f"not one of {', '.join(DEVICES)}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            "cannot be used here", where=f"device {name}", cure="give auto or cpu"
        ) from error
    return device


def list_devices() -> dict[str, Any]:
    """Return the device that auto means, the threads, and each card with its memory in bytes."""
    return {
        "auto": pick_device("auto").type,
        "threads": torch.get_num_threads(),
        "cuda_build": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
        "cards": [_card(number) for number in range(torch.cuda.device_count())],
    }


def _card(number: int) -> dict[str, Any]:
    facts = torch.cuda.get_device_properties(number)
    free, total = torch.cuda.mem_get_info(number)
    return {"name": facts.name, "memory": total, "free": free, "bfloat16": facts.major >= 8}
