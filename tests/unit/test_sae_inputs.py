"""Batches from counts: scaling, windows that never cross a gap, hidden units, starting points."""

import numpy as np
import pytest
import torch
from sae_samples import loss_pairs, planted
from scipy.optimize import minimize

from spikesieve.counts import NORMALISATIONS, fit_normalisation
from spikesieve.sae.inputs import (
    fit_scalings,
    geometric_median,
    make_data,
    neighbours_of,
    targets,
    windows,
)
from spikesieve.sae.losses import activate
from spikesieve.sae.settings import make_settings

CPU = torch.device("cpu")


def data_of(counts, bins=None, target=None, **settings):
    s = make_settings(n_latents=8, k=2, **settings)
    target = counts if target is None else target
    *scalings, _ = fit_scalings(counts, target, s)
    bins = np.arange(len(counts)) if bins is None else np.array(bins)
    return make_data(counts, target, bins, tuple(scalings), s, CPU), s


def test_neighbours_are_found_by_bin_number():
    found = neighbours_of(np.array([3, 4, 5, 9, 10, 20]), (-1, 0, 1))
    assert found.tolist() == [
        [-1, 0, 1],
        [0, 1, 2],
        [1, 2, -1],
        [-1, 3, 4],
        [3, 4, -1],
        [-1, 5, -1],
    ]
    assert neighbours_of(np.array([3, 4, 5]), (-2, 2)).tolist() == [[-1, 2], [-1, -1], [0, -1]]
    assert neighbours_of(np.array([3, 5]), (-2, 2)).tolist() == [[-1, -1], [-1, -1]]  # 4 is missing


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_neighbours_whatever_the_type_of_the_numbers(kind):
    assert neighbours_of(np.array([0, 1, 7], kind), (-1, 0)).tolist() == [[-1, 0], [0, 1], [-1, 2]]


def test_windows_hold_the_bins_around_and_zeros_where_there_are_none():
    counts = planted(40)[0]
    bins = np.r_[0:10, 13:43]
    data, _ = data_of(counts, bins, seq_len=3, normalisation="max_unit", pre_bias="none")
    found = windows(data, torch.arange(40)[None], None)[0]
    scaled = data.input_scaling.apply(torch.from_numpy(counts))
    for row, tap in ((5, 0), (5, 1), (5, 2), (10, 2), (9, 0)):
        torch.testing.assert_close(found[row, tap], scaled[row + tap - 1])
    for row, tap in ((0, 0), (9, 2), (10, 0), (39, 2)):
        assert not found[row, tap].any()


def test_rows_to_learn_from_have_all_bins_to_reconstruct():
    counts = planted(12)[0]
    bins = np.r_[0:5, 8:15]
    data, s = data_of(counts, bins, seq_len=3, reconstruct=(-1, 1))
    assert data.rows.tolist() == [1, 2, 3, 6, 7, 8, 9, 10]
    found = targets(data, data.rows[None], s)[0]
    scaled = data.target_scaling.apply(torch.from_numpy(counts))
    torch.testing.assert_close(found, torch.cat([scaled[data.rows - 1], scaled[data.rows + 1]], 1))
    assert data_of(counts, bins, seq_len=3)[0].rows.tolist() == list(range(12))


def test_targets_of_another_population_are_theirs():
    counts, other = planted(50)[0], planted(50, n_units=7, seed=1)[0]
    data, s = data_of(counts, target=other)
    rows = torch.tensor([[3, 17]])
    torch.testing.assert_close(
        targets(data, rows, s)[0], data.target_scaling.apply(torch.from_numpy(other[[3, 17]]))
    )


def test_counts_stay_bytes_and_are_held_once():
    counts = planted(50)[0]
    data, _ = data_of(counts)
    assert data.counts.dtype == torch.uint8
    assert data.targets is data.counts
    wide, _ = data_of(counts.astype(np.uint16) * 200)
    assert wide.counts.dtype == torch.float32
    np.testing.assert_array_equal(wide.counts.numpy(), counts * 200.0)


# -- hidden units ----------------------------------------------------------------------------


@pytest.mark.parametrize("seq_len", [1, 3])
def test_a_hidden_unit_shows_nothing_and_the_rest_is_scaled_up(seq_len):
    counts = planted(60)[0]
    data, s = data_of(counts, seq_len=seq_len)
    rows = torch.arange(60)[None]
    hidden = torch.rand(1, 60, 30, generator=torch.Generator().manual_seed(0)) < 0.4
    whole, shown = windows(data, rows, None), windows(data, rows, hidden)
    factor = 30 / (~hidden).sum(dim=2)
    for tap in range(seq_len):
        torch.testing.assert_close(
            shown[:, :, tap], whole[:, :, tap] * ~hidden * factor[:, :, None]
        )
    changed = counts.copy()
    changed[hidden[0].numpy()] += 9
    other = data._replace(counts=torch.from_numpy(changed))
    now = s.offsets.index(0)
    assert torch.equal(windows(other, rows, hidden)[:, :, now], shown[:, :, now])


