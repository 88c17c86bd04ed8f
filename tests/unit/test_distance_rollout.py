"""Rollout, calibration and evaluation: what is fed back, what is not seen, what is written."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from distance_samples import SMALL, flicker_bins

from spikesieve.distance import calibration, infer_spikes, placing
from spikesieve.distance.evaluating import (
    evaluate,
    infer_recording,
    inferred_table,
    true_rate_spikes,
    unit_numbers,
)
from spikesieve.distance.example import example_window
from spikesieve.distance.fitting import fit_network
from spikesieve.distance.heads import Prediction
from spikesieve.distance.methods import check_method, step_of
from spikesieve.distance.placing import Asked, Calibration, joint_placer, make_placer
from spikesieve.distance.rollout import READ_AT_ONCE, Span, rollout, span_of
from spikesieve.distance.settings import make_settings
from spikesieve.distance.shape import Shape
from spikesieve.distance.windows import on_device
from spikesieve.errors import InputError
from spikesieve.recording import read_table

CPU = torch.device("cpu")
SHAPE = Shape(n_in=20, prefix=4, future=10, counts=(5,), max_distance=30)


@pytest.fixture(scope="module")
def trained():
    bins = flicker_bins(n_bins=3200)
    return fit_network([bins], SMALL | {"n_steps": 60})[0], bins


class Clock(torch.nn.Module):
    """A network that wants a spike just when a unit's last one is 7 bins ago; it never was told.

    It keeps what it was shown.
    """

    def __init__(self):
        super().__init__()
        self.stimuli, self.histories = [], []

    def read(self, stimulus):
        self.stimuli.append(stimulus)
        return stimulus

    def ask(self, stimulus, history, units):
        assert torch.equal(stimulus[0], self.stimuli[-1][len(self.histories) % READ_AT_ONCE])
        self.histories.append(history[0].clone())
        hazard = torch.full((1, len(units), 10), -20.0)
        for row, past in enumerate(history[0]):
            spikes = past.flatten().nonzero()
            since = 20 - int(spikes[-1]) if len(spikes) else 7
            if since <= 7:
                hazard[0, row, 7 - since] = 20.0
        return Prediction(hazard_logit=hazard)


def test_a_rollout_feeds_on_its_own_spikes_alone():
    """A spike every 7 bins, although only 5 bins of each window are used, for each method alike."""
    network = Clock()
    placers = {name: make_placer(name, SHAPE) for name in ("cumulative", "sampled", "none")}
    stimulus = torch.arange(200.0).reshape(1, 200)
    found = rollout(
        network, stimulus, torch.arange(2), Span(60, 100), SHAPE, placers, step=5, seed=0
    )
    assert [*found] == [*placers]
    every_seventh = np.arange(40) % 7 == 0
    for name in ("cumulative", "sampled"):
        assert found[name].shape == (2, 40)
        np.testing.assert_array_equal(found[name], np.tile(every_seventh, (2, 1)))
    assert not found["none"].any()
    assert not network.histories[0].any()  # it starts from nothing


def test_placers_are_told_where_each_units_last_spike_was():
    """Relative to now, of their own spikes in the bins that were used; 0 before there is one."""
    asked_for, placed = [], []

    def place(asked, memory, random, used):
        asked_for.append(asked.last_spike.copy())
        found = random.random((2, 10)) < [[0.15], [0.02]]
        placed.append(found[:, :used])
        return found, None

    stimulus = torch.zeros(1, 400)
    span = Span(60, 360)
    found = rollout(Clock(), stimulus, torch.arange(2), span, SHAPE, {"x": place}, step=5, seed=1)
    trains = np.concatenate(placed, axis=1)
    np.testing.assert_array_equal(found["x"], trains)
    for number, told in enumerate(asked_for):
        for unit in range(2):
            before = np.flatnonzero(trains[unit, : 5 * number])
            assert told[unit] == (before[-1] - 5 * number if len(before) else 0)
    assert (np.concatenate(asked_for) < -5).any()


def test_hazards_add_up_over_the_bins_that_are_used():
    """At 0.3 a bin, 12 spikes in 40 bins, although each window has twice the bins that are used."""

    class Steady(Clock):
        def ask(self, stimulus, history, units):
            flat = torch.full((1, len(units), 10), 0.3)
            return Prediction(hazard_logit=flat.logit())

    placers = {"cumulative": make_placer("cumulative", SHAPE)}
    options = {"step": 5, "seed": 0}
    found = rollout(
        Steady(), torch.zeros(1, 200), torch.arange(1), Span(60, 100), SHAPE, placers, **options
    )
    assert found["cumulative"].sum() == 12


def asked(**values):
    """Return what a network says of one unit: 4 bins before now, 10 after."""
    random = np.random.default_rng(0)
    nothing = dict.fromkeys(("distance", "variance", "hazard", "counts"))
    some = {"distance": random.uniform(1, 9, (1, 14)), "hazard": np.full((1, 10), 0.1)}
    return Asked(**(nothing | some | {"last_spike": np.array([-3])} | values))


def test_placers_call_the_inference_as_they_say():
    shape = SHAPE._replace(counts=(5, 8))
    said = asked(counts=np.array([[0.0, 8.0]]), variance=np.full((1, 14), 0.3))
    common = {"prefix": 4, "max_distance": 30, "last_spike": np.array([-3])}
    for method, space in (("em", "linear"), ("exact", "log"), ("gradient", "linear")):
        found, _ = make_placer(method, shape)(said, None, None, 5)
        wanted = infer_spikes(said.distance, method=method, space=space, **common)
        np.testing.assert_array_equal(found, wanted)
    random = np.random.default_rng(0)
    assert not make_placer("poisson_5", shape)(said, None, random, 5)[0].any()
    drawn = [make_placer("poisson_8", shape)(said, None, random, 8)[0].sum() for _ in range(50)]
    assert 5 < np.mean(drawn) <= 8
    joint = joint_placer(Calibration(2.0, True, np.array([1.5])), shape)
    found, _ = joint(said, None, None, 5)
    options = {"hazard": said.hazard, "hazard_weight": 2.0, "variance": said.variance}
    wanted = infer_spikes(said.distance, method="joint", lowered=[1.5], **options, **common)
    np.testing.assert_array_equal(found, wanted)


def test_the_joint_decoder_takes_the_best_of_what_it_tried(trained, monkeypatch):
    network, bins = trained
    scores = iter([0.1, 0.3, 0.2, 0.0, 0.25, 0.05])
    monkeypatch.setattr(calibration, "_judge", lambda *arguments: next(scores))
    found = infer_recording(network, bins, ["joint"], step=10, seed=0, device=CPU).calibration
    assert (found.use_variance, found.hazard_weight) == (True, 1.0)


def test_calibration_weighs_similarity_against_distance():
    """More spikes raise Schreiber's similarity: only van Rossum's distance speaks against them."""
    random = np.random.default_rng(0)
    true = random.random((40, 2, 50)) < 0.03
    twice = true.copy()
    twice[:, :, 25:] |= random.random((40, 2, 25)) < 0.5
    assert calibration._judge(true, true, 0.001) == pytest.approx(1.0)
    none = calibration._judge(true, np.zeros_like(true), 0.001)
    assert none == pytest.approx(-1.0)
    assert calibration._judge(true, twice, 0.001) < none


def test_owed_spikes_lower_distances_until_they_are_placed():
    """Two rows alike but for their hazard: of the second, far more spikes are owed."""
    said = asked()
    twice = Asked(
        distance=np.repeat(said.distance, 2, axis=0),
        variance=None,
        hazard=np.array([[0.0] * 10, [0.6] * 10]),
        counts=None,
        last_spike=np.array([-3, -3]),
    )
    joint = joint_placer(Calibration(0.0, False, np.zeros(2)), SHAPE)
    for placer in (joint, make_placer("em_counted", SHAPE)):
        owed, placed = None, np.zeros(2)
        for _ in range(40):
            found, after = placer(twice, owed, None, 5)
            placed += found[:, :5].sum(axis=1)
            more = [0.0, 0.6 * 5] - found[:, :5].sum(axis=1)
            before = 0.0 if owed is None else owed
            np.testing.assert_allclose(after, np.clip(before + more, -20, 20), atol=1e-9)
            owed = after
        wanted = np.array([0.0, 0.6 * 5 * 40])
        # The first stops: even at the highest bound little is placed that isn't owed.
        assert placed[1] == pytest.approx(wanted[1], rel=0.15)
        assert placed[0] < 0.2 * placed[1]


def test_what_is_owed_counts_only_bins_that_are_used():
    placer = joint_placer(Calibration(1.0, False, np.full(1, -3.0)), SHAPE)
    far = asked(distance=np.full((1, 14), 29.0))
    found, owed = placer(far, None, None, 5)
    assert not found.any()
    np.testing.assert_allclose(owed, [0.5])
    silent = placing._owing(lambda asked, more: np.zeros((1, 10), bool))
    _, owed = silent(far, np.array([19.9]), None, 5)
    assert owed == [20]  # not without end: it would all be paid at once


@pytest.mark.parametrize("owed", [-30.0, -4.0, 0.0, 7.0, 90.0])
def test_what_is_owed_lowers_distances_by_so_much(owed):
    said = asked(variance=np.full((1, 14), 0.3))
    common = {"prefix": 4, "max_distance": 30, "last_spike": np.array([-3])}
    joint = joint_placer(Calibration(1.0, True, np.array([0.2])), SHAPE)
    lowered = np.clip(0.2 + 0.3 * owed, -3, 6)
    wanted = infer_spikes(
        said.distance,
        method="joint",
        hazard=said.hazard,
        variance=said.variance,
        lowered=lowered,
        **common,
    )
    np.testing.assert_array_equal(joint(said, np.array([owed]), None, 5)[0], wanted)
    nearer = said.distance * np.exp(-np.clip(0.3 * owed, -3, 6))
    wanted = infer_spikes(nearer, method="em", **common)
    found, _ = make_placer("em_counted", SHAPE)(said, np.array([owed]), None, 5)
    np.testing.assert_array_equal(found, wanted)


def test_a_prediction_that_is_no_number_stops_a_rollout():
    class Broken(Clock):
        def ask(self, stimulus, history, units):
            said = super().ask(stimulus, history, units)
            return said._replace(log_counts=torch.full((1, len(units), 1), torch.nan))

    placers = {"none": make_placer("none", SHAPE)}
    with pytest.raises(InputError, match="network's counts at bin 60 is not finite"):
        rollout(
            Broken(),
            torch.zeros(1, 200),
            torch.arange(1),
            Span(60, 90),
            SHAPE,
            placers,
            step=5,
            seed=0,
        )


def test_a_rollout_sees_no_stimulus_after_now():
    network = Clock()
    stimulus = torch.arange(200.0).reshape(1, 200)
    placers = {"none": make_placer("none", SHAPE)}
    rollout(network, stimulus, torch.arange(1), Span(60, 100), SHAPE, placers, step=5, seed=0)
    windows = torch.cat(network.stimuli)
    assert windows[:, 0, -1].tolist() == [*range(59, 99, 5)]
    assert windows.shape == (8, 1, 20)


def test_methods_run_together_or_alone_give_the_same(trained):
    network, bins = trained
    options = {"step": 10, "seed": 3, "device": CPU}
    names = [
        "joint",
        "em",
        "em_counted",
        "exact",
        "gradient",
        "cumulative",
        "sampled",
        "poisson_5",
        "none",
    ]
    together = infer_recording(network, bins, names, **options)
    for name in ("sampled", "cumulative", "poisson_5", "em"):
        alone = infer_recording(network, bins, [name], **options)
        n_bins = together.truth.shape[1]  # whole steps of the longest
        np.testing.assert_array_equal(alone.spikes[name][:, :n_bins], together.spikes[name])
    assert together.span.start >= 2400 + 64
    assert together.truth.shape == together.spikes["em"].shape
    np.testing.assert_array_equal(
        together.truth, bins.spikes[:, together.span.start : together.span.stop]
    )
    other = infer_recording(network, bins, ["sampled"], **(options | {"seed": 4}))
    assert (other.spikes["sampled"] != together.spikes["sampled"]).any()


def test_test_bins_tell_the_calibration_nothing(trained):
    network, bins = trained
    options = {"step": 10, "seed": 0, "device": CPU}
    before = infer_recording(network, bins, ["joint"], **options).calibration
    spikes = bins.spikes.copy()
    spikes[:, bins.split == "test"] = 1
    after = infer_recording(network, bins._replace(spikes=spikes), ["joint"], **options)
    assert before[:2] == after.calibration[:2]
    np.testing.assert_array_equal(before.lowered, after.calibration.lowered)


def test_the_joint_decoder_places_about_as_many_spikes_as_there_were(trained):
    """On validation windows with the true past; so says its docstring."""
    network, bins = trained
    s = network.settings
    recorded = on_device(bins, CPU)
    seen = calibration.windows_in_a_row(
        network.network, recorded, torch.arange(3), s, [Span(1664, 2304)], step=10
    )
    found = calibration._lowered(seen, s.shape, 1.0, True, 10)
    placed = calibration._decode(seen, s.shape, found, 10).sum()
    assert placed == pytest.approx(seen.spikes.sum(), rel=0.15)
    fewer = found._replace(lowered=found.lowered - 1)
    assert calibration._decode(seen, s.shape, fewer, 10).sum() < 0.9 * placed


def test_units_without_validation_spikes_are_calibrated_all_the_same(trained):
    """Their number of spikes there is none, so that is what is aimed at."""
    network, bins = trained
    spikes = bins.spikes.copy()
    spikes[:, bins.split == "validation"] = 0
    found = infer_recording(
        network, bins._replace(spikes=spikes), ["joint"], step=10, seed=0, device=CPU
    )
    assert np.isfinite(found.calibration.lowered).all()


def test_windows_in_a_row_know_the_true_past(trained):
    network, bins = trained
    recorded = on_device(bins, CPU)
    seen = calibration.windows_in_a_row(
        network.network,
        recorded,
        torch.arange(3),
        network.settings,
        [Span(1664, 1794), Span(2000, 2020)],
        step=10,
    )
    assert seen.spikes.shape == (15, 3, 10)
    for window, now in enumerate([*range(1664, 1794, 10), 2000, 2010]):
        np.testing.assert_array_equal(seen.spikes[window], bins.spikes[:, now : now + 10])
        for unit in range(3):
            last = np.flatnonzero(bins.spikes[unit, :now])[-1] - now
            assert seen.asked.last_spike[3 * window + unit] == last


def test_nan_in_a_prediction_is_named():
    asked = Asked(
        distance=np.full((1, 14), np.nan),
        variance=None,
        hazard=np.full((1, 10), 0.1),
        counts=None,
        last_spike=np.zeros(1, int),
    )
    with pytest.raises(InputError, match="predicted distance of window 0, bin 0 is nan"):
        make_placer("em", SHAPE)(asked, None, None, 5)
    placer = joint_placer(Calibration(1.0, False, np.zeros(1)), SHAPE)
    with pytest.raises(InputError, match="window 0, bin 0 is nan"):
        placer(asked, None, None, 5)


def test_methods_that_cannot_run_are_refused():
    heads = ("hazard", "counts")
    with pytest.raises(InputError, match="'em' reads head 'distance'.*take em off"):
        check_method("em", heads, SHAPE)
    with pytest.raises(InputError, match="did you mean 'cumulative'"):
        check_method("cumulativ", heads, SHAPE)
    with pytest.raises(InputError, match="no count over 80 bins.*poisson_5"):
        check_method("poisson_80", heads, SHAPE)
    with pytest.raises(InputError, match="method 'poisson'"):
        check_method("poisson", heads, SHAPE)
    assert step_of("poisson_5", SHAPE, 8) == 5
    assert step_of("sampled", SHAPE, 8) == 8


def test_a_network_is_not_used_on_what_it_does_not_know(trained):
    network, bins = trained
    with pytest.raises(InputError, match=r"recording 'flicker'.*1 units.*99 the first"):
        unit_numbers(network, bins._replace(unit_ids=np.array([1, 3, 99], np.int32)))
    with pytest.raises(InputError, match="channels"):
        unit_numbers(network, bins._replace(channels=("led_a", "led_x")))
    with pytest.raises(InputError, match="bins of 2 ms, but the network was trained on 1 ms"):
        unit_numbers(network, bins._replace(bin_s=0.002))
    with pytest.raises(InputError, match="step 17.*16 bins"):
        infer_recording(network, bins, ["none"], step=17, seed=0, device=CPU)


def test_a_rollout_takes_the_longest_block():
    assert span_of([(0, 100), (200, 260)], SHAPE, 7) == Span(20, 20 + 77)
    with pytest.raises(
        InputError, match=r"recording 'r'.*longest test block has 24 bins; a rollout needs 20"
    ):
        span_of([(0, 24)], SHAPE, 5, "r")
    with pytest.raises(InputError, match="longest test block has 0 bins"):
        span_of([], SHAPE, 5)


def test_the_true_rate_gives_a_spike_whenever_it_has_added_up_to_one():
    bins = flicker_bins(n_units=2, n_bins=1000)._replace(bin_s=0.002)
    truth = {"unit_id": np.array([3, 1]), "step_s": np.array(0.001)}
    truth["rate_hz"] = np.stack([np.full(2000, 50.0), np.full(2000, 10.0)])
    found = true_rate_spikes(truth, bins, Span(0, 1000))
    assert found.sum(axis=1).tolist() == [20, 100]  # 2 s at 10 and at 50 Hz
    assert np.diff(np.flatnonzero(found[1])).tolist() == [10] * 99


def test_an_evaluation_writes_all_it_says(trained, tmp_path):
    network, bins = trained
    names = ["joint", "em", "cumulative", "none"]
    evaluate(
        network,
        [bins],
        tmp_path,
        methods=names,
        truth={},
        step=10,
        model="small",
        seed=0,
        device=CPU,
    )
    spikes = read_table(tmp_path / "inferred_spikes.parquet", "inferred_spikes")
    about = json.loads((tmp_path / "inference.json").read_text())["recordings"]["flicker"]
    first, stop = about["first_bin"], about["first_bin"] + about["n_bins"]
    true = spikes[spikes["method"] == "truth"]
    assert len(true) == bins.spikes[:, first:stop].sum()
    assert set(spikes["method"]) <= {"truth", *names}
    assert np.isclose(true["time_s"], (true["bin"] + 0.5) * bins.bin_s).all()
    scores = read_table(tmp_path / "scores.parquet", "scores")
    assert set(scores["method"]) == set(names)
    silent = scores[(scores["method"] == "none") & (scores["metric"] == "van_rossum_relative")]
    assert (silent["value"] == 1).all()
    shape = make_settings(**SMALL).shape
    window = example_window(
        _written(bins, tmp_path), tmp_path, recording="flicker", shape=shape, units=None
    )
    assert len(window["predicted"]) == len(window["true"]) == 24
    energy = window["elimination"]["energy"].to_numpy()
    assert (np.diff(energy) < 0).all()
    n_left = window["elimination"]["n_spikes"].iloc[-1]
    assert n_left == len(window["spikes"]["em"])


def _written(bins, folder):
    from spikesieve.distance.bins import write_bins

    write_bins(folder / "bins.parquet", bins)
    return folder / "bins.parquet"


def test_spikes_that_share_a_bin_are_rows_of_their_own(trained):
    network, bins = trained
    inferred = infer_recording(network, bins, ["none"], step=10, seed=0, device=CPU)
    truth = inferred.truth.copy()
    truth[0, 5] = 3
    table = inferred_table(inferred._replace(truth=truth), bins)
    here = (table["unit_id"] == 1) & (table["bin"] == inferred.span.start + 5)
    assert here.sum() == 3
    assert isinstance(table, pd.DataFrame)
