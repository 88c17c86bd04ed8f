"""Learning-rate schedules: continuous, within their bounds, defined for any number of steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikesieve.errors import InputError
from spikesieve.sae.schedules import FLOOR, SCHEDULES, learning_rate_share

names = st.sampled_from(SCHEDULES)
any_steps = st.integers(1, 400) | st.sampled_from([9, 10, 11, 999, 2000])


def shares(name, n_steps):
    return np.array([learning_rate_share(name, step, n_steps) for step in range(n_steps)])


@given(names, any_steps)
def test_shares_stay_within_bounds_and_do_not_jump(name, n_steps):
    rates = shares(name, n_steps)
    assert (rates > 0).all() and (rates <= 1).all()
    # The steepest part is the warm-up: ten times the rate over the training's length.
    assert np.abs(np.diff(rates)).max(initial=0) <= 10 / n_steps + 1e-12


@given(st.sampled_from(["cosine", "cosine_cycles"]), any_steps)
def test_it_warms_up_holds_to_half_and_ends_at_the_floor(name, n_steps):
    rates = shares(name, n_steps)
    n_warm, n_held = n_steps // 10, n_steps // 2
    np.testing.assert_allclose(rates[:n_warm], np.arange(1, n_warm + 1) / (0.1 * n_steps))
    assert (rates[math.ceil(n_steps / 10) : n_held] == 1).all()
    assert rates[-1] == pytest.approx(FLOOR, rel=1e-9)
    assert (rates[n_held:] >= FLOOR - 1e-12).all()


def test_the_cycles_are_a_fifth_of_the_decay_and_hang_below_the_cosine():
    n = 2000
    plain, cycled = shares("cosine", n)[n // 2 :], shares("cosine_cycles", n)[n // 2 :]
    ratio = (cycled - FLOOR) / np.maximum(plain - FLOOR, 1e-9)
    assert ratio[:-20].max() <= 1 + 1e-9
    # Deepest in the middle of each cycle, 2 amplitudes below; back at the cosine at its end.
    np.testing.assert_allclose(ratio[99:-20:200], 0.8, atol=1e-6)
    np.testing.assert_allclose(ratio[199:-20:200], 1, atol=1e-6)


def test_the_rate_is_allowed_to_rise_within_a_cycle():
    assert (np.diff(shares("cosine_cycles", 2000)[1000:]) > 0).any()


def test_constant_is_constant():
    assert (shares("constant", 7) == 1).all()


@pytest.mark.parametrize(
    ("name", "step", "match"),
    [("cosin", 0, "did you mean 'cosine'"), ("cosine", 10, "step 10 of 10"), ("cosine", -1, "-1")],
)
def test_bad_schedules_are_refused(name, step, match):
    with pytest.raises(InputError, match=match):
        learning_rate_share(name, step, 10)
