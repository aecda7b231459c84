"""`--ray` where Ray is not installed."""

from __future__ import annotations

import sys

import pytest

from hiprobe.backbones import Loading
from hiprobe.cli import _ray
from hiprobe.errors import UsageError


def test_a_run_on_ray_without_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiprobe.scale", None)
    with pytest.raises(UsageError, match=r"hiprobe\[ray\]"):
        _ray.ray_run("local", None, Loading("embedded", None, "auto", "auto"))
