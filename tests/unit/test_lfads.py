"""LFADS: windows, the objective's parts, and the Lorenz benchmark at a size for tests."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch.distributions import Normal, kl_divergence

from spikesieve.baselines.lfads.benchmark import lorenz_example, run_lorenz
from spikesieve.baselines.lfads.fitting import fit_lfads
from spikesieve.baselines.lfads.lorenz import _runge_kutta, _velocity, lorenz_trials
from spikesieve.baselines.lfads.network import (
    PRIOR_CORRELATION,
    PRIOR_VARIANCE,
    Lfads,
    _from_normal,
    _from_past,
)
from spikesieve.baselines.lfads.settings import LfadsSettings, lfads_settings
from spikesieve.baselines.lfads.training import hide, show
from spikesieve.baselines.lfads.windows import EMPTY, cut_windows, fill_windows, join_windows
from spikesieve.cosmoothing import cosmooth
from spikesieve.errors import InputError
from spikesieve.fitting import Block

torch.set_num_threads(1)

SMALL = {"window_bins": 20, "overlap_bins": 5, "encoder_size": 24, "generator_size": 24}
RUNS = st.lists(st.integers(1, 30), min_size=1, max_size=4)


def bins_of(lengths):
    """Return bin numbers of runs of these lengths, holes of 7 between them."""
    starts = np.cumsum([0, *[n + 7 for n in lengths[:-1]]])
    return np.concatenate([start + np.arange(n) for start, n in zip(starts, lengths, strict=True)])


@given(RUNS, st.integers(1, 12), st.integers(0, 11))
def test_windows_hold_every_bin_and_cross_no_hole(lengths, length, overlap):
    overlap = min(overlap, length - 1)
    bins = bins_of(lengths)
    windows = cut_windows(bins, length, overlap)
    assert set(windows[windows != EMPTY]) == set(range(len(bins)))
    for window in windows:
        rows = window[window != EMPTY]
        assert (np.diff(bins[rows]) == 1).all()
        assert (window[: len(rows)] == rows).all()  # what is empty is at the end
    longest = max(len(window[window != EMPTY]) for window in windows)
    assert longest == min(length, max(lengths))


@given(RUNS, st.integers(1, 12), st.integers(0, 11))
def test_cutting_and_joining_gives_back_what_was_cut(lengths, length, overlap):
    bins = bins_of(lengths)
    windows = cut_windows(bins, length, min(overlap, length - 1))
    x = np.random.default_rng(0).normal(size=(len(bins), 3)).astype(np.float32)
    joined = join_windows(fill_windows(x, windows), windows, len(bins))
    np.testing.assert_allclose(joined, x, rtol=1e-5, atol=1e-6)


def test_seams_fade_from_one_window_into_the_next():
    windows = cut_windows(np.arange(8), 5, 2)
    assert windows[:, 0].tolist() == [0, 3]
    values = np.stack([np.zeros((5, 1)), np.ones((5, 1))])
    joined = join_windows(values, windows, 8)[:, 0]
    np.testing.assert_allclose(joined, [0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1], rtol=1e-6)


def test_divergences_are_those_of_gaussians():
    mean, variance = torch.randn(5, 3), torch.rand(5, 3) + 0.1
    prior = Normal(0.0, PRIOR_VARIANCE**0.5)
    expected = kl_divergence(Normal(mean, variance.sqrt()), prior)
    torch.testing.assert_close(_from_normal(mean, variance, PRIOR_VARIANCE), expected)
    before = torch.randn(5, 3)
    left = torch.full((5, 3), PRIOR_VARIANCE * (1 - PRIOR_CORRELATION**2))
    expected_input = _from_past(PRIOR_CORRELATION * before, left, before)
    torch.testing.assert_close(expected_input, torch.zeros(5, 3), atol=1e-6, rtol=0)


def test_what_is_left_to_see_is_the_whole_on_average():
    s = LfadsSettings(hidden_entries=0.3, hidden_units=0.2)
    torch.manual_seed(0)
    hidden = hide((400, 10, 30), s)
    share = 1 - (1 - 0.3) * (1 - 0.2)
    assert hidden.float().mean().item() == pytest.approx(share, abs=0.01)
    whole = hidden.all(dim=1).float().mean().item()
    assert whole == pytest.approx(0.2, abs=0.01)
    seen = show(torch.ones(400, 10, 30), hidden, s)
    assert seen.mean().item() == pytest.approx(1, abs=0.02)
    assert (seen[hidden] == 0).all()


@pytest.mark.parametrize("n_inputs", [0, 2])
def test_the_future_of_the_generator_hangs_on_its_start_and_its_inputs(n_inputs):
    """Without a controller the last bin acts on rates by the initial state alone."""
    s = lfads_settings(**SMALL, n_factors=3, n_inputs=n_inputs, dropout=0.0)
    torch.manual_seed(0)
    network = Lfads(6, s).eval()
    x = torch.randn(2, 20, 6)
    out, again = (network(x, sample=False) for _ in range(2))
    torch.testing.assert_close(out.log_rates, again.log_rates)
    assert out.factors.shape == (2, 20, 3)
    assert (out.divergence > 0).all()
    x[:, -1] += 3
    changed = network(x, sample=False)
    assert (changed.log_rates[:, -1] != out.log_rates[:, -1]).any()
    assert hasattr(network, "controller") == bool(n_inputs)


def test_the_lorenz_system_is_solved_and_its_spikes_are_poisson():
    data = lorenz_trials(0, n_conditions=10, n_trials=200, n_bins=20, n_units=8, bin_s=0.02)
    counts, rates = data.counts.astype(float), data.rates
    np.testing.assert_allclose(rates.mean(axis=(0, 1)), 20 * 0.02, rtol=1e-6)
    np.testing.assert_allclose(data.factors.std(axis=(0, 1)), 1, rtol=1e-6)
    spread = ((counts - rates) ** 2).mean() / rates.mean()
    assert spread == pytest.approx(1, abs=0.02)
    again = lorenz_trials(0, n_conditions=10, n_trials=200, n_bins=20, n_units=8, bin_s=0.02)
    np.testing.assert_array_equal(data.counts, again.counts)
    state, step = np.array([[1.0, 2.0, 20.0]]), 1.5 * 0.02 / 4
    solved = solve_ivp(lambda _, s: _velocity(s), (0, 80 * step), state[0], rtol=1e-9, atol=1e-9)
    for _ in range(80):
        state = _runge_kutta(state, step)
    np.testing.assert_allclose(state[0], solved.y[:, -1], atol=1e-2)


def test_lfads_finds_rates_and_coordinates_of_the_lorenz_system():
    """The benchmark (snakemake benchmark_lfads) at a tenth of its size."""
    size = {"n_conditions": 30, "n_trials": 12, "n_bins": 40, "bin_s": 0.025, "mean_rate_hz": 40}
    short = {"n_steps": 300, "batch_size": 48, "learning_rate": 0.02, "hidden_entries": 0.5}
    small = {"n_factors": 6, "encoder_size": 48, "generator_size": 80}
    loose = {"dropout": 0.0, "kl_weight": 0.3}
    fit, scores = run_lorenz(seed=2, data=size, settings=short | small | loose)
    r2 = scores.groupby("what")["r2"].mean()
    assert r2["rate"] > 0.85
    assert r2["coordinate"] > 0.9
    assert r2["rate"] > r2["rate, smoothed counts"] + 0.1
    example = lorenz_example(fit)
    assert set(example["what"]) == {"rate", "coordinate"}
    assert len(example) == 6 * 40
    assert fit.history["validation_loss"].iloc[-1] < fit.history["validation_loss"].iloc[0]


def oscillation(n_bins, seed):
    """Return counts of 20 units that follow a rotation at a steady speed."""
    rng = np.random.default_rng(seed)
    turn = 2 * np.pi * np.arange(n_bins) / 12 + rng.uniform(0, 6)
    preferred = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return rng.poisson(0.5 * np.exp(1.2 * np.cos(turn[:, None] - preferred))).astype(np.uint8)


@pytest.fixture(scope="module")
def counts():
    return oscillation(1500, 0), oscillation(400, 1), oscillation(400, 2)


def fit(counts, seed=0, n_steps=90, **more):
    settings = SMALL | {"n_steps": n_steps, "batch_size": 24, "learning_rate": 0.01} | more
    validation = Block(counts[1], np.arange(2000, 2400))
    bins = np.arange(1500)
    return fit_lfads(counts[0], bins, validation=validation, seed=seed, n_components=4, **settings)


def test_lfads_predicts_hidden_units_of_a_recording(counts):
    fitted = fit(counts)
    bins = np.arange(3000, 3400)
    latents = fitted.transform(counts[2], bins)
    assert latents.shape == (400, 4)
    assert fitted.reconstruct(latents).shape == (400, 20)
    found = cosmooth(fitted.predict_hidden, counts[2], bins, counts[0].mean(axis=0))
    assert found.pattern_bits > 0.1
    hidden = np.arange(20) % 4 == 0
    changed = np.where(hidden, 99, counts[2]).astype(np.uint8)
    a, b = (fitted.predict_hidden(c, bins, hidden) for c in (counts[2], changed))
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_the_same_seed_gives_the_same_network_and_leaves_torchs_alone(counts, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, other = (fit(counts, seed, n_steps=6, n_inputs=1) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    bins = np.arange(400)
    x, y, z = (f.transform(counts[2], bins).toarray() for f in (a, b, other))
    np.testing.assert_array_equal(x, y)
    assert np.abs(x - z).max() > 1e-3
    a.save(tmp_path, {"method": "lfads"})
    assert {p.name for p in tmp_path.iterdir()} == {"network.safetensors", "model.json"}
    assert {"step", "loss", "validation_loss"} <= set(a.history)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_step": 3}, "did you mean 'n_steps'"),
        ({"overlap_bins": 40}, "overlap_bins smaller"),
        ({"dropout": 1.0}, "below 1"),
        ({"n_steps": 0}, "above 0"),
        ({"kl_weight": -1}, "0 or more"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(InputError, match=message):
        lfads_settings(**settings)


def test_too_few_bins_for_a_window(counts):
    with pytest.raises(InputError, match="10 training bins, windows of 20"):
        fit_lfads(counts[0][:10], np.arange(10), **SMALL)
