"""Errors that cross to another process keep their class, reason, place and cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiprobe import errors
from hiprobe.errors import HiProbeError
from hiprobe.isolate.crossing import pack_error, unpack_error

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HiProbeError)
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [None, "a/b.mp4", Path("a/b.mp4")])
def test_an_error_comes_back_as_it_was(kind: type[HiProbeError], where: str | Path | None) -> None:
    error = kind("not this one", where=where, cure="another")
    found = unpack_error(json.loads(json.dumps(pack_error(error))))
    assert type(found) is kind
    assert str(found) == str(error)


@pytest.mark.parametrize("name", ["ErrorOfAPlugIn", "one_line", "annotations"])
def test_a_class_that_is_not_ours_becomes_the_common_one(name: str) -> None:
    found = unpack_error([name, "no", None, None])
    assert (type(found), str(found)) == (HiProbeError, "no")
