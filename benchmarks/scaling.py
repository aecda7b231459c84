"""Measure how cost grows: `python -m benchmarks.scaling [--small] [--json FILE]`.

With videos, hours, cameras, labelled segments, layers, width and reviewers. Each is measured at
four or five sizes in processor time, which other programs hardly change; an exponent is fitted to
them, and the cost of a larger size is calculated from the largest one measured. Then what a million
hours would take. `--small` runs it on a few small sizes.
"""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.footage import Footage
from benchmarks.measure import alternate, model_threads, pin
from benchmarks.review_pictures import PORT, started
from benchmarks.review_speed import LONG, long_result, states
from benchmarks.tables import finish, parser
from benchmarks.watching import FAST, measured

from hiprobe import backbones, embedded, pipeline, store
from hiprobe import probe as _probe
from hiprobe.backbones import Backbone
from hiprobe.labels import label_segments
from hiprobe.probe import Probe
from hiprobe.review.session import Session
from hiprobe.types import Event, HiddenStates, LabelArray, Site

ROUNDS = 2
PIECE_S = 12.5  # of the footage that longer videos repeat
EACH = 50  # segments of a video of random states
USUAL = 16  # videos of 14 segments, the case that the promise about fitting is about
PAGES = 10  # that each reviewer opens; as many events are judged
HOURS = (1, 1_000, 1_000_000)
Rows = list[dict[str, Any]]
Work = Callable[[], Any]


@dataclass(frozen=True)
class Growth:
    """What grows, the sizes that are measured, their work, and the size that is calculated."""

    what: str
    unit: str
    sizes: tuple[int, ...]
    work: Callable[[int], Work]
    calculated: int


def sizes_of(small: bool, *whole: int) -> tuple[int, ...]:
    """Return the sizes to measure: all, or the first two."""
    return whole[:2] if small else whole


def growths(model: Backbone, small: bool) -> Iterator[Growth]:
    """Yield everything whose growth is measured."""
    some = partial(sizes_of, small)
    site = (Site("residual", model.layers - 1),)

    def videos(number: int) -> Work:
        path = Footage(640, 480, seconds=PIECE_S).file()
        return lambda: [pipeline.states(path, model, site) for _ in range(number)]

    def hours(number: int) -> Work:
        path = Footage(640, 480, seconds=PIECE_S, repeats=number).file()
        return lambda: pipeline.states(path, model, site)

    yield Growth("videos", f"of {PIECE_S} s, 640x480", some(1, 2, 4, 8), videos, 1_000_000)
    yield Growth("length of a video", f"times {PIECE_S} s", some(1, 2, 4, 8), hours, 24 * 288)
    yield Growth(
        "cameras", "of 640x480, 12.5 s each", some(1, 2, 4, 8), partial(cameras, model), 1000
    )
    yield Growth(
        "labelled segments", "1 layer, 3,584 wide", some(100, 200, 400, 800, 1600), labelled, 100000
    )
    yield Growth("layers", "200 segments, 896 wide", some(4, 8, 16, 32), layers, 80)
    yield Growth("width", "200 segments, 4 layers", some(448, 896, 1792, 3584), width, 8192)
    yield Growth("reviewers", f"{PAGES} pages, 1,000 events", some(1, 2, 4, 8), reviewers, 50)


def cameras(model: Backbone, number: int) -> Work:
    """Watch a file as several cameras, as fast as the model takes their segments."""
    path, probe = str(Footage(640, 480, seconds=PIECE_S).file()), Probe.load(embedded.PROBE)
    return lambda: measured(number, path, model, probe, speed=FAST)


