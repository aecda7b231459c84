"""Check on the true 7-8B shapes, in bf16 on a CUDA GPU, what holds on tiny models.

    python -m benchmarks.gpu_check [--small] [--json FILE]

The weights are random. The exit code is 1 if a required check fails. `--small` uses tiny models of
the same classes on any machine, to see that the script runs. Memory is measured on a GPU only.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from tests.support import tiny_models

from benchmarks import clips, shapes, tables
from hiprobe.backbones import _batching
from hiprobe.backbones._processing import make_inputs
from hiprobe.types import Segment, Site

TOKENS = 16
ROUNDING = 0.05  # of scale: largest sum of rounding differences in bf16 (8 bits) over the blocks
ALIKE = 0.99  # smallest cosine between a state in bf16 and in fp32


def full_pass(backbone: Any, segment: Segment) -> np.ndarray[Any, Any]:
    """Return the last position after every block (layers, width), from one whole pass.

    The pass uses its own hooks, not those of the package.
    """
    inputs = backbone._on_device(
        make_inputs(backbone._processor, segment, backbone.recipe.prompts[0])
    )
    kept: list[torch.Tensor] = []

    def keep(module: Any, given: Any, output: Any) -> None:
        kept.append((output if isinstance(output, torch.Tensor) else output[0])[0, -1])

    handles = [block.register_forward_hook(keep) for block in backbone._model.get_decoder().layers]
    with torch.inference_mode():
        backbone._model(**inputs, use_cache=False, logits_to_keep=1)
    for handle in handles:
        handle.remove()
    return torch.stack(kept).float().cpu().numpy()


def apart(values: Any, truth: Any) -> float:
    """Return the largest difference as a fraction of the largest value."""
    return float(np.abs(values - truth).max() / np.abs(truth).max())


def row(check: str, value: Any, unit: str = "", holds: bool | None = None) -> dict[str, Any]:
    """Make a line of the table; `holds` is given where something is required."""
    return {
        "check": check,
        "value": value,
        "unit": unit,
        "holds": "" if holds is None else "yes" if holds else "NO",
    }


def exactness(backbone: Any, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Compare early exit, batches and shared prefixes with the plain way.

    Early exit after every block is compared with the whole pass; batches and shared prefixes with
    single reads.
    """
    sites = [Site("residual", layer) for layer in range(backbone.layers)]
    truth = full_pass(backbone, segments[0])
    exits = np.concatenate([backbone.read(segments[:1], [site])[0] for site in sites])
    single = np.concatenate([backbone.read([segment], sites) for segment in segments])
    several = dataclasses.replace(backbone.recipe, prompts=tuple(tiny_models.PROMPTS))
    shared = backbone.read(segments, sites, several)
    batched = backbone.read(segments, sites)
    again = backbone.read(segments, sites)
    usual, backbone.batch = backbone.batch, 1  # the next is prepared while one is read
    ahead = backbone.read(segments, sites)
    backbone.batch = usual
    return [
        row(
            "early exit after each block against the whole pass",
            apart(exits, truth),
            "of scale",
            bool((exits == truth).all()),
        ),
        row(
            "another clip against this one, to compare with",
            apart(single[1], single[0]),
            "of scale",
            bool((single[1] != single[0]).any()),
        ),
        row(
            "the same read again", apart(again, batched), "of scale", bool((again == batched).all())
        ),
        row(
            "prepared while the one before is read, against single reads",
            apart(ahead, single),
            "of scale",
            bool((ahead == single).all()),
        ),
        row(
            f"batch of {len(segments)} against single reads",
            apart(batched, single),
            "of scale",
            apart(batched, single) < ROUNDING,
        ),
        row(
            "after a shared prefix against a whole pass",
            apart(shared, batched),
            "of scale",
            apart(shared, batched) < ROUNDING,
        ),
    ]


