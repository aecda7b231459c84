"""The card's tables are filled from what was measured, not by hand."""

from __future__ import annotations

from typing import Any

from training import card_real


def around(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def found() -> dict[str, Any]:
    layers = [{**around(value), "less_all": around(value - 0.68)} for value in (0.70, 0.91, 0.80)]
    few = {"10": around(0.70), "100": around(0.65)}
    return {
        "zero_shot": [around(0.86), around(0.5)],
        "layers": layers,
        "few": {"rows": {card_real.FITTED: few, card_real.TRIVIAL: few}},
        "random": {"zero_shot": around(0.5), "layers": [around(0.5 + n / 100) for n in range(3)]},
        "trivial": {"all together": around(0.68)},
        "alarms": {
            "fights": around(0.6),
            "normal": around(0.2),
            "videos": [{"events": 0, "seconds": 100.0}, {"events": 1, "seconds": 125.4}],
            "bound": 89.2,
        },
    }


def test_the_table_about_real_footage_says_what_is_reached() -> None:
    lines = card_real.table(found()).splitlines()
    assert "| its own yes or no, no labels | 0.860 [0.760, 0.960] | >= 0.85 | yes |" in lines
    assert any(
        line.startswith("| 8 + 8 labelled clips, the layer") and line.endswith("| **no** |")
        for line in lines
    )
    assert any("the best layer (1) | 0.910" in line and line.endswith("yes |") for line in lines)
    assert "| the same layer with random weights | 0.510 [0.410, 0.610] | | |" in lines
    assert (
        "| best layer less trivial features, paired | 0.230 [0.130, 0.330] | >= 0.08 | yes |"
        in (lines)
    )


def test_the_packaged_probe_is_judged_by_its_events_in_normal_footage() -> None:
    said = card_real.alarms(found())
    assert "60% [50%, 70%] of the clips with a fight, in 20% [10%, 30%] of those without" in said
    assert "and 1 in 225 s of 2 other normal videos (at most 89 an hour, 95 %)" in said
