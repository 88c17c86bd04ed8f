"""What a training leaves when it is cut off or goes wrong, and how it goes on."""

import math
import re

import numpy as np
import pytest
import torch
from sae_samples import data_of, planted, same_parameters, small

from spikesieve.errors import ContractError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.training import TrainingError, first_state, train

COUNTS, _ = planted(2000)
TRAIN, TEST = COUNTS[:1500], COUNTS[1500:]


class Killed(Exception):
    pass


def killer(step):
    def log(instance, row):
        if row["step"] == step:
            raise Killed

    return log


RESUMED = [
    ("matryoshka_batch_topk", {}),
    ("batch_topk", {"masked_share": 0.3, "optimiser": "nadam", "batch_size": 100}),
    ("topk", {"optimiser": "lamb", "n_latents": 100, "k": 1, "dead_after": 12}),
    ("jumprelu", {"penalty": "l0", "penalty_weight": 1.0, "optimiser": "adamw"}),
    ("batch_topk", {"patience": 2, "validate_every": 6, "learning_rate": 0.05}),
    ("batch_topk", {"seq_len": 3, "precision": "bfloat16"}),
]


@pytest.mark.parametrize(("architecture", "changes"), RESUMED)
@pytest.mark.parametrize("step", [17, 32])
def test_a_training_that_was_cut_off_goes_on_bit_for_bit(architecture, changes, step, tmp_path):
    arguments = {"validation": (TEST, None)} if "patience" in changes else {}
    changes = {"n_steps": 36} | changes
    whole = small(architecture, seed=2, **changes).fit(TRAIN, **arguments)
    cut = small(architecture, seed=2, **changes)
    arguments |= {"states": tmp_path, "keep_every_s": 0.0}
    with pytest.raises(Killed):
        cut.fit(TRAIN, log=killer(step), **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["seed2.safetensors"]
    steps = []
    again = small(architecture, seed=2, **changes)
    again.fit(TRAIN, log=lambda i, row: steps.append(row["step"]), **arguments)
    assert steps[0] == step // 16 * 16  # states are kept every 16 steps
    assert same_parameters(again, whole)
    assert again.history_.drop(columns="wall_s").equals(whole.history_.drop(columns="wall_s"))
    assert list(tmp_path.iterdir()) == []


def test_several_instances_go_on_as_well(tmp_path):
    whole = small(n_instances=2, n_steps=30).fit(TRAIN)
    arguments = {"states": tmp_path, "keep_every_s": 0.0}

    def log(instance, row):
        if (instance, row["step"]) == (1, 20):
            raise Killed

    with pytest.raises(Killed):
        small(n_instances=2, n_steps=30).fit(TRAIN, log=log, **arguments)
    rows = []
    again = small(n_instances=2, n_steps=30)
    again.fit(TRAIN, log=lambda i, row: rows.append((i, row["step"])), **arguments)
    assert (1, 15) not in rows
    assert (1, 16) in rows
    assert same_parameters(again, whole)
    assert list(tmp_path.iterdir()) == []


def test_a_training_cut_off_after_it_stopped_early_does_not_start_again(tmp_path, monkeypatch):
    changes = {"patience": 1, "validate_every": 16, "learning_rate": 0.3, "n_steps": 300}
    held_out = {"validation": (TEST, None), "states": tmp_path, "keep_every_s": 0.0}
    whole = small("batch_topk", **changes).fit(TRAIN[:100], **held_out)
    last = int(whole.history_["step"].iloc[-1])
    assert last < 299

    def killed(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("spikesieve.sae.instances.calibrate", killed)
        with pytest.raises(Killed):
            small("batch_topk", **changes).fit(TRAIN[:100], **held_out)
    again = small("batch_topk", **changes).fit(TRAIN[:100], **held_out)
    assert int(again.history_["step"].iloc[-1]) == last
    assert same_parameters(again, whole)


@pytest.mark.parametrize(
    ("changes", "counts", "held_out"),
    [
        ({"learning_rate": 0.019}, TRAIN, TEST),
        ({"n_steps": 25}, TRAIN, TEST),
        ({}, TRAIN[::-1], TEST),
        ({}, TRAIN, TEST[::-1]),
    ],
)
def test_a_state_of_another_training_is_not_used(changes, counts, held_out, tmp_path):
    arguments = {"states": tmp_path, "keep_every_s": 0.0}
    chosen = {"patience": 5, "validate_every": 30, "n_steps": 20}
    with pytest.raises(Killed):
        small(**chosen).fit(TRAIN, validation=(TEST, None), log=killer(17), **arguments)
    steps = []
    small(**chosen | changes).fit(
        counts,
        validation=(held_out, None),
        log=lambda i, row: steps.append(row["step"]),
        **arguments,
    )
    assert steps[0] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        lambda path: path.write_bytes(b"x" * 999),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_state_is_refused(damage, tmp_path):
    arguments = {"states": tmp_path, "keep_every_s": 0.0}
    with pytest.raises(Killed):
        small("topk").fit(TRAIN, log=killer(16), **arguments)
    damage(tmp_path / "seed0.safetensors")
    with pytest.raises(ContractError, match=r"seed0.safetensors.*training state.*delete it"):
        small("topk").fit(TRAIN, **arguments)


def test_no_state_is_kept_before_its_time(tmp_path):
    with pytest.raises(Killed):
        small("topk").fit(TRAIN, log=killer(40), states=tmp_path, keep_every_s=600.0)
    assert list(tmp_path.iterdir()) == []


# -- NaN -------------------------------------------------------------------------------------


def test_nan_names_step_seed_and_cause_and_leaves_a_fitted_model_as_it_was(tmp_path):
    sae = small("batch_topk", n_steps=40, seed=3).fit(TRAIN)
    before = sae.transform(TEST).toarray()
    sae.settings = sae.settings._replace(learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"step [1-9] of 40 \(seed 3\).*learning_rate 1e\+30"):
        sae.fit(TRAIN, states=tmp_path, keep_every_s=0.0)
    np.testing.assert_array_equal(sae.transform(TEST).toarray(), before)
    assert list(tmp_path.iterdir()) == []  # no step was good


#: The penalty rises until it is beyond float32; the steps before are fine.
RISING = {"penalty": "l1", "penalty_weight": 2e38, "penalty_warmup": 1.0, "n_steps": 400}


@pytest.mark.parametrize("readout", ["encoder", "poisson"])
@pytest.mark.parametrize("n_instances", [1, 2])
def test_a_training_that_fails_late_leaves_its_last_good_model(tmp_path, readout, n_instances):
    chosen = RISING | {"schedule": "constant", "readout": readout, "n_instances": n_instances}
    sae = small("vanilla", **chosen)
    with pytest.raises(TrainingError, match=r"lower penalty_weight 2e\+38 \(the likely") as error:
        sae.fit(TRAIN, states=tmp_path)
    assert f"kept in {tmp_path / 'last_good'}: SparseAutoencoder.load" in str(error.value)
    loaded = SparseAutoencoder.load(tmp_path / "last_good", device="cpu")
    assert same_parameters(loaded, sae)
    good = int(re.search(r"at step (\d+)", str(error.value))[1]) // 16 * 16
    assert good - 16 < sae.history_["step"].iloc[-1] < good
    until_then = {"n_steps": good, "penalty_weight": RISING["penalty_weight"] * good / 400}
    again = small("vanilla", **chosen | until_then).fit(TRAIN)
    torch.testing.assert_close(sae.parameters_["decoder"][0], again.parameters_["decoder"][0])
    for i in range(n_instances):
        assert np.isfinite(sae.histories_[i]["loss"]).all()
        latents = sae.transform(TEST, instance=i)
        found = loaded.transform(TEST, instance=i)
        np.testing.assert_array_equal(found.toarray(), latents.toarray())
        assert np.isfinite(sae.inverse_transform(latents, instance=i)).all()
    small("vanilla", n_steps=5).fit(TRAIN, states=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_counts_that_a_loss_cannot_hold_are_blamed_for_it():
    counts = np.ones((20_000, 4), np.float32)
    counts[7] = 1e38
    with pytest.raises(TrainingError, match=r"counts \(the likely cause.*reach 1e\+38"):
        small("topk", n_latents=4, k=2, normalisation="none", n_steps=200).fit(counts)


@pytest.mark.parametrize("n_steps", [40, 33])
def test_weights_that_are_no_numbers_are_noticed_at_once(n_steps, tmp_path):
    """Even those that the last step made, of a loss that was fine."""
    s = small("batch_topk", n_steps=n_steps, optimiser="nadam").settings
    data, start = data_of(s, TRAIN)
    state = first_state(s, [0], 30, start, torch.device("cpu"))
    kept = []
    usual = state.optimiser.step

    def step(gradients, rate):
        usual(gradients, rate)
        if len(steps) == n_steps - 1:
            state.parameters["decoder_bias"].data[0, 3] = math.nan
        steps.append(rate)

    steps = []
    state = state._replace(optimiser=state.optimiser._replace(step=step))
    with pytest.raises(TrainingError, match=f"at step {n_steps - 1} of {n_steps}"):
        train(state, data, s, [0], keep=lambda good: kept.append(good.step))
    assert kept == [16, 32]
