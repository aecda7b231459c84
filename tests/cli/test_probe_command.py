"""`hiprobe probe`, and --probe org/name@revision wherever a probe is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import Run, run, shortest
from tests.support import fake_backbone, writable_hub
from tests.support.writable_hub import WritableHub

from hiprobe import embedded
from hiprobe.cli import _reviewed
from hiprobe.live import cameras
from hiprobe.probe import Probe

__all__ = ["run"]  # a fixture

NAME = "org/shop"
SHIPPED = Probe.load(embedded.PROBE)
FAKE = ("-m", "tests.support.fake_backbone:load")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WritableHub]:
    monkeypatch.chdir(tmp_path)
    with writable_hub.serving() as found:
        writable_hub.use(found, monkeypatch, tmp_path / "cache")
        yield found


def test_show_has_every_part_with_intervals(run: Run) -> None:
    ran = run("probe", "show", embedded.PROBE)
    auc, count = SHIPPED.provenance["auc"], SHIPPED.provenance["segments"]
    assert (ran.code, ran.err) == (0, "")
    for part in (
        "what it reads", str(SHIPPED.sites[0]), "1.6 s, 8 frames of 96 x 96 pixels",
        "what it was fitted on", f"{count['anomalous']} anomalous, {count['normal']} normal", "how good it is",
        f"out-of-fold AUC: {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}] over videos",
        "control: motion: 0.6", "limits",
    ):  # fmt: skip
        assert part in ran.out
    told = run("probe", "show", embedded.PROBE, "--json").objects[0]
    assert told["digest"] == SHIPPED.digest
    assert told["provenance"]["auc"] == auc
    assert (told["videos"], told["digests"]) == (SHIPPED.video_count, len(SHIPPED.fitted_videos))


@pytest.mark.parametrize(
    "facts",
    [{}, {"auc": 1}, {"folds": [], "segments": "x", "videos": "y"}, {"controls": {"rows": 5}},
     {"warnings": 3, "groups": "many", "auc": {"low": "a"}}, {"layers": [1], "states": []},
     {"controls": {"rows": {"all": {}}}}, {"false_alarms": [1], "versions": 2}],
)  # fmt: skip
def test_show_stands_what_a_stranger_writes(run: Run, tmp_path: Path, facts: Any) -> None:
    replace(SHIPPED, provenance=facts).save(tmp_path / "p.safetensors")
    ran = run("probe", "show", tmp_path / "p.safetensors")
    assert (ran.code, ran.err) == (0, "")
    assert str(SHIPPED.sites[0]) in ran.out


def test_show_prints_no_control_characters(run: Run, tmp_path: Path) -> None:
    text = "[red]x[/red]\x1b[2J"
    facts = {**SHIPPED.provenance, "why": text, "warnings": [text], "states": {"name": text}}
    replace(SHIPPED, provenance=facts).save(tmp_path / "p.safetensors")
    ran = run("probe", "show", tmp_path / "p.safetensors")
    assert "\x1b" not in ran.out
    assert "[red]x[/red]" in ran.out


def test_push_then_detect_with_the_commit_in_the_result(
    run: Run, served: WritableHub, tmp_path: Path
) -> None:
    fake_backbone.constant_probe().save(tmp_path / "mine.safetensors")
    pushed = run("probe", "push", "mine.safetensors", NAME, "--licence", "mit", "--json").objects[0]
    place = pushed["place"]
    assert place == f"{NAME}@{next(iter(served.repositories[NAME].commits))}"
    shortest(tmp_path / "v.mp4", 3)
    ran = run("detect", "v.mp4", *FAKE, "-p", f"{NAME}@main", "-o", "out")
    assert ran.code == 0
    (result,) = (tmp_path / "out").glob("*/result.json")
    made_with = json.loads(result.read_text())["provenance"]
    assert made_with["probe_source"] == place
    assert made_with["probe"] == Probe.load(tmp_path / "out/probe.safetensors").digest
    again = run("detect", "v.mp4", *FAKE, "-p", place, "-o", "out")
    assert (again.code, "all were finished before" in again.out) == (0, True)
    shown = run("probe", "show", f"{NAME}@main")
    assert f"from the hub: {place}" in shown.out


def test_a_dry_run_writes_what_would_leave_and_asks_nothing_of_the_hub(
    run: Run, served: WritableHub, tmp_path: Path
) -> None:
    ran = run("probe", "push", embedded.PROBE, NAME, "--dry-run", tmp_path / "look")
    assert ran.code == 0
    assert "left out: videos" in ran.out
    assert served.received == []
    SHIPPED.push_to_hub(NAME)
    (sent,) = served.repositories[NAME].commits.values()
    written = {path.name: path.read_bytes() for path in (tmp_path / "look").iterdir()}
    assert written == sent


def test_every_command_takes_a_probe_of_the_hub(
    run: Run, served: WritableHub, tmp_path: Path
) -> None:
    place = SHIPPED.push_to_hub(NAME)
    digest = Probe.from_hub(place).digest
    known = _reviewed.known(tmp_path, Path(place))
    assert known.chosen is not None
    assert (known.chosen.probe.digest, str(known.chosen.path)) == (digest, place)
    (tmp_path / "store").mkdir()
    for command in (
        ("export", "store", "-o", "s.csv", "--videos", embedded.VIDEO),
        ("evaluate", "--dataset", "folder", "--root", embedded.CLIPS),
    ):
        ran = run(*command, "-p", f"{NAME}@gone")
        assert (ran.code, len(ran.errors)) == (3, 1)
        assert ran.errors[0].startswith(f"ProbeError: {NAME}@gone: has no such revision")
    ran = run("watch", embedded.VIDEO, "-p", f"{NAME}@gone", "--no-page")
    assert "has no such revision" in ran.err
    places = ("--url", "http://127.0.0.1:9", "--mqtt", "mqtt://127.0.0.1:9")
    ran = run("verify", "frigate", *places, "-p", f"{NAME}@gone")
    assert "has no such revision" in ran.err


def test_a_camera_file_may_name_a_probe_of_the_hub(tmp_path: Path) -> None:
    table = 'probe = "{}"\n[[camera]]\nname = "a"\nurl = "rtsp://127.0.0.1/a"\n'
    for given, expected in ((f"{NAME}@main", f"{NAME}@main"), ("p.safetensors", None)):
        (tmp_path / "c.toml").write_text(table.format(given))
        found = cameras.load(str(tmp_path / "c.toml")).probe
        assert found == (expected or str(tmp_path / given))


def test_a_file_is_not_mistaken_for_a_name_on_the_hub(
    run: Run, served: WritableHub, tmp_path: Path
) -> None:
    (tmp_path / "org").mkdir()
    SHIPPED.save(tmp_path / "org/shop@main")  # a file that is there counts
    assert run("probe", "show", "org/shop@main").code == 0
    for name in ("org/shop", "runs/probe", "org/shop.safetensors"):
        ran = run("probe", "show", name)
        assert (ran.code, len(ran.errors)) == (2, 1)
        assert "no such file" in ran.errors[0]
    assert served.received == []
