import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.config import read_config
from spikesieve.errors import InputError
from spikesieve.spikes import SpikeTrains
from spikesieve.units import binned_unit_metrics, drop_table, filter_units, unit_metrics

ABOUT = {"recording": "rat", "path": "sorted_units.parquet", "has_spikes": True}


@pytest.fixture(scope="module")
def defaults(root):
    given = {"recordings": [{"recording": "a", "source": "nwb", "path": "results/x"}]}
    return read_config(given, root / "workflow/schemas").settings["units"]


def units_table(n=6, **columns):
    base = {
        "unit_id": np.arange(n, dtype=np.int32),
        "quality": "good",
        "region": "VISp",
        "n_spikes": 1000,
        "firing_rate_hz": 5.0,
        "isi_violations_ratio": 0.01,
        "isi_violations_fraction": 0.001,
        "presence_ratio": 1.0,
    }
    return pd.DataFrame(base | columns)


def test_metrics_are_those_of_the_definitions():
    regular = np.arange(0.5, 100, 1.0)
    doubled = np.sort(np.concatenate([regular, regular + 0.001]))
    half = regular[regular < 50]
    trains = SpikeTrains(
        np.concatenate([regular, doubled, half, [1.0]]),
        np.cumsum([0, len(regular), len(doubled), len(half), 0, 1]),
    )
    metrics = unit_metrics(trains, duration_s=100.0, isi_threshold_ms=2.0)
    assert metrics["n_spikes"].tolist() == [100, 200, 50, 0, 1]
    assert metrics["firing_rate_hz"].tolist() == [1, 2, 0.5, 0, 0.01]
    # ratio = violations * T / (2 N^2 threshold) (Hill et al. 2011, eq. of the false positive rate)
    expected = 100 * 100 / (2 * 200**2 * 0.002)
    assert metrics["isi_violations_ratio"][[0, 1]].tolist() == pytest.approx([0, expected])
    assert metrics["isi_violations_fraction"][1] == pytest.approx(100 / 199)
    assert np.isnan(metrics["isi_violations_ratio"][3])
    assert np.isnan(metrics["isi_violations_fraction"][[3, 4]]).all()
    assert metrics["presence_ratio"].tolist() == pytest.approx([1, 1, 0.5, 0, 0.1])


def test_counts_tell_rate_and_presence_but_no_intervals():
    counts = np.zeros((100, 2), np.uint8)
    counts[:, 0] = 1
    counts[:50, 1] = 2
    metrics = binned_unit_metrics(counts, duration_s=10.0)
    assert metrics["firing_rate_hz"].tolist() == [10, 10]
    assert metrics["presence_ratio"].tolist() == [1, 0.5]
    assert np.isnan(metrics["isi_violations_ratio"]).all()


def test_each_dropped_unit_says_why(defaults):
    units = units_table(
        quality=["good", "mua", "good", "good", "noise", "good"],
        isi_violations_ratio=[0.0, 0.0, 0.5, 0.1, 0.9, np.nan],
        firing_rate_hz=[5, 5, 5, 0.4, 5, 0.5],
    )
    out = filter_units(units, defaults, **ABOUT)
    assert out["dropped_because"].tolist() == [
        "",
        "quality",
        "isi_violations",
        "low_firing_rate",
        "quality, isi_violations",
        "isi_violations",
    ]
    assert out["kept"].tolist() == [True, False, False, False, False, False]
    table = drop_table(out).set_index("criterion")
    assert table.loc["isi_violations"].tolist() == [3, 2]


def test_the_fraction_can_be_chosen(defaults):
    units = units_table(isi_violations_ratio=5.0, isi_violations_fraction=0.05)
    kept = filter_units(units, defaults | {"isi_method": "fraction"}, **ABOUT)
    assert kept["kept"].all()
    assert (kept["isi_violations"] == 0.05).all()


def test_no_unit_left_names_the_toll_of_each_threshold(defaults):
    units = units_table(firing_rate_hz=0.1, quality=["mua"] * 4 + ["good"] * 2)
    with pytest.raises(InputError, match=r"'rat'.*none of 6.*quality.*: 4; .*low_firing_rate.*: 6"):
        filter_units(units, defaults, **ABOUT)


def test_a_criterion_needs_its_column(defaults):
    with pytest.raises(InputError, match="no amplitude_cutoff"):
        filter_units(units_table(), defaults | {"max_amplitude_cutoff": 0.1}, **ABOUT)


def test_counts_are_not_filtered_on_intervals(defaults):
    units = units_table(isi_violations_ratio=np.nan)
    assert filter_units(units, defaults, **(ABOUT | {"has_spikes": False}))["kept"].all()


THRESHOLDS = {
    "max_isi_violations": (1, "isi_violations_ratio"),
    "min_firing_rate_hz": (-1, "firing_rate_hz"),
    "max_firing_rate_hz": (1, "firing_rate_hz"),
    "min_presence_ratio": (-1, "presence_ratio"),
    "max_amplitude_cutoff": (1, "amplitude_cutoff"),
}


@given(
    st.sampled_from(sorted(THRESHOLDS)),
    st.floats(0.01, 10),
    st.floats(1.0, 5),
    st.lists(st.floats(0, 10) | st.just(np.nan), min_size=6, max_size=6),
)
def test_loosening_a_threshold_never_drops_a_unit(root, name, limit, factor, values):
    sign, column = THRESHOLDS[name]
    text = (root / "config/config.yaml").read_text()
    settings = yaml.safe_load(text)["units"]
    units = units_table(**{column: values})

    def kept(threshold):
        try:
            out = filter_units(units.copy(), settings | {name: threshold}, **ABOUT)
        except InputError:
            return np.zeros(6, bool)
        return out["kept"].to_numpy()

    tight, loose = sorted([limit, limit * factor], reverse=sign < 0)
    assert (kept(tight) <= kept(loose)).all()
