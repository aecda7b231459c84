"""How exponents are fitted, what is calculated from them, and where `make bench` writes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as bench
from benchmarks import reached, scaling


def test_the_exponent_is_that_of_the_costs() -> None:
    sizes = (1, 2, 4, 8)
    for truth in (0.5, 1.0, 2.0):
        exponent, fit = scaling.power(sizes, [3.0 * size**truth for size in sizes])
        assert exponent == pytest.approx(truth)
        assert fit == pytest.approx(1.0)
    assert scaling.at(80, 8, 2.0, 2.0) == pytest.approx(200.0)
    assert scaling.at(80, 8, 2.0, 0.5) == pytest.approx(20.0)  # at least in proportion


def test_a_million_hours_are_a_million_times_an_hour() -> None:
    length = {"sizes": "1, 2", "processor s": "0.5, 1.25"}
    model: Any = SimpleNamespace(width=160, recipe=SimpleNamespace(segment_s=1.6))
    rows = scaling.million(length, model)
    assert rows[0]["processor hours"] == pytest.approx(1.25 / 25)  # 1.25 s for 25 s of video
    for name in ("processor hours", "days on 2 cores", "GB of states, one layer"):
        assert rows[-1][name] == pytest.approx(1e6 * rows[0][name])
    assert rows[0]["GB of states, one layer"] == pytest.approx(3600 / 1.6 * 160 * 4 / 1e9)


def test_a_growth_is_measured_at_each_size() -> None:
    done: list[int] = []

    def work(number: int) -> scaling.Work:
        return lambda: done.append(number) or sum(range(number * 400_000))

    growth = scaling.Growth("things", "of a kind", (1, 3), work, 10)
    found = scaling.row(growth, 2)
    assert done == [1, 1, 3, 1, 3]  # the first one is not counted
    assert found["cost grows with"] == "things (of a kind)"
    assert {"exponent", "processor s there", "R2, straight line"} <= found.keys()


def test_labelled_states_have_both_classes_in_several_videos() -> None:
    for number in (100, 200):
        given = scaling.pairs(number, 2, 8)
        assert sum(len(labels) for _, labels in given) == number
        assert {0, 1} <= set(np.concatenate([labels for _, labels in given]).tolist())
        assert len(given) >= 4


def test_every_benchmark_has_its_marks_on_one_page() -> None:
    for name in (*bench.USUAL, *bench.OTHERS, "reached"):
        held = [page for page in bench.PAGES if f"<!-- {name} -->" in page.read_text()]
        assert held == [bench.page_of(name)]
        assert f"<!-- /{name} -->" in held[0].read_text()
    with pytest.raises(ValueError, match="no page has"):
        bench.page_of("nothing")


def test_what_was_reached_is_read_from_one_table_or_several(tmp_path: Path) -> None:
    start = {"command": "hiprobe --help", "wall s": 0.15, "processor s": 0.14}
    rows = [{**start, "promised wall s": 0.2}]
    (tmp_path / "cold_start.json").write_text(json.dumps({"rows": rows}))
    grown = {"cost grows with": "videos (of 1 s)", "R2, straight line": 0.999, "exponent": 1.01}
    other = {"fitting, from the store": "16 videos", "wall s": 0.1, "processor s": 0.09}
    tables = {"one": [grown], "two": [other]}
    (tmp_path / "scaling.json").write_text(json.dumps({"tables": tables}))
    table = reached.table(tmp_path)
    assert "`hiprobe --help`: 0.2 s | 0.15 s" in table
    assert "R2 at least 0.99 | 0.9990, exponent 1.01" in table
    assert "fitting 16 videos from kept states: 1 s | 0.10 s" in table
