"""Write what was measured on real clips as a Markdown page. Knows no model and no clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.measure import Interval
from experiments.real_footage_figures import FOLDS, LABELLED, REPEATS
from experiments.tables import Table

Found = Mapping[str, Any]


def page(found: Found) -> str:
    """Return the page of what `real_footage.figures` returns, as JSON values."""
    tables = [_zero_shot(found), _layers(found), _trivial(found), _few(found)]
    tables += [_alarms(found["alarms"])] if found["alarms"] else []
    tables += [_captions(found["captions"])] if found["captions"] else []
    return "\n".join([_head(found), *(table.to_markdown() for table in tables)])


def _head(found: Found) -> str:
    clips, made = found["clips"], found["made"]
    versions = ", ".join(f"{name} {value}" for name, value in made["versions"].items())
    return f"""# The model `{found["model"]}` on real clips

Written on {made["date"]} by

    {made["command"]}

on a machine with {made["cores"]} cores ({made["processor"]}), of which it used one; {versions}.

{clips["fights"]} clips with fights and {clips["normal"]} without, of {clips["sources"]} source
videos; {clips["segments"]} segments, {clips["seconds"]:.0f} s. The last segment of a clip ends with
the clip and is shorter. The score of a clip is the mean of its segments' scores; an AUC is over
clips. In brackets: 95 % intervals from {made["draws"]} bootstrap draws of whole sources (seed
{made["seed"]}); all rows have the same draws, so differences are paired. The weights are read in
{found["dtype"]}.
"""


def _zero_shot(found: Found) -> Table:
    rows = tuple(
        (row["views"], row["joined"], _text(row), f"{row['segments_per_s']:.1f}")
        for row in found["zero_shot"]
    )
    seeds = ", ".join(map(str, found["random"]["seeds"]))
    note = f"""The score is the model's log-odds of yes against no, asked "{found["question"]}".
Six views are the whole picture, its four quadrants and its centre, each at the model's input size
out of a picture of twice that size; three are the whole picture and its left and right half. The
speed is that of reading, in segments for a second of one core's time; decoding is not in it.

With random weights (the same architecture, mean of seeds {seeds}), one view:
{_text(found["random"]["zero_shot"])}."""
    columns = ("views", "joined by", "AUC", "segments/s")
    return Table("The model's own answer, no labels", columns, rows, note)


def _layers(found: Found) -> Table:
    pairs = zip(found["layers"], found["random"]["layers"], strict=True)
    rows = tuple(
        (
            str(layer),
            _text(row),
            _signed(row["less_all"]),
            _signed(row["less_pixels"]),
            _signed(row["less_best"]),
            _text(random),
        )
        for layer, (row, random) in enumerate(pairs)
    )
    note = f"""Logistic regression on the state at the last position of the prompt, as `hiprobe fit`
fits it, out of fold: {FOLDS} folds that keep the clips of a source together, mean of {REPEATS}
repeats with other folds (seeds 0 to {REPEATS - 1}). Trivial features are those of the next table:
all of them, those of the pixels, and the best single one ({found["best_trivial"]})."""
    columns = (
        "layer",
        "AUC",
        "less all trivial features",
        "less those of pixels",
        "less the best one",
        "AUC, random weights",
    )
    return Table("Probes on each layer, cross-validated by source", columns, rows, note)


def _trivial(found: Found) -> Table:
    rows = tuple((name, _text(row)) for name, row in found["trivial"].items())
    note = "The same regression on the same folds. No model is needed for any of these."
    return Table("Trivial features, cross-validated by source", ("features", "AUC"), rows, note)


def _few(found: Found) -> Table:
    sizes = [str(size) for size in found["few"]["draws"]]
    rows = tuple(
        (
            name,
            *(_text(row[size]) for size in sizes),
            *(_signed(row["less"][size]) if "less" in row else "" for size in sizes),
        )
        for name, row in found["few"]["rows"].items()
    )
    columns = (
        "fitted on",
        *(f"AUC, {size} draws" for size in sizes),
        *(f"less all trivial features, {size} draws" for size in sizes),
    )
    layers = ", ".join(
        f"{layer}: {times}" for layer, times in enumerate(found["few"]["chosen"]) if times
    )
    low, high = found["few"]["tested"]
    note = f"""Each draw labels {LABELLED} clips with a fight and {LABELLED} without, from any
source, and tests on all clips of the other sources ({low} to {high} clips). The interval covers the
draws and the sources. Layers chosen (layer: draws of {sizes[-1]}): {layers}."""
    return Table(f"{LABELLED} + {LABELLED} labelled clips, other sources", columns, rows, note)


def _alarms(found: Found) -> Table:
    if "reason" in found:
        return Table("Events of a probe", ("figure",), ((f"not measured: {found['reason']}",),))
    rows = [
        ("clips with a fight that have an event", _text(found["fights"])),
        ("normal clips that have an event", _text(found["normal"])),
    ]
    if found["videos"]:
        events = sum(one["events"] for one in found["videos"])
        seconds = sum(one["seconds"] for one in found["videos"])
        named = ", ".join(f"{one['name']} {one['events']}" for one in found["videos"])
        rows += [
            (f"events in {len(found['videos'])} normal videos, {seconds:.0f} s", str(events)),
            ("of these", named),
            ("events an hour, upper end of the 95 % interval", f"{found['bound']:.0f}"),
        ]
    note = f"""Probe: {found["probe"]}. Its own smoothing, threshold and check; events that the
check demoted do not count."""
    return Table("Events of a probe", ("", "figure"), tuple(rows), note)


def _captions(found: Sequence[Found]) -> Table:
    rows = tuple(
        (one["clip"], one["label"], f"{one['seconds']:.1f} s", one["text"], "") for one in found
    )
    columns = ("clip", "label", "first segment", "the model says", "right, partly or wrong")
    return Table("Captions, to be rated by hand", columns, rows)


def _text(row: Found) -> str:
    return str(Interval(row["value"], row["low"], row["high"]))


def _signed(row: Found) -> str:
    return Interval(row["value"], row["low"], row["high"]).signed()
