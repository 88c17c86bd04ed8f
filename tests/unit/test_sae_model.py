"""The estimator: planted features, windows, hidden units, identity of save and load, bad input."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sae_samples import REFUSED, matched, planted, same_parameters, small

from spikesieve.errors import ContractError, InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.coding import BLOCK_ROWS
from spikesieve.sae.settings import ARCHITECTURES
from spikesieve.sae.sharing import export_model

COUNTS, FEATURES = planted(2000)
TRAIN, TEST = COUNTS[:1500], COUNTS[1500:]
SPARSE = {"vanilla": "l1", "gated": "l1", "jumprelu": "l0"}


def of(architecture, **changes):
    """Return an architecture with the penalty that it needs."""
    name = SPARSE.get(architecture)
    penalty = {"penalty": name, "penalty_weight": 0.02} if name else {}
    return small(architecture, **{"n_steps": 20} | penalty | changes)


@pytest.fixture(scope="module")
def fitted():
    return small("batch_topk").fit(TRAIN)


# -- features and codes ----------------------------------------------------------------------


def test_planted_features_are_found_on_bins_not_trained_on():
    sae = small("batch_topk", n_latents=16, k=2, n_steps=300, learning_rate=0.01).fit(TRAIN)
    latents = sae.transform(TEST).toarray()
    assert np.mean(matched(FEATURES[1500:], latents) > 0.8) >= 0.8
    assert matched(FEATURES[:500], latents).max() < 0.3


def test_codes_are_sparse_float32_never_negative_and_a_latent_wide(fitted):
    latents = fitted.transform(TEST)
    assert latents.shape == (500, 24)
    assert latents.format == "csr"
    assert latents.dtype == np.float32
    assert latents.data.min() > 0
    assert latents.nnz / 500 == pytest.approx(3, rel=0.1)


def test_reconstruction_is_decoder_times_latents_plus_bias_in_counts(fitted):
    latents = fitted.transform(TEST)
    p = fitted.parameters_
    root = latents.toarray() @ p["decoder"][0].numpy() + p["decoder_bias"][0].numpy()
    roots = np.sqrt(TRAIN.astype(float))
    size = np.sqrt(roots.var(axis=0).mean())
    expected = np.maximum(root * size + roots.mean(axis=0), 0) ** 2
    np.testing.assert_allclose(fitted.inverse_transform(latents), expected, atol=1e-3)
    np.testing.assert_array_equal(
        fitted.inverse_transform(latents), fitted.inverse_transform(latents.toarray())
    )
    assert fitted.inverse_transform(latents).dtype == np.float32


def test_a_narrow_level_comes_first_and_is_decoded_on_its_own():
    sae = small(levels={8: 1, 16: 2, 24: 3}).fit(TRAIN)
    for level, width in enumerate((8, 16, 24)):
        latents = sae.transform(TEST, level=level)
        assert latents.shape == (500, width)
        padded = np.pad(latents.toarray(), ((0, 0), (0, 24 - width)))
        np.testing.assert_allclose(
            sae.inverse_transform(latents), sae.inverse_transform(padded), atol=1e-4
        )
    last = sae.transform(TEST).toarray()
    np.testing.assert_array_equal(sae.transform(TEST, level=2).toarray(), last)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint16])
def test_counts_of_any_type_are_welcome(fitted, kind):
    again = small("batch_topk").fit(TRAIN.astype(kind))
    assert same_parameters(again, fitted)
    np.testing.assert_array_equal(
        again.transform(TEST.astype(kind)).toarray(), fitted.transform(TEST).toarray()
    )


# -- any split of the batch ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [*((name, {}) for name in ARCHITECTURES), ("batch_topk", {"readout": "poisson"})],
)
def test_codes_of_a_bin_do_not_depend_on_who_is_encoded_beside_it(architecture, changes, tmp_path):
    sae = of(architecture, **changes).fit(TRAIN)
    sae.save(tmp_path)
    whole = sae.transform(COUNTS).toarray()
    assert 0 < (whole > 0).mean() < 1
    order = np.random.default_rng(0).permutation(2000)
    for model in (sae, SparseAutoencoder.load(tmp_path, device="cpu")):
        for pieces in ([1], [7, 500], [BLOCK_ROWS], [1, 2, 3, 1999]):
            parts = [model.transform(part).toarray() for part in np.split(COUNTS, pieces)]
            np.testing.assert_array_equal(np.concatenate(parts), whole)
        np.testing.assert_array_equal(model.transform(COUNTS[order]).toarray(), whole[order])


def test_codes_do_not_depend_on_the_number_of_threads(fitted):
    wanted = fitted.transform(COUNTS).toarray()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(fitted.transform(COUNTS).toarray(), wanted)
    finally:
        torch.set_num_threads(1)


# -- save and load ---------------------------------------------------------------------------

SAVED = [
    *((name, {}) for name in ARCHITECTURES),
    ("batch_topk", {"decoder_layers": (9, 8)}),
    ("matryoshka_topk", {"levels": [(4, 1), (24, 3, 2.0)]}),
    ("topk", {"seq_len": 3, "window": "full", "reconstruct": (0, 1)}),
    ("batch_topk", {"smoothing": 1.0, "readout": "poisson"}),
    ("topk", {"seq_len": 3, "loss": "poisson_nll", "output_activation": "softplus"}),
]


@pytest.mark.parametrize(("architecture", "changes"), SAVED)
def test_save_and_load_is_identity(architecture, changes, tmp_path):
    sae = of(architecture, n_instances=2, n_steps=3, **changes).fit(TRAIN)
    sae.save(tmp_path, about={"recording": "x"})
    again = SparseAutoencoder.load(tmp_path, device="cpu")
    assert again.settings == sae.settings
    assert same_parameters(again, sae)
    for i in (0, 1):
        latents = sae.transform(TEST, instance=i)
        found = again.transform(TEST, instance=i)
        np.testing.assert_array_equal(found.toarray(), latents.toarray())
        np.testing.assert_array_equal(
            again.inverse_transform(latents, instance=i), sae.inverse_transform(latents, instance=i)
        )
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.safetensors", "model.json"}
    assert json.loads((tmp_path / "model.json").read_text())["about"] == {"recording": "x"}
    assert again.history_ is None


def test_one_instance_can_be_saved(tmp_path):
    sae = small("batch_topk", seed=4, n_instances=3, n_steps=5).fit(TRAIN)
    sae.save(tmp_path, instance=2)
    again = SparseAutoencoder.load(tmp_path, device="cpu")
    assert again.seeds == [6]
    np.testing.assert_array_equal(
        again.transform(TEST).toarray(), sae.transform(TEST, instance=2).toarray()
    )
    solo = small("batch_topk", seed=6, n_steps=5).fit(TRAIN)
    assert same_parameters(again, solo)
    assert again.settings == solo.settings


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_settings(folder, **changes):
    path = folder / "model.json"
    edit(path, settings=json.loads(path.read_text())["settings"] | changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "model.json").write_text("{"), "unreadable model description"),
        (lambda d: (d / "model.json").write_text("[]"), "unreadable model description"),
        (lambda d: (d / "model.json").write_text("{}"), "unreadable model description"),
        (lambda d: (d / "model.json").write_bytes(b"\xff\xfe"), "unreadable model description"),
        (lambda d: (d / "model.json").unlink(), "unreadable model description"),
        (lambda d: edit(d / "model.json", schema_version=99), "schema version 99 is newer.*update"),
        (lambda d: edit(d / "model.json", schema_version=1), "schema version 1 is older"),
        (lambda d: edit(d / "model.json", schema_version="2"), "unreadable model description"),
        (lambda d: edit(d / "model.json", settings={"colour": 1}), "unknown setting 'colour'"),
        (lambda d: edit(d / "model.json", settings=[1]), "unreadable model description"),
        (lambda d: edit(d / "model.json", n_instances=3), r"shape \(1,.*not \(3,"),
        (lambda d: edit(d / "model.json", root={}), "unreadable model description"),
        (lambda d: edit_settings(d, architecture="later"), "architecture 'later'"),
        (lambda d: edit_settings(d, n_latents=25), r"shape \(1, 24, 30\), not \(1, 25, 30\)"),
        (lambda d: edit_settings(d, architecture="gated"), "'parameters.log_magnitude'.*missing"),
        (lambda d: edit_settings(d, decoder_layers=[7]), "missing or unknown"),
        (lambda d: edit_settings(d, n_latents=10**13, levels=[]), r"not \(1, 10000000000000, 30\)"),
        (lambda d: edit_settings(d, n_latents=10**18, levels=[]), "unreadable model description"),
        (lambda d: edit_settings(d, seq_len=10**13), "seq_len 10000000000000.*1 to 1000"),
        (lambda d: (d / "checkpoint.safetensors").unlink(), "unreadable model"),
        (lambda d: (d / "checkpoint.safetensors").write_bytes(b"x" * 99), "not the checkpoint"),
        (
            lambda d: (d / "checkpoint.safetensors").write_bytes(
                (d / "checkpoint.safetensors").read_bytes()[:-1] + b"x"
            ),
            "not the checkpoint",
        ),
    ],
)
def test_damaged_checkpoints(fitted, tmp_path, damage, message):
    fitted.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ContractError, match=message):
        SparseAutoencoder.load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("parameters.encoder", lambda t: t * np.nan, "encoder holds NaN"),
        ("thresholds", lambda t: t + np.inf, "thresholds holds NaN or infinity"),
        ("parameters.decoder", torch.Tensor.half, "decoder holds torch.float16, not torch.float32"),
        ("input.gain", torch.Tensor.long, "input.gain holds torch.int64"),
        ("target.gain", torch.zeros_like, "target.gain holds 0"),
    ],
)
def test_a_checkpoint_with_other_numbers(fitted, tmp_path, name, change, message):
    from spikesieve.sae.checkpoints import read_model, save_model

    fitted.save(tmp_path)
    tensors, description = read_model(tmp_path)
    description = {k: v for k, v in description.items() if k != "checkpoint_sha256"}
    save_model(tmp_path, tensors | {name: change(tensors[name])}, description)
    with pytest.raises(ContractError, match=message):
        SparseAutoencoder.load(tmp_path, device="cpu")


def test_a_checkpoint_without_its_numbers(fitted, tmp_path):
    from spikesieve.sae.checkpoints import read_model, save_model

    fitted.save(tmp_path)
    tensors, description = read_model(tmp_path)
    description = {k: v for k, v in description.items() if k != "checkpoint_sha256"}
    for name, message in (("input.gain", "unreadable"), ("parameters.decoder", "missing")):
        save_model(tmp_path, {k: t for k, t in tensors.items() if k != name}, description)
        with pytest.raises(ContractError, match=message):
            SparseAutoencoder.load(tmp_path, device="cpu")


# -- odd counts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [*((name, {}) for name in ARCHITECTURES), ("batch_topk", {"readout": "poisson"})],
)
def test_silent_unit_silent_bins_and_few_bins(architecture, changes):
    counts = planted(100)[0]
    counts[:, 7] = 0
    counts[40:60] = 0
    sae = of(architecture, batch_size=1024, **changes).fit(counts)
    latents = sae.transform(counts)
    predicted = sae.inverse_transform(latents)
    assert np.isfinite(predicted).all()
    assert np.ptp(latents[40:60].toarray(), axis=0).max() == 0
    assert np.abs(predicted[:, 7]).mean() < 0.2


@pytest.mark.parametrize("architecture", ["topk", "matryoshka_batch_topk", "vanilla"])
@pytest.mark.parametrize("normalisation", ["sqrt_centred", "none"])
def test_nothing_but_silence_a_single_bin_and_a_single_unit(architecture, normalisation):
    chosen = {"n_latents": 4, "k": 2, "n_steps": 3, "normalisation": normalisation}
    for counts in (np.zeros((50, 4)), np.ones((1, 4)), np.ones((9, 1))):
        sae = of(architecture, **chosen).fit(counts)
        latents = sae.transform(counts)
        np.testing.assert_allclose(sae.inverse_transform(latents), counts, atol=0.05)


def test_a_single_unit_cannot_be_hidden_from_itself_but_trains():
    counts = COUNTS[:, :1]
    sae = small("topk", patience=1, validate_every=10, n_latents=4, k=1)
    sae.fit(counts, validation=(counts, None))
    assert np.isfinite(sae.inverse_transform(sae.transform(counts))).all()


def test_bins_that_no_window_fits_are_refused():
    chosen = {"seq_len": 3, "reconstruct": (-1, 1)}
    with pytest.raises(InputError, match=r"none of 1500 training bins has all of \[-1, 1\]"):
        small(**chosen).fit(TRAIN, 2 * np.arange(1500))
    with pytest.raises(InputError, match="none of 500 validation bins"):
        small(**chosen).fit(TRAIN, validation=(TEST, 2 * np.arange(500)))


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(fitted, value):
    bad = TEST.astype(np.float32)
    bad[17, 3] = value
    with pytest.raises(InputError, match="row 17"):
        small().fit(bad)
    with pytest.raises(InputError, match="row 17"):
        small().fit(TRAIN, validation=(bad, None))
    with pytest.raises(InputError, match="row 17"):
        fitted.transform(bad)


def test_negative_counts_are_told_where_they_are(fitted):
    for kind in (np.float64, np.int16):
        bad = TEST.astype(kind)
        bad[17, 3] = -2
        with pytest.raises(InputError, match=r"counts\[17, 3\] is -2.*normalisation"):
            small().fit(bad)
        with pytest.raises(InputError, match=r"counts\[17, 3\] is -2"):
            fitted.transform(bad)


@pytest.mark.parametrize(
    "bins",
    [np.arange(1499), np.arange(1500)[::-1], np.zeros(1500, int), np.arange(1500).reshape(-1, 1)],
)
def test_bin_numbers_that_make_no_sense(bins):
    with pytest.raises(REFUSED, match="bin numbers of shape|Type-check"):
        small().fit(TRAIN, bins)


def test_other_units_levels_instances_and_not_fitted(fitted):
    with pytest.raises(InputError, match="29 units, but the model was fitted on 30"):
        fitted.transform(TEST[:, :29])
    with pytest.raises(InputError, match="31 latents.*24"):
        fitted.inverse_transform(np.zeros((2, 31), np.float32))
    with pytest.raises(InputError, match="level 1"):
        fitted.transform(TEST, level=1)
    for instance in (1, -1):
        with pytest.raises(InputError, match=f"instance {instance}"):
            fitted.transform(TEST, instance=instance)
    for call in ("transform", "save"):
        with pytest.raises(InputError, match="not fitted yet.*call fit"):
            getattr(small(), call)(TEST if call == "transform" else "nowhere")
    with pytest.raises(InputError, match="at least one each"):
        small().fit(np.zeros((0, 4)))
    with pytest.raises(InputError, match="at least one each"):
        small().fit(np.zeros((4, 0)))


#: Run where nothing but our own checks looks at types, as for a user.
UNCHECKED = """
import numpy as np, scipy.sparse
from spikesieve.errors import InputError
from spikesieve.sae import SparseAutoencoder
counts = np.random.default_rng(0).poisson(0.5, (100, 6))
chosen = {"n_latents": 8, "k": 2, "n_steps": 2, "device": "cpu"}
sae = SparseAutoencoder(levels=[(4, 1), (8, 2)], n_steps=2, device="cpu").fit(counts)
zeros = np.zeros((3, 8))
attempts = {
    "architecture": lambda: SparseAutoencoder(["topk"]),
    "n_instances": lambda: SparseAutoencoder(**chosen, n_instances="two"),
    "validation of type": lambda: SparseAutoencoder(**chosen).fit(counts, validation=counts),
    "a sparse matrix": lambda: sae.transform(scipy.sparse.csr_array(counts)),
    "1 bin, of which": lambda: SparseAutoencoder().fit(counts[:1]),
    "instance 0.5": lambda: sae.transform(counts, instance=0.5),
    "instance 1": lambda: sae.inverse_transform(zeros, instance=1),
    "level 0.5": lambda: sae.transform(counts, level=0.5),
    "level 2": lambda: sae.inverse_transform(zeros, level=2),
    "shape (8,)": lambda: sae.inverse_transform(zeros[0]),
    "shape (2,)": lambda: sae.inverse_transform([0, 1]),
    "latents of type <U1": lambda: sae.inverse_transform([["a"] * 8]),
    "NaN": lambda: sae.inverse_transform(zeros + np.nan),
    "8 latents": lambda: sae.inverse_transform(zeros, level=0),
    "offset 1": lambda: sae.inverse_transform(zeros, offset=1),
    "hidden of shape": lambda: sae.predict_hidden(counts, None, [0, 1]),
}
for message, attempt in attempts.items():
    try:
        attempt()
        print(message, "was accepted")
    except InputError as error:
        if message not in str(error):
            print(message, "is not in", error)
    except Exception as error:
        print(message, repr(error))
