"""Scores of spike trains: against elephant, brute force, and cases whose answer is known."""

import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq
from elephant.spike_train_correlation import spike_time_tiling_coefficient
from elephant.spike_train_dissimilarity import van_rossum_distance as elephant_van_rossum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.stats import pearsonr

from spikesieve.distance import scores
from spikesieve.distance.scores import (
    binned_correlation,
    count_ratio,
    precision_recall_f1,
    schreiber_similarity,
    score_table,
    score_trains,
    spike_time_tiling,
    van_rossum_distance,
    van_rossum_relative,
)
from spikesieve.errors import InputError

BIN_S = 0.001
counts = st.integers(0, 3).map(lambda n: max(n - 1, 0))  # mostly silent, sometimes two a bin


@st.composite
def pairs_of_trains(draw, most=60):
    n = draw(st.integers(1, most))
    return tuple(draw(nps.arrays(np.uint8, n, elements=counts)) for _ in range(2))


def poisson_trains(rate_hz, n_bins, n=2, seed=0):
    return np.random.default_rng(seed).poisson(rate_hz * BIN_S, (n, n_bins)).astype(np.uint8)


def spike_train(counts, bin_s=BIN_S):
    """Return counts as an elephant's spike train, spikes in the centres of bins, in ms."""
    times = np.repeat(np.arange(len(counts)) + 0.5, counts.astype(int)) * bin_s * 1000
    return neo.SpikeTrain(times, units="ms", t_stop=len(counts) * bin_s * 1000)


def at(n_bins, *bins):
    train = np.zeros(n_bins, np.uint8)
    np.add.at(train, list(bins), 1)
    return train


def value(table, metric, scale_ms=None):
    chosen = table["metric"] == metric
    if scale_ms is not None:
        chosen &= np.isclose(table["scale_ms"], scale_ms)
    (found,) = table.loc[chosen, "value"]
    return found


class TestSchreiber:
    @pytest.mark.parametrize("sigma_bins", [1, 2, 5, 20, 60])
    def test_is_the_cosine_of_smoothed_trains(self, sigma_bins):
        truth, predicted = poisson_trains(20, 5000)
        smoothed = [
            # Zeros beyond the ends, so that no tail is lost.
            gaussian_filter1d(np.pad(t, 10 * sigma_bins).astype(float), sigma_bins, truncate=10)
            for t in (truth, predicted)
        ]
        cosine = np.dot(*smoothed) / np.prod([np.linalg.norm(s) for s in smoothed])
        found = schreiber_similarity(truth, predicted, sigma_s=sigma_bins * BIN_S, bin_s=BIN_S)
        # A Gaussian of 1 bin that is sampled at bins is no exact Gaussian.
        assert found == pytest.approx(cosine, abs=2e-4 if sigma_bins == 1 else 1e-8)

    @given(pairs_of_trains())
    def test_without_smoothing_it_is_the_cosine_of_counts(self, pair):
        truth, predicted = (t.astype(float) for t in pair)
        found = schreiber_similarity(*pair, sigma_s=0, bin_s=BIN_S)
        norms = np.linalg.norm(truth) * np.linalg.norm(predicted)
        if not truth.any() and not predicted.any():
            assert np.isnan(found)
        else:
            assert found == pytest.approx(truth @ predicted / norms if norms else 0.0)

    @pytest.mark.parametrize("lag", [0, 1, 3, 12, 40])
    def test_of_two_lone_spikes_follows_the_closed_form(self, lag):
        found = schreiber_similarity(at(90, 20), at(90, 20 + lag), sigma_s=0.005, bin_s=BIN_S)
        assert found == pytest.approx(np.exp(-(lag**2) / (4 * 5**2)), abs=1e-12)

    @given(pairs_of_trains(), st.sampled_from([0, 0.001, 0.005, 0.1]))
    def test_is_symmetric_and_in_0_to_1(self, pair, sigma_s):
        there, back = (
            schreiber_similarity(*p, sigma_s=sigma_s, bin_s=BIN_S) for p in (pair, pair[::-1])
        )
        assert there == pytest.approx(back, nan_ok=True)
        assert np.isnan(there) or 0 <= there <= 1

    def test_spikes_too_many_raise_it_and_the_other_scores_tell(self):
        """A prediction at chance that only fires three times as much."""
        truth, shy, eager = poisson_trains(10, 60_000, 3)
        eager = eager + poisson_trains(20, 60_000, 1, seed=1)[0]
        table = {
            name: score_trains(truth, p, bin_s=BIN_S)
            for name, p in {"shy": shy, "eager": eager}.items()
        }
        assert value(table["eager"], "schreiber", 5) > 1.4 * value(table["shy"], "schreiber", 5)
        assert value(table["eager"], "count_ratio") > 2.5
        relative = "van_rossum_relative", 10
        assert value(table["eager"], *relative) > 1.3 * value(table["shy"], *relative) > 1.3


