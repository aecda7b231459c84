"""Measure whether the part of the picture that carries the score is where the event is.

Rendered clips of unseen scenes, whose true position is known. Each clip is read again with one part
of it hidden at a time; the part without which the score falls most is the answer. Probes are fitted
on labelled videos as in the other experiments. Run: `python -m experiments.where`; it writes
`docs/data/where.md` and keeps what it has read beside the hidden states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from training.drawn import events
from training.drawn.clips import Clip, make_clip

from experiments.fits import dlsp, hiprobe, out_of_fold, split, usable
from experiments.footage import Footage, draw
from experiments.measure import Interval, interval, verdict
from experiments.occlusion import (
    Windows,
    foreground,
    mean_colour,
    motion,
    read,
    read_hidden,
    token_states,
)
from experiments.study import Study, arguments, load
from experiments.tables import Claim, Table
from hiprobe import methods
from hiprobe.backbones import Backbone
from hiprobe.methods._logistic_regression import log_odds
from hiprobe.probe.threshold import calibrate

Array = NDArray[np.float64]
PAGE = Path("docs/data/where.md")
SEED, STRENGTH, CLIPS, FEWER, RESAMPLES = 71501, 0.5, 300, 63, 400
KINDS = [kind for kind in {**events.ANOMALIES, **events.UNSEEN_ANOMALIES} if kind != "panic"]
GRID, WIDE, TOKENS = Windows(4), Windows(4, 2), Windows(6)
HALF_CELL = 0.125  # of the frame's side
MAIN = "hide a cell, 4 x 4"
PLAIN = "frame differencing, 4 x 4"
MEASURES = ("in the cell", "within half a cell", "distance")
HIDING = {
    MAIN: (GRID, mean_colour),
    "hide 2 x 2 cells of 4 x 4": (WIDE, mean_colour),
    "hide a cell, 3 x 3": (Windows(3), mean_colour),
}


@dataclass(frozen=True)
class Probed:
    """A probe on one draw of labelled videos: its site, parameters and threshold."""

    site: int
    tensors: Mapping[str, NDArray[Any]]
    threshold: float

    def log_odds(self, states: NDArray[np.float32]) -> Array:
        """Return the log-odds (...) of states (..., sites, width)."""
        at = states[..., self.site, :]
        return log_odds(at.reshape(-1, 1, at.shape[-1]), self.tensors).reshape(at.shape[:-1])


@dataclass(frozen=True)
class Scene:
    """What is known of the clips: true positions (clips, 2), frames, and where reads are kept."""

    frames: Sequence[NDArray[np.uint8]]
    truth: Array
    kept: Path

    def once(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return an array that was made before, or make and keep it."""
        path = self.kept / f"{name.replace(' ', '-').replace(',', '')}-{len(self.frames)}.npy"
        if not path.exists():
            self.kept.mkdir(parents=True, exist_ok=True)
            np.save(path, make())
        return np.asarray(np.load(path, allow_pickle=False))

    def first(self, count: int) -> Scene:
        """Return the first clips alone."""
        return replace(self, frames=self.frames[:count], truth=self.truth[:count])

    def figures(self, points: Array) -> Array:
        """Compare points (clips, 2) with the truth: the rows are `MEASURES` (3, clips).

        A point counts as the centre of a cell of the 4 x 4 grid, whatever it is.
        """
        away = np.abs(points - self.truth)
        near = away.max(1)
        return np.stack(
            [near <= HALF_CELL, near <= 2 * HALF_CELL, np.hypot(*away.T)], dtype=np.float64
        )


def clips(count: int) -> list[Clip]:
    """Render clips with an event at a known place in the picture and somebody else in view."""
    found: list[Clip] = []
    index = 0
    while len(found) < count:
        rng = np.random.default_rng([SEED, index])
        kind = KINDS[len(found) % len(KINDS)]
        clip = make_clip(rng, "unseen", kind, rng.uniform(-3, 0), strength=STRENGTH)
        inside = clip.position is not None and 0 <= min(clip.position) <= max(clip.position) < 1
        found += [clip] if inside and len(clip.states) > 1 else []
        index += 1
    return found


def fitted(train: Footage, videos: int, seed: int) -> Probed:
    """Fit a probe on a draw of labelled videos; its threshold is for scores without smoothing."""
    some = draw(train, videos, seed)
    how, y = hiprobe(), usable(hiprobe(), some.y)
    site = how.select(some, y).indices[0]
    tensors = how.fit(some.values([some.sites[site]])[y >= 0], y[y >= 0])
    held = out_of_fold(some, split(some, seed), dlsp, smooth=False)[0]
    return Probed(site, tensors, calibrate(held[y >= 0], y[y >= 0]))


