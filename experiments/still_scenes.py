"""Measure what `still = "skip"` saves and costs: segments read, and AUC with scores carried over.

Every video is read once, and then goes through the reader of the watcher with the gate on. Run:
`python -m experiments.still_scenes FOLDER [--split SPLIT] [--store STORE] [--first N] [--each]`.
FOLDER has a `labels.csv`, such as `runs/alarms`, or a `groups.csv`, as a data set of clips has, of
which the highest score of a clip is ranked; or it holds videos without labels. Segments whose
states are in STORE are not read again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from experiments.alert_lives import KnownStates
from experiments.tables import Table
from hiprobe import backbones, datasets, embedded, video
from hiprobe.backbones import Backbone
from hiprobe.labels import label_segments
from hiprobe.live.scoring import Reader, ToRead, score_values
from hiprobe.metrics import roc_auc
from hiprobe.probe import Probe
from hiprobe.store import find_states
from hiprobe.types import FloatArray, LabelArray, Segment, Video

ENDINGS = (".mp4", ".avi", ".mkv", ".mov")


@dataclass(frozen=True)
class Gated:
    """A video: the labels of its segments, their scores with all read and with still ones carried.

    `read` counts the segments that the model read with the gate on, `carried` those that the gate
    spared, and `repeated` those with the pixels of the one before, which are never read.
    """

    name: str
    labels: LabelArray | None
    every: FloatArray
    gated: FloatArray
    read: int
    carried: int
    repeated: int


def values_of(
    one: Video, segments: Sequence[Segment], model: Backbone, probe: Probe, store: Path | None
) -> FloatArray:
    """Return the states (segments, sites, width) of all segments."""
    kept = None
    if store is not None:
        digest = video.digest(one.path)
        kept = find_states(store, digest, probe.recipe, probe.sites, "float32")
    if kept is not None:
        return np.asarray(kept.at(probe.sites))
    size = model.batch
    parts = [segments[start : start + size] for start in range(0, len(segments), size)]
    found = [model.read(some, probe.sites, probe.recipe) for some in parts]
    return np.concatenate(found).astype(np.float32)


def gated(one: Video, model: Backbone, probe: Probe, store: Path | None) -> Gated | None:
    """Read one video both ways; None if it is too short for a segment."""
    segments = list(video.segments(one.path, probe.recipe))
    if not segments:
        return None
    values = values_of(one, segments, model, probe, store)
    reader = Reader(cast(Backbone, KnownStates(model, probe.sites, values)))
    found = [reader.read([ToRead("video", some, gate=True)], probe)[0] for some in segments]
    starts, ends = (
        np.array([getattr(some, name) for some in segments]) for name in ("start", "end")
    )
    labels = None if one.events is None else label_segments(starts, ends, one.events)
    every, with_gate = (
        np.array(score_values(probe, some))
        for some in (list(values), [one.values for one in found])
    )
    counts = reader.counts
    name = Path(one.path).name
    return Gated(name, labels, every, with_gate, counts.read, counts.carried, counts.repeated)


def videos_of(folder: Path, split: str | None) -> Iterator[tuple[Video, int | None]]:
    """Yield the videos of a folder, and the label of a whole clip where only that is known."""
    if (folder / "labels.csv").exists():
        yield from ((one, None) for one in datasets.load("folder", str(folder), split))
    elif (folder / "groups.csv").exists():
        rows = list(csv.DictReader((folder / "groups.csv").read_text().splitlines()))
        for row in rows:
            yield Video(str(folder / row["path"]), None), int(row["label"] == "fight")
    else:
        for path in sorted(one for one in folder.iterdir() if one.suffix in ENDINGS):
            yield Video(str(path), None), None


def auc(labels: Sequence[int], scores: Sequence[float]) -> str:
    """Return the AUC as text; a dash if there is only one kind of label."""
    known = set(labels)
    return f"{roc_auc(np.array(labels), np.array(scores)):.4f}" if len(known) == 2 else "-"


def row_of(name: str, found: Sequence[Gated], clips: Sequence[int | None]) -> tuple[str, ...]:
    """Return the row of some videos."""
    segments, carried = sum(len(one.every) for one in found), sum(one.carried for one in found)
    change = np.concatenate([np.abs(one.every - one.gated) for one in found])
    ranked = []
    for which in ("every", "gated"):
        labels, scores = list[int](), list[float]()
        for one, clip in zip(found, clips, strict=True):
            values = getattr(one, which)
            if clip is not None:
                labels, scores = [*labels, clip], [*scores, float(values.max())]
            elif one.labels is not None:
                known = one.labels >= 0
                labels, scores = (
                    labels + one.labels[known].tolist(),
                    scores + values[known].tolist(),
                )
        ranked.append(auc(labels, scores))
    read = sum(one.read for one in found)
    return (
        name,
        f"{len(found)}",
        f"{segments}",
        f"{100 * read / segments:.1f} %",
        f"{100 * carried / segments:.1f} %",
        *ranked,
        f"{change.mean():.4f}",
        f"{change.max():.3f}",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--first", type=int, help="so many videos only")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--each", action="store_true", help="a row for each video")
    given = parser.parse_args()
    model, probe = backbones.load("embedded"), Probe.load(embedded.PROBE)
    some = list(videos_of(given.folder, given.split))[: given.first]
    tried = [(gated(one, model, probe, given.store), clip) for one, clip in some]
    done = [(one, clip) for one, clip in tried if one is not None]
    rows = [row_of(one.name, [one], [clip]) for one, clip in done] if given.each else []
    rows.append(row_of("all", [one for one, _ in done], [clip for _, clip in done]))
    columns = ("videos", "number", "segments", "read", "carried", "AUC, all read", "AUC, skip")
    note = (
        "The share that is neither read nor carried has the pixels of the segment before. AUC: of "
        "segments, or where only clips are labelled, of their highest scores. Change of a score by "
        "the gate: mean and most."
    )
    table = Table("Still scenes", (*columns, "mean change", "most"), tuple(rows), note)
    print(table.to_markdown())


if __name__ == "__main__":
    main()
