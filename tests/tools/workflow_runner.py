"""Run the workflow in a copy of the project, as a user would, and say what it did."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "config", "envs", "requirements.lock", "pyproject.toml")

#: One small recording with everything planted, two models, one control and a sweep.
TINY = {
    "simulations": {
        "tiny": {
            "kind": "features",
            "duration_s": 60,
            "n_units": 8,
            "n_features": 4,
            "units_per_feature": [2, 4],
        }
    },
    "recordings": [{"recording": "tiny", "source": "simulated", "path": "tiny"}],
    "counts": {"extra_bin_ms": [100]},
    "baselines": {"methods": ["mean", "pca"], "n_components": 4},
    # The first model leaves width and k to the sweep and is read by explaining away.
    "sae": {
        "n_seeds": 2,
        "nulls": ["shifted"],
        "n_steps": 50,
        "batch_size": 128,
        "smoothing": 0.0,
        "masked_share": 0.0,
        "models": {
            "default": {},
            "mini": {
                "levels": [[8, 2], [32, 4]],
                "n_latents": 32,
                "k": 4,
                "normalisation": "max_recording",
                "loss": "msle",
                "output_activation": "relu",
                "readout": "encoder",
                "min_stability": 0.0,
                "n_instances": 1,
            },
        },
    },
    "sweep": {"n_latents": [16], "k": [2, 3], "smoothing": [0.0], "n_steps": 30},
}


def copy_project(folder: Path, config: dict) -> Path:
    """Copy what git tracks of the workflow into ``folder``, with ``config`` as its own."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    write_config(folder, config)
    return folder


def write_config(folder: Path, config: dict) -> None:
    """Make ``config`` the project's only configuration."""
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run snakemake on two cores in ``folder``; its output is in ``stdout``."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE")}
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1500,
        check=False,
    )
    if check and result.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{result.stdout}")
    return result


def wanted(folder: Path, *arguments: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run wants; targets that only collect left out."""
    text = snakemake(folder, "--dry-run", *arguments).stdout
    if "Nothing to be done" in text:
        return {}
    table = text.partition("Job stats:")[2].partition("\n\n")[0]
    counts = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    assert counts.pop("total") == sum(counts.values()), text
    return {rule: n for rule, n in counts.items() if rule not in ("all", "default")}


def nothing_to_do(folder: Path) -> bool:
    """Say whether a run (not a dry one) finds everything up to date."""
    return "Nothing to be done" in snakemake(folder).stdout
