"""--false-alarms-per-day: a threshold from normal footage, and what is said about it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import Ran, run
from tests.conftest import Fitted

from hiprobe import embedded, video
from hiprobe.localize import Localization
from hiprobe.probe import Probe

__all__ = ["run"]  # a fixture

NEW = range(8, 12)  # shipped clips that the probe of the fixture was not fitted on
TOO_LITTLE = (
    "51 seconds of normal footage cannot support less than 5,056 per day: "
    "at most 6 per day needs 12 hours or more"
)


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of normal footage, 51 s."""
    folder = tmp_path_factory.mktemp("normal")
    for number in NEW:
        shutil.copy(embedded.CLIPS / f"normal_{number:02}.mp4", folder)
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one video to detect in."""
    folder = tmp_path_factory.mktemp("scene")
    shutil.copy(embedded.CLIPS / "abnormal_08.mp4", folder / "scene.mp4")
    return folder


@pytest.fixture
def detect(run: Any, scene: Path, fitted: Fitted, tmp_path: Path, monkeypatch: Any) -> Any:
    """Runs `hiprobe detect` on the scene with the fitted probe in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *more: run("detect", scene, "-p", fitted.path, "--no-explain", *more)


def made(out: Path) -> tuple[Localization, dict[str, Any]]:
    """The settings and the provenance of the one result."""
    (path,) = out.glob("*/result.json")
    values = json.loads(path.read_text())
    return Localization.from_json(values["settings"]["localization"]), values["provenance"]


def test_detect_sets_the_level_of_the_check_and_says_what_the_footage_supports(
    detect: Any, normal: Path, fitted: Fitted, tmp_path: Path
) -> None:
    many = detect("--false-alarms-per-day", 20_000, "--normal", normal)
    assert many.code == 0
    settings, provenance = made(tmp_path / "hiprobe-out")
    rule = fitted.probe.verification
    assert rule is not None
    assert settings.confirm is not None
    assert settings.confirm >= rule.threshold
    assert settings.threshold == fitted.probe.localization.threshold
    line = f"A check from log-odds {settings.confirm:.2f} on: "
    (said,) = [one for one in many.err.splitlines() if one.startswith(line)]
    assert " in 51 seconds of normal footage: " in said
    assert "95 % interval" in said
    assert "cannot support" not in many.err
    source = "at most 20,000 false alarms per day with 95 % confidence; "
    assert provenance["threshold_from"] == settings.threshold_from
    assert source + said[len(line) :] in str(settings.threshold_from)
    (page,) = (tmp_path / "hiprobe-out").glob("*/report.html")
    assert source in page.read_text()
    record = json.loads((tmp_path / "hiprobe-out" / "run.json").read_text())
    assert record["settings"]["localization"] == settings.to_json()

    few = detect("--false-alarms-per-day", 6, "--normal", normal)
    assert TOO_LITTLE in few.err
    settings, provenance = made(tmp_path / "hiprobe-out")
    assert settings.confirm is not None
    assert settings.confirm >= rule.threshold
    assert "no alarm in the normal footage, which is too little" in provenance["threshold_from"]
    assert "cannot be relied on" not in few.err


def test_without_the_check_the_threshold_is_set(
    detect: Any, normal: Path, fitted: Fitted, tmp_path: Path
) -> None:
    ran = detect("--false-alarms-per-day", 6, "--normal", normal, "--no-verify")
    assert TOO_LITTLE in ran.err
    settings, provenance = made(tmp_path / "hiprobe-out")
    assert (settings.rule, settings.confirm) == ("fixed", None)
    assert settings.threshold is not None
    assert settings.threshold >= (fitted.probe.localization.threshold or 0.0)
    assert provenance["threshold_from"].startswith("no alarm in the normal footage, which is too")
    assert f"The threshold {settings.threshold:.3f}: " in ran.err


def test_another_level_is_judged_without_the_model(
    detect: Any, fitted: Fitted, tmp_path: Path, monkeypatch: Any
) -> None:
    low = detect("--confirm", -1000, "--json")
    (events,) = [json.loads(line) for line in low.out.splitlines()]
    assert len(events["events"]) > 0
    assert {one["verification"]["result"] for one in events["events"]} == {"confirmed"}
    monkeypatch.setattr("hiprobe.backbones.load", None)
    (demoted,) = [json.loads(line) for line in detect("--confirm", 1000, "--json").out.splitlines()]
    assert (demoted["events"], len(demoted["demoted"])) == ([], len(events["events"]))


def test_normal_footage_is_read_once_and_finished_videos_are_kept(
    detect: Any, normal: Path, tmp_path: Path
) -> None:
    asked = ("--false-alarms-per-day", 9000, "--normal", normal)
    assert detect(*asked).code == 0
    states = {path: path.stat().st_mtime_ns for path in Path(".").glob("**/*.safetensors")}
    assert len(states) >= len(NEW) + 1
    again = detect(*asked)
    assert "all were finished before" in again.out
    assert {p: p.stat().st_mtime_ns for p in Path(".").glob("**/*.safetensors")} == states


