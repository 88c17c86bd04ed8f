"""Timing against other packages: turns, absent peers, the tables."""

import sys
from pathlib import Path

import numpy as np

from spikesieve.figures.sae_speed import draw_sae_speed, sae_speed_table
from spikesieve.sae.benchmark import PEERS, Work, compare_peers, measure_growth

SMALL = Work(n_units=10, levels=((8, 2), (16, 3)), batch_size=64, n_instances=2)
SLEEPER = """
import json, sys, time
if sys.argv[1] == "sae-lens":
    sys.exit("no such package")
print("ready", flush=True)
for _ in sys.stdin:
    time.sleep(0.02 * json.loads(sys.argv[2])["n_steps"])
    print("done", flush=True)
"""


def test_peers_take_turns_with_ours(tmp_path):
    """A peer of known duration is measured as such; one that fails is reported absent."""
    driver = tmp_path / "driver.py"
    driver.write_text(SLEEPER)
    table = compare_peers(
        [SMALL], Path(sys.executable), driver, n_bins=300, rounds=2, peer_steps=3, n_threads=1
    ).set_index("other")
    assert list(table.index) == [*PEERS]
    assert 0.02 <= table.loc["nldisco step", "other_min_s"] < 0.2
    present = table.drop("sae-lens")
    expected = present["other_s"] / present["ours_s"]
    np.testing.assert_allclose(present["ratio"], expected, rtol=0.05, atol=0.1)
    assert np.isnan(table.loc["sae-lens", "ratio"])
    assert "absent" in table.loc["sae-lens", "note"]


def test_without_an_environment_ours_is_timed_alone(tmp_path):
    """All peers are absent; the figure says so, and draws the growth."""
    table = compare_peers([SMALL], None, tmp_path, n_bins=300, rounds=1)
    assert (table["ours_s"] > 0).all()
    assert table["other_s"].isna().all()
    assert table["note"].str.contains("--peers-python").all()
    works = {"units": {5: SMALL._replace(n_units=5), 10: SMALL}, "batch": {64: SMALL}}
    growth = measure_growth(works, n_bins=300, rounds=1)
    assert growth[["axis", "value"]].to_numpy().tolist() == [
        ["units", 5],
        ["units", 10],
        ["batch", 64],
    ]
    drawn = sae_speed_table(table, growth)
    assert (drawn["label"] == "absent").sum() == len(PEERS)
    assert len(draw_sae_speed(drawn).subfigs) == 2
