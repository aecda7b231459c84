"""Measure the memory of a model that is loaded only up to the block that is read.

    python -m benchmarks.probe_only [--json FILE]

Needs Linux and 2 GB of disk. A random model of 28 blocks in 16 bits (0.9 GB) is written into a
temporary folder and loaded by separate processes, whole and up to a block, in float32 as is the
default on a CPU. (In 16 bits the file is mapped and takes memory only where it is used.) Weights
are counted in memory; the peak is the system's own count for the process, which includes what is
read of the file.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import tables

BLOCKS, WIDTH = 28, 1024
LAYERS = (None, 19, 9, 0)
CHILD = """
import json, sys
import torch
torch.set_num_threads(1)
from hiprobe import backbones
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
layer, before = json.loads(sys.argv[2]), peak()
model = backbones.load(sys.argv[1], device="cpu", max_layer=layer)
held = sum(each.nbytes for each in model._model.parameters()) / 1e6
print(json.dumps([len(model._decoder.layers), held, peak() - before]))
"""


def config(ids: dict[str, int]) -> Any:
    """Configure a decoder of 28 blocks of width 1024 with a tiny vision encoder.

    The vocabulary is small.
    """
    import transformers
    from tests.support import tiny_models

    vision = {**tiny_models.qwen2_5_vl(ids).vision_config.to_dict(), "out_hidden_size": WIDTH}
    return transformers.Qwen2_5_VLConfig(
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        text_config={
            **tiny_models.TEXT,
            "hidden_size": WIDTH,
            "intermediate_size": 4096,
            "num_hidden_layers": BLOCKS,
            "num_attention_heads": 8,
            "rope_parameters": {**tiny_models.MROPE, "mrope_section": [16, 24, 24]},
        },
        vision_config=vision,
        dtype="bfloat16",
        **tiny_models.qwen_ids(ids),  # type: ignore[arg-type]
    )


def write(folder: Path) -> None:
    """Write the random model as a checkpoint in `folder`."""
    import torch
    from tests.support import tiny_models

    tiny_models.FAMILIES["large"] = dataclasses.replace(
        tiny_models.FAMILIES["qwen2_5_vl"], config=config
    )
    torch.set_num_threads(1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        tiny_models.save("large", folder)
    finally:
        torch.set_default_dtype(before)


def load_in_child(folder: str, layer: int | None) -> dict[str, Any]:
    """Load up to block `layer` in a process of its own; returns its memory in MB of 1e6 bytes."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, folder, json.dumps(layer)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    blocks, weights, peak = json.loads(done.stdout)
    return {
        "max_layer": "all" if layer is None else layer,
        "blocks": blocks,
        "weights MB": weights,
        "peak MB": peak,
    }


def main() -> None:
    """Write the model, load it in each way and print the table."""
    given = tables.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        rows = [load_in_child(folder, layer) for layer in LAYERS]
    for row in rows:
        row["of the whole"] = row["peak MB"] / rows[0]["peak MB"]
    tables.finish("probe_only", {"a load up to a block": rows}, given.json)


if __name__ == "__main__":
    main()
