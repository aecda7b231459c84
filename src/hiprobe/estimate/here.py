"""This machine, as far as reading a model is concerned."""

from __future__ import annotations

import os

from hiprobe import backbones
from hiprobe.estimate.cache import cores, processor
from hiprobe.estimate.choices import Machine
from hiprobe.estimate.speeds import CANNOT_COMPUTE, Speeds, measured_speeds, why_not


def this_machine(*, again: bool = False) -> Machine:
    """Return this machine, on the device and in the precision of `--device auto --dtype auto`.

    Its speed is measured if that is not remembered, or `again`: that takes about a second. Where
    torch cannot compute on the device, the machine has an `error` instead. Loads torch.
    """
    facts = backbones.device_facts()
    if facts["auto"] == "cpu":
        name = f"{processor()}, {cores()} cores"
        return _measured(name, memory_bytes(), "cpu", "float32", again)
    card = next(iter(facts["cards"]), None)  # the one that "cuda" means
    dtype = "bfloat16" if card is None or card["bfloat16"] else "float16"
    name = "Apple GPU" if card is None else card["name"]
    memory = memory_bytes() if card is None else card["memory"]
    return _measured(name, memory, facts["auto"], dtype, again)


def _measured(name: str, memory: float, device: str, dtype: str, again: bool) -> Machine:
    try:
        return Machine(name, memory, measured_speeds(device, dtype, again=again))
    except CANNOT_COMPUTE as error:
        return Machine(name, memory, Speeds(device, dtype, ()), why_not(error))


def memory_bytes() -> int:
    """Return the memory of this machine in bytes.

    >>> memory_bytes() > 1e8
    True
    """
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
