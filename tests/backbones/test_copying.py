"""How inputs reach a device. What a card does with its queues is checked by benchmarks.gpu_check."""

from __future__ import annotations

import pytest
import torch

from hiprobe.backbones._copying import Lane, to_device

CPU = torch.device("cpu")


def test_on_a_cpu_nothing_is_copied_or_queued() -> None:
    value = torch.arange(4.0)
    assert to_device(value, CPU) is value
    assert to_device(value, CPU, torch.bfloat16).dtype == torch.bfloat16
    ready = Lane(CPU).prepare(lambda: [{0: {"ids": value}}])
    assert ready.event is None
    assert ready.take()[0][0]["ids"] is value


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card: queues are not tested")
def test_on_a_card_what_is_prepared_is_there_when_it_is_taken() -> None:
    card = torch.device("cuda")
    lane = Lane(card)
    for number in range(20):
        value = torch.full((2**22,), float(number))
        ready = lane.prepare(lambda value=value: [{0: {"pixels": to_device(value, card) * 2}}])
        assert float(ready.take()[0][0]["pixels"].mean()) == 2 * number
