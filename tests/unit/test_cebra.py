"""CEBRA: pairs that mean what they say, and seeds that mean something."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsRegressor

from spikesieve.baselines.behaviour import Behaviour, read_behaviour
from spikesieve.baselines.cebra import _around, _network, fit_cebra
from spikesieve.baselines.pairs import class_pairs, time_pairs, value_pairs
from spikesieve.baselines.pca import fit_pca
from spikesieve.cosmoothing import cosmooth
from spikesieve.errors import InputError
from spikesieve.recording import CONTRACTS, write_table

torch.set_num_threads(1)

TRAIN, TEST = np.arange(2000), np.arange(2100, 2800)
HOLED = np.r_[np.arange(50), np.arange(60, 100), np.arange(300, 420)]


def track(n_bins=2800):
    """Return counts of 30 units along a track, and the position, to and fro."""
    position = (1 + np.sin(np.arange(n_bins) * 2 * np.pi / 160)) / 2
    centre = np.linspace(0, 1, 30)
    rate = 0.1 + 2 * np.exp(-((position[:, None] - centre) ** 2) / 2 / 0.15**2)
    return np.random.default_rng(0).poisson(rate).astype(np.uint8), position


@pytest.fixture(scope="module")
def counts():
    return track()[0]


@pytest.fixture(scope="module")
def position():
    return track()[1]


@given(st.integers(1, 30), st.integers(0, 5))
def test_bins_of_a_pair_lie_the_offset_apart_in_one_run(offset, seed):
    reference, positive = time_pairs(HOLED, offset)(200, np.random.default_rng(seed))
    assert (positive - reference == offset).all()
    assert (HOLED[positive] - HOLED[reference] == offset).all()


def test_bins_of_a_pair_share_their_class_and_every_one_is_drawn():
    labels = np.random.default_rng(0).integers(-1, 4, 210)
    known = np.flatnonzero(labels >= 0)
    reference, positive = class_pairs(labels, known)(20_000, np.random.default_rng(1))
    np.testing.assert_array_equal(labels[reference], labels[positive])
    assert set(reference) == set(positive) == set(known)


def test_values_of_a_pair_differ_as_values_do_over_time():
    values = np.random.default_rng(0).normal(size=(len(HOLED), 2)).cumsum(axis=0)
    values[40:45, 0] = np.nan
    reference, positive = value_pairs(values, HOLED, 1)(3000, np.random.default_rng(1))
    assert np.isfinite(values[np.r_[reference, positive]]).all()
    # The nearest bin to the reference plus one of the steps: never further than the longest step.
    step = np.abs(np.diff(values, axis=0)[np.diff(HOLED) == 1])
    near = np.abs(values[positive] - values[reference])
    assert np.median(near) < 2 * np.nanmedian(step)
    with pytest.raises(InputError, match="time_offset 200"):
        value_pairs(values, HOLED, 200)


def test_the_network_sees_no_bin_of_another_run():
    model = _network("offset10-model", 3, 8, 2)
    around = _around(model, HOLED)
    run = np.cumsum(np.diff(HOLED, prepend=HOLED[0] - 1) != 1)
    assert (run[around] == run[:, None]).all()
    np.testing.assert_array_equal(around[20], np.arange(15, 25))
    np.testing.assert_array_equal(around[0], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4])


def test_the_same_seed_gives_the_same_latents_and_another_others(counts, position):
    behaviour = Behaviour(["position"], position[:, None], None)
    for told in (None, behaviour):
        short = {"n_components": 3, "n_steps": 8, "batch_size": 64, "behaviour": told}
        fits = [fit_cebra(counts[TRAIN], TRAIN, seed=seed, **short) for seed in (1, 1, 2)]
        a, b, c = (f.transform(counts[TEST], TEST).toarray() for f in fits)
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.1
        np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("told", ["nothing", "values", "classes"])
def test_the_embedding_tells_where_the_animal_is(counts, position, told):
    behaviour = {
        "nothing": None,
        "values": Behaviour(["position"], position[:, None], None),
        "classes": Behaviour(["position"], None, (10 * position).astype(int)),
    }[told]
    settings = {"n_components": 3, "n_steps": 60, "batch_size": 128, "time_offset": 5}
    fitted = fit_cebra(counts[TRAIN], TRAIN, behaviour=behaviour, **settings)
    latents = [fitted.transform(counts[rows], rows).toarray() for rows in (TRAIN, TEST)]
    decoder = KNeighborsRegressor(20).fit(latents[0], position[TRAIN])
    assert decoder.score(latents[1], position[TEST]) > 0.9
    assert fitted.method == ("cebra_time" if told == "nothing" else "cebra_behaviour")
    found = cosmooth(fitted.predict_hidden, counts[TEST], TEST, counts[TRAIN].mean(axis=0))
    assert found.pattern_bits > 0.2
    assert fitted.history["loss"].iloc[-1] < np.log(128) - 0.5


def test_hidden_units_are_not_looked_at_and_labels_of_test_bins_neither(counts, position):
    settings = {"n_components": 3, "n_steps": 5, "batch_size": 64}
    other = position.copy()
    other[TEST] = np.nan
    hidden = np.arange(30) % 4 == 0
    changed = np.where(hidden, 99, counts[TEST]).astype(np.uint8)
    results = []
    for values, seen in ((position, counts[TEST]), (other, changed)):
        told = Behaviour(["position"], values[:, None], None)
        fitted = fit_cebra(counts[TRAIN], TRAIN, behaviour=told, **settings)
        results.append(fitted.predict_hidden(seen, TEST, hidden))
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_the_read_out_reconstructs_what_the_latents_hold(counts, tmp_path):
    """Three numbers on a sphere can't say more of counts than three components of PCA."""
    settings = {"n_components": 3, "n_steps": 40, "batch_size": 128}
    fitted = fit_cebra(counts[TRAIN], TRAIN, **settings)
    latents = fitted.transform(counts[TEST], TEST)
    error = ((fitted.reconstruct(latents) - counts[TEST]) ** 2).mean()
    pca = fit_pca(counts[TRAIN], TRAIN, n_components=3)
    best = ((pca.reconstruct(pca.transform(counts[TEST], TEST)) - counts[TEST]) ** 2).mean()
    assert best < error < counts[TEST].var(axis=0).mean()
    fitted.save(tmp_path, {"method": "cebra_time"})
    assert {p.name for p in tmp_path.iterdir()} == {"network.safetensors", "model.json"}