def memory(backbone: Any, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Measure the gigabytes of the weights and of passes over one segment.

    Also reports the batch size that a read chooses.
    """
    weights = sum(parameter.nbytes for parameter in backbone._model.parameters())
    site = Site("residual", shapes.layer_read(backbone))
    backbone.read(segments[:2], [site])
    return [
        row("weights", weights / 1e9, "GB"),
        row(
            f"pass to block {site.layer}, one segment, peak beside the weights",
            _peak(backbone, lambda: backbone.read(segments[:1], [site])),
            "GB",
        ),
        row(
            "whole pass, one segment, peak beside the weights",
            _peak(backbone, lambda: full_pass(backbone, segments[0])),
            "GB",
        ),
        row(
            "segments in a pass",
            backbone._batch(segments, [site], backbone.recipe.prompts, backbone.width),
        ),
    ]


def _peak(backbone: Any, run: Callable[[], Any]) -> float | None:
    device = backbone._model.device
    return _batching.bytes_taken(run, device) / 1e9 if device.type == "cuda" else None


def explaining(backbone: Any, segment: Segment) -> list[dict[str, Any]]:
    """Check `explain`: with random weights its text is meaningless, but it must end in time."""
    made: list[int] = []
    handle = backbone._model.get_decoder().register_forward_hook(lambda *_: made.append(1))
    start = time.perf_counter()
    text, _ = backbone.explain(segment, tiny_models.PROMPTS[1], TOKENS, 120.0)
    taken = time.perf_counter() - start
    handle.remove()
    return [
        row("explain, tokens made", len(made), "", isinstance(text, str) and len(made) == TOKENS),
        row("explain, time", taken, "s"),
    ]


def precision(backbone: Any, segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Compare bf16 with fp32 at equal weights.

    This converts the model to fp32, so it must come last.
    """
    sites = [Site("residual", layer) for layer in range(backbone.layers)]
    if not _room_for_float(backbone):
        return [row("bf16 against fp32 (needs twice the memory of the weights)", None)]
    narrow = backbone.read(segments, sites)
    backbone._model.float()
    wide = backbone.read(segments, sites)
    cosine = (
        (narrow * wide).sum(-1) / np.linalg.norm(narrow, axis=-1) / np.linalg.norm(wide, axis=-1)
    )
    layer = shapes.layer_read(backbone)
    return [
        row(
            f"bf16 against fp32, block {layer}, cosine, worst segment",
            float(cosine[:, layer].min()),
            "",
            bool(cosine[:, layer].min() > ALIKE),
        ),
        row("the same, worst block", float(cosine.min())),
        row(
            f"bf16 against fp32, block {layer}", apart(narrow[:, layer], wide[:, layer]), "of scale"
        ),
    ]


def _room_for_float(backbone: Any) -> bool:
    device = backbone._model.device
    if device.type != "cuda":
        return True
    weights = sum(parameter.nbytes for parameter in backbone._model.parameters())
    return bool(torch.cuda.get_device_properties(device).total_memory > 2.6 * weights)


def check(name: str, small: bool, device: str, segments: int = 4) -> list[dict[str, Any]]:
    """Run all checks of one shape."""
    backbone = shapes.build(name, small, device, torch.bfloat16)
    given = clips.noise(backbone.recipe, segments)
    rows = [
        *exactness(backbone, given),
        *memory(backbone, given),
        *explaining(backbone, given[0]),
        *precision(backbone, given),
    ]
    del backbone
    if device == "cuda":
        torch.cuda.empty_cache()
    return rows


def main() -> int:
    """Check and print; returns 1 if a check fails, 2 if there is no GPU."""
    parser = tables.parser(__doc__)
    parser.add_argument("--small", action="store_true", help="tiny models, also on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    if given.device == "cpu" and not given.small:
        print("no CUDA card found: use --small to check tiny models on this CPU", file=sys.stderr)
        return 2
    kind = "tiny, of the classes of " if given.small else "true shape of "
    found = {kind + name: check(name, given.small, given.device) for name in shapes.LARGE}
    tables.finish("gpu_check", found, given.json)
    return int(any(line["holds"] == "NO" for rows in found.values() for line in rows))


if __name__ == "__main__":
    sys.exit(main())
