"""What the stage that chooses writes beside what it chose."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from spikesieve.recording import write_table


@pytest.mark.parametrize(
    ("bits", "warning"), [(0.2, None), (-0.1, "no trial is better"), (None, "no trial has a score")]
)
def test_a_choice_that_means_nothing_says_so_beside_it(root, tmp_path, bits, warning):
    trial = {"recording": "r", "bin_ms": 50.0, "n_latents": 8, "k": 2, "smoothing": 0.0}
    trial |= {"masked_share": 0.0, "learning_rate": 0.005, "tau": 1.0, "wall_s": 1.0}
    scores = dict.fromkeys(["thinned_bits", "cosmoothing_r2"], 0.1) | {"pattern_bits": bits}
    table = pd.DataFrame([trial | scores]).astype({"pattern_bits": float})
    write_table(tmp_path / "one.parquet", "trials", table)
    script, choice = root / "workflow/scripts/choose_sae.py", tmp_path / "choice.json"
    written = ["--trials", tmp_path / "trials.parquet", "--choice", choice, "--bin-ms", "50"]
    subprocess.run([sys.executable, script, tmp_path / "one.parquet", *written], check=True)
    content = json.loads(choice.read_text())
    assert content["chosen"]["n_latents"] == 8
    if warning is None:
        assert content["warning"] is None
    else:
        assert warning in content["warning"]
        assert "what is chosen means nothing" in content["warning"]
