"""The notes' way to a width: from a tenth of the examples down, as long as nothing is lost.

Kept beside the choice by which hidden units fire (``spikesieve.sae.selection``), to be compared
with it: reconstruction is what it looks at, and that rewards copying.
"""

import numpy as np
import pandas as pd

from spikesieve.fitting import Block
from spikesieve.r2 import column_r2
from spikesieve.sae.model import SparseAutoencoder

#: Share of the training bins that is the ceiling, and by how much each step is narrower.
CEILING, SHRINK = 0.1, 0.15
#: Relative loss of both R2, against the widest, at which the shrinking stops.
TOLERANCE = 0.075
#: Not below this many latents.
FLOOR = 4


def shrink_width(
    train: Block,
    held_out: Block,
    settings: dict,
    *,
    ceiling: float = CEILING,
    shrink: float = SHRINK,
    tolerance: float = TOLERANCE,
) -> pd.DataFrame:
    """Train ever narrower dictionaries until both R2 fall by more than ``tolerance``.

    Returns
    -------
    A row a width, wide to narrow: ``n_latents``, ``r2_units`` (mean over units of R2 over bins),
    ``r2_bins`` (mean over bins of R2 over units), both on ``held_out`` bins, and ``chosen``: the
    narrowest before both had fallen too far. ``settings`` as ``SparseAutoencoder`` has them; a
    width among them is left out, and ``k`` is at most the width.
    """
    width, rows, fell = max(int(ceiling * len(train.counts)), FLOOR), [], False
    while True:
        k = min(settings["k"], width)
        model = SparseAutoencoder(**settings | {"n_latents": width, "k": k, "levels": ()})
        model.fit(*train, validation=held_out)
        predicted = model.inverse_transform(model.transform(*held_out)).astype(np.float64)
        rows.append({"n_latents": width, **_both(held_out.counts.astype(np.float64), predicted)})
        first, last = rows[0], rows[-1]
        names = ("r2_units", "r2_bins")
        fell = all(first[n] - last[n] > tolerance * abs(first[n]) for n in names)
        if fell or width == FLOOR:
            break
        width = max(min(int((1 - shrink) * width), width - 1), FLOOR)
    table = pd.DataFrame(rows)
    return table.assign(chosen=np.arange(len(table)) == len(table) - (2 if fell else 1))


def _both(counts: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    units, bins = np.ptp(counts, axis=0) > 0, np.ptp(counts, axis=1) > 0
    by_unit = column_r2(counts[:, units], predicted[:, units]).mean() if units.any() else np.nan
    by_bin = column_r2(counts[bins].T, predicted[bins].T).mean() if bins.any() else np.nan
    return {"r2_units": float(by_unit), "r2_bins": float(by_bin)}
