"""Fixtures shared by the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and public annotations beside the repository; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: real videos and annotations cannot be read")
    return SHARED_DATA