class TestVanRossum:
    @settings(max_examples=40)
    @given(pairs_of_trains(), st.sampled_from([1, 5, 40, 150]))
    def test_equals_elephants(self, pair, tau_ms):
        trains = [spike_train(t) for t in pair]
        expected = elephant_van_rossum(trains, tau_ms * pq.ms)[0, 1]
        found = van_rossum_distance(*pair, tau_s=tau_ms / 1000, bin_s=BIN_S)
        assert found == pytest.approx(expected, abs=1e-5)  # elephant's loses half of the digits

    def test_equals_elephants_on_minutes_at_other_bins(self):
        bin_s = 18 / 17852.767845719834
        truth, predicted = poisson_trains(10, 90_000)
        trains = [spike_train(t, bin_s) for t in (truth, predicted)]
        for tau_ms in (2, 60):
            expected = elephant_van_rossum(trains, tau_ms * pq.ms)[0, 1]
            found = van_rossum_distance(truth, predicted, tau_s=tau_ms / 1000, bin_s=bin_s)
            assert found == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("lag", [0, 1, 7, 50])
    def test_of_two_lone_spikes_follows_the_closed_form(self, lag):
        found = van_rossum_distance(at(99, 9), at(99, 9 + lag), tau_s=0.01, bin_s=BIN_S)
        assert found == pytest.approx(np.sqrt(2 - 2 * np.exp(-lag / 10)))

    @given(pairs_of_trains())
    def test_relative_to_silence(self, pair):
        truth, predicted = pair
        scale = {"tau_s": 0.01, "bin_s": BIN_S}
        silent = van_rossum_relative(truth, np.zeros_like(truth), **scale)
        found = van_rossum_relative(truth, predicted, **scale)
        if truth.any():
            assert silent == 1
            distance = van_rossum_distance(truth, predicted, **scale)
            nothing = van_rossum_distance(truth, np.zeros_like(truth), **scale)
            assert found == pytest.approx(distance / nothing)
        else:
            assert np.isnan([silent, found]).all()

    @pytest.mark.parametrize("tau_s", [0, -0.01, np.nan])
    def test_a_time_constant_that_is_none(self, tau_s):
        with pytest.raises(InputError, match="time constant"):
            van_rossum_distance(at(9, 1), at(9, 2), tau_s=tau_s, bin_s=BIN_S)


class TestCorrelation:
    @pytest.mark.parametrize("width_ms", scores.CORRELATION_MS)
    def test_is_pearsons_of_whole_bins(self, width_ms):
        truth, noise = poisson_trains(40, 10_007)
        predicted = truth + noise
        coarse = [
            [t[i : i + width_ms].sum() for i in range(0, len(t) - width_ms + 1, width_ms)]
            for t in (truth, predicted)
        ]
        found = binned_correlation(truth, predicted, width_s=width_ms / 1000, bin_s=BIN_S)
        assert found == pytest.approx(pearsonr(*coarse).statistic)

    def test_a_width_is_the_nearest_number_of_bins(self):
        train = poisson_trains(40, 1000, 1)[0]
        coarse = scores.coarse_counts(train, 0.1, 18 / 17852.767845719834)
        assert len(coarse) == 1000 // 99
        assert coarse.sum() == train[: 99 * 10].sum()

    def test_more_than_255_spikes_a_bin_are_counted(self):
        train = np.full(200, 200, np.uint8)
        assert scores.coarse_counts(train, 0.1, BIN_S).tolist() == [20_000, 20_000]

    def test_is_undefined_where_a_train_is_constant_or_too_short(self):
        train = poisson_trains(40, 1000, 1)[0]
        for truth, predicted in ((train, 0 * train), (0 * train, train), (train[:90], train[:90])):
            assert np.isnan(binned_correlation(truth, predicted, width_s=0.1, bin_s=BIN_S))


