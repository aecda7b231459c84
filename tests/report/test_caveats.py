"""The report says what the model and the probe are worth, outside the folded box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fitted
from tests.report.test_report import a_result, embedded_data

import hiprobe
from hiprobe import report
from hiprobe.report.caveats import about_probe
from hiprobe.types import Event


def test_the_report_of_the_embedded_model_has_a_banner_and_names_the_probe(
    shipped: Any, fitted: Fitted, normal_clip: Path, tmp_path: Path
) -> None:
    result = hiprobe.detect(normal_clip, shipped, fitted.probe, explain=False)
    report.report_html(result, None, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    head, details = page.split("<details>")
    auc = fitted.probe.provenance["auc"]
    clips = len(fitted.probe.provenance["videos"])
    assert 'role="note"' in head
    assert "trained on rendered scenes" in head
    assert f"fitted on {clips} labelled clips: out-of-fold AUC {auc['value']:.2f} [" in head
    assert "<dt>model.name</dt><dd><bdi>embedded</bdi>" in details
    assert f"<dt>model.id</dt><dd><bdi>{fitted.probe.recipe.model}</bdi>" in details


@pytest.mark.parametrize(
    ("fitted_on", "said"),
    [
        ({"videos": 1, "auc": None}, "fitted on 1 labelled clip; its AUC is not known."),
        ({"videos": 0, "auc": None}, "The probe was not fitted on labelled clips."),
        (
            {"videos": 6, "auc": {"value": 0.786, "low": 0.079, "high": 1.0}},
            "AUC 0.79 [0.08, 1.00]. The interval includes 0.5, so do not rely on this probe",
        ),
        (
            {"videos": 6, "auc": {"value": 0.8, "low": None, "high": None}},
            "AUC 0.80, without an interval.",
        ),
        ({"videos": "six", "auc": []}, ""),
        (None, ""),
    ],
)
def test_the_line_about_the_probe(fitted_on: Any, said: str) -> None:
    line = about_probe(a_result(provenance={"fitted_on": fitted_on}))
    assert said in line
    assert bool(said) == bool(line)


def test_numbers_of_the_page_are_rounded(tmp_path: Path) -> None:
    result = a_result(events=(Event(3 * 1.6, 7 * 1.6, 8.0, 0.9),))
    assert result.events[0].start == 4.800000000000001
    report.report_html(result, None, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert embedded_data(page)["events"] == [[4.8, 11.2]]
    assert "000000001" not in page
