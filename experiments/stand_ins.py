"""Lay out rendered videos like UCF-Crime and XD-Violence, to try `experiments.paper` without them.

The folders, file names, lists, annotations and frame rates are as in the downloads, so that
`hiprobe.datasets` reads them; the pictures are rendered scenes. `STAND_IN.txt` in each folder says
so, and `experiments.paper` prints it with every figure. Knows no model. Run:
`python -m experiments.stand_ins FOLDER`; it continues where it was interrupted.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from training.ship import write_video

from experiments import rendered
from experiments.rendered import FPS, QUALITY, Plan, Span, frames_of
from hiprobe.store import write_atomic

MARK = "STAND_IN.txt"
WORDS = (
    "Rendered scenes laid out like {}. No figure made from them says anything about that data set."
)
TRAIN, TEST = 40, 24  # videos of each data set, half of them with an event
REPEATS = {"ucf": 3, "xd": 2}  # each picture is shown so often, at 30 and 20 frames per second
FAMILIES = {
    ("ucf", "train"): ("seen", "train"),
    ("ucf", "test"): ("unseen", "test"),
    ("xd", "train"): ("unseen", "train"),
    ("xd", "test"): ("seen", "test"),
}
UCF_CLASS = {
    "fight": "Fighting",
    "fall": "Assault",
    "panic": "Robbery",
    "crash": "RoadAccidents",
    "hit": "RoadAccidents",
    "fire": "Arson",
    "explosion": "Explosion",
}
XD_CLASS = {
    "fight": "B1-0-0",
    "fall": "B5-0-0",
    "panic": "B4-0-0",
    "crash": "B6-0-0",
    "hit": "B6-G-0",
    "fire": "G-0-0",
    "explosion": "G-0-0",
}
XD_NORMAL = "A"


@dataclass(frozen=True)
class StandIn:
    """One video: what it shows, where it is in the layout, and how often a picture is repeated."""

    plan: Plan
    place: str
    repeats: int

    @property
    def rate(self) -> int:
        """Frames per second."""
        return FPS * self.repeats

    @property
    def frames(self) -> int:
        """The number of frames."""
        return round(self.plan.seconds * FPS) * self.repeats

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The anomalous frames `[start, end)` of each event."""
        return [
            (
                round(start * self.rate),
                self.frames if math.isinf(end) else min(round(end * self.rate), self.frames),
            )
            for _, start, end in self.plan.truth
        ]


Write = Callable[[StandIn, Path], None]


def write_rendered(one: StandIn, path: Path) -> None:
    """Render a video and write it to `path`."""
    frames = frames_of(one.plan)
    write_video(np.repeat(frames, one.repeats, 0), path, one.rate, quality=QUALITY)


def videos(name: str, split: str, count: int, seconds: float | None = None) -> list[StandIn]:
    """Return `count` videos of a split of `ucf` or `xd`; every second one has an event.

    With `seconds` they are that long, and their events shorter in the same proportion.
    """
    family = FAMILIES[name, split]
    plans = [one for one in rendered.plans(Path()) if (one.family, one.split) == family][:count]
    placed = _ucf_place if name == "ucf" else _xd_place
    return [
        StandIn(_scaled(plan, seconds), placed(plan, split, number), REPEATS[name])
        for number, plan in enumerate(plans, 1)
    ]


def _scaled(plan: Plan, seconds: float | None) -> Plan:
    if seconds is None:
        return plan
    factor = seconds / plan.seconds
    spans: tuple[Span, ...] = tuple((kind, a * factor, b * factor) for kind, a, b in plan.spans)
    return replace(plan, seconds=seconds, spans=spans)


def _kind(plan: Plan) -> str | None:
    """Return the kind of the event, None for a normal video, also one with a look-alike."""
    return plan.truth[0][0] if plan.truth else None


def _ucf_place(plan: Plan, split: str, number: int) -> str:
    kind = _kind(plan)
    if kind is None:
        folder, name = (
            ("Training_Normal_Videos_Anomaly", "Normal_Videos")
            if split == "train"
            else ("Testing_Normal_Videos_Anomaly", "Normal_Videos_")
        )
    else:
        folder = name = UCF_CLASS[kind]
    shift = 500 if split == "test" else 0  # numbers of the two splits differ, as in the data set
    return f"{folder}/{name}{number + shift:03d}_x264.mp4"


def _xd_place(plan: Plan, split: str, number: int) -> str:
    kind = _kind(plan)
    label = XD_NORMAL if kind is None else XD_CLASS[kind]
    return (
        f"{split}/Rendered.Scene__#00-{number:02d}-00_00-{number:02d}-16_{split}_label_{label}.mp4"
    )


def make(
    folder: Path,
    sizes: tuple[int, int] = (TRAIN, TEST),
    write: Write = write_rendered,
    seconds: float | None = None,
) -> dict[str, dict[str, list[StandIn]]]:
    """Make both data sets below `folder`, as `ucf` and `xd`; return their videos by split.

    `sizes` are the numbers of training and of test videos. Videos that exist are kept.
    """
    made = {}
    for name, annotate in (("ucf", _annotate_ucf), ("xd", _annotate_xd)):
        made[name] = {
            split: videos(name, split, count, seconds)
            for split, count in zip(("train", "test"), sizes, strict=True)
        }
        _write_missing(folder / name / "videos", made[name], write)
        for file, lines in annotate(made[name]):
            write_atomic(folder / name / file, "".join(f"{line}\n" for line in lines).encode())
        words = WORDS.format({"ucf": "UCF-Crime", "xd": "XD-Violence"}[name])
        write_atomic(folder / name / MARK, f"{words}\n".encode())
    return made


def _write_missing(folder: Path, made: dict[str, list[StandIn]], write: Write) -> None:
    """Write the videos that are missing; a file appears only when it is complete."""
    for one in (one for some in made.values() for one in some):
        path = folder / one.place
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{os.getpid()}-{path.name}")
            write(one, unfinished)
            os.replace(unfinished, path)


def _annotate_ucf(made: dict[str, list[StandIn]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the annotation of the test videos and the two lists, as in UCF-Crime."""
    yield "Temporal_Anomaly_Annotation_for_Testing_Videos.txt", [_ucf_line(o) for o in made["test"]]
    for split, some in made.items():
        yield (
            f"Anomaly_Detection_splits/Anomaly_{split.title()}.txt",
            [one.place for one in some],
        )


def _ucf_line(one: StandIn) -> str:
    """Return a line of the annotation: name, class, and two spans of frames, -1 for none."""
    folder, _, name = one.place.partition("/")
    numbers = [number for span in one.spans for number in span]
    kind = "Normal" if not numbers else folder
    return "  ".join([name, kind, *map(str, (numbers + [-1] * 4)[:4])])


def _annotate_xd(made: dict[str, list[StandIn]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the annotation of the test videos with an event, as in XD-Violence."""
    yield (
        "annotations.txt",
        [
            " ".join([Path(one.place).stem, *(str(n) for span in one.spans for n in span)])
            for one in made["test"]
            if one.spans
        ],
    )


def main() -> None:
    """Make the data sets that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=TRAIN, help="training videos of each")
    parser.add_argument("--test", type=int, default=TEST, help="test videos of each")
    given = parser.parse_args()
    make(given.folder, (given.train, given.test))


if __name__ == "__main__":
    main()
