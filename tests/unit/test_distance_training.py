"""Training: it learns, it goes on bit for bit, and it reports what it says it reports."""

import numpy as np
import pytest
import torch
from distance_samples import SMALL, flicker_bins

from spikesieve.distance import training
from spikesieve.distance.fitting import embedding_table, fit_and_save, fit_network
from spikesieve.distance.settings import make_settings
from spikesieve.distance.states import (
    fingerprint,
    load_network,
    restored,
    save_state,
)
from spikesieve.distance.training import (
    TrainingError,
    first_state,
    learning_rates,
    population_of,
    train,
)
from spikesieve.errors import ContractError, InputError
from spikesieve.recording import read_table

CPU = torch.device("cpu")


def weights(network) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_training_learns_what_drives_the_units():
    bins = flicker_bins(n_bins=20_000)
    settings = SMALL | {"n_steps": 300, "batch_windows": 16, "unit": "token"}
    _, history = fit_network([bins], settings)
    looks = history.dropna(subset=["validation_loss"])
    rate = bins.spikes[:, bins.split == "validation"].mean(axis=1)
    constant = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)).mean()
    assert looks["validation_loss_hazard"].min() < 0.95 * constant
    assert looks["validation_loss_distance"].iloc[-1] < looks["validation_loss_distance"].iloc[0]
    assert history["step"].iloc[-1] == 300


def test_the_result_is_the_best_network_on_validation_bins(monkeypatch):
    bins = flicker_bins()
    s = make_settings(**SMALL | {"n_steps": 30, "validations": 10})
    monkeypatch.setattr(training, "learning_rates", lambda s: np.geomspace(1e-3, 0.5, s.n_steps))
    population = population_of([bins], CPU)
    done = train(first_state(s, population), population, s, keep=lambda state: None)
    windows = training.validation_windows(population, s)
    now = training.validation_losses(done.network, population, s, windows)["validation_loss"]
    looks = [row["validation_loss"] for row in done.rows if "validation_loss" in row]
    assert now == pytest.approx(min(looks), rel=1e-6)
    assert min(looks) < looks[-1]


@pytest.mark.parametrize("unit", ["token", "kernels"])
def test_a_training_cut_off_goes_on_bit_for_bit(tmp_path, unit):
    bins = [flicker_bins(), flicker_bins(n_units=2, seed=1, recording="other")]
    s = make_settings(**SMALL | {"unit": unit})
    population = population_of(bins, CPU)
    whole = train(first_state(s, population), population, s, keep=lambda state: None)

    def cut(state):
        if state.step == 5:
            save_state(tmp_path / "state", state, fingerprint(bins, s))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(first_state(s, population), population, s, keep=cut)
    again = restored(tmp_path / "state", first_state(s, population), fingerprint(bins, s))
    assert again.step == 5
    done = train(again, population, s, keep=lambda state: None)
    assert torch.equal(weights(done.network), weights(whole.network))
    timeless = [
        [{k: v for k, v in r.items() if k != "wall_s"} for r in x.rows] for x in (done, whole)
    ]
    assert timeless[0] == timeless[1]


def test_a_state_of_another_training_is_left_alone(tmp_path):
    bins = [flicker_bins()]
    s = make_settings(**SMALL)
    population = population_of(bins, CPU)
    state = first_state(s, population)
    save_state(tmp_path / "state", state._replace(step=7), fingerprint(bins, s))
    for other in (
        fingerprint(bins, s._replace(n_steps=13)),
        fingerprint([flicker_bins(seed=5)], s),
    ):
        assert restored(tmp_path / "state", first_state(s, population), other).step == 0
    (tmp_path / "state").write_bytes(b"broken")
    with pytest.raises(ContractError, match="delete it to start over"):
        restored(tmp_path / "state", state, "x")


