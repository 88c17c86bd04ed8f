"""A run killed in the middle of a stage, and run again, ends as an undisturbed one does."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from workflow_runner import TINY, copy_project, snakemake

#: Enough to go through every kind of stage: ingest, filter, counts, sweep, training, judgement.
TARGETS = [f"results/sae/tiny/default/{name}.parquet" for name in ("dictionary", "metrics")]


def results_of(folder):
    """Return what the run made: bytes, except where a wall time is part of a table."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = path.relative_to(folder / "results")
        if path.is_dir() or name.parts[0] in ("logs", "benchmarks"):
            continue
        if name.name == "history.parquet" or (
            name.parts[0] == "sweep" and path.suffix == ".parquet"
        ):
            found[str(name)] = pd.read_parquet(path).drop(columns="wall_s").to_csv()
        else:
            found[str(name)] = path.read_bytes()
    return found


def kill_in(folder, log, delay_s, targets=TARGETS):
    """Start a run in a process group of its own; kill the group so long after ``log`` appears."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets]
    run = subprocess.Popen(
        command,
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not [*folder.glob(f"results/logs/{log}")]:
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(delay_s)
    assert run.poll() is None, "the run ended before it could be killed"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


@pytest.mark.parametrize(
    ("log", "delay_s"),  # spread over imports, computing and writing
    [
        ("ingest_simulated/tiny.log", 0.2),
        ("ingest_simulated/tiny.log", 1.5),
        ("bin_counts/tiny/50ms.log", 0.9),
        ("train_sae/tiny/*/seed1.log", 2.5),
    ],
)
def test_a_killed_run_ends_as_an_undisturbed_one(finished, tmp_path, monkeypatch, log, delay_s):
    monkeypatch.setenv("SPIKESIEVE_KEEP_MINUTES", "0")  # the training goes on from its last state
    project = copy_project(tmp_path / "killed", TINY)
    kill_in(project, log, delay_s)
    snakemake(project, "--unlock")
    snakemake(project, "--rerun-incomplete", *TARGETS)
    expected, ended = results_of(finished), results_of(project)
    assert len(ended) > 20
    assert set(ended) <= set(expected)
    assert [name for name in ended if ended[name] != expected[name]] == []
    assert "Nothing to be done" in snakemake(project, *TARGETS).stdout
    assert [*project.glob("results/**/.*")] == []
