"""What a bin's latents see: neighbours, never beyond a gap; units shown; another population."""

import numpy as np
import pytest
from sae_samples import REFUSED, bursts, planted, r2, small

from spikesieve.errors import InputError
from spikesieve.sae import SparseAutoencoder

COUNTS, FEATURES = planted(2000)
TRAIN, TEST = COUNTS[:1500], COUNTS[1500:]
#: Pieces with gaps between them, one of which is a single bin wide.
BINS = np.r_[0:400, 405:900, 901:1000, 2000:2506]
STARTS = [400, 895, 994]
AROUND = [
    {"seq_len": 5, "window": "full"},
    {"seq_len": 5},
    {"smoothing": 0.5},
    {"smoothing": 0.5, "readout": "poisson"},
]


@pytest.fixture(scope="module", params=AROUND, ids=str)
def windowed(request):
    """Return a model that looks at neighbouring bins."""
    return small(k=2, **request.param).fit(TRAIN, BINS)


# -- windows ---------------------------------------------------------------------------------


def changed_at(sae, row):
    """Return the rows whose codes change when the counts of ``row`` do."""
    other = TRAIN.copy()
    other[row] += 7
    difference = sae.transform(other, BINS) - sae.transform(TRAIN, BINS)
    return set(difference.nonzero()[0].tolist())


def reached(row, offsets):
    """Return the rows so far from ``row`` that lie in the same piece."""
    piece = next(p for p in np.split(np.arange(1500), STARTS) if row in p)
    return {row + offset for offset in offsets} & set(piece.tolist())


@pytest.mark.parametrize("window", ["filter", "full"])
@pytest.mark.parametrize("causal", [False, True])
def test_codes_depend_on_their_window_and_on_nothing_beyond_a_gap(window, causal):
    sae = small("vanilla", seq_len=5, window=window, causal=causal, n_steps=10).fit(TRAIN, BINS)
    for row in (200, 399, 400, 894, 895, 993, 994):
        assert changed_at(sae, row) == reached(row, range(0, 5) if causal else range(-2, 3))


def test_smoothing_reaches_two_bins_of_half_a_deviation_and_never_beyond_a_gap():
    sae = small("vanilla", smoothing=0.5, n_steps=10).fit(TRAIN, BINS)
    for row in (200, 399, 400, 894, 895):
        assert changed_at(sae, row) == reached(row, range(-2, 3))


def test_explaining_away_looks_as_far_as_is_said():
    smoothing, row = 0.5, 650
    sae = small(k=2, smoothing=smoothing, readout="poisson").fit(TRAIN, BINS)
    reach = int(4 * smoothing) + 2 * int(4 * (smoothing + 0.5))
    changed = changed_at(sae, row)
    assert changed <= reached(row, range(-reach, reach + 1))
    assert max(changed) > row  # so it can't be causal


def test_explaining_away_looks_at_one_bin_where_nothing_is_smoothed():
    sae = small(k=2, causal=True, seq_len=3, readout="poisson").fit(TRAIN, BINS)
    assert changed_at(sae, 650) == {650}


def test_explaining_away_does_not_look_beyond_a_gap_either():
    sae = small(k=2, smoothing=0.5, readout="poisson").fit(TRAIN, BINS)
    for row in (399, 400, 894, 895):
        changed = changed_at(sae, row)
        assert row in changed
        assert changed <= reached(row, range(-500, 500))


def test_windows_do_not_depend_on_the_split_where_none_straddles_it(windowed, tmp_path):
    windowed.save(tmp_path)
    whole = windowed.transform(TRAIN, BINS).toarray()
    for model in (windowed, SparseAutoencoder.load(tmp_path, device="cpu")):
        for pieces in ([400], [895], [994], STARTS):
            parts = zip(np.split(TRAIN, pieces), np.split(BINS, pieces), strict=True)
            codes = [model.transform(*part).toarray() for part in parts]
            np.testing.assert_array_equal(np.concatenate(codes), whole)


def test_bins_without_numbers_are_neighbours(windowed):
    given = windowed.transform(TRAIN, np.arange(1500)).toarray()
    np.testing.assert_array_equal(windowed.transform(TRAIN).toarray(), given)
    shifted = windowed.transform(TRAIN, np.arange(1500) + 77).toarray()
    np.testing.assert_array_equal(shifted, given)
    assert (windowed.transform(TRAIN, 10 * np.arange(1500)).toarray() != given).any()


def test_a_filter_copies_now_unless_it_is_judged_on_what_it_cannot_see():
    counts, _ = bursts()
    centre = {}
    for judged in (False, True):
        sae = small("batch_topk", k=2, seq_len=5, masked_share=0.5, judge_hidden=judged)
        weights = sae.fit(counts).parameters_["filter"][0].clamp_min(0)
        centre[judged] = float(weights[2] / weights.sum())
    assert centre[False] > 0.5
    assert centre[True] < 0.4


