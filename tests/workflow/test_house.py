"""The house rules that a machine can check."""

import os
import re
import runpy
import subprocess
import sys
import zipfile

import pytest
import yaml
from typer.testing import CliRunner
from workflow_runner import ROOT, TINY, copy_project, snakemake

SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))


def rules():
    """Yield (name, text) of every rule that runs a job of its own (not a mere target)."""
    for path in RULE_FILES:
        blocks = re.split(
            r"^(?:use rule \w+ as |rule )(\w+)(?: with)?:$", path.read_text(), flags=re.MULTILINE
        )[1:]
        for name, text in zip(blocks[::2], blocks[1::2], strict=True):
            if "\n    shell:" in text and "\n    output:" in text:
                yield name, text


#: These two run in the environment of the packages that ours is timed against, which has no CLI
#: library; benchmark_sae.py starts them and is where a user asks for help.
INSIDE = ("benchmark_sae_packages.py", "benchmark_sae_peer.py")
STAGES = [script for script in SCRIPTS if script.name not in INSIDE]


@pytest.mark.parametrize("script", STAGES, ids=lambda p: p.name)
def test_each_stage_explains_itself(script):
    """In one process, since starting each takes seconds."""
    app = runpy.run_path(str(script), run_name="stage")["app"]
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
    docstring = script.read_text().split('"""')[1]
    assert docstring.split()[0] in result.output


def test_a_stage_runs_without_snakemake_from_any_folder(tmp_path):
    command = [sys.executable, STAGES[0], "--help"]
    result = subprocess.run(command, text=True, capture_output=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def test_scripts_and_rule_files_are_small():
    assert [p.name for p in SCRIPTS if len(p.read_text().splitlines()) >= 60] == []
    assert [p.name for p in RULE_FILES if len(p.read_text().splitlines()) >= 250] == []
    assert len((ROOT / "workflow/Snakefile").read_text().splitlines()) < 50


def test_no_two_test_files_share_a_name():
    """Pytest takes the second for the first once Python has cached that one."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(("name", "text"), [*rules()], ids=[name for name, _ in rules()])
def test_each_rule_states_what_it_needs(name, text):
    for directive in ("log:", "threads:", "mem_mb=", "runtime="):
        assert directive in text, directive
    if name != "allensdk_environment":  # it makes the environment that conda would
        assert "conda:" in text
        assert "benchmark:" in text
        assert 'code=code("' in text


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_are_valid(path):
    content = yaml.safe_load(path.read_text())
    assert content["channels"]
    names = [d if isinstance(d, str) else next(iter(d)) for d in content["dependencies"]]
    assert any(n.startswith("python") for n in names)
    pip = next(d for d in content["dependencies"] if isinstance(d, dict))["pip"]
    for line in pip:
        if line.startswith("-r "):
            assert (path.parent / line[3:]).is_file(), line


CONDA = """#!/bin/sh
case "$*" in
    *info*) echo '{"conda_version": "25.1.0", "conda_prefix": "/x", "platform": "linux-64"}' ;;
    *config*) echo '{"get": {"channel_priority": "strict"}}' ;;
    *) echo 25.1.0 ;;
esac
"""


def test_conda_finds_an_environment_for_every_rule(tmp_path, monkeypatch):
    """A dry run with conda asked for opens each rule's file; only conda's version is invented."""
    (tmp_path / "bin").mkdir()
    conda = tmp_path / "bin/conda"
    conda.write_text(CONDA)
    conda.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    project = copy_project(tmp_path / "p", TINY)
    result = snakemake(project, "-n", "--software-deployment-method", "conda")
    assert "Job stats" in result.stdout
    assert "Conda environment envs/main.yaml will be created" in result.stdout
    (project / "envs/main.yaml").unlink()
    broken = snakemake(project, "-n", "--software-deployment-method", "conda", check=False)
    assert broken.returncode != 0


@pytest.mark.parametrize("preset", ["allen", "retina"])
def test_each_preset_gives_a_dry_run(tmp_path, preset):
    project = copy_project(tmp_path / "p", TINY)
    (project / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    text = snakemake(project, "-n", "--configfile", f"config/{preset}.yaml").stdout
    assert re.search(rf"^download_{preset} +\d+$", text, re.MULTILINE)
    assert re.search(r"^figure_overview_of +\d+$", text, re.MULTILINE)


def test_the_report_holds_each_figure_with_its_caption(project):
    snakemake(project, "--report", "results/report.zip")
    with zipfile.ZipFile(project / "results/report.zip") as archive:
        names = archive.namelist()
        page = "".join(
            archive.read(n).decode(errors="replace") for n in names if n.endswith((".html", ".js"))
        )
    drawn = {p.parent.name for p in project.glob("results/figures/*/tiny.png")}
    assert len(drawn) == 14
    for figure in drawn:
        assert f"results/figures/{figure}/tiny.png" in page, figure
    assert sum(n.endswith(".png") for n in names) >= len(drawn)
    assert "results/dashboard/tiny.html" in page
