"""Settings of the sparse autoencoder: what goes together, and what is said where it does not."""

import json
import math

import numpy as np
import pytest

from spikesieve.errors import InputError
from spikesieve.sae import SparseAutoencoder
from spikesieve.sae.settings import ARCHITECTURES, Level, make_settings, plain, whole_levels


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_settings_survive_json(architecture):
    chosen = {"n_latents": 40, "k": 3, "decoder_layers": [20, 30], "architecture": architecture}
    chosen |= {"seq_len": 3, "reconstruct": [-1, 1], "patience": 4}
    settings = make_settings(**chosen)
    assert make_settings(**json.loads(json.dumps(plain(settings)))) == settings


@pytest.mark.parametrize(
    "levels",
    [
        {16: 2, 64: 4},
        {"16": 2, "64": 4},
        [(16, 2), (64, 4)],
        [[16, 2, 1.0], [64, 4]],
        [{"width": 16, "k": 2}, {"width": 64, "k": 4, "weight": 1.0}],
    ],
)
def test_levels_can_be_written_in_many_ways(levels):
    assert SparseAutoencoder(levels=levels).settings.levels == (Level(16, 2), Level(64, 4))
    assert whole_levels(levels) == (64, 4)
    json_levels = json.loads(json.dumps(levels))
    assert SparseAutoencoder(levels=json_levels).settings.n_latents == 64


def test_levels_have_weights_of_their_own_and_any_number():
    given = [(2**i, 1, i / 2) for i in range(1, 9)]
    settings = SparseAutoencoder("matryoshka_topk", levels=given).settings
    assert [level.weight for level in settings.levels] == [i / 2 for i in range(1, 9)]
    assert (settings.n_latents, settings.k) == (256, 1)


@pytest.mark.parametrize(
    ("n_latents", "k", "widths"),
    [(128, 8, [32, 64, 128]), (64, 16, [32, 64]), (20, 8, [20]), (1, 1, [1])],
)
def test_a_matryoshka_is_nested_without_being_told(n_latents, k, widths):
    for architecture in ("matryoshka_topk", "matryoshka_batch_topk"):
        settings = make_settings(architecture=architecture, n_latents=n_latents, k=k)
        assert [level.width for level in settings.levels] == widths
        assert {level.k for level in settings.levels} == {k}
    plain_one = make_settings(architecture="topk", n_latents=n_latents, k=k)
    assert plain_one.levels == (Level(n_latents, k),)


@pytest.mark.parametrize(
    ("seq_len", "causal", "offsets"),
    [
        (1, False, (0,)),
        (1, True, (0,)),
        (3, False, (-1, 0, 1)),
        (4, False, (-2, -1, 0, 1)),
        (3, True, (-2, -1, 0)),
    ],
)
def test_now_is_in_the_middle_or_last(seq_len, causal, offsets):
    assert make_settings(seq_len=seq_len, causal=causal).offsets == offsets


def test_an_architecture_without_budget_does_not_care_about_k():
    for architecture in ("vanilla", "gated", "jumprelu"):
        SparseAutoencoder(architecture, n_latents=4, penalty="l1", penalty_weight=0.1)
        assert SparseAutoencoder(architecture, n_latents=4).settings.penalty_weight > 0
    with pytest.raises(InputError, match="k 8 is more than the 4 latents"):
        SparseAutoencoder("jumprelu", n_latents=4, k=8)


@pytest.mark.parametrize(
    ("architecture", "penalty"),
    [("vanilla", "l1"), ("gated", "l1"), ("jumprelu", "l0"), ("topk", "none")],
)
def test_an_architecture_has_a_penalty_where_it_needs_one(architecture, penalty):
    settings = make_settings(architecture=architecture)
    assert settings.penalty == penalty
    if penalty != "none":
        assert make_settings(architecture=architecture, penalty_weight=0.3).penalty_weight == 0.3
    assert make_settings(**json.loads(json.dumps(plain(settings)))) == settings
    assert make_settings(architecture=architecture, penalty="none").penalty_weight == 0


