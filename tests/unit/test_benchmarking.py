import subprocess
import sys

import pandas as pd
import pytest

from spikesieve.benchmarking import measure, ratios, take_turns

UNITS = '{"quality": ["good"], "isi_threshold_ms": 2, "isi_method": "ratio", '
UNITS += '"max_isi_violations": 0.1, "min_firing_rate_hz": 0.5, "max_firing_rate_hz": null, '
UNITS += '"min_presence_ratio": null, "max_amplitude_cutoff": null, "regions": null}'
COUNTS = '{"bin_ms": 50, "split": [["train", 7], ["test", 3]], "gap_s": 1}'


def run(root, script, *arguments):
    command = [sys.executable, root / "workflow/scripts" / script, *map(str, arguments)]
    subprocess.run(command, check=True, timeout=300)


def test_contenders_take_turns_after_a_round_to_warm_up():
    calls = []
    medians = take_turns({n: lambda n=n: calls.append(n) for n in "ab"}, repeats=2)
    assert calls == list("ababab")
    assert set(medians) == {"a", "b"}


def test_ratios_say_how_many_times_longer_the_other_takes():
    table = ratios({"ours": 0.5, "slow": 5.0, "fast": 0.25}, "ours", "small")
    assert table["ratio"].tolist() == [10.0, 0.5]


def test_a_childs_memory_is_measured_and_its_failure_raised():
    program = "import time; x = bytearray(200_000_000); time.sleep(0.2)"
    assert 190 < measure([sys.executable, "-c", program]).peak_mb < 300
    with pytest.raises(subprocess.CalledProcessError):
        measure([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_binning_benchmark_compares_the_same_spikes(root, tmp_path):
    options = ["--n-units", 5, "--duration-s", 60, "--repeats", 1]
    run(root, "benchmark_binning.py", tmp_path / "b.csv", *options)
    table = pd.read_csv(tmp_path / "b.csv")
    assert table["other"].tolist() == ["elephant BinnedSpikeTrain", "pynapple count"]
    assert (table["ratio"] > 0).all()


def test_the_large_session_goes_through_the_real_stages(root, tmp_path):
    size = ["--n-units", 20, "--n-spikes", 20_000, "--duration-s", 200]
    settings = ["--units", UNITS, "--counts", COUNTS]
    run(root, "benchmark_allen_size.py", tmp_path / "a.csv", *settings, *size)
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["stage"].tolist() == ["ingest_nwb", "filter_units", "bin_counts"]
    assert (table["peak_mb"] > 50).all()
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
