"""Random masks: the share that was asked for, no pattern, and the same again for the same key."""

import numpy as np
import pytest

from spikesieve.sae.masks import random_mask


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_each_cell_is_hidden_by_the_chance_that_was_asked_for(share):
    mask = random_mask(7, share, 2000, 301)
    expected = share * (1 - share)
    assert mask.shape == (2000, 301)
    assert mask.mean() == pytest.approx(share, abs=4 * (expected / mask.size) ** 0.5)
    for axis, n in ((0, 2000), (1, 301)):  # no unit and no bin is favoured
        spread = mask.mean(axis=axis).std()
        assert spread == pytest.approx((expected / n) ** 0.5, rel=0.15)


def test_cells_and_keys_are_independent_and_a_key_gives_one_mask():
    first, second = (random_mask(key, 0.5, 1000, 200) for key in (2**63 - 1, 2**63 - 2))
    assert np.array_equal(first, random_mask(2**63 - 1, 0.5, 1000, 200))
    assert abs((first == second).mean() - 0.5) < 0.005
    for step in (1, 2, 4, 200):
        cells = first.ravel()
        assert abs((cells[step:] == cells[:-step]).mean() - 0.5) < 0.005