def strongest(windows: Windows, falls: Array) -> Array:
    """Return the centres (clips, 2) of the windows with the largest `falls` (clips, windows)."""
    return np.asarray(windows.centres[falls.argmax(1)])


def controls(scene: Scene) -> dict[str, Array]:
    """Return the figures (3, clips) of guesses that need no model."""
    count = len(scene.frames)
    cells = [scene.figures(np.tile(cell, (count, 1))) for cell in GRID.centres]
    best = int(np.argmax([one[1].mean() for one in cells]))
    fine = Windows(8, 3)
    change = {
        PLAIN: (GRID, motion),
        "frame differencing, 3 x 3 cells of 8 x 8": (fine, motion),
        "difference from the median frame, 4 x 4": (GRID, foreground),
        "difference from the median frame, 3 x 3 cells of 8 x 8": (fine, foreground),
    }
    guesses = {
        name: scene.figures(strongest(grid, np.array([how(one, grid) for one in scene.frames])))
        for name, (grid, how) in change.items()
    }
    return {
        "the centre": scene.figures(np.full((count, 2), 0.5)),
        "a random cell (expected value)": np.mean(cells, 0),
        "the one cell that is right most often (chosen with the truth)": cells[best],
        **guesses,
    }


def hiding(scene: Scene, model: Backbone, name: str, probes: Sequence[Probed]) -> Array:
    """Return the figures (draws, 3, clips) of hiding parts, judged by the probe's log-odds."""
    grid, fill = HIDING[name]
    sites = hiprobe().sites(model.layers, model.heads)
    states = scene.once(name, lambda: read_hidden(model, scene.frames, (grid, fill), sites))
    return np.stack([scene.figures(strongest(grid, -one.log_odds(states))) for one in probes])


def hiding_by_answer(scene: Scene, model: Backbone) -> Array:
    """Return the figures (1, 3, clips) of hiding cells, judged by the model's yes against no."""
    like = methods.load("likelihood")
    recipe = replace(model.recipe, prompts=like.PROMPTS)
    sites = like.sites(model.layers, model.heads)
    states = scene.once(
        "answer", lambda: read_hidden(model, scene.frames, (GRID, mean_colour), sites, recipe)
    )
    return scene.figures(strongest(GRID, states[..., 0, 1] - states[..., 0, 0]))[None]


def tokens(scene: Scene, model: Backbone, probes: Sequence[Probed]) -> dict[str, Array]:
    """Return figures (draws, 3, clips) of the probe's direction applied to the video's tokens."""
    sites = hiprobe().sites(model.layers, model.heads)
    states = scene.once("tokens", lambda: token_states(model, scene.frames, sites))
    normal = [_normal(index).frames for index in range(200)]
    usual = scene.once("tokens of normal clips", lambda: token_states(model, normal, sites))
    found: dict[str, list[Array]] = {
        name: [] for name in ("", ", minus their mean on normal clips")
    }
    for one in probes:
        at, mean = states[:, :, one.site].astype(np.float64), usual[:, :, one.site].mean(0)
        direction = one.tensors["weight"] / one.tensors["scale"]
        for name, values in zip(found, (at, at - mean), strict=True):
            found[name].append(scene.figures(strongest(TOKENS, values @ direction)))
    return {f"video tokens, 6 x 6{name}": np.stack(values) for name, values in found.items()}


def _normal(index: int) -> Clip:
    return make_clip(np.random.default_rng([SEED + 1, index]), "seen", None, strength=STRENGTH)


def weights(count: int) -> Array:
    """Return how often each clip counts (1 + resamples, clips); the first row counts all once."""
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return np.concatenate([np.ones((1, count)), draws])


def spread(figures: Array, counted: NDArray[np.bool_]) -> Interval:
    """Return the mean of figures (draws, clips) over the clips that are `counted` in each draw.

    The interval resamples draws and clips.
    """
    times = weights(figures.shape[1])
    both = zip(figures, counted, strict=True)
    return interval([(times * on) @ one / (times * on).sum(1) for one, on in both])