NAMES_WITH_TYPOS = [
    ({"architecture": "batch_topp"}, "did you mean 'batch_topk'"),
    ({"architecture": "jump_relu"}, "did you mean 'jumprelu'"),
    ({"loss": "mean"}, "loss 'mean'.*Allowed: mse, msle"),
    ({"loss": "poisson_nl"}, "did you mean 'poisson_nll'"),
    ({"output_activation": "sofplus"}, "did you mean 'softplus'"),
    ({"penalty": "l1_norm"}, "penalty 'l1_norm'.*did you mean 'l1"),
    ({"optimiser": "adm"}, "did you mean 'adam'"),
    ({"schedule": "cosin"}, "did you mean 'cosine'"),
    ({"normalisation": "sqrt"}, "normalisation 'sqrt'.*did you mean 'sqrt_centred'"),
    ({"window": "ful"}, "did you mean 'full'"),
    ({"pre_bias": "geometric"}, "did you mean 'geometric_median'"),
    ({"precision": "float16"}, "did you mean 'bfloat16'|did you mean 'float32'"),
    ({"device": "gpu"}, "device 'gpu'"),
    ({"masked_shar": 0.2}, "unknown setting 'masked_shar'.*did you mean 'masked_share'"),
    ({"optimizer": "adam"}, "did you mean 'optimiser'"),
]
OUT_OF_RANGE = [
    ({"n_latents": 4, "k": 5}, "k 5 is more than the 4 latents.*Allowed: 1 to 4.*Fix"),
    ({"k": 0}, "k 0"),
    ({"dead_after": 2.5}, "dead_after 2.5"),
    ({"n_latents": 0}, "n_latents 0"),
    ({"n_latents": True}, "n_latents True"),
    ({"n_steps": -1}, "n_steps -1"),
    ({"batch_size": 0}, "batch_size 0"),
    ({"seq_len": 0}, "seq_len 0"),
    ({"dead_after": 0}, "dead_after 0"),
    ({"patience": 0}, "patience 0"),
    ({"n_instances": 0}, "n_instances 0"),
    ({"seed": -1}, "seed -1"),
    ({"learning_rate": 0.0}, "learning_rate 0"),
    ({"learning_rate": math.nan}, "learning_rate nan"),
    ({"learning_rate": math.inf}, "learning_rate inf"),
    ({"learning_rate": "fast"}, "learning_rate 'fast'"),
    ({"tau": 0.0}, "tau 0"),
    ({"epsilon": -1.0}, "epsilon -1"),
    ({"tanh_a": 0.0}, "tanh_a 0"),
    ({"aux_weight": -0.1}, "aux_weight -0.1"),
    ({"masked_share": 1.5}, "masked_share 1.5"),
    ({"masked_share": 0.95}, "masked_share 0.95.*Allowed: 0 to 0.9"),
    ({"penalty_warmup": 1.1}, "penalty_warmup 1.1"),
    ({"decoder_layers": [0]}, "width in decoder_layers 0"),
    ({"decoder_layers": 64}, "decoder_layers 64.*a list"),
    ({"reconstruct": 0}, "reconstruct 0.*a list"),
    ({"reconstruct": [1]}, r"reconstruct \[1\].*\[0\], the bins of the window"),
    ({"reconstruct": []}, "reconstruct"),
    ({"seq_len": 3, "reconstruct": [0, 0]}, "different ones"),
    ({"seq_len": 3, "causal": True, "reconstruct": [1]}, "reconstruct"),
    ({"seq_len": 3, "causal": "no"}, "causal 'no'.*True or False"),
    ({"seq_len": 3, "reconstruct": [0.0]}, "bin in reconstruct 0.0"),
    ({"normalisation": ["none"]}, r"normalisation \['none'\]"),
]
WRONG_LEVELS = [
    ({512: 16, 128: 8}, r"levels of widths \[512, 128\].*each wider"),
    ([(16, 2), (16, 2)], r"levels of widths \[16, 16\]"),
    ([(8, 9), (16, 9)], "k 9 is more than the 8 latents"),
    ([(8, 0), (16, 2)], "k of a level 0"),
    ([(8, 2, -1.0), (16, 2)], "weight of a level -1"),
    ([(8, 2, 0.0), (16, 2, 0.0)], "weight 0 alone"),
    ([(8, 2, math.nan), (16, 2)], "weight of a level nan"),
    ([8, 16], r"levels \[8, 16\].*list of \(width, k\)"),
    ([(8,), (16, 2)], "levels"),
    ([{"width": 8, "kk": 2}, {"width": 16, "k": 2}], "levels"),
    ([{"width": 8}], "levels"),
    ("wide", "levels 'wide'"),
    ({"eight": 2, 16: 2}, "width of a level 'eight'"),
]
EXCLUDING = [
    ({"architecture": "topk", "levels": {8: 1, 16: 2}}, "did you mean 'matryoshka_topk'"),
    ({"n_latents": 32, "k": 2, "levels": {8: 1, 16: 2}}, "last level .16, 2., n_latents 32"),
    ({"judge_hidden": True}, "judge_hidden with masked_share 0"),
    ({"causal": True, "smoothing": 0.5}, "causal with smoothing 0.5, .* later bins.*smoothing: 0"),
    ({"penalty_weight": 0.1}, "penalty_weight 0.1 without a penalty"),
    ({"architecture": "vanilla", "penalty": "l1"}, "penalty 'l1' with penalty_weight 0.*auto"),
    (
        {"penalty": "l0", "penalty_weight": 1.0, "architecture": "gated"},
        "penalty 'l0'.*Allowed: jumprelu",
    ),
    ({"weight_decay": 0.1}, "weight_decay 0.1 with optimiser 'adam'.*adamw or lamb"),
    ({"loss": "poisson_nll"}, "output_activation: softplus"),
    ({"loss": "msle", "normalisation": "none"}, "set output_activation"),
    ({"output_activation": "relu"}, "centred targets are negative"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    NAMES_WITH_TYPOS
    + OUT_OF_RANGE
    + [({"levels": levels}, message) for levels, message in WRONG_LEVELS]
    + EXCLUDING,
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(InputError, match=message):
        SparseAutoencoder(**arguments)


def test_numbers_of_numpy_are_numbers():
    levels = np.array([[8, 2], [16, 4]])
    sae = SparseAutoencoder(
        n_latents=np.int64(16),
        k=np.uint8(4),
        seed=np.random.default_rng(0).integers(100),
        n_instances=np.int32(2),
        levels=levels,
        learning_rate=np.float32(0.5),
        judge_hidden=np.bool_(True),
        masked_share=np.float64(0.3),
        decoder_layers=np.array([20]),
    )
    assert sae.settings.levels == (Level(8, 2), Level(16, 4))
    assert (sae.settings.n_latents, sae.settings.k, sae.n_instances) == (16, 4, 2)
    again = make_settings(**json.loads(json.dumps(plain(sae.settings))))
    assert again == sae.settings
    assert type(sae.settings.learning_rate) is float
    assert SparseAutoencoder(levels={np.int64(8): np.int64(2)}).settings.n_latents == 8


def test_what_is_left_open_depends_on_what_is_given():
    alone = SparseAutoencoder(readout="encoder")
    assert (alone.settings.min_stability, alone.n_instances) == (0.0, 1)
    assert SparseAutoencoder().settings.min_stability == 0.7
    assert SparseAutoencoder(min_stability=0.0).n_instances == 1
    assert SparseAutoencoder(n_latents=4).settings.n_latents == 4
    assert SparseAutoencoder(k=300).settings.k == 300
    levels = {16: 2, 64: 4}
    for given in ({"n_latents": 64}, {"k": 4}, {}):
        settings = SparseAutoencoder(levels=levels, **given).settings
        assert (settings.n_latents, settings.k) == (64, 4)
        assert settings.readout == "encoder"  # nothing is open
    with pytest.raises(InputError, match="last level .64, 4., n_latents 64 and k 5"):
        SparseAutoencoder(levels=levels, k=5)