def test_weight_decay_stays_out_of_the_reported_loss():
    """The first step's losses are those of the first weights, whatever the decay."""
    bins = [flicker_bins()]
    _, small = fit_network(bins, SMALL | {"weight_decay": 0.0, "n_steps": 1, "validations": 1})
    _, large = fit_network(bins, SMALL | {"weight_decay": 1e4, "n_steps": 1, "validations": 1})
    columns = [c for c in small if c.startswith("loss")]
    assert len(columns) == 5
    np.testing.assert_array_equal(small[columns], large[columns])
    # While the decay does act: it changes what comes after that step.
    assert small["validation_loss"][0] != large["validation_loss"][0]


def test_the_reported_loss_is_the_weighted_sum_of_its_parts():
    _, history = fit_network([flicker_bins()], SMALL)
    parts = {"distance": 1.0, "variance": 0.3, "hazard": 10.0, "counts": 0.3}
    total = sum(w * history[f"loss_{name}"] for name, w in parts.items())
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)


def test_training_and_evaluation_share_their_losses():
    """Scored as a validation block, the batch of a step costs what the step reported."""
    bins = flicker_bins(n_units=2)
    s = make_settings(**SMALL | {"n_steps": 1, "validations": 1, "divergence": 0.0})
    population = population_of([bins], CPU)
    state = first_state(s, population)
    with torch.no_grad():
        state.network.embedding.log_variance.fill_(-60)  # no noise to speak of
    plan = training._plan([training.window_starts(bins, "train", s.shape, stride=1)], s, 0)
    wanted = training.validation_losses(state.network, population, s, [plan[0][1]])
    row = training._step(state, population, s, 0, *plan[0])
    assert row["loss"] == pytest.approx(wanted["validation_loss"], rel=1e-5)


def test_one_cycle_rises_and_falls():
    rates = learning_rates(make_settings(**SMALL | {"n_steps": 100, "learning_rate": 0.1}))
    assert rates.max() == pytest.approx(0.1, rel=0.01)
    assert rates[0] == pytest.approx(0.004)
    assert rates[-1] < 1e-4
    assert 20 < rates.argmax() < 40
    for n in (1, 2, 3, 10):
        assert np.isfinite(learning_rates(make_settings(**SMALL | {"n_steps": n}))).all()


def test_a_loss_that_is_no_number_stops_the_training():
    bins = flicker_bins()
    bins.stimulus[0, 100:2000] = np.nan
    with pytest.raises(
        TrainingError, match="recording 'flicker'.*loss of step 1 is nan.*NaN or huge"
    ):
        fit_network([bins], SMALL)


def test_recordings_that_do_not_go_together_are_refused():
    one = flicker_bins()
    other = flicker_bins(recording="other")._replace(channels=("led_a", "led_c"))
    with pytest.raises(InputError, match="recording 'other'.*led_c.*distance.stimulus"):
        fit_network([one, other], SMALL)
    slow = flicker_bins(recording="slow")._replace(bin_s=0.002)
    with pytest.raises(InputError, match="recording 'slow'.*bins of 2 ms, but 1 ms"):
        fit_network([one, slow], SMALL)


def test_a_recording_too_short_for_a_window_is_named():
    with pytest.raises(InputError, match="recording 'flicker'.*block of validation has 50 bins"):
        fit_network([flicker_bins(n_bins=200)], SMALL)


def test_a_saved_network_predicts_the_same(tmp_path):
    bins = [flicker_bins(), flicker_bins(n_units=2, seed=1, recording="other")]
    fit_and_save(bins, SMALL, tmp_path, model="small", seed=1, root_seed=0)
    loaded = load_network(tmp_path)
    again, _ = fit_network(bins, SMALL | {"seed": loaded.settings.seed})
    assert torch.equal(weights(loaded.network), weights(again.network))
    assert loaded.units == [
        ("flicker", 1),
        ("flicker", 3),
        ("flicker", 5),
        ("other", 1),
        ("other", 3),
    ]
    assert loaded.settings == again.settings
    embedding = read_table(tmp_path / "unit_embedding.parquet", "unit_embedding")
    assert embedding.shape == (5, 2 + 4)
    assert read_table(tmp_path / "history.parquet", "history")["step"].iloc[-1] == 12


