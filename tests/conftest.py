"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real recordings; where it is absent, skip and say so (never in CI)."""
    folder = Path(os.environ.get("SPIKESIEVE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "kilosort").is_dir():
        problem = f"no real recordings in {folder}; set SPIKESIEVE_DATA to their folder"
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    return folder.resolve()
