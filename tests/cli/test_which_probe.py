"""Which probe and model a command uses when it is not told, and where that is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import Ran, run, shortest
from tests.conftest import Fitted
from tests.support import fake_backbone

from hiprobe import embedded
from hiprobe.probe import Probe
from hiprobe.store.local_places import NAME, FittedOn, LocalPlaces, add_places, load_places

__all__ = ["run"]  # a fixture

Detect = Callable[..., Ran]
FAKE = ("-m", "tests.support.fake_backbone:load")
SHIPPED = Probe.load(embedded.PROBE)


@pytest.fixture
def detect(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Runs `hiprobe detect v.mp4` in an empty folder with one short video."""
    monkeypatch.chdir(tmp_path)
    shortest(tmp_path / "v.mp4", 3)
    return lambda *more: run("detect", "v.mp4", "--no-explain", *more)


def save(probe: Probe, path: Path, seconds: int = 0) -> Probe:
    """Save a probe as if it had been written `seconds` from now."""
    path.parent.mkdir(exist_ok=True)
    probe.save(path)
    os.utime(path, (path.stat().st_atime + seconds, path.stat().st_mtime + seconds))
    return probe


def said(ran: Ran) -> str:
    (line,) = [line for line in ran.err.splitlines() if line.startswith("probe: ")]
    return line


def test_the_shipped_probe_then_that_of_the_folder_then_that_of_the_results(
    detect: Detect, tmp_path: Path, fitted: Fitted
) -> None:
    ran = detect()
    assert ran.code == 0
    assert said(ran) == (
        f"probe: the probe shipped with hiprobe ({SHIPPED.digest[:8]}), model embedded; it does not "
        "know your cameras, so fit your own on a few clips of them: hiprobe fit CLIPS"
    )
    kept = tmp_path / "hiprobe-out/probe.safetensors"
    assert kept.read_bytes() == embedded.PROBE.read_bytes()
    save(fitted.probe, tmp_path / "probe.safetensors")
    here = detect("-o", "other")
    assert (here.code, said(here)) == (
        0,
        f"probe: probe.safetensors ({fitted.probe.digest[:8]}), model embedded",
    )
    again = detect()  # these results have a probe of their own
    assert said(again) == (
        f"probe: hiprobe-out/probe.safetensors ({SHIPPED.digest[:8]}), model embedded"
    )
    assert (again.code, "all were finished before" in again.out) == (0, True)
    told = detect("-p", "probe.safetensors", "-o", "other")
    assert (told.code, "probe: " in told.err) == (0, False)


def test_a_newer_probe_in_the_working_folder_is_mentioned(
    detect: Detect, tmp_path: Path, fitted: Fitted
) -> None:
    first = save(fake_backbone.constant_probe(), tmp_path / "out/probe.safetensors", -100)
    warning = "probe.safetensors is newer and is another probe"
    for here, seconds, warned in (
        (None, 0, False),
        (first, 0, False),  # the same probe
        (fake_backbone.constant_probe(1.0), -200, False),  # an older one
        (fake_backbone.constant_probe(1.0), 0, True),
        (fitted.probe, 0, True),  # of another model: it is not used
    ):
        if here is not None:
            save(here, tmp_path / "probe.safetensors", seconds)
        ran = detect("-o", "out", *FAKE)
        assert (ran.code, warning in ran.err) == (0, warned)
        assert f"out/probe.safetensors ({first.digest[:8]})" in said(ran)
    (tmp_path / "probe.safetensors").write_text("a probe, honestly")  # nor is this one
    ran = detect("-o", "out", *FAKE)
    assert (ran.code, warning in ran.err) == (0, True)
    assert "-p probe.safetensors --again" in ran.err


def test_a_probe_that_is_not_there_is_wrong_usage(detect: Detect, tmp_path: Path) -> None:
    for name in ("none.safetensors", "x" * 300, "v.mp4/probe"):
        ran = detect("-p", name)
        assert (ran.code, len(ran.errors)) == (2, 1)
        assert ran.errors[0].startswith(f"MissingProbe: {name}: no such file")
    assert not (tmp_path / "hiprobe-out").exists()


def test_an_invalid_probe_of_the_results_is_not_passed_over(detect: Detect, tmp_path: Path) -> None:
    (tmp_path / "hiprobe-out").mkdir()
    (tmp_path / "hiprobe-out/probe.safetensors").write_text("a probe, honestly")
    ran = detect()
    assert (ran.code, len(ran.errors)) == (3, 1)
    assert ran.errors[0].startswith("ProbeError: hiprobe-out/probe.safetensors: ")


