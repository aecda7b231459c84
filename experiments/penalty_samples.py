"""Hidden states of labelled clips, and draws of clips to fit on and to test on.

Real clips are tested on other source videos than those of the labelled clips; drawn clips, which
`training.evaluate` renders, are a source each. Knows no scorer and no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.real_footage_clips import load_clips
from experiments.real_footage_figures import (
    SEED,
    Chosen,
    Sample,
    draw_labelled,
    other_sources,
)
from experiments.real_footage_reading import Readings, load_model
from experiments.real_footage_trivial import FILE, PIXELS, together, trivial_features
from hiprobe.backbones import Backbone
from hiprobe.types.recipe import digest_json
from training import drawn, evaluate

States = NDArray[np.float32]
Numbers = NDArray[np.int64]
Clips = Chosen
SIZES = (4, 8, 16, 32)  # labelled clips of each class
LARGEST = SIZES[-1]
FEWEST_TESTED = 8  # clips of each class on the test side of a draw of real clips
SCENES = ("seen", "unseen")
PARTS = {"test": (0, evaluate.COUNT // 2), "pool": (50, 10 * LARGEST)}  # seed offset, clips


class Draw(NamedTuple):
    """Which clips (clips,) are labelled, and on which it is tested."""

    labelled: Clips
    tested: Clips


@dataclass(frozen=True)
class Set:
    """Clips with the hidden states (n, layers, width) of their segments.

    `pool` (clips,) are the clips that may be labelled, if they are not to be drawn by source.
    """

    name: str
    sample: Sample
    states: States
    pool: Clips | None = None

    @property
    def groups(self) -> Numbers:
        """The source (n,) of each segment."""
        return self.sample.source[self.sample.clip]

    def draws(self, size: int, tries: int) -> Iterator[Draw]:
        """Yield `tries` draws of `size` labelled clips of each class.

        The draws of a larger size contain those of a smaller one, and have the same test clips.
        """
        for number in range(tries):
            rng = np.random.default_rng([SEED, number])
            offered, tested = self._sides(rng, number)
            labelled = np.zeros(len(offered), bool)
            for c in (1, 0):
                there = np.flatnonzero(offered & (self.sample.labels == c))
                labelled[rng.permutation(there)[:size]] = True
            yield Draw(labelled, tested)

    def _sides(self, rng: np.random.Generator, number: int) -> tuple[Clips, Clips]:
        """Return the clips that may be labelled in a draw, and those to test on."""
        if self.pool is None:
            return _two_sides(self.sample, rng)
        return _part(self.sample, self.pool, number), ~self.pool


def any_source(data: Set, tries: int) -> Iterator[Draw]:
    """Yield draws as `experiments.real_footage` makes them: 8 + 8 clips of any source."""
    for number in range(tries):
        labelled = draw_labelled(data.sample, number)
        yield Draw(labelled, other_sources(data.sample, labelled))


def _two_sides(sample: Sample, rng: np.random.Generator) -> tuple[Clips, Clips]:
    """Deal sources to the first side until it has enough clips to label; test on the others."""
    while True:
        place = rng.permutation(int(sample.source.max()) + 1)[sample.source]
        last = max(np.sort(place[sample.labels == c])[LARGEST - 1] for c in (1, 0))
        tested = place > last
        if min((tested & (sample.labels == c)).sum() for c in (1, 0)) >= FEWEST_TESTED:
            return ~tested, tested


def _part(sample: Sample, pool: Clips, number: int) -> Clips:
    """Return the clips of a pool that the draw `number` may label; no two draws share a clip."""
    part = np.zeros(len(pool), bool)
    for c in (1, 0):
        there = np.flatnonzero(pool & (sample.labels == c))
        first = number * LARGEST % len(there)
        part[there[first : first + LARGEST]] = True
    return part


def real_sets(model: str, table: Path, store: Path) -> tuple[Set, Set]:
    """Read the labelled clips of a CSV with the columns path, label and group.

    The second set has all trivial features in the place of hidden states.
    """
    loaded = load_model(model)
    held = load_clips(table, loaded.recipe, store)
    sample = Sample(held.labels, held.source, held.clip)
    trivial = together(trivial_features(held), PIXELS + FILE)[:, None].astype(np.float32)
    return (
        Set(f"real clips, {Path(model).name}", sample, Readings(loaded, held, store).states()),
        Set("real clips, all trivial features", sample, trivial),
    )


def whole_pool(data: Set) -> Draw:
    """Return the draw that labels the whole pool."""
    assert data.pool is not None
    return Draw(data.pool, ~data.pool)


def drawn_sets(model: str, seeds: tuple[int, ...], store: Path) -> Iterator[tuple[int, Set]]:
    """Yield the drawn clips of each seed, family of scenes and set of types, with the seed."""
    loaded = load_model(model)
    for seed in seeds:
        for family in SCENES:
            held = _drawn(loaded, seed, family, store)
            for types in SCENES:
                yield seed, _joined(held, f"drawn clips, {family} scenes, {types} types", types)


def _joined(held: dict[str, States], name: str, types: str) -> Set:
    parts = [held[f"{part} {what}"] for part in PARTS for what in (types, "normal")]
    labels = np.repeat([1, 0, 1, 0], [len(one) for one in parts])
    pool = np.arange(len(labels)) >= 2 * PARTS["test"][1]
    every = np.arange(len(labels))
    return Set(name, Sample(labels, every, every), np.concatenate(parts), pool)


def _drawn(model: Backbone, seed: int, family: str, store: Path) -> dict[str, States]:
    """Read the drawn clips of one seed and family, or take what was read before."""
    code = [one.read_text() for one in sorted(Path(drawn.__file__).parent.glob("*.py"))]
    key = digest_json([model.recipe.model, str(model.provenance["dtype"]), PARTS, code])[:16]
    file = store / "drawn" / key / f"{seed}-{family}.npz"
    if not file.is_file():
        found = {}
        for part, (offset, count) in PARTS.items():
            for types in SCENES:
                clips = evaluate.abnormal(seed + offset, family, types, count)
                found[f"{part} {types}"] = evaluate.read(model, clips)
            normal = evaluate.normal(seed + offset, family, count)
            found[f"{part} normal"] = evaluate.read(model, normal)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"part-{file.name}")
        np.savez(unfinished, **found)  # type: ignore[arg-type]
        unfinished.replace(file)
    with np.load(file, allow_pickle=False) as held:
        return {name: np.asarray(held[name]) for name in held.files}
