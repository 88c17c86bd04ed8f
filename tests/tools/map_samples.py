"""Small unit maps for the tests of their page and figure."""

import numpy as np
import pandas as pd

from spikesieve.distance.averages import average_table
from spikesieve.distance.unit_map import map_units

CHANNELS = ["led_630nm", "led_530nm", "led_480nm", "led_420nm"]
#: What a recording's name must not do to a page.
HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">&amp;'


def small_map(
    n_units=24, names=("first", "second"), *, n_lags=100, silent=(), channels=CHANNELS, seed=0
):
    """Return tables ``unit_map``, ``map_scores`` and ``stimulus_average`` of units of 3 kinds.

    Averages are one bump each: of unit ``u`` in channel ``u % 4``, ``5 + 3 u`` lags before.
    Units whose number is ``silent`` have none.
    """
    rng = np.random.default_rng(seed)
    unit = np.arange(n_units)
    recording = np.array(names, dtype=object)[unit % len(names)]
    centres = rng.normal(0, 1.2, (3, 6))
    embedding = centres[unit % 3] + rng.normal(0, 1, (n_units, 6))
    frame = pd.DataFrame({"recording": recording, "unit_id": unit.astype(np.int32) + 100})
    frame = frame.assign(**{f"e{i}": column for i, column in enumerate(embedding.T)})
    lag = np.arange(n_lags)
    bump = np.exp(-(((lag - 5 - 3 * (unit[:, None] % 25)) / 4) ** 2))
    averages = rng.normal(0, 0.01, (n_units, len(channels), n_lags))
    averages[unit, unit % len(channels)] += bump * (1 + unit[:, None] / n_units)
    averages[list(silent)] = np.nan
    table = pd.concat(
        [
            average_table(
                name,
                frame["unit_id"].to_numpy()[recording == name],
                channels,
                averages[recording == name],
                bin_s=0.001,
            )
            for name in dict.fromkeys(recording)
        ],
        ignore_index=True,
    )
    rates = {
        name: pd.DataFrame({"unit_id": unit + 100, "firing_rate_hz": unit / 2.0}) for name in names
    }
    unit_map, scores = map_units(frame, table, rates, n_permutations=100, seed=seed)
    return unit_map, scores, table
