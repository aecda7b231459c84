"""Thresholds, smoothing, length and merging as options; finished videos then need no model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import Ran, run, tree
from tests.conftest import Fitted
from tests.support.fixed_probe import THRESHOLD, fixed_probe

import hiprobe.pipeline.detection
from hiprobe import embedded, pipeline, ranges, report
from hiprobe.backbones import Loading
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.types import Event

__all__ = ["run"]  # a fixture

Detect = Callable[..., Ran]


@dataclass
class Work:
    """What commands in this process asked of a model."""

    loads: int = 0
    read: list[str] = field(default_factory=list)
    explained: list[tuple[str, float, float]] = field(default_factory=list)

    def clear(self) -> None:
        self.loads, self.read, self.explained = 0, [], []


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Counts loads, videos read and events explained; all of it happens as usual."""
    done = Work()
    load, detect = Loading.load, pipeline.detect
    explain = hiprobe.pipeline.detection.explained

    def counted_load(self: Loading) -> Any:
        done.loads += 1
        return load(self)

    def counted_detect(path: Any, *args: Any, **more: Any) -> Any:
        done.read.append(Path(path).name)
        return detect(path, *args, **more)

    def counted_explain(path: Any, model: Any, recipe: Any, event: Event, limits: Any) -> Event:
        done.explained.append((Path(path).name, round(event.start, 3), round(event.end, 3)))
        return explain(path, model, recipe, event, limits)

    monkeypatch.setattr(Loading, "load", counted_load)
    monkeypatch.setattr(pipeline, "detect", counted_detect)
    monkeypatch.setattr(hiprobe.pipeline.detection, "explained", counted_explain)
    return done


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with three events, and one without."""
    folder = tmp_path_factory.mktemp("videos")
    shutil.copy(embedded.VIDEO, folder / "cam.mp4")
    shutil.copy(embedded.CLIPS / "normal_00.mp4", folder / "quiet.mp4")
    return folder


@pytest.fixture
def detect(run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Runs `hiprobe detect` on the videos in an empty folder."""
    monkeypatch.chdir(tmp_path)
    fixed_probe().save(tmp_path / "probe.safetensors")
    return lambda *more: run("detect", videos, *more)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return []  # the store of the first test, so that later ones need not read the videos again


