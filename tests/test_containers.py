"""The files of the containers are valid for the tools that read them; nothing is built here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
COMPOSE = REPOSITORY / "examples" / "compose"
COMPOSE_FILES = ("compose.yaml", "cuda.yaml", "recordings.yaml")
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
OURS = {"hiprobe:local", "hiprobe:cuda"}
TOOLS = Path(sys.executable).parent
SCHEMAS = {
    "compose-spec": [f"examples/compose/{name}" for name in COMPOSE_FILES],
    "github-workflows": [".github/workflows/tests.yml"],
    "github-issue-forms": [
        ".github/ISSUE_TEMPLATE/bug_report.yml",
        ".github/ISSUE_TEMPLATE/feature_request.yml",
    ],
    "citation-file-format": ["CITATION.cff"],
}


def checked(*command: str) -> None:
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((COMPOSE / name).read_text())
    return found


def test_the_dockerfiles_follow_the_rules_of_hadolint() -> None:
    checked("hadolint", *DOCKERFILES)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_follows_its_published_schema(schema: str) -> None:
    checked("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema])


def test_the_dockerfiles_differ_in_their_pytorch_only() -> None:
    cpu, cuda = (
        [line for line in (REPOSITORY / name).read_text().splitlines() if not line.startswith("#")]
        for name in DOCKERFILES
    )
    assert [line for line in cpu if line not in cuda] == [
        "RUN pip install --no-cache-dir --constraint /tmp/constraints.txt torch \\",
        "      --extra-index-url https://download.pytorch.org/whl/cpu",
    ]
    assert [line for line in cuda if line not in cpu] == [
        "RUN pip install --no-cache-dir --constraint /tmp/constraints.txt torch"
    ]


def test_the_image_has_what_the_build_needs() -> None:
    """Every file that is copied is there, and is not left out by `.dockerignore`."""
    text = (REPOSITORY / "Dockerfile").read_text()
    copied = " ".join(re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)).split()
    kept = re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
    assert set(copied) == set(kept)
    assert {"hatch_build.py", "LICENSE", "README.md"} <= set(copied)
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_a_compose_file_pins_its_images_and_names_files_that_exist(name: str) -> None:
    whole = read(name)
    for service in whole["services"].values():
        tag = service["image"].rpartition(":")[2]
        assert service["image"] in OURS or re.fullmatch(r"[\d.]+\d", tag)
        for volume in service.get("volumes", ()):
            source = re.sub(r"^\$\{.*?\}", ".", volume).partition(":")[0]
            known = (COMPOSE / source).exists() if source.startswith(".") else True
            assert known or source == "./probe.safetensors", volume
            assert source.startswith(".") or source in whole["volumes"]
        assert set(service.get("depends_on", ())) <= set(whole["services"])
    build = whole["services"]["hiprobe"]["build"]
    assert (COMPOSE / build.get("context", "../..")).resolve() == REPOSITORY
    assert (REPOSITORY / build["dockerfile"]).is_file()


def test_what_is_mounted_can_be_read() -> None:
    assert "/healthz" in read("compose.yaml")["services"]["hiprobe"]["healthcheck"]["test"][-1]
    for name in ("frigate.yaml", "go2rtc.yaml"):
        yaml.safe_load((COMPOSE / name).read_text())


def test_no_compose_file_has_a_secret_and_every_variable_is_explained() -> None:
    text = "".join((COMPOSE / name).read_text() for name in (*COMPOSE_FILES, "go2rtc.yaml"))
    example = (COMPOSE / "env.example").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    assert asked == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert re.search(r"^HIPROBE_TOKEN=$", example, re.MULTILINE)
    assert not re.search(r"://[^\s/]+:[^\s/]+@", text)
