"""What a user sees when something is wrong: before any job, or in the job that fails."""

import json
import shutil

import pytest
from workflow_runner import TINY, copy_project, snakemake

GOOD = {"recording": "good", "source": "simulated", "path": "tiny"}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"unitz": {}}, ["unknown key 'unitz' (did you mean 'units'?)"]),
        (
            {
                "sae": {"kk": 1},
                "recordings": [GOOD | {"recording": "a/b"}, GOOD | {"path": "tinny"}],
            },
            ["'sae.kk' (did you mean 'k'?)", "'a/b' does not match", "(did you mean 'tiny'?)"],
        ),
        ({"recordings": [GOOD | {"recording": "a b; rm -rf $HOME"}]}, ["does not match"]),
        ({"recordings": "config/empty.tsv"}, ["has no row; add a line for each recording"]),
    ],
    ids=["typo", "three mistakes", "harmful id", "empty sheet"],
)
def test_a_wrong_configuration_stops_before_any_job(tmp_path, change, parts):
    project = copy_project(tmp_path / "p", TINY | change)
    (project / "config/empty.tsv").write_text("recording\tsource\tpath\n")
    result = snakemake(project, check=False)
    assert result.returncode != 0
    for part in parts:
        assert part in result.stdout
    assert "Traceback" not in result.stdout
    assert not (project / "results").exists()


def test_a_failing_stage_tells_the_terminal_and_its_log_and_leaves_nothing(tmp_path):
    bad = {"recording": "bad", "source": "nwb", "path": "broken.nwb"}
    project = copy_project(tmp_path / "p", TINY | {"recordings": [bad, GOOD]})
    (project / "broken.nwb").write_bytes(b"")
    targets = [f"results/recordings/{r}/units.parquet" for r in ("bad", "good")]
    result = snakemake(project, "--keep-going", *targets, check=False)
    assert result.returncode != 0
    log = (project / "results/logs/ingest_nwb/bad.log").read_text()
    assert "Traceback" in log
    message = log.strip().splitlines()[-1]
    assert "InputError: recording 'bad'" in message
    assert "broken.nwb" in message
    assert message in result.stdout
    assert [*project.glob("results/recordings/bad/*")] == []
    assert (project / targets[1]).exists()


def test_a_filter_that_nobody_passes_names_each_toll(tmp_path):
    config = TINY | {"units": {"min_firing_rate_hz": 500}}
    result = snakemake(copy_project(tmp_path / "p", config), check=False)
    assert "recording 'tiny'" in result.stdout
    assert "low_firing_rate (at least 500)" in result.stdout


def test_a_damaged_table_is_not_used(project):
    table = project / "results/recordings/tiny/units.parquet"
    table.write_bytes(table.read_bytes()[:-10])
    shutil.rmtree(project / "results/counts")
    result = snakemake(
        project, "results/counts/tiny/50ms.parquet", "--rerun-triggers", "mtime", check=False
    )
    assert result.returncode != 0
    assert "not a readable Parquet file" in result.stdout
    assert "delete it and run again" in result.stdout


def test_what_ingest_decided_is_written_beside_the_recording(finished):
    content = json.loads((finished / "results/recordings/tiny/recording.json").read_text())
    assert content["source"] == "simulated"
    assert content["duration_s"] == 60
