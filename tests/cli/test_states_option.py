"""`hiprobe fit --states`: a probe from hidden states that another tool has saved."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.test_commands import Run, run
from tests.store.test_given_states import ABOUT

from hiprobe import embedded
from hiprobe.cli import _given
from hiprobe.cli.fit import fit
from hiprobe.evaluation.export import export_states
from hiprobe.localize import localize
from hiprobe.probe import Probe
from hiprobe.store import read_given_states

__all__ = ["run"]  # a fixture


TOO_FEW = (
    "the figures are of {} videos, which is too few to rely on; label at least 8 of each class"
)


def write(
    path: Path, *, labels: bool, videos: int = 8, layers: tuple[int, ...] = (0, 1, 2)
) -> dict[str, np.ndarray]:
    """States of videos of which the odd ones are anomalous, which layer 1 shows."""
    rng, edges = np.random.default_rng(0), np.arange(9) * 2.0
    found: dict[str, np.ndarray] = {}
    for n in range(videos):
        shift = [[3.0 * (n % 2)] if layer == 1 else [0.0] for layer in layers]
        values = rng.normal(size=(8, len(layers), 6)) + np.array(shift)
        at = f"cam{n % 2}/v{n}.mp4"
        found |= {f"{at}/values": values, f"{at}/starts": edges[:-1], f"{at}/ends": edges[1:]}
        if labels:
            found[f"{at}/labels"] = np.full(8, n % 2)
    sites = [f"residual/layer{layer}/prompt0" for layer in layers]
    np.savez(path, index=json.dumps({**ABOUT, "sites": sites}), **found)  # type: ignore[arg-type]
    return found


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(*rows: str) -> None:
    Path("labels.csv").write_text("\n".join(["path,label,start,end,group", *rows]) + "\n")


def test_labels_in_the_file_are_fitted_on(run: Run) -> None:
    found = write(Path("s.npz"), labels=True)
    ran = run("fit", "--states", "s.npz", "-o", "p.safetensors")
    assert (ran.code, ran.errors) == (
        0,
        ["states: 8 videos, 64 segments, 3 sites, 6 wide", TOO_FEW.format(8)],
    )
    assert "residual/layer1/prompt0" in ran.out
    probe = Probe.load("p.safetensors")
    assert probe.recipe.model == "external:org/model"
    assert probe.provenance["states"] == {"dtype": "float64", "tool": "vllm 0.11"}
    assert probe.provenance["segments"] == {"anomalous": 32, "normal": 32, "left_out": 0}
    assert probe.verification is None
    # As docs/states.md says, new states of that tool are scored in Python.
    for one in read_given_states("s.npz"):
        scores = localize(
            one.states.starts, one.states.ends, probe.score(one.states), one.states.gaps,
            probe.localization,
        )[0]  # fmt: skip
        assert (scores.peak or 0.0) > 0.5 if found[f"{one.name}/labels"][0] else True


def test_a_table_labels_them_by_name_without_the_videos(run: Run) -> None:
    write(Path("s.npz"), labels=False)
    table(*(f"cam{n % 2}/v{n}.mp4,{'fight' if n % 2 else 'normal'},,,g{n}" for n in range(6)))
    ran = run("fit", "labels.csv", "--states", "s.npz", "-o", "p.safetensors", "--json")
    assert ran.code == 0
    assert ran.errors == [
        "states: 8 videos, 64 segments, 3 sites, 6 wide; 2 without labels are not used"
    ]
    made = ran.objects[0]
    assert (made["segments"]["anomalous"], made["groups"]) == (24, 6)
    assert made["clips"]["labels"] == {"fight": 3}


def test_an_event_is_labelled_by_its_times(run: Run) -> None:
    write(Path("s.npz"), labels=False, videos=4)
    table(
        *(f"cam1/v{n}.mp4,fight,4,10,g{n}" for n in (1, 3)),
        *(f"cam0/v{n},normal,,,g{n}" for n in (0, 2)),
    )
    made = run("fit", "labels.csv", "--states", "s.npz", "-o", "p.safetensors", "--json").objects[0]
    assert made["segments"] == {"anomalous": 6, "normal": 26, "left_out": 0}


def test_the_states_of_export_are_matched_by_content(run: Run) -> None:
    export_states(embedded.STATES, Path("s.npz"))
    ran = run("fit", embedded.CLIPS, "--states", "s.npz", "-o", "p.safetensors", "--json")
    assert ran.code == 0
    shipped = Probe.load(embedded.PROBE)
    made = Probe.load("p.safetensors")
    assert made.recipe == shipped.recipe
    assert made.fitted_videos <= set(json.loads(json.dumps(ran.objects[0]["videos"])))


def test_some_saved_layers_are_enough(run: Run) -> None:
    write(Path("s.npz"), labels=True, layers=(1, 6))
    ran = run("fit", "--states", "s.npz", "-o", "p.safetensors", "--json")
    assert ran.code == 0
    made = Probe.load("p.safetensors")
    assert made.provenance["candidates"] == ["residual/layer1/prompt0", "residual/layer6/prompt0"]
    assert str(made.sites[0]) == "residual/layer1/prompt0"


def test_two_files_are_one_set(run: Run) -> None:
    write(Path("a.npz"), labels=True)
    os.link("a.npz", "b.npz")
    ran = run("fit", "--states", "a.npz", "--states", "b.npz")
    assert (ran.code, len(ran.errors)) == (3, 1)
    assert "whose states are there twice: cam0/v0" in ran.errors[0]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--frames", "4"), 2, "--frames is about reading videos"),
        (("--unit", "video"), 2, "--unit is about reading videos"),
        (("--compile",), 2, "--compile is about reading videos"),
        (("-m", "embedded"), 2, "--model is about reading videos"),
        (("--store", "x"), 2, "--store is about reading videos"),
        (("--false-alarms-per-day", "3", "--normal", "."), 2, "--normal is about reading videos"),
        (("--method", "auto"), 2, "name a method"),
        (("--split", "train"), 2, "need labelled clips"),
        (("-o", "s.npz"), 2, "the file to write is an input"),
        (("--method", "headhunt"), 3, "no video to fit on"),
        (("--layer", "9"), 3, "not read: residual/layer9"),
        ((), 3, "without labels: 8 videos of 8"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    run: Run, more: tuple[Any, ...], code: int, said: str
) -> None:
    write(Path("s.npz"), labels=bool(more))
    ran = run("fit", "--states", "s.npz", *more)
    errors = [line for line in ran.errors if not line.startswith("states: ")]
    assert (ran.code, len(errors)) == (code, 1)
    assert said in errors[0]
    assert not Path("probe.safetensors").exists()


def test_a_labelled_video_without_states_is_named(run: Run) -> None:
    write(Path("s.npz"), labels=False)
    table("cam1/v1.mp4,fight,,,", "cam9/v9.mp4,normal,,,")
    ran = run("fit", "labels.csv", "--states", "s.npz")
    assert ran.code == 3
    assert "no states of 1 labelled video: cam9/v9.mp4" in ran.errors[-1]


def test_a_layer_may_be_named(run: Run) -> None:
    write(Path("s.npz"), labels=True)
    assert run("fit", "--states", "s.npz", "--layer", "2").code == 0
    assert [str(site) for site in Probe.load("probe.safetensors").sites] == [
        "residual/layer2/prompt0"
    ]


def test_detect_refuses_a_probe_of_other_states(run: Run) -> None:
    """The states of the same model, read by another tool, need not be those of hiprobe."""
    write(Path("s.npz"), labels=True)
    run("fit", "--states", "s.npz", "-o", "p.safetensors")
    for model in ((), ("-m", "org/model")):
        ran = run("detect", embedded.VIDEO, "-p", "p.safetensors", *model)
        assert (ran.code, len(ran.errors)) == (2, 1)
        assert "states that another tool read" in ran.errors[0]


def test_the_examples_of_the_page_run(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs/states.md"
    written, scored, estimated = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(written, {})
    assert run("fit", "--states", "states.npz", "-o", "probe.safetensors").code == 0
    exec(scored, {})
    assert len(capsys.readouterr().out.splitlines()) == 8
    exec(estimated, {})
    auc, _, indices = capsys.readouterr().out.partition(" ")
    assert float(auc) > 0.9
    assert indices == "(2,)\n"


def test_every_option_of_fit_is_about_fitting_or_refused_with_states() -> None:
    fitting = {
        *("context", "data", "probe", "states", "method", "layer", "threshold", "localization"),
        *("smoothing", "sigma", "extend", "min_length", "merge", "refine", "confirm"),
        *("false_alarms", "split", "normal_label", "anomaly_label", "check", "seed"),
        *("prefer_early", "verbose", "as_json", "quiet"),
    }
    assert set(inspect.signature(fit).parameters) - fitting == set(_given.ON_READING)