def test_another_probe_needs_again_or_another_folder(detect: Detect, tmp_path: Path) -> None:
    one = save(fake_backbone.constant_probe(), tmp_path / "a.safetensors")
    other = save(fake_backbone.constant_probe(1.0), tmp_path / "b.safetensors")
    assert detect("-p", "a.safetensors", "-o", "out", *FAKE).code == 0
    ran = detect("-p", "b.safetensors", "-o", "out", *FAKE)
    assert (ran.code, len(ran.errors)) == (2, 1)
    for words in ("out", one.digest[:8], other.digest[:8], "--again", "another -o"):
        assert words in ran.errors[0]
    assert Probe.load(tmp_path / "out/probe.safetensors").digest == one.digest
    assert detect("-p", "b.safetensors", "-o", "more", *FAKE).code == 0
    ran = detect("-p", "b.safetensors", "-o", "out", "--again", *FAKE)
    assert (ran.code, "finished before" in ran.out) == (0, False)
    assert Probe.load(tmp_path / "out/probe.safetensors").digest == other.digest
    assert "all were finished before" in detect("-o", "out", *FAKE).out  # it is the folder's now


def test_a_probe_of_another_model_is_an_error(detect: Detect, fitted: Fitted) -> None:
    ran = detect("-p", fitted.path, *FAKE)
    assert (ran.code, len(ran.errors)) == (3, 1)
    assert ran.errors[0].startswith("RecipeMismatch: ")


def test_a_model_that_is_not_known_here_is_asked_for_and_never_taken_from_a_file(
    detect: Detect, run: Any, tmp_path: Path, fitted: Fitted
) -> None:
    """`module:attribute` runs code, so only the command line may name it."""
    unknown = replace(fitted.probe, recipe=replace(fitted.probe.recipe, model=f"sha256:{'0' * 64}"))
    save(unknown, tmp_path / "u.safetensors")
    ran = detect("-p", "u.safetensors")
    assert (ran.code, len(ran.errors)) == (2, 1)
    assert "give --model FOLDER" in ran.errors[0]
    add_places(tmp_path, LocalPlaces((), {unknown.digest: FittedOn(model="antigravity:load")}))
    ran = detect("-p", "u.safetensors")
    assert (ran.code, len(ran.errors)) == (2, 1)
    assert "give --model antigravity:load" in ran.errors[0]


def test_fit_and_detect_without_options(
    run: Any, tmp_path: Path, clips: Path, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The normal path: one name for the probe, and what it was fitted on is known afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "videos").mkdir()
    shortest(tmp_path / "videos/v.mp4", 3)
    assert run("fit", clips, "--store", fitted.store).code == 0
    made = Probe.load(tmp_path / "probe.safetensors")
    fit = FittedOn(str(clips), None, (), (), str(fitted.store), None)
    assert load_places(tmp_path).fits == {made.digest: fit}
    ran = run("detect", "videos", "--no-explain")
    assert (ran.code, said(ran)) == (
        0,
        f"probe: probe.safetensors ({made.digest[:8]}), model embedded",
    )
    out = tmp_path / "hiprobe-out"
    assert Probe.load(out / "probe.safetensors").digest == made.digest
    places = load_places(out)
    assert places.videos == ((str(tmp_path / "videos"), "", True),)
    assert places.fits == {made.digest: fit}
    assert (out / NAME).stat().st_mode & 0o777 == 0o600
    shutil.copytree(out, tmp_path / "copy")
    assert load_places(tmp_path / "copy").videos == ()
    for path in out.rglob("*"):
        if path.is_file() and path.name != NAME:
            for secret in (tmp_path, clips, fitted.store):
                assert str(secret).encode() not in path.read_bytes(), path


def test_the_folders_of_every_command_are_remembered(detect: Detect, tmp_path: Path) -> None:
    for name in ("a/v.mp4", "b/w.mp4"):
        (tmp_path / name).parent.mkdir()
        shortest(tmp_path / name, 3 + len(name))
    save(fake_backbone.constant_probe(), tmp_path / "p.safetensors")
    for given in (("a",), ("a", "b"), ("a",)):
        assert detect(*given, "-p", "p.safetensors", "-o", "out", *FAKE).code == 0
    kept = dict.fromkeys(load_places(tmp_path / "out").videos)
    # `detect` gives `v.mp4` too, so that its folder is the one of that file.
    assert (str(tmp_path / "a"), "a", True) in kept
    assert (str(tmp_path / "b"), "b", True) in kept
    assert (str(tmp_path), "", False) in kept
    assert len(kept) == len(load_places(tmp_path / "out").videos) == 3
