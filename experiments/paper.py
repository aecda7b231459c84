"""Run the paper's experiments on UCF-Crime and XD-Violence, beside the published figures.

Run: `python -m experiments.paper --model Qwen/Qwen2.5-VL-7B-Instruct --ucf DIR --xd DIR -o OUT`. It
writes `OUT/paper.md` and `OUT/paper.json` after each part. If it is interrupted, the same command
goes on: hidden states, frame times and finished parts are kept in `OUT` and `--store`. Without the
data sets, try it on `python -m experiments.stand_ins`.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments import paper_parts as parts
from experiments import paper_table as tables
from experiments.fits import percent
from experiments.paper_parts import Arrays, Data
from experiments.paper_reading import RESAMPLES, Source, check_no_shared_videos, joined
from experiments.paper_table import DATA, Measured
from experiments.stand_ins import MARK
from experiments.study import files_open
from experiments.tables import Table
from hiprobe import backbones, methods
from hiprobe.backbones import Backbone
from hiprobe.datasets import COUNTS
from hiprobe.errors import HiProbeError, LabelError
from hiprobe.evaluation.benchmark import Benchmark
from hiprobe.evaluation.frame_counts import make_frame_counts
from hiprobe.methods import headhunt_published
from hiprobe.pipeline import Reading, ReadPlan, recipe_for, sites_for
from hiprobe.store import write_atomic
from hiprobe.types import Recipe, digest_json

METHOD = "hiprobe_c1"
PUBLISHED = "published"
PARTS = ("layers", "labels", "scorer", "smoothing", "without_model")
CODE = (
    "paper_parts",
    "paper_reading",
    "fits",
    "footage",
    "read",
    "scorers",
    "localization",
    "selection",
)


@dataclass
class Run:
    """One run of the command: what was asked, the model, and what is measured so far."""

    given: argparse.Namespace
    model: Backbone
    sources: dict[str, Source]
    measured: dict[str, Measured] = field(default_factory=dict)
    data: dict[str, Data] = field(default_factory=dict)

    def plan(self, method: str = METHOD, prompts: Sequence[str] = ()) -> ReadPlan:
        """Return what is read for a method."""
        return ReadPlan(sites_for(method, self.model), recipe_for(method, self.model, prompts))

    def part(self, dataset: str, part: str, key: Any, make: Callable[[], Arrays]) -> None:
        """Take a part from `OUT/parts` or make it; a part that cannot be made says why."""
        precision = str(self.model.provenance["dtype"])
        facts = {"part": part, "data": key, "precision": precision, "code": _code()}
        name = digest_json(facts)[:16]
        file = self.given.out / "parts" / f"{dataset}-{part}-{name}.npz"
        try:
            if not file.is_file():
                _say(f"{DATA[dataset]}: {part}")
                _keep(file, make())
            with np.load(file, allow_pickle=False) as held:
                self.measured[dataset].parts[part] = {name: held[name] for name in held.files}
        except HiProbeError as error:
            self.lose(dataset, part, error)
        self.write()

    def lose(self, dataset: str, part: str, error: HiProbeError) -> None:
        """Note why a part could not be measured."""
        self.measured[dataset].lost[part] = str(error)
        _say(f"{DATA[dataset]}: {part}: {error}")
        self.write()

    def write(self) -> None:
        """Write the page and its tables as they are now."""
        made = self.tables()
        values = {
            "stand_ins": self.stand_ins,
            "limit": self.given.limit,
            "model": self.model.recipe.model,
            "tables": [one.to_json() for one in made],
        }
        write_atomic(self.given.out / "paper.json", json.dumps(values, indent=1).encode())
        write_atomic(self.given.out / "paper.md", page(self, made).encode())

    def tables(self) -> list[Table]:
        """Return the tables of what is measured so far."""
        names, texts = self.given.method, self.given.prompt
        where = "of stand-ins" if self.stand_ins else "here"
        made = [
            tables.table(self.measured, names, texts, where),
            tables.other_figures(self.measured, names, texts),
            tables.event_table(self.measured),
        ]
        made += [
            tables.layer_table(name, one.parts["layers"])
            for name, one in self.measured.items()
            if "layers" in one.parts
        ]
        if not self.stand_ins:
            return made
        return [replace(one, title=f"{one.title} (RENDERED STAND-INS)") for one in made]

    @property
    def stand_ins(self) -> bool:
        """Whether a data set is one of `experiments.stand_ins`."""
        return any((one.bench.root / MARK).exists() for one in self.sources.values())


def _code() -> str:
    """Return a digest of the code that the parts depend on."""
    house = Path(methods.__file__).parent
    files = [Path(__file__).with_name(f"{name}.py") for name in CODE]
    files += [*sorted(house.glob("*.py")), house.parent / "saliency.py", house.parent / "labels.py"]
    files += [house.parent / "evaluation" / "measure.py"]
    for folder in ("localize", "metrics", "probe"):
        files += sorted((house.parent / folder).glob("*.py"))
    return digest_json([file.read_text("utf-8") for file in files])


def _keep(file: Path, made: Arrays) -> None:
    text = io.BytesIO()
    np.savez(text, **made)  # type: ignore[arg-type]
    write_atomic(file, text.getvalue())


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def read(source: Source, plan: ReadPlan) -> Data:
    """Read the labelled draws and the test videos of a data set, all that is not in the store."""
    labelled = source.labelled(plan)
    check_no_shared_videos(labelled.values(), source.bench)
    draws = tuple(joined(labelled[n] for n in names if n in labelled) for names in source.drawn)
    return Data(draws, joined(labelled.values()), source.tested(plan))


def _whole_videos(source: Source, data: Data, plan: ReadPlan) -> Data:
    """Add the labelled videos as one vector each."""
    labelled = source.labelled(ReadPlan(plan.sites, replace(plan.recipe, unit="video")))
    draws = (joined(labelled[n] for n in names if n in labelled) for names in source.drawn)
    return replace(data, units=tuple(draws))


def _key(data: Data, recipe: Recipe) -> Any:
    """Return what names the videos and the reading of some data."""
    draws = [[one.video_id for one in some.states] for some in data.draws]
    tests = [one.video_id for one in data.test.footage.states]
    truth = [int(labels.sum()) for labels in data.test.labels]
    return [recipe.digest, draws, tests, truth, data.test.lost, RESAMPLES]


def run(this: Run) -> None:
    """Measure everything that was asked for."""
    for name, source in this.sources.items():
        _own_parts(this, name, source)
    if len(this.sources) > 1:
        for name, other in zip(this.sources, reversed(this.sources), strict=True):
            here, there = this.data[name], this.data[other]
            key = [_key(one, this.plan().recipe) for one in (here, there)]
            this.part(name, "transfer", key, partial(parts.transfer, here, there))
    for method in this.given.method:
        _more(this, method, partial(this.plan, method), partial(parts.method, method))
    if this.given.prompt:
        _more(this, "wordings", partial(_asked, this), parts.wordings)


def _own_parts(this: Run, name: str, source: Source) -> None:
    """Measure what needs one data set and one reading of all layers."""
    plan, this.measured[name] = this.plan(), Measured()
    data = this.data[name] = read(source, plan)
    this.measured[name].about = _about(source, data)
    key = _key(data, plan.recipe)
    for part in PARTS:
        this.part(name, part, key, partial(getattr(parts, part), data))
    this.part(name, "units", key, lambda: parts.units(_whole_videos(source, data, plan)))


def _more(
    this: Run, part: str, plan: Callable[[], ReadPlan], make: Callable[[Data], Arrays]
) -> None:
    """Measure what is read for itself on each data set."""
    for name, source in this.sources.items():
        try:
            wanted = plan()
            data = read(source, wanted)
        except HiProbeError as error:
            this.lose(name, part, error)
            continue
        key = [_key(data, wanted.recipe), [str(site) for site in wanted.sites]]
        this.part(name, part, key, partial(make, data))


def _asked(this: Run) -> ReadPlan:
    """Return a reading of all layers under each wording."""
    sites = tuple(
        replace(site, prompt=prompt)
        for prompt in range(len(this.given.prompt))
        for site in this.plan().sites
    )
    return ReadPlan(sites, replace(this.model.recipe, prompts=tuple(this.given.prompt)))


def _about(source: Source, data: Data) -> dict[str, str]:
    sizes = sorted({len(some) for some in data.draws})
    found = {
        "test videos": f"{len(data.test.labels)}, {sum(map(len, data.test.labels)):,} frames, "
        f"{sum(int(one.sum()) for one in data.test.labels):,} of them anomalous",
        "labelled videos": f"{' or '.join(map(str, sizes))} in each of {len(data.draws)} draws, "
        f"{len(data.every)} in all, labelled as whole videos",
        "frames without a score, left out": f"{data.test.lost}",
    }
    if data.test.failed:
        found["videos left out"] = ", ".join(data.test.failed)
    return found


def page(this: Run, made: Sequence[Table]) -> str:
    """Return the whole page."""
    first, *rest = (one.to_markdown() for one in made)
    notes = "\n".join(f"- {text}" for text in tables.FOOTNOTES)
    left_out = "\n".join(f"- {text}" for text in tables.LEFT_OUT)
    parts_ = [
        _head(this),
        first,
        notes,
        "",
        *rest,
        _lost(this),
        "### What is not in it",
        "",
        left_out,
    ]
    return "\n".join([*parts_, ""])


def _head(this: Run) -> str:
    title = "# The paper's experiments"
    if this.stand_ins:
        title += (
            " on RENDERED STAND-INS\n\n**The videos are rendered scenes laid out like the two data "
            "sets. No figure here says anything about UCF-Crime or XD-Violence; the published ones "
            "are shown because the page always shows them.**"
        )
    if this.given.limit:
        title += f"\n\n**A try on {this.given.limit} videos of each split, not the data sets.**"
    command = shlex.join(["python", "-m", "experiments.paper", *sys.argv[1:]])
    facts = [f"- {DATA[n]}: " + "; ".join(f"{k}: {v}" for k, v in one.about.items()) + "."
             for n, one in this.measured.items()]  # fmt: skip
    about = this.model.provenance
    return f"""{title}

