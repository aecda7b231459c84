"""What of a model is compiled, when its blocks run as they are, and what is refused.

A backend that counts takes the place of the real one, which needs minutes; tests/long has that.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hiprobe import backbones
from hiprobe.backbones._compiling import blocks_of, compile_blocks
from hiprobe.errors import ModelError


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Linear(4, 4)

    def forward(self, x: Tensor, past_key_values: Any = None) -> Tensor:
        made: Tensor = x + self.part(x)
        return made


class Network(nn.Module):
    device = torch.device("cpu")

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.config = SimpleNamespace(**config)
        self.layers = nn.ModuleList([Block(), Block()])
        self.single = nn.ModuleList([Block()])

    def forward(self, x: Tensor, past_key_values: Any = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, past_key_values=past_key_values)
        return x


def test_a_block_runs_as_it_is_where_compiled_code_would_not_see_what_happens() -> None:
    ran = [0]

    def counting(graph: Any, _: Any) -> Any:
        def run(*given: Any) -> Any:
            ran[0] += 1
            return graph.forward(*given)

        return run

    torch.manual_seed(0)
    net, few, many = Network(), torch.ones(2, 4), torch.ones(3, 4)
    with torch.inference_mode():
        want = net(few), net(many)
        compile_blocks(net, "a model", counting)
        begun = ran[0]  # one line was compiled to see whether that works
        assert torch.equal(net(many), want[1])
        assert ran[0] == begun + 2
        assert torch.equal(net(few), want[0])  # smaller than before
        assert torch.equal(net(many, past_key_values=()), want[1])  # with a cache
        seen: list[Tensor] = []
        hook = net.layers[1].part.register_forward_hook(lambda *_: seen.append(_[2]))
        assert torch.equal(net(many), want[1])
        assert len(seen) == 1
        assert ran[0] == begun + 3  # the other block has no hook
        hook.remove()
        net(many)
        assert ran[0] == begun + 5


def test_only_lists_of_equal_modules_are_blocks() -> None:
    net = Network()
    net.mixed = nn.ModuleList([nn.Linear(4, 4), nn.GELU()])
    assert list(blocks_of(net)) == list(net.layers)


def test_what_cannot_be_compiled_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="fp8 model: a quantised model cannot be compiled"):
        compile_blocks(Network(quantization_config={"quant_method": "fp8"}), "fp8 model")
    spread = Network()
    spread.hf_device_map = {"a": 0, "b": "cpu"}
    with pytest.raises(ModelError, match="spread over devices cannot be compiled"):
        compile_blocks(spread, "a model")

    def broken(*_: Any) -> Any:
        raise RuntimeError("no compiler found\nand more")

    with pytest.raises(ModelError, match=r"no compiler found.*install a C\+\+ compiler") as caught:
        compile_blocks(Network(), "a model", broken)
    assert "\n" not in str(caught.value)
    outside = ModuleType("outside")
    vars(outside)["make"] = lambda *, revision, device, dtype, max_layer: None
    monkeypatch.setitem(sys.modules, "outside", outside)
    with pytest.raises(ModelError, match="this backbone cannot be compiled"):
        backbones.load("outside:make", compiled=True)