class TestMatching:
    @settings(max_examples=200)
    @given(pairs_of_trains(25), st.integers(0, 5))
    def test_no_assignment_makes_more_pairs(self, pair, tolerance):
        true, guess = (np.repeat(np.arange(len(t)), t) for t in pair)
        within = np.abs(true[:, None] - guess) <= tolerance
        row, column = linear_sum_assignment(within, maximize=True)
        most = within[row, column].sum()
        precision, recall, f1 = precision_recall_f1(*pair, tolerance_bins=tolerance)
        assert precision == pytest.approx(most / len(guess) if len(guess) else np.nan, nan_ok=True)
        assert recall == pytest.approx(most / len(true) if len(true) else np.nan, nan_ok=True)
        both = len(true) + len(guess)
        assert f1 == pytest.approx(2 * most / both if both else np.nan, nan_ok=True)

    def test_a_spike_is_used_once(self):
        truth, predicted = at(20, 10), at(20, 9, 10, 11)
        assert precision_recall_f1(truth, predicted, tolerance_bins=1) == (1 / 3, 1, 0.5)
        assert precision_recall_f1(truth, at(20, 10, 10), tolerance_bins=0) == (0.5, 1, 2 / 3)

    def test_one_bin_late_is_found_within_one_bin(self):
        truth = at(200, *range(10, 190, 20))
        late = np.roll(truth, 1)
        assert precision_recall_f1(truth, late, tolerance_bins=0) == (0, 0, 0)
        assert precision_recall_f1(truth, late, tolerance_bins=1) == (1, 1, 1)


class TestTiling:
    @settings(max_examples=40)
    @given(pairs_of_trains(), st.sampled_from([2.3, 5, 20]))
    def test_equals_elephants_near_the_start(self, pair, reach_ms):
        """Later on elephant's tolerance grows with the time, see the function."""
        expected = spike_time_tiling_coefficient(*map(spike_train, pair), dt=reach_ms * pq.ms)
        found = spike_time_tiling(*pair, reach_s=reach_ms / 1000, bin_s=BIN_S)
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)

    def test_is_the_same_whenever_it_happens(self):
        """A lag of 5.5 ms is beyond 5 ms at 0.1 s as at 80 s."""
        bin_s = 0.0005
        found = []
        for n_before in (200, 160_000):
            truth, predicted = at(170_000, n_before), at(170_000, n_before + 11)
            found.append(spike_time_tiling(truth, predicted, reach_s=0.005, bin_s=bin_s))
        assert found[0] == pytest.approx(found[1], abs=1e-12)
        assert -0.001 < found[0] < 0

    def test_independent_trains_are_at_0_at_any_rate(self):
        for rate in (2, 10, 40):
            truth, predicted = poisson_trains(rate, 200_000)
            assert abs(spike_time_tiling(truth, predicted, reach_s=0.02, bin_s=BIN_S)) < 0.05


