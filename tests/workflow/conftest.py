"""A project that has run once, shared by the tests that change something in a copy of it."""

import shutil

import pytest
from workflow_runner import TINY, copy_project, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return a project, in a path with a space, whose tiny configuration has run to its end."""
    folder = copy_project(tmp_path_factory.mktemp("a project") / "spike sieve", TINY)
    snakemake(folder)
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """Return a copy of the finished project that a test may change; times of files are kept."""
    folder = tmp_path / "spike sieve"
    shutil.copytree(finished, folder, copy_function=shutil.copy2)
    return folder