def table(
    title: str, rows: Mapping[str, Array], counted: NDArray[np.bool_], note: str, versus: str
) -> Table:
    """Return a table of figures (draws, 3, clips) by method; differences are paired with `versus`.

    It decides whether `MAIN` is better than each control.
    """
    draws = len(counted)
    every = {name: np.broadcast_to(one, (draws, *one.shape[-2:])) for name, one in rows.items()}
    lines = []
    for name, one in every.items():
        cells = [str(spread(one[:, measure], counted)) for measure in range(3)]
        gain = spread(one[:, 1] - every[versus][:, 1], counted).signed()
        lines.append((name, *cells, "" if name == versus else gain))
    columns = ("method", *MEASURES, f"within half a cell, minus {versus!r}")
    claims = [
        _claim(name, measure, every, counted)
        for name, one in rows.items()
        if one.ndim == 2
        for measure in range(3)
    ]
    return Table(title, columns, tuple(lines), note, tuple(claims))


def _claim(
    name: str, measure: int, every: Mapping[str, Array], counted: NDArray[np.bool_]
) -> Claim:
    sign = -1 if measure == 2 else 1
    gain = spread(sign * (every[MAIN] - every[name])[:, measure], counted)
    return Claim(
        f"{MAIN}, is better than {name}: {MEASURES[measure]}", gain.signed(), verdict(gain)
    )


NOTE = """Every method gives one point: the centre of its strongest cell or window.
"In the cell": the true position is in the cell of a 4 x 4 grid that has this point as its centre
(at most 0.125 of the frame's side away, across and down). "Within half a cell": at most half a
cell outside of it (0.25). "Distance" is a fraction of the frame's side."""


def experiment(study: Study, count: int = CLIPS, fewer: int = FEWER) -> Sequence[Table]:
    """Return three tables: all clips, clips that the probe calls anomalous, other ways to hide."""
    model, train = load(study.models[0]), study.footage("train")
    probes = [fitted(train, study.videos, seed) for seed in range(study.seeds)]
    shown = clips(count)
    truth = np.array([one.position for one in shown])
    scene = Scene([one.frames for one in shown], truth, study.store / "where")
    sites = hiprobe().sites(model.layers, model.heads)
    whole = scene.once("whole", lambda: read(model, scene.frames, sites))
    odds = np.stack([one.log_odds(whole) for one in probes])
    level = np.array([[one.threshold] for one in probes])
    over = 1 / (1 + np.exp(-odds)) >= level
    rows = {
        **controls(scene),
        MAIN: hiding(scene, model, MAIN, probes),
        **tokens(scene, model, probes),
    }
    few = scene.first(fewer)
    others = {
        PLAIN: controls(few)[PLAIN],
        MAIN: rows[MAIN][..., :fewer],
        "hide a cell, 4 x 4, the model's yes against no": hiding_by_answer(few, model),
        **{name: hiding(few, model, name, probes) for name in HIDING if name != MAIN},
    }
    note = f"{NOTE}\n\n{100 * over.mean():.0f} % of the clips are above the threshold."
    return [
        table(f"All {count} clips", rows, np.ones_like(over), NOTE, PLAIN),
        table("Clips above the probe's threshold", rows, over, note, PLAIN),
        table(
            f"Other ways to hide, the first {fewer} clips",
            others,
            np.ones_like(over[:, :fewer]),
            "All clips count. The model's answer is the same in every draw.",
            MAIN,
        ),
    ]


HEAD = """# Where in the picture

Written by `python -m experiments.where`; do not edit it by hand.

{clips} rendered clips of unseen scenes (seed {seed}, strength {strength}), with an event that has a
place ({kinds}) and at least one other person or car in view. {seeds} draws of {videos} labelled
videos of seen scenes. Model: `{model}`. The score of each clip is compared with the score of the
same clip while a part of it is hidden in all frames; the figures are means over draws, with a 95 %
interval by bootstrap over draws and clips together. Differences are paired.

"""


def page(study: Study, tables: Sequence[Table]) -> str:
    """Return the tables as a page, with what they decide."""
    facts = {"clips": CLIPS, "seed": SEED, "strength": STRENGTH, "kinds": ", ".join(KINDS)}
    head = HEAD.format(**facts, seeds=study.seeds, videos=study.videos, model=study.models[0])
    parts = [
        one.to_markdown()
        + "".join(f"\n- {claim.text}: **{claim.answer}** ({claim.figure})" for claim in one.claims)
        + "\n"
        for one in tables
    ]
    return head + "\n".join(parts)


if __name__ == "__main__":
    asked = arguments(__doc__)
    PAGE.write_text(page(asked, experiment(asked)))
    print(f"written: {PAGE}")
