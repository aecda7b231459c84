"""Make the card's table about real footage, from what `experiments.real_footage --json` wrote.

Knows no model.
"""

from __future__ import annotations

from typing import Any

Found = dict[str, Any]
FITTED = "layer chosen as `hiprobe fit` does"
TRIVIAL = "trivial features, all together"
LABELLED, CHOSEN = "8 + 8 labelled clips", "the layer that `hiprobe fit` chooses"
AIMS = {"asked": 0.85, "few": 0.82, "probed": 0.90, "above": 0.08}
DRAWS, MORE = "10", "100"


def table(found: Found) -> str:
    """Make the table; `found` is the JSON of a page about real footage."""
    best = max(range(len(found["layers"])), key=lambda one: found["layers"][one]["value"])
    probed, few, chance = found["layers"][best], found["few"]["rows"], found["random"]
    rows = [
        ("its own yes or no, no labels", found["zero_shot"][0], "asked"),
        ("the same with random weights", chance["zero_shot"], None),
        (f"{LABELLED}, {CHOSEN}, {DRAWS} draws", few[FITTED][DRAWS], "few"),
        (f"the same, {MORE} draws, which is steadier", few[FITTED][MORE], None),
        (f"{LABELLED}, trivial features, {DRAWS} draws", few[TRIVIAL][DRAWS], None),
        (f"the same, {MORE} draws", few[TRIVIAL][MORE], None),
        (f"all clips, cross-validated by source, the best layer ({best})", probed, "probed"),
        ("the same layer with random weights", chance["layers"][best], None),
        ("trivial features together, the same folds", found["trivial"]["all together"], None),
        ("best layer less trivial features, paired", probed["less_all"], "above"),
    ]
    head = (
        "| AUC over clips, with 95 % interval over sources | | aim | reached |\n|---|---|---|---|"
    )
    return "\n".join([head, *(_row(*row) for row in rows)])


def alarms(found: Found) -> str:
    """Say in one sentence how often the packaged probe finds events in real footage."""
    one = found["alarms"]
    events = sum(video["events"] for video in one["videos"])
    seconds = sum(video["seconds"] for video in one["videos"])
    return (
        f"The packaged probe finds an event in {_share(one['fights'])} of the clips with a fight, "
        f"in {_share(one['normal'])} of those without, and {events} in {seconds:.0f} s of "
        f"{len(one['videos'])} other normal videos (at most {one['bound']:.0f} an hour, 95 %)."
    )


def _row(name: str, value: Found, aim: str | None) -> str:
    said = f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    if aim is None:
        return f"| {name} | {said} | | |"
    met = "yes" if value["value"] >= AIMS[aim] else "**no**"
    return f"| {name} | {said} | >= {AIMS[aim]:.2f} | {met} |"


def _share(value: Found) -> str:
    if value["high"] == 0:  # a bootstrap of zeros has no width
        return "none"
    return f"{value['value']:.0%} [{value['low']:.0%}, {value['high']:.0%}]"
