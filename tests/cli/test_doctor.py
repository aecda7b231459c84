"""`hiprobe doctor`: what it finds on this machine and how it says it."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_commands import run

from hiprobe import backbones, embedded, estimate
from hiprobe.cli import _doctor

__all__ = ["run"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of known speeds, 16 bits 5.6 times slower; the model is measured for a moment."""

    def speeds(device: str, dtype: str, widths: Any = None, **_: Any) -> estimate.Speeds:
        return estimate.Speeds(device, dtype, ((1024, 1e11 if dtype == "float32" else 1e11 / 5.6),))

    real = estimate.measure_model
    decoded = estimate.DecodingSpeed("640x480 at 25 frames a second", 30.0, 2)
    monkeypatch.setattr(estimate, "measured_speeds", speeds)
    monkeypatch.setattr(estimate.here, "measured_speeds", speeds)
    monkeypatch.setattr(estimate, "measure_model", lambda *given: real(*given, seconds=0.01))
    monkeypatch.setattr(estimate, "measure_decoding", lambda *_: decoded)


def unfolded(text: str) -> str:
    """The text on one line: where it breaks depends on the length of a platform's name."""
    return " ".join(text.split())


def test_it_says_what_is_there_and_how_fast_it_is(run: Any) -> None:
    said = run("doctor", "--device", "cpu")
    assert said.code == 0
    for part in ("versions", "machine", "decoders", "missing", "16 bits", "model", "decoding"):
        assert f"\n{part:8}  " in f"\n{said.out}"
    assert f"torch {metadata.version('torch')}" in said.out
    assert "h264, hevc" in said.out
    assert "100e9 operations/s in float32, bfloat16 5.6 times slower; use float32" in unfolded(
        said.out
    )
    assert "embedded on cpu in float32, 8 blocks: about " in unfolded(said.out)
    assert " segments per second" in unfolded(said.out)
    assert "640x480 at 25 frames a second in each of" in unfolded(said.out)
    assert "which share the processors with the model; " in unfolded(said.out)


def test_a_bug_report_is_one_object_without_a_path(run: Any) -> None:
    (facts,) = run("doctor", "--json", "--device", "cpu").objects
    assert set(facts) == {
        "versions",
        "machine",
        "codecs",
        "missing",
        "arithmetic",
        "model",
        "decoding",
    }
    assert facts["codecs"]["h264"] is True
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["memory"] > 1e9
    assert facts["model"]["measured_s"] > 0
    assert facts["model"]["blocks_read"] == 8
    assert facts["decoding"]["segments_s"] > 0
    text = json.dumps(facts)
    assert str(Path.home()) not in text
    assert str(embedded.MODEL) not in text


def test_a_model_of_the_hub_is_estimated_and_not_fetched(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones.Loading, "load", lambda self: pytest.fail("it was loaded"))
    (facts,) = run("doctor", "--json", "--model", "smolvlm2-256m").objects
    assert facts["model"]["name"] == "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"
    assert 30 < facts["model"]["estimated_s"] < 40
    assert "not measured" in _doctor._model_line(facts["model"])
    (facts,) = run("doctor", "--json", "--model", "org/unknown").objects
    assert "doctor fetches nothing" in facts["model"]["error"]


def test_a_model_that_cannot_be_loaded_is_part_of_the_answer(run: Any, tmp_path: Path) -> None:
    said = run("doctor", "--model", tmp_path)
    assert said.code == 0
    assert "has no config.json" in unfolded(said.out)
    for name, message in (
        ("./missing", "missing: there is no such model folder"),
        ("smolvlm2-501m", "did you mean smolvlm2-500m?"),
        ("", "there is no backbone ''"),
    ):
        assert message in unfolded(run("doctor", "--model", name).out)


def test_a_folder_is_named_in_a_bug_report_without_its_path(run: Any, tmp_path: Path) -> None:
    for folder in (tmp_path, embedded.MODEL, tmp_path / "lost"):
        said = run("doctor", "--json", "--model", folder)
        assert said.objects[0]["model"]["name"] == folder.name
        assert str(folder.parent) not in said.out


def test_the_answer_fits_into_a_narrow_terminal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("doctor", "--model", "qwen3-vl-8b").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("          ") for line in lines)  # a long finding continues below


def test_the_slower_of_the_model_and_the_decoders_is_the_limit() -> None:
    facts = {"video": "a video", "segments_s": 30.0, "decoders": 4}
    for measured_s, device, limit in ((0.2, "cpu", "the model"), (0.005, "cuda:0", "decoding")):
        said = _doctor._decoding_line(facts, {"measured_s": measured_s, "device": device})
        assert said.endswith(f"; {limit} is the limit")
        assert ("share" in said) == (device == "cpu")
    assert "limit" not in _doctor._decoding_line(facts, {"error": "it is not here"})


def test_a_busy_machine_gets_no_advice() -> None:
    facts = {"device": "cpu", "float32": 4e10, "bfloat16": 1e11, "busy": True}
    said = _doctor._arithmetic_line(facts)
    assert "2.5 times as fast" in said
    assert "when nothing else runs" in said
    assert "worth trying" in _doctor._arithmetic_line({**facts, "busy": False})


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"fastapi", "ray", "num2words", "extra_thing", "ruff"}
    asked = [
        'fastapi>=0.115; extra == "review"',
        'hiprobe[review]; extra == "live"',
        'pydantic>=2.8; extra == "live"',
        'ray<3,>=2.50; extra == "ray"',
        'hiprobe[ray]; extra == "s3"',
        'extra_thing>=2; extra == "formats"',
        'ruff>=0.11; extra == "dev"',
        "torch>=2.6",
    ]
    monkeypatch.setattr(_doctor, "_version", lambda name: None if name in absent else "1")
    monkeypatch.setattr(metadata, "requires", lambda name: asked)
    found = {one["install"]: one["packages"] for one in _doctor.missing()}
    assert found == {
        "pip install 'hiprobe[review]'": ["fastapi"],
        "pip install 'hiprobe[live]'": ["fastapi"],
        "pip install 'hiprobe[ray]'": ["ray"],
        "pip install 'hiprobe[s3]'": ["ray"],
        "pip install 'hiprobe[formats]'": ["extra_thing"],
        "pip install num2words": ["num2words"],
    }
    about, text = next(_doctor._missing_lines(_doctor.missing()))
    assert about == "missing"
    assert "fastapi, for the pages of hiprobe review" in text


def test_without_an_installed_package_nothing_is_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert _doctor._extras() == []


def test_a_card_is_named_with_its_memory() -> None:
    machine = {
        "processor": "CPU", "cores": 1, "threads": 4, "memory": 64e9, "limits": "", "mps": False,
        "cuda_build": "12.8", "cards": [{"name": "A card", "memory": 24e9, "free": 20e9}],
    }  # fmt: skip
    first, second = _doctor._machine_lines(machine)
    assert first == ("machine", "CPU, 1 core, 4 threads for the model, 64 GB of memory")
    assert second == ("card", "A card, 24 GB, 20 GB free")
    none = list(_doctor._machine_lines({**machine, "cards": []}))
    assert none[1] == ("card", "none: this build of torch finds no GPU")


def test_every_extra_is_for_users_with_its_use_or_for_those_who_work_on_hiprobe() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = set(project["project"]["optional-dependencies"])
    assert extras == set(_doctor.USES) | _doctor.OURS
