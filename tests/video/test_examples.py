"""The examples in the docstrings of `hiprobe.video` give what they say."""

from __future__ import annotations

import doctest

import pytest

from hiprobe import video

PUBLIC = [name for name in video.__all__ if callable(getattr(video, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_of_a_public_name_runs(name: str) -> None:
    tests = doctest.DocTestFinder(recurse=False).find(getattr(video, name), name)
    assert any(test.examples for test in tests), f"video.{name} has no example"
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.summarize().failed == 0
