"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# The shapes and types in signatures are checked in the tests, and only there.
install_import_hook("spikesieve", "shape_checker.check")

# No test asserts on time; in CI the examples are the same at every run.
settings.register_profile("spikesieve", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("spikesieve")

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


@pytest.fixture(scope="session")
def allensdk_python(root) -> str:
    """Return the interpreter of the AllenSDK environment; absent, skip and say so (never in CI)."""
    default = root / ".venv-allensdk" / "bin" / "python"
    python = Path(os.environ.get("SPIKESIEVE_ALLENSDK_PYTHON", default))
    if not python.is_file():
        problem = f"no AllenSDK environment at {python}: run 'make env-allensdk'"
        pytest.fail(problem) if os.environ.get("CI") else pytest.skip(problem)
    return str(python)