Written on {time.strftime("%Y-%m-%d")} by

    {command}

- Model: `{this.given.model}`, {about["dtype"]}, recipe {this.model.recipe.digest[:8]}.
{chr(10).join(facts)}
- Figures are percentages: the mean over draws, and 95 % intervals by bootstrap over draws and test
  videos together ({RESAMPLES} resamples). Differences are paired. Frames count as in the
  benchmarks.
- Unless a row says otherwise: {percent(this.given.share)} of the training videos, labelled as a
  whole, half of them with an event; DLSP's layer; logistic regression with C = 1; smoothing with
  sigma 1.5. Nothing is chosen on test videos, except in the row that says so.
"""


def _lost(this: Run) -> str:
    lines = [
        f"- {DATA[name]}, {part}: {why}"
        for name, one in this.measured.items()
        for part, why in one.lost.items()
    ]
    return "\n".join(["### Not measured", "", *lines, ""]) if lines else ""


def sources(given: argparse.Namespace, model: Backbone) -> dict[str, Source]:
    """Return the data sets that were given; count frames where the counts are missing."""
    reading, found = Reading(model, given.store), {}
    for name, root in (("ucf_crime", given.ucf), ("xd_violence", given.xd)):
        if root is not None:
            tests = root if name == "ucf_crime" else given.xd_tests or root / "videos" / "test"
            counted = Benchmark(name, root, _there(root, tests), allow_missing=given.allow_missing)
            make_frame_counts(
                counted, given.store, lambda n: _say(f"counting frames of {n} videos")
            )
            bench = replace(counted, videos=None, limit=given.limit)
            found[name] = Source(bench, reading, given.share, given.draws)
    return found


def _there(root: Path, tests: Path) -> Path | None:
    """Return the folder of the test videos, None if their frames are counted already."""
    if any(root.rglob(COUNTS)):
        return None
    if not tests.is_dir():
        raise LabelError(
            f"there is no {COUNTS}, and no folder of the test videos to make it from",
            where=tests,
            cure="give --xd-tests the folder of the test videos",
        )
    return tests


def share(text: str) -> float:
    """Return a share that is written as a percentage or a fraction."""
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 < value <= 1:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--model", default="embedded", help="embedded, org/name or a folder")
    made.add_argument("--ucf", type=Path, help="the folder of UCF-Crime")
    made.add_argument("--xd", type=Path, help="the folder of XD-Violence")
    made.add_argument("--xd-tests", type=Path, help="its test videos, by default XD/videos/test")
    made.add_argument("--limit", type=int, help="try a run on so few videos of each split")
    made.add_argument("--share", type=share, default=0.01, help="labelled videos in a draw")
    made.add_argument("--draws", type=int, default=10)
    made.add_argument("--method", action="append", default=[], help="another method; repeat")
    made.add_argument("--prompt", action="append", default=[], help="a wording; repeat")
    made.add_argument("--store", type=Path, help="keeps what is read, by default OUT/.store")
    made.add_argument("-o", "--out", type=Path, required=True)
    made.add_argument("--revision")
    made.add_argument("--device", default="auto")
    made.add_argument("--dtype", default="auto")
    made.add_argument("--allow-missing", action="store_true", help="leave out and count videos")
    return made


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    asked = parser().parse_args(given)
    if asked.ucf is None and asked.xd is None:
        parser().error("give --ucf, --xd or both")
    if asked.draws < 1 or (asked.limit is not None and asked.limit < 2):
        parser().error("--draws must be at least 1 and --limit at least 2")
    asked.store = asked.store or asked.out / ".store"
    if asked.prompt == [PUBLISHED]:
        asked.prompt = list(headhunt_published.PROMPTS)
    return asked


def main(given: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    asked = arguments(given)
    files_open()
    try:
        model = backbones.load(
            asked.model, revision=asked.revision, device=asked.device, dtype=asked.dtype
        )
        run(Run(asked, model, sources(asked, model)))
    except HiProbeError as error:
        sys.exit(f"error: {error}")
    print(asked.out / "paper.md")


if __name__ == "__main__":
    main()
