"""Measure what stopping early saves.

    python -m benchmarks.early_exit [--json FILE]

The first table has the time by layer, trimmed or not, compared with the full model and with
`generate` of one token. The trimmed run computes the output product and the MLP of the last block
at the last position only. The package does not do this, because the bits differ; it is timed here
to show what that costs. The second table is several prompts about one video, the third
what that makes of `several_prompts` beside `hiprobe`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from benchmarks import clips, tables
from hiprobe import backbones, pipeline
from hiprobe.backbones._processing import collate, make_inputs
from hiprobe.backbones._reading import encode_video, last_states, with_features
from hiprobe.types import Recipe, Segment, Site

PROMPTS = (
    "Identify any abnormal events or safety hazards in this video.",
    "Is anything abnormal? Answer yes or no.",
    "What happens in this video?",
    "Where is it?",
    "Is there an accident or a fight?",
)


@contextmanager
def trimmed(block: Any) -> Iterator[None]:
    """Make `block` compute its output product and its MLP at the last position only."""
    with ExitStack() as handles:
        for part in (block.self_attn.o_proj, block.mlp):
            handles.callback(
                part.register_forward_pre_hook(lambda _, given: (given[0][:, -1:],)).remove
            )
        yield


def batch(backbone: Any, segments: Sequence[Segment], prompt: str) -> dict[str, Any]:
    """Make the inputs of some segments, on the model's device."""
    made: dict[str, Any] = backbone._on_device(
        collate([make_inputs(backbone._processor, segment, prompt) for segment in segments])
    )
    return made


def reader(backbone: Any, inputs: dict[str, Any], layer: int) -> Callable[[], torch.Tensor]:
    """Return a run that stops after block `layer` and returns its states (batch, width)."""

    def run() -> torch.Tensor:
        with torch.inference_mode():
            found = last_states(
                lambda: backbone._model.base_model(**inputs, use_cache=False),
                backbone._decoder.layers,
                {layer},
                (),
            )
        state: torch.Tensor = found["residual", layer]
        return state

    return run


def trimming(backbone: Any, inputs: dict[str, Any], layer: int) -> Callable[[], torch.Tensor]:
    """Return the same run, trimmed."""

    def run() -> torch.Tensor:
        with trimmed(backbone._decoder.layers[layer]):
            return reader(backbone, inputs, layer)()

    return run


def by_layer(backbone: Any, segments: Sequence[Segment], rounds: int) -> list[dict[str, Any]]:
    """Time every way of running the model, in milliseconds per segment."""
    inputs = batch(backbone, segments, backbone.recipe.prompts[0])
    runs: dict[str, Callable[[], Any]] = {}
    for layer in range(backbone.layers):
        runs[f"layer {layer}"] = reader(backbone, inputs, layer)
        runs[f"layer {layer}, trimmed"] = trimming(backbone, inputs, layer)
    runs["vision alone"] = torch.inference_mode()(lambda: encode_video(backbone._model, inputs))
    runs["full model, all logits"] = torch.inference_mode()(
        lambda: backbone._model(**inputs, use_cache=False)
    )
    options = {"max_new_tokens": 1, "do_sample": False}
    runs["generate, one token"] = lambda: backbone._model.generate(**inputs, **options)
    seconds = tables.in_turn(runs, rounds)
    return [
        {
            "run": name,
            "ms per segment": 1000 * taken / len(segments),
            "of the full model": taken / seconds["full model, all logits"],
            "of generate": taken / seconds["generate, one token"],
            "differs by (of scale)": _deviation(runs, name),
        }
        for name, taken in seconds.items()
    ]


def _deviation(runs: dict[str, Callable[[], Any]], name: str) -> float | str:
    plain = name.removesuffix(", trimmed")
    if plain == name:
        return ""
    truth = runs[plain]()
    return float((runs[name]() - truth).abs().max() / truth.abs().max())