def conditions(tmp_path, **variables):
    """Write a table of conditions: variable -> (kind, bins, values or labels)."""
    rows = []
    for name, (kind, bins, values) in variables.items():
        value = values if kind != "class" else np.full(len(bins), np.nan)
        label = [str(v) for v in values]
        rows.append(
            pd.DataFrame(
                {"variable": name, "kind": kind, "bin": bins, "value": value, "label": label}
            )
        )
    path = tmp_path / "conditions.parquet"
    write_table(path, "conditions", pd.concat(rows).assign(event=0, order=0))
    return path


def test_behaviour_is_all_values_or_else_the_commonest_class(tmp_path):
    every, few = np.arange(10), np.arange(3)
    path = conditions(
        tmp_path,
        speed=("value", every, np.linspace(0, 1, 10)),
        direction=("angle", every, np.linspace(0, 360, 10)),
        pupil=("value", few, np.arange(3.0)),
        image=("class", few, np.array(["b", "a", "b"])),
    )
    told = read_behaviour(path, 12)
    assert told.variables == ["speed", "direction"]
    assert told.values.shape == (12, 3)
    np.testing.assert_allclose(told.values[0, 1:], told.values[9, 1:], atol=1e-9)
    assert np.isnan(told.values[10:]).all()
    image = read_behaviour(path, 12, ["image"])
    assert image.labels[:4].tolist() == [1, 0, 1, -1]
    with pytest.raises(InputError, match="did you mean 'speed'"):
        read_behaviour(path, 12, ["sped"])
    with pytest.raises(InputError, match="a class goes alone"):
        read_behaviour(path, 12, ["speed", "image"])


def test_half_a_turn_of_an_orientation_is_none(tmp_path):
    angles = np.array([0.0, 90.0, 180.0])
    path = conditions(tmp_path, orientation=("angle", np.arange(3), angles))
    values = read_behaviour(path, 3, angles={"orientation": 180}).values
    np.testing.assert_allclose(values, [[1, 0], [-1, 0], [1, 0]], atol=1e-9)


def test_networks_and_labels_that_are_not_there(counts, tmp_path):
    with pytest.raises(InputError, match="CEBRA: network 'offset11'"):
        fit_cebra(counts[TRAIN], TRAIN, network="offset11")
    empty = pd.DataFrame(columns=[*CONTRACTS["conditions"]])
    write_table(tmp_path / "none.parquet", "conditions", empty)
    with pytest.raises(InputError, match="no variable to tell CEBRA"):
        read_behaviour(tmp_path / "none.parquet", 5)
