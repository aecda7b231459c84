"""The examples in public docstrings of plug-ins and checks are run."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "hiprobe.plugins",
    "hiprobe.backbones",
    "hiprobe.backbones._batching",
    "hiprobe.backbones._explaining",
    "hiprobe.backbones._pixels",
    "hiprobe.checks",
    "hiprobe.checks.backbones",
    "hiprobe.checks.datasets",
    "hiprobe.checks.methods",
    "hiprobe.checks.promises",
    "hiprobe.checks.sinks",
    "hiprobe.datasets",
    "hiprobe.datasets._frames",
    "hiprobe.sinks",
    "hiprobe.sinks.webvtt",
)


@pytest.mark.parametrize("module", MODULES)
def test_its_examples_run(module: str) -> None:
    done = doctest.testmod(importlib.import_module(module), report=True)
    assert done.attempted
    assert not done.failed
