"""The validated configuration, and how a stage is run."""

import json
import shlex
import sys
from pathlib import Path

import pandas as pd

HERE = Path(workflow.basedir)  # of the root Snakefile, or of workflow/Snakefile with -s
ROOT = HERE if (HERE / "workflow").is_dir() else HERE.parent
sys.path.insert(0, str(ROOT / "src"))

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import Paramspace

from spikesieve.baseline_settings import settings_of_method
from spikesieve.code_digest import code_digest
from spikesieve.config import read_config
from spikesieve.errors import ConfigError
from spikesieve.method_names import ALL_NAMES, DEEP, base_name
from spikesieve.model_settings import model_settings
from spikesieve.sae.names import TRIED
from spikesieve.widths import whole_multiple, width_text

try:
    CONFIG = read_config(config, ROOT / "workflow" / "schemas")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RECORDINGS = list(CONFIG.recordings)
CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
ENV = "../../envs/main.yaml"


def python_of(environment):
    """Return the interpreter a stage runs with: conda's, where conda is asked for."""
    if CONDA:
        return "python"
    return sys.executable if environment == "main" else ".venv-allensdk/bin/python"


# Shell lines read "stage LOG SCRIPT ARGUMENTS". Everything that the script prints lands in
# the rule's log, and on failure the end of it is shown as well. Kept out of the rules' own
# commands because it names paths of this machine, which must not make results look outdated.
STAGE = (
    f"""set -euo pipefail
export PYTHONPATH={shlex.quote(str(ROOT / "src"))} PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE
python_main={shlex.quote(python_of("main"))}
python_allensdk={shlex.quote(python_of("allensdk"))}
scripts={shlex.quote(str(ROOT / "workflow" / "scripts"))}
"""
    + """
stage() {
    local log=$1 script=$2; shift 2
    "${stage_python:-$python_main}" "$scripts/$script" "$@" > "$log" 2>&1 && return
    local code=$?
    tail -n 20 "$log" >&2
    return $code
}
"""
)
shell.prefix(STAGE.replace("{", "{{").replace("}", "}}"))  # Snakemake formats it once


def code(script):
    """Return the digest of a stage's logic, for its params: an edit there reruns the stage."""
    return code_digest(ROOT / "workflow" / "scripts" / script, ROOT / "src")


def canonical(value):
    """Return ``value`` as JSON with sorted keys, since Snakemake compares params as text."""
    return json.dumps(value, sort_keys=True)


def of_source(*sources):
    """Return the wildcard constraint that admits the recordings of these sources only."""
    ids = [i for i, row in CONFIG.recordings.items() if row["source"] in sources]
    return "|".join(map(re.escape, ids)) or "(?!)"


def row_of(wildcards):
    """Return the row of the sheet of the recording that a job is about."""
    return CONFIG.recordings[wildcards.recording]


def setting(section, key=None):
    """Return an input function of a recording's own settings: a word as it is, else as JSON."""

    def value(wildcards):
        values = CONFIG.of(wildcards.recording)[section]
        chosen = values if key is None else values[key]
        return chosen if isinstance(chosen, str) else canonical(chosen)

    return value


def has_spikes(recording):
    """Say whether a recording has spike times; a counts source has none."""
    return CONFIG.recordings[recording]["source"] != "counts"


def bin_width(recording):
    """Return the width in ms that the learners of a recording see, as it stands in paths."""
    return width_text(CONFIG.of(recording)["counts"]["bin_ms"])


def table(name):
    """Return the path pattern of one of a recording's tables."""
    return f"results/recordings/{{recording}}/{name}.parquet"


wildcard_constraints:
    recording="|".join(map(re.escape, RECORDINGS)),
    bin_ms=r"[0-9]+(\.[0-9]+)?",
    seed=r"[0-9]+",
    figure=r"[a-z_]+",
    # Controls of both stand side by side: what is the name of a method is no model.
    model=rf"(?!(?:{'|'.join(ALL_NAMES)})/)[a-z][a-z0-9_]*",
    method="|".join(ALL_NAMES),
    null="shifted|poisson|random",
    n_latents=r"[0-9]+",


localrules:
    all,
    default,