@pytest.fixture
def finished(detect: Detect, states: list[Path], tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of results with the given options, from stored states where there are some."""

    def make(name: str, *options: Any) -> Path:
        out = tmp_path / name
        if states:
            shutil.copytree(states[0], out / ".store", ignore=lambda _d, names: _index(names))
        assert detect("-o", name, *options).code == 0
        if not states:
            states.append(out / ".store")
        return out

    return make


def _index(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("index.sqlite")]


def result(out: Path, name: str = "cam") -> dict[str, Any]:
    (path,) = out.glob(f"{name}-*/result.json")
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def spans(out: Path) -> list[tuple[float, float]]:
    return [(round(one["start"], 3), round(one["end"], 3)) for one in result(out)["events"]]


# The model is asked nothing about an event, and reads no more of it.
SILENT = ("--no-explain", "--no-verify", "--no-refine")


@pytest.mark.parametrize(
    "options",
    [
        ("--threshold", "0.3"),
        ("--threshold", "2", "--sigma", "0"),
        ("--threshold=-1", "--sigma", "3.5", "--min-length", "2.5", "--merge", "0"),
        ("--smoothing", "median", "--extend", "0.3", "--merge", "0"),
    ],
)
def test_other_options_give_what_a_fresh_detection_gives_and_load_no_model(
    detect: Detect, finished: Callable[..., Path], work: Work, options: tuple[str, ...]
) -> None:
    out = finished("out", *SILENT)
    before = tree(out)
    fresh = tree(finished("fresh/out", *SILENT, *options))
    assert before["manifest.jsonl"] != fresh["manifest.jsonl"]
    work.clear()
    ran = detect("-o", "out", *SILENT, *options)
    assert (ran.code, work.loads, "all were finished before" in ran.out) == (0, 0, True)
    assert tree(out) == fresh
    made = tree(out)
    ran = detect("-o", "out", *SILENT, *options)  # the same once more
    assert (ran.code, work.loads, tree(out) == made) == (0, 0, True)
    assert detect("-o", "out", *SILENT).code == 0  # and back
    assert (work.loads, tree(out) == before) == (0, True)


def test_the_model_is_loaded_only_for_a_new_event_and_other_words_are_kept(
    detect: Detect, finished: Callable[..., Path], work: Work
) -> None:
    out = finished("out", "--no-refine")
    assert work.explained == [("cam.mp4", *span) for span in spans(out)]
    whole = tree(out)
    (path,) = out.glob("cam-*/result.json")
    words = result(out)["events"][0]["explanation"]
    marked = path.read_text().replace(words, "words that no model wrote")
    path.write_text(marked)
    work.clear()
    every = spans(out)
    lengths = {(start, end): end - start for start, end in every}
    limit = (min(lengths.values()) + max(lengths.values())) / 2
    short = [one for one in every if lengths[one] < limit]
    assert detect("-o", "out", "--no-refine", "--min-length", f"{limit:.3f}").code == 0
    assert (work.loads, spans(out)) == (0, [one for one in every if one not in short])
    assert detect("-o", "out", "--no-refine").code == 0  # they are new again
    assert (work.loads, work.read) == (1, ["cam.mp4"])
    assert work.explained == [("cam.mp4", *one) for one in short]
    assert result(out)["events"] == json.loads(marked)["events"]
    assert {name for name, data in tree(out).items() if data != whole[name]} == {
        f"{path.parent.name}/{name}"
        for name in ("result.json", "events.jsonl", "events.vtt", "report.html", "timeline.png")
    }
    work.clear()
    assert detect("-o", "out", "--no-refine").code == 0
    assert (work.loads, work.explained) == (0, [])


def test_a_name_that_is_not_valid_text_needs_no_model_either(
    run: Any, finished: Callable[..., Path], work: Work, tmp_path: Path, videos: Path
) -> None:
    out, odd = finished("out", *SILENT), tmp_path / "odd"
    odd.mkdir()
    shutil.copy(videos / "quiet.mp4", odd / os.fsdecode(b"quiet\xff.mp4"))
    assert run("detect", odd, "-o", out, *SILENT).code == 0
    work.clear()
    assert run("detect", odd, "-o", out, *SILENT, "--sigma", "0").code == 0
    assert work.loads == 0


def test_settings_are_recorded(detect: Detect, finished: Callable[..., Path]) -> None:
    out = finished("out", "--no-explain")
    assert detect("-o", "out", "--no-explain", "--sigma", "0.5", "--merge", "7").code == 0
    made = Localization.from_json(result(out)["settings"]["localization"])
    assert (made.sigma, made.merge_s, made.rule) == (0.5, 7.0, "calibrated")
    record = json.loads((out / "run.json").read_text())
    assert record["settings"] == result(out)["settings"] == result(out, "quiet")["settings"]
    assert detect("-o", "out", "--no-explain", "--threshold", "0.25").code == 0
    made = Localization.from_json(result(out)["settings"]["localization"])
    assert (made.rule, made.threshold, made.sigma, made.merge_s) == ("fixed", 0.25, 1.0, 2.0)
    scores = result(out)["scores"]
    assert set(scores["threshold"]) == {0.25}


def test_an_interrupted_change_of_options_is_completed_by_the_same_command(
    detect: Detect,
    finished: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = finished("out", "--no-explain")
    options = ("--no-explain", "--threshold", "0.3")
    fresh = tree(finished("fresh/out", *options))
    made, write = [], report.report_video

    def interrupted(*args: Any) -> None:
        made.append(args)
        if len(made) == 2:
            raise KeyboardInterrupt
        write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(report, "report_video", interrupted)
        assert detect("-o", "out", *options).code == 130
    assert len(list(out.glob("*/result.json"))) == 1  # the other one does not count any more
    assert detect("-o", "out", *options).code == 0
    assert tree(out) == fresh


def test_a_threshold_calibrated_with_other_settings_is_mentioned_in_one_line(
    detect: Detect, finished: Callable[..., Path]
) -> None:
    finished("hiprobe-out", "--no-explain")
    for options, said in (
        ((), False),
        (("--sigma", "1", "--merge", "2"), False),  # as calibrated
        (("--threshold", "0.5", "--sigma", "0"), False),  # not calibrated
        (("--sigma", "0"), True),
        (("--localization", "default", "--no-refine", "--confirm", "1"), False),  # as calibrated
        (("--localization", "paper"), True),
        (("--smoothing", "none", "--extend", "0.5", "--refine"), True),
        (("--merge", "0.5"), True),
    ):
        ran = detect("--no-explain", *options)
        lines = [line for line in ran.err.splitlines() if "was calibrated with" in line]
        assert (ran.code, len(lines)) == (0, int(said)), options
        if "none" in options:
            assert (
                "used with no smoothing, sigma 1, extension to 0.5 of the threshold, "
                "minimum length 1 s, merging 2 s"
            ) in lines[0]
            assert "with sigma 1, minimum length 1 s, merging 2 s;" in lines[0]
    assert f"the threshold {THRESHOLD:.3f} was calibrated with sigma 1," in lines[0]
    assert "used with sigma 1, minimum length 1 s, merging 0.5 s" in lines[0]


def test_fit_records_the_options_in_the_probe_and_detect_follows_them(
    run: Any, tmp_path: Path, clips: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    smooth = ("--sigma", "0.5", "--min-length", "2", "--merge", "4")
    fit = ("fit", clips, "--store", fitted.store, *smooth)
    assert run(*fit).code == 0
    made = Probe.load(tmp_path / "probe.safetensors").localization
    assert (made.sigma, made.min_s, made.merge_s, made.rule) == (0.5, 2.0, 4.0, "calibrated")
    assert made.threshold is not None
    assert run(*fit, "--threshold", "0.4").code == 0
    made = Probe.load(tmp_path / "probe.safetensors").localization
    assert made == Localization(0.5, "fixed", 0.4, merge_s=4.0, min_s=2.0)
    ran = run("detect", clips / "normal_00.mp4", "--no-explain")
    assert (ran.code, "calibrated with" in ran.err) == (0, False)
    settings = result(tmp_path / "hiprobe-out", "normal_00")["settings"]
    assert settings["localization"] == made.to_json()


def test_settings_by_name_replace_those_of_the_probe_but_not_its_threshold(
    run: Any, tmp_path: Path, clips: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip, more = clips / "normal_00.mp4", ("--smoothing", "causal", "--extend", "0.4", "--refine")
    assert run("fit", clips, "--store", fitted.store, "--localization", "paper", *more).code == 0
    made = Probe.load(tmp_path / "probe.safetensors").localization
    assert made.threshold is not None
    paper = Localization.named("paper").with_threshold(made.threshold)
    assert made == replace(paper, smoothing="causal", extend=0.4, refine=True)
    for options, want in (
        ((), made),
        (("--localization", "paper"), paper),
        (("--localization", "paper", "--extend", "0.7"), replace(paper, extend=0.7)),
        (("--no-refine",), replace(made, refine=False)),
        (
            ("--localization", "default", "--threshold", "0.3"),
            replace(Localization(), rule="fixed", threshold=0.3),
        ),
    ):
        ran = run("detect", clip, "-o", "out", "--no-explain", *options)
        assert ran.code == 0
        used = result(tmp_path / "out", "normal_00")["settings"]["localization"]
        assert Localization.from_json(used) == want
        assert ("was calibrated with causal smoothing" in ran.err) == (
            bool(options) and options[0] != "--no-refine" and "--threshold" not in options
        )


@pytest.mark.parametrize("command", ["detect", "fit"])
def test_an_unknown_name_is_refused_with_the_known_ones(
    run: Any, tmp_path: Path, clips: Path, work: Work, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for option, known in (
        ("--localization", "default or paper"),
        ("--smoothing", "gaussian, causal, median or none"),
    ):
        ran = run(command, clips, option, "box")
        assert (ran.code, work.loads) == (2, 0)
        assert ran.errors[-1] == f"UsageError: {option} must be {known}, got 'box'"


EVENTS = {
    "--threshold": ("threshold", ("nan", "inf", "1e16")),
    "--sigma": ("sigma", ("-0.1", "1001", "nan")),
    "--min-length": ("min_s", ("-1", "86401")),
    "--merge": ("merge_s", ("-1", "inf")),
    "--extend": ("extend", ("0", "1.5", "nan")),
}
READING = {
    "--segment": ("segment_s", ("0", "0.001", "60.5", "nan")),
    "--frames": ("frames", ("0", "-3", "1025")),
    "the height of --size": ("height", ("0x8", "16385x8")),
    "the width of --size": ("width", ("8x0", "8x99999")),
}


@pytest.mark.parametrize("command", ["detect", "fit", "layers", "extract"])
def test_a_value_out_of_range_is_named_with_its_option_before_a_model_is_loaded(
    run: Any, tmp_path: Path, clips: Path, work: Work, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {
        **(EVENTS if command in ("detect", "fit") else {}),
        **(READING if command != "detect" else {}),
    }
    for option, (name, values) in options.items():
        for value in values:
            ran = run(command, clips, f"{option.rpartition(' ')[2]}={value}")
            line = ran.errors[-1]  # `detect` says first which probe it takes
            assert len(ran.errors) <= 2
            got = value.split("x")[" width" in option] if "size" in option else value
            assert ran.code == 2, (option, value)
            assert line.startswith(f"UsageError: {option} must be {ranges.RANGES[name]}, got "), (
                line
            )
            assert float(line.rpartition(" ")[2]) == pytest.approx(float(got), nan_ok=True)
    assert work.loads == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["fit", "layers", "extract"])
def test_prompts_and_sizes_that_cannot_be_are_wrong_usage_before_a_model_is_loaded(
    run: Any, tmp_path: Path, clips: Path, work: Work, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for options, words in (
        (("--prompt", " "), "a --prompt is empty"),
        (("--prompt", "A?", "--prompt", "B?"), "method hiprobe asks 1 question, not 2"),
        (("--size", "big"), "--size must be HEIGHTxWIDTH in pixels, got 'big'"),
        (("--size", "-4x4"), "--size must be HEIGHTxWIDTH in pixels"),
        (
            ("--size", "16000x16000", "--frames", "1024"),
            "--frames x --size, in bytes, must be a whole number from 1 to 1073741824",
        ),
    ):
        ran = run(command, clips, *options)
        assert (ran.code, len(ran.errors)) == (2, 1), (options, ran.err)
        assert words in ran.errors[0]
    assert work.loads == 0
    assert list(tmp_path.iterdir()) == []
