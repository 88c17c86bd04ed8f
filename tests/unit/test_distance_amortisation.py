"""One network for all against one a unit: the same total time, scores of each unit."""

import numpy as np
from distance_samples import SMALL, flicker_bins

from spikesieve.distance import amortisation


def test_each_contender_has_the_same_total_time_and_every_unit_its_scores(monkeypatch):
    bins = flicker_bins(n_units=3, n_bins=3200)
    # A second a step, of whatever network: what is checked is how the budget is shared out.
    monkeypatch.setattr(amortisation, "_seconds_of_a_step", lambda bins, settings: 1.0)
    settings = {k: v for k, v in SMALL.items() if k != "n_steps"}
    found = amortisation.compare_amortisation(
        bins,
        {"all": settings, "alone": settings | {"unit": "none"}},
        shared="all",
        budget_s=12.0,
        method="cumulative",
        step=16,
    )
    scored = found[found["unit_id"] >= 0]
    for contender, n_steps in (("all", 12), ("alone", 4)):
        mine = scored[scored["contender"] == contender]
        assert set(mine["n_steps"]) == {n_steps}
        assert sorted(set(mine["unit_id"])) == [1, 3, 5]
        assert set(mine["metric"]) == {"schreiber", "van_rossum_relative", "count_ratio"}
        assert len(mine) == 9
    losses = found[(found["unit_id"] < 0) & (found["metric"] == "validation_loss")]
    assert losses["contender"].value_counts().to_dict() == {"all": 1, "alone": 3}
    assert np.isfinite(losses["value"]).all()


def test_the_time_of_a_step_leaves_out_what_comes_once(monkeypatch):
    """By a clock that a pretended training moves: 9 s at first, and 0.1 s a step."""
    now = [0.0, 9.0]

    def fit(bins, settings):
        now[0] += now.pop() if len(now) > 1 else 0.0
        now[0] += 0.5 + 0.1 * settings["n_steps"]

    monkeypatch.setattr(amortisation, "fit_network", fit)
    monkeypatch.setattr(amortisation.time, "process_time", lambda: now[0])
    seconds = amortisation._seconds_of_a_step(flicker_bins(), {})
    assert round(seconds, 9) == 0.1