def test_a_sum_over_units_keeps_its_size_when_units_are_hidden():
    data, _ = data_of(planted(1)[0] + np.uint8(1), normalisation="none", pre_bias="none")
    rows = torch.zeros(1, 20_000, dtype=torch.int64)
    hidden = torch.rand(1, 20_000, 30, generator=torch.Generator().manual_seed(0)) < 0.3
    whole = windows(data, rows[:, :1], None).sum()
    assert windows(data, rows, hidden).sum(dim=3).mean() == pytest.approx(whole.item(), rel=0.01)


def test_one_mask_serves_all_bins_and_all_units_may_be_hidden():
    counts = planted(20)[0]
    data, _ = data_of(counts)
    rows = torch.arange(20).repeat(2, 1)
    mask = torch.arange(30) < 12
    shown = windows(data, rows, mask)
    assert not shown[..., :12].any()
    torch.testing.assert_close(shown[..., 12:], windows(data, rows, None)[..., 12:] * 30 / 18)
    assert not windows(data, rows, torch.ones(30, dtype=torch.bool)).any()


# -- scalings --------------------------------------------------------------------------------


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("pre_bias", ["mean", "geometric_median", "none"])
def test_inputs_have_unit_variance_around_the_pre_bias(normalisation, pre_bias):
    counts = planted(900)[0]
    data, _ = data_of(counts, normalisation=normalisation, pre_bias=pre_bias)
    x = windows(data, torch.arange(900)[None], None)[0, :, 0]
    assert x.var(dim=0).mean() == pytest.approx(1, rel=0.01)
    plain = fit_normalisation(counts, normalisation).apply(counts)
    size = np.sqrt(plain.var(axis=0).mean())
    centre = {
        "mean": plain.mean(axis=0),
        "geometric_median": geometric_median(plain.astype(np.float64)),
        "none": np.zeros(30),
    }[pre_bias]
    np.testing.assert_allclose(x.numpy(), (plain - centre) / size, atol=1e-4)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("loss", ["mse", "poisson_nll"])
def test_targets_turn_back_into_counts(normalisation, loss):
    counts = planted(200)[0]
    activation = "softplus" if loss == "poisson_nll" else "none"
    data, s = data_of(counts, normalisation=normalisation, loss=loss, output_activation=activation)
    scaled = targets(data, torch.arange(200)[None], s)[0]
    np.testing.assert_allclose(data.target_scaling.invert(scaled).numpy(), counts, atol=1e-3)
    if loss == "poisson_nll":
        np.testing.assert_array_equal(scaled.numpy(), counts)
    assert data.target_scaling.invert(torch.full((3, 30), -99.0)).min() == 0


@pytest.mark.parametrize(("loss", "activation", "normalisation"), loss_pairs())
def test_outputs_start_at_the_mean_of_the_target(loss, activation, normalisation):
    counts = planted(400)[0]
    counts[:, 3] = 0
    s = make_settings(
        n_latents=8, k=2, loss=loss, output_activation=activation, normalisation=normalisation
    )
    _, scaling, start = fit_scalings(counts, counts, s)
    mean = scaling.apply(torch.from_numpy(counts)).mean(dim=0)
    torch.testing.assert_close(activate(start, activation), mean, atol=2e-3, rtol=1e-4)
    assert start.isfinite().all()


def test_a_scale_is_finite_where_nothing_varies():
    for value in (0, 3):
        for normalisation in NORMALISATIONS:
            data, _ = data_of(np.full((20, 4), value, np.uint8), normalisation=normalisation)
            x = windows(data, torch.arange(20)[None], None)
            assert x.isfinite().all()
            assert x.abs().max() < 1e-5


# -- geometric median ------------------------------------------------------------------------


def summed_distance(point, x):
    return np.sqrt(np.square(x - point).sum(axis=1)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_geometric_median_is_the_minimum(seed):
    x = np.random.default_rng(seed).gamma(1, 2, (40, 3))
    found = geometric_median(x, n_iterations=500)
    best = minimize(
        summed_distance,
        x.mean(axis=0),
        (x,),
        "Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12},
    )
    np.testing.assert_allclose(found, best.x, atol=1e-3)
    assert summed_distance(found, x) < summed_distance(x.mean(axis=0), x) - 1e-3


def test_geometric_median_resists_busy_bins_and_ties():
    x = np.r_[np.zeros((60, 2)), np.full((40, 2), 100.0)]
    np.testing.assert_allclose(geometric_median(x), 0, atol=1e-3)
    np.testing.assert_array_equal(geometric_median(np.ones((5, 2))), 1)
    line = np.array([[0.0], [1.0], [7.0]])
    np.testing.assert_allclose(geometric_median(line, n_iterations=5000), 1, atol=0.05)
