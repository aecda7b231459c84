"""Read labelled clips with a model: its own answer in each view, and its hidden states.

Readings are kept in a store by the content of the model. Knows no label and no figure.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from experiments.real_footage_clips import Clips
from hiprobe import backbones, embedded, pipeline
from hiprobe.backbones import Backbone
from hiprobe.probe.verification_rule import yes_over_no
from hiprobe.types import Recipe, Site
from hiprobe.types.recipe import digest_json

Array = NDArray[np.float64]
States = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """The log-odds (n,) of yes against no in one view, and the processor seconds they took."""

    odds: Array
    seconds: float


@dataclass(frozen=True)
class Readings:
    """Read clips with one model; what was read before comes from the store."""

    model: Backbone
    clips: Clips
    store: Path

    @property
    def folder(self) -> Path:
        """The folder of this model's readings of these clips in the store."""
        facts, recipe = self.model.provenance, self.model.recipe
        key = [recipe.model, recipe.revision, list(recipe.prompts), str(facts["dtype"])]
        return self.store / "readings" / f"{self.clips.key}-{digest_json(key)[:16]}"

    def answers(self, view: str) -> Answers:
        """Ask the model the question of the method `likelihood` about each segment of a view."""
        file = self.folder / f"{view.replace(' ', '_')}.npz"
        if not file.is_file():
            site = Site("logit", self.model.layers - 1)
            values, seconds = self._read(
                view, [site], pipeline.recipe_for("likelihood", self.model)
            )
            self._keep(file, odds=yes_over_no(values[:, 0]), seconds=np.array(seconds))
        with np.load(file, allow_pickle=False) as held:
            return Answers(held["odds"], float(held["seconds"]))

    def states(self) -> States:
        """Return the hidden states (n, layers, width) at the last position, of the whole view."""
        file = self.folder / "states.npz"
        if not file.is_file():
            sites = [Site("residual", layer) for layer in range(self.model.layers)]
            values, _ = self._read("whole", sites, self.model.recipe)
            self._keep(file, states=values)
        with np.load(file, allow_pickle=False) as held:
            return np.asarray(held["states"])

    def at(self, sites: Sequence[Site], recipe: Recipe) -> States:
        """Return the values (n, sites, width) at some sites under a recipe, of the whole view."""
        key = digest_json([[str(site) for site in sites], list(recipe.prompts)])[:16]
        file = self.folder / f"sites-{key}.npz"
        if not file.is_file():
            self._keep(file, states=self._read("whole", sites, recipe)[0])
        with np.load(file, allow_pickle=False) as held:
            return np.asarray(held["states"])

    def _read(self, view: str, sites: Sequence[Site], recipe: Recipe) -> tuple[States, float]:
        segments = self.clips.segments(view)
        self.model.read(segments[:2], sites, recipe)  # the first pass makes buffers
        began = time.process_time()
        values = self.model.read(segments, sites, recipe)
        return values, time.process_time() - began

    def _keep(self, file: Path, **arrays: NDArray[np.generic]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"part-{file.name}")
        np.savez(part, **arrays)  # type: ignore[arg-type]
        part.replace(file)


def folder_of(model: str) -> Path:
    """Return the folder of a model that is given by name (embedded) or as a folder."""
    return embedded.MODEL if model == "embedded" else Path(model)


def random_weights(model: str, seed: int, store: Path) -> Path:
    """Return a folder with a model of the same architecture and files, but random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    given, kind = folder_of(model), cast(Any, AutoModelForImageTextToText)
    digest = digest_json((given / "config.json").read_text())[:16]
    target = store / "random" / f"{digest}-{seed}"
    if not list(target.glob("*.safetensors")):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = kind.from_config(AutoConfig.from_pretrained(given))
        target.mkdir(parents=True, exist_ok=True)
        for file in given.iterdir():
            if file.suffix != ".safetensors":
                shutil.copyfile(file, target / file.name)
        made.save_pretrained(target)
    return target


def load_model(model: str, dtype: str = "float32") -> Backbone:
    """Load a model on the CPU, by name or folder."""
    return backbones.load(model, device="cpu", dtype=dtype)
