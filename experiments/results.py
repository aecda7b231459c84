"""Run every experiment on the rendered scenes and write `docs/data/results.md`.

Finished tables are kept in `runs/results/tables` and used again while data, models and code are
unchanged. Run: `python -m experiments.results`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments import rendered, study
from experiments.study import LLAVA, Study
from experiments.tables import Claim, Table, markdown
from hiprobe import methods
from hiprobe.store import write_atomic
from hiprobe.types import digest_json

EXPERIMENTS = (
    "layers",
    "selection",
    "scorers",
    "share",
    "prompts",
    "frames",
    "localization",
    "transfer",
    "wrong_labels",
    "beyond",
    "calibration",
)
JOBS = 2
EVERY_MODEL = {"layers", "beyond"}  # the others run on the first model only
MODELS = ("embedded", LLAVA)
PAGE = Path("docs/data/results.md")
SECTION = {
    "layers": "Layer curves",
    "selection": "Which layer, and is the choice stable",
    "scorers": "The anomaly scorer",
    "share": "Share of data, every method",
    "prompts": "The question",
    "frames": "Frames per segment",
    "localization": "Smoothing and threshold",
    "transfer": "Transfer",
    "wrong_labels": "Wrong and weak labels",
    "beyond": "Beyond the paper",
    "calibration": "Probabilities and false alarms",
}


@dataclass(frozen=True)
class Done:
    """Hold the tables of one experiment and how many seconds it took."""

    name: str
    tables: tuple[Table, ...]
    seconds: float


def run(name: str, on: Study, folder: Path) -> Done:
    """Return the tables of one experiment.

    They come from `folder` if they were made there from the same data, models and code.
    """
    key = _key(name, on)
    path = folder / f"{name}-{key[:16]}.json"
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        return Done(name, tuple(Table.from_json(one) for one in kept["tables"]), kept["seconds"])
    print(f"== {name}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    tables = tuple(importlib.import_module(f"experiments.{name}").experiment(on))
    done = Done(name, tables, time.monotonic() - begun)
    text = json.dumps(
        {"tables": [one.to_json() for one in tables], "seconds": done.seconds}, indent=1
    )
    write_atomic(path, text.encode())
    return done


def _key(name: str, on: Study) -> str:
    """Return a digest of what the tables depend on: settings, labels, models and code."""
    there, missing = study.present(on.models if name in EVERY_MODEL else on.models[:1])
    house = Path(methods.__file__).parent
    arithmetic = [house.parent / f"{part}.py" for part in ("saliency", "labels")]
    for folder in ("localize", "metrics"):
        arithmetic += sorted((house.parent / folder).glob("*.py"))
    used = house.glob("*.py") if name == "share" else [house / "hiprobe.py"]
    return digest_json(
        {
            "experiment": name,
            "videos": on.videos,
            "seeds": on.seeds,
            "limit": on.limit,
            "data": [on.data, on.pair],
            "labels": _digest(
                [Path(root) for _, root in (on.data, *(on.pair or ())) if Path(root).is_file()]
            ),
            "models": {one: study.load(one).recipe.digest for one in there},
            "missing": missing,
            "code": _digest([*sorted(_sources(name)), *sorted(used), *arithmetic]),
        }
    )


def _sources(name: str) -> set[Path]:
    """Return the experiment's file and those of this folder that it imports, also indirectly."""
    found: set[Path] = set()
    waiting = [name]
    while waiting:
        path = Path(__file__).with_name(f"{waiting.pop()}.py")
        if path not in found:
            found.add(path)
            waiting += re.findall(
                r"^from experiments\.(\w+) import", path.read_text("utf-8"), re.MULTILINE
            )
    return found


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(
        b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)
    ).hexdigest()


def page(done: Sequence[Done], on: Study, command: str) -> str:
    """Return the whole document."""
    claims = [(claim, one.name) for one in done for table in one.tables for claim in table.claims]
    return "\n".join([_head(on, command), _answers(claims), *(_section(one) for one in done)])