def by_prompts(
    backbone: Any, segments: Sequence[Segment], layer: int, rounds: int
) -> list[dict[str, Any]]:
    """Time several prompts about the same segments.

    One whole read for each prompt; the frames encoded once; the prefix computed once.
    """
    recipe = dataclasses.replace(backbone.recipe, prompts=PROMPTS)
    single = [dataclasses.replace(recipe, prompts=(prompt,)) for prompt in PROMPTS]
    site = Site("residual", layer)
    several = [dataclasses.replace(site, prompt=number) for number in range(len(PROMPTS))]
    runs: dict[str, Callable[[], Any]] = {
        "one prompt": lambda: backbone.read(segments, [site], single[0]),
        "five reads": lambda: np.concatenate(
            [backbone.read(segments, [site], one) for one in single], axis=1
        ),
        "five, frames encoded once": lambda: _encoded_once(backbone, segments, layer),
        "five, prefix computed once": lambda: backbone.read(segments, several, recipe),
    }
    seconds, truth = tables.in_turn(runs, rounds), runs["five reads"]()
    return [
        {
            "run": name,
            "ms per segment": 1000 * taken / len(segments),
            "of five reads": taken / seconds["five reads"],
            "differs by (of scale)": "" if name == "one prompt" else _apart(run(), truth),
        }
        for (name, run), taken in zip(runs.items(), seconds.values(), strict=True)
    ]


def by_method(
    backbone: Any, segments: Sequence[Segment], layer: int, rounds: int
) -> list[dict[str, Any]]:
    """Time `several_prompts` against `hiprobe`, as `fit` and as `detect` read.

    `fit` reads every layer, `detect` one layer for each prompt at `layer`.
    """
    runs: dict[str, Callable[[], Any]] = {}
    for name in ("hiprobe", "several_prompts"):
        recipe = pipeline.recipe_for(name, backbone)
        count = len(recipe.prompts)
        some = [Site("residual", layer, prompt=number) for number in range(count)]
        runs[f"{name}, fit"] = _reading(
            backbone, segments, pipeline.sites_for(name, backbone), recipe
        )
        runs[f"{name}, detect"] = _reading(backbone, segments, some, recipe)
    seconds = tables.in_turn(runs, rounds)
    return [
        {
            "run": name,
            "ms per segment": 1000 * taken / len(segments),
            "of hiprobe": taken / seconds[f"hiprobe, {name.rpartition(' ')[2]}"],
        }
        for name, taken in seconds.items()
    ]


def _reading(
    backbone: Any, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe
) -> Callable[[], Any]:
    return lambda: backbone.read(segments, sites, recipe)


def _apart(values: Any, truth: Any) -> float:
    return float(np.abs(values - truth).max() / np.abs(truth).max())


def _encoded_once(backbone: Any, segments: Sequence[Segment], layer: int) -> np.ndarray[Any, Any]:
    made = [batch(backbone, segments, prompt) for prompt in PROMPTS]
    with torch.inference_mode():
        features = encode_video(backbone._model, made[0])
        parts = [reader(backbone, with_features(inputs, features), layer)() for inputs in made]
    return torch.stack(parts, dim=1).float().cpu().numpy()


def main() -> None:
    """Measure and print."""
    parser = tables.parser(__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--segments", type=int, default=8, help="segments in the batch")
    parser.add_argument("--rounds", type=int, default=7, help="the best one counts")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    backbone: Any = backbones.load(given.model)
    segments = clips.noise(backbone.recipe, given.segments)
    layer = backbone.layers * 5 // 8
    found = {
        f"Time by layer, a batch of {given.segments}, inputs made before": by_layer(
            backbone, segments, given.rounds
        ),
        "Five prompts, read after block 5/8 of the depth, inputs made in the run": by_prompts(
            backbone, segments, layer, given.rounds
        ),
        "several_prompts against hiprobe, inputs made in the run": by_method(
            backbone, segments, layer, given.rounds
        ),
    }
    tables.finish("early_exit", found, given.json)


if __name__ == "__main__":
    main()