def test_a_damaged_checkpoint_is_refused(tmp_path):
    fit_and_save([flicker_bins()], SMALL, tmp_path, model="small", seed=0, root_seed=0)
    model = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(
        model.replace('"schema_version": 1', '"schema_version": 9')
    )
    with pytest.raises(ContractError, match="schema version 9 is newer"):
        load_network(tmp_path)
    (tmp_path / "model.json").write_text(model.replace('"led_b"', '"led_b", "led_c"'))
    with pytest.raises(ContractError, match="no readable network"):
        load_network(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(ContractError, match="no readable network"):
        load_network(tmp_path)


def test_a_network_without_units_has_no_embedding():
    trained, _ = fit_network([flicker_bins()], SMALL | {"unit": "none"})
    assert list(embedding_table(trained)) == ["recording", "unit_id"]


def test_a_gpu_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch sees no GPU"):
        fit_network([flicker_bins()], SMALL, device="cuda")


@pytest.mark.parametrize("unit", ["token", "none"])
def test_a_network_says_in_which_bin_the_next_spike_comes(unit):
    """A unit that fires every 17 bins: its last spike tells the next, to the bin."""
    bins = flicker_bins(n_units=1, n_bins=6000)
    bins.spikes[:] = 0
    bins.spikes[0, ::17] = 1
    settings = {"unit": unit, "n_steps": 250, "learning_rate": 0.01, "batch_windows": 32}
    trained, _ = fit_network([bins], SMALL | settings)
    s, population = trained.settings, population_of([bins], CPU)
    windows = training.validation_windows(population, s)[0]
    units = population.units(0)
    right, near = [], []
    for batch, said in training.predictions(
        trained.network, population.recorded[0], windows, units, units, s
    ):
        wanted = batch.spikes.argmax(dim=2)[batch.spikes.any(dim=2)]
        found = said.hazard_logit.argmax(dim=2)[batch.spikes.any(dim=2)]
        right.append((wanted == found).float())
        near.append((said.log_distance - batch.distance.log()).abs().mean())
    assert torch.cat(right).mean() > 0.9
    assert torch.stack(near).mean() < 0.4


def test_units_of_each_recording_have_embeddings_of_their_own():
    bins = [flicker_bins(n_units=2), flicker_bins(n_units=2, seed=1, recording="other")]
    s = make_settings(**SMALL | {"n_steps": 20})
    population = population_of(bins, CPU)
    assert [population.units(k).tolist() for k in (0, 1)] == [[0, 1], [2, 3]]
    first = first_state(s, population).network.embedding.mean.detach().clone()
    done = train(first_state(s, population), population, s, keep=lambda state: None)
    moved = (done.network.embedding.mean.detach() - first).abs().mean(dim=1)
    assert (moved > 0.005).all()


def test_a_restored_state_remembers_the_best_network(tmp_path):
    bins = [flicker_bins()]
    s = make_settings(**SMALL)
    population = population_of(bins, CPU)
    state = first_state(s, population)
    best = {k: torch.randn_like(v) for k, v in state.network.state_dict().items()}
    save_state(tmp_path / "s", state._replace(step=5, best=best, best_loss=0.5), "x")
    again = restored(tmp_path / "s", first_state(s, population), "x")
    assert again.best_loss == 0.5
    assert all(torch.equal(again.best[name], value) for name, value in best.items())


def test_the_divergence_draws_embeddings_to_a_standard_normal():
    bins = flicker_bins()
    spread = []
    for weight in (0.0, 100.0):
        trained, _ = fit_network([bins], SMALL | {"n_steps": 60, "divergence": weight})
        spread.append(trained.network.embedding.log_variance.mean().item())
    assert spread[1] > spread[0] + 0.2
