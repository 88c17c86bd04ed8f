"""Simulated recordings: rates, refractoriness, ties and the units that the filter must drop."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spikeinterface.metrics.quality.misc_metrics import isi_violations

from spikesieve.errors import InputError
from spikesieve.ingest.simulated import (
    derived_seed,
    read_truth,
    simulate,
    write_simulation,
)
from spikesieve.ingest.simulated_features import simulate_features
from spikesieve.ingest.simulated_retina import simulate_retina
from spikesieve.ingest.simulated_spiking import (
    SAMPLING_RATE_HZ,
    dead_ticks,
    draw_events,
    draw_train,
)
from spikesieve.recording import read_recording_json, read_table
from spikesieve.spikes import read_spikes

TINY = {"duration_s": 60, "n_units": 8}
TINY_FEATURES = {"kind": "features", "n_features": 4, **TINY}
TINY_RETINA = {"kind": "retina", **TINY}


@pytest.fixture(scope="module")
def features():
    return simulate_features(seed=1, duration_s=600, n_units=30, n_features=12)


@pytest.fixture(scope="module")
def retina():
    return simulate_retina(seed=1, duration_s=200, n_units=8)


def trains(simulation):
    """Return the role, ticks and planted mean rate of each unit."""
    truth, (time_s, unit_id) = simulation.truth, simulation.spikes
    assert np.array_equal(truth["unit_id"], simulation.units["unit_id"])
    columns = (truth["unit_id"], truth["role"], truth["expected_rate_hz"])
    return [
        (role, time_s[unit_id == unit], rate) for unit, role, rate in zip(*columns, strict=True)
    ]


def spike_counts(simulation, unit, width_s, n_bins):
    """Return the spikes of one unit in bins of ``width_s``."""
    time_s = simulation.spikes.time_s[simulation.spikes.unit_id == unit]
    return np.bincount((time_s / width_s + 1e-9).astype(int), minlength=n_bins)[:n_bins]


# Spiking


@pytest.mark.parametrize("refractory_ms", [0, 2.5])
def test_the_rate_is_exact_even_where_it_jumps(refractory_ms):
    """Averaged over 40,000 repeats, every millisecond has its planted rate, after jumps too."""
    pattern = np.repeat([10.0, 150.0, 40.0, 0.0, 190.0], 4)
    n_repeats, dead = 40_000, dead_ticks(refractory_ms)
    rate_hz = np.tile(pattern, n_repeats)
    rng = np.random.default_rng(0)
    ticks = draw_train(rate_hz, 30, dead, 30 * len(rate_hz), rng)
    per_step = np.bincount(ticks // 30 % len(pattern), minlength=len(pattern))
    expected = pattern * 0.001 * n_repeats
    assert np.abs(per_step - expected).max() < 4.5 * np.sqrt(expected.max())
    assert per_step[pattern == 0].sum() == 0
    assert np.diff(ticks).min() >= dead


def test_events_of_several_lengths_keep_their_rate_and_never_overlap():
    rng = np.random.default_rng(0)
    occupied = np.array([60, 90, 400])
    events = draw_events(np.full(1_000_000, 60.0), 30, occupied, rng)
    assert len(events.tick) == pytest.approx(60 * 1000, rel=0.02)
    assert np.all(np.diff(events.tick) >= occupied[events.shape[:-1]])
    # Long events must not be rarer: lengths don't decide which candidates survive.
    assert np.bincount(events.shape) / len(events.shape) == pytest.approx([1 / 3] * 3, abs=0.01)


def test_rates_that_cannot_be_followed_are_refused():
    with pytest.raises(ValueError, match="of the time at the peak"):
        draw_events(np.full(10, 300.0), 30, np.array([76]), np.random.default_rng(0))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    kind=st.sampled_from(["features", "retina"]),
    refractory_ms=st.sampled_from([0.0, 0.7, 1.5, 2.0, 2.5, 4.0]),
    duration_s=st.floats(20, 40),
)
def test_spikes_are_in_order_in_range_and_refractory(seed, kind, refractory_ms, duration_s):
    few = {"n_features": 3, "n_units": 3} if kind == "features" else {"n_units": 3}
    given_settings = {"kind": kind, "refractory_ms": refractory_ms, "duration_s": duration_s, **few}
    simulation = simulate(given_settings, seed=seed)
    time_s = simulation.spikes.time_s
    assert np.all(np.diff(time_s) >= 0)
    assert time_s[0] >= 0
    assert time_s[-1] < duration_s
    assert np.array_equal(np.rint(time_s * SAMPLING_RATE_HZ) / SAMPLING_RATE_HZ, time_s)
    for role, train, _ in trains(simulation):
        if len(train) > 1 and role != "contaminated":
            assert np.diff(train).min() > refractory_ms / 1000


# What the unit filter must see


@pytest.mark.parametrize("name", ["features", "retina"])
def test_each_default_criterion_drops_its_units_and_no_other(name, request):
    simulation = request.getfixturevalue(name)
    seen = []
    for (role, train, _), label in zip(
        trains(simulation), simulation.units["quality"], strict=True
    ):
        ratio = isi_violations([train], simulation.duration_s, isi_threshold_s=0.002)[0]
        failed = {
            "label": label != "good",
            "isi": ratio > 0.1,
            "rate": len(train) / simulation.duration_s < 0.5,
        }
        reasons = {"contaminated": "isi", "silent": "rate", "mua": "label", "noise": "label"}
        assert [k for k, bad in failed.items() if bad] == (
            [] if role == "good" else [reasons[role]]
        )
        assert role != "contaminated" or ratio > 0.2
        seen.append(role)
    assert set(seen) == {"good", "contaminated", "silent", "mua", "noise"}


@pytest.mark.parametrize("name", ["features", "retina"])
def test_units_fire_at_their_planted_rates(name, request):
    simulation = request.getfixturevalue(name)
    for _, train, rate in trains(simulation):
        expected = rate * simulation.duration_s
        assert abs(len(train) - expected) < 6 * np.sqrt(expected) + 1
    good = [len(t) for role, t, _ in trains(simulation) if role == "good"]
    assert np.mean(good) / simulation.duration_s == pytest.approx(8, rel=0.05)


def test_retina_rates_and_commonest_interval_are_those_of_ganglion_cells(retina):
    good = [t for role, t, _ in trains(retina) if role == "good"]
    assert all(1 < len(t) / retina.duration_s < 19 for t in good)
    interval_ms = np.concatenate([np.diff(t) for t in good]) * 1000
    counts, edges = np.histogram(interval_ms, np.arange(0, 100, 0.25))
    assert 2 <= edges[counts.argmax()] < 3


def test_a_short_dead_time_is_pointed_out():
    assert simulate_retina(seed=0, **TINY).notes == ()
    (note,) = simulate_retina(seed=0, refractory_ms=1.5, **TINY).notes
    assert "may fail the unit filter" in note


# Planted features


def test_counts_follow_the_planted_sum_of_features(features):
    truth = features.truth
    n_bins = len(truth["activation"])
    assert n_bins == 12000
    rate = truth["base_rate_hz"] + truth["activation"] @ truth["loading"]
    rate = np.minimum(rate, truth["max_rate_hz"])
    for i in np.flatnonzero(truth["role"] == "good"):
        counts = spike_counts(features, truth["unit_id"][i], 0.05, n_bins)
        for low, high in [(0, 0.5), (0.5, 0.9), (0.9, 1)]:
            bounds = np.quantile(rate[:, i], [low, high])
            rows = (rate[:, i] >= bounds[0]) & (rate[:, i] <= bounds[1])
            expected = rate[rows, i].sum() * 0.05
            assert abs(counts[rows].sum() - expected) < 5 * np.sqrt(expected)


def test_features_are_sparse_bursty_and_drive_a_few_good_units(features):
    truth = features.truth
    on = truth["activation"] > 0
    assert truth["activation"].dtype == np.float32
    assert np.all((on.mean(axis=0) > 0.002) & (on.mean(axis=0) < 0.2))
    assert truth["activation"][on].mean() == pytest.approx(1, abs=0.05)
    bouts = np.diff(on.astype(int), axis=0, prepend=0).clip(0).sum(axis=0)
    assert np.all((on.sum(axis=0) / bouts > 2) & (on.sum(axis=0) / bouts < 20))
    driven = truth["loading"] > 0
    assert np.all((driven.sum(axis=1) >= 4) & (driven.sum(axis=1) <= 10))
    assert not driven[:, truth["role"] != "good"].any()


def test_tied_features_are_on_exactly_while_their_condition_is_shown(features):
    truth, intervals = features.truth, features.intervals
    tied = np.flatnonzero(np.isin(truth["tied_name"], ["grating", "image"]))
    assert len(tied) == 4
    middle = (np.arange(len(truth["activation"])) + 0.5) * 0.05
    for i in tied:
        rows = intervals[intervals["name"] == truth["tied_name"][i]]
        rows = rows[rows[truth["tied_column"][i]] == truth["tied_value"][i]]
        assert len(rows) >= 2
        shown = np.zeros(len(middle), dtype=bool)
        for start, stop in zip(rows["start_s"], rows["stop_s"], strict=True):
            shown |= (start <= middle) & (middle < stop)
        assert np.array_equal(shown, truth["activation"][:, i] > 0)


def test_presentations_of_one_stimulus_do_not_overlap_and_a_control_drives_nothing(features):
    for name, column in [("grating", "orientation"), ("image", "frame")]:
        rows = features.intervals[features.intervals["name"] == name]
        assert np.all(rows["start_s"].to_numpy()[1:] >= rows["stop_s"].to_numpy()[:-1])
        tied = features.truth["tied_value"][features.truth["tied_name"] == name]
        assert len(set(rows[column]) - set(tied)) == 1


def test_the_animal_runs_while_the_running_feature_is_on(features):
    (feature,) = np.flatnonzero(features.truth["tied_name"] == "running_speed")
    time_s, speed = features.signals["time_s"].to_numpy(), features.signals["value"].to_numpy()
    assert 20 <= 1 / np.diff(time_s).mean() <= 60
    on = features.truth["activation"][(time_s / 0.05 + 1e-9).astype(int), feature] > 0
    assert speed[on].mean() > 10 > 5 * speed[~on].mean() / 2


def test_one_short_interval_is_invalid_midway(features):
    (row,) = features.intervals[features.intervals["name"] == "invalid"].itertuples()
    assert row.stop_s - row.start_s == pytest.approx(2)
    assert row.start_s == pytest.approx(300, abs=1)


@pytest.mark.parametrize("n_features", [1, 2, 3, 90])
def test_any_number_of_features_works(n_features):
    truth = simulate_features(seed=3, n_features=n_features, duration_s=120, n_units=10).truth
    assert truth["loading"].shape == (n_features, len(truth["unit_id"]))
    tied = (truth["tied_column"] != "").sum()
    assert tied == min(n_features, max(2, n_features // 3))
    assert (truth["tied_name"] == "running_speed").sum() == (n_features > tied)


# Planted retina


def test_retina_spikes_follow_the_planted_rate(retina):
    """Sorted into classes of planted rate, milliseconds hold as many spikes as planted."""
    truth = retina.truth
    rows = np.flatnonzero(truth["role"] == "good")
    rate = truth["rate_hz"][rows]
    assert rate.shape == (len(rows), 200_000)
    counts = [spike_counts(retina, truth["unit_id"][i], 0.001, rate.shape[1]) for i in rows]
    level = np.digitize(rate, [1, 10, 30, 60, 100])
    observed = np.bincount(level.ravel(), np.ravel(counts))
    expected = np.bincount(level.ravel(), rate.ravel() * 0.001)
    assert len(expected) == 6
    assert observed == pytest.approx(expected, rel=0.05, abs=30)


def test_retina_filters_are_what_a_spike_triggered_average_finds(retina):
    """The stimulus is white, so the average light before a spike is the filter, smeared."""
    truth = retina.truth
    step_s = np.arange(truth["rate_hz"].shape[1]) * 0.001 + 0.0005
    shown = np.searchsorted(truth["trigger_s"], step_s, side="right") - 1
    light = np.where(shown[:, None] < 0, 0, 2.0 * truth["pattern"][shown] - 1)
    for i in np.flatnonzero(truth["role"] == "good"):
        counts = spike_counts(retina, truth["unit_id"][i], 0.001, len(light))
        at = np.flatnonzero(counts[400:]) + 400
        average = np.stack([light[at - lag].mean(axis=0) for lag in range(0, 300, 10)], axis=1)
        # A trigger holds for 50 ms, so the average sees the filter through that window.
        window = np.interp(np.arange(-49, 50), [-50, 0, 50], [0, 1, 0])
        seen = [np.convolve(f, window, "same")[::10] for f in truth["filter"][i]]
        assert np.corrcoef(np.ravel(seen), average.ravel())[0, 1] > 0.8


def test_retina_signals_rebuild_the_pattern_by_holding_values(retina):
    truth = retina.truth
    assert np.diff(truth["trigger_s"]).mean() == pytest.approx(0.05, rel=0.001)
    assert 0 < np.diff(truth["trigger_s"]).std() < 0.005
    for channel, wavelength in enumerate([630, 530, 480, 420]):
        rows = retina.signals[retina.signals["name"] == f"led_{wavelength}nm"]
        assert np.all(np.diff(rows["value"]) != 0)
        held = np.searchsorted(rows["time_s"], truth["trigger_s"], side="right") - 1
        assert np.array_equal(rows["value"].to_numpy()[held], truth["pattern"][:, channel])
    (row,) = retina.intervals.itertuples()
    assert (row.name, row.start_s) == ("noise", truth["trigger_s"][0])
    assert truth["trigger_s"][-1] < row.stop_s <= retina.duration_s


# Files


@pytest.mark.parametrize("simulation", [TINY_FEATURES, TINY_RETINA], ids=["features", "retina"])
def test_the_script_writes_a_recording_that_the_contracts_accept(simulation, tmp_path, root):
    command = [sys.executable, str(root / "workflow/scripts/ingest_simulated.py")]
    command += ["--recording", "tiny", "--simulation", json.dumps(simulation), "--seed", "4"]
    environment = {"PYTHONPATH": str(root / "src")}
    subprocess.run([*command, "--folder", str(tmp_path)], check=True, env=environment)
    units = read_table(tmp_path / "sorted_units.parquet", "sorted_units")
    read_table(tmp_path / "intervals.parquet", "intervals")
    assert len(read_table(tmp_path / "signals.parquet", "signals"))
    assert read_recording_json(tmp_path / "recording.json")["duration_s"] == 60
    (spikes,) = read_spikes(tmp_path / "spikes.parquet")
    planted = simulate(simulation, seed=derived_seed(4, "tiny"))
    assert np.array_equal(spikes.time_s, planted.spikes.time_s)
    assert np.array_equal(spikes.unit_id, planted.spikes.unit_id)
    truth = read_truth(tmp_path / "truth.npz")
    assert np.array_equal(truth["unit_id"], units["unit_id"])
    assert set(truth) == set(planted.truth)
    for name, array in truth.items():
        np.testing.assert_array_equal(array, planted.truth[name])


@pytest.mark.parametrize("simulation", [TINY_FEATURES, TINY_RETINA], ids=["features", "retina"])
def test_a_seed_decides_every_byte(simulation, tmp_path):
    for folder, seed in [("a", 7), ("b", 7), ("c", 8)]:
        write_simulation(tmp_path / folder, recording="tiny", settings=simulation, seed=seed)

    def contents(folder):
        return {f.name: f.read_bytes() for f in sorted((tmp_path / folder).iterdir())}

    first, again, other = map(contents, "abc")
    assert first == again
    assert len(first) == 6
    assert not [name for name in ("spikes.parquet", "truth.npz") if first[name] == other[name]]


@pytest.mark.parametrize(
    ("simulation", "problem"),
    [
        ({"kind": "feature"}, "did you mean 'features'"),
        ({"kind": "retina", "n_features": 4}, "'retina' has no key 'n_features'"),
        ({**TINY_FEATURES, "duration_s": 1}, "duration_s is 1"),
        ({**TINY_FEATURES, "duration_s": float("nan")}, "duration_s is nan"),
        ({**TINY_FEATURES, "mean_rate_hz": 500}, "mean_rate_hz is 500.*at this refractory_ms"),
        ({**TINY_RETINA, "mean_rate_hz": 500}, "mean_rate_hz is 500.*at this refractory_ms"),
        ({**TINY_FEATURES, "units_per_feature": [5, 3]}, "units_per_feature is"),
        ({**TINY_FEATURES, "n_features": 0}, "n_features is 0"),
        ({**TINY_RETINA, "n_units": 0}, "n_units is 0"),
        ({**TINY_RETINA, "n_silent": -1}, "n_silent is -1"),
        ({**TINY_RETINA, "refractory_ms": -1}, "refractory_ms is -1"),
    ],
)
def test_impossible_simulations_are_refused_and_nothing_is_written(simulation, problem, tmp_path):
    with pytest.raises(InputError, match=problem) as caught:
        write_simulation(tmp_path / "out", recording="tiny", settings=simulation, seed=0)
    assert "recording 'tiny'" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_damaged_truth_file_is_named(tmp_path):
    write_simulation(tmp_path, recording="tiny", settings=TINY_FEATURES, seed=0)
    whole = (tmp_path / "truth.npz").read_bytes()
    (tmp_path / "truth.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truth.npz"):
        read_truth(tmp_path / "truth.npz")


def test_conditions_of_other_stimuli_are_missing_values(tmp_path):
    write_simulation(tmp_path, recording="tiny", settings=TINY_FEATURES, seed=0)
    intervals = read_table(tmp_path / "intervals.parquet", "intervals")
    assert pd.api.types.is_numeric_dtype(intervals["frame"])
    assert intervals.loc[intervals["name"] == "grating", "frame"].isna().all()
    assert (
        intervals.loc[intervals["name"] == "invalid", ["frame", "orientation"]]
        .isna()
        .all(axis=None)
    )