class TestAllScores:
    def test_every_metric_at_every_scale_once(self):
        table = score_trains(*poisson_trains(20, 2000), bin_s=BIN_S)
        assert list(table) == ["metric", "scale_ms", "value"]
        assert not table.duplicated(["metric", "scale_ms"]).any()
        n = table.groupby("metric")["scale_ms"].size().to_dict()
        assert n == {
            "schreiber": 10,
            "van_rossum": 9,
            "van_rossum_relative": 9,
            "correlation": 5,
            "precision": 6,
            "recall": 6,
            "f1": 6,
            "spike_time_tiling": 2,
            "count_ratio": 1,
        }
        assert table["value"].notna().all()

    @pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
    def test_a_train_is_like_itself(self, kind):
        train = poisson_trains(20, 3000, 1)[0].clip(0, 1).astype(kind)
        table = score_trains(train, train, bin_s=BIN_S)
        distant = table["metric"].str.startswith("van_rossum")
        assert (table.loc[distant, "value"] == 0).all()
        assert table.loc[~distant, "value"].to_numpy() == pytest.approx(1)

    def test_no_spike_predicted(self):
        truth = poisson_trains(20, 3000, 1)[0]
        table = score_trains(truth, np.zeros_like(truth), bin_s=BIN_S).set_index("metric")["value"]
        assert (table["schreiber"] == 0).all()
        assert (table["van_rossum_relative"] == 1).all()
        assert (table["recall"] == 0).all() and (table["f1"] == 0).all()
        assert table["count_ratio"] == 0
        assert table[["correlation", "precision", "spike_time_tiling"]].isna().all()

    def test_no_spike_to_predict(self):
        predicted = poisson_trains(20, 3000, 1)[0]
        table = score_trains(np.zeros_like(predicted), predicted, bin_s=BIN_S)
        table = table.set_index("metric")["value"]
        assert (table["schreiber"] == 0).all()
        assert (table["van_rossum"] > 0).all()
        undefined = ["van_rossum_relative", "correlation", "recall", "count_ratio"]
        assert table[undefined].isna().all()
        neither = score_trains(*np.zeros((2, 300), np.uint8), bin_s=BIN_S).set_index("metric")
        defined = neither["value"].dropna()
        assert set(defined.index) == {"van_rossum"} and (defined == 0).all()

    def test_count_ratio_counts_every_spike_of_a_bin(self):
        assert count_ratio(at(9, 1, 1, 4), at(9, 2, 2, 2, 2)) == pytest.approx(4 / 3)
        assert count_ratio(np.full(10, 200, np.uint8), np.ones(10, bool)) == 0.005


NAMES = {"recording": "chicken", "method": "em", "model": "small", "seed": 3, "bin_s": BIN_S}


class TestTable:
    def test_rows_are_the_scores_of_each_unit(self):
        truth, predicted = poisson_trains(20, 2000, 3), poisson_trains(20, 2000, 3, seed=1)
        unit_ids = np.array([7, 2, 9])
        table = score_table(truth, predicted, unit_ids, **NAMES)
        assert tuple(table) == scores.COLUMNS
        for unit, unit_id in enumerate(unit_ids):
            mine = table[table["unit_id"] == unit_id].reset_index(drop=True)
            alone = score_trains(truth[unit], predicted[unit], bin_s=BIN_S)
            pd.testing.assert_frame_equal(mine[[*alone]], alone)
        assert set(table["method"]) == {"em"} and set(table["seed"]) == {3}
        none = score_table(truth[:0], predicted[:0], unit_ids[:0], **NAMES)
        assert len(none) == 0 and none.dtypes.to_dict() == table.dtypes.to_dict()

    def test_what_is_no_train_is_named(self):
        truth = np.zeros((2, 10))
        for wrong in (np.nan, -1, 0.5, np.inf):
            predicted = truth.copy()
            predicted[1, 4] = wrong
            with pytest.raises(InputError, match="'chicken': unit 5, em: the predicted.*no count"):
                score_table(truth, predicted, np.array([4, 5]), **NAMES)
        with pytest.raises(InputError, match="2 true trains, 2 predicted, 1 unit ids"):
            score_table(truth, truth, np.array([4]), **NAMES)


@pytest.mark.parametrize(("n_true", "n_predicted"), [(10, 9), (0, 0)])
def test_other_bins_are_refused_by_every_function(n_true, n_predicted):
    pair = np.zeros(n_true, np.uint8), np.zeros(n_predicted, np.uint8)
    problem = f"{n_true} true bins, {n_predicted} predicted"
    for function, scale in (
        (score_trains, {"bin_s": BIN_S}),
        (schreiber_similarity, {"sigma_s": 0, "bin_s": BIN_S}),
        (van_rossum_distance, {"tau_s": 1, "bin_s": BIN_S}),
        (binned_correlation, {"width_s": 0.01, "bin_s": BIN_S}),
        (precision_recall_f1, {"tolerance_bins": 1}),
        (spike_time_tiling, {"reach_s": 0.01, "bin_s": BIN_S}),
    ):
        with pytest.raises(InputError, match=problem):
            function(*pair, **scale)


@pytest.mark.parametrize("bin_s", [0, -0.001, 0.006, np.nan])
def test_bins_that_are_none_or_too_wide(bin_s):
    with pytest.raises(InputError, match="bins of"):
        score_trains(at(9, 1), at(9, 2), bin_s=bin_s)
