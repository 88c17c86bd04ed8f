"""Training: that it learns, instances, history, dead latents, thresholds, early stop."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sae_samples import data_of, loss_pairs, planted, r2, same_parameters, small

from spikesieve.sae import architectures
from spikesieve.sae.inputs import make_data, windows
from spikesieve.sae.settings import make_settings
from spikesieve.sae.training import (
    along_sphere,
    batch_rows,
    calibrate,
    first_state,
    hidden_units,
    history,
    train,
)
from spikesieve.sae.validation import masks, validation_score

CPU = torch.device("cpu")
L1 = {"penalty": "l1", "penalty_weight": 0.02}
COUNTS, _ = planted(2000)
TRAIN, TEST = COUNTS[:1500], COUNTS[1500:]


def trained(s, seeds, counts=TRAIN, validation=None):
    """Train instances stacked along one axis, as on a GPU; return state and thresholds."""
    data, start = data_of(s, counts)
    if validation is not None:
        bins = np.arange(len(validation))
        scalings = data.input_scaling, data.target_scaling
        validation = make_data(validation, validation, bins, scalings, s, CPU)
    n_inputs = data.counts.shape[1] * (s.seq_len if s.window == "full" else 1)
    first = first_state(s, seeds, n_inputs, start, CPU)
    state = train(first, data, s, seeds, validation=validation)
    return state, calibrate(state.parameters, validation or data, s)


# -- that it learns --------------------------------------------------------------------------

LEARNERS = [
    *(("vanilla", p | {"penalty_weight": 0.02}) for p in ({"penalty": "l1"}, {"penalty": "tanh"})),
    ("vanilla", {"penalty": "l1_decoder_norm", "penalty_weight": 0.02}),
    ("gated", L1),
    ("jumprelu", {"penalty": "l0", "penalty_weight": 1.0}),
    ("topk", {}),
    ("batch_topk", {}),
    ("topk", {"decoder_layers": (40,)}),
    ("batch_topk", {"decoder_layers": (40, 30)}),
    ("matryoshka_topk", {"levels": {8: 1, 24: 3}}),
    ("matryoshka_batch_topk", {"levels": [(6, 2), (12, 2), (24, 3)]}),
    ("matryoshka_batch_topk", {"levels": [(12, 2, 0.2), (24, 3, 2.0)], "decoder_layers": (40,)}),
    ("batch_topk", {"optimiser": "nadam"}),
    ("batch_topk", {"optimiser": "lamb", "weight_decay": 1e-4, "learning_rate": 0.03}),
    ("batch_topk", {"optimiser": "adamw", "weight_decay": 1e-4, "schedule": "constant"}),
    ("batch_topk", {"masked_share": 0.3}),
    ("batch_topk", {"precision": "bfloat16"}),
    ("topk", {"precision": "bfloat16", "optimiser": "nadam"}),
]


@pytest.mark.parametrize(("architecture", "changes"), LEARNERS)
def test_new_bins_are_reconstructed_far_better_than_by_the_mean(architecture, changes):
    sae = small(architecture, **changes).fit(TRAIN)
    latents = sae.transform(TEST)
    assert r2(TEST, sae.inverse_transform(latents)) > 0.7
    assert sae.history_["loss"].iloc[-1] < 0.6 * sae.history_["loss"].iloc[0]
    assert all(tensor.dtype == torch.float32 for tensor in sae.parameters_.values())
    if sae.settings.budget_over:
        assert latents.nnz / len(TEST) == pytest.approx(3, rel=0.12)


@pytest.mark.parametrize(("loss", "activation", "normalisation"), loss_pairs())
def test_every_loss_is_learnt(loss, activation, normalisation):
    sae = small(
        "batch_topk", loss=loss, output_activation=activation,
        normalisation=normalisation,
    )  # fmt: skip
    predicted = sae.fit(TRAIN).inverse_transform(sae.transform(TEST))
    assert r2(TEST, predicted) > 0.65
    assert predicted.min() >= 0


def test_poisson_likelihood_of_raw_counts_from_normalised_inputs():
    sae = small("topk", loss="poisson_nll", output_activation="softplus").fit(TRAIN)
    assert sae.settings.normalisation == "sqrt_centred"
    predicted = sae.inverse_transform(sae.transform(TEST))
    assert r2(TEST, predicted) > 0.65
    assert predicted.mean() == pytest.approx(TEST.mean(), rel=0.15)


def test_a_jumprelu_comes_near_the_l0_asked_for():
    for k in (2, 5):
        sae = small("jumprelu", k=k, n_steps=120, penalty="l0", penalty_weight=2.0).fit(TRAIN)
        assert sae.transform(TEST).nnz / len(TEST) == pytest.approx(k, rel=0.25)


@pytest.mark.parametrize("architecture", ["vanilla", "gated"])
def test_a_stronger_penalty_is_sparser(architecture):
    l0 = [
        small(architecture, penalty="l1", penalty_weight=w).fit(TRAIN).transform(TEST)
        for w in (0.005, 0.3)
    ]
    assert l0[1].nnz < 0.6 * l0[0].nnz


@pytest.mark.parametrize("architecture", ["vanilla", "gated", "jumprelu"])
@pytest.mark.parametrize("n_units", [30, 100])
def test_without_being_told_how_few_latents_are_active(architecture, n_units):
    counts, _ = planted(1500, n_units, n_units // 3)
    sae = small(architecture, n_latents=128, n_steps=300).fit(counts[:1200])
    latents = sae.transform(counts[1200:])
    assert 1 < latents.nnz / 300 < 0.25 * 128
    assert r2(counts[1200:], sae.inverse_transform(latents)) > 0.5


def test_masters_stay_float32_and_bfloat16_is_not_float32():
    half, full = (small("topk", precision=p).fit(TRAIN) for p in ("bfloat16", "float32"))
    assert not same_parameters(half, full)
    difference = half.parameters_["decoder"] - full.parameters_["decoder"]
    assert difference.abs().mean() < 0.05
    bits = half.parameters_["decoder"]
    assert (bits != bits.bfloat16().float()).float().mean() > 0.9


def test_a_narrow_level_is_a_dictionary_of_its_own():
    sae = small(levels=[(8, 2), (24, 3)]).fit(TRAIN)
    narrow, whole = sae.transform(TEST, level=0), sae.transform(TEST)
    assert narrow.shape == (500, 8)
    assert narrow.nnz / 500 == pytest.approx(2, rel=0.15)
    scores = [r2(TEST, sae.inverse_transform(z)) for z in (narrow, whole)]
    assert 0.4 < scores[0] < scores[1]
    # A wide dictionary's first latents are no dictionary: nobody asked them to be.
    plain = small("batch_topk").fit(TRAIN)
    cut = plain.transform(TEST).toarray() * (np.arange(24) < 8)
    assert scores[0] > r2(TEST, plain.inverse_transform(cut)) + 0.05


def test_decoder_rows_have_unit_norm_unless_the_penalty_knows_the_norm():
    for name, changes in (("topk", {}), ("vanilla", L1), ("gated", L1)):
        rows = small(name, **changes).fit(TRAIN).parameters_["decoder"]
        torch.testing.assert_close(rows.norm(dim=2), torch.ones(1, 24))
    free = small("vanilla", penalty="l1_decoder_norm", penalty_weight=0.02).fit(TRAIN)
    assert (free.parameters_["decoder"].norm(dim=2) - 1).abs().max() > 0.01


def test_gradient_along_the_sphere_is_orthogonal():
    decoder = torch.nn.functional.normalize(torch.randn(2, 7, 5), dim=2)
    tangent = along_sphere(torch.randn(2, 7, 5), decoder)
    torch.testing.assert_close((tangent * decoder).sum(dim=2), torch.zeros(2, 7))


@pytest.mark.parametrize("seq_len", [1, 3])
def test_the_loss_may_be_about_hidden_units_alone(seq_len):
    chosen = {"masked_share": 0.3, "n_steps": 20, "seq_len": seq_len}
    all_of_them = small("topk", **chosen).fit(TRAIN)
    hidden_ones = small("topk", judge_hidden=True, **chosen).fit(TRAIN)
    assert not same_parameters(all_of_them, hidden_ones)
    assert hidden_ones.history_["loss"].iloc[-1] > all_of_them.history_["loss"].iloc[-1]


# -- randomness ------------------------------------------------------------------------------


def test_an_epoch_takes_each_bin_once_in_an_order_of_its_own():
    s = make_settings(batch_size=250)
    data, _ = data_of(s, TRAIN)
    batches = torch.stack([batch_rows(data, s, [0, 1], step) for step in range(12)])
    first, second = batches[:6], batches[6:]
    for epoch in (first, second):
        for i in (0, 1):
            assert epoch[:, i].flatten().sort().values.tolist() == list(range(1500))
    assert not torch.equal(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(batch_rows(data, s, [1], 3)[0], batches[3, 1])


def test_fewer_bins_than_a_batch_are_the_batch():
    s = make_settings(batch_size=9999)
    data, _ = data_of(s, TRAIN)
    assert batch_rows(data, s, [0], 5)[0].sort().values.tolist() == list(range(1500))


def test_hidden_units_are_drawn_anew_for_each_bin_step_and_seed():
    s = make_settings(masked_share=0.3)
    data, _ = data_of(s, TRAIN)
    masks = [hidden_units(data, s, [0, 1], step, 400) for step in (0, 1)]
    assert all(m.shape == (2, 400, 30) for m in masks)
    assert float(masks[0].float().mean()) == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0][0], masks[0][1])
    assert not torch.equal(masks[0][0, 0], masks[0][0, 1])
    assert torch.equal(hidden_units(data, s, [1], 1, 400)[0], masks[1][1])
    assert hidden_units(data, make_settings(), [0], 0, 400) is None


def test_the_same_seed_is_the_same_model():
    first, second, other = (small("batch_topk", seed=s).fit(TRAIN) for s in (3, 3, 4))
    assert same_parameters(first, second)
    same = first.history_.drop(columns="wall_s")
    assert same.equals(second.history_.drop(columns="wall_s"))
    assert not torch.equal(first.parameters_["encoder"], other.parameters_["encoder"])


def test_the_scale_of_counts_does_not_matter():
    one, eight = (
        small("batch_topk", normalisation="none", n_steps=20).fit(TRAIN * np.float32(f))
        for f in (1, 8)
    )
    torch.testing.assert_close(one.parameters_["decoder"], eight.parameters_["decoder"])
    torch.testing.assert_close(one.thresholds_, eight.thresholds_, rtol=1e-4, atol=1e-6)


# -- instances -------------------------------------------------------------------------------

SIDE_BY_SIDE = [
    ("matryoshka_batch_topk", {}),
    ("topk", {"optimiser": "lamb", "learning_rate": 0.02}),
    ("batch_topk", {"optimiser": "nadam", "masked_share": 0.3}),
    ("batch_topk", {"seq_len": 3, "window": "full", "reconstruct": (0, 1)}),
    ("batch_topk", {"seq_len": 3, "decoder_layers": (20,), "dead_after": 3}),
    ("gated", L1),
    ("jumprelu", {"penalty": "l0", "penalty_weight": 1.0}),
]


@pytest.mark.parametrize(("architecture", "changes"), SIDE_BY_SIDE)
def test_instances_are_what_they_would_be_alone(architecture, changes):
    chosen = {"n_steps": 20} | changes
    together = small(architecture, seed=5, n_instances=3, **chosen).fit(TRAIN)
    state, thresholds = trained(together.settings, [5, 6, 7])
    for i in range(3):
        solo = small(architecture, seed=5 + i, **chosen).fit(TRAIN)
        for name, tensor in solo.parameters_.items():
            assert torch.equal(together.parameters_[name][i], tensor[0]), name
            torch.testing.assert_close(
                state.parameters[name][i], tensor[0], rtol=1e-3, atol=1e-4, msg=name
            )
        assert torch.equal(together.thresholds_[i], solo.thresholds_[0])
        torch.testing.assert_close(thresholds[i], solo.thresholds_[0], rtol=1e-3, atol=1e-4)
        alone = solo.history_.drop(columns="wall_s")
        assert together.histories_[i].drop(columns="wall_s").equals(alone)
        stacked = history(state)[i].drop(columns="wall_s")
        np.testing.assert_allclose(stacked.to_numpy(), alone.to_numpy(), rtol=2e-2, atol=1e-3)
        latents = together.transform(TEST, instance=i)
        np.testing.assert_array_equal(latents.toarray(), solo.transform(TEST).toarray())
    assert not torch.equal(state.parameters["encoder"][0], state.parameters["encoder"][1])


def test_instances_stop_each_at_its_own_time():
    changes = {"n_steps": 96, "patience": 1, "validate_every": 8, "k": 6}
    changes |= {"learning_rate": 0.1, "schedule": "constant"}
    few, held_out = TRAIN[:200], TEST[:200]
    s = small("batch_topk", **changes).settings
    state, _ = trained(s, [0, 1, 2], few, held_out)
    lengths = []
    for i in range(3):
        solo = small("batch_topk", seed=i, **changes).fit(few, validation=(held_out, None))
        for name, tensor in solo.parameters_.items():
            torch.testing.assert_close(state.parameters[name][i], tensor[0], rtol=1e-2, atol=1e-3)
        assert history(state)[i]["step"].tolist() == solo.history_["step"].tolist()
        lengths.append(len(solo.history_))
    assert len(set(lengths)) > 1
    assert max(lengths) < 96


def test_threads_of_other_instances_do_not_matter():
    torch.set_num_threads(2)
    try:
        together = small("batch_topk", n_instances=4, n_steps=30, masked_share=0.2).fit(TRAIN)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    for i in (0, 3):
        solo = small("batch_topk", seed=i, n_steps=30, masked_share=0.2).fit(TRAIN)
        torch.testing.assert_close(
            together.parameters_["decoder"][i], solo.parameters_["decoder"][0]
        )


def test_rows_of_history_are_told_as_they_come():
    rows = []
    small(n_instances=2, n_steps=5).fit(TRAIN, log=lambda i, row: rows.append((i, row["step"])))
    assert sorted(rows) == [(i, step) for i in (0, 1) for step in range(5)]


# -- history ---------------------------------------------------------------------------------


def test_history_is_complete():
    sae = small(levels=[(8, 2), (16, 2), (24, 3)], patience=9, validate_every=25)
    table = sae.fit(TRAIN, validation=(TEST, None)).history_
    assert table["step"].tolist() == list(range(60))
    assert set(table) == {
        "step", "loss", "aux_loss", "penalty", "l0", "live_fraction", "gradient_norm",
        "learning_rate", "penalty_weight", "validation_cosmoothing", "wall_s",
        *(f"{what}_level{i}" for what in ("loss", "l0") for i in (1, 2, 3)),
    }  # fmt: skip
    assert table["l0"].between(2.9, 3.0).all()
    assert table["l0_level1"].between(1.9, 2.0).all()
    assert (table["loss_level1"] > table["loss"]).mean() > 0.9
    assert (table["loss_level3"] == table["loss"]).all()
    assert table["loss"].iloc[-1] < 0.6 * table["loss"].iloc[0]
    assert table["wall_s"].is_monotonic_increasing
    assert (table["gradient_norm"] > 0).all()
    seen = table["validation_cosmoothing"].notna()
    assert table["step"][seen].tolist() == [24, 49, 59]
    assert table["learning_rate"].iloc[-1] == pytest.approx(2e-4)


def test_a_penalty_rises_to_its_weight():
    table = (
        small("vanilla", penalty="l1", penalty_weight=0.5, penalty_warmup=0.5).fit(TRAIN).history_
    )
    assert table["penalty_weight"].iloc[0] == pytest.approx(0.5 / 30)
    assert table["penalty_weight"].iloc[30:].tolist() == [0.5] * 30


@pytest.mark.parametrize("n_steps", [224, 226])
def test_history_has_a_hundred_rows_or_two(n_steps):
    table = small("vanilla", n_steps=n_steps).fit(TRAIN[:100]).history_
    assert 100 <= len(table) <= 230
    assert table["step"].iloc[-1] == n_steps - 1


def test_no_step_is_a_random_dictionary_and_one_step_works():
    frozen = small("batch_topk", n_steps=0).fit(TRAIN)
    p = frozen.parameters_
    assert torch.equal(p["encoder"], p["decoder"])
    torch.testing.assert_close(p["decoder"].norm(dim=2), torch.ones(1, 24))
    latents = frozen.transform(TRAIN)
    assert latents.nnz / len(TRAIN) == pytest.approx(3, rel=0.01)
    assert np.isfinite(frozen.inverse_transform(latents)).all()
    assert len(frozen.history_) == 0
    one = small("batch_topk", n_steps=1).fit(TRAIN)
    assert one.history_["step"].tolist() == [0]
    assert not torch.equal(one.parameters_["encoder"], p["encoder"])
    assert one.transform(TEST).nnz > 0


@pytest.mark.parametrize(
    ("chosen", "target"), [({}, TRAIN[:, ::-1].copy()), ({"decoder_layers": [30]}, None)]
)
def test_an_encoder_starts_tied_to_its_own_units_alone(chosen, target):
    """Not to others that are as many, nor to a hidden layer of as many."""
    p = small("batch_topk", n_steps=0, **chosen).fit(TRAIN, target=target).parameters_
    assert p["encoder"].shape == p["decoder"].shape
    r = torch.nn.functional.cosine_similarity(p["encoder"][0], p["decoder"][0])
    assert r.abs().max() < 0.9
    torch.testing.assert_close(p["encoder"].norm(dim=2), torch.ones(1, 24))


# -- dead latents ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [("batch_topk", {}), ("topk", {}), ("batch_topk", {"decoder_layers": (40,)})],
)
def test_dead_latents_come_back(architecture, changes):
    """Codes a hundred times too small never win a place in the budget: only help revives them."""
    live = {}
    for weight in (0.0, 1 / 32):
        s = small(
            architecture,
            k=1,
            n_steps=100,
            dead_after=15,
            aux_weight=weight,
            learning_rate=0.01,
            **changes,
        ).settings
        data, start = data_of(s, TRAIN)
        state = first_state(s, [0], 30, start, CPU)
        state.parameters["encoder"][0, 6:] *= 0.01
        live[weight] = history(train(state, data, s, [0]))[0]["live_fraction"].iloc[-1]
    assert live[0.0] <= 0.5
    assert live[1 / 32] >= 0.75


def test_dead_is_not_to_have_fired_for_so_many_steps():
    s = small("topk", k=1, n_steps=40, dead_after=25, aux_weight=0.0).settings
    data, start = data_of(s, TRAIN)
    state = first_state(s, [0], 30, start, CPU)
    state.parameters["encoder_bias"][0, 6:] = -1000.0
    state = train(state, data, s, [0])
    live = history(state)[0]["live_fraction"]
    assert live[:24].tolist() == [1.0] * 24
    assert live[24:].max() <= 6 / 24
    assert state.idle[0, 6:].tolist() == [40] * 18


# -- thresholds ------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["batch_topk", "matryoshka_batch_topk"])
def test_thresholds_let_k_latents_a_bin_through(architecture):
    levels = {"levels": [(8, 1), (24, 4)]} if "mat" in architecture else {"n_latents": 24, "k": 4}
    sae = small(architecture, **levels).fit(TRAIN, validation=(TEST, None))
    for number, level in enumerate(sae.settings.levels):
        latents = sae.transform(TEST, level=number)
        assert 0.98 * level.k <= latents.nnz / len(TEST) <= level.k  # equal bins may stay out
    on_train = small(architecture, **levels).fit(TRAIN)
    assert 3.92 <= on_train.transform(TRAIN).nnz / len(TRAIN) <= 4
    assert (on_train.thresholds_ != sae.thresholds_).all()
    for name, tensor in sae.parameters_.items():
        assert torch.equal(tensor, on_train.parameters_[name])


WIDE = """
import resource
import numpy as np
from spikesieve.sae import SparseAutoencoder
counts = np.random.default_rng(0).poisson(0.5, (32768, 8)).astype(np.uint8)
sae = SparseAutoencoder("batch_topk", 8192, 8, n_steps=0, device="cpu")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sae.fit(counts)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_the_threshold_of_a_wide_dictionary_takes_little_memory():
    command = [sys.executable, "-c", WIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 800  # MiB; codes of all bins alone are 1024


def test_mostly_silent_bins_are_left_to_the_bias():
    counts = TRAIN.copy()
    counts[:1200] = 0
    sae = small("batch_topk", k=2).fit(counts)
    latents = sae.transform(counts)
    assert latents[:1200].nnz == 0
    assert 0.2 < latents.nnz / 1500 <= 2
    assert np.abs(sae.inverse_transform(latents[:1200])).mean() < 0.1


# -- early stop ------------------------------------------------------------------------------


def test_early_stop_restores_the_best():
    changes = {"k": 8, "n_latents": 48, "schedule": "constant"}
    few, held_out = TRAIN[:120], (TEST, None)
    sae = small("batch_topk", n_steps=400, patience=3, validate_every=10, **changes)
    table = sae.fit(few, validation=held_out).history_
    seen = table["validation_cosmoothing"].dropna()
    best = int(np.argmax(seen))
    assert table["step"].iloc[-1] < 399
    assert len(seen) == best + 1 + 3
    steps = int(table["step"][seen.index[best]]) + 1
    again = small("batch_topk", n_steps=steps, **changes).fit(few, validation=held_out)
    assert same_parameters(sae, again)


def test_without_patience_validation_does_not_stop():
    sae = small("topk", validate_every=5).fit(TRAIN[:100], validation=(TEST, None))
    assert len(sae.history_) == 60
    assert sae.history_["validation_cosmoothing"].isna().all()


def test_validation_score_is_the_r2_of_hidden_units():
    sae = small("topk").fit(TRAIN)
    s = sae.settings
    data = make_data(TEST, TEST, np.arange(500), sae._scalings, s, CPU)
    found = validation_score(sae.parameters_, data, s)
    wrong = varies = 0.0
    for hidden in masks(30):
        assert hidden.sum() == 9
        x = windows(data, torch.arange(500)[None], hidden)[:, :, 0]
        codes = architectures.encode(sae.parameters_, x, s, sae.thresholds_)
        output = architectures.decode(sae.parameters_, codes)[0][:, hidden]
        truth = data.target_scaling.apply(data.counts)[:, hidden]
        wrong += (output - truth).square().sum()
        varies += (truth - truth.mean(dim=0)).square().sum()
    assert found.item() == pytest.approx(1 - (wrong / varies).item(), abs=1e-5)
    frozen = small("topk", n_steps=0).fit(TRAIN)
    assert validation_score(frozen.parameters_, data, s) < found
    assert all(0 < m.sum() < n for n in (2, 3, 50) for m in masks(n))