@pytest.mark.parametrize("window", ["filter", "full"])
def test_several_bins_are_reconstructed(window):
    counts, _ = bursts(1500)
    sae = small(seq_len=3, window=window, reconstruct=(-1, 0, 1)).fit(counts)
    latents = sae.transform(counts)
    for offset in (-1, 0, 1):
        rows = np.arange(10, 1490)
        predicted = sae.inverse_transform(latents, offset=offset)[rows]
        assert predicted.shape == (1480, 20)
        own = r2(counts[rows + offset], predicted)
        assert own > 0.1
        # A bin of another burst is not what was predicted.
        assert own > r2(counts[rows + offset + 8], predicted) + 0.1
    with pytest.raises(InputError, match=r"offset 2.*one of \[-1, 0, 1\]"):
        sae.inverse_transform(latents, offset=2)


def test_another_bin_than_now_can_be_reconstructed():
    counts, _ = bursts(1500)
    sae = small("topk", seq_len=3, causal=True, window="full", reconstruct=(-1,)).fit(counts)
    predicted = sae.inverse_transform(sae.transform(counts), offset=-1)[1:]
    assert r2(counts[:-1], predicted) > 0.2


# -- hidden units ----------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"masked_share": 0.3}, *AROUND])
def test_hidden_units_are_told_from_the_others_alone(changes):
    sae = small("batch_topk", **changes).fit(TRAIN)
    hidden = np.arange(30) % 3 == 0
    predicted = sae.predict_hidden(TEST, None, hidden)
    assert predicted.shape == (500, 10)
    assert predicted.min() >= 0
    other = TEST.copy()
    other[:, hidden] = np.random.default_rng(0).integers(0, 99, (500, 10))
    np.testing.assert_array_equal(sae.predict_hidden(other, None, hidden), predicted)
    other = TEST.copy()
    other[:, ~hidden] = 0
    assert (sae.predict_hidden(other, None, hidden) != predicted).any()


def test_masked_training_predicts_hidden_units_better():
    hidden = np.random.default_rng(1).random(30) < 0.3
    scores = [
        r2(
            TEST[:, hidden],
            small("topk", n_latents=40, k=6, masked_share=share, n_steps=100)
            .fit(TRAIN)
            .predict_hidden(TEST, None, hidden),
        )
        for share in (0.0, 0.3)
    ]
    assert scores[1] > scores[0] + 0.03
    assert scores[1] > 0.3


def test_masks_of_another_shape_are_refused():
    fitted = small("topk", n_steps=1).fit(TRAIN)
    for hidden in (np.zeros(29, bool), np.zeros((500, 30), bool)):
        with pytest.raises(REFUSED, match="hidden of shape|Type-check"):
            fitted.transform(TEST, hidden=hidden)


# -- another population ----------------------------------------------------------------------


@pytest.mark.parametrize("n_targets", [12, 30])
@pytest.mark.parametrize(
    "changes", [{}, {"decoder_layers": (40,)}, {"masked_share": 0.2, "judge_hidden": True}]
)
def test_a_transcoder_predicts_another_population(n_targets, changes):
    rng = np.random.default_rng(5)
    loadings = rng.gamma(2, 1, (10, n_targets)) * (rng.random((10, n_targets)) < 0.3)
    other = rng.poisson(0.2 + FEATURES @ loadings).astype(np.uint8)
    held_out = (TEST, None, other[1500:])
    sae = small("batch_topk", n_steps=100, **changes)
    sae.fit(TRAIN, target=other[:1500], validation=held_out)
    predicted = sae.inverse_transform(sae.transform(TEST))
    assert predicted.shape == (500, n_targets)
    assert r2(other[1500:], predicted) > 0.35


def test_targets_that_do_not_fit_are_refused():
    other = np.ones((1500, 4), np.uint8)
    for arguments, message in (
        ({"target": other[:9]}, "9 bins of target.*1500|Type-check"),
        ({"target": other, "validation": (TEST, None)}, "target in one of training and validation"),
        ({"validation": (TEST, None, TEST[:, :4])}, "target in one of training and validation"),
        (
            {"target": other, "validation": (TEST, None, TEST.copy())},
            r"\[30, 30\] units.*\[30, 4\]",
        ),
        ({"validation": (TEST[:, :7], None)}, r"\[7, 7\] units.*\[30, 30\]"),
        ({"target": other * np.float32(np.nan)}, "row 0 of target holds NaN"),
    ):
        with pytest.raises(REFUSED, match=message):
            small().fit(TRAIN, **arguments)