def _head(on: Study, command: str) -> str:
    there, missing = study.present(on.models)
    videos = "; ".join(
        f"{family}, {split}: {count}" for (family, split), (count, _) in rendered.SPLITS.items()
    )
    gone = f"; not there, so not measured: {', '.join(missing)}" if missing else ""
    return f"""# Results on rendered scenes

Written by `make results` (`{command}`); do not edit it by hand.
The scenes are rendered and the models very small: the figures show how the method behaves here and
say nothing about real footage. A summary is in [results](../results.md); the commands for real data
sets are in [reproduce](../reproduce.md).

- Machine: {os.cpu_count()} CPUs ({platform.machine()}), no GPU used; times are those of this run,
  beside whatever else ran; Python {platform.python_version()}, torch {version("torch")},
  transformers {version("transformers")}, scikit-learn {version("scikit-learn")}.
- Videos (`python -m experiments.rendered`, seed {rendered.SEED}): {videos}.
  Training and test videos last 16 s, long ones 160 s. Half of the training and test videos hold one
  event; one normal video in three holds something that looks like one. Labels come from seen scenes
  and test videos from unseen scenes, unless a table says otherwise.
- Models: {", ".join(f"`{one}`" for one in there)}{gone}.
  Tables that name no model are for `{there[0]}`.
- Unless a table says otherwise: {on.videos} labelled videos with the events' spans, {on.seeds}
  draws (seeds 0 to {on.seeds - 1}), the same draws for every row; scores are smoothed with sigma
  1.5.
- AUC is computed over all moments of the test videos. `0.900 [0.880, 0.920]` is the mean over draws
  and a 95 % interval by bootstrap over draws and test videos together. Differences are paired by
  draw and by video.
- Nothing was chosen on test videos except where a line says so. Many rows are compared: about one
  in 20 of those without any effect has an interval that excludes zero.
"""


def _answers(claims: Sequence[tuple[Claim, str]]) -> str:
    rows = [
        (claim.text, claim.figure, f"**{claim.answer}**", SECTION[name])
        for claim, name in claims
        if name not in ("beyond", "calibration")
    ]
    more = [
        (claim.text, claim.figure, f"**{claim.answer}**", SECTION[name])
        for claim, name in claims
        if name in ("beyond", "calibration")
    ]
    columns = ("claim", "figure", "holds here", "from")
    note = (
        "Yes or no if the whole 95 % interval is on one side, otherwise undecided. The answers "
        "are computed."
    )
    return "\n".join(
        [
            "## Does the paper's claim hold here?",
            "",
            note,
            "",
            markdown(columns, rows),
            "",
            "### Does what goes beyond the paper hold here?",
            "",
            markdown(columns, more),
            "",
        ]
    )


def _section(one: Done) -> str:
    head = (
        f"## {SECTION[one.name]}\n\n`python -m experiments.{one.name}`: {_length(one.seconds)}.\n"
    )
    return "\n".join([head, *(table.to_markdown() for table in one.tables)])


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s, including the reading of hidden states that were not yet in the store"


def main(given: Sequence[str] | None = None) -> None:
    """Run the experiments that are not done yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model",
        action="append",
        help="repeat for several; default: embedded and runs/llava/model",
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args(given)
    study.files_open()
    data, pair = study.scenes()
    on = Study(
        data,
        pair,
        tuple(args.model or MODELS),
        rendered.FOLDER / "states",
        args.videos,
        args.seeds,
        jobs=JOBS,
    )
    done = [run(name, on, rendered.FOLDER / "tables") for name in EXPERIMENTS]
    write_atomic(args.out, page(done, on, _command(args)).encode())


def _command(args: Any) -> str:
    return f"python -m experiments.results --seeds {args.seeds} --videos {args.videos}"


if __name__ == "__main__":
    main()