def pairs(segments: int, layers: int, width: int) -> list[tuple[HiddenStates, LabelArray]]:
    """Make labelled videos of random states."""
    each = min(EACH, segments // 4)
    found = [states(number, each, layers, width) for number in range(segments // each)]
    spans = tuple(Event(a * 1.6, (a + 5) * 1.6) for a in range(15, each, 20))
    return [(one, label_segments(one.starts, one.ends, spans)) for one in found]


def labelled(number: int) -> Work:
    """Fit on so many labelled segments."""
    return fitting(pairs(number, 1, 3584))


def layers(number: int) -> Work:
    """Choose among so many layers, and fit."""
    return fitting(pairs(200, number, 896))


def width(number: int) -> Work:
    """Fit on states of this width."""
    return fitting(pairs(200, 4, number))


def fitting(given: list[tuple[HiddenStates, LabelArray]]) -> Work:
    """Fit a probe, without the curve over layers."""
    return lambda: _probe.fit("hiprobe", given, layer_curve=False)


class Review:
    """The page of an 8-hour video with 1,000 events, which several people use."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory()
        place = Path(self._place.name)
        self._events = long_result(place).events
        self._session = Session(place, (), place / "probe.safetensors", ())
        started(self._session)

    def use(self, who: int) -> None:
        """Open the page and judge an event, several times."""
        for event in self._events[who * PAGES : (who + 1) * PAGES]:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v/{LONG}") as answer:
                answer.read()
            span = (LONG, event.start, event.end)
            self._session.judgements.judge([span], "true_alarm", f"reviewer {who}")


REVIEW: list[Review] = []


def reviewers(number: int) -> Work:
    """Let so many people review at the same time."""
    if not REVIEW:
        REVIEW.append(Review())

    def together() -> None:
        with ThreadPoolExecutor(number) as pool:
            list(pool.map(REVIEW[0].use, range(number)))

    return together


def row(one: Growth, rounds: int) -> dict[str, Any]:
    """Measure all sizes in turn, and fit the exponent of their processor time."""
    works = {str(size): one.work(size) for size in one.sizes}
    works[str(one.sizes[0])]()  # what is loaded or started once is not counted
    best = alternate(works, rounds)
    walls, cpus = ([getattr(spent, kind) for spent in best.values()] for kind in ("wall", "cpu"))
    exponent, fit = power(one.sizes, cpus)
    return {
        "cost grows with": f"{one.what} ({one.unit})",
        "sizes": ", ".join(f"{size:,}" for size in one.sizes),
        "processor s": ", ".join(f"{value:.2g}" for value in cpus),
        "wall s": ", ".join(f"{value:.2g}" for value in walls),
        "exponent": round(exponent, 2),
        "R2 of it": fit,
        "R2, straight line": float(np.corrcoef(one.sizes, cpus)[0, 1] ** 2),
        "calculated for": f"{one.calculated:,}",
        "processor s there": at(one.calculated, one.sizes[-1], cpus[-1], exponent),
    }


def power(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Return the exponent p of the best cost = a size^p, and R2, both in logarithms.

    >>> exponent, fit = power((1, 2, 4), (3.0, 12.0, 48.0))
    >>> round(exponent, 6), round(fit, 6)
    (2.0, 1.0)
    """
    x, y = np.log(sizes), np.log(np.maximum(costs, 1e-3))
    return float(np.polyfit(x, y, 1)[0]), float(np.corrcoef(x, y)[0, 1] ** 2)


def at(size: float, largest: float, cost: float, exponent: float) -> float:
    """Return the cost of a larger size from that of the largest one measured.

    It grows at least in proportion: an exponent below 1 comes from what every size costs.

    >>> at(100, 10, 5.0, 2.0), at(100, 10, 5.0, 0.6)
    (500.0, 50.0)
    """
    return float(cost * (size / largest) ** max(exponent, 1.0))


def million(length: dict[str, Any], model: Backbone) -> Rows:
    """Calculate what hours of video take, from the longest video that was measured."""
    measured_s = float(length["sizes"].split(", ")[-1]) * PIECE_S
    share = float(length["processor s"].split(", ")[-1]) / measured_s
    vectors = 3600 / model.recipe.segment_s
    return [
        {
            "hours of 640x480 video": f"{number:,}",
            "processor hours": number * share,
            "days on 2 cores": number * share / 2 / 24,
            "cores for one day": number * share / 24,
            "GB of states, one layer": number * vectors * model.width * 4 / 1e9,
            "GB of states, one layer of a 7B model": number * vectors * 3584 * 4 / 1e9,
        }
        for number in HOURS
    ]


def usual_fit(model: Backbone) -> Rows:
    """Time a fit from the store, of the case that the promise is about."""
    sites = tuple(Site("residual", layer) for layer in range(model.layers))
    rng, labels = np.random.default_rng(0), np.array([0] * 7 + [1] * 7, np.int8)
    starts, names = 1.6 * np.arange(14), [f"{number:032x}" * 2 for number in range(USUAL)]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            values = rng.normal(size=(14, len(sites), model.width)).astype(np.float32)
            values[7:] += 0.1
            one = HiddenStates(name, model.recipe, sites, starts, starts + 1.6, values, 22.4)
            store.save_states(root, one, "float32")

        def fitted() -> None:
            found = [store.find_states(root, n, model.recipe, sites, "float32") for n in names]
            given = [(one, labels) for one in found if one is not None]
            _probe.fit("hiprobe", given, layer_curve=False)

        fitted()
        took = alternate({"fit": fitted}, 3)["fit"]
    work = f"{USUAL} videos x 14 segments x {len(sites)} layers x {model.width}"
    return [{"fitting, from the store": work, "wall s": took.wall, "processor s": took.cpu}]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--small", action="store_true", help="a few small sizes")
    given = options.parse_args()
    pin()
    torch.set_num_threads(model_threads())
    model = backbones.load("embedded", device="cpu")
    rows = [row(one, 1 if given.small else ROUNDS) for one in growths(model, given.small)]
    found = {
        "How cost grows": rows,
        "Calculated: reading with the shipped model": million(rows[1], model),
        "A usual fit": usual_fit(model),
    }
    finish("scaling", found, given.json)


if __name__ == "__main__":
    main()