np.testing.assert_array_equal(sae.inverse_transform(zeros.tolist()), sae.inverse_transform(zeros))
print("done")
"""


def test_arguments_of_the_wrong_kind_are_named():
    command = [sys.executable, "-c", UNCHECKED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_patience_needs_a_block_to_look_at():
    with pytest.raises(InputError, match="patience 3 without a validation block.*hand in"):
        small(patience=3).fit(TRAIN)


def test_a_model_of_another_target_predicts_no_hidden_units(tmp_path):
    """Even where that has as many units."""
    sae = small("batch_topk", n_steps=2).fit(TRAIN, target=TRAIN[:, ::-1].copy())
    sae.save(tmp_path)
    for model in (sae, SparseAutoencoder.load(tmp_path, device="cpu")):
        with pytest.raises(InputError, match="another target.*inverse_transform"):
            model.predict_hidden(TEST, None, np.arange(30) < 5)
    with pytest.raises(InputError, match="not the targets"):
        export_model(sae, tmp_path)
    own = small("batch_topk", n_steps=2).fit(TRAIN, target=TRAIN[:, :4])
    assert own.inverse_transform(own.transform(TEST)).shape == (500, 4)


def test_a_model_that_does_not_reconstruct_now_says_so():
    sae = small("topk", n_steps=2, seq_len=3, reconstruct=[-1]).fit(TRAIN)
    latents = sae.transform(TEST)
    assert sae.inverse_transform(latents, offset=-1).shape == (500, 30)
    with pytest.raises(InputError, match=r"offset 0: the model does not.*one of \[-1\]"):
        sae.predict_hidden(TEST, None, np.arange(30) < 5)
    read = small("topk", n_steps=2, seq_len=3, reconstruct=[0, 1], readout="poisson").fit(TRAIN)
    with pytest.raises(InputError, match=r"offset 1.*one of \[0\]"):
        read.inverse_transform(read.transform(TEST), offset=1)


def test_what_is_read_by_the_encoder_can_be_chosen_as_well():
    sae = SparseAutoencoder(readout="encoder", n_steps=5, device="cpu").fit(TRAIN)
    assert sae.transform(TEST).shape[1] == sae.settings.n_latents
    assert sae.n_instances == len(sae.histories_) == 1


def test_a_gpu_that_is_not_there(fitted, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(InputError, match="no GPU is visible.*device 'auto'"):
        small(device="cuda")
    assert small(device="auto").device.type == "cpu"
    fitted.save(tmp_path)
    with pytest.raises(InputError, match="no GPU is visible.*device 'auto'") as error:
        SparseAutoencoder.load(tmp_path, device="cuda")
    assert "delete" not in str(error.value)


def test_tensorboard_gets_the_history_where_it_is_installed(tmp_path):
    sae = small("topk", n_instances=2, n_steps=3)
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(InputError, match="TensorBoard cannot be imported"):
            sae.fit(TRAIN, tensorboard=tmp_path)
        return
    sae.fit(TRAIN, tensorboard=tmp_path)
    assert all(list((tmp_path / f"instance{i}").glob("events*")) for i in (0, 1))