def test_a_copy_of_normal_footage_is_not_more_footage(
    detect: Any, normal: Path, tmp_path: Path
) -> None:
    twice = tmp_path / "twice"
    shutil.copytree(normal, twice)
    for path in normal.glob("*.mp4"):
        shutil.copy(path, twice / f"copy_of_{path.name}")
    said = detect("--false-alarms-per-day", 6, "--normal", twice).err
    assert "4 videos of --normal left out: the same content as another" in said
    assert TOO_LITTLE in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--false-alarms-per-day", 10), "needs footage of this camera without anomalies; add"),
        (("--normal", "."), "--normal is for --false-alarms-per-day"),
        (
            ("--false-alarms-per-day", 10, "--normal", ".", "--threshold", 0.5),
            "both decide which events are alarms; give one",
        ),
        (
            ("--false-alarms-per-day", 10, "--normal", ".", "--confirm", 1),
            "--confirm and --false-alarms-per-day both decide which events are alarms; give one",
        ),
        (
            ("--false-alarms-per-day", 0, "--normal", "."),
            "--false-alarms-per-day must be a number from 1e-06 to 86400, got 0.0",
        ),
        (("--false-alarms-per-day", "nan", "--normal", "."), "got nan"),
        (
            ("--false-alarms-per-day", 10, "--normal", ".", "--ray", "local"),
            "hiprobe fit --false-alarms-per-day",
        ),
        (("--false-alarms-per-day", 10, "--normal", "empty"), "no video of normal footage"),
    ],
)
def test_what_does_not_go_together_is_refused(
    detect: Any, options: tuple[Any, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ran = detect(*options)
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "hiprobe-out").exists()


def test_footage_that_is_not_normal_or_not_independent_is_named(
    detect: Any, clips: Path, scene: Path, tmp_path: Path
) -> None:
    """The clips are labelled, four are anomalous, and the probe was fitted on all of them."""
    ran = detect(
        *("--false-alarms-per-day", 10, "--normal", clips), *sorted(clips.glob("normal_00.mp4"))
    )
    lines = [one for one in ran.err.splitlines() if "cannot be relied on" in one]
    assert [one.split(", so")[0] for one in lines] == [
        "videos of --normal are labelled as anomalous",
        "videos of --normal are among those that the probe was fitted on",
        "videos of --normal are also among the videos to detect in",
    ]
    assert "abnormal_00.mp4, abnormal_01.mp4, abnormal_02.mp4 and 1 more" in lines[0]
    assert lines[2].endswith(": normal_00.mp4")


def test_a_normal_video_that_cannot_be_read_is_named_and_too_little_is_an_error(
    detect: Any, normal: Path, tmp_path: Path
) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    (footage / "broken.mp4").write_bytes(b"no video")
    ran = detect("--false-alarms-per-day", 10, "--normal", footage)
    assert ran.code == 3
    assert "broken.mp4" in ran.err
    assert "LabelError: the normal footage has 0 segments, at least 4 are needed" in ran.err
    shutil.copy(next(normal.iterdir()), footage)
    ran = detect("--false-alarms-per-day", 10, "--normal", footage)
    assert ran.code == 3
    assert "scene.mp4" in ran.out


def fit(run: Any, data: Path, out: Path, *more: Any) -> tuple[Ran, Probe]:
    ran = run("fit", data, "-o", out / "p.safetensors", "--store", out / "store", *more)
    assert ran.code == 0, ran.err
    return ran, Probe.load(out / "p.safetensors")


def test_fit_sets_the_threshold_from_its_own_normal_clips_out_of_fold(
    run: Any, clips: Path, fitted: Fitted, tmp_path: Path
) -> None:
    shutil.copytree(fitted.store, tmp_path / "store")
    ran, probe = fit(run, clips, tmp_path, "--false-alarms-per-day", 6)
    assert TOO_LITTLE in ran.err
    facts = probe.provenance["false_alarms"]
    assert (facts["wanted"], facts["events"], facts["supported"]) == (6, 0, False)
    length = sum(video.info(one).duration or 0 for one in clips.glob("normal_*.mp4"))
    assert facts["hours"] == pytest.approx(length / 3600, rel=0.01)
    assert "in 51 seconds of normal footage" in probe.provenance["verification"]
    assert probe.verification is not None
    assert probe.verification.source == probe.provenance["verification"]
    assert probe.localization == fitted.probe.localization


def test_fit_without_the_check_sets_the_threshold(
    run: Any, clips: Path, fitted: Fitted, tmp_path: Path
) -> None:
    shutil.copytree(fitted.store, tmp_path / "store")
    ran, probe = fit(run, clips, tmp_path, "--false-alarms-per-day", 6, "--no-verify")
    assert TOO_LITTLE in ran.err
    assert "in 51 seconds of normal footage" in probe.provenance["threshold_from"]
    assert probe.localization.threshold_from == probe.provenance["threshold_from"]
    plain = fitted.probe.localization
    assert (probe.localization.threshold or 0.0) >= (plain.threshold or 0.0)
    assert replace(probe.localization, threshold=plain.threshold) == plain


def test_fit_sets_the_threshold_from_other_footage(
    run: Any, clips: Path, normal: Path, fitted: Fitted, tmp_path: Path
) -> None:
    shutil.copytree(fitted.store, tmp_path / "store")
    asked = ("--false-alarms-per-day", 20_000, "--normal", normal)
    ran, probe = fit(run, clips, tmp_path, *asked)
    assert "cannot be relied on" not in ran.err
    facts = probe.provenance["false_alarms"]
    assert facts["supported"]
    assert facts["bound"] <= 20_000
    assert "at most 20,000 false alarms per day with 95 % confidence" in ran.out.replace("\n", " ")
    shown = json.loads(fit_json(run, clips, tmp_path, *asked))
    assert shown["false_alarms"] == facts
    assert shown["threshold"] == probe.localization.threshold


def fit_json(run: Any, clips: Path, out: Path, *more: Any) -> str:
    ran = run(
        *("fit", clips, "-o", out / "q.safetensors", "--store", out / "store", "--json"), *more
    )
    text: str = ran.out
    return text
